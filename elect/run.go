package elect

import (
	"time"

	"github.com/solotick/solotick/record"
)

// This file holds the rows about a run or a claim of this process.

// window is what is left of the trust window that began at from.
func (d *decision) window(from time.Duration) time.Duration { return from + d.p.Lease - d.now.Held }

// room tells whether a run may still be started or a claim still be sent in
// the window that began at from.
func (d *decision) room(from time.Duration) bool {
	return d.window(from) >= d.p.KillGrace+time.Second
}

// stopRun is the first row: reasons to end the run in progress that no state of
// the record or the register can hide.
func (d *decision) stopRun() (Action, bool) {
	s, p, c := d.s, d.p, &d.s.Claim
	if l := &s.Loose; l.Running && !l.Cut {
		switch {
		case p.Timeout > 0 && d.now.Held >= l.Began+p.Timeout:
			return Action{Verb: Stop, Why: RunTimeout, Result: record.Timeout, Loose: true}, true
		case s.Stopping && d.now.Elapsed >= s.StopBy:
			return Action{Verb: Stop, Why: ShutdownOver, Result: record.Lost, Loose: true}, true
		}
	}
	if c.Phase != InRun || c.Cut != "" {
		return Action{}, false
	}
	switch {
	case p.Timeout > 0 && d.now.Held >= c.Began+p.Timeout:
		return Action{Verb: Stop, Why: RunTimeout, Result: record.Timeout}, true
	case d.now.Elapsed >= d.windowEnd()-p.KillGrace:
		return Action{Verb: Stop, Why: WindowOver, Result: record.Lost}, true
	case s.Stopping && d.now.Elapsed >= s.StopBy:
		return Action{Verb: Stop, Why: ShutdownOver, Result: record.Lost}, true
	case p.Overlap == OverlapReplace && !p.AtMostOnce && d.replaced():
		return Action{Verb: Stop, Why: Superseded, Result: record.Replaced}, true
	}
	return Action{}, false
}

// windowEnd is the moment on Elapsed by which the run in progress must be over.
// Under at-most-once that is the next tick, as the record tells it, less the skew.
func (d *decision) windowEnd() time.Duration {
	c := &d.s.Claim
	if !d.p.AtMostOnce {
		return d.held(c.From + d.p.Lease)
	}
	end := c.Record.Timer
	if v := d.v; v.State == record.Present && v.Record.TimerOld == c.Record.TimerOld {
		end = min(end, v.Record.Timer)
	}
	return d.at(unix(end)) - d.p.Skew
}

// WindowEnd is the moment on Now.Elapsed by which the run in progress must be
// over, and KillGrace before which it is told so.
func WindowEnd(p *Policy, s *Self, now Now) time.Duration {
	d := decision{p, s, now, &s.View}
	return d.windowEnd()
}

func (d *decision) replaced() bool {
	c, v := &d.s.Claim, d.v
	if n := d.overlapped(); n != 0 && n <= d.sec() {
		return true
	}
	return v.State == record.Present && d.s.mine(v.Record) && v.Record.Timer < c.Timer && v.Record.Timer <= d.sec()
}

// overlapped is the first tick after the start of the run in progress.
func (d *decision) overlapped() int64 {
	c := &d.s.Claim
	return d.p.Schedule.Next(max(c.BeganAt, c.Record.TimerOld))
}

// nextMoment is when a reason of stopRun or a renewal may next arise.
func (d *decision) nextMoment() time.Duration {
	s, p, c := d.s, d.p, &d.s.Claim
	at := never
	if _, from, ok := d.outage(); ok && from > d.now.Elapsed {
		at = from
	} else if n := p.Schedule.Next(d.sec()); n != 0 && d.alone() { // which may have to be run alone
		at = d.at(unix(n))
	}
	if s.Stopping && s.StopBy > d.now.Elapsed {
		at = min(at, s.StopBy)
	} else if s.Stopping && d.giveUp() > d.now.Elapsed {
		at = min(at, d.giveUp())
	}
	if s.Loose.Running && !s.Loose.Cut && p.Timeout > 0 {
		at = min(at, d.held(s.Loose.Began+p.Timeout))
	}
	if c.Phase != InRun || c.Cut != "" {
		return at
	}
	if p.Timeout > 0 {
		at = min(at, d.held(c.Began+p.Timeout))
	}
	if p.Overlap == OverlapReplace {
		if n := d.overlapped(); n != 0 {
			at = min(at, d.at(unix(n)))
		}
		if v := d.v; v.State == record.Present && s.mine(v.Record) && v.Record.Timer < c.Timer {
			at = min(at, d.at(unix(v.Record.Timer)))
		}
	}
	return min(at, d.windowEnd()-p.KillGrace)
}

// holding is my run in progress.
func (d *decision) holding() Action {
	c, v := &d.s.Claim, d.v
	r := v.Record
	third := d.held(c.From + d.p.Lease/3)
	switch {
	case v.State == record.Present && newer(r, c.Record):
		if c.Cut == "" {
			return Action{Verb: Stop, Why: Newer, Result: record.Lost}
		}
	case d.p.Lock && !d.open(): // it may be another's, whatever is seen of that
	case v.State != record.Present || !d.s.mine(r):
		back := c.Record
		if v.State == record.Present {
			back.Pause, back.Why = r.Pause, r.Why
		} else if d.s.mine(d.s.Last) {
			back = d.s.Last // with what an operator wrote since
		}
		return d.renew(ClaimGone, back)
	case d.now.Elapsed >= third:
		return d.renew(Renewal, r)
	default:
		return d.wait(Running, min(third, d.nextMoment()))
	}
	return d.wait(Running, d.nextMoment())
}

func (d *decision) renew(why Reason, r record.Record) Action {
	if !d.v.Held {
		return Action{Verb: Load, Why: why}
	}
	r.Claimed, r.Lease, r.Until = true, int64(d.p.Lease/time.Second), d.after(d.p.Lease)
	return d.swap(why, r)
}

// open tells whether the window of my claim is open.
func (d *decision) open() bool { return d.window(d.s.Claim.From) > 0 }

// mine is my claim in view, not running.
func (d *decision) mine(r record.Record) (Action, bool) {
	p, c, try := d.p, &d.s.Claim, attempt(r)
	if c.Phase == Ready {
		switch {
		case d.s.Stopping:
			return d.handOver(r, try), true
		case !d.room(c.From):
			return Action{}, false // another's from now on
		}
		return Action{Verb: Run, Why: Claimed, Tick: r.TimerOld}, true
	}
	final := true
	switch {
	case p.Lock: // nothing of it is retried
	case c.Result == record.Failed, c.Result == record.Timeout:
		final = try >= p.Attempts
	case c.Result == record.Lost:
		final = try >= p.Runs()
	}
	if c.Reported && !final {
		return Action{}, false // it is nobody's
	}
	if c.HasState {
		r.State = c.State
	}
	switch {
	case final:
		n := idle(r, c.Result)
		if p.Overlap == OverlapSkip {
			if t := p.Schedule.Next(max(d.sec(), r.TimerOld)); t != 0 {
				n.Timer = t
			}
		}
		return d.swap(RunEnded, n), true
	case c.Result == record.Lost:
		return d.handOver(r, try), true
	}
	n := idle(r, c.Result)
	n.Try = try + 1
	n.Timer = d.sec() + int64(BackOff(try)/time.Second)
	if t := p.Schedule.Next(d.sec()); t != 0 {
		n.Timer = min(n.Timer, t)
	}
	return d.swap(RunFailed, n), true
}

// handOver gives a tick that this agent does not run to its end to anybody.
func (d *decision) handOver(r record.Record, try int) Action {
	if d.p.Lock {
		return d.swap(HandOver, idle(r, r.Last)) // nothing was done under it
	}
	n := idle(r, record.Lost)
	if try < d.p.Runs() {
		n.Try, n.Timer = try+1, d.sec()
	}
	return d.swap(HandOver, n)
}

// giveUp is when a process that stops no longer tries to report: a lease after
// its grace, and not before the claim may lapse.
func (d *decision) giveUp() time.Duration {
	return max(d.s.StopBy, d.held(d.s.Claim.From)) + d.p.Lease
}

// NextStop is the moment on Now.Elapsed at which Decide may next have a run to
// stop, whatever requests are under way.
func NextStop(p *Policy, s *Self, now Now) time.Duration {
	d := decision{p, s, now, &s.View}
	return d.nextMoment()
}
