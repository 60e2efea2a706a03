package solotick

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/sim"
)

// TestSim has the simulator and real agents in virtual time go through the same
// scenario: they are to decide the same at the same moments.
func TestSim(t *testing.T) {
	policy := elect.Policy{
		Schedule: grid(60), Lease: 15 * time.Second, KillGrace: 3 * time.Second, Skew: 2 * time.Second,
		HeadStart: 2 * time.Second, Spread: 3 * time.Second, PollMin: 53 * time.Second, PollMax: 53 * time.Second,
	}
	three := []sim.Member{
		{ID: "AGENT0", Begin: 1300 * time.Millisecond},
		{ID: "AGENT1", Begin: 17900 * time.Millisecond},
		{ID: "AGENT2", Begin: 41 * time.Second},
	}
	for name, change := range map[string]func(s *sim.Scenario){
		"calm":       func(*sim.Scenario) {},
		"a long job": func(s *sim.Scenario) { s.Job.Takes = sim.Fixed(44 * time.Second) },
		"slow DNS":   func(s *sim.Scenario) { s.Provider.Publish = sim.Fixed(4700 * time.Millisecond) },
		"slow register": func(s *sim.Scenario) {
			slow := sim.Fixed(1800 * time.Millisecond)
			s.Provider.Load, s.Provider.Swap, s.Provider.Look = slow, slow, slow
		},
		"the incumbent is killed between ticks": func(s *sim.Scenario) { s.Members[0].Kill = 150 * time.Second },
		"the incumbent is killed amid a run": func(s *sim.Scenario) {
			s.Members[0].Kill = 4*time.Minute + 2*time.Second
			s.Job.Takes = sim.Fixed(5500 * time.Millisecond)
		},
		"the incumbent ends amid a run": func(s *sim.Scenario) {
			s.Members[0].Stop = 4*time.Minute + 2*time.Second
			s.Job.Takes = sim.Fixed(30500 * time.Millisecond)
		},
		"it ends after its run": func(s *sim.Scenario) {
			s.Members[0].Stop = 4*time.Minute + 2*time.Second
			s.Job.Takes = sim.Fixed(5500 * time.Millisecond)
		},
		"the register is away":       away(60),
		"it is away for a few ticks": away(30),
		"it is away for many ticks":  away(20),
		"no affinity":                func(s *sim.Scenario) { s.Policy.NoAffinity = true },
		"at most once":               func(s *sim.Scenario) { s.Policy.AtMostOnce = true },
		"replace": func(s *sim.Scenario) {
			s.Policy.Overlap = elect.OverlapReplace
			s.Job.Takes = sim.Fixed(70 * time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := sim.Scenario{
				Members: slices.Clone(three), For: 20 * time.Minute, Policy: policy,
				Job: sim.Job{Takes: sim.Fixed(time.Second)},
				Provider: sim.Provider{
					Load: sim.Fixed(20 * time.Millisecond), Swap: sim.Fixed(20 * time.Millisecond), Look: sim.Fixed(20 * time.Millisecond),
				},
			}
			change(&s)
			var simulated, real []string
			s.Watch = func(step sim.Step) {
				if step.Killed {
					return // nobody is there to tell
				}
				simulated = append(simulated, course(step.At, step.Agent, step.Verb, step.Why, step.Outcome, step.Tick, step.Ended))
			}
			bubble(t, func(w *world) {
				s.Start = w.start
				if _, err := sim.Run(s); err != nil {
					t.Fatal(err)
				}
				for _, m := range s.Members {
					n := w.node(s.Policy)
					n.away = func() bool {
						return slices.ContainsFunc(s.Away, func(a sim.Span) bool { return a.From <= w.now() && w.now() < a.Until })
					}
					n.ID, n.rtt, n.lag, n.work = m.ID, s.Provider.Load.Min, s.Provider.Publish.Min, works(s.Job.Takes.Min)
					n.seen = func(ev Event) {
						if n.isDead() {
							return // it does not know
						}
						tick := int64(0)
						if ev.Verb == elect.Run || ev.Verb == elect.Stop {
							tick = ev.Tick.Time.Unix()
						}
						w.mu.Lock()
						real = append(real, course(w.now(), n.ID, ev.Verb, ev.Why, ev.Outcome, tick, ev.Ended))
						w.mu.Unlock()
					}
				}
				play(w, s)
			})
			slices.Sort(simulated)
			slices.Sort(real)
			if len(simulated) < 100 {
				t.Errorf("only %d steps", len(simulated))
			}
			if diff := cmp.Diff(simulated, real); diff != "" {
				t.Errorf("simulated (-) and real (+):\n%s", strings.Join(slices.Collect(strings.Lines(diff))[:min(60, strings.Count(diff, "\n"))], ""))
			}
		})
	}
}

// away has a register be away for a moment, and for some ticks, amid a run and between two.
func away(every int64) func(s *sim.Scenario) {
	return func(s *sim.Scenario) {
		s.Members = s.Members[:1] // of several that ask at one moment, which is first is left to chance
		s.Policy.Schedule = grid(every)
		s.Job.Takes = sim.Fixed(3 * time.Second)
		s.Away = []sim.Span{
			{From: 4 * time.Minute, Until: 4*time.Minute + 700*time.Millisecond},
			{From: 6*time.Minute + 2*time.Second, Until: 9*time.Minute + 31*time.Second},
			{From: 12*time.Minute + 13*time.Second, Until: 15*time.Minute + 7*time.Second},
		}
	}
}

// play has the members come and go.
func play(w *world, s sim.Scenario) {
	type entry struct {
		at time.Duration
		do func(*node)
		n  *node
	}
	var all []entry
	for i, m := range s.Members {
		n := w.nodes[i]
		all = append(all, entry{m.Begin, func(n *node) { n.run(); n.start(); n.start = nil }, n})
		if m.Stop > 0 {
			all = append(all, entry{m.Stop, func(n *node) { n.stop() }, n})
		}
		if m.Kill > 0 {
			all = append(all, entry{m.Kill, (*node).kill, n})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return int(a.at - b.at) })
	for _, e := range all {
		w.until(e.at)
		e.do(e.n)
	}
	w.until(s.For - 1)
	for _, n := range w.nodes {
		n.seen = nil
	}
}

func course(at time.Duration, agent string, verb elect.Verb, why elect.Reason, out elect.Outcome, tick int64, ended bool) string {
	return fmt.Sprintf("%012.6f %s %v %v %v %d %t", at.Seconds(), agent, verb, why, out, tick, ended)
}
