package elect

import "time"

// longest bounds one Load, Swap or look.
const longest = 10 * time.Second

// fully is after how long, up to twice that, a register that is away is waited for as
// long as ever.
const fully = 5 * time.Minute

// Patience is how long an agent waits for answers. The zero value is that of an agent
// that has asked nothing yet.
type Patience struct {
	usual time.Duration // what the latest Load that was answered took
	full  time.Duration // on Elapsed: when one was last waited for as long as ever
}

// Took notes how long an answered Load took.
func (h *Patience) Took(d time.Duration) { h.usual = d }

// For is how long a request that is sent now may take. While a run is in progress that
// is two fifths of the lease: a renewal, sent after a third, that hangs leaves time for
// another before the run would have to be stopped. A look may take a fifth, always: a
// tick may fall due meanwhile, and the register can be asked instead. A swap has the
// time that it is known to take.
//
// A register that is away is asked before each tick that may have to be run without it
// (section 8 of the protocol). If it is silent, that must not take until the next tick,
// or no tick would be run at all: so it gets a quarter of the time between two, and every
// now and then as long as ever, in case it has become slow; each agent when no other does.
func (h *Patience) For(p *Policy, s *Self, now Now, v Verb, running bool) time.Duration {
	switch {
	case v == Look:
		return min(longest, p.Lease/5)
	case v == Swap && p.SwapTime > 0:
		return p.SwapTime
	case running:
		return min(longest, p.Lease*2/5)
	case v == Load && s.Away && p.alone() && now.Elapsed < h.full+fully+scatter(s.ID, 0, fully):
		sec := now.Time.Unix()
		if next := p.Schedule.Next(sec); next != 0 {
			gap := time.Duration(next-p.Schedule.Prev(sec)) * time.Second
			return min(longest, max(gap/4, 4*h.usual))
		}
	}
	if v == Load {
		h.full = now.Elapsed
	}
	return longest
}
