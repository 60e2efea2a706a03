package solotick

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
)

// minutely is the policy of most tests: the defaults.
var minutely = elect.Policy{Schedule: grid(60)}

// An hour of ticks: each is run once and at once, and costs the same number of
// writes however many agents there are.
func TestFleet(t *testing.T) {
	for _, size := range []int{1, 3, 10, 50} {
		for _, atMostOnce := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d agents, at most once %v", size, atMostOnce), func(t *testing.T) {
				bubble(t, func(w *world) {
					p := minutely
					p.AtMostOnce = atMostOnce
					all := w.agents(size, p)
					w.until(90 * time.Second) // the record is there, a tick was run
					var before, looks, loads int
					for _, n := range all {
						before += n.swaps()
					}
					w.until(90*time.Second + time.Hour)
					runs := w.allRuns()
					if len(runs) != 61 {
						t.Fatalf("%d runs, want 61:\n%s", len(runs), w)
					}
					for i, r := range runs {
						due := time.Duration(i+1) * time.Minute
						if got := r.Time.Sub(w.start); got != due || r.Attempt != 1 {
							t.Fatalf("run %d is of tick %v, attempt %d", i, got, r.Attempt)
						}
						if lag := r.began - due; lag < 0 || lag > 100*time.Millisecond {
							t.Errorf("tick %v was run %v late", due, lag)
						}
					}
					swaps := -before
					for _, n := range all {
						swaps += n.swaps()
						looks += n.looks()
						loads += n.loads()
						if n.loads()+n.swaps() < 7 {
							t.Errorf("%s asked the register %d times in an hour", n.ID, n.loads()+n.swaps())
						}
					}
					want := 120
					if atMostOnce {
						want = 60
					}
					if swaps != want {
						t.Errorf("%d writes for 60 ticks, want %d", swaps, want)
					}
					t.Logf("%.2f writes a tick; %.2f looks and %.2f loads an agent and minute", float64(swaps)/60, float64(looks)/float64(size)/61.5, float64(loads)/float64(size)/61.5)
				})
			})
		}
	}
}

// DNS trails by less than the head start: still nobody writes but the incumbent.
func TestFleetBehindLaggingDNS(t *testing.T) {
	bubble(t, func(w *world) {
		all := w.agents(10, minutely)
		for _, n := range all {
			n.lag = 1900 * time.Millisecond
		}
		w.until(90 * time.Second)
		before := 0
		for _, n := range all {
			before += n.swaps()
		}
		w.until(90*time.Second + 30*time.Minute)
		after := 0
		for _, n := range all {
			after += n.swaps()
		}
		if runs := len(w.allRuns()); runs != 31 || after-before != 60 {
			t.Errorf("%d runs and %d writes in 30 minutes, want 31 and 60", runs, after-before)
		}
	})
}

// Between ticks an agent costs one DNS question a minute, and a Load each ten.
func TestIdleCost(t *testing.T) {
	bubble(t, func(w *world) {
		all := w.agents(5, elect.Policy{Schedule: grid(86400)})
		w.until(time.Hour)
		var looks, loads, swaps []int
		for _, n := range all {
			looks, loads, swaps = append(looks, n.looks()), append(loads, n.loads()), append(swaps, n.swaps())
		}
		w.until(11 * time.Hour)
		for i, n := range all {
			if got := n.looks() - looks[i]; got < 540 || got > 720 {
				t.Errorf("%s: %d looks in ten hours", n.ID, got)
			}
			if got := n.loads() - loads[i]; got < 59 || got > 66 {
				t.Errorf("%s: %d loads in ten hours", n.ID, got)
			}
			if got := n.swaps() - swaps[i]; got != 0 {
				t.Errorf("%s: %d writes between ticks", n.ID, got)
			}
		}
	})
}

// Without DNS the register is asked in its place.
func TestAgentWithoutLook(t *testing.T) {
	bubble(t, func(w *world) {
		for range 3 {
			n := w.node(minutely)
			n.Look = nil
			n.run()
		}
		w.until(10*time.Minute + 30*time.Second)
		if runs := w.allRuns(); len(runs) != 10 {
			t.Errorf("%d runs in ten minutes:\n%s", len(runs), w)
		}
		for _, n := range w.nodes {
			if n.looks() != 0 || n.loads() < 10 {
				t.Errorf("%s: %d looks, %d loads", n.ID, n.looks(), n.loads())
			}
		}
	})
}

func TestTick(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.node(minutely)
		n.Job.Name = "canary"
		left := make(chan time.Duration, 2)
		n.work = func(_ context.Context, tick Tick) error {
			left <- tick.Left()
			return nil
		}
		n.run()
		w.until(61 * time.Second)
		r := w.wantRuns("60/1")[0]
		if r.Job != "canary" || r.Agent != n.ID || r.Unarbitrated || r.Last != record.None || r.State != "" {
			t.Errorf("the first tick: %+v", r.Tick)
		}
		if r.Time.Location() != time.UTC || r.Time.Nanosecond() != 0 {
			t.Errorf("tick %v: want whole seconds of UTC", r.Time)
		}
		if got, want := <-left, 15*time.Second-n.rtt; got != want {
			t.Errorf("%v left, want the lease less the round trip, %v", got, want)
		}
		if min := (w.start.Unix() + 60) * 1000; r.Fence < min {
			t.Errorf("fence %d, want at least %d", r.Fence, min)
		}
		w.until(121 * time.Second)
		if r := w.wantRuns("60/1", "120/1")[1]; r.Last != record.OK {
			t.Errorf("the second tick: %+v", r.Tick)
		}
		if got := w.record(); got.ID != n.ID || got.Last != record.OK || got.Claimed || got.Timer != w.start.Unix()+180 || got.TimerOld != w.start.Unix()+120 {
			t.Errorf("record %v", got)
		}
	})
}

// What Observe is told adds up to what happened.
func TestEvents(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.agents(1, minutely)[0]
		w.until(90 * time.Second)
		w.wantRuns("60/1")
		n.mu.Lock()
		defer n.mu.Unlock()
		var got []string
		for _, ev := range n.events {
			if ev.Err != nil || ev.Outcome != elect.Done {
				t.Errorf("%+v", ev)
			}
			if ev.Time.Before(w.start) || ev.Time.After(time.Now()) {
				t.Errorf("%v at %v", ev.Verb, ev.Time)
			}
			switch ev.Verb {
			case elect.Swap:
				got = append(got, "swap: "+ev.Why.String())
				if ev.Took != n.rtt || ev.Record.ID != n.ID {
					t.Errorf("%+v", ev)
				}
			case elect.Run:
				got = append(got, fmt.Sprintf("run: %v %s %v", ev.Ended, ev.Result, ev.Took))
			}
		}
		want := "swap: no record yet, swap: tick due, run: false  0s, run: true ok 1s, swap: run ended"
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("observed %s\nwant %s", s, want)
		}
	})
}

func TestRunRefusesWhatIsNotFit(t *testing.T) {
	do := func(context.Context, Tick) error { return nil }
	reg := new(register.Memory).At(jobName)
	for _, c := range []struct {
		name, want string
		agent      Agent
	}{
		{"no job", "nothing to do", Agent{Policy: minutely, Register: reg}},
		{"no register", "no register", Agent{Job: Job{Do: do}, Policy: minutely}},
		{"no schedule", "no schedule", Agent{Job: Job{Do: do}, Register: reg}},
		{"short lease", "job j: lease 10s", Agent{Job: Job{"j", do}, Register: reg, Policy: elect.Policy{Schedule: grid(60), Lease: 10 * time.Second, KillGrace: 3 * time.Second}}},
		{"half a second", "whole seconds", Agent{Job: Job{"j", do}, Register: reg, Policy: elect.Policy{Schedule: grid(60), Lease: 15500 * time.Millisecond}}},
		{"negative", "negative", Agent{Job: Job{"j", do}, Register: reg, Policy: elect.Policy{Schedule: grid(60), Timeout: -1}}},
		{"long id", "id", Agent{Job: Job{"j", do}, Register: reg, Policy: minutely, ID: strings.Repeat("A", 33)}},
		{"id that is no text", "id", Agent{Job: Job{"j", do}, Register: reg, Policy: minutely, ID: "A\xff"}},
		{"retries at most once", "at-most-once", Agent{Job: Job{"j", do}, Register: reg, Policy: elect.Policy{Schedule: grid(60), Attempts: 2, AtMostOnce: true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // an agent that starts after all ends at once, with nil
			err := c.agent.Run(ctx)
			if err == nil || !strings.HasPrefix(err.Error(), "solotick: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// The clocks of the system, in real time: an agent starts and ends on them.
func TestSystemClock(t *testing.T) {
	a := &Agent{
		Job:      Job{"j", func(context.Context, Tick) error { return nil }},
		Policy:   elect.Policy{Schedule: grid(1), Lease: 3 * time.Second},
		Register: new(register.Memory).At(jobName),
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a.Observe = func(ev Event) {
		if ev.Ended {
			cancel()
		}
	}
	if err := a.Run(ctx); err != nil {
		t.Error(err)
	}
	c := systemClock()
	before := c.elapsed()
	if after := c.elapsed(); after < before || time.Since(c.wall()).Abs() > time.Minute {
		t.Errorf("elapsed %v after %v, wall clock %v", after, before, c.wall())
	}
}

func TestNewID(t *testing.T) {
	form := regexp.MustCompile(`^[A-Z]{10}$`)
	seen := map[string]bool{}
	letters := map[rune]bool{}
	for range 500 {
		id, err := NewID("")
		if err != nil || !form.MatchString(id) || seen[id] {
			t.Fatalf("id %q, error %v, seen before: %v", id, err, seen[id])
		}
		seen[id] = true
		for _, c := range id {
			letters[c] = true
		}
	}
	if len(letters) != 26 {
		t.Errorf("5000 random letters hold only %d of 26", len(letters))
	}
	if id, err := NewID("HOST12345678"); err != nil || !regexp.MustCompile(`^HOST12345678[A-Z]{10}$`).MatchString(id) {
		t.Errorf("id %q, error %v", id, err)
	}
	for _, bad := range []string{"HOST123456789", "host", "A-B", "Ä", " "} {
		if id, err := NewID(bad); err == nil || id != "" {
			t.Errorf("prefix %q: id %q, error %v, want an error", bad, id, err)
		}
	}
}
