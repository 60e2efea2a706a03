package elect

import (
	"errors"
	"time"

	"github.com/solotick/solotick/record"
)

// The operator's hand on a record. Each takes what the register holds and
// returns what to put in its place; the schedule is never moved, and a claim
// stays its holder's.

// Reasons why an operator's wish is refused.
var (
	ErrPaused     = errors.New("the job is paused")
	ErrAtMostOnce = errors.New("a job that is run at most once cannot be triggered")
	ErrPast       = errors.New("the end of the pause is not in the future")
	ErrWhyTooLong = errors.New("the reason is longer than 40 bytes")
)

// Trigger asks for a run as soon as an agent looks. Absorbed says that a run is
// in progress, which may take the wish with it.
func Trigger(p *Policy, r record.Record, now time.Time) (out record.Record, absorbed bool, err error) {
	switch {
	case p.AtMostOnce:
		return r, false, ErrAtMostOnce
	case r.Pause < 0 || r.Pause > now.Unix():
		return r, false, ErrPaused
	}
	r.Timer = min(r.Timer, max(now.Unix(), r.TimerOld+1))
	return Stamp(r, now), r.Claimed, nil
}

// Pause keeps every agent from claiming until the given moment; zero: until Resume.
func Pause(r record.Record, until time.Time, why string, now time.Time) (record.Record, error) {
	if len(why) > 40 {
		return r, ErrWhyTooLong
	}
	r.Pause, r.Why = -1, why
	if !until.IsZero() {
		if !until.After(now) {
			return r, ErrPast
		}
		r.Pause = until.Unix()
	}
	return Stamp(r, now), nil
}

// Resume ends a pause.
func Resume(r record.Record, now time.Time) record.Record {
	r.Pause, r.Why = 0, ""
	return Stamp(r, now)
}

// Stamp gives a record that was changed by hand its next seq.
func Stamp(r record.Record, now time.Time) record.Record {
	r.Seq = max(r.Seq+1, now.Unix()*1000)
	return r
}
