package sim_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"regexp"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/schedule"
	"github.com/solotick/solotick/sim"
)

var years = flag.Float64("sim.years", 2, "how many years TestYears simulates, in all")

func minutely(t testing.TB) elect.Policy {
	t.Helper()
	s, err := schedule.Every(time.Minute, 17*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return elect.Policy{Schedule: s}
}

func run(t testing.TB, s sim.Scenario) *sim.Report {
	t.Helper()
	r, err := sim.Run(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// calm is a world in which nothing goes wrong.
func calm(t testing.TB) sim.Scenario {
	t.Helper()
	return sim.Scenario{Seed: 1, Policy: minutely(t), Job: sim.Job{Takes: sim.Fixed(time.Second)}}
}

// rough is a world in which everything goes wrong, and often, but the register and DNS
// are never away.
func rough(t testing.TB, seed uint64) sim.Scenario {
	t.Helper()
	p, _ := sim.Named("rfc2136")
	p.LostRequest, p.LostReply, p.Late, p.LateBy = 0.01, 0.01, 0.01, sim.Delay{Median: 5 * time.Second, P99: time.Minute}
	p.LoadFails, p.LookFails = 0.01, 0.02
	return sim.Scenario{
		Seed: seed, Agents: 3, For: 30 * 24 * time.Hour, Policy: minutely(t), Provider: p,
		Job:      sim.Job{Takes: sim.Delay{Min: 100 * time.Millisecond, Median: 2 * time.Second, P99: 50 * time.Second}, Fails: 0.02, Grace: sim.Delay{Median: 200 * time.Millisecond}},
		Clocks:   sim.Clocks{Offset: time.Second, Drift: 100, Steps: sim.Repeated{Every: 12 * time.Hour}},
		Pauses:   sim.Repeated{Every: 3 * time.Hour, Length: sim.Delay{Median: 2 * time.Second, P99: 2 * time.Minute}},
		Crashes:  sim.Repeated{Every: 5 * time.Hour, Length: sim.Delay{Min: time.Second, Median: 20 * time.Second, P99: 10 * time.Minute}},
		Restarts: sim.Repeated{Every: 24 * time.Hour, Length: sim.Fixed(30 * time.Second)},
	}
}

// guaranteed fails where the report breaks a promise of protocol section 10.
func guaranteed(t *testing.T, r *sim.Report) {
	t.Helper()
	if r.Missed > 0 || r.FenceBroken > 0 || r.ClaimedTwice > 0 {
		t.Errorf("seed %d: %d ticks missed, %d fences not greater than the one before, %d attempts claimed twice", r.Seed, r.Missed, r.FenceBroken, r.ClaimedTwice)
	}
	if r.Overlaps > 0 || r.Beside > 0 {
		t.Errorf("seed %d: %d runs began beside another one, %d of them with a claim", r.Seed, r.Beside, r.Overlaps)
	}
	if sum := r.Once + r.Twice + r.Failed + r.Passed + r.Missed; sum != r.Ticks {
		t.Errorf("%d ticks, and %d are accounted for", r.Ticks, sum)
	}
}

// TestSame has chance come from the seed alone.
func TestSame(t *testing.T) {
	one, two, other := rough(t, 7), rough(t, 7), rough(t, 8)
	one.For, two.For, other.For = 24*time.Hour, 24*time.Hour, 24*time.Hour
	a, b, c := run(t, one), run(t, two), run(t, other)
	if a.Course != b.Course || a.Swaps != b.Swaps {
		t.Errorf("one seed, two courses: %s and %s", a.Course, b.Course)
	}
	if a.Course == c.Course {
		t.Error("two seeds, one course")
	}
}

// TestCalm holds what costs nothing when nothing goes wrong: each tick runs once, at
// once, with two writes, whatever the number of agents.
func TestCalm(t *testing.T) {
	for _, agents := range []int{1, 3, 300} {
		s := calm(t)
		s.Agents, s.For = agents, 6*time.Hour
		r := run(t, s)
		guaranteed(t, r)
		if r.Ticks < 290 || r.Once != r.Ticks {
			t.Errorf("%d agents: %d of %d ticks ran once", agents, r.Once, r.Ticks)
		}
		if perTick := float64(r.Swaps.Sent) / float64(r.Runs); perTick > 2.05 {
			t.Errorf("%d agents: %.3f swaps a run", agents, perTick)
		}
		if r.StartLag.P50 > 100*time.Millisecond || r.Takeover.Count != 0 {
			t.Errorf("%d agents: half of the ticks start within %v, %d takeovers", agents, r.StartLag.P50, r.Takeover.Count)
		}
	}
}

// TestYears goes through years of a rough world, each month with a seed of its own.
func TestYears(t *testing.T) {
	months := int(*years * 12)
	var ticks, twice, takeovers, alone, beside int64
	var longest time.Duration
	for seed := range months {
		r := run(t, rough(t, uint64(seed)))
		guaranteed(t, r)
		ticks, twice, takeovers, longest = ticks+r.Ticks, twice+r.Twice, takeovers+r.Takeovers, max(longest, r.Takeover.Longest)
		alone, beside = alone+r.Unarbitrated, beside+r.Beside
		if t.Failed() {
			return
		}
	}
	t.Logf("%d ticks in %d months of 30 days, %d run more than once, %d takeovers, the longest after %v; %d runs without the register, %d beside another", ticks, months, twice, takeovers, longest, alone, beside)
	if takeovers == 0 || twice == 0 {
		t.Error("nothing went wrong, so nothing was tried")
	}
	if longest > 2*time.Minute {
		t.Errorf("a takeover took %v", longest)
	}
}

// TestOutages has the register be away, and DNS too: no tick is missed by that.
func TestOutages(t *testing.T) {
	s := rough(t, 3)
	s.Outages = sim.Repeated{Every: 12 * time.Hour, Length: sim.Delay{Median: 2 * time.Minute, P99: time.Hour}}
	s.DNSOut = sim.Repeated{Every: 12 * time.Hour, Length: sim.Delay{Median: time.Minute, P99: 30 * time.Minute}}
	r := run(t, s)
	if r.Missed > 0 || r.FenceBroken > 0 {
		t.Errorf("%d ticks missed, %d fences broken", r.Missed, r.FenceBroken)
	}
	if r.Unarbitrated == 0 || r.Passed == 0 {
		t.Errorf("%d unarbitrated runs, %d ticks passed over: the outages were not felt", r.Unarbitrated, r.Passed)
	}
	s.Policy.Fill()
	s.Policy.WithoutRegister = elect.WithoutWait
	if r := run(t, s); r.Unarbitrated > 0 || r.Beside > 0 {
		t.Errorf("%d unarbitrated runs, %d beside others, although that is forbidden", r.Unarbitrated, r.Beside)
	}
}

// TestOutagesOfShortIntervals: while the register is silent, the ticks of a job that
// has many of them in that time are run one by one.
func TestOutagesOfShortIntervals(t *testing.T) {
	s := rough(t, 4)
	tenth, err := schedule.Every(10*time.Second, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.For, s.Policy.Schedule, s.Job.Takes = 3*24*time.Hour, tenth, sim.Fixed(time.Second)
	s.Outages = sim.Repeated{Every: 4 * time.Hour, Length: sim.Fixed(10 * time.Minute)}
	r := run(t, s)
	if r.Missed > 0 || r.FenceBroken > 0 {
		t.Errorf("%d ticks missed, %d fences broken", r.Missed, r.FenceBroken)
	}
	if r.Passed > 60 || r.Unarbitrated < 1000 { // some as each outage begins, before anybody knows of it
		t.Errorf("%d ticks passed over, %d unarbitrated runs", r.Passed, r.Unarbitrated)
	}
}

// TestCache has agents look through caches: what is shown is old, and costs Loads and
// time, but no tick.
func TestCache(t *testing.T) {
	s := rough(t, 5)
	s.For = 10 * 24 * time.Hour
	straight := run(t, s)
	s.Cache = time.Minute
	cached := run(t, s)
	guaranteed(t, straight)
	guaranteed(t, cached)
	if cached.Loads <= straight.Loads || cached.Takeovers == 0 {
		t.Errorf("%d Loads with a cache, %d without, %d takeovers: the cache was not felt", cached.Loads, straight.Loads, cached.Takeovers)
	}
	t.Logf("%d Loads with a cache, %d without; 99 of 100 ticks start within %v and %v", cached.Loads, straight.Loads, cached.StartLag.P99, straight.StartLag.P99)
}

// TestLimit has an account that is too small for what agents ask: they go on, and it
// is counted.
func TestLimit(t *testing.T) {
	s := calm(t)
	s.For = 4 * time.Hour
	s.Provider = sim.Provider{Loads: sim.Limit{Requests: 6, Per: 5 * time.Minute, Block: time.Minute}, Shared: true}
	r := run(t, s)
	if r.Throttled == 0 || r.Busiest < 0.99 {
		t.Errorf("%d requests too many, %.2f of the limit used", r.Throttled, r.Busiest)
	}
	if r.Missed > 0 || r.FenceBroken > 0 {
		t.Errorf("%d ticks missed, %d fences broken", r.Missed, r.FenceBroken)
	}
}

// TestProviders checks that each model is one in which agents keep up.
func TestProviders(t *testing.T) {
	for _, p := range sim.Providers() {
		s := calm(t)
		s.Provider, s.For = p, 12*time.Hour
		r := run(t, s)
		guaranteed(t, r)
		if float64(r.Once) < 0.99*float64(r.Ticks) || r.Throttled > 0 {
			t.Errorf("%s: %d of %d ticks ran once, %d requests too many", p.Name, r.Once, r.Ticks, r.Throttled)
		}
		if named, ok := sim.Named(p.Name); !ok || named.Name != p.Name {
			t.Errorf("%s is not found by its name", p.Name)
		}
		if p.Tariff.As == "" || p.Tariff.Source == "" || p.Latencies == "" {
			t.Errorf("%s: where its figures come from is not said", p.Name)
		}
		if b := r.Bill(p); b.Looks < 150_000 || b.Looks > 300_000 || b.Swaps < 86_000 || b.Swaps > 98_000 || b.Requests < b.Swaps {
			t.Errorf("%s: a month of three agents and a tick a minute is %+v", p.Name, b)
		}
	}
	if _, ok := sim.Named("nobody"); ok {
		t.Error("there is a model of nobody")
	}
}

// TestRefused has what cannot be simulated be said.
func TestRefused(t *testing.T) {
	for name, s := range map[string]sim.Scenario{
		"no schedule":  {},
		"a lock":       {Policy: elect.Policy{Lock: true}},
		"agents":       {Policy: minutely(t), Agents: -1},
		"for ever":     {Policy: minutely(t), For: 1<<63 - 1},
		"a bad policy": {Policy: elect.Policy{Schedule: minutely(t).Schedule, Lease: time.Second, KillGrace: time.Minute}},
	} {
		if r, err := sim.Run(s); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestPicture draws a takeover.
func TestPicture(t *testing.T) {
	s := rough(t, 1)
	s.For, s.Start = 3*24*time.Hour, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r := run(t, s)
	p := sim.Picture{Title: `<"&>`, Start: s.Start, From: r.FirstTakeover - 5*time.Minute, To: r.FirstTakeover + 5*time.Minute}
	s.Watch = p.Watch
	r = run(t, s)
	var b bytes.Buffer
	if err := p.WriteSVG(&b, r); err != nil {
		t.Fatal(err)
	}
	elements := map[string]int{}
	for dec := xml.NewDecoder(&b); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			elements[e.Name.Local]++
		}
	}
	if elements["svg"] != 1 || elements["rect"] < 20 || elements["title"] < 10 || elements["line"] < 5 {
		t.Errorf("drawn were %v", elements)
	}
}

// TestKilled has the picture end the bar of a run where its process was killed.
func TestKilled(t *testing.T) {
	s := calm(t)
	s.For, s.Job.Takes = 10*time.Minute, sim.Fixed(20*time.Second)
	s.Members = []sim.Member{{ID: "FIRST", Kill: 4*time.Minute + 22*time.Second}, {ID: "SECOND", Begin: 30 * time.Second}}
	p := sim.Picture{To: s.For}
	killed := 0
	s.Watch = func(step sim.Step) {
		p.Watch(step)
		if step.Killed {
			killed++
			if want := "     262.000 FIRST          end: killed: tick 1767225857 attempt 1"; step.String() != want {
				t.Errorf("%q, want %q", step, want)
			}
		}
	}
	r := run(t, s)
	var b bytes.Buffer
	if err := p.WriteSVG(&b, r); err != nil {
		t.Fatal(err)
	}
	// Not quite five seconds of 600 on 814 pixels.
	if lost := regexp.MustCompile(`class="lost" .* width="(.*)" height.*attempt 1: ended with its process<`).FindStringSubmatch(b.String()); killed != 1 || lost == nil || lost[1] != "6.6" {
		t.Errorf("%d killed, and drawn as %q", killed, lost)
	}
}

func BenchmarkDay(b *testing.B) {
	for b.Loop() {
		s := calm(b)
		run(b, s)
	}
}
