package batch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errLeft = errors.New("left")

// TestContextEnds has a context end in each phase, by its deadline or by hand.
func TestContextEnds(t *testing.T) {
	again := func(n int, _ []int) error {
		if n == 0 {
			return &Again{Err: errBusy, After: 500 * time.Millisecond}
		}
		return nil
	}
	halves := func(n int, members []int) error {
		if slices.Contains(members, 2) {
			return &Blame{Err: errBad}
		}
		return nil
	}
	for _, tt := range []struct {
		name   string
		o      Options[int, string]
		took   time.Duration
		answer func(int, []int) error
		after  time.Duration // that of member 1; the others have time
		sent   int           // requests with member 1
		is     []error
		not    []error
	}{
		{name: "before", after: 0, sent: 0, is: []error{errNotSent}, not: []error{errUnknown}},
		{
			name: "while another request is under way", took: time.Second, after: 500 * time.Millisecond,
			is: []error{errNotSent}, not: []error{errUnknown},
		},
		{
			name: "while the budget has no room", o: Options[int, string]{Budget: NewBudget(Limits{Rate: 1})}, after: 500 * time.Millisecond,
			is: []error{errNotSent}, not: []error{errUnknown},
		},
		{
			name: "in a pause", answer: again, took: 100 * time.Millisecond, after: 300 * time.Millisecond,
			is: []error{errNotSent}, not: []error{errUnknown},
		},
		{
			name: "under way", took: time.Second, after: 1500 * time.Millisecond, sent: 1,
			is: []error{errUnknown}, not: []error{errNotSent},
		},
		{
			name: "under way, and then it was not applied", took: time.Second, answer: halves, after: 1500 * time.Millisecond, sent: 1,
			is: []error{errUnknown}, not: []error{errNotSent, errBad},
		},
		{
			name: "under way again", took: time.Second, answer: halves, after: 2500 * time.Millisecond, sent: 2,
			is: []error{errUnknown}, not: []error{errNotSent, errBad},
		},
		{
			name: "when known not to be applied", o: Options[int, string]{Budget: NewBudget(Limits{Rate: 1})},
			took: 100 * time.Millisecond, answer: halves, after: 1500 * time.Millisecond, sent: 1,
			is: []error{errNotSent}, not: []error{errUnknown, errBad},
		},
	} {
		for _, by := range []string{"deadline", "hand"} {
			t.Run(tt.name+" by "+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), tt.after)
					defer cancel()
					want := context.DeadlineExceeded
					if by == "hand" {
						want = errLeft
						var leave context.CancelCauseFunc
						ctx, leave = context.WithCancelCause(t.Context())
						if tt.after == 0 {
							leave(errLeft)
						}
						defer time.AfterFunc(tt.after, func() { leave(errLeft) }).Stop()
					}
					s := newService(tt.took, tt.answer)
					tt.o.Send, tt.o.Unknown = s.send, errUnknown
					if tt.o.Budget != nil {
						tt.o.Budget = NewBudget(Limits{Rate: 1}) // full at the bubble's time
					}
					outcomes := crowd(New(tt.o), 4, func(i int) context.Context {
						if i == 1 {
							return ctx
						}
						return context.Background()
					})
					// In a pause that is too long for it, a deadline counts at once.
					o := outcomes[1]
					early := tt.name == "in a pause" && by == "deadline"
					wantOutcome(t, 1, o, tt.is, tt.not...)
					if !early && !errors.Is(o.err, want) {
						t.Errorf("error %v, want %v", o.err, want)
					}
					if o.after > tt.after {
						t.Errorf("it ended after %s", o.after)
					}
					sent := 0
					for _, members := range s.requests() {
						if slices.Contains(members, 1) {
							sent++
						}
					}
					if sent != tt.sent {
						t.Errorf("sent %d times", sent)
					}
					for _, i := range []int{0, 3} {
						wantOutcome(t, i, outcomes[i], nil)
					}
				})
			})
		}
	}
}

// TestEndsAfterAgain tells what kept a member waiting until its time was over.
func TestEndsAfterAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(0, func(int, []int) error { return &Again{Err: errBusy, After: time.Minute} })
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errLeft) })
		o := crowd(New(Options[int, string]{Send: s.send}), 1, func(int) context.Context { return ctx })[0]
		wantOutcome(t, 0, o, []error{errBusy, errLeft})
		if o.err.Error() != "busy, and then left" || o.after != time.Second {
			t.Errorf("after %s: %v", o.after, o.err)
		}
	})
}

// TestEndsWithoutUnknown has the request of what changes nothing.
func TestEndsWithoutUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(time.Minute, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		o := crowd(New(Options[int, string]{Send: s.send}), 1, func(int) context.Context { return ctx })[0]
		wantOutcome(t, 0, o, []error{context.DeadlineExceeded}, errNotSent)
		time.Sleep(time.Minute) // until the request has ended, too
	})
}

// TestNobodyIsLeftRunning has the last of those who wait leave: nothing goes on
// waiting in their place, and who comes next is served.
func TestNobodyIsLeftRunning(t *testing.T) {
	for _, tt := range []struct {
		name string
		hold func(b *Batcher[int, string])
	}{
		{"budget", func(b *Batcher[int, string]) { b.opt.Budget.Throttled(time.Hour) }},
		{"rate", func(b *Batcher[int, string]) { _ = b.opt.Budget.Wait(context.Background()) }},
		{"pause", func(b *Batcher[int, string]) { b.pause = time.Now().Add(time.Hour) }},
		{"room", func(b *Batcher[int, string]) { b.room <- struct{}{} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(0, nil)
				b := New(Options[int, string]{Send: s.send, Budget: NewBudget(Limits{Rate: 1.0 / 3600})})
				tt.hold(b)
				ctx, cancel := context.WithCancel(t.Context())
				began := time.Now()
				time.AfterFunc(time.Second, cancel)
				for i, o := range crowd(b, 3, func(int) context.Context { return ctx }) {
					wantOutcome(t, i, o, []error{errNotSent, context.Canceled})
				}
				synctest.Wait()
				b.mu.Lock()
				running := b.running
				b.mu.Unlock()
				if running || time.Since(began) != time.Second {
					t.Errorf("after %s: still waiting: %v", time.Since(began), running)
				}
				wantRequests(t, s)
				if tt.name == "room" {
					<-b.room
				}
				wantOutcome(t, 0, crowd(b, 1, background)[0], nil)
			})
		})
	}
}

// TestNobodyWaitsForWhoHasLeft has a member leave while its request is under way,
// after which the service wants it sent again.
func TestNobodyWaitsForWhoHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(2*time.Second, func(int, []int) error { return &Again{Err: errBusy, After: time.Hour} })
		b := New(Options[int, string]{Send: s.send, Unknown: errUnknown})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		wantOutcome(t, 0, crowd(b, 1, func(int) context.Context { return ctx })[0], []error{errUnknown})
		time.Sleep(2 * time.Second)
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.running {
			t.Error("still waiting")
		}
	})
}

// TestTurnAfterTheEnd has a member's turn come right after its context ended,
// again and again: nothing is sent.
func TestTurnAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(0, nil)
		b := New(Options[int, string]{Send: s.send})
		for range 300 {
			ctx, cancel := context.WithCancel(t.Context())
			b.room <- struct{}{}
			time.AfterFunc(time.Second, func() {
				cancel()
				<-b.room
			})
			wantOutcome(t, 0, crowd(b, 1, func(int) context.Context { return ctx })[0], []error{errNotSent, context.Canceled})
			synctest.Wait()
		}
		wantRequests(t, s)
	})
}

// TestSimultaneousEnd has a context and a request end at one instant, again and
// again, for the race detector: one outcome, and a true one.
func TestSimultaneousEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(time.Second, nil)
		b := New(Options[int, string]{Send: s.send, Unknown: errUnknown})
		for range 200 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			if r, err := b.Do(ctx, 7); err == nil && r != "done 7" || err != nil && !errors.Is(err, errUnknown) {
				t.Fatalf("%q, %v", r, err)
			}
			cancel()
			synctest.Wait()
		}
	})
}

// TestAnything plays a service that does what it likes, with members who leave
// when they like: what each is told is true.
func TestAnything(t *testing.T) {
	for range 30 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { anything(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

// A guest is a member of TestAnything. The mutex of the service guards it.
type guest struct {
	n       int
	ctx     context.Context
	bad     bool
	applied int
	open    bool // a request with it was lost
	sent    int
}

func anything(t *testing.T, rnd *rand.Rand) {
	var mu sync.Mutex
	chance := func(n int) bool { return rnd.IntN(n) == 0 }
	send := func(ctx context.Context, members []*guest) ([]int, error) {
		mu.Lock()
		for _, g := range members {
			if g.ctx.Err() != nil {
				t.Errorf("%d is sent after its end", g.n)
			}
			if g.applied > 0 || g.open {
				t.Errorf("%d is sent again, applied %d times, lost %v", g.n, g.applied, g.open)
			}
			g.sent++
		}
		took := time.Duration(rnd.IntN(2000)) * time.Millisecond
		if chance(20) {
			took = time.Minute
		}
		mu.Unlock()
		late := !linger(ctx, took)
		mu.Lock()
		defer mu.Unlock()
		var bad []int
		for i, g := range members {
			if g.bad {
				bad = append(bad, i)
			}
		}
		lost, panics := late || chance(10), chance(30)
		switch {
		case lost || panics:
			for _, g := range members {
				g.open = true
			}
			if panics {
				panic("now and then")
			}
			return nil, errLost
		case chance(5):
			return nil, &Again{Err: errBusy, After: time.Duration(rnd.IntN(3000)) * time.Millisecond}
		case len(bad) > 0 && chance(2):
			return nil, &Blame{Err: errBad}
		case len(bad) > 0:
			return nil, &Blame{Err: errBad, Members: bad[:1+rnd.IntN(len(bad))]}
		}
		results := make([]int, len(members))
		for i, g := range members {
			g.applied++
			results[i] = g.n
		}
		return results, nil
	}
	b := New(Options[*guest, int]{
		Send: send, Unknown: errUnknown, Parallel: 1 + rnd.IntN(3), Timeout: 5 * time.Second, Tries: 4,
		Fits:   func(members []*guest, next *guest) bool { return len(members) < 7 && members[0].n%11 != next.n%11 },
		Budget: NewBudget(Limits{Rate: 2, Burst: 3}),
	})
	var all sync.WaitGroup
	for n := range 150 {
		mu.Lock()
		g := &guest{n: n, bad: chance(8)}
		begin, patience := time.Duration(rnd.IntN(60))*time.Second, time.Duration(1+rnd.IntN(15000))*time.Millisecond
		mu.Unlock()
		all.Go(func() {
			time.Sleep(begin)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			g.ctx = ctx
			r, err := b.Do(ctx, g)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				if r != n || g.applied != 1 {
					t.Errorf("%d: %d, applied %d times", n, r, g.applied)
				}
			case errors.Is(err, errUnknown), errors.Is(err, errLost):
				if g.sent == 0 {
					t.Errorf("%d: error %v, and was not sent", n, err)
				}
			case errors.Is(err, errBad) && !g.bad:
				t.Errorf("%d is not bad", n)
			default:
				if g.applied > 0 || g.open {
					t.Errorf("%d: error %v, applied %d times, lost %v", n, err, g.applied, g.open)
				}
			}
		})
	}
	all.Wait()
	time.Sleep(time.Minute) // until every request has ended, too
}
