package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	errUnknown = errors.New("unknown")
	errBad     = errors.New("bad")
	errBusy    = errors.New("busy")
	errLost    = errors.New("lost")
)

// A service answers requests by a script, and notes them.
type service struct {
	took   time.Duration // of each request
	answer func(n int, members []int) error

	mu   sync.Mutex
	sent [][]int
	when []time.Duration // since the service began
	zero time.Time
}

// newService begins in the bubble of the test.
func newService(took time.Duration, answer func(n int, members []int) error) *service {
	return &service{took: took, answer: answer, zero: time.Now()}
}

func (s *service) send(ctx context.Context, members []int) ([]string, error) {
	s.mu.Lock()
	n := len(s.sent)
	s.sent, s.when = append(s.sent, slices.Clone(members)), append(s.when, time.Since(s.zero))
	s.mu.Unlock()
	if !linger(ctx, s.took) {
		return nil, errLost
	}
	if s.answer != nil {
		if err := s.answer(n, members); err != nil {
			return nil, err
		}
	}
	results := make([]string, len(members))
	for i, m := range members {
		results[i] = fmt.Sprint("done ", m)
	}
	return results, nil
}

func (s *service) requests() [][]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// linger returns false if ctx ends first.
func linger(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// An outcome is what one member was told, and when.
type outcome struct {
	result string
	err    error
	after  time.Duration
}

// crowd sends members 0 to n-1, which come in this order and at once, and returns
// their outcomes.
func crowd(b *Batcher[int, string], n int, ctxOf func(int) context.Context) []outcome {
	outcomes := make([]outcome, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			began := time.Now()
			r, err := b.Do(ctxOf(i), i)
			outcomes[i] = outcome{r, err, time.Since(began)}
		})
		synctest.Wait()
	}
	all.Wait()
	return outcomes
}

func background(int) context.Context { return context.Background() }

func wantRequests(t *testing.T, s *service, want ...[]int) {
	t.Helper()
	if diff := cmp.Diff(want, s.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// wantOutcome wants a result, or an error that is all of some and none of others.
func wantOutcome(t *testing.T, i int, o outcome, is []error, not ...error) {
	t.Helper()
	if len(is) == 0 && (o.err != nil || o.result != fmt.Sprint("done ", i)) {
		t.Errorf("member %d: %q, %v", i, o.result, o.err)
	}
	for _, want := range is {
		if !errors.Is(o.err, want) || o.result != "" {
			t.Errorf("member %d: %q, error %v, want %v", i, o.result, o.err, want)
		}
	}
	for _, bad := range not {
		if errors.Is(o.err, bad) {
			t.Errorf("member %d: error %v is %v", i, o.err, bad)
		}
	}
}

func TestAloneLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(300*time.Millisecond, nil)
		b := New(Options[int, string]{Send: s.send, Budget: NewBudget(Limits{Rate: 1, Burst: 2})})
		for range 2 {
			o := crowd(b, 1, background)
			wantOutcome(t, 0, o[0], nil)
			if o[0].after != s.took {
				t.Errorf("it took %s", o[0].after)
			}
		}
	})
}

func TestOthersJoinWhileOneIsUnderWay(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options[int, string]
		want [][]int
		when []time.Duration
	}{
		{"all", Options[int, string]{}, [][]int{{0}, {1, 2, 3, 4, 5}}, []time.Duration{0, 300}},
		{
			"as many as fit, in their order",
			Options[int, string]{Fits: func(m []int, next int) bool { return len(m) < 3 && next != 2 }},
			[][]int{{0}, {1}, {2, 3, 4}, {5}},
			[]time.Duration{0, 300, 600, 900},
		},
		{
			"one fits alone",
			Options[int, string]{Fits: func([]int, int) bool { return false }},
			[][]int{{0}, {1}, {2}, {3}, {4}, {5}},
			[]time.Duration{0, 300, 600, 900, 1200, 1500},
		},
		{
			"a slow one keeps nobody waiting, while there is room",
			Options[int, string]{Slow: 100 * time.Millisecond, Parallel: 2, Fits: func(m []int, _ int) bool { return len(m) < 2 }},
			[][]int{{0}, {1, 2}, {3, 4}, {5}},
			[]time.Duration{0, 100, 300, 400},
		},
		{
			"without room it does",
			Options[int, string]{Slow: 100 * time.Millisecond},
			[][]int{{0}, {1, 2, 3, 4, 5}},
			[]time.Duration{0, 300},
		},
		{
			"until the budget allows",
			Options[int, string]{Budget: NewBudget(Limits{Rate: 1 / most})},
			[][]int{{0}, {1, 2, 3, 4, 5}},
			[]time.Duration{0, 1000},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(300*time.Millisecond, nil)
				tt.o.Send = s.send
				for i, o := range crowd(New(tt.o), 6, background) {
					wantOutcome(t, i, o, nil)
				}
				wantRequests(t, s, tt.want...)
				for i := range tt.when {
					tt.when[i] *= time.Millisecond
				}
				if diff := cmp.Diff(tt.when, s.when); diff != "" {
					t.Errorf("when (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestBlame has some members at fault, whom the service names or not: they alone
// hear of it, and as soon as it is known.
func TestBlame(t *testing.T) {
	for n := range 11 {
		for _, bad := range [][]int{nil, {1}, {n}, {1, 2}, {2, 5, n}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}} {
			for _, hint := range []string{"all", "one", "none", "wrong"} {
				t.Run(fmt.Sprint(n, bad, hint), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { blamed(t, n, bad, hint) })
				})
			}
		}
	}
}

func blamed(t *testing.T, n int, bad []int, hint string) {
	applied := make(map[int]int)
	s := newService(time.Millisecond, func(_ int, members []int) error {
		var at []int
		for i, m := range members {
			if slices.Contains(bad, m) {
				at = append(at, i)
			}
		}
		switch {
		case len(at) == 0:
			for _, m := range members {
				applied[m]++
			}
			return nil
		case hint == "one":
			at = at[:1]
		case hint == "none":
			at = nil
		case hint == "wrong":
			at = []int{-1, len(members)}
		}
		return fmt.Errorf("wrapped: %w", &Blame{Err: errBad, Members: at})
	})
	outcomes := crowd(New(Options[int, string]{Send: s.send, Unknown: errUnknown}), n+1, background)
	for i, o := range outcomes {
		if slices.Contains(bad, i) {
			wantOutcome(t, i, o, []error{errBad}, errUnknown)
		} else {
			wantOutcome(t, i, o, nil)
		}
		if want := map[bool]int{true: 1}[o.err == nil]; applied[i] != want {
			t.Errorf("member %d was applied %d times", i, applied[i])
		}
	}
	most := 2 * (n + 1)
	if hint == "all" {
		most = 3
	}
	if got := len(s.requests()); got > most {
		t.Errorf("%d requests", got)
	}
}

// TestHalves shows the requests by which one of nine is found.
func TestHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(time.Millisecond, func(_ int, members []int) error {
			if slices.Contains(members, 6) {
				return &Blame{Err: errBad}
			}
			return nil
		})
		crowd(New(Options[int, string]{Send: s.send}), 10, background)
		wantRequests(t, s, []int{0}, []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, []int{1, 2, 3, 4, 5}, []int{6, 7, 8, 9}, []int{6, 7}, []int{6}, []int{7}, []int{8, 9})
	})
}

func TestUncertainIsForAllAndIsNotSentAgain(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options[int, string]
		is   []error
		text string
	}{
		{"the service's word", Options[int, string]{Send: func(context.Context, []int) ([]string, error) { return nil, errLost }}, []error{errLost}, "lost"},
		{
			"a panic",
			Options[int, string]{Unknown: errUnknown, Send: func(context.Context, []int) ([]string, error) { panic("ouch") }},
			[]error{errUnknown},
			"unknown: the request panicked: ouch",
		},
		{
			"too few results",
			Options[int, string]{Unknown: errUnknown, Send: func(context.Context, []int) ([]string, error) { return nil, nil }},
			[]error{errUnknown},
			"unknown: 0 results for 1 members",
		},
		{
			"a panic, of what is never unknown",
			Options[int, string]{Send: func(context.Context, []int) ([]string, error) { panic("ouch") }},
			nil, "the request panicked: ouch",
		},
		{"no answer in time", Options[int, string]{Timeout: time.Second, Send: func(ctx context.Context, _ []int) ([]string, error) {
			<-ctx.Done()
			return nil, errLost
		}}, []error{errLost}, "lost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				times := make(map[int]int)
				send := tt.o.Send
				tt.o.Send = func(ctx context.Context, members []int) ([]string, error) {
					for _, m := range members {
						times[m]++
					}
					time.Sleep(time.Millisecond) // so that others join
					return send(ctx, members)
				}
				for i, o := range crowd(New(tt.o), 4, background) {
					if times[i] != 1 || o.err == nil {
						t.Errorf("member %d, sent %d times: %v", i, times[i], o.err)
					}
					if len(tt.is) > 0 {
						wantOutcome(t, i, o, tt.is)
					}
					if i == 0 && o.err.Error() != tt.text {
						t.Errorf("error %q, want %q", o.err, tt.text)
					}
				}
			})
		})
	}
}

// TestPartly serves two members a time: the others go with those who have come
// meanwhile, and nobody is served twice.
func TestPartly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(time.Second, nil)
		b := New(Options[int, string]{Unknown: errUnknown, Send: func(ctx context.Context, members []int) ([]string, error) {
			results, err := s.send(ctx, members)
			if left := len(members) - 2; err == nil && left > 0 {
				err = fmt.Errorf("wrapped: %w", &Partly{Left: []int{0, 1, 2, 3, 4, 5, 6, 7}[:left]})
			}
			return results, err
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		outcomes := crowd(b, 7, func(i int) context.Context {
			if i == 2 {
				return ctx
			}
			return context.Background()
		})
		for i, o := range outcomes {
			if i == 2 {
				wantOutcome(t, i, o, []error{errUnknown, context.DeadlineExceeded})
			} else {
				wantOutcome(t, i, o, nil)
			}
		}
		wantRequests(t, s, []int{0}, []int{1, 2, 3, 4, 5, 6}, []int{1, 2, 3, 4}, []int{1})
	})
	for _, tt := range []struct {
		left    []int
		results []string
		want    string
	}{
		{[]int{0}, []string{""}, "unknown: no member was served"},
		{[]int{}, nil, "unknown: 0 results for 1 members"},
	} {
		b := New(Options[int, string]{Unknown: errUnknown, Send: func(context.Context, []int) ([]string, error) {
			return tt.results, &Partly{Left: tt.left}
		}})
		if _, err := b.Do(t.Context(), 1); err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
}

func TestAgain(t *testing.T) {
	busy := func(times int, after time.Duration) func(int, []int) error {
		return func(n int, _ []int) error {
			if n < times {
				return &Again{Err: errBusy, After: after}
			}
			return nil
		}
	}
	within := func(d time.Duration) func(*testing.T, int) context.Context {
		return func(t *testing.T, _ int) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			t.Cleanup(cancel)
			return ctx
		}
	}
	patient := func(*testing.T, int) context.Context { return context.Background() }
	for _, tt := range []struct {
		name   string
		answer func(int, []int) error
		ctx    func(*testing.T, int) context.Context
		when   []time.Duration // in milliseconds
		is     []error
		after  time.Duration // in milliseconds
	}{
		{"after a pause that grows", busy(3, 0), patient, []time.Duration{0, 200, 600, 1400}, nil, 1400},
		{"after the pause that is asked for", busy(2, 3*time.Second), patient, []time.Duration{0, 3000, 6000}, nil, 6000},
		{"only so often", busy(100, 0), patient, []time.Duration{0, 200, 600, 1400, 3000, 6200, 11200, 16200}, []error{errBusy}, 16200},
		{"not when the time is over before", busy(100, 3*time.Second), within(5 * time.Second), []time.Duration{0, 3000}, []error{errBusy}, 3000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(0, tt.answer)
				b := New(Options[int, string]{Send: s.send, Unknown: errUnknown})
				o := crowd(b, 1, func(i int) context.Context { return tt.ctx(t, i) })[0]
				wantOutcome(t, 0, o, tt.is, errUnknown)
				for i := range tt.when {
					tt.when[i] *= time.Millisecond
				}
				if diff := cmp.Diff(tt.when, s.when); diff != "" {
					t.Errorf("when (-want +got):\n%s", diff)
				}
				if o.after != tt.after*time.Millisecond {
					t.Errorf("it took %s", o.after)
				}
			})
		})
	}
}

// TestAgainIsForAll has newcomers wait for the end of the pause, unless they have
// no time for that.
func TestAgainIsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(0, func(n int, _ []int) error {
			if n == 0 {
				return &Again{Err: errBusy, After: 10 * time.Second}
			}
			return nil
		})
		b := New(Options[int, string]{Send: s.send})
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		outcomes := crowd(b, 3, func(i int) context.Context {
			if i == 1 {
				return ctx
			}
			return context.Background()
		})
		wantOutcome(t, 0, outcomes[0], nil)
		wantOutcome(t, 1, outcomes[1], []error{errNotSent})
		wantOutcome(t, 2, outcomes[2], nil)
		wantRequests(t, s, []int{0}, []int{0, 2})
		if outcomes[1].after != 0 || outcomes[1].err.Error() != "not sent: the service wants no request for another 10s" {
			t.Errorf("after %s: %v", outcomes[1].after, outcomes[1].err)
		}
	})
}
