package fence

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCheck(t *testing.T) {
	var g Guard
	for _, c := range []struct {
		resource string
		fence    int64
		err      error
	}{
		{"a", 5, nil},
		{"a", 5, nil}, // a second thing that the same run does
		{"a", 4, ErrStale},
		{"b", 4, nil}, // another resource
		{"a", 7, nil},
		{"a", 5, ErrStale},
		{"a", 0, ErrNone},
		{"a", -1, ErrNone},
		{"a", 7, nil},
	} {
		if err := g.Check(t.Context(), c.resource, c.fence); !errors.Is(err, c.err) {
			t.Errorf("%s, %d: %v, want %v", c.resource, c.fence, err, c.err)
		}
	}
}

// Whatever comes in whatever order: nothing is done under a smaller fence after
// something was done under a greater one, and one thing at a time.
func TestDoInOrder(t *testing.T) {
	var g Guard
	var all sync.WaitGroup
	var last int64
	done, stale := 0, 0
	var mu sync.Mutex
	for range 8 {
		all.Go(func() {
			for range 200 {
				fence := rand.Int64N(1000) + 1
				err := g.Do(context.Background(), "a", fence, func() error {
					if fence < last { // no lock: no two are ever here at once
						t.Errorf("%d comes after %d", fence, last)
					}
					last = fence
					done++
					return nil
				})
				if errors.Is(err, ErrStale) {
					mu.Lock()
					stale++
					mu.Unlock()
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if done == 0 || stale == 0 || done+stale != 8*200 {
		t.Errorf("%d done, %d stale", done, stale)
	}
}

// A holder that is halted amid its work keeps the next one out until it is done, or
// until that has no more patience.
func TestDoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Guard
		var all sync.WaitGroup
		errWork := errors.New("the work")
		all.Go(func() {
			if err := g.Do(t.Context(), "a", 1, func() error {
				time.Sleep(time.Minute)
				return errWork
			}); !errors.Is(err, errWork) {
				t.Error(err)
			}
		})
		synctest.Wait()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Check(ctx, "a", 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without patience: %v", err)
		}
		if err := g.Check(t.Context(), "b", 2); err != nil || time.Since(start) != time.Second {
			t.Errorf("another resource: %v, %v", err, time.Since(start))
		}
		if err := g.Check(t.Context(), "a", 2); err != nil || time.Since(start) != time.Minute {
			t.Errorf("with patience: %v, %v", err, time.Since(start))
		}
		all.Wait()
		func() {
			defer func() { _ = recover() }()
			_ = g.Do(t.Context(), "a", 3, func() error { panic("no good") })
		}()
		if err := g.Check(t.Context(), "a", 3); err != nil {
			t.Errorf("after a panic: %v", err)
		}
	})
}

// What is saved is known to the next process before it does anything, and nothing is
// done under a fence that could not be saved.
func TestSaved(t *testing.T) {
	saved := map[string]int64{"a": 5}
	errDisk := errors.New("disk full")
	var broken error
	loads := 0
	fresh := func() *Guard {
		return &Guard{
			Load: func(_ context.Context, name string) (int64, error) {
				loads++
				return saved[name], broken
			},
			Save: func(_ context.Context, name string, fence int64) error {
				if broken == nil {
					saved[name] = fence
				}
				return broken
			},
		}
	}
	g := fresh()
	if err := g.Check(t.Context(), "a", 4); !errors.Is(err, ErrStale) {
		t.Errorf("smaller than what was saved: %v", err)
	}
	if err := g.Check(t.Context(), "a", 6); err != nil || saved["a"] != 6 || loads != 1 {
		t.Errorf("greater: %v, %v, %d loads", err, saved, loads)
	}
	broken = errDisk
	if err := g.Do(t.Context(), "a", 7, func() error { t.Error("it was done"); return nil }); !errors.Is(err, errDisk) {
		t.Errorf("while nothing can be saved: %v", err)
	}
	if err := g.Check(t.Context(), "a", 6); err != nil {
		t.Errorf("what was saved before: %v", err)
	}
	g = fresh()
	if err := g.Check(t.Context(), "a", 6); !errors.Is(err, errDisk) {
		t.Errorf("while nothing can be loaded: %v", err)
	}
	broken = nil
	if err := g.Check(t.Context(), "a", 5); !errors.Is(err, ErrStale) {
		t.Errorf("in the next process: %v", err)
	}
}
