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

// locks is the policy of these tests: the defaults.
var locks = elect.Policy{Lock: true}

// watched is how long a claim is watched before it counts as lapsed.
const watched = 15*time.Second + 1750*time.Millisecond

// A hold is an attempt to get the lock, and what came of it.
type hold struct {
	*Lock
	err  error
	at   time.Duration // when that was known; -1: not yet
	gone time.Duration // when its context ended; -1: not yet
}

// lock has the node ask for the lock, by Lock or TryLock. What it gets it gives back
// at the end of the test.
func (n *node) lock(ctx context.Context, how func(*Agent, context.Context) (*Lock, error)) *hold {
	h := &hold{at: -1, gone: -1}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Lock, h.err = how(n.Agent, ctx)
		h.at = n.w.now()
		if h.Lock != nil {
			<-h.Done()
			h.gone = n.w.now()
		}
	}()
	n.w.Cleanup(func() {
		n.time.thaw(0)
		if h.Lock != nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			_ = h.Unlock(ctx) // what comes of that is judged elsewhere
			<-h.over
		}
		<-done
	})
	return h
}

// want fails unless the lock was got, or why it was not, between the two moments.
func (h *hold) want(w *world, from, to time.Duration, err error) {
	w.Helper()
	if !errors.Is(h.err, err) || (h.err == nil) != (err == nil) || h.at < from || h.at > to {
		w.Fatalf("%v at %v, want %v from %v to %v", h.err, h.at, err, from, to)
	}
}

func free(last string) string {
	return fmt.Sprintf(`{"id":"Z","timer":0,"timerold":0,"seq":900000000000%s}`, last)
}

// Many processes take turns: never two at a time, each with a greater fence.
func TestLockTakesTurns(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(free(""))
		holders, turns := 0, map[string]int{}
		last := int64(0)
		done := make(chan struct{})
		const agents, rounds = 5, 4
		for range agents {
			n := w.node(locks)
			go func() {
				defer func() { done <- struct{}{} }()
				for range rounds {
					k, err := n.Agent.Lock(context.Background())
					if err != nil {
						t.Error(err)
						return
					}
					if holders++; holders > 1 || k.Fence() <= last {
						t.Errorf("%s holds with fence %d, %d others, fence before %d", n.ID, k.Fence(), holders-1, last)
					}
					last = k.Fence()
					turns[n.ID]++
					time.Sleep(7 * time.Second)
					holders--
					if err := k.Unlock(context.Background()); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		for range agents {
			<-done
		}
		if len(turns) != agents {
			t.Errorf("turns %v", turns)
		}
		// Each turn takes 7 s, and others see its end within a third of the lease.
		if most := agents * rounds * (7 + 5 + 3 + 1) * time.Second; w.now() > most {
			t.Errorf("it took %v, want at most %v", w.now(), most)
		}
		if r := w.record(); r.Claimed || r.Last != record.OK {
			t.Errorf("record %v", r)
		}
	})
}

// A lock that has been free for long is taken within some round trips.
func TestLockFree(t *testing.T) {
	for name, how := range map[string]func(*Agent, context.Context) (*Lock, error){"Lock": (*Agent).Lock, "TryLock": (*Agent).TryLock} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.put(free(`,"last":"ok","state":"s"`))
				n := w.node(elect.Policy{}) // that it is a lock goes without saying
				h := n.lock(context.Background(), how)
				w.until(time.Second)
				h.want(w, 0, trips, nil)
				r := w.record()
				if !r.Claimed || r.ID != n.ID || r.Seq != h.Fence() || h.Agent() != n.ID || r.Timer != 0 || r.State != "s" {
					t.Errorf("record %v, fence %d of %s", r, h.Fence(), h.Agent())
				}
				if left := h.Left(); left > 15*time.Second || left < 13*time.Second {
					t.Errorf("%v left", left)
				}
				w.until(time.Hour)
				select {
				case <-h.Renewed():
				default:
					t.Error("no renewal was told")
				}
				if left := h.Left(); h.gone >= 0 || left < 9*time.Second {
					t.Errorf("lost at %v, %v left", h.gone, left)
				}
				if err := h.Unlock(context.Background()); err != nil {
					t.Error(err)
				}
				if r := w.record(); r.Claimed || r.Last != record.OK || r.Seq <= h.Fence() || r.State != "s" {
					t.Errorf("record %v", r)
				}
				synctest.Wait()
				if h.gone < 0 {
					t.Error("its context has not ended")
				}
				if err := h.Unlock(context.Background()); err != nil {
					t.Errorf("once more: %v", err)
				}
			})
		})
	}
}

// The first of all waits until nobody can hold it without a record.
func TestLockFirstEver(t *testing.T) {
	bubble(t, func(w *world) {
		h := w.node(locks).lock(context.Background(), (*Agent).TryLock)
		w.until(time.Minute)
		h.want(w, watched, watched+2*3*time.Second+trips, nil)
	})
}

// TryLock does not wait for a holder who lives, an operator, or a job.
func TestTryLock(t *testing.T) {
	held := func(until int64) string {
		return fmt.Sprintf(`{"id":"X","timer":0,"timerold":0,"seq":%d,"until":%d,"lease":15}`, (until-15)*1000, until)
	}
	now := func(w *world) int64 { return w.start.Unix() }
	for _, c := range []struct {
		name     string
		put      func(w *world) string
		err      error
		from, to time.Duration
	}{
		{"held", func(w *world) string { return held(now(w) + 7) }, ErrHeld, 0, trips},
		{"just not renewed, as it seems", func(w *world) string { return held(now(w) - 2) }, ErrHeld, 0, trips},
		{"held by one who vanished", func(w *world) string { return held(now(w) - 10) }, nil, watched, watched + 3*time.Second + trips},
		{"paused", func(*world) string { return free(`,"pause":-1`) }, ErrPaused, 0, trips},
		{"paused for a while", func(w *world) string { return free(fmt.Sprintf(`,"pause":%d`, now(w)+60)) }, ErrPaused, 0, trips},
		{"after a pause", func(w *world) string { return free(fmt.Sprintf(`,"pause":%d`, now(w)-60)) }, nil, 0, trips},
		{"a job's", func(*world) string { return `{"id":"X","timer":1,"timerold":0}` }, ErrOfJob, 0, trips},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				text := c.put(w)
				w.put(text)
				h := w.node(locks).lock(context.Background(), (*Agent).TryLock)
				w.until(time.Minute)
				h.want(w, c.from, c.to, c.err)
				if got := w.mem.Texts(jobName)[0]; c.err != nil && !strings.HasPrefix(got, text[:len(text)-1]) {
					t.Errorf("it wrote %s over %s", got, text)
				}
			})
		})
	}
}

// Of two that try at once, one is told that the other holds it.
func TestTryLockRace(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(free(""))
		all := []*hold{w.node(locks).lock(context.Background(), (*Agent).TryLock), w.node(locks).lock(context.Background(), (*Agent).TryLock)}
		w.until(time.Minute)
		if all[0].err != nil {
			all[0], all[1] = all[1], all[0]
		}
		all[0].want(w, 0, trips, nil)
		all[1].want(w, 0, trips, ErrHeld)
	})
}

// A claim of one's own whose reply was lost is not taken for another's.
func TestTryLockReplyLost(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(free(""))
		n := w.node(locks)
		n.reg.Swaps(registertest.Lose)
		h := n.lock(context.Background(), (*Agent).TryLock)
		w.until(time.Minute)
		h.want(w, 0, time.Second, nil)
	})
}

// A lock whose record is a job's, or which nobody here may take, is not waited for.
func TestLockInVain(t *testing.T) {
	for _, c := range []struct {
		name string
		put  string
		reg  func(n *node)
		err  error
	}{
		{"a job's", `{"id":"X","timer":1,"timerold":0}`, func(*node) {}, ErrOfJob},
		{"may not read", free(""), func(n *node) { n.reg.Loads(registertest.Refuse) }, register.ErrRefused},
		{"may not write", free(""), func(n *node) { n.reg.Swaps(registertest.Refuse, registertest.Refuse, registertest.Refuse) }, register.ErrRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.put(c.put)
				n := w.node(locks)
				c.reg(n)
				h := n.lock(context.Background(), (*Agent).Lock)
				w.until(time.Minute)
				h.want(w, 0, 10*time.Second, c.err)
			})
		})
	}
}

// A refusal that passes, as of a server that starts, is waited out.
func TestLockRefusedForAWhile(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(free(""))
		n := w.node(locks)
		n.reg.Swaps(registertest.Refuse, registertest.Refuse)
		h := n.lock(context.Background(), (*Agent).Lock)
		w.until(time.Minute)
		h.want(w, 0, 3*time.Second, nil)
	})
}

// A holder that loses its register is told kill_grace before its window ends, which
// is before anybody else has the lock.
func TestLockLost(t *testing.T) {
	for name, loss := range map[string]func(n *node){
		"unreachable": func(n *node) { n.reg.SetDown(true) },
		"hanging": func(n *node) {
			n.set(func(s *ways) { s.rtt = time.Hour })
		},
		"killed": func(n *node) { n.kill() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.put(free(""))
				n := w.node(locks)
				h := n.lock(context.Background(), (*Agent).Lock)
				w.until(time.Second)
				other := w.node(locks).lock(context.Background(), (*Agent).Lock)
				w.until(6 * time.Second) // it was renewed at 5
				loss(n)
				w.until(time.Minute)
				end := 5*time.Second + 15*time.Second + trips
				if h.gone < end-3*time.Second-2*trips || h.gone > end-3*time.Second {
					t.Errorf("told at %v, want 3 s before %v", h.gone, end)
				}
				other.want(w, end, 5*time.Second+trips+elect.WorstTakeover(locks), nil)
				if h.Left() > 0 || other.Fence() <= h.Fence() {
					t.Errorf("%v left; fences %d, then %d", h.Left(), h.Fence(), other.Fence())
				}
				err := h.Unlock(context.Background())
				if !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), elect.WindowOver.String()) {
					t.Errorf("Unlock: %v", err)
				}
				if r := w.record(); r.ID != other.Agent() || !r.Claimed {
					t.Errorf("record %v", r)
				}
			})
		})
	}
}

// A process that was halted for most of its window, and asks before its loop is awake,
// is told that its time is over, although its context has not ended yet.
func TestLockHalted(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(free(""))
		n := w.node(locks)
		h := n.lock(context.Background(), (*Agent).Lock)
		w.until(time.Second)
		if safe, left := h.Safe(), h.Left(); safe != left-3*time.Second {
			t.Errorf("safe for %v, with %v left", safe, left)
		}
		n.time.step(h.Safe()+time.Second, h.Safe()+time.Second)
		if h.Context().Err() != nil || h.Left() != 2*time.Second || h.Safe() != -time.Second {
			t.Errorf("after the halt: %v, safe for %v, with %v left", h.Context().Err(), h.Safe(), h.Left())
		}
		w.until(2500 * time.Millisecond)
		if h.gone < 0 {
			t.Error("its context did not end")
		}
	})
}

// What is done to the record by hand ends the hold with the next renewal.
func TestLockByHand(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *world, r record.Record) record.Record
		lost bool
	}{
		{"freed", func(_ *world, r record.Record) record.Record {
			return record.Record{ID: r.ID, Seq: r.Seq + 1}
		}, true},
		{"taken", func(_ *world, r record.Record) record.Record {
			r.ID, r.Seq = "X", r.Seq+1
			return r
		}, true},
		{"a job's", func(w *world, r record.Record) record.Record {
			return record.Record{ID: "X", Seq: r.Seq + 1, Timer: w.start.Unix()}
		}, true},
		{"paused", func(w *world, r record.Record) record.Record {
			r, err := elect.Pause(r, time.Time{}, "", w.start)
			if err != nil {
				panic(err)
			}
			return r
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.put(free(""))
				h := w.node(locks).lock(context.Background(), (*Agent).Lock)
				w.until(6 * time.Second)
				w.change(func(r record.Record) record.Record { return c.do(w, r) })
				w.until(20 * time.Second)
				if lost := h.gone >= 0; lost != c.lost || lost && h.gone > 11*time.Second {
					t.Errorf("lost at %v", h.gone)
				}
				if err := h.Unlock(context.Background()); errors.Is(err, ErrLost) != c.lost || (err == nil) == c.lost {
					t.Errorf("Unlock: %v", err)
				}
			})
		})
	}
}

// A record that is gone is put back, and whoever comes anew waits for that.
func TestLockDeleted(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(free(""))
		h := w.node(locks).lock(context.Background(), (*Agent).Lock)
		w.until(6 * time.Second)
		w.put()
		other := w.node(locks).lock(context.Background(), (*Agent).TryLock)
		w.until(time.Minute)
		if r := w.record(); h.gone >= 0 || r.ID != h.Agent() || !r.Claimed {
			t.Errorf("lost at %v; record %v", h.gone, r)
		}
		other.want(w, 0, 60*time.Second, ErrHeld)
	})
}

// Timeout bounds how long it is held.
func TestLockTimeout(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(free(""))
		p := locks
		p.Timeout = 20 * time.Second
		h := w.node(p).lock(context.Background(), (*Agent).Lock)
		w.until(time.Minute)
		if h.gone < 20*time.Second || h.gone > 20*time.Second+trips || !errors.Is(context.Cause(h.Context()), ErrTimeout) {
			t.Errorf("ended at %v: %v", h.gone, context.Cause(h.Context()))
		}
		if err := h.Unlock(context.Background()); !errors.Is(err, ErrLost) || !errors.Is(err, ErrTimeout) {
			t.Errorf("Unlock: %v", err)
		}
		if r := w.record(); r.Claimed || r.Last != record.Timeout {
			t.Errorf("record %v", r)
		}
	})
}

var errEnough = errors.New("enough")

// Whoever stops waiting leaves nothing behind, at whatever moment.
func TestLockInterrupted(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(free(""))
		h := w.node(locks).lock(context.Background(), (*Agent).Lock)
		w.until(time.Second)
		ctx, cancel := context.WithCancelCause(context.Background())
		n := w.node(locks)
		other := n.lock(ctx, (*Agent).Lock)
		w.until(20 * time.Second)
		cancel(errEnough)
		w.until(21 * time.Second)
		other.want(w, 20*time.Second, 20*time.Second, errEnough)
		if n.swaps() != 0 || w.record().ID != h.Agent() {
			t.Errorf("%d writes, record %v", n.swaps(), w.record())
		}
	})
	for name, how := range map[string]func(n *node){
		"as its claim is on its way":      func(n *node) { n.set(func(s *ways) { s.slow = time.Second }) },
		"as its claim's reply is lost":    func(n *node) { n.reg.Swaps(registertest.Lose) },
		"as the register does not answer": func(n *node) { n.set(func(s *ways) { s.rtt = 8 * time.Second }) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.put(free(""))
				n := w.node(locks)
				how(n)
				ctx, cancel := context.WithCancel(context.Background())
				h := n.lock(ctx, (*Agent).Lock)
				w.until(100 * time.Millisecond)
				cancel()
				w.until(time.Minute)
				h.want(w, 100*time.Millisecond, 3*time.Second, context.Canceled)
				if r := w.record(); r.Claimed {
					t.Errorf("record %v", r)
				}
			})
		})
	}
}

// A register that is silent is named, whoever stops waiting for it.
func TestLockSilentRegister(t *testing.T) {
	bubble(t, func(w *world) {
		n := w.node(locks)
		n.reg.SetDown(true)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		h := n.lock(ctx, (*Agent).TryLock)
		w.until(time.Minute)
		h.want(w, 10*time.Second, 10*time.Second+trips, context.DeadlineExceeded)
		if !strings.Contains(h.err.Error(), "; the register: ") {
			t.Error(h.err)
		}
	})
}

// A lock that cannot be given back is said to be so, and lapses.
func TestUnlockUnwritten(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(free(""))
		n := w.node(locks)
		h := n.lock(context.Background(), (*Agent).Lock)
		w.until(time.Second)
		n.reg.SetDown(true)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := h.Unlock(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrLost) || w.now() != 2*time.Second {
			t.Errorf("Unlock at %v: %v", w.now(), err)
		}
		if err := h.Unlock(context.Background()); err == nil || errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "lapses by itself") {
			t.Errorf("Unlock at %v: %v", w.now(), err)
		}
		if w.now() > time.Minute {
			t.Errorf("it took %v", w.now())
		}
	})
}

// Leadership is a lock whose job is run again and again: one leads, another one when
// it is killed, and nobody gives way without need.
func TestLeadership(t *testing.T) {
	bubble(t, func(w *world) {
		w.put(free(""))
		for _, n := range w.agents(3, locks) {
			n.work = works(24 * time.Hour)
		}
		w.until(time.Hour)
		if n := len(w.allRuns()); n != 1 {
			t.Fatalf("%d have led, want one:\n%s", n, w)
		}
		first := w.running()
		if r := w.allRuns()[0]; !r.Time.IsZero() || r.Fence == 0 {
			t.Errorf("%+v", r.Tick)
		}
		first.kill()
		w.until(time.Hour + elect.WorstTakeover(locks) + trips)
		second := w.running()
		if second == first {
			t.Fatal("the dead one leads")
		}
		w.until(2 * time.Hour)
		second.stop()
		w.until(2*time.Hour + 8*time.Second + 5*time.Second + 3*time.Second + trips)
		if third := w.running(); third == second || third == first {
			t.Errorf("%s leads", third.ID)
		}
		if len(w.allRuns()) != 3 {
			t.Errorf("runs:\n%s", w)
		}
	})
}

// An agent that is not fit to hold a lock says so.
func TestLockMisused(t *testing.T) {
	var mem register.Memory
	for name, a := range map[string]*Agent{
		"no register":  {},
		"a schedule":   {Register: mem.At(jobName), Policy: minutely},
		"at most once": {Register: mem.At(jobName), Policy: elect.Policy{AtMostOnce: true}},
		"too short":    {Register: mem.At(jobName), Policy: elect.Policy{Lease: 2 * time.Second}},
		"no id":        {Register: mem.At(jobName), ID: "\x00"},
	} {
		if _, err := a.Lock(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
