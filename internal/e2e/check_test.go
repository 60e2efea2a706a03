package e2e

import (
	"maps"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// A pardon is what a fault excuses: protocol section 10 says of each what it may
// cost.
type pardon struct {
	again     int64 // this tick may be run once more
	gapAfter  int64 // ticks after this one may be missing
	gapLength time.Duration
	repeats   bool // any tick may be attempted again
}

// repeats pardons that ticks are run again, each by a later attempt: what faults that
// go on for long cost, or many at once.
func repeats() pardon { return pardon{repeats: true} }

// again pardons a second execution of r's tick, by another claim.
func again(r *run) pardon { return pardon{again: r.tick} }

// gap pardons the ticks that fell due within the given time of the first tick
// after r's: the first moment at which the fault must have been noticed.
func gap(r *run, length time.Duration) pardon {
	return pardon{gapAfter: r.tick, gapLength: interval + length + slack}
}

// check judges everything that the job did since the cluster began, ends the
// agents, and judges how they end.
func (c *cluster) check(pardons ...pardon) {
	c.t.Helper()
	c.checkDig()
	c.end()
	runs := c.runs()
	c.checkFences(runs)
	c.checkOverlap(runs)
	c.checkTicks(runs, pardons)
	c.checkEnds(runs)
	if n := c.logged(func(l logLine) bool { return l.Why == "ran without the register" }); n > 0 {
		c.t.Errorf("%d times a tick was run without the register", n)
	}
}

// end tells every agent to end and wants code 0 of each that was not killed.
func (c *cluster) end() {
	c.t.Helper()
	for _, a := range c.agents {
		if !a.dead {
			a.signal(c.t, syscall.SIGTERM)
		}
	}
	for _, a := range c.agents {
		select {
		case <-a.done:
		case <-time.After(30 * time.Second):
			c.t.Fatalf("agent %s does not end", a.id)
		}
		if code := a.cmd.ProcessState.ExitCode(); !a.dead && code != 0 {
			c.t.Errorf("agent %s ended with code %d, want 0", a.id, code)
		}
		a.dead = true
	}
}

// checkFences: fences grow strictly in the order of the runs.
func (c *cluster) checkFences(runs []*run) {
	c.t.Helper()
	var high int64
	for _, r := range runs {
		fence, err := strconv.ParseInt(r.fence, 10, 64)
		if err != nil {
			c.t.Errorf("tick %d attempt %d of %s has the fence %q", r.tick, r.attempt, r.agent, r.fence)
			continue
		}
		if fence <= high {
			c.t.Errorf("tick %d attempt %d of %s has fence %d, not above %d", r.tick, r.attempt, r.agent, fence, high)
		}
		high = max(high, fence)
	}
}

// checkOverlap: no run shows a sign of life after the next one has begun.
func (c *cluster) checkOverlap(runs []*run) {
	c.t.Helper()
	for i, r := range runs[1:] {
		if before := runs[i]; !before.last.Before(r.begin) {
			c.t.Errorf("tick %d attempt %d of %s lived for %v beside tick %d attempt %d of %s", before.tick, before.attempt, before.agent,
				before.last.Sub(r.begin), r.tick, r.attempt, r.agent)
		}
	}
}

// checkTicks: between the first and the last tick none is missing but those that
// a claim has left out for all to see, and none was run twice, save for what is
// pardoned.
func (c *cluster) checkTicks(runs []*run, pardons []pardon) {
	c.t.Helper()
	count := map[int64]int{}
	attempt := map[int64]int{}
	for _, r := range runs {
		count[r.tick]++
		// One that is left out was a claim whose holder never knew that it had won.
		if r.attempt <= attempt[r.tick] && pardonedAgain(pardons, r.tick) == 0 {
			c.t.Errorf("tick %d: attempt %d comes after attempt %d", r.tick, r.attempt, attempt[r.tick])
		}
		attempt[r.tick] = r.attempt
	}
	step := int64(interval / time.Second)
	first, last := slices.Min(slices.Collect(maps.Keys(count))), slices.Max(slices.Collect(maps.Keys(count)))
	var missing []int64
	for tick := first; tick <= last; tick += step {
		switch n := count[tick]; {
		case n == 0 && !pardonedGap(pardons, tick):
			missing = append(missing, tick)
		case n > 1 && slices.ContainsFunc(pardons, func(p pardon) bool { return p.repeats }):
		case n > 1+pardonedAgain(pardons, tick):
			c.t.Errorf("tick %d was run %d times", tick, n)
		}
		delete(count, tick)
	}
	for tick := range count {
		c.t.Errorf("tick %d is not on the grid from %d to %d", tick, first, last)
	}
	passed := 0
	for _, a := range c.agents {
		for _, l := range a.lines() {
			passed += l.Passed
		}
	}
	if len(missing) > passed {
		c.t.Errorf("%d ticks were not run and %d are told of: %v", len(missing), passed, missing)
	}
}

// pardonedAgain counts how often a tick may be run once more.
func pardonedAgain(pardons []pardon, tick int64) (n int) {
	for _, p := range pardons {
		if p.again == tick {
			n++
		}
	}
	return n
}

func pardonedGap(pardons []pardon, tick int64) bool {
	for _, p := range pardons {
		if p.gapAfter != 0 && tick > p.gapAfter && tick <= p.gapAfter+int64(p.gapLength/time.Second) {
			return true
		}
	}
	return false
}

// checkEnds: of every tick that was begun, one run came to its end.
func (c *cluster) checkEnds(runs []*run) {
	c.t.Helper()
	ended := map[int64]bool{}
	for _, r := range runs {
		ended[r.tick] = ended[r.tick] || r.ended
	}
	for _, r := range runs {
		if !ended[r.tick] {
			c.t.Errorf("tick %d was begun and never run to its end", r.tick)
		}
	}
}
