package sim

import (
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// minutes has a tick at each.
type minutes struct{}

func (minutes) Next(after int64) int64 { return (after/60 + 1) * 60 }
func (minutes) Prev(at int64) int64    { return at / 60 * 60 }

// TestRetries has a tick that is retried after a failure, as the job wants it, be run once.
func TestRetries(t *testing.T) {
	s := Scenario{Seed: 1, Agents: 2, For: 12 * time.Hour, Policy: elect.Policy{Schedule: minutes{}, Attempts: 4}, Job: Job{Takes: Fixed(time.Second), Fails: 0.2}}
	r, err := Run(s)
	if err != nil {
		t.Fatal(err)
	}
	if r.Twice > 0 || r.Runs < r.Ticks*6/5 || r.Once < r.Ticks*9/10 {
		t.Errorf("of %d ticks, in %d runs, %d were run once and %d more than once", r.Ticks, r.Runs, r.Once, r.Twice)
	}
}

// TestEndless has nobody miss the ticks behind a run that outlasts the scenario.
func TestEndless(t *testing.T) {
	r, err := Run(Scenario{Seed: 1, For: 12 * time.Hour, Policy: elect.Policy{Schedule: minutes{}}, Job: Job{Takes: Fixed(24 * time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Broken() || r.Runs != 1 {
		t.Errorf("%d runs, %d of %d ticks missed", r.Runs, r.Missed, r.Ticks)
	}
}

// TestTally has what must not be be counted, by a register that takes it all.
func TestTally(t *testing.T) {
	at := func(second int64) int64 { return 1_767_225_600 + second }
	first := record.Record{ID: "A", Timer: at(60), TimerOld: at(0), Seq: 1}
	claim := record.Record{ID: "A", Timer: at(120), TimerOld: at(60), Seq: 2, Claimed: true}
	report := record.Record{ID: "A", Timer: at(120), TimerOld: at(60), Seq: 3, Last: record.OK}
	early := report
	early.Timer = at(180)
	again, lower := claim, claim
	again.ID, again.Seq = "B", 3
	lower.Timer, lower.TimerOld, lower.Seq = at(180), at(120), 2
	for name, one := range map[string]struct {
		catchUp  elect.CatchUp
		writes   []record.Record
		at       time.Duration
		broken   [3]int64 // fences, claims, ticks missed
		takeover time.Duration
	}{
		"as it should be":               {writes: []record.Record{first, claim, report}, at: 62 * time.Second},
		"the next tick is passed over":  {writes: []record.Record{first, claim, early}, at: 62 * time.Second, broken: [3]int64{0, 0, 1}},
		"it was due":                    {writes: []record.Record{first, claim, early}, at: 122 * time.Second, broken: [3]int64{0, 0, 1}},
		"it was due, and is skipped":    {catchUp: elect.CatchUpNone, writes: []record.Record{first, claim, early}, at: 122 * time.Second},
		"another one is due instead":    {writes: []record.Record{first, claim, early}, at: 182 * time.Second},
		"an attempt is claimed twice":   {writes: []record.Record{first, claim, again}, at: 62 * time.Second, broken: [3]int64{0, 1, 0}, takeover: time.Second},
		"a fence is one that was there": {writes: []record.Record{first, claim, report, lower}, at: 122 * time.Second, broken: [3]int64{1, 0, 0}},
	} {
		s := Scenario{Agents: 1, For: 12 * time.Hour, Policy: elect.Policy{Schedule: minutes{}, CatchUp: one.catchUp}}
		if err := s.fill(); err != nil {
			t.Fatal(err)
		}
		w := newWorld(&s)
		var is content
		for i, r := range one.writes {
			w.now = one.at - time.Duration(len(one.writes)-1-i)*time.Second
			next := present(r)
			if !w.swap(is, next) {
				t.Fatalf("%s: write %d was refused", name, i)
			}
			is = next
		}
		if w.tally.taken != 0 {
			w.tally.step(w, Step{Verb: elect.Run, Tick: at(60), Attempt: 2})
		}
		missed := int64(0)
		for _, c := range w.tally.ticks {
			if c.silent {
				missed++
			}
		}
		if got := [3]int64{w.tally.FenceBroken, w.tally.ClaimedTwice, missed}; got != one.broken {
			t.Errorf("%s: counted were %v, want %v", name, got, one.broken)
		}
		if one.takeover == 0 && w.tally.Takeover.Count > 0 || w.tally.Takeover.Longest != one.takeover {
			t.Errorf("%s: a takeover after %v, want %v", name, w.tally.Takeover.Longest, one.takeover)
		}
	}
}
