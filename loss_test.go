package solotick

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register/registertest"
)

// trips is what a few round trips take at most in these tests.
const trips = 200 * time.Millisecond

// A holder that is killed is replaced within the bound of protocol section
// 10.3, counted from its last renewal, wherever in its run it dies.
func TestHolderKilled(t *testing.T) {
	for _, c := range []struct {
		name    string
		at      time.Duration // of the kill, after the tick
		renewed time.Duration // the last renewal before it
	}{
		{"as the run begins", 30 * time.Millisecond, 0},
		{"before a renewal", 4900 * time.Millisecond, 0},
		{"after a renewal", 5100 * time.Millisecond, 5 * time.Second},
		{"later", 22 * time.Second, 20 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				all := w.agents(3, minutely)
				for _, n := range all {
					n.work = works(25 * time.Second)
				}
				w.until(time.Minute + c.at)
				victim := w.running()
				victim.kill()
				w.until(time.Minute + c.renewed + elect.WorstTakeover(minutely) + trips)
				runs := w.wantRuns("60/1", "60/2")
				if r := runs[1]; r.node == victim || r.Last != record.Lost || r.Fence <= runs[0].Fence {
					t.Errorf("taken over as %+v", r.Tick)
				}
				if gap := runs[1].began - time.Minute - c.renewed; gap < 15*time.Second+elect.Margin(15*time.Second) {
					t.Errorf("taken over %v after the last renewal", gap)
				}
				w.until(150 * time.Second)
				if runs := w.wantRuns("60/1", "60/2", "120/1"); runs[2].node != runs[1].node {
					t.Error("the new incumbent did not go on")
				}
			})
		})
	}
}

// F03: the work is done, and the process dies before it can say so.
func TestHolderKilledBeforeReport(t *testing.T) {
	bubble(t, func(w *world) {
		for _, n := range w.agents(2, minutely) {
			n.work = func(ctx context.Context, tick Tick) error {
				err := works(time.Second)(ctx, tick)
				if tick.Attempt == 1 && tick.Time.Sub(w.start) == time.Minute {
					n.kill()
				}
				return err
			}
		}
		w.until(time.Minute + elect.WorstTakeover(minutely) + trips)
		w.wantRuns("60/1", "60/2")
		w.until(125 * time.Second)
		w.wantRuns("60/1", "60/2", "120/1")
	})
}

// An incumbent that dies between ticks costs the head start and the spread.
func TestIncumbentKilledBetweenTicks(t *testing.T) {
	bubble(t, func(w *world) {
		w.agents(3, minutely)
		w.until(90 * time.Second)
		dead := w.wantRuns("60/1")[0].node
		dead.kill()
		w.until(2*time.Minute + 5*time.Second + trips)
		runs := w.wantRuns("60/1", "120/1")
		if lag := runs[1].began - 2*time.Minute; lag < 2*time.Second || runs[1].node == dead {
			t.Errorf("run %v after the tick by %s", lag, runs[1].node.ID)
		}
	})
}

// Every process of a tick dies in its run until no takeover is left: the tick
// ends visibly as lost, and the next one is run.
func TestTakeoversRunOut(t *testing.T) {
	bubble(t, func(w *world) {
		p := elect.Policy{Schedule: grid(3600)}
		w.agents(6, p)
		w.until(time.Hour + time.Second)
		for k := range 4 {
			runs := w.allRuns()
			if len(runs) != k+1 || runs[k].Attempt != k+1 {
				t.Fatalf("after %d kills:\n%s", k, w)
			}
			// The job takes but a second: kill it when it has begun.
			runs[k].node.kill()
			if k == 3 {
				break
			}
			for n := len(runs); len(w.allRuns()) == n && w.now() < 2*time.Hour; {
				time.Sleep(500 * time.Millisecond)
			}
		}
		w.until(time.Hour + 5*time.Minute)
		if r := w.record(); r.Last != record.Lost || r.Claimed || r.Attempt() != 1 || r.Timer != w.start.Unix()+7200 {
			t.Errorf("record %v", r)
		}
		w.until(2*time.Hour + 10*time.Second)
		w.wantRuns("3600/1", "3600/2", "3600/3", "3600/4", "7200/1")
	})
}

// A holder that loses the register is told to stop kill_grace before its trust
// window ends, to the millisecond, whatever its requests do meanwhile; nobody
// else starts before it is gone, though it takes all of its kill_grace.
func TestHolderLosesRegister(t *testing.T) {
	for name, lose := range map[string]func(n *node){
		"unreachable": func(n *node) { n.reg.SetDown(true) },
		"swaps hang": func(n *node) {
			n.reg.Swaps(hangs(50)...)
			n.reg.Loads(hangs(50)...)
		},
		"swaps vanish, loads pass": func(n *node) {
			for range 50 {
				n.reg.Swaps(registertest.Drop)
			}
		},
		"swaps hang, loads pass":      func(n *node) { n.reg.Swaps(hangs(50)...) },
		"refused":                     func(n *node) { n.reg.Swaps(refuses(50)...); n.reg.Loads(refuses(50)...) },
		"swaps conflict with nothing": func(n *node) { n.set(func(w *ways) { w.stuck = true }) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				var renewed atomic.Int64
				for _, n := range w.agents(3, minutely) {
					n.swap = func([]string) {
						if w.now() < 66*time.Second {
							renewed.Store(int64(w.now()))
						}
					}
					n.work = func(ctx context.Context, tick Tick) error {
						select {
						case <-ctx.Done():
							if tick.Attempt == 1 {
								if got := w.now() - time.Duration(renewed.Load()); got != 12*time.Second {
									t.Errorf("stopped %v after its last renewal was sent, want 12 s", got)
								}
								if left := tick.Left(); left != 3*time.Second {
									t.Errorf("%v left, want kill_grace", left)
								}
								time.Sleep(3 * time.Second)
							}
							return context.Cause(ctx)
						case <-time.After(30 * time.Second):
							return nil
						}
					}
				}
				w.until(66 * time.Second)
				if renewed := time.Duration(renewed.Load()); renewed < 65*time.Second {
					t.Fatalf("last renewed at %v", renewed)
				}
				holder := w.running()
				lose(holder)
				w.until(time.Minute + 5*time.Second + elect.WorstTakeover(minutely) + trips)
				runs := w.wantRuns("60/1", "60/2")
				if runs[0].ended != time.Duration(renewed.Load())+15*time.Second || runs[0].cause == nil || runs[0].cause.Error() != elect.WindowOver.String() {
					t.Errorf("ended %v because of %v", runs[0].ended, runs[0].cause)
				}
				if res := holder.results(); len(res) != 1 || res[0] != record.Lost {
					t.Errorf("results %q, want lost", res)
				}
				w.until(115 * time.Second)
				if r := w.record(); r.Last != record.OK || r.Claimed {
					t.Errorf("record %v", r)
				}
			})
		})
	}
}

func hangs(n int) (all []registertest.Fault) {
	for range n {
		all = append(all, registertest.Hang)
	}
	return all
}

func refuses(n int) (all []registertest.Fault) {
	for range n {
		all = append(all, registertest.Refuse)
	}
	return all
}

// A long run is kept by renewals, three in a lease; the ticks that fall due
// meanwhile are one run afterwards.
func TestRenewals(t *testing.T) {
	bubble(t, func(w *world) {
		all := w.agents(3, minutely)
		for _, n := range all {
			n.work = func(ctx context.Context, tick Tick) error {
				for range 149 {
					time.Sleep(time.Second)
					if tick.Left() < 9*time.Second {
						t.Errorf("%v: %v left", w.now(), tick.Left())
					}
					if ctx.Err() != nil {
						return context.Cause(ctx)
					}
				}
				return nil
			}
		}
		w.until(time.Minute + 148*time.Second)
		holder := w.running()
		before := 0
		if _, swaps := holder.reg.Count(); swaps < 29 || swaps > 32 {
			t.Errorf("%d writes for a run of 148 s", swaps)
		}
		for _, n := range all {
			if n != holder {
				before += n.swaps()
			}
		}
		if before > 2 { // to create the record, and lose that race
			t.Errorf("the others wrote %d times", before)
		}
		w.until(time.Minute + 150*time.Second)
		w.wantRuns("60/1", "180/1") // 120 is coalesced
		if holder.warnings("ticks_passed=1") != 1 {
			t.Error("nobody says that tick 120 was coalesced")
		}
		w.until(time.Minute + 310*time.Second)
		w.wantRuns("60/1", "180/1", "300/1") // 240 is
		if r := w.allRuns()[1]; r.err != nil {
			t.Error(r.err)
		}
	})
}

// Every answer takes five seconds: a third of the lease, more than kill_grace.
func TestSlowRegister(t *testing.T) {
	bubble(t, func(w *world) {
		for _, n := range w.agents(3, minutely) {
			n.rtt = 5 * time.Second
			n.work = works(20 * time.Second)
		}
		w.until(20*time.Minute + 30*time.Second)
		runs := w.allRuns()
		if len(runs) != 20 {
			t.Errorf("%d runs, want 20:\n%s", len(runs), w)
		}
		for _, r := range runs {
			// A claim waits for the poll that is under way.
			if lag := r.began - r.Time.Sub(w.start); lag > 11*time.Second || r.Attempt != 1 || r.ended >= 0 && r.err != nil {
				t.Errorf("%v: %v late, %v", &r, lag, r.err)
			}
		}
	})
}

// A request of the holder hangs when its job must be stopped for another
// reason: the stop does not wait for it.
func TestStopWhileRequestHangs(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		stop    bool
	}{"timeout": {timeout: 7 * time.Second}, "shutdown": {stop: true}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := minutely
				p.Timeout = c.timeout
				n := w.agents(1, p)[0]
				n.StopGrace = time.Second
				n.work = works(time.Hour)
				w.until(64 * time.Second)
				n.reg.Swaps(registertest.Hang) // the renewal at 65
				w.until(66 * time.Second)
				if c.stop {
					n.stop()
				}
				w.until(67*time.Second + 100*time.Millisecond)
				if r := w.wantRuns("60/1")[0]; (r.ended - 67*time.Second).Abs() > 25*time.Millisecond {
					t.Errorf("ended %v", r.ended)
				}
				if n.swaps() != 3 { // created, claimed, hanging
					t.Errorf("%d swaps", n.swaps())
				}
			})
		})
	}
}
