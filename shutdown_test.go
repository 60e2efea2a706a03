package solotick

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register/registertest"
)

var lost = []registertest.Fault{registertest.Lose}

// aLook is how soon another agent picks up what was handed over: a third of the
// lease until it sees it, then head start and spread.
const aLook = 5*time.Second + 2*time.Second + 3*time.Second + trips

func TestShutdownIdle(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.agents(1, minutely)[0]
		w.until(90 * time.Second)
		before, swaps := w.record(), n.swaps()
		n.stop()
		synctest.Wait()
		if n.gone() != 90*time.Second {
			t.Errorf("Run returned at %v, want at once", n.gone())
		}
		w.until(5 * time.Minute)
		w.wantRuns("60/1")
		if w.record() != before || n.swaps() != swaps {
			t.Errorf("it wrote %v", w.record())
		}
	})
}

// An agent whose context has ended before it starts claims nothing.
func TestShutdownBeforeStart(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(`{"id":"X","timer":1,"timerold":0}`)
		n := w.node(minutely)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := n.Run(ctx); err != nil {
			t.Error(err)
		}
		w.wantRuns()
		if n.swaps() != 0 {
			t.Errorf("%d writes", n.swaps())
		}
	})
}

// A run that ends within the grace is reported as it ended.
func TestShutdownWithinGrace(t *testing.T) {
	bubble(t, func(w *world) {
		for _, n := range w.agents(2, minutely) {
			n.work = works(10 * time.Second)
		}
		w.until(63 * time.Second)
		n := w.running()
		n.stop()
		w.until(69 * time.Second)
		if r := w.wantRuns("60/1")[0]; r.ended >= 0 || n.gone() >= 0 {
			t.Errorf("run ended %v, agent %v", r.ended, n.gone())
		}
		w.until(71 * time.Second)
		if r := w.record(); r.Last != record.OK || r.Claimed {
			t.Errorf("record %v", r)
		}
		if n.gone() < 0 || n.gone() > 70*time.Second+trips {
			t.Errorf("Run returned at %v", n.gone())
		}
		w.until(130 * time.Second)
		if runs := w.wantRuns("60/1", "120/1"); runs[1].node == n {
			t.Error("the agent that was stopped ran on")
		}
	})
}

// A run that takes longer is handed over as lost: another agent runs the tick
// within a look, with a greater fence.
func TestShutdownHandsOver(t *testing.T) {
	for name, grace := range map[string]time.Duration{"8 s by default": 0, "2 s": 2 * time.Second, "at once": time.Nanosecond} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				for _, n := range w.agents(2, minutely) {
					n.StopGrace = grace
					n.work = works(30 * time.Second)
				}
				w.until(63 * time.Second)
				n := w.running()
				n.stop()
				want := 63*time.Second + grace
				if grace == 0 {
					want += 8 * time.Second
				}
				w.until(want + aLook)
				runs := w.wantRuns("60/1", "60/2")
				if r := runs[0]; r.ended != want || r.cause == nil || r.cause.Error() != elect.ShutdownOver.String() {
					t.Errorf("%v, want it cut at %v", &r, want)
				}
				if r := runs[1]; r.node == n || r.Last != record.Lost || r.Fence <= runs[0].Fence {
					t.Errorf("%+v", r.Tick)
				}
				if n.gone() < want || n.gone() > want+trips {
					t.Errorf("Run returned at %v, want %v", n.gone(), want)
				}
			})
		})
	}
}

// The last agent hands over to nobody: the next one to start picks it up.
func TestShutdownHandsOverToLaterAgent(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.agents(1, minutely)[0]
		n.work = works(30 * time.Second)
		w.until(63 * time.Second)
		n.stop()
		w.until(80 * time.Second)
		if r := w.record(); r.Last != record.Lost || r.Attempt() != 2 || r.Claimed {
			t.Errorf("record %v", r)
		}
		w.agents(1, minutely)
		w.until(80*time.Second + 5*time.Second + trips)
		w.wantRuns("60/1", "60/2")
	})
}

// The context ends while the claim is on its way: the tick is handed over, not
// started, and not left to lapse.
func TestShutdownWhileClaiming(t *testing.T) {
	bubble(t, func(w *world) {
		for _, n := range w.agents(2, minutely) {
			n.rtt = time.Second
		}
		w.until(50 * time.Second)
		n := incumbent(w)
		n.set(func(w *ways) { w.swap = func([]string) { n.stop() } })
		w.until(63*time.Second + 100*time.Millisecond) // nobody else claims within the head start
		if r := w.record(); n.gone() < 0 || r.Claimed || r.Last != record.Lost || r.Attempt() != 2 {
			t.Errorf("gone at %v, record %v", n.gone(), r)
		}
		w.until(60*time.Second + aLook + 8*time.Second)
		if runs := w.wantRuns("60/2"); runs[0].node == n {
			t.Error("run by the agent that was stopped")
		}
	})
}

// A job that does not mind its context keeps its claim, so that nobody runs
// beside it, and Run waits for it. Its end is reported.
func TestShutdownOfDeafJob(t *testing.T) {
	bubble(t, func(w *world) {
		for _, n := range w.agents(2, minutely) {
			n.work = func(context.Context, Tick) error {
				time.Sleep(50 * time.Second)
				return nil
			}
		}
		w.until(63 * time.Second)
		n := w.running()
		n.stop()
		w.until(109 * time.Second)
		w.wantRuns("60/1")
		w.until(111 * time.Second)
		if r := w.record(); n.gone() < 0 || r.Last != record.OK || r.Claimed {
			t.Errorf("Run returned at %v, record %v", n.gone(), r)
		}
		w.wantRuns("60/1")
	})
}

// Without the register a shutdown ends all the same: the claim lapses.
func TestShutdownWithoutRegister(t *testing.T) {
	for name, hang := range map[string]bool{"unreachable": false, "hangs": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				for _, n := range w.agents(2, minutely) {
					n.work = works(30 * time.Second)
				}
				w.until(64 * time.Second)
				n := w.running()
				if hang {
					n.reg.Swaps(hangs(50)...)
					n.reg.Loads(hangs(50)...)
				} else {
					n.reg.SetDown(true)
				}
				n.stop()
				w.until(60*time.Second + elect.WorstTakeover(minutely) + trips)
				w.wantRuns("60/1", "60/2")
				w.until(64*time.Second + 8*time.Second + 15*time.Second + 10*time.Second + trips)
				if n.gone() < 0 {
					t.Error("Run has not returned a lease after the grace and one request")
				}
			})
		})
	}
}
