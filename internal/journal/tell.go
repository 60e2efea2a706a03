package journal

import (
	"fmt"

	"github.com/solotick/solotick/elect"
)

// Text tells what an entry says, in words for people.
func (e *Entry) Text() string {
	text := e.text()
	if e.Again > 0 {
		text += fmt.Sprintf("; the same %d times more, last at %s", e.Again, clock(e.Last))
	}
	return text
}

func (e *Entry) text() string {
	switch e.Did {
	case Look, Load:
		from := map[string]string{Look: "DNS", Load: "the register"}[e.Did]
		if e.Seen == nil {
			return fmt.Sprintf("asked %s, in vain: %s", from, e.Error)
		}
		return fmt.Sprintf("read from %s: %s", from, e.Seen.text()) + e.leaving()
	case Swap:
		return e.swap()
	case Wait:
		return fmt.Sprintf("waits until %s: %s", clock(e.Until), e.Why)
	case Run:
		if e.Unarbitrated {
			return fmt.Sprintf("began a run of %s without the register", clockOf(e.Tick.Unix()))
		}
		return fmt.Sprintf("began the run of %s, attempt %d, fence %d", clockOf(e.Tick.Unix()), e.Attempt, e.Fence)
	case Stop:
		return fmt.Sprintf("told its run of %s to stop: %s", clockOf(e.Tick.Unix()), e.Why)
	case Ran:
		text := fmt.Sprintf("the run of %s ended as %s after %s", clockOf(e.Tick.Unix()), e.Result, short(e.TookMS))
		if e.Error != "" {
			text += ": " + e.Error
		}
		return text
	}
	return e.Did
}

// swap tells of a write.
func (e *Entry) swap() string {
	what := e.Why
	if s := e.Seen; s != nil {
		what = fmt.Sprintf("%s (%s)", s.text(), e.Why)
	}
	switch e.Outcome {
	case elect.Done.String():
		return "wrote: " + what + e.leaving()
	case elect.Conflict.String():
		return "was refused, as the record had changed first: " + what
	case elect.Uncertain.String():
		return "has no answer to its write: " + what + ": " + e.Error
	}
	return "could not write: " + what + ": " + e.Error
}

// leaving tells how many ticks a write left out: one of its own, or one that it took
// over, or found only now.
func (e *Entry) leaving() string {
	switch e.Passed {
	case 0:
		return ""
	case 1:
		return ", leaving out 1 tick"
	}
	return fmt.Sprintf(", leaving out %d ticks", e.Passed)
}

// text tells what a record says.
func (s *Seen) text() string {
	switch {
	case s.none() && s.Odd != "":
		return "no record that can be used: " + s.Odd
	case s.none():
		return "no record that can be read"
	}
	var text string
	switch {
	case s.Claimed && s.attempt() > 1:
		text = fmt.Sprintf("%s is running %s, attempt %d", s.ID, clockOf(s.TimerOld), s.attempt())
	case s.Claimed:
		text = fmt.Sprintf("%s is running %s", s.ID, clockOf(s.TimerOld))
	case s.attempt() > 1:
		text = fmt.Sprintf("%s ended as %s, to be tried again at %s", clockOf(s.TimerOld), s.Result, clockOf(s.Timer))
	case s.TimerOld == 0:
		text = fmt.Sprintf("no tick was claimed yet, the first is %s", clockOf(s.Timer))
	default:
		text = fmt.Sprintf("%s was claimed by %s", clockOf(s.TimerOld), s.ID)
		if s.Result != "" {
			text += ", last " + s.Result
		}
		text += ", next " + clockOf(s.Timer)
	}
	switch {
	case s.Pause < 0:
		text += ", paused"
	case s.Pause > 0:
		text += ", paused until " + clockOf(s.Pause)
	}
	if s.Odd != "" {
		text += ", odd: " + s.Odd
	}
	return text
}
