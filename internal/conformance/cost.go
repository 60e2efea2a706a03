package conformance

import (
	"context"
	"fmt"
	"math"
	"time"
)

// usage is what was sent.
type usage struct {
	swaps, loads tally
	throttled    int
	notSent      int
}

// A tally is operations that were alone, and their requests.
type tally struct {
	n        int
	requests int64
}

func (t *tally) add(requests int64) { t.n, t.requests = t.n+1, t.requests+requests }

func (t tally) each() float64 {
	if t.n == 0 {
		return 0
	}
	return math.Round(10*float64(t.requests)/float64(t.n)) / 10
}

// failed notes an operation that is known not to be done.
func (u *usage) failed(s Subject, err error) {
	u.notSent++
	if s.Throttled != nil && s.Throttled(err) {
		u.throttled++
	}
}

func (r *run) rate(context.Context) error {
	if r.subject.Requests == nil {
		r.tell(checkRate, Skipped, "", "requests are not counted for this kind of register")
		return nil
	}
	u := r.usage
	rate := &Rate{
		Sent: r.requests(), PerSwap: u.swaps.each(), PerLoad: u.loads.each(), Throttled: u.throttled, NotSent: u.notSent,
		Hour: math.Round(120*u.swaps.each() + 18*u.loads.each()),
	}
	r.report.Rate = rate
	found := fmt.Sprintf("%d requests so far, %.1f a swap and %.1f a load; one job every 60 s on three agents needs about %.0f an hour", rate.Sent, rate.PerSwap, rate.PerLoad, rate.Hour)
	switch {
	case u.throttled > 0:
		r.tell(checkRate, Advice, "see what else uses this account", "%s; %d times the service wanted fewer", found, u.throttled)
	case u.notSent > 0:
		r.tell(checkRate, Advice, "", "%s; %d operations were known not to be done, and tried again", found, u.notSent)
	default:
		r.tell(checkRate, Passed, "", "%s", found)
	}
	return nil
}

// A clock is what the register's time says of this machine's: how far that is
// ahead, as an interval that each answer narrows.
type clock struct {
	samples, without int
	fraction         bool
	least, most      time.Duration // all answers hold
	low, high        time.Duration // some answer holds
}

// note takes an answer in. The register's time is in whole seconds, so it was any
// moment of that second, and between sent and received.
func (c *clock) note(sent, received, at time.Time) {
	if at.IsZero() {
		c.without++
		return
	}
	c.fraction = c.fraction || at.Nanosecond() != 0
	from, to := sent.Sub(at)-time.Second, received.Sub(at)
	if c.samples == 0 {
		c.least, c.most, c.low, c.high = from, to, from, to
	}
	c.samples++
	c.least, c.most = max(c.least, from), min(c.most, to)
	c.low, c.high = min(c.low, from), max(c.high, to)
}

// offset is how far this machine is ahead, and by how much the answers disagree.
func (c *clock) offset() (ahead, disagree time.Duration) {
	return (c.least + c.most) / 2, max(c.least-c.most, 0)
}

func (r *run) time(context.Context) error {
	c := r.clock
	ahead, disagree := c.offset()
	tenths := func(d time.Duration) float64 { return math.Round(10*d.Seconds()) / 10 }
	t := &Time{Present: c.samples > 0, WholeSeconds: !c.fraction, Offset: tenths(ahead), Spread: tenths(disagree), Samples: c.samples}
	r.report.Time = t
	where := "ahead of"
	if ahead < 0 {
		where = "behind"
	}
	const doClock = "set the clock (chronyc tracking)"
	switch {
	case !t.Present:
		r.tell(checkTime, Advice, "keep this machine's clock right (chronyc tracking)", "the register tells no time: agents go by their own clocks")
	case c.fraction:
		r.tell(checkTime, Failed, "", "the register's time has a fraction of a second: it is to be in whole seconds")
	case c.without > 0:
		r.tell(checkTime, Advice, "", "%d of %d answers told no time", c.without, c.without+c.samples)
	case disagree > 2*time.Second:
		r.tell(checkTime, Advice, "", "the register's answers tell times that differ by %.1f s: agents judge what is due by them", t.Spread)
	case ahead.Abs() > 2*time.Second:
		r.tell(checkTime, Advice, doClock, "this machine is about %.1f s %s the register; agents go by the register's time", math.Abs(t.Offset), where)
	default:
		r.tell(checkTime, Passed, "", "told in whole seconds in each of %d answers; this machine is about %.1f s %s it", t.Samples, math.Abs(t.Offset), where)
	}
	return nil
}
