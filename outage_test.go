package solotick

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register/registertest"
)

// down takes the register away from all agents, or gives it back.
func (w *world) down(is bool) {
	for _, n := range w.nodes {
		n.reg.SetDown(is)
	}
}

// dark takes DNS away from all agents, or gives it back.
func (w *world) dark(is bool) {
	for _, n := range w.nodes {
		n.dns.SetDown(is)
	}
}

// The register is away and DNS is not: each tick is run, by one agent or more,
// without a fence. When the register is back, the record learns of it, and no
// such tick is run again.
func TestOutage(t *testing.T) {
	bubble(t, func(w *world) {
		p := elect.Policy{Schedule: grid(300)}
		w.agents(3, p)
		w.until(310 * time.Second)
		w.wantRuns("300/1")
		w.down(true)
		w.until(1010 * time.Second)
		seen := map[int64]int{}
		for _, r := range w.allRuns()[1:] {
			seen[r.Time.Unix()-w.start.Unix()]++
			if !r.Unarbitrated || r.Fence != 0 || r.Attempt != 1 || r.Last != record.OK {
				t.Errorf("%+v", r.Tick)
			}
			// Half a minute of outage, then DNS and the register are asked again.
			if lag := r.began - r.Time.Sub(w.start); lag < 30*time.Second || lag > 40*time.Second {
				t.Errorf("%v: %v after the tick", &r, lag)
			}
		}
		if len(seen) != 2 || seen[600] == 0 || seen[600] > 3 || seen[900] == 0 || seen[900] > 3 {
			t.Fatalf("unarbitrated runs %v, want some of 600 and of 900", seen)
		}
		n, swaps := len(w.allRuns()), 0
		for _, n := range w.nodes {
			swaps -= n.swaps()
		}
		w.down(false)
		w.until(1195 * time.Second)
		if r := w.record(); r.TimerOld != w.start.Unix()+900 || r.Timer != w.start.Unix()+1200 || r.Last != record.OK || r.Claimed {
			t.Errorf("record %v", r)
		}
		for _, n := range w.nodes {
			swaps += n.swaps()
		}
		if swaps > 3 {
			t.Errorf("%d writes to tell it", swaps)
		}
		w.until(1210 * time.Second)
		runs := w.allRuns()
		if len(runs) != n+1 || runs[n].Unarbitrated || runs[n].Time.Sub(w.start) != 1200*time.Second {
			t.Errorf("then:\n%s", w)
		}
	})
}

// An unarbitrated run is still going on when the register is back.
func TestOutageEndsDuringRun(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.agents(1, elect.Policy{Schedule: grid(300)})[0]
		n.work = works(100 * time.Second)
		w.until(500 * time.Second)
		n.reg.SetDown(true)
		w.until(640 * time.Second)
		w.wantRuns("300/1", "600/1!")
		n.reg.SetDown(false)
		w.until(700 * time.Second)
		if r := w.record(); r.TimerOld != w.start.Unix()+600 || r.Claimed {
			t.Errorf("record %v", r)
		}
		w.until(910 * time.Second)
		w.wantRuns("300/1", "600/1!", "900/1")
	})
}

// What an agent does about a tick while its register is away.
func TestOutageRules(t *testing.T) {
	for _, c := range []struct {
		name string
		p    elect.Policy
		dark bool
		do   func(w *world)
		runs bool
	}{
		{name: "by default", runs: true},
		{name: "the wall clock an hour ahead", runs: true},
		{name: "wait", p: elect.Policy{WithoutRegister: elect.WithoutWait}},
		{name: "at most once", p: elect.Policy{AtMostOnce: true}},
		{name: "DNS away too", dark: true},
		{name: "DNS away too, always", p: elect.Policy{WithoutRegister: elect.WithoutAlways}, dark: true, runs: true},
		{name: "paused", do: func(w *world) { w.change(paused) }},
		{name: "paused, always", p: elect.Policy{WithoutRegister: elect.WithoutAlways}, do: func(w *world) { w.change(paused) }},
		{name: "no record", do: func(w *world) { w.put() }},
		{name: "no Look"},
		{name: "refusing is not away", do: func(w *world) {
			for _, n := range w.nodes {
				n.reg.Loads(refuses(10000)...)
				n.reg.Swaps(refuses(10000)...)
			}
		}},
		{name: "claimed elsewhere, lapsed", runs: true, do: func(w *world) {
			w.change(func(r record.Record) record.Record {
				r.ID, r.Claimed, r.Lease, r.Seq = "OTHER", true, 15, r.Seq+1
				return r
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				c.p.Schedule = grid(300)
				for range 2 {
					n := w.node(c.p)
					switch c.name {
					case "no Look":
						n.Look = nil
					case "the wall clock an hour ahead":
						n.time.step(0, time.Hour)
					}
					n.run()
				}
				w.until(590 * time.Second)
				w.wantRuns("300/1")
				if c.do != nil {
					c.do(w)
				}
				if c.name != "refusing is not away" {
					w.down(true)
				}
				w.dark(c.dark)
				w.until(890 * time.Second)
				n := len(w.allRuns()) - 1
				if c.runs && (n < 1 || n > 2) || !c.runs && n > 0 {
					t.Errorf("ran\n%s", w)
				}
				loads := w.nodes[0].loads() + w.nodes[0].swaps()
				if loads > 60 {
					t.Errorf("%d requests in the time", loads)
				}
			})
		})
	}
}

func paused(r record.Record) record.Record {
	r.Pause, r.Why, r.Seq = -1, "test", r.Seq+1
	return r
}

// However short the interval, each tick is run while the register is away: also where
// it is left alone for longer than that, or takes longer to say nothing.
func TestOutageOfEachInterval(t *testing.T) {
	for _, fault := range []registertest.Fault{registertest.Unreachable, registertest.Hang} {
		for _, every := range []int64{2, 5, 10, 20, 30, 60} {
			t.Run(fmt.Sprintf("fault %d, every %d s", fault, every), func(t *testing.T) {
				bubble(t, func(w *world) {
					p := elect.Policy{Schedule: grid(every), Lease: 3 * time.Second, HeadStart: 100 * time.Millisecond, Spread: 200 * time.Millisecond}
					for _, n := range w.agents(3, p) {
						n.work = works(100 * time.Millisecond)
					}
					from := 130 + every/2
					w.until(time.Duration(from) * time.Second)
					for _, n := range w.nodes {
						n.reg.Loads(slices.Repeat([]registertest.Fault{fault}, 10_000)...)
						n.reg.Swaps(slices.Repeat([]registertest.Fault{fault}, 10_000)...)
					}
					to := from + 30*every + 600
					w.until(time.Duration(to) * time.Second)
					seen := map[int64]bool{}
					for _, r := range w.allRuns() {
						if r.Unarbitrated {
							seen[r.Time.Unix()-w.start.Unix()] = true
						}
					}
					var missing []int64
					for k := p.Schedule.Next(w.start.Unix()+from) - w.start.Unix(); k < to-every; k += every {
						if !seen[k] && k > from+20+every { // they learn of it as the first questions fail
							missing = append(missing, k)
						}
					}
					if len(missing) > 0 {
						t.Errorf("not run: %v\n%s", missing, w)
					}
				})
			})
		}
	}
}

// A register that is away for less than outage_after changes nothing but the
// lag of the tick.
func TestShortOutage(t *testing.T) {
	bubble(t, func(w *world) {
		w.agents(3, minutely)
		w.until(110 * time.Second)
		w.down(true)
		w.until(140 * time.Second)
		w.wantRuns("60/1")
		w.down(false)
		w.until(160 * time.Second)
		if r := w.wantRuns("60/1", "120/1")[1]; r.Unarbitrated {
			t.Errorf("%v", &r)
		}
	})
}

// The timeout, the grace of a shutdown, Left and SetState of an unarbitrated run.
func TestUnarbitratedRun(t *testing.T) {
	for name, stop := range map[string]bool{"timeout": false, "shutdown": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				n := w.node(elect.Policy{Schedule: grid(300), Timeout: time.Minute})
				n.clock.stops = true
				n.work = func(ctx context.Context, tick Tick) error {
					if tick.Unarbitrated {
						if left := tick.Left(); left != 63*time.Second {
							t.Errorf("%v left, want timeout and kill_grace", left)
						}
						if err := tick.SetState("x"); err == nil {
							t.Error("it takes a state")
						}
					}
					return works(time.Hour)(ctx, tick)
				}
				n.run()
				w.until(400 * time.Second)
				n.time.freeze() // a suspend, to tell its two clocks apart
				w.until(450 * time.Second)
				n.time.thaw(50 * time.Second)
				w.until(500 * time.Second)
				n.reg.SetDown(true)
				w.until(640 * time.Second)
				began := w.wantRuns("300/1", "600/1!")[1].began
				want := began + time.Minute
				if stop {
					n.stop()
					want = 648 * time.Second
				}
				w.until(want + time.Second)
				if r := w.wantRuns("300/1", "600/1!")[1]; r.ended != want || errors.Is(r.err, context.Canceled) {
					t.Errorf("%v, want it cut at %v", &r, want)
				}
				if stop && n.gone() < 0 {
					t.Error("Run has not returned")
				}
				n.reg.SetDown(false)
				w.until(890 * time.Second)
				if r := w.record(); !stop && (r.TimerOld != w.start.Unix()+600 || r.Last != record.Timeout && r.Last != record.Failed) {
					t.Errorf("record %v", r)
				}
			})
		})
	}
}

// Faults of all kinds at random, an agent killed now and then and another
// started: no overlap, fences grow (world.check), and with catch_up all every
// tick is run to an end.
func TestRandomFaults(t *testing.T) {
	for seed := range 16 {
		bubble(t, func(w *world) {
			rnd := rand.New(rand.NewPCG(uint64(seed), 1))
			p := elect.Policy{Schedule: grid(60), CatchUp: elect.CatchUpAll, WithoutRegister: elect.WithoutWait, Takeovers: 100, Overlap: elect.OverlapWait}
			start := func() {
				n := w.agents(1, p)[0]
				n.rtt = time.Duration(rnd.IntN(1500)) * time.Millisecond
				n.lag = time.Duration(rnd.IntN(4000)) * time.Millisecond
				long := rnd.IntN(40)
				n.work = works(time.Duration(long) * time.Second)
			}
			for range 4 {
				start()
			}
			w.until(10 * time.Second)
			for at := 10 * time.Second; at < 40*time.Minute; at += time.Duration(1+rnd.IntN(20)) * time.Second {
				w.until(at)
				n := w.nodes[rnd.IntN(len(w.nodes))]
				switch rnd.IntN(8) {
				case 0, 1, 2:
					n.reg.Swaps(registertest.Fault(1 + rnd.IntN(7)))
				case 3:
					n.reg.Loads([]registertest.Fault{registertest.Unreachable, registertest.Refuse, registertest.Hang}[rnd.IntN(3)])
				case 4:
					n.dns.Loads([]registertest.Fault{registertest.Unreachable, registertest.Hang}[rnd.IntN(2)])
				case 5:
					n.land()
				case 6:
					n.reg.SetDown(rnd.IntN(3) == 0)
				case 7:
					if rnd.IntN(6) == 0 && !n.isDead() {
						n.kill()
						start()
					}
				}
			}
			for _, n := range w.nodes {
				n.reg.SetDown(false)
			}
			w.until(70 * time.Minute)
			well := map[int64]bool{}
			var bad []int64
			for _, r := range w.allRuns() {
				if r.ended >= 0 && !r.killed && r.err == nil {
					well[r.Time.Unix()-w.start.Unix()] = true
				}
			}
			for tick := int64(60); tick < 69*60; tick += 60 {
				if !well[tick] && w.allRuns()[0].Time.Unix()-w.start.Unix() <= tick {
					bad = append(bad, tick)
				}
			}
			if len(bad) > 0 {
				t.Errorf("seed %d: ticks %v were never run to an end", seed, bad)
			}
			inOrder := func(a, b ran) int { return a.Time.Compare(b.Time) }
			if !slices.IsSortedFunc(w.allRuns(), inOrder) {
				t.Errorf("seed %d: the ticks are out of order", seed)
			}
		})
	}
}
