package solotick

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/register"
)

// everyMinute is a grid without an offset.
type grid int64

func (g grid) Next(t int64) int64 { return (t/int64(g) + 1) * int64(g) }
func (g grid) Prev(t int64) int64 { return t / int64(g) * int64(g) }

// fakeClock follows the bubble's time.
func fakeClock() clock {
	start := time.Now()
	return clock{elapsed: func() time.Duration { return time.Since(start) }, wall: time.Now}
}

type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func TestThreeAgentsRunEachTickOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := &register.Memory{}
		var j journal
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			reg := mem.At("job.example.")
			a := &Agent{
				Job: Job{Name: "job", Do: func(ctx context.Context, tick Tick) error {
					j.add("%d %d", tick.Time.Unix(), tick.Attempt)
					time.Sleep(time.Second)
					return nil
				}},
				Policy:   elect.Policy{Schedule: grid(60)},
				Register: reg,
				Look:     reg.Load,
				clock:    fakeClock(),
				Log:      slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
			}
			wg.Go(func() {
				if err := a.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(10*time.Minute + 30*time.Second)
		cancel()
		wg.Wait()
		if len(j.lines) < 9 || len(j.lines) > 11 {
			t.Errorf("%d runs in 10 minutes: %v", len(j.lines), j.lines)
		}
	})
}
