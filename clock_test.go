package solotick

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// A wall clock that is wrong changes nothing where the register tells its time:
// each tick is run once, within a second of its own.
func TestWrongWallClock(t *testing.T) {
	for name, off := range map[string][]time.Duration{
		"an hour ahead":  {time.Hour, time.Hour, time.Hour},
		"an hour behind": {-time.Hour, -time.Hour, -time.Hour},
		"all differ":     {time.Hour, -time.Hour, 10 * 365 * 24 * time.Hour},
		"one is right":   {0, -10 * time.Minute, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				for i := range 3 {
					n := w.node(minutely)
					n.time.step(0, off[i])
					n.run()
				}
				w.until(20*time.Minute + 30*time.Second)
				checkTicks(w, 20, -1100*time.Millisecond, 1100*time.Millisecond)
				for i, n := range w.nodes {
					want := 1
					if off[i] == 0 {
						want = 0
					}
					if got := n.warnings("clock is off"); got != want {
						t.Errorf("%s, off by %v: %d warnings, want %d", n.ID, off[i], got, want)
					}
				}
			})
		})
	}
}

// checkTicks fails unless exactly the first n minutes were run, once each and
// so far from their second.
func checkTicks(w *world, n int, early, late time.Duration) {
	w.Helper()
	runs := w.allRuns()
	if len(runs) != n {
		w.Fatalf("%d runs, want %d:\n%s", len(runs), n, w)
	}
	for i, r := range runs {
		due := time.Duration(i+1) * time.Minute
		if lag := r.began - due; r.Time.Sub(w.start) != due || r.Attempt != 1 || lag < early || lag > late {
			w.Errorf("%v: %v after tick %v", &r, lag, due)
		}
	}
}

// F40: the wall clock steps on the holder, on a follower, on all, in a run and
// between runs, to and fro.
func TestWallClockSteps(t *testing.T) {
	for _, stops := range []bool{false, true} {
		for _, by := range []time.Duration{time.Hour, -time.Hour} {
			t.Run(fmt.Sprintf("%v, stops %v", by, stops), func(t *testing.T) {
				bubble(t, func(w *world) {
					for range 3 {
						n := w.node(minutely)
						n.clock.stops = stops
						n.work = works(30 * time.Second)
						n.run()
					}
					step := func(by time.Duration, all ...*node) {
						for _, n := range all {
							n.time.step(0, by)
						}
					}
					w.until(70 * time.Second)
					holder := w.running()
					var others []*node
					for _, n := range w.nodes {
						if n != holder {
							others = append(others, n)
						}
					}
					step(by, others...)
					w.until(100 * time.Second)
					w.wantRuns("60/1")
					w.until(110 * time.Second)
					step(by, holder) // all are off now
					w.until(130 * time.Second)
					step(-by, others...)
					w.until(160 * time.Second)
					step(-by, holder)
					w.until(190 * time.Second)
					w.wantRuns("60/1", "120/1", "180/1")
					if !stops { // else a step ahead cannot be told from a suspend
						step(by, w.running())
						w.until(195 * time.Second)
						step(-by, w.running())
						w.until(200 * time.Second)
						step(-by, w.nodes...)
					}
					w.until(10*time.Minute + 40*time.Second)
					if !stops {
						checkTicks(w, 10, -1100*time.Millisecond, 1100*time.Millisecond)
					} else if runs := w.allRuns(); len(runs) < 10 {
						t.Errorf("%d runs", len(runs))
					}
				})
			})
		}
	}
}

// Where the monotonic clock stands still in a suspend, a step of the wall clock
// ahead looks like one. It never makes a trust window longer, whatever the wall
// clock does afterwards.
func TestWallClockStepsNeverLengthenWindow(t *testing.T) {
	bubble(t, func(w *world) {
		for range 2 {
			n := w.node(minutely)
			n.clock.stops = true
			n.work = works(100 * time.Second)
			n.time.step(0, time.Minute) // as if it had been set a minute ago
			n.run()
		}
		w.until(50 * time.Second)
		for _, n := range w.nodes {
			n.time.step(0, time.Hour)
		}
		w.until(66 * time.Second)
		holder := w.running()
		holder.time.step(0, -time.Hour)
		holder.reg.SetDown(true)
		w.until(90 * time.Second)
		runs := w.wantRuns("60/1", "60/2")
		if r := runs[0]; r.ended > 77*time.Second+trips {
			t.Errorf("%v, want it cut 12 s after its last renewal", &r)
		}
	})
}

// F42: the holder's machine is suspended in its run. Another takes over. On
// waking the holder gives up before it writes anything.
func TestSuspendedHolder(t *testing.T) {
	for name, stops := range map[string]bool{"the clock counts": false, "the clock stands still": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.pardon = "a suspended job does not end"
				for range 3 {
					n := w.node(minutely)
					n.clock.stops = stops
					n.work = func(ctx context.Context, tick Tick) error {
						if tick.Attempt == 1 && tick.Time.Sub(w.start) == time.Minute {
							return works(time.Hour)(ctx, tick)
						}
						return works(time.Second)(ctx, tick)
					}
					n.run()
				}
				w.until(67 * time.Second)
				holder := w.running()
				holder.time.freeze()
				var stood time.Duration
				if stops {
					stood = 10 * time.Minute
				}
				w.until(100 * time.Second)
				if runs := w.wantRuns("60/1", "60/2"); runs[1].node == holder {
					t.Error("a suspended agent took over")
				}
				w.until(67*time.Second + 10*time.Minute)
				swaps := holder.swaps()
				holder.set(func(how *ways) {
					how.swap = func([]string) {
						if w.allRuns()[0].ended < 0 {
							t.Error("it wrote before it stopped its job")
						}
					}
				})
				holder.time.thaw(stood)
				w.until(67*time.Second + 10*time.Minute + trips)
				if r := w.allRuns()[0]; r.ended < 0 || r.err == nil {
					t.Errorf("%v", &r)
				}
				if holder.warnings("clock is off") != 0 {
					t.Error("it calls its wall clock wrong, as the other one stood still")
				}
				if got := holder.swaps() - swaps; got > 1 {
					t.Errorf("%d writes", got)
				}
				w.until(20 * time.Minute)
				for _, r := range w.allRuns()[1:] {
					if r.Time.Sub(w.start) == time.Minute && r.Attempt > 2 {
						t.Errorf("%v: run again", &r)
					}
				}
			})
		})
	}
}

// A machine that counts a suspend wakes up: the job's context ends at once, and
// not when a timer that stood still goes off.
func TestWakingUp(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.agents(1, minutely)[0]
		n.work = works(time.Hour)
		w.until(65*time.Second + 100*time.Millisecond) // renewed just now
		n.time.step(10*time.Minute, 10*time.Minute)
		w.until(67 * time.Second)
		if r := w.allRuns()[0]; r.ended < 0 {
			t.Error("two seconds after a suspend that outlasted its claim the job still runs")
		}
	})
}

// F08: a process that was stopped, and goes on long after its claim has lapsed.
func TestFrozenAgent(t *testing.T) {
	bubble(t, func(w *world) {
		w.pardon = "the job of a frozen agent does not end"
		for _, n := range w.agents(3, minutely) {
			n.work = works(50 * time.Second)
		}
		w.until(58 * time.Second)
		first := incumbent(w)
		frozen := false
		first.set(func(how *ways) {
			how.swap = func([]string) { // between the decision and the request of its claim
				if !frozen {
					frozen = true
					first.time.freeze()
				}
			}
		})
		w.until(60*time.Second + elect.WorstTakeover(minutely) + trips)
		runs := w.wantRuns("60/2")
		if runs[0].node == first {
			t.Error("a frozen agent ran")
		}
		first.set(func(w *ways) { w.swap = nil })
		first.time.thaw(0)
		w.until(90 * time.Second)
		w.wantRuns("60/2")
		w.until(125 * time.Second)
		if r := w.record(); r.TimerOld != w.start.Unix()+60 && r.TimerOld != w.start.Unix()+120 {
			t.Errorf("record %v", r)
		}
	})
}

// F10: the machine stands still between the decision to run and the run.
func TestFrozenBeforeStart(t *testing.T) {
	for name, c := range map[string]struct {
		stood time.Duration
		runs  bool
	}{"briefly": {5 * time.Second, true}, "for most of the window": {12 * time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				n := w.node(minutely)
				n.seen = func(ev Event) {
					if ev.Verb == elect.Swap && ev.Why == elect.TickDue && ev.Record.TimerOld == w.start.Unix()+60 {
						n.time.freezeSoon()
					}
				}
				n.run()
				w.until(60*time.Second + c.stood)
				w.wantRuns()
				n.time.thaw(0)
				w.until(60*time.Second + c.stood + trips)
				if c.runs {
					w.wantRuns("60/1")
					return
				}
				w.wantRuns()
				w.until(60*time.Second + elect.WorstTakeover(minutely) + trips)
				w.wantRuns("60/2") // as it would take over anybody's
			})
		})
	}
}

// A register that tells no time: the wall clock has to do, and nothing is
// repaired by it.
func TestRegisterTellsNoTime(t *testing.T) {
	bubble(t, func(w *world) {
		w.mem.Now = func() time.Time { return time.Time{} }
		w.agents(3, minutely)
		w.until(10*time.Minute + 30*time.Second)
		checkTicks(w, 10, 0, 100*time.Millisecond)
		w.change(func(r record.Record) record.Record {
			r.Timer, r.Seq = w.start.Unix()+86400*365, r.Seq+1
			return r
		})
		before := w.record()
		w.until(20 * time.Minute)
		if w.record() != before {
			t.Errorf("record %v, was %v", w.record(), before)
		}
	})
}

// The register's clock steps. A tick may run early or twice, and the schedule
// goes on in the register's time.
func TestRegisterClockSteps(t *testing.T) {
	for _, by := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			bubble(t, func(w *world) {
				w.pardon = "the register's clock steps"
				var off atomic.Int64
				w.mem.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
				w.agents(3, minutely)
				w.until(3*time.Minute + 30*time.Second)
				off.Store(int64(by))
				w.until(90 * time.Minute)
				last := w.start.Add(90*time.Minute + by)
				if r := w.record(); time.Unix(r.TimerOld, 0).Sub(last).Abs() > time.Minute {
					t.Errorf("at %v of the register's time the record is %v", last, r)
				}
				runs := w.allRuns()
				if n := len(runs); n < 60 || n > 95 {
					t.Errorf("%d runs", n)
				}
				for i := 1; i < len(runs); i++ {
					if runs[i].Fence <= runs[i-1].Fence {
						t.Errorf("fence %d comes after %d", runs[i].Fence, runs[i-1].Fence)
					}
				}
			})
		})
	}
}

// F41: one agent's clock runs fast or slow: it is still one run a tick.
func TestClockRate(t *testing.T) {
	for _, percent := range []int{80, 125} {
		t.Run(fmt.Sprint(percent), func(t *testing.T) {
			bubble(t, func(w *world) {
				all := w.agents(3, minutely)
				for _, n := range all {
					n.work = works(20 * time.Second)
				}
				for w.now() < 20*time.Minute+30*time.Second { // in steps of a tenth of a second
					w.until(w.now() + 100*time.Millisecond)
					by := 100 * time.Millisecond * time.Duration(percent-100) / 100
					all[0].time.step(by, by)
				}
				if runs := w.allRuns(); len(runs) != 20 {
					t.Errorf("%d runs:\n%s", len(runs), w)
				}
			})
		})
	}
}
