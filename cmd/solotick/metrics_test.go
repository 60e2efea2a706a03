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

// A pair are two agents of one job, of which a began alone.
type pair struct {
	*testing.T
	text, slow string // the file, and the file that makes runs long
	a, b       *crewman
}

func (p *pair) both() []*crewman { return []*crewman{p.a, p.b} }

// sum is that of both agents.
func (p *pair) sum(name string, labels ...string) float64 {
	p.Helper()
	return p.a.value(name, labels...) + p.b.value(name, labels...)
}

// TestMetricsOfAFleet drives two agents on a zone server through what they count, and
// looks at each figure where it moves.
func TestMetricsOfAFleet(t *testing.T) {
	p := &pair{T: t, slow: filepath.Join(t.TempDir(), "slow")}
	p.text = "version: 1\n" + zoneServer(t) + `agent: { grace: 1s }
jobs:
  tick:
    every: 2s
    lease: 4s
    kill_grace: 0s
    skew: 100ms
    head_start: 600ms
    spread: 100ms
    poll: 1s
    exec: [sh, -c, "while test -e ` + p.slow + `; do sleep 0.05; done"]
`
	p.a = enlist(t, "AAAA", p.text)
	await(t, "runs of the first agent", func() bool { return p.a.value("ticks_total", "job", "tick", "outcome", "run") >= 2 })
	p.b = enlist(t, "BBBB", p.text)
	await(t, "ticks that the other one saw", func() bool { return p.b.value("ticks_total", "job", "tick", "outcome", "elsewhere") >= 2 })
	p.allIsWell()
	p.pause()
	p.swapsGoWrong()
	p.takeOver()
	for _, c := range p.both() {
		clean(t, c.desk)
	}
}

// allIsWell looks at the figures while one agent runs every tick and the other looks on.
func (p *pair) allIsWell() {
	a, b := p.a, p.b
	elsewhere, ranByB, ranByA := b.value("ticks_total", "outcome", "elsewhere"), b.value("ticks_total", "outcome", "run"), a.value("ticks_total", "outcome", "run")
	if ranByB > 1 || elsewhere > ranByA {
		p.Errorf("A ran %v ticks, B %v, and B saw %v", ranByA, ranByB, elsewhere)
	}
	await(p.T, "the end of the runs so far", func() bool { return a.value("runs_total", "job", "tick", "result", "ok") >= ranByA })
	now := float64(time.Now().UnixMilli()) / 1000
	for _, name := range []string{"last_run_timestamp_seconds", "last_success_timestamp_seconds", "next_tick_timestamp_seconds"} {
		if got, found := a.metric(name); !found || math.Abs(got-now) > 10 {
			p.Errorf("%s is %v, now it is %v", name, got, now)
		}
	}
	for _, c := range p.both() {
		if off, found := c.metric("clock_offset_seconds"); !found || math.Abs(off) > 1 {
			p.Errorf("the clock is off by %v (%v)", off, found)
		}
		if paused, found := c.metric("paused", "job", "tick"); paused != 0 || !found {
			p.Errorf("paused is %v (%v)", paused, found)
		}
		if n := c.value("takeovers_total") + c.value("lookups_total", "outcome", "failed") + c.value("register_requests_total", "outcome", "unreached"); n != 0 {
			p.Errorf("%v takeovers and requests that failed", n)
		}
		if info, _ := c.metric("build_info"); info != 1 {
			p.Error("no build_info")
		}
	}
	if n := b.value("lookups_total", "outcome", "answered"); n < 2 {
		p.Errorf("B asked DNS %v times", n)
	}
	swaps := a.value("swaps_total", "job", "tick", "outcome", "done")
	if requests, took := a.value("register_requests_total", "op", "swap", "outcome", "done"), a.value("register_request_duration_seconds", "op", "swap"); swaps < 2*ranByA || requests < swaps || took < requests {
		p.Errorf("%v swaps for %v runs, by %v requests with %v durations", swaps, ranByA, requests, took)
	}
	if runs, took, lag := a.value("runs_total"), a.value("run_duration_seconds"), a.value("start_lag_seconds"); took < ranByA || lag < took || runs < took {
		p.Errorf("%v runs, %v durations, %v lags", runs, took, lag)
	}
}

// pause has an operator pause the job: every agent sees it, and what falls due is
// passed over.
func (p *pair) pause() {
	operate(p.T, p.text, "tick", pauseForTwoHours)
	await(p.T, "the pause", func() bool { return p.a.value("paused") == 1 && p.b.value("paused") == 1 })
	due := time.Now().Unix() + 5
	await(p.T, "ticks that nobody runs", func() bool { return time.Now().Unix() > due })
	operate(p.T, p.text, "tick", resume)
	await(p.T, "the resumption", func() bool { return p.sum("paused") == 0 && p.sum("ticks_total", "outcome", "passed") >= 2 })
}

// swapsGoWrong has a swap of whoever swaps next end in each of the ways there are.
func (p *pair) swapsGoWrong() {
	for outcome, what := range map[string]int32{"uncertain": replyLost, "conflict": refusedAsConflict} {
		before := p.sum("swaps_total", "outcome", outcome)
		for _, c := range p.both() {
			c.swap.Store(what)
		}
		await(p.T, "a swap that ends as "+outcome, func() bool { return p.sum("swaps_total", "outcome", outcome) > before })
		for _, c := range p.both() {
			c.swap.Store(asUsual)
		}
	}
}

// takeOver cuts the agent that runs the job off amid a run, and the other one takes
// over. That one, alone and cut off from its register, but not from DNS, runs ticks
// all the same.
func (p *pair) takeOver() {
	if err := os.WriteFile(p.slow, nil, 0o600); err != nil {
		p.Fatal(err)
	}
	runner, other := p.a, p.b
	await(p.T, "a long run", func() bool {
		for _, c := range p.both() {
			if c.value("start_lag_seconds") > c.value("run_duration_seconds") {
				runner = c
				return true
			}
		}
		return false
	})
	if runner == p.b {
		other = p.a
	}
	runner.noRegister.Store(true)
	runner.noDNS.Store(true)
	await(p.T, "a takeover", func() bool { return other.value("takeovers_total", "job", "tick") == 1 })
	if err := os.Remove(p.slow); err != nil {
		p.Fatal(err)
	}
	await(p.T, "the loss of the run", func() bool { return runner.value("runs_total", "result", "lost") == 1 })
	for _, of := range [][]string{{"swaps_total", "outcome", "failed"}, {"register_requests_total", "op", "swap", "outcome", "unreached"}, {"lookups_total", "outcome", "failed"}} {
		await(p.T, strings.Join(of, " "), func() bool { return runner.value(of[0], of[1:]...) > 0 })
	}
	runner.leave()
	other.noRegister.Store(true)
	await(p.T, "an unarbitrated run", func() bool { return other.value("ticks_total", "outcome", "unarbitrated") > 0 })
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
