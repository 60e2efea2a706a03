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
		case s.Claim.Phase == InRun && s.Claim.Cut == "" && !d.p.AtMostOnce: // each renewal looks
			a.At = min(a.At, s.LastLoad+LoadEvery)
		case a.Verb == Wait && e >= s.NextLook:
			a = Action{Verb: Look, Why: Poll, intent: a.intent}
		case a.Verb == Wait:
			a.At = min(a.At, s.NextLook, s.LastLoad+LoadEvery)
		}
	}
	if k := s.Loose.Tick; a.Verb == Wait && d.early(k) { // until the record may be put past it
		a.At = min(a.At, d.at(unix(k).Add(-d.p.Skew)))
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
	if s.Stopping && !s.Loose.Running && (!s.pending() && !d.mayHold() || s.Claim.Phase != InRun && d.now.Elapsed >= d.giveUp()) {
		return Action{Verb: End, Why: Left}
	}
	if s.open(d.p, d.now) {
		if a, ok := d.resolve(); ok {
			return a
		}
	} else if a, ok := d.loose(); ok {
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

// resolve is section 7: a swap of mine has an open outcome. It returns false
// when one new swap is to be decided against the same old text.
func (d *decision) resolve() (Action, bool) {
	o := &d.s.Open
	if !o.Told {
		return Action{Verb: Load, Why: OutcomeOpen}, true
	}
	t := o.Texts[o.N-1]
	claim := t.Why.Claims() || t.Why == Renewal || t.Why == ClaimGone
	if claim && !d.room(t.From) && o.N < 2 {
		return Action{}, false
	}
	return Action{Verb: Swap, Why: t.Why, Next: t.Record, Again: true}, true
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

// notRunning is every row below "my run is in progress".
func (d *decision) notRunning() Action {
	s, v := d.s, d.v
	r, here := v.Record, v.State == record.Present
	if !here && s.Known && s.mine(s.Last) && (v.State == record.Absent || d.damagedLongEnough()) && (d.open() || !d.p.Lock) {
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
