// Package oncalltest is what tests of the adapters for schedulers share: several
// machines with clocks that differ run one job by one record, and a [Tally] counts the
// runs. It knows no scheduler.
package oncalltest

import (
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/schedule"
)

// Interval is between two ticks, in seconds.
const Interval = 2

// Skews are how far the clocks of the machines are ahead. They differ by more than the
// job takes, which is nothing.
var Skews = []time.Duration{-700 * time.Millisecond, 0, 200 * time.Millisecond, 700 * time.Millisecond}

// Policy has a tick each Interval, and a short lease.
func Policy(t *testing.T) elect.Policy {
	t.Helper()
	s, err := schedule.Every(Interval*time.Second, 0)
	if err != nil {
		t.Fatal(err)
	}
	return elect.Policy{Schedule: s, Lease: 3 * time.Second, HeadStart: 100 * time.Millisecond, Spread: 200 * time.Millisecond}
}

// A Tally counts the runs for each tick. The zero Tally is empty.
type Tally struct {
	mu   sync.Mutex
	runs map[int64]int
}

// Add counts a run of a tick, an epoch second.
func (c *Tally) Add(tick int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil {
		c.runs = map[int64]int{}
	}
	c.runs[tick]++
}

// Some says that there were runs for several ticks.
func (c *Tally) Some() bool {
	ticks, _ := c.count()
	return ticks > 2
}

// Twice says that a tick was run more than once.
func (c *Tally) Twice() bool {
	_, more := c.count()
	return more > 0
}

// count is of how many ticks there were runs, and of how many more than one.
func (c *Tally) count() (ticks, more int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.runs {
		if ticks++; n > 1 {
			more++
		}
	}
	return ticks, more
}

// Once wants several ticks, and none twice.
func (c *Tally) Once(t *testing.T) {
	t.Helper()
	if ticks, more := c.count(); ticks < 2 || more > 0 {
		t.Errorf("%d ticks were run, %d more than once: %v", ticks, more, c.runs)
	}
}

// Await waits until that is enough, or for a minute.
func Await(enough func() bool) {
	for end := time.Now().Add(time.Minute); !enough() && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}

// Claimed is the tick that the record says is being run.
func Claimed(t *testing.T, reg register.Register) int64 {
	t.Helper()
	s, err := reg.Load(t.Context())
	if err != nil || len(s.Texts) != 1 {
		t.Errorf("load: %v, %v", s.Texts, err)
		return 0
	}
	r, err := record.Parse(s.Texts[0])
	if err != nil || !r.Claimed {
		t.Errorf("a run without a claim: %v, %v", r, err)
	}
	return r.TimerOld
}
