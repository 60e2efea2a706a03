package elect

import (
	"time"

	"github.com/solotick/solotick/record"
)

// Decide says what the process that remembers s does next. The rows of protocol
// section 5 are tried in their order.
func Decide(p *Policy, s *Self, now Now) Action {
	d := decision{p, s, now, &s.View}
	return d.gate(d.decide())
}

type decision struct {
	p   *Policy
	s   *Self
	now Now
	v   *View
}

// gate puts between a row and the world what holds for every row: looks that
// are due, a view and a clock fit to swap with, and back-off.
func (d *decision) gate(a Action) Action {
	s, e := d.s, d.now.Elapsed
	if a.Verb == Swap && (!d.v.Held && !a.Again || !s.sampled(d.now)) {
		a = Action{Verb: Load, Why: Confirm, intent: a.intent}
	}
	if a.Verb == Look && s.blind > 0 && e < s.blind+time.Second { // DNS was just asked in vain
		if s.Away {
			return Action{Verb: Wait, Why: BackingOff, At: min(s.blind+time.Second, d.nextMoment()), intent: a.intent}
		}
		a.Verb = Load
	}
	if a.Verb == Wait || a.Verb == Look {
		switch {
		case a.Verb == Look && s.Away:
		case s.MustLoad || !s.sampled(d.now):
			a = Action{Verb: Load, Why: Poll, intent: a.intent}
		case a.Verb == Wait && e >= s.NextLook:
			a = Action{Verb: Look, Why: Poll, intent: a.intent}
		case a.Verb == Wait:
			a.At = min(a.At, s.NextLook, s.LastLoad+LoadEvery)
		}
	}
	if a.Verb == Load || a.Verb == Swap {
		if until := s.LastFail + s.delay(d.p, d.now); (s.Fails > 0 || s.Stale > 0) && e < until && a.Why != RegisterAway {
			if e >= s.NextLook && e >= s.blind+time.Second {
				return Action{Verb: Look, Why: a.Why, intent: a.intent}
			}
			return Action{Verb: Wait, Why: BackingOff, At: min(until, max(s.NextLook, s.blind+time.Second), d.nextMoment()), intent: a.intent}
		}
	}
	return a
}

// sampled tells whether the register was heard within LoadEvery, and not before
// a suspend that Elapsed did not count: what is known of its time is void then.
func (s *Self) sampled(now Now) bool {
	return s.View.Seen && now.Elapsed < s.LastLoad+LoadEvery && now.Held-now.Elapsed < s.asleep+time.Second
}

func (d *decision) decide() Action {
	s, v := d.s, d.v
	if a, ok := d.stopRun(); ok {
		return a
	}
	if s.Stopping && !s.Loose.Running && (!s.pending() || s.Claim.Phase != InRun && d.now.Elapsed >= s.StopBy+d.p.Lease) {
		return Action{Verb: End, Why: Left}
	}
	if s.open(d.p, d.now) {
		if a, ok := d.resolve(); ok {
			return a
		}
	}
	if a, ok := d.loose(); ok {
		return a
	}
	switch {
	case !v.Seen:
		return Action{Verb: Load, Why: FirstLook}
	case v.State == record.Unopenable:
		return d.wait(Sealed, d.nextMoment())
	case d.p.AtMostOnce:
		return d.atMostOnce()
	case s.Claim.Phase == InRun:
		return d.holding()
	}
	return d.notRunning()
}

// wait until the given moment on Elapsed, looking meanwhile.
func (d *decision) wait(why Reason, at time.Duration) Action {
	return Action{Verb: Wait, Why: why, At: at}
}

// never is far beyond any process's life, and far from overflow.
const never = time.Duration(1 << 61)

// at is the moment on Elapsed at which the register's time will be t.
func (d *decision) at(t time.Time) time.Duration {
	return d.now.Elapsed + min(max(t.Sub(d.now.Time), -never), never-d.now.Elapsed)
}

// held is the moment on Elapsed at which Held will be h.
func (d *decision) held(h time.Duration) time.Duration { return d.now.Elapsed + h - d.now.Held }

func (d *decision) sec() int64 { return d.now.Time.Unix() }

func (d *decision) after(add time.Duration) int64 { return d.now.Time.Add(add).Unix() }

func unix(sec int64) time.Time { return time.Unix(sec, 0) }

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
	}
	if s.Stopping && s.StopBy > d.now.Elapsed {
		at = min(at, s.StopBy)
	} else if s.Stopping {
		at = min(at, s.StopBy+p.Lease)
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

// resolve is section 7: a swap of mine has an open outcome. It returns false
// when one new swap is to be decided against the same old text.
func (d *decision) resolve() (Action, bool) {
	o := &d.s.Open
	if !o.Told {
		return Action{Verb: Load, Why: OutcomeOpen}, true
	}
	t := o.Texts[o.N-1]
	claim := t.Why == TickDue || t.Why == ClaimLapsed || t.Why == Renewal || t.Why == ClaimGone
	if claim && !d.room(t.From) && o.N < 2 {
		return Action{}, false
	}
	return Action{Verb: Swap, Why: t.Why, Next: t.Record, Again: true}, true
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

// swap gives r the next seq. It grows over everything that was seen and, after
// a deletion or a rollback, with the register's time.
func (d *decision) swap(why Reason, r record.Record) Action {
	seq := max(d.s.High, d.sec()*1000-1)
	if d.v.State == record.Present {
		seq = max(seq, d.v.Record.Seq)
	}
	r.Seq = seq + 1
	return Action{Verb: Swap, Why: why, Next: r}
}

// idle is r with no run in progress and no retry pending.
func idle(r record.Record, last record.Result) record.Record {
	r.Claimed, r.Until, r.Lease, r.Try = false, 0, 0, 0
	r.Last = last
	return r
}

// notRunning is every row below "my run is in progress".
func (d *decision) notRunning() Action {
	s, v := d.s, d.v
	r, here := v.Record, v.State == record.Present
	if !here && s.Known && s.mine(s.Last) && (v.State == record.Absent || d.damagedLongEnough()) {
		if !v.Held {
			return Action{Verb: Load, Why: RecordLost}
		}
		if !d.open() && s.Claim.Phase == Ended {
			c := s.Last
			return d.renew(ClaimGone, c)
		}
		r, here = s.Last, true
	}
	if here && d.reconciles(r) {
		n := idle(r, r.Last)
		if !s.Loose.Running {
			n.Last = s.Loose.Result
		}
		n.TimerOld, n.Timer = s.Loose.Tick, d.p.Schedule.Next(s.Loose.Tick)
		return d.swap(RanUnarbitrated, n)
	}
	if here && s.mine(r) {
		if a, ok := d.mine(r); ok {
			return a
		}
	}
	if s.Stopping {
		return d.wait(Left, d.nextMoment())
	}
	switch v.State {
	case record.Absent:
		return d.none(NoRecord, v.First)
	case record.Damaged:
		long := v.First + d.p.Lease + Margin(d.p.Lease)
		switch {
		case d.now.Elapsed < long:
			return d.wait(RecordDamaged, long)
		case !d.damagedLongEnough():
			return Action{Verb: Load, Why: RecordDamaged}
		}
		return d.none(RecordDamaged, long)
	}
	return d.others(r)
}

// open tells whether the window of my claim is open.
func (d *decision) open() bool { return d.window(d.s.Claim.From) > 0 }

func (d *decision) damagedLongEnough() bool {
	v := d.v
	return v.State == record.Damaged && v.Held && v.Loaded >= v.First+d.p.Lease+Margin(d.p.Lease)
}

// reconciles: I ran a tick without the register, and the record does not know.
func (d *decision) reconciles(r record.Record) bool {
	k := d.s.Loose.Tick
	if k == 0 || r.Claimed && !d.lapsed(r) {
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

func (d *decision) lapsed(r record.Record) bool {
	l := r.LeaseOr(d.p.Lease)
	return d.now.Elapsed >= d.v.First+l+Margin(l)
}

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
	switch c.Result {
	case record.Failed, record.Timeout:
		final = try >= p.Attempts
	case record.Lost:
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
	n := idle(r, record.Lost)
	if try < d.p.Runs() {
		n.Try, n.Timer = try+1, d.sec()
	}
	return d.swap(HandOver, n)
}

// none: nothing usable is at the name since the given moment.
func (d *decision) none(why Reason, since time.Duration) Action {
	s, p := d.s, d.p
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

// held back since the row first held for this very text.
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
	return headStart + scatter(d.s.ID, tick, d.p.Spread<<d.s.Wide)
}

// others is a record that is not a claim of mine.
func (d *decision) others(r record.Record) Action {
	p, v, now := d.p, d.v, d.now
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
	if a, ok := d.tooLate(r); ok {
		return a
	}
	var head time.Duration
	if r.ID != d.s.ID && !p.NoAffinity {
		head = max(p.HeadStart, d.s.Lag)
	}
	due := d.at(unix(r.Timer))
	if head > 0 || r.ID != d.s.ID {
		due += d.stagger(r.Timer, head)
	} else if p.NoAffinity {
		due += d.stagger(r.Timer, 0)
	}
	own := r.ID == d.s.ID && !p.NoAffinity
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
	p := d.p
	if p.CatchUp != CatchUpNone {
		return Action{}, false
	}
	tick := r.Timer
	if attempt(r) == 1 {
		if tick = max(tick, p.Schedule.Prev(d.sec())); p.Schedule.Prev(tick) != tick {
			return Action{}, false // triggered
		}
	}
	deadline := p.StartDeadline
	if deadline == 0 {
		deadline = time.Duration(p.Schedule.Next(tick)-p.Schedule.Prev(tick-1)) * time.Second / 4
	}
	next := p.Schedule.Next(max(d.sec(), r.TimerOld))
	if next == 0 || !d.now.Time.After(unix(tick).Add(deadline)) {
		return Action{}, false
	}
	n := idle(r, record.Skipped)
	n.Timer = next
	return d.repaired(d.swap(TooLate, n)), true
}

// NextStop is the moment on Now.Elapsed at which Decide may next have a run to
// stop, whatever requests are under way.
func NextStop(p *Policy, s *Self, now Now) time.Duration {
	d := decision{p, s, now, &s.View}
	return d.nextMoment()
}
