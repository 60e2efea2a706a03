package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

func TestBudget(t *testing.T) {
	within := func(t *testing.T, d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		t.Cleanup(cancel)
		return ctx
	}
	for _, tt := range []struct {
		name  string
		l     Limits
		waits int
		want  time.Duration
	}{
		{"no limit", Limits{}, 1000, 0},
		{"a burst", Limits{Rate: 10, Burst: 50}, 50, 0},
		{"beyond it, with some left to others", Limits{Rate: 10, Burst: 50}, 60, 1053 * time.Millisecond},
		{"one at once", Limits{Rate: 2 / most}, 3, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, began := NewBudget(tt.l), time.Now()
				for range tt.waits {
					if err := b.Wait(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(began); took.Round(time.Millisecond) != tt.want || b.Sent() != int64(tt.waits) {
					t.Errorf("it took %s for %d", took, b.Sent())
				}
			})
		})
	}
	for _, tt := range []struct {
		name string
		hold func(*Budget)
		ctx  func(*testing.T) context.Context
		want string
	}{
		{
			"the service wants none", func(b *Budget) { b.Throttled(time.Minute) },
			func(t *testing.T) context.Context { return within(t, 59*time.Second) },
			"not sent: the service wants no request for another 1m0s",
		},
		{
			"no room in time", func(b *Budget) { _ = b.Wait(context.Background()) },
			func(t *testing.T) context.Context { return within(t, time.Second/2) },
			"not sent: no room in time within the rate that the service allows this account",
		},
		{
			"it has ended", func(*Budget) {},
			func(t *testing.T) context.Context {
				ctx, cancel := context.WithCancelCause(t.Context())
				cancel(errors.New("enough"))
				return ctx
			},
			"not sent: enough",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, began := NewBudget(Limits{Rate: 1}), time.Now()
				tt.hold(b)
				sent := b.Sent()
				if err := b.Wait(tt.ctx(t)); err == nil || err.Error() != tt.want {
					t.Errorf("error %v", err)
				}
				if time.Since(began) != 0 || b.Sent() != sent {
					t.Errorf("after %s, %d sent", time.Since(began), b.Sent())
				}
			})
		})
	}
}

// TestThrottled has the service say that it has had enough, also while somebody
// waits for room.
func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began := NewBudget(Limits{Rate: 1}), time.Now()
		_ = b.Wait(t.Context())
		time.AfterFunc(time.Second/2, func() { b.Throttled(10 * time.Second) })
		time.AfterFunc(5*time.Second, func() { b.Throttled(0) }) // no shorter
		if err := b.Wait(t.Context()); err != nil || time.Since(began) < 10*time.Second || time.Since(began) > 12*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b, began := NewBudget(Limits{Rate: 10}), time.Now()
		b.Throttled(0)
		if err := b.Wait(t.Context()); err != nil || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(Limits{Rate: 1, Burst: 2})
		if got := []bool{b.Try(), b.Try(), b.Try()}; !slices.Equal(got, []bool{true, true, false}) || b.Sent() != 2 {
			t.Errorf("%v, %d sent", got, b.Sent())
		}
		time.Sleep(1500 * time.Millisecond)
		go b.Wait(t.Context())
		go b.Wait(t.Context())
		synctest.Wait()
		time.Sleep(400 * time.Millisecond)
		if b.Try() {
			t.Error("before who waits")
		}
		time.Sleep(5 * time.Second)
		b.Throttled(0)
		if b.Try() {
			t.Error("although the service wants none")
		}
	})
}

// TestShare has a service with a limit for several who know nothing of each other,
// each of whom would use all of it: few requests are one too many, nearly all that
// the service allows is used, and nobody is left out.
func TestShare(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const minutes, limit = 10, 10
				service := rate.NewLimiter(limit, 50)
				ctx, cancel := context.WithTimeout(t.Context(), minutes*time.Minute)
				defer cancel()
				done := make([]int, n)
				var refused atomic.Int64
				var all sync.WaitGroup
				for i := range done {
					b := NewBudget(Limits{Rate: limit, Burst: 50})
					all.Go(func() {
						for b.Wait(ctx) == nil {
							if service.Allow() {
								done[i]++
								continue
							}
							refused.Add(1)
							b.Throttled(0)
						}
					})
				}
				all.Wait()
				sum := 0
				for _, d := range done {
					sum += d
				}
				t.Logf("done %v, refused %d", done, refused.Load())
				if got := refused.Load(); n == 1 && got > 0 || got > int64(sum)/10 {
					t.Errorf("%d refused, of %d", got, sum)
				}
				if least := slices.Min(done); sum < 60*minutes*limit*9/10 || least < sum/n/4 {
					t.Errorf("done %v: %d of %d", done, sum, 60*minutes*limit)
				}
			})
		})
	}
}

// TestAbsurdlyLong has a service want no request for a lifetime: it is asked again
// all the same.
func TestAbsurdlyLong(t *testing.T) {
	const lifetime = 68 * 365 * 24 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		b, began := NewBudget(Limits{Rate: 1}), time.Now()
		if got := b.Throttled(lifetime); got != longest {
			t.Errorf("nothing is sent for %s", got)
		}
		if err := b.Wait(t.Context()); err != nil || time.Since(began) != longest {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		b := New(Options[int, int]{Send: func(_ context.Context, members []int) ([]int, error) {
			if sent++; sent == 1 {
				return nil, &Again{Err: errors.New("busy"), After: lifetime}
			}
			return members, nil
		}})
		began := time.Now()
		if _, err := b.Do(t.Context(), 1); err != nil || time.Since(began) != longest {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}
