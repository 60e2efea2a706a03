package elect

import (
	"time"

	"github.com/solotick/solotick/record"
)

// This file holds the rows about a record that is nobody's here: absent, damaged,
// idle, or another's claim.

// idle is r with no run in progress and no retry pending.
func idle(r record.Record, last record.Result) record.Record {
	r.Claimed, r.Until, r.Lease, r.Try = false, 0, 0, 0
	r.Last = last
	return r
}

func (d *decision) damagedLongEnough() bool {
	v := d.v
	return v.State == record.Damaged && v.Held && v.Loaded >= v.First+d.p.Lease+Margin(d.p.Lease)
}

// reconciles: I ran a tick without the register, and the record does not know.
func (d *decision) reconciles(r record.Record) bool {
	k := d.s.Loose.Tick
	if k == 0 || r.Claimed && !d.lapsed(r) || d.early(k) {
		return false
	}
	t, pending := r.Timer, r.Claimed || attempt(r) > 1
	switch {
	case pending && r.TimerOld == k: // that very tick: done here, unless it failed
		return !d.s.Loose.Running && d.s.Loose.Result == record.OK
	case pending:
		t = d.p.Schedule.Next(r.TimerOld)
	}
	return t <= k && r.TimerOld < k
}

// early tells that a tick is still to come, by a register that has told its time since:
// it was run by a clock that was ahead. To put the record past it now would be to write
// a record from the future, which is repaired at once.
func (d *decision) early(k int64) bool {
	return d.now.Told && unix(k).After(d.now.Time.Add(d.p.Skew))
}

func (d *decision) lapsed(r record.Record) bool {
	l := r.LeaseOr(d.p.Lease)
	return d.now.Elapsed >= d.v.First+l+Margin(l)
}

// none: nothing usable is at the name since the given moment.
func (d *decision) none(why Reason, since time.Duration) Action {
	s, p := d.s, d.p
	if p.Lock {
		return d.newLock(why)
	}
	var r record.Record
	switch {
	case !s.Known:
		r = record.Record{ID: s.ID, Timer: p.Schedule.Next(d.after(p.Skew))}
	case s.Last.Claimed && d.v.First-s.lastAt <= p.Lease+Margin(p.Lease): // else it may be long over
		r, why = s.Last, orReason(why, RecordLost)
	default:
		r, why = idle(s.Last, record.Skipped), orReason(why, RecordLost)
		r.Timer = p.Schedule.Next(max(d.after(p.Lease+p.Skew), r.TimerOld))
	}
	return d.staggered(since, d.swap(why, r))
}

func orReason(why, known Reason) Reason {
	if why == NoRecord {
		return known
	}
	return why
}

// staggered holds a swap that is not a holder's own back until the stagger has
// passed since the given moment and a Load sent later shows the same.
func (d *decision) staggered(since time.Duration, a Action) Action {
	at := since + d.stagger(d.v.Record.Timer, 0)
	switch {
	case d.now.Elapsed < at:
		return d.wait(a.Why, at)
	case !d.v.Held || d.v.Loaded < at:
		return Action{Verb: Load, Why: a.Why}
	}
	return a
}

// repaired is staggered since the row first held for this very text.
func (d *decision) repaired(a Action) Action {
	in := intent{a.Why, d.v.Sum, d.now.Elapsed}
	if was := d.s.intent; was.why == in.why && was.sum == in.sum {
		in.since = was.since
	}
	a = d.staggered(in.since, a)
	a.intent = in
	return a
}

func (d *decision) stagger(tick int64, headStart time.Duration) time.Duration {
	if d.p.Lock {
		tick = d.v.Record.Seq // another order for each turn
	}
	return headStart + scatter(d.s.ID, tick, d.p.Spread<<d.s.Wide)
}

// others is a record that is not a claim of mine.
func (d *decision) others(r record.Record) Action {
	p, v, now := d.p, d.v, d.now
	if p.Lock && !IsLock(r) {
		return d.wait(JobsRecord, d.nextMoment())
	}
	if (!r.Claimed || d.lapsed(r)) && now.Told && unix(r.TimerOld).After(now.Time.Add(p.Skew)) {
		if !v.Held {
			return Action{Verb: Load, Why: ClockBroken}
		}
		n := idle(r, r.Last)
		n.TimerOld, n.Timer = p.Schedule.Prev(d.sec()), p.Schedule.Next(d.sec())
		return d.repaired(d.swap(ClockBroken, n))
	}
	if !r.Claimed {
		return d.idleRows(r)
	}
	lease := r.LeaseOr(p.Lease)
	lapse := v.First + lease + Margin(lease)
	if at := lapse + d.stagger(r.TimerOld, 0); now.Elapsed < at {
		look := max(v.Last, d.s.blind) + lease/3
		if now.Elapsed >= look && now.Elapsed < lapse {
			return Action{Verb: Look, Why: RunningElsewhere}
		}
		if now.Elapsed < lapse {
			return d.wait(RunningElsewhere, min(max(look, now.Elapsed), lapse))
		}
		return d.wait(ClaimLapsed, at)
	}
	switch {
	case d.s.Loose.Running:
		return d.wait(Running, d.nextMoment())
	case !v.Held || v.Loaded < lapse:
		return Action{Verb: Load, Why: ClaimLapsed}
	case p.Lock:
		return d.seize(r)
	case attempt(r) >= p.Runs():
		return d.swap(ClaimExhausted, idle(r, record.Lost))
	case d.paused(r):
		n := idle(r, record.Lost)
		n.Timer, n.Try = d.sec(), attempt(r)+1
		return d.swap(Paused, n)
	}
	n := r
	n.ID, n.Try, n.Last = d.s.ID, attempt(r)+1, record.Lost
	return d.swap(ClaimLapsed, d.claimed(n))
}

// claimed is r as a claim of mine that begins now.
func (d *decision) claimed(r record.Record) record.Record {
	r.ID, r.Claimed = d.s.ID, true
	r.Lease, r.Until = int64(d.p.Lease/time.Second), d.after(d.p.Lease)
	if r.Pause > 0 {
		r.Pause, r.Why = 0, ""
	}
	return r
}

func (d *decision) paused(r record.Record) bool {
	return r.Pause < 0 || r.Pause > 0 && unix(r.Pause).After(d.now.Time)
}

// idleRows is a record without a run in progress.
func (d *decision) idleRows(r record.Record) Action {
	p, now := d.p, d.now
	if a, ok := d.repair(r); ok {
		return a
	}
	if d.paused(r) {
		if r.Pause < 0 {
			return d.wait(Paused, never)
		}
		return d.wait(Paused, d.at(unix(r.Pause)))
	}
	if p.Lock {
		return d.free(r)
	}
	if a, ok := d.tooLate(r); ok {
		return a
	}
	own := r.ID == d.s.ID && !p.NoAffinity
	due := d.at(unix(r.Timer))
	if !own {
		var head time.Duration
		if !p.NoAffinity {
			head = max(p.HeadStart, d.s.Lag)
		}
		wait := d.stagger(r.Timer, head)
		if _, deadline, ok := d.startBy(r); ok { // no tick is too late for the sake of the stagger alone
			wait = min(wait, deadline-deadline/4)
		}
		due += wait
	}
	switch {
	case now.Elapsed < due && own && !d.v.Held:
		return Action{Verb: Load, Why: Confirm} // now, and not when the tick is due
	case now.Elapsed < due:
		return d.wait(NotDue, due)
	case d.s.Loose.Running:
		return d.wait(Running, d.nextMoment())
	case !own && d.v.Last < due && d.s.blind >= due:
		return Action{Verb: Load, Why: TickDue}
	case !own && d.v.Last < due:
		return Action{Verb: Look, Why: TickDue} // once more, before anybody writes
	}
	return d.swap(TickDue, d.claim(r))
}

// claim is r as my claim of the tick that is due.
func (d *decision) claim(r record.Record) record.Record {
	p := d.p
	if attempt(r) > 1 && !p.AtMostOnce {
		r.Timer = p.Schedule.Next(r.TimerOld)
	} else {
		r.TimerOld = d.due(r)
		r.Timer = p.Schedule.Next(r.TimerOld)
		r.Try = 0
	}
	if p.AtMostOnce {
		last := d.s.Claim.Result
		if d.s.Claim.Phase != Ended {
			last = r.Last
		}
		r = idle(d.claimed(r), last)
		return r
	}
	return d.claimed(r)
}

// due is the tick that a claim of r, no retry, would run now.
func (d *decision) due(r record.Record) int64 {
	latest := d.p.Schedule.Prev(d.sec())
	if d.p.CatchUp != CatchUpAll || latest <= r.Timer {
		return max(r.Timer, latest)
	}
	if latest-r.Timer < int64(d.p.CatchUpMost) { // ticks are whole seconds: there are no more of them
		return r.Timer
	}
	t := latest
	for n := 1; n < d.p.CatchUpMost && t > r.Timer; n++ {
		t = d.p.Schedule.Prev(t - 1)
	}
	return max(r.Timer, t)
}

// repair lowers a timer that no schedule and no back-off explains. A register
// that tells no time repairs nothing.
func (d *decision) repair(r record.Record) (Action, bool) {
	p, now := d.p, d.now
	if !now.Told {
		return Action{}, false
	}
	if attempt(r) > 1 && !p.AtMostOnce {
		if unix(r.Timer).After(now.Time.Add(LongestBackOff + p.Skew)) {
			r.Timer = d.sec()
			return d.repaired(d.swap(RetryTooFar, r)), true
		}
		return Action{}, false
	}
	bound := p.Schedule.Next(max(d.after(p.Lease+2*p.Skew), r.TimerOld))
	if bound == 0 || r.Timer <= bound {
		return Action{}, false
	}
	r.Timer = bound
	return d.repaired(d.swap(ScheduleChanged, r)), true
}

// tooLate is catch_up: none.
func (d *decision) tooLate(r record.Record) (Action, bool) {
	tick, deadline, ok := d.startBy(r)
	next := d.p.Schedule.Next(max(d.sec(), r.TimerOld))
	if !ok || next == 0 || !d.now.Time.After(unix(tick).Add(deadline)) {
		return Action{}, false
	}
	n := idle(r, record.Skipped)
	n.Timer = next
	return d.repaired(d.swap(TooLate, n)), true
}

// startBy is how long after the grid tick that a claim of the idle record r
// would run, or after the moment of its retry, the run may still start, where
// catch_up bounds that. A trigger has no such bound.
func (d *decision) startBy(r record.Record) (tick int64, deadline time.Duration, ok bool) {
	p := d.p
	if p.CatchUp != CatchUpNone {
		return 0, 0, false
	}
	tick = r.Timer
	if attempt(r) == 1 {
		if tick = max(tick, p.Schedule.Prev(d.sec())); p.Schedule.Prev(tick) != tick {
			return 0, 0, false
		}
	}
	if p.StartDeadline > 0 {
		return tick, p.StartDeadline, true
	}
	return tick, time.Duration(p.Schedule.Next(tick)-p.Schedule.Prev(tick)) * time.Second / 2, true
}
