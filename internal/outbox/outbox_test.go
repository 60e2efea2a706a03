package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A place takes things, or does not.
type place struct {
	mu    sync.Mutex
	fail  func(things []int) error // nil: it takes everything
	takes time.Duration
	got   [][]int
	at    []time.Duration
	began time.Time
	notes map[Outcome]int
	most  int // Sends under way at a time
	now   int
}

func newPlace() *place { return &place{began: time.Now(), notes: map[Outcome]int{}} }

func (p *place) send(ctx context.Context, things []int) error {
	p.mu.Lock()
	p.now++
	p.most = max(p.most, p.now)
	p.got, p.at = append(p.got, slices.Clone(things)), append(p.at, time.Since(p.began))
	fail, takes := p.fail, p.takes
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.now--
	}()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if fail != nil {
		return fail(things)
	}
	return nil
}

func (p *place) note(o Outcome, n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if (o == Accepted) != (err == nil) {
		err = fmt.Errorf("%s with the error %w", o, err)
		panic(err)
	}
	p.notes[o] += n
}

func (p *place) set(fail func([]int) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = fail
}

func (p *place) box(o Options[int]) *Box[int] {
	o.Send, o.Note = p.send, p.note
	return New(o)
}

func end[T any](b *Box[T], patience time.Duration) time.Duration {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b.Close(ctx)
	return time.Since(began)
}

var errAway = errors.New("away")

func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		b := p.box(Options[int]{})
		for i := range 5 {
			b.Add(i)
		}
		synctest.Wait()
		if diff := cmp.Diff([][]int{{0}, {1}, {2}, {3}, {4}}, p.got); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
		if b.workers != 0 {
			t.Errorf("%d goroutines, and nothing waits", b.workers)
		}
		end(b, time.Second)
		if diff := cmp.Diff(map[Outcome]int{Accepted: 5}, p.notes); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		b := p.box(Options[int]{Batch: 3, Linger: 5 * time.Second})
		b.Add(1)
		time.Sleep(2 * time.Second)
		b.Add(2)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		for i := range 4 {
			b.Add(10 + i)
		}
		synctest.Wait()
		if diff := cmp.Diff([][]int{{1, 2}, {10, 11, 12}}, p.got); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
		if got := p.at; got[0] != 5*time.Second || got[1] != 6*time.Second {
			t.Errorf("sent at %v: a batch waits for others, and not when it is full", got)
		}
		if took := end(b, time.Second); took != 0 || len(p.got) != 3 {
			t.Errorf("the end took %v, and %d batches were sent, want all three at once", took, len(p.got))
		}
	})
}

// TestAgain: what failed is sent again, ever more slowly, and the last of it arrives.
func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.set(func([]int) error { return errAway })
		b := p.box(Options[int]{})
		b.Add(1)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := len(p.got); n < 12 || n > 25 {
			t.Errorf("sent %d times in ten minutes", n)
		}
		for i, at := range p.at[1:] {
			if gap := at - p.at[i]; gap < firstPause/2 || gap > longestPause*3/2 {
				t.Errorf("a pause of %v", gap)
			}
		}
		p.set(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if p.notes[Accepted] != 1 {
			t.Errorf("outcomes: %v", p.notes)
		}
		if b.fails != 0 || !b.pause.IsZero() {
			t.Errorf("after success: %d failures, a pause until %v", b.fails, b.pause)
		}
		end(b, time.Second)
	})
}

// TestPoison: what nobody ever takes does not keep the rest.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.set(func(things []int) error {
			if things[0] == 0 {
				return errAway
			}
			return nil
		})
		b := p.box(Options[int]{Tries: 3})
		for i := range 4 {
			b.Add(i)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([][]int{{0}, {1}, {2}, {3}, {0}, {0}}, p.got); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[Outcome]int{Accepted: 3, Failed: 2, Dropped: 1}, p.notes); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		end(b, time.Second)
	})
}

func TestRefusedAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.set(func(things []int) error {
			switch {
			case things[0] == 1:
				return fmt.Errorf("no: %w", &Refused{errors.New("unknown")})
			case time.Since(p.began) < 5*time.Minute:
				return &Later{Err: errAway, After: 5 * time.Minute}
			}
			return nil
		})
		b := p.box(Options[int]{})
		b.Add(1)
		b.Add(2)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]time.Duration{0, 0, 5 * time.Minute}, p.at); diff != "" {
			t.Errorf("sent at (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[Outcome]int{Accepted: 1, Rejected: 1, Failed: 1}, p.notes); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		end(b, time.Second)
	})
}

// TestFull drops the oldest, whether there are too many or they are too large.
func TestFull(t *testing.T) {
	for name, o := range map[string]Options[int]{
		"many":  {Most: 3},
		"large": {MostBytes: 30, Size: func(int) int { return 10 }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace()
				p.set(func([]int) error { return errAway })
				b := p.box(o)
				for i := range 6 {
					b.Add(i)
					synctest.Wait()
				}
				p.set(nil)
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				var last []int
				for _, things := range p.got[len(p.got)-3:] {
					last = append(last, things...)
				}
				slices.Sort(last)
				if diff := cmp.Diff([]int{3, 4, 5}, last); diff != "" {
					t.Errorf("what is left (-want +got):\n%s", diff)
				}
				if p.notes[Dropped] != 3 || p.notes[Accepted] != 3 {
					t.Errorf("outcomes: %v", p.notes)
				}
				if b.bytes != 0 || len(b.queue) != 0 {
					t.Errorf("%d bytes of %d things are left", b.bytes, len(b.queue))
				}
				end(b, time.Second)
			})
		})
	}
}

func TestParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.takes = time.Second
		b := p.box(Options[int]{Parallel: 4})
		for i := range 10 {
			b.Add(i)
		}
		if took := end(b, time.Minute); took != 3*time.Second {
			t.Errorf("ten things of a second, four at a time, took %v", took)
		}
		if p.most != 4 {
			t.Errorf("%d at a time", p.most)
		}
	})
}

// TestClose takes no longer than it may, and tells what it dropped.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.takes = time.Hour
		b := p.box(Options[int]{})
		for i := range 3 {
			b.Add(i)
		}
		synctest.Wait()
		if took := end(b, 2*time.Second); took != 2*time.Second {
			t.Errorf("the end took %v", took)
		}
		b.Add(4)
		if took := end(b, time.Second); took != 0 {
			t.Errorf("a second end took %v", took)
		}
		if diff := cmp.Diff(map[Outcome]int{Dropped: 4}, p.notes); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// TestCloseWhileAway: what waits for a pause is sent once more, and no more.
func TestCloseWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.set(func([]int) error { return errAway })
		b := p.box(Options[int]{Parallel: 2})
		b.Add(1)
		time.Sleep(time.Hour / 2)
		synctest.Wait()
		n := len(p.got)
		if took := end(b, time.Second); took != 0 || len(p.got) > n+1 {
			t.Errorf("the end took %v, and sent %d times", took, len(p.got)-n)
		}
		if p.notes[Dropped] != 1 {
			t.Errorf("outcomes: %v", p.notes)
		}
	})
}

// TestLog says each thing once, however often it happens.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		var log bytes.Buffer
		b := p.box(Options[int]{
			Most: 3, What: "letters", ToDo: "write better", Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
				ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == slog.TimeKey {
						return slog.Attr{}
					}
					return a
				},
			})),
		})
		add := func(n int) {
			for range n {
				b.Add(1)
				time.Sleep(time.Minute)
				synctest.Wait()
			}
		}
		add(2)
		p.set(func([]int) error { return errAway })
		add(6)
		p.set(nil)
		time.Sleep(5 * time.Minute)
		p.set(func([]int) error { return &Refused{errors.New("no")} })
		add(3)
		p.set(func([]int) error { return errAway })
		add(1)
		end(b, time.Second)
		want := `level=WARN msg="letters cannot be delivered; the jobs go on, and it is tried again" err=away
level=WARN msg="letters: the oldest are dropped" err="there is no room for more"
level=INFO msg="letters are delivered again" dropped=3
level=WARN msg="letters: refused, and not sent again; the jobs go on" err=no to_do="write better"
level=WARN msg="letters cannot be delivered; the jobs go on, and it is tried again" err=away
level=WARN msg="letters: not all were delivered" dropped=1
`
		if diff := cmp.Diff(want, log.String()); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
	})
}
