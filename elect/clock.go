package elect

import "time"

// drift is how far two clocks may run apart: 200 parts per million.
const drift = 5000 // one in

// A Clock knows a register's time of day within bounds. Each answer of the
// register that tells its time bounds it: whole seconds plus the round trip.
// What is known is the intersection of the answers, each widened by 200 ppm of
// its age; an answer that contradicts it, a step of the register's clock,
// replaces it. The zero Clock knows nothing.
type Clock struct {
	told   bool
	lo, hi time.Duration // bounds of the register's Unix time minus Elapsed
	at     time.Duration // on Elapsed, when they held
}

// Hear notes that the register told second told in an answer to a request that
// was sent and got at these moments on Elapsed.
func (c *Clock) Hear(told time.Time, sent, got time.Duration) {
	if told.IsZero() {
		return
	}
	t := time.Duration(told.Unix()) * time.Second
	lo, hi := t-got, t+time.Second-sent
	if l, h := c.bounds(got); c.told && max(l, lo) <= min(h, hi) {
		lo, hi = max(l, lo), min(h, hi)
	}
	*c = Clock{told: true, lo: lo, hi: hi, at: got}
}

func (c *Clock) bounds(elapsed time.Duration) (lo, hi time.Duration) {
	w := max(elapsed-c.at, 0) / drift
	return c.lo - w, c.hi + w
}

// Time is the wall clock where the register's answers allow it, else the
// nearest time that they allow: a right clock keeps its precision, a wrong one
// changes nothing. It reports whether the register ever told its time, and by
// how much the wall clock lies outside of what is known (positive: ahead).
func (c *Clock) Time(elapsed time.Duration, wall time.Time) (now time.Time, told bool, off time.Duration) {
	if !c.told {
		return wall, false, 0
	}
	lo, hi := c.bounds(elapsed)
	has := time.Duration(wall.UnixNano()) - elapsed
	want := min(max(has, lo), hi)
	return time.Unix(0, int64(want+elapsed)), true, has - want
}
