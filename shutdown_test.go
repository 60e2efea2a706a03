package solotick

import (
	"context"
	"errors"
	"runtime"
	"strings"
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

// A panic of the job is a failed run, and nothing worse; so is a job that ends
// its goroutine.
func TestPanic(t *testing.T) {
	for name, burst := range map[string]func(){
		"panic":  func() { panic("boiler") },
		"goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				n := w.node(minutely)
				n.work = func(_ context.Context, tick Tick) error {
					if tick.Time.Sub(w.start) == time.Minute {
						burst()
					}
					return nil
				}
				n.run()
				w.until(70 * time.Second)
				if r := w.record(); r.Last != record.Failed || r.Claimed {
					t.Errorf("record %v", r)
				}
				if name == "panic" && n.warnings("boiler") != 1 {
					t.Error("nobody says why")
				}
				w.until(130 * time.Second)
				w.wantRuns("60/1", "120/1")
				if r := w.record(); r.Last != record.OK {
					t.Errorf("record %v", r)
				}
			})
		})
	}
}

// A failed run is tried again after the back-off while attempts are left, by
// any agent; then the tick has failed, and the schedule goes on.
func TestRetry(t *testing.T) {
	bubble(t, func(w *world) {
		p := minutely
		p.Attempts = 3
		for _, n := range w.agents(3, p) {
			n.work = func(_ context.Context, tick Tick) error {
				if tick.Time.Sub(w.start) < 2*time.Minute {
					if tick.Attempt == 1 {
						n.kill() // and yet its report gets through first
						n.mu.Lock()
						n.dead = false
						n.mu.Unlock()
						go func() { time.Sleep(time.Second); n.kill() }()
					}
					return errors.New("not today")
				}
				return nil
			}
		}
		w.until(61 * time.Second)
		r := w.record()
		if r.Last != record.Failed || r.Attempt() != 2 || r.Claimed || r.Timer != w.start.Unix()+65 || r.TimerOld != w.start.Unix()+60 {
			t.Errorf("record %v", r)
		}
		w.until(119 * time.Second)
		runs := w.wantRuns("60/1", "60/2", "60/3")
		if runs[1].node == runs[0].node || runs[1].Last != record.Failed {
			t.Errorf("%+v", runs[1].Tick)
		}
		if gap := runs[2].began - runs[1].began; gap < 9*time.Second || gap > 11*time.Second {
			t.Errorf("third attempt after %v, want a back-off of 10 s in whole seconds", gap)
		}
		if r := w.record(); r.Last != record.Failed || r.Attempt() != 1 || r.Timer != w.start.Unix()+120 {
			t.Errorf("record %v", r)
		}
		w.until(125 * time.Second)
		if runs := w.wantRuns("60/1", "60/2", "60/3", "120/1"); runs[3].Last != record.Failed || w.record().Last != record.OK {
			t.Errorf("%+v, %v", runs[3].Tick, w.record())
		}
	})
}

// Attempts failed and runs lost count together: 1 + 3 in all.
func TestFailureAfterTakeover(t *testing.T) {
	bubble(t, func(w *world) {
		p := minutely
		p.Attempts = 2
		for _, n := range w.agents(3, p) {
			n.work = func(ctx context.Context, tick Tick) error {
				if tick.Attempt == 1 {
					n.kill()
					<-ctx.Done()
				}
				return errors.New("no")
			}
		}
		w.until(119 * time.Second)
		w.wantRuns("60/1", "60/2")
		if r := w.record(); r.Last != record.Failed || r.Attempt() != 1 {
			t.Errorf("record %v", r)
		}
	})
}

func TestTimeout(t *testing.T) {
	for name, c := range map[string]struct {
		work func(context.Context, Tick) error
		want record.Result
	}{
		"obeys":     {works(time.Hour), record.Timeout},
		"ends well": {func(ctx context.Context, _ Tick) error { <-ctx.Done(); time.Sleep(time.Second); return nil }, record.OK},
		"in time":   {works(6 * time.Second), record.OK},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				p := minutely
				p.Timeout = 7 * time.Second
				n := w.agents(1, p)[0]
				n.work = c.work
				w.until(75 * time.Second)
				r := w.wantRuns("60/1")[0]
				if name == "obeys" && (r.ended != r.began+p.Timeout || r.cause == nil || r.cause.Error() != elect.RunTimeout.String()) {
					t.Errorf("%v", &r)
				}
				if got := w.record().Last; got != c.want {
					t.Errorf("last %q, want %q", got, c.want)
				}
				if res := n.results(); len(res) != 1 || res[0] != c.want {
					t.Errorf("results %q", res)
				}
			})
		})
	}
}

// A run that the next tick replaces.
func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		overlap elect.Overlap
		runs    []string
		last    record.Result
	}{
		{elect.OverlapWait, []string{"60/1", "120/1"}, record.OK},
		{elect.OverlapSkip, []string{"60/1", "180/1"}, record.OK},
		{elect.OverlapReplace, []string{"60/1", "120/1", "180/1"}, record.Replaced},
	} {
		bubble(t, func(w *world) {
			p := minutely
			p.Overlap = c.overlap
			for _, n := range w.agents(2, p) {
				n.work = works(70 * time.Second)
			}
			w.until(185 * time.Second)
			runs := w.wantRuns(c.runs...)
			if runs[1].Last != c.last {
				t.Errorf("overlap %d: last %q, want %q", c.overlap, runs[1].Last, c.last)
			}
			if c.overlap == elect.OverlapReplace && runs[0].ended != 2*time.Minute {
				t.Errorf("replaced at %v", runs[0].ended)
			}
		})
	}
}

// What a job leaves behind is there for the next run, on whichever agent.
func TestState(t *testing.T) {
	bubble(t, func(w *world) {
		for _, n := range w.agents(2, minutely) {
			n.work = func(_ context.Context, tick Tick) error {
				switch tick.Time.Sub(w.start) {
				case time.Minute:
					go func() { time.Sleep(10 * time.Second); n.kill() }()
					return tick.SetState("föö \"bar\"\x01")
				case 3 * time.Minute:
					return tick.SetState("")
				case 4 * time.Minute: // a failed run may leave one too
					return errors.Join(tick.SetState("failed"), errors.New("no"))
				}
				return nil
			}
		}
		w.until(250 * time.Second)
		runs := w.wantRuns("60/1", "120/1", "180/1", "240/1")
		for i, want := range []string{"", "föö \"bar\"\x01", "föö \"bar\"\x01", ""} {
			if runs[i].State != want || i == 3 && runs[i].err == nil {
				t.Errorf("run %d: state %q, want %q, error %v", i, runs[i].State, want, runs[i].err)
			}
		}
		if runs[1].node == runs[0].node {
			t.Error("the dead agent ran on")
		}
		if got := w.record().State; got != "failed" {
			t.Errorf("state %q", got)
		}
	})
}

func TestSetStateRefuses(t *testing.T) {
	long := func(n int) string { return strings.Repeat("\x01", n) } // six bytes each as JSON
	bubble(t, func(w *world) {
		n := w.node(minutely)
		n.work = func(_ context.Context, tick Tick) error {
			for _, s := range []string{long(16), "\xff", "a\x00", strings.Repeat("x", 95), strings.Repeat(`"`, 48)} {
				if err := tick.SetState(s); err == nil {
					t.Errorf("state %q was taken", s)
				}
			}
			return tick.SetState(long(15))
		}
		n.run()
		w.until(65 * time.Second)
		if r := w.record(); r.State != long(15) || r.Last != record.OK {
			t.Errorf("record %v", r)
		}
	})
	bubble(t, func(w *world) {
		p := minutely
		p.AtMostOnce = true
		n := w.node(p)
		n.work = func(_ context.Context, tick Tick) error {
			if err := tick.SetState("x"); err == nil {
				t.Error("a state was taken under at-most-once")
			}
			return nil
		}
		n.run()
		w.until(125 * time.Second)
		if w.wantRuns("60/1", "120/1"); w.record().State != "" {
			t.Errorf("record %v", w.record())
		}
	})
}

// At-most-once: a run is cut before the next tick, a crash loses its tick, and
// nobody runs one again.
func TestAtMostOnce(t *testing.T) {
	bubble(t, func(w *world) {
		p := minutely
		p.AtMostOnce = true
		for _, n := range w.agents(3, p) {
			n.work = func(ctx context.Context, tick Tick) error {
				if tick.Time.Sub(w.start) == 2*time.Minute {
					n.kill()
				}
				return works(time.Hour)(ctx, tick)
			}
		}
		w.until(190 * time.Second)
		runs := w.wantRuns("60/1", "120/1", "180/1")
		if want := 2*time.Minute - 2*time.Second - 3*time.Second; runs[0].ended != want {
			t.Errorf("cut at %v, want %v: the next tick less skew and kill_grace", runs[0].ended, want)
		}
		if runs[1].Last != record.Lost && runs[1].Last != record.Timeout {
			t.Errorf("last %q", runs[1].Last)
		}
	})
}

// A claim whose reply is lost is found, and its tick run, once.
func TestAtMostOnceLostReply(t *testing.T) {
	bubble(t, func(w *world) {
		p := minutely
		p.AtMostOnce = true
		w.agents(3, p)
		w.until(59 * time.Second)
		incumbent(w).reg.Swaps(lost...)
		w.until(119 * time.Second)
		if runs := w.allRuns(); len(runs) > 1 {
			t.Errorf("ran\n%s", w)
		}
		w.until(125 * time.Second)
		if runs := w.allRuns(); len(runs) == 0 || runs[len(runs)-1].Time.Sub(w.start) != 2*time.Minute {
			t.Errorf("ran\n%s", w)
		}
	})
}
