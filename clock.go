package solotick

import (
	"sync"
	"time"
)

// A clock is the only seam between the agent and time.
type clock struct {
	elapsed func() time.Duration // monotonic
	wall    func() time.Time
	stops   bool // elapsed stands still while the machine is suspended
}

// A watch reads a clock, and makes up for one that stands still in a suspend:
// the wall clock goes on, so that it jumps ahead. No jump back is ever believed,
// and a step of the wall clock counts as a suspend, which only ends a trust
// window early.
type watch struct {
	clock
	mu    sync.Mutex
	known bool
	ahead time.Duration // wall minus elapsed at the last reading
	slept time.Duration
}

// jump is what no scheduler and no slewing explains between two readings.
const jump = 100 * time.Millisecond

// read returns the time elapsed, the same with suspends, the wall clock, and
// whether a suspend of over a second was found just now.
func (w *watch) read() (elapsed, held time.Duration, wall time.Time, slept bool) {
	elapsed, wall = w.elapsed(), w.wall()
	if !w.stops {
		return elapsed, elapsed, wall, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	ahead := time.Duration(wall.UnixNano()) - elapsed
	if by := ahead - w.ahead; w.known && by > jump {
		w.slept += by
		slept = by > time.Second
	}
	w.known, w.ahead = true, ahead
	return elapsed, elapsed + w.slept, wall, slept
}
