package elect

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/record"
)

// enough states of each configuration for every move, reason and property to come up.
const enough = 70_000

var (
	exploreMost = flag.Int("explore.states", enough, "states of each configuration to go through at most")
	exploreWays = flag.Int("explore.ways", 2_500, "long ways by chance through each configuration that has more states")
	exploreWant = flag.Int("explore.least", 5_000_000, "states of all configurations together that are wanted")
	exploreOnly = flag.String("explore.only", "", "go through the configuration of this name only")
)

// all lets each of the kinds happen once.
func all(ks ...kind) map[kind]int { return upTo(1, ks...) }

func upTo(n int, ks ...kind) map[kind]int {
	m := map[kind]int{}
	for _, k := range ks {
		m[k] = n
	}
	return m
}

var (
	network = []kind{lookStale, lookFails, loadFails, swapLost, swapUnheard, swapLate, swapTwice, swapUnreached, swapForNothing, swapStalls, swapSlow}
	process = []kind{crash, freeze, shutdown}
	byHand  = []kind{deleted, damaged, rollback, future, farTimer, foreign}
	clocks  = []kind{clockOn, clockBack}
	wishes  = []kind{pause, pauseFor, resume, trigger}
)

func join(lists ...[]kind) []kind { return slices.Concat(lists...) }

// configs is what is explored. Each row is small enough to be gone through, or
// large enough that its first states are worth having.
func configs() []config {
	due := record.Record{ID: "A", Timer: 110, TimerOld: 100, Seq: 99000, Last: record.OK, State: "s", EntryID: "e"}
	base := config{agents: 2, from: 109, until: 131, begin: due, settle: 30, kept: true, restart: 1, jobs: []job{{takes: 1}}}
	var out []config
	with := func(name string, change func(*config)) {
		c := base
		c.name = name
		change(&c)
		if c.limits[away] > 0 {
			c.settle += 45 // an agent asks a register that was away for long after half a minute
		}
		if c.limits[copyBack] > 0 {
			c.settle += int64(lagMost / time.Second) // it takes what DNS goes on to show for a lag, and waits that long
		}
		out = append(out, c)
	}
	quick := []job{{takes: 1}, {takes: 0, fails: true}, {takes: forever}, {takes: 2}, {takes: 1, skips: true}}
	with("calm", func(c *config) { c.agents, c.settle, c.until = 3, 20, 145 })
	with("calm, from nothing", func(c *config) {
		c.agents, c.settle, c.begin, c.kept, c.from = 3, 30, record.Record{}, false, 108
	})
	with("anything once, 3 agents", func(c *config) {
		c.agents, c.faults, c.jobs = 3, 1, quick
		c.limits = all(join(network, process, byHand, clocks, wishes, []kind{runs, sealed, away})...)
	})
	with("anything twice", func(c *config) {
		c.faults, c.jobs, c.until = 2, quick, 125
		c.limits = all(join(network, process, byHand, clocks, wishes, []kind{runs, sealed, away})...)
	})
	with("network", func(c *config) { c.faults, c.limits = 3, upTo(2, network...); c.until = 123 })
	with("replies lost", func(c *config) { c.faults, c.limits = 3, upTo(3, swapUnheard); c.until = 130 })
	with("network, no DNS", func(c *config) { c.faults, c.limits, c.noDNS = 2, upTo(2, network...), true })
	with("crash and freeze", func(c *config) {
		c.agents, c.faults, c.restart, c.limits, c.until = 3, 2, 2, upTo(2, crash, freeze, swapStalls, swapUnheard), 122
	})
	with("no takeover left", func(c *config) {
		c.policy = func(p *Policy) { p.Takeovers = 1 }
		c.faults, c.jobs, c.limits = 3, []job{{takes: 3}}, upTo(3, crash, swapLost)
	})
	with("crashes", func(c *config) { c.agents, c.faults, c.restart, c.limits = 3, 3, 1, upTo(3, crash) })
	with("slow answers", func(c *config) {
		c.faults, c.limits = 3, all(swapSlow, runs, freeze)
		c.jobs = []job{{takes: 1}, {takes: forever}}
	})
	with("pause and crash", func(c *config) { c.faults, c.limits = 3, all(pause, resume, crash) })
	with("crashes, refusals", func(c *config) {
		c.restart, c.faults, c.limits = 0, 2, all(crash, swapForNothing)
	})
	with("by hand", func(c *config) {
		c.faults, c.limits = 2, upTo(2, join(byHand, []kind{crash, freeze, sealed})...)
	})
	with("retries", func(c *config) {
		c.policy = func(p *Policy) { p.Attempts = 2 }
		c.faults, c.jobs, c.limits = 3, quick, upTo(2, runs, crash, swapUnheard, shutdown, freeze, farTimer)
		c.until = 127
	})
	with("operator", func(c *config) {
		c.policy = func(p *Policy) { p.Attempts = 2 }
		c.faults, c.jobs, c.limits = 3, quick, upTo(1, pause, pauseFor, resume, trigger, runs, crash, swapUnheard, shutdown)
		c.limits[trigger] = 2
	})
	with("catch_up all", func(c *config) {
		c.policy = func(p *Policy) { p.CatchUp, p.Attempts = CatchUpAll, 2 }
		c.begin.Timer, c.begin.TimerOld = 80, 70
		c.faults, c.jobs, c.limits = 2, quick, upTo(2, runs, crash, swapUnheard, swapLate, freeze, trigger)
	})
	with("catch_up none", func(c *config) {
		c.policy = func(p *Policy) { p.CatchUp = CatchUpNone }
		c.begin.Timer, c.begin.TimerOld, c.from = 80, 70, 107
		c.faults, c.jobs, c.limits = 2, quick, upTo(2, runs, crash, swapUnheard, freeze, shutdown, deleted)
	})
	for name, o := range map[string]Overlap{"overlap wait": OverlapWait, "overlap skip": OverlapSkip, "overlap replace": OverlapReplace} {
		with(name, func(c *config) {
			c.policy = func(p *Policy) { p.Overlap, p.Timeout = o, 25*time.Second }
			c.jobs = []job{{takes: 1}, {takes: 12}, {takes: forever}}
			c.faults, c.limits, c.until = 2, upTo(2, runs, crash, swapUnheard, trigger, clockBack), 136
		})
	}
	with("kill_grace", func(c *config) {
		c.policy = func(p *Policy) { p.KillGrace, p.Lease, p.Timeout = time.Second, 6*time.Second, 8*time.Second }
		c.faults, c.jobs, c.limits = 2, quick, upTo(2, runs, crash, freeze, swapUnheard, swapLost, swapStalls, shutdown, away)
	})
	with("head start", func(c *config) {
		c.policy = func(p *Policy) { p.HeadStart, p.Spread = time.Second, 2*time.Second }
		c.agents, c.faults, c.limits = 3, 1, all(crash, freeze, swapUnheard, lookStale, swapStalls, shutdown)
	})
	with("widening spread", func(c *config) {
		c.policy = func(p *Policy) { p.Spread, p.NoAffinity = time.Second, true }
		c.agents, c.faults, c.limits, c.settle = 3, 2, upTo(2, crash, swapForNothing, deleted, freeze, lookStale), 40
	})
	with("DNS trails", func(c *config) {
		c.policy = func(p *Policy) { p.HeadStart, p.Attempts = time.Second, 2 }
		c.lag, c.faults, c.jobs = 3, 2, quick
		c.limits = upTo(2, crash, swapUnheard, swapLate, runs, pause, resume, trigger, deleted, foreign)
	})
	with("DNS trails, 3 agents", func(c *config) {
		c.agents, c.lag, c.faults, c.limits = 3, 2, 1, all(crash, freeze, swapUnheard, deleted, rollback, pauseFor, shutdown, away)
		c.policy = func(p *Policy) { p.OutageAfter = 2 * time.Second }
	})
	with("DNS is stuck", func(c *config) {
		c.stuck, c.faults, c.settle = true, 3, 660
		c.limits = upTo(2, catchesUp, crash, pause, resume, lookStale)
	})
	with("strangers", func(c *config) {
		c.faults, c.limits = 3, upTo(2, foreign, crash, swapUnheard, swapLate, swapTwice, lookStale)
	})
	with("clocks run apart", func(c *config) {
		c.drift = [most]int64{-8, 0, 0} // more than 5 %: a claim takes longer than its lease there
		c.policy = func(p *Policy) { p.Lease, p.KillGrace, p.Timeout = 10*time.Second, time.Second, 20*time.Second }
		c.agents, c.jobs = 2, []job{{takes: 9}, {takes: forever}}
		c.faults, c.limits, c.settle = 2, upTo(2, freeze, crash, runs, swapStalls, swapUnheard), 50
	})
	with("found late", func(c *config) {
		c.policy = func(p *Policy) { p.KillGrace, p.Lease, p.Timeout = time.Second, 6*time.Second, 12*time.Second }
		c.jobs = []job{{takes: 9}, {takes: 1}}
		c.faults, c.limits, c.settle = 3, upTo(2, swapLate, freeze, swapStalls, loadFails, swapLost, swapUnheard), 40
	})
	with("seldom", func(c *config) {
		c.policy = func(p *Policy) { p.Schedule = grid(30) }
		c.begin.Timer, c.begin.TimerOld, c.from, c.until, c.settle = 120, 90, 119, 152, 60
		c.faults, c.limits = 3, upTo(2, deleted, freeze, crash, damaged, lookStale, trigger)
	})
	with("catch_up none, DNS trails", func(c *config) {
		c.policy = func(p *Policy) { p.CatchUp, p.HeadStart = CatchUpNone, time.Second }
		c.lag, c.faults, c.limits, c.settle = 6, 2, upTo(2, crash, swapUnheard, trigger, shutdown), 40
	})
	with("shutdown", func(c *config) {
		c.policy = func(p *Policy) {
			p.KillGrace, p.Lease, p.Timeout, p.Attempts = time.Second, 6*time.Second, 8*time.Second, 2
		}
		c.jobs = []job{{takes: 1}, {takes: 2}, {takes: 0, fails: true}, {takes: forever}}
		c.grace, c.faults, c.limits = 2, 3, upTo(2, shutdown, runs, swapUnheard, swapLost, away, deleted, swapSlow)
	})
	with("deaf jobs", func(c *config) {
		c.deaf, c.grace, c.jobs = true, 1, []job{{takes: 1}, {takes: 20}, {takes: 4}}
		c.policy = func(p *Policy) { p.KillGrace, p.Lease, p.Timeout = time.Second, 6*time.Second, 3*time.Second }
		c.faults, c.limits = 3, upTo(2, runs, freeze, shutdown, away, swapUnheard, crash)
	})
	with("no affinity", func(c *config) {
		c.policy = func(p *Policy) { p.NoAffinity = true }
		c.faults, c.limits = 2, all(crash, freeze, swapUnheard, lookStale)
	})
	with("clock steps", func(c *config) {
		c.faults, c.limits, c.jobs = 2, upTo(2, clockOn, clockBack, future, crash, runs), quick
	})
	with("skew", func(c *config) {
		c.offset = [most]int64{0, 1, -1}
		c.agents, c.faults, c.limits, c.untold = 3, 1, all(crash, freeze, swapUnheard, lookStale, swapLate, deleted), true
	})
	with("schedule changed", func(c *config) {
		c.other = func(p *Policy) { p.Schedule = grid(7) }
		c.faults, c.limits = 2, upTo(2, crash, swapUnheard, freeze, trigger)
	})
	with("register away", func(c *config) {
		c.policy = func(p *Policy) { p.OutageAfter, p.Attempts = 2*time.Second, 2 }
		c.faults, c.limits, c.until = 3, all(away, crash, freeze, lookStale, lookFails, pause, runs), 133
		c.jobs = []job{{takes: 1}, {takes: 4}, {takes: 0, fails: true}}
	})
	with("register away, crashes", func(c *config) {
		c.policy = func(p *Policy) { p.OutageAfter, p.Attempts = 2*time.Second, 2 }
		c.faults, c.limits, c.until = 3, all(away, crash, runs), 123
		c.jobs = []job{{takes: 1}, {takes: 0, fails: true}}
	})
	with("register away, always", func(c *config) {
		c.policy = func(p *Policy) { p.OutageAfter, p.WithoutRegister = 2*time.Second, WithoutAlways }
		c.faults, c.limits = 2, upTo(2, away, crash, lookFails)
	})
	with("register away, DNS trails", func(c *config) {
		c.policy = func(p *Policy) { p.OutageAfter, p.HeadStart = 2*time.Second, time.Second }
		c.lag, c.faults, c.limits, c.until = 3, 3, all(away, crash, runs, swapUnheard, trigger), 133
		c.jobs = []job{{takes: 1}, {takes: 4}, {takes: 0, fails: true}}
	})
	with("register away, catch_up all", func(c *config) {
		c.policy = func(p *Policy) { p.OutageAfter, p.CatchUp, p.Attempts = 2*time.Second, CatchUpAll, 2 }
		c.begin.Timer, c.begin.TimerOld = 80, 70
		c.faults, c.limits, c.jobs = 3, upTo(2, away, crash, runs, swapLate, shutdown), []job{{takes: 1}, {takes: 0, fails: true}, {takes: 12}}
	})
	with("register away, clocks step", func(c *config) {
		c.policy = func(p *Policy) { p.OutageAfter, p.Overlap, p.Timeout = 2*time.Second, OverlapSkip, 25*time.Second }
		c.faults, c.limits, c.until = 3, all(away, clockOn, clockBack, runs, swapUnheard, freeze), 133
		c.jobs = []job{{takes: 1}, {takes: 12}}
	})
	with("at-most-once", func(c *config) {
		c.policy = func(p *Policy) { p.AtMostOnce = true }
		c.agents, c.faults, c.jobs, c.until = 2, 2, quick, 133
		c.limits = upTo(2, join(network, process, []kind{runs, pause, deleted})...)
	})
	with("at-most-once, long runs", func(c *config) {
		c.policy = func(p *Policy) { p.AtMostOnce, p.Timeout = true, 30*time.Second }
		c.jobs = []job{{takes: 1}, {takes: forever}, {takes: 12}}
		c.faults, c.limits = 2, upTo(2, runs, crash, trigger)
	})
	with("at-most-once, claim left", func(c *config) {
		c.policy = func(p *Policy) { p.AtMostOnce = true }
		c.begin = record.Record{ID: "Z", Timer: 120, TimerOld: 110, Seq: 109000, Claimed: true, Until: 112, Lease: 3, Last: record.OK}
		c.from, c.faults, c.limits = 110, 2, upTo(2, crash, swapUnheard, lookStale)
	})
	with("at-most-once, retry left", func(c *config) {
		c.policy = func(p *Policy) { p.AtMostOnce = true }
		c.begin.ID, c.begin.TimerOld, c.begin.Timer, c.begin.Try, c.begin.Last = "Z", 100, 112, 2, record.Failed
		c.faults, c.limits = 2, upTo(2, crash, swapUnheard, lookStale, pause, resume)
	})
	locks(with)
	sealings(with)
	weaker(with)
	if *exploreOnly != "" {
		out = slices.DeleteFunc(out, func(c config) bool { return c.name != *exploreOnly })
	}
	return out
}

// TestExplore goes through every interleaving of small worlds and judges each
// step by the guarantees of protocol section 10.
func TestExplore(t *testing.T) {
	list := configs()
	explorers := make([]*explorer, len(list))
	found := make([]*violation, len(list))
	took := make([]time.Duration, len(list))
	work := make(chan int)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for n := range work {
				x := newExplorer(list[n])
				if c := &list[n]; c.class == timed && (x.policy.Check() == nil) == (c.expect == pLossless) {
					t.Errorf("%s: Check says %v", c.name, x.policy.Check())
				}
				began := time.Now()
				explorers[n], found[n] = x, x.search(*exploreMost)
				if found[n] == nil && !x.whole {
					found[n] = x.wander(*exploreWays / (1 + list[n].part))
				}
				took[n] = time.Since(began)
				x.lively, x.seen, x.live = len(x.live), nil, nil // memory
			}
		})
	}
	for n := range list {
		work <- n
	}
	close(work)
	wg.Wait()

	var out bytes.Buffer
	states := 0
	var fired [kinds]int
	var decided [64]int
	premises := map[string]int{}
	for n, x := range explorers {
		x.report(&out, took[n])
		states += len(x.nodes) + x.wandered
		for k, c := range x.fired {
			fired[k] += c
		}
		for k, c := range x.decided {
			decided[k] += c
		}
		for p, c := range x.premises {
			premises[p] += c
		}
	}
	fmt.Fprintf(&out, "%d states in all\n\nmoves\n", states)
	whole := *exploreOnly == "" && *exploreMost >= enough
	if whole && states < *exploreWant {
		t.Errorf("%d states, want at least %d", states, *exploreWant)
	}
	for _, p := range properties {
		if whole && premises[p] == 0 {
			t.Errorf("the property %q was never put to the test", p)
		}
	}
	for r := range reasons {
		if whole && decided[r] == 0 && Reason(r) != NotDue && Reason(r) != BackingOff && Reason(r) != Sealed && Reason(r) != JobsRecord { // which are waits
			t.Errorf("nothing was ever done for the reason %q", Reason(r))
		}
	}
	for k, c := range fired {
		fmt.Fprintf(&out, "%10d  %s\n", c, kindNames[k])
		if c == 0 && whole {
			t.Errorf("the move %q never fired", kindNames[k])
		}
	}
	fmt.Fprintln(&out, "\nreasons to act")
	for r, name := range reasons {
		fmt.Fprintf(&out, "%10d  %s\n", decided[r], name)
	}
	fmt.Fprintf(&out, "\nproperties put to the test\n%s\n", strings.Join(counts(premises), "\n"))
	for n, v := range found {
		switch expected := list[n].expect; {
		case v != nil && expected != "" && property(v.what) == expected:
			explorers[n].trace(&out, v, "as it must be, without what its class assumes")
		case v != nil:
			explorers[n].trace(&out, v, "VIOLATED")
			t.Errorf("%s: %s", list[n].name, v.what)
		case expected != "":
			t.Errorf("%s: not found, though it must be there: %s", list[n].name, expected)
		}
	}
	os.Stdout.Write(out.Bytes())
}
