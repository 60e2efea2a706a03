package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/schedule"
	"github.com/solotick/solotick/steps"
)

// clean fails for metrics that promlint finds fault with, and for those of the
// project that docs/metrics.md does not tell of.
func clean(t *testing.T, d *desk) {
	t.Helper()
	problems, err := testutil.GatherAndLint(d.reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("promlint: %s: %s", p.Metric, p.Text)
	}
	docs, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	families, err := d.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if name := f.GetName(); strings.HasPrefix(name, "solotick_") && !strings.Contains(string(docs), "`"+name) {
			t.Errorf("docs/metrics.md does not tell of %s", name)
		}
	}
}

// TestMetricsOfAFleet drives two agents on a zone server through what they count, and
// looks at each figure where it moves.
func TestMetricsOfAFleet(t *testing.T) {
	dir := t.TempDir()
	slow := filepath.Join(dir, "slow")
	text := "version: 1\n" + zoneServer(t) + `agent: { grace: 1s }
jobs:
  tick:
    every: 1s
    lease: 3s
    kill_grace: 0s
    skew: 100ms
    head_start: 100ms
    spread: 100ms
    poll: 1s
    exec: [sh, -c, "while test -e ` + slow + `; do sleep 0.05; done"]
`
	a := enlist(t, "AAAA", text)
	await(t, "runs of the first agent", func() bool { return a.value("ticks_total", "job", "tick", "outcome", "run") >= 2 })
	b := enlist(t, "BBBB", text)
	await(t, "ticks that the other one saw", func() bool { return b.value("ticks_total", "job", "tick", "outcome", "elsewhere") >= 3 })

	ranByA, ranByB := a.value("ticks_total", "outcome", "run"), b.value("ticks_total", "outcome", "run")
	if elsewhere := b.value("ticks_total", "outcome", "elsewhere"); ranByB > 1 || elsewhere > ranByA {
		t.Errorf("A ran %v ticks, B %v, and B saw %v", ranByA, ranByB, elsewhere)
	}
	await(t, "the end of the runs so far", func() bool { return a.value("runs_total", "job", "tick", "result", "ok") >= ranByA })
	now := float64(time.Now().UnixMilli()) / 1000
	for name, near := range map[string]float64{
		"last_run_timestamp_seconds": 5, "last_success_timestamp_seconds": 5, "next_tick_timestamp_seconds": 5, "config_info": math.Inf(1),
	} {
		if got, found := a.metric(name); found && math.Abs(got-now) > near || !found && near < 10 {
			t.Errorf("%s is %v, now it is %v", name, got, now)
		}
	}
	for _, c := range []*crewman{a, b} {
		if off, found := c.metric("clock_offset_seconds"); !found || math.Abs(off) > 1 {
			t.Errorf("the clock is off by %v (%v)", off, found)
		}
		if paused, found := c.metric("paused", "job", "tick"); paused != 0 || !found {
			t.Errorf("paused is %v (%v)", paused, found)
		}
		if n := c.value("takeovers_total"); n != 0 {
			t.Errorf("%v takeovers", n)
		}
		if n := c.value("lookups_total", "outcome", "failed") + c.value("register_requests_total", "outcome", "unreached"); n != 0 {
			t.Errorf("%v requests failed", n)
		}
		if info, _ := c.metric("build_info"); info != 1 {
			t.Error("no build_info")
		}
	}
	if n := b.value("lookups_total", "outcome", "answered"); n < 3 {
		t.Errorf("B asked DNS %v times", n)
	}
	swaps := a.value("swaps_total", "job", "tick", "outcome", "done")
	if requests := a.value("register_requests_total", "op", "swap", "outcome", "done"); swaps < 2*ranByA || requests < swaps {
		t.Errorf("%v swaps for %v runs, by %v requests", swaps, ranByA, requests)
	}
	if n := a.value("register_request_duration_seconds", "op", "swap"); n < swaps {
		t.Errorf("%v durations of %v swaps", n, swaps)
	}
	if runs, took, lag := a.value("runs_total"), a.value("run_duration_seconds"), a.value("start_lag_seconds"); took < ranByA || lag < took || runs < took {
		t.Errorf("%v runs, %v durations, %v lags", runs, took, lag)
	}

	// An operator pauses the job: every agent sees it. What falls due is passed over.
	operate(t, text, "tick", pauseForTwoHours)
	await(t, "the pause", func() bool { return a.value("paused") == 1 && b.value("paused") == 1 })
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(3100 * time.Millisecond))) // three ticks fall due
	operate(t, text, "tick", resume)
	await(t, "the resumption", func() bool {
		return a.value("paused") == 0 && a.value("ticks_total", "outcome", "passed")+b.value("ticks_total", "outcome", "passed") >= 2
	})

	// Swaps that do not end well.
	for outcome, what := range map[string]int32{"uncertain": replyLost, "conflict": refusedAsConflict} {
		count := func() float64 {
			return a.value("swaps_total", "outcome", outcome) + b.value("swaps_total", "outcome", outcome)
		}
		before := count()
		a.swap.Store(what)
		b.swap.Store(what)
		await(t, "a swap that ends as "+outcome, func() bool { return count() > before })
		a.swap.Store(asUsual)
		b.swap.Store(asUsual)
	}

	// The agent that runs the job is cut off amid a run: the other one takes over.
	if err := os.WriteFile(slow, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	runner, other := a, b
	await(t, "a long run", func() bool {
		for _, c := range []*crewman{a, b} {
			if c.value("start_lag_seconds") > c.value("run_duration_seconds") {
				runner = c
				return true
			}
		}
		return false
	})
	if runner == b {
		other = a
	}
	runner.noRegister.Store(true)
	runner.noDNS.Store(true)
	await(t, "a takeover", func() bool { return other.value("takeovers_total", "job", "tick") == 1 })
	if err := os.Remove(slow); err != nil {
		t.Fatal(err)
	}
	await(t, "the loss of the run", func() bool { return runner.value("runs_total", "result", "lost") == 1 })
	for _, of := range [][]string{{"swaps_total", "outcome", "failed"}, {"register_requests_total", "op", "swap", "outcome", "unreached"}, {"lookups_total", "outcome", "failed"}} {
		await(t, strings.Join(of, " "), func() bool { return runner.value(of[0], of[1:]...) > 0 })
	}

	// An agent that is alone and does not reach its register, but DNS, runs ticks all
	// the same.
	runner.leave()
	other.noRegister.Store(true)
	await(t, "an unarbitrated run", func() bool { return other.value("ticks_total", "outcome", "unarbitrated") > 0 })
	for _, c := range []*crewman{a, b} {
		clean(t, c.desk)
	}
}

// TestMetricsOfTicks: a tick counts once, however often it is run or seen, and only
// where it is one of the job's own schedule.
func TestMetricsOfTicks(t *testing.T) {
	every, err := schedule.Every(time.Minute, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := member{Name: "j", Policy: elect.Policy{Schedule: every}}
	d := newDesk("ME")
	count := func(outcome string) float64 { return testutil.ToFloat64(d.ticks.WithLabelValues("j", outcome)) }
	look := func(r record.Record) { d.see(m, solotick.Event{Verb: elect.Look, Record: r}) }
	for i, step := range []struct {
		do                         func()
		run, elsewhere, passed, un float64
	}{
		{func() { look(record.Record{ID: "OTHER", TimerOld: 60}) }, 0, 0, 0, 0}, // from before this agent's time
		{func() { look(record.Record{ID: "OTHER", TimerOld: 120, Claimed: true}) }, 0, 1, 0, 0},
		{func() { look(record.Record{ID: "OTHER", TimerOld: 120}) }, 0, 1, 0, 0},
		{func() { look(record.Record{}) }, 0, 1, 0, 0},                           // nothing there
		{func() { look(record.Record{ID: "OTHER", TimerOld: 60}) }, 0, 1, 0, 0},  // rolled back
		{func() { look(record.Record{ID: "OTHER", TimerOld: 150}) }, 0, 1, 0, 0}, // a trigger
		{func() {
			d.see(m, solotick.Event{Verb: elect.Swap, Why: elect.TickDue, Record: record.Record{ID: "ME", TimerOld: 240}, Passed: 1})
		}, 0, 1, 1, 0},
		{func() { d.see(m, solotick.Event{Verb: elect.Run, Tick: solotick.Tick{Time: time.Unix(240, 0)}}) }, 1, 1, 1, 0},
		{func() {
			d.see(m, solotick.Event{Verb: elect.Run, Tick: solotick.Tick{Time: time.Unix(240, 0), Attempt: 2}})
		}, 1, 1, 1, 0},
		{func() { look(record.Record{ID: "ME", TimerOld: 240}) }, 1, 1, 1, 0},
		{func() {
			d.see(m, solotick.Event{Verb: elect.Run, Tick: solotick.Tick{Time: time.Unix(300, 0), Unarbitrated: true}})
		}, 1, 1, 1, 1},
		{func() {
			d.see(m, solotick.Event{Verb: elect.Swap, Why: elect.RanUnarbitrated, Record: record.Record{ID: "OTHER", TimerOld: 300}})
		}, 1, 1, 1, 1},
		{func() { look(record.Record{ID: "OTHER", TimerOld: 360}) }, 1, 2, 1, 1},
		{func() {
			d.see(m, solotick.Event{Verb: elect.Load, Record: record.Record{ID: "OTHER", TimerOld: 420}, Err: errCut})
		}, 1, 2, 1, 1},
	} {
		step.do()
		if r, e, p, u := count("run"), count("elsewhere"), count("passed"), count("unarbitrated"); r != step.run || e != step.elsewhere || p != step.passed || u != step.un {
			t.Errorf("step %d: run %v, elsewhere %v, passed %v, unarbitrated %v; want %v, %v, %v, %v", i, r, e, p, u, step.run, step.elsewhere, step.passed, step.un)
		}
	}
}

// TestPausedEndsByItself: nobody has to look at a record for its pause to end.
func TestPausedEndsByItself(t *testing.T) {
	every, err := schedule.Every(time.Minute, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk("ME")
	m := member{Name: "j", Policy: elect.Policy{Schedule: every}}
	now := time.Now().Unix()
	for pause, want := range map[int64]float64{0: 0, -1: 1, now + 3600: 1, now - 1: 0} {
		d.see(m, solotick.Event{Verb: elect.Look, Record: record.Record{ID: "A", Timer: 60, Pause: pause}})
		if got, found := d.metric(t, "paused", "job", "j"); got != want || !found {
			t.Errorf("with a pause until %d (now %d): %v", pause, now, got)
		}
	}
}

// TestForget has no job that is gone among the metrics, and all others.
func TestForget(t *testing.T) {
	every, err := schedule.Every(time.Minute, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk("A")
	for _, name := range []string{"kept", "gone"} {
		m := member{Name: name, Policy: elect.Policy{Schedule: every}}
		d.see(m, solotick.Event{Verb: elect.Look, Record: record.Record{ID: "B", Timer: 120, TimerOld: 60}})
		d.see(m, solotick.Event{Verb: elect.Swap, Why: elect.ClaimLapsed, Passed: 1})
		d.see(m, solotick.Event{Verb: elect.Run, Time: time.Now(), Tick: solotick.Tick{Time: time.Now()}})
		d.see(m, solotick.Event{Verb: elect.Run, Time: time.Now(), Ended: true, Result: "ok"})
		d.see(m, solotick.Event{Verb: elect.Look, Record: record.Record{ID: "B", Timer: 120, TimerOld: 60}})
		d.ran(&finished{member: m, steps: steps.Result{Steps: []steps.Report{{Kind: steps.KindAlert, Told: true}}}})
	}
	count := func(name string) (n int) {
		families, err := d.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			n += strings.Count(f.String(), `value:"`+name+`"`)
		}
		return n
	}
	// Of each: runs, durations, lags, alerts, two outcomes of ticks, takeovers, swaps, and four gauges.
	if kept, gone := count("kept"), count("gone"); kept != 12 || gone != 12 {
		t.Fatalf("%d and %d metrics", kept, gone)
	}
	d.forget(member{Name: "gone"})
	if kept, gone := count("kept"), count("gone"); kept != 12 || gone != 0 {
		t.Errorf("%d and %d metrics", kept, gone)
	}
}
