package solotick

import (
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// This file has what is told of ticks that a write has left out.

// A gap is what somebody's claim of a tick left out. Who made it may never have
// known of it, so whoever takes that tick over tells.
type gap struct {
	tick int64
	n    int
}

// leavesOut counts the ticks that a write of this agent leaves out.
func (l *loop) leavesOut(act elect.Action) int {
	if (act.Why == elect.ClaimLapsed || act.Why == elect.ClaimExhausted) && act.Next.TimerOld == l.gap.tick {
		return l.gap.n
	}
	return passed(l.policy.Schedule, l.before, act)
}

// found is the write whose outcome was open and which a Load has shown to be applied.
func found(open *elect.Open, s *elect.Self) (elect.Action, bool) {
	if s.Open.N > 0 || s.View.State != record.Present {
		return elect.Action{}, false
	}
	for _, t := range open.Texts[:open.N] {
		if open.Unsure && t.Record == s.View.Record {
			return elect.Action{Verb: elect.Swap, Why: t.Why, Next: t.Record}, true
		}
	}
	return elect.Action{}, false
}

// passed counts the ticks that a write leaves out, at most 1000: those between
// what the record seen last would have been claimed for and the new record.
func passed(s elect.Schedule, was record.Record, act elect.Action) int {
	from, to := was.Timer, act.Next.Timer
	if was.Attempt() > 1 && !was.Claimed {
		from = s.Next(was.TimerOld) // a retry of it is due at Timer
	}
	switch act.Why {
	case elect.TickDue:
		to = act.Next.TimerOld
	case elect.TooLate, elect.RecordLost, elect.RecordDamaged, elect.RunEnded:
	default:
		return 0
	}
	n := 0
	for t := from; t != 0 && t < to && n < 1000; t = s.Next(t) {
		n++
	}
	return n
}
