package solotick

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

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
				if name == "obeys" && (r.ended != r.began+p.Timeout || r.cause == nil || r.cause.Error() != elect.RunTimeout.String() || !errors.Is(r.cause, ErrTimeout)) {
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
			if c.overlap == elect.OverlapReplace && (runs[0].ended != 2*time.Minute || errors.Is(runs[0].cause, ErrTimeout)) {
				t.Errorf("replaced at %v, by %v", runs[0].ended, runs[0].cause)
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
