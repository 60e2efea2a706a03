package elect

import (
	"time"

	"github.com/solotick/solotick/record"
)

// This file holds the two departures from the table: at-most-once, which has a
// table of its own, and an agent without its register (protocol section 8).

func (d *decision) atMostOnce() Action {
	s, p, v, c := d.s, d.p, d.v, &d.s.Claim
	r := v.Record
	if c.Phase == InRun {
		third := v.Loaded + p.Lease/3
		switch {
		case v.State == record.Present && r.TimerOld > c.Record.TimerOld && c.Cut == "":
			return Action{Verb: Stop, Why: Newer, Result: record.Lost}
		case d.now.Elapsed >= third:
			return Action{Verb: Load, Why: Running}
		}
		return d.wait(Running, min(third, d.nextMoment()))
	}
	if c.Phase == Ready && !s.Stopping && d.windowEnd()-d.now.Elapsed >= p.KillGrace+time.Second {
		return Action{Verb: Run, Why: Claimed, Tick: c.Record.TimerOld}
	}
	if v.State != record.Present {
		return d.notRunning()
	}
	switch {
	case r.Claimed && d.lapsed(r):
		return d.repaired(d.swap(ClaimExhausted, idle(r, record.Lost)))
	case !r.Claimed && attempt(r) > 1:
		n := idle(r, r.Last)
		n.Timer = p.Schedule.Next(r.TimerOld) // what has passed since coalesces as ever
		return d.repaired(d.swap(RetryLeft, n))
	}
	return d.others(r)
}

// alone tells whether ticks may be run without the register at all.
func (p *Policy) alone() bool { return !p.AtMostOnce && !p.Lock && p.WithoutRegister != WithoutWait }

// alone tells whether some may have to be now.
func (d *decision) alone() bool {
	s := d.s
	return s.Away && d.p.alone() && !s.Stopping && s.Claim.Phase != InRun
}

// outage tells which tick that is now, and from which moment on Elapsed.
func (d *decision) outage() (tick int64, from time.Duration, ok bool) {
	s, p := d.s, d.p
	if !d.alone() || s.Loose.Running {
		return 0, 0, false
	}
	k := p.Schedule.Prev(d.sec())
	if k <= s.Born.Unix() || k <= s.Loose.Tick || s.Claim.Phase == Ended && k <= s.Claim.Record.TimerOld || !s.Reached.Before(unix(k)) {
		return 0, 0, false
	}
	after := p.OutageAfter
	if after == 0 {
		after = min(time.Duration(p.Schedule.Next(k)-k)*time.Second/2, 30*time.Second)
	}
	after = max(after, p.HeadStart+p.Spread+s.Lag)
	return k, max(d.at(unix(k)), s.DownSince) + after, true
}

// loose runs a tick that the register cannot arbitrate, if DNS shows that
// nobody else can be running it.
func (d *decision) loose() (Action, bool) {
	s := d.s
	k, from, ok := d.outage()
	if !ok || d.now.Elapsed < from {
		return Action{}, false
	}
	a, ok := d.unseen(k, from)
	if ok && a.Verb == Run && !s.asked {
		a = Action{Verb: Load, Why: RegisterAway} // it may have come back with DNS
	}
	return a, ok
}

// unseen is loose as far as DNS goes.
func (d *decision) unseen(k int64, from time.Duration) (Action, bool) {
	s, v := d.s, d.v
	run := Action{Verb: Run, Why: RegisterAway, Tick: k, Loose: true}
	if !v.Seen || v.Last < from {
		if s.blind < from || d.now.Elapsed >= s.blind+5*time.Second && d.p.WithoutRegister == WithoutDNS {
			return Action{Verb: Look, Why: RegisterAway}, true
		}
		return run, d.p.WithoutRegister == WithoutAlways
	}
	r := v.Record
	if v.State == record.Absent && d.p.WithoutRegister == WithoutAlways {
		return run, true
	}
	if v.State != record.Present || d.paused(r) {
		return Action{}, false
	}
	return run, !r.Claimed && r.Timer <= k || r.Claimed && d.lapsed(r)
}
