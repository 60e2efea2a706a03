package solotick

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
)

// idleAt is the record of a job whose next tick is so many seconds after the start.
func (w *world) idleAt(sec int64, more string) string {
	start := w.start.Unix()
	return fmt.Sprintf(`{"id":"Z","timer":%d,"timerold":%d,"seq":900000000000%s}`, start+sec, start+sec-60, more)
}

// runDue calls in the background and tells what came of it.
func (n *node) runDue(ctx context.Context) *called {
	c := &called{at: -1}
	go func() {
		err := n.Agent.RunDue(ctx)
		n.mu.Lock()
		defer n.mu.Unlock()
		c.err, c.at = err, n.w.now()
	}()
	return c
}

type called struct {
	err error
	at  time.Duration // when it returned; -1: not yet
}

func (c *called) want(w *world, from, to time.Duration, err error) {
	w.Helper()
	if c.at < from || c.at > to || !errors.Is(c.err, err) {
		w.Errorf("it returned at %v: %v; want %v between %v and %v", c.at, c.err, err, from, to)
	}
}

// Machines whose clocks differ by more than the job takes, here by 40 s, call at
// their own idea of each minute. Each tick is run once all the same; under a lock for
// as long as the job takes it is run by all of them.
func TestRunDueOncePerTick(t *testing.T) {
	const minutes = 10
	skews := []time.Duration{-20 * time.Second, 0, 300 * time.Millisecond, 20 * time.Second}
	play := func(w *world, call func(n *node) error) {
		for _, skew := range skews {
			n := w.node(minutely)
			n.work = works(0)
			n.time.wallBy = -skew // its clock is fast if it calls early
			go func() {
				for i := range minutes {
					time.Sleep(time.Duration(i+1)*time.Minute + skew - w.now())
					if err := call(n); err != nil && !errors.Is(err, ErrNotDue) && !errors.Is(err, ErrHeld) {
						w.Errorf("%s: %v", n.ID, err)
					}
				}
			}()
		}
		w.until((minutes + 1) * time.Minute)
	}
	bubble(t, func(w *world) {
		w.put(w.idleAt(60, ""))
		play(w, func(n *node) error { return n.Agent.RunDue(context.Background()) })
		if n := len(w.allRuns()); n != minutes { // bubble has seen to it that no tick is there twice
			t.Errorf("%d runs of %d ticks:\n%s", n, minutes, w)
		}
		for _, r := range w.allRuns() {
			if late := r.began - r.Time.Sub(w.start); late < 0 || late > 6*time.Second {
				t.Errorf("%v began %v after its tick", r, late)
			}
		}
	})
	bubble(t, func(w *world) {
		w.put(free(""))
		held := 0
		play(w, func(n *node) error {
			a := &Agent{Job: n.Job, Register: n.reg, ID: n.ID, clock: n.Agent.clock}
			k, err := a.TryLock(context.Background())
			if err != nil {
				return err
			}
			held++
			return k.Unlock(context.Background())
		})
		if held != minutes*len(skews) {
			t.Errorf("under a lock for the run it ran %d times: this test would not see the mistake that it is about", held)
		}
	})
}

// What there is to be told of a call that runs nothing.
func TestRunDueNothing(t *testing.T) {
	claimed := func(w *world, until int64) string {
		start := w.start.Unix()
		return fmt.Sprintf(`{"id":"X","timer":%d,"timerold":%d,"seq":%d,"until":%d,"lease":15}`, start+60, start, (start+until-15)*1000, start+until)
	}
	for _, c := range []struct {
		name string
		put  func(w *world) string
		reg  func(n *node)
		err  error
		to   time.Duration
	}{
		{"not due", func(w *world) string { return w.idleAt(60, "") }, nil, ErrNotDue, trips},
		{"a retry is not due", func(w *world) string { return w.idleAt(60, `,"try":2`) }, nil, ErrNotDue, trips},
		{"it runs", func(w *world) string { return claimed(w, 10) }, nil, ErrHeld, trips},
		{"it is about to be renewed", func(w *world) string { return claimed(w, -1) }, nil, ErrHeld, trips},
		{"paused", func(w *world) string { return w.idleAt(0, `,"pause":-1`) }, nil, ErrPaused, trips},
		{"refused", func(w *world) string { return w.idleAt(0, "") }, func(n *node) {
			n.dns.SetDown(true)
			n.reg.Loads(registertest.Refuse)
		}, register.ErrRefused, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.put(c.put(w))
				n := w.node(minutely)
				if c.reg != nil {
					c.reg(n)
				}
				call := n.runDue(context.Background())
				w.until(2 * time.Minute)
				call.want(w, 0, c.to, c.err)
				if len(w.allRuns()) != 0 || call.err == nil || n.swaps() != 0 {
					t.Errorf("%v; %d writes; runs:\n%s", call.err, n.swaps(), w)
				}
			})
		})
	}
}

// A register that does not answer ends a call, and is named.
func TestRunDueSilentRegister(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.node(minutely)
		n.reg.SetDown(true)
		n.dns.SetDown(true)
		call := n.runDue(context.Background())
		w.until(time.Minute)
		if call.at < 30*time.Second || call.err == nil || errors.Is(call.err, ErrNotDue) {
			t.Errorf("at %v: %v", call.at, call.err)
		}
		// A caller who has less patience is told as well.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		call = n.runDue(ctx)
		w.until(2 * time.Minute)
		call.want(w, 65*time.Second, 66*time.Second, context.DeadlineExceeded)
		if !strings.Contains(call.err.Error(), "; the register: ") {
			t.Error(call.err)
		}
	})
}

// A record that is not there is made, and its first tick run if it is near.
func TestRunDueFirstEver(t *testing.T) {
	bubble(t, func(w *world) {
		call := w.node(minutely).runDue(context.Background())
		w.until(time.Minute)
		call.want(w, 0, 4*time.Second, ErrNotDue)
		if r := w.record(); r.Timer != w.start.Unix()+60 || r.TimerOld != 0 {
			t.Errorf("record %v", r)
		}
	})
}

// The tick of an agent that vanished is run by whoever calls next.
func TestRunDueTakesOver(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(w.idleAt(0, ""))
		n, m := w.node(minutely), w.node(minutely)
		n.work = works(time.Hour)
		n.runDue(context.Background())
		w.until(10 * time.Second)
		n.kill()
		w.until(time.Minute)
		call := m.runDue(context.Background())
		w.until(2 * time.Minute)
		call.want(w, time.Minute+watched, time.Minute+watched+5*time.Second, nil)
		runs := w.allRuns()
		if len(runs) != 2 || runs[1].Attempt != 2 || runs[1].Time != runs[0].Time || runs[1].Last != record.Lost {
			t.Fatalf("runs:\n%s", w)
		}
		call = m.runDue(context.Background())
		w.until(150 * time.Second)
		call.want(w, 2*time.Minute, 2*time.Minute+2*time.Second, nil)
		if runs = w.allRuns(); len(runs) != 3 || !runs[2].Time.Equal(w.start.Add(2*time.Minute)) {
			t.Errorf("runs:\n%s", w)
		}
	})
}

// What the job says is what the caller hears.
func TestRunDueOutcome(t *testing.T) {
	atMostOnce := minutely
	atMostOnce.AtMostOnce = true
	once := minutely
	once.Timeout = 5 * time.Second
	for _, c := range []struct {
		name   string
		policy elect.Policy
		work   func(ctx context.Context, t Tick) error
		then   func(n *node)
		err    error
		last   record.Result
	}{
		{"ok", minutely, works(time.Second), nil, nil, record.OK},
		{"failed", minutely, func(context.Context, Tick) error { return errEnough }, nil, errEnough, record.Failed},
		{"skipped", minutely, func(context.Context, Tick) error { return ErrSkipped }, nil, ErrSkipped, record.Skipped},
		{"timeout", once, works(time.Hour), nil, ErrTimeout, record.Timeout},
		{"at most once", atMostOnce, works(time.Second), nil, nil, record.OK},
		{"the register is gone", minutely, works(time.Hour), func(n *node) { n.reg.SetDown(true) }, ErrLost, ""},
		{"its end cannot be written", minutely, works(8 * time.Second), func(n *node) {
			n.w.until(6 * time.Second)
			n.reg.SetDown(true)
		}, ErrLost, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.put(w.idleAt(0, `,"last":"ok"`))
				n := w.node(c.policy)
				n.work = c.work
				call := n.runDue(context.Background())
				w.until(5 * time.Second)
				if c.then != nil {
					c.then(n)
				}
				w.until(time.Minute)
				call.want(w, 0, 50*time.Second, c.err)
				if r := w.record(); c.last != "" && (r.Claimed || r.Last != c.last) {
					t.Errorf("record %v", r)
				}
				if len(w.allRuns()) != 1 {
					t.Errorf("runs:\n%s", w)
				}
			})
		})
	}
}

// Two calls of one agent do not meet, and one that is ended hands over.
func TestRunDueInterrupted(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(w.idleAt(0, ""))
		n := w.node(minutely)
		n.work = works(time.Hour)
		ctx, cancel := context.WithCancelCause(context.Background())
		call := n.runDue(ctx)
		w.until(10 * time.Second)
		if err := n.Agent.RunDue(context.Background()); !errors.Is(err, ErrHeld) || len(w.allRuns()) != 1 {
			t.Errorf("beside a run: %v", err)
		}
		cancel(errEnough)
		w.until(30 * time.Second)
		call.want(w, 18*time.Second, 19*time.Second, ErrLost)
		if r := w.record(); r.Claimed || r.Try != 2 || r.Last != record.Lost {
			t.Errorf("record %v", r)
		}

		m := w.node(minutely)
		m.work = works(0)
		ctx, cancel = context.WithCancelCause(context.Background())
		call = m.runDue(ctx)
		synctest.Wait()
		cancel(errEnough)
		w.until(40 * time.Second)
		call.want(w, 30*time.Second, 31*time.Second, errEnough)
		if len(w.allRuns()) != 1 {
			t.Errorf("runs:\n%s", w)
		}
		// What a call has learned is of use to the next, which is one process with it.
		call = m.runDue(context.Background())
		w.until(50 * time.Second)
		call.want(w, 40*time.Second, 44*time.Second, nil)
	})
}

// A claim whose reply was lost is found and run, also by the next call.
func TestRunDueReplyLost(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(w.idleAt(0, ""))
		n := w.node(minutely)
		n.reg.Swaps(registertest.Lose)
		call := n.runDue(context.Background())
		w.until(time.Minute)
		call.want(w, 0, 12*time.Second, nil)
	})
	bubble(t, func(w *world) {
		w.put(w.idleAt(0, ""))
		n := w.node(minutely)
		n.reg.Swaps(registertest.Lose)
		ctx, cancel := context.WithCancelCause(context.Background())
		n.swap = func([]string) { cancel(errEnough) }
		call := n.runDue(ctx)
		w.until(time.Minute)
		call.want(w, 0, 12*time.Second, errEnough)
		n.set(func(s *ways) { s.swap = nil })
		call = n.runDue(context.Background())
		w.until(2 * time.Minute)
		call.want(w, time.Minute, 90*time.Second, nil)
		if n := len(w.allRuns()); n != 1 {
			t.Errorf("runs:\n%s", w)
		}
	})
}

// A record that nobody here can open is not waited for.
func TestRunDueSealed(t *testing.T) {
	bubble(t, func(w *world) {
		w.put("st1.abcdefgh.AAAA")
		call := w.node(minutely).runDue(context.Background())
		w.until(time.Minute)
		if call.at < 0 || call.at > trips || call.err == nil || !strings.Contains(call.err.Error(), "sealed") {
			t.Errorf("at %v: %v", call.at, call.err)
		}
	})
}

func TestRunDueMisused(t *testing.T) {
	var mem register.Memory
	do := func(context.Context, Tick) error { return nil }
	for name, a := range map[string]*Agent{
		"no job":      {Register: mem.At(jobName), Policy: minutely},
		"no register": {Job: Job{Do: do}, Policy: minutely},
		"no schedule": {Job: Job{Do: do}, Register: mem.At(jobName)},
		"a lock":      {Job: Job{Do: do}, Register: mem.At(jobName), Policy: locks},
		"too short":   {Job: Job{Do: do}, Register: mem.At(jobName), Policy: elect.Policy{Schedule: grid(60), Lease: time.Second}},
	} {
		if err := a.RunDue(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
