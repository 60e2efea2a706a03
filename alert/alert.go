// Package alert decides which message the condition of an alert calls for, so
// that one that stays true is told once, and told again when it turns false, by
// whichever agent runs that tick.
//
// Agents keep nothing. What an alert has to remember, its [Status], rides in the
// state of the job's record, a few characters for each alert that is not quiet;
// a [Book] is all of them, beside the text that belongs to the job itself. One
// run of a job is: [ParseBook], for each alert [Decide], send what is due, note
// by [Step.After] and [Status.Fit] what became of it, and [Book.String].
//
// The package sends nothing and knows no clock: time is the tick's.
package alert

import "time"

// A Kind is what there is to tell.
type Kind int

// The kinds of messages.
const (
	Nothing  Kind = iota
	Firing        // the condition has turned true
	Reminder      // it is still true
	Cleared       // it has turned false
	Passed        // it turned true and false again, and nobody could be told in between
)

// An Outcome is what became of a message.
type Outcome int

// The outcomes.
const (
	Accepted Outcome = iota
	Rejected         // it was not delivered, and is due again in the next run
	Doubtful         // it may have been delivered
)

// A Rule says how an alert behaves.
type Rule struct {
	After   int           // how many runs in a row the condition has to be true; below 2: one
	Remind  time.Duration // the time between two messages while it stays true; 0: one message only
	NoClear bool          // nobody is told that it has turned false
}

// A Phase is where an alert is.
type Phase uint8

// The phases. They are part of the record's text: their numbers stay.
const (
	Quiet       Phase = iota // false, and whoever was told otherwise was told so
	Pending                  // true, for fewer than Rule.After runs
	Told                     // true, and told
	OwesFiring               // true, and nobody could be told
	OwesCleared              // false after it was told, and nobody could be told that
	OwesPassed               // false, was true, and nobody could be told either
)

// A Status is what is remembered of one alert between two runs. The zero Status
// is a quiet alert.
type Status struct {
	Phase Phase
	Runs  int       // Pending: for how many runs
	Since int64     // all later phases: when it began to fire, in epoch seconds
	Told  int64     // Told: the tick of the latest message; the next reminder counts from it
	Ref   Reference // what identifies the first message at the service; 0: nothing does
	Doubt bool      // the message that is owed may have been delivered
}

// A Step is what one run has to do about an alert.
type Step struct {
	Kind  Kind
	Since int64     // the tick at which it began to fire
	Ref   Reference // of the first message
	Doubt bool      // the same message may have been delivered before

	tick   int64
	status Status // if there is nothing to tell
}

// Decide returns what a run at tick, in epoch seconds, has to do about an alert
// whose condition is now true or false.
func Decide(r Rule, s Status, condition bool, tick int64) Step {
	step := Step{tick: tick, Since: s.Since, Ref: s.Ref, status: s}
	if condition {
		step.whileTrue(r, s)
	} else {
		step.whileFalse(r, s)
	}
	return step
}

func (p *Step) whileTrue(r Rule, s Status) {
	switch s.Phase {
	case Quiet, Pending:
		if n := s.Runs + 1; n < r.After {
			p.status = Status{Phase: Pending, Runs: min(n, maxRuns)}
			return
		}
		p.fire(false)
	case Told:
		if r.Remind > 0 && p.tick-s.Told >= int64(r.Remind/time.Second) {
			p.Kind = Reminder
		}
	case OwesFiring:
		p.Kind, p.Doubt = Firing, s.Doubt
	case OwesCleared:
		if s.Doubt { // people may think that it is over
			p.fire(false)
			return
		}
		p.status = Status{Phase: Told, Since: s.Since, Told: s.Since, Ref: s.Ref}
	case OwesPassed:
		p.fire(s.Doubt)
	}
}

// fire begins a new incident.
func (p *Step) fire(doubt bool) { p.Kind, p.Since, p.Ref, p.Doubt = Firing, p.tick, 0, doubt }

func (p *Step) whileFalse(r Rule, s Status) {
	switch s.Phase {
	case Quiet, Pending:
		p.status = Status{}
	case Told:
		if r.NoClear {
			p.status = Status{}
			return
		}
		p.Kind = Cleared
	case OwesCleared:
		if r.NoClear {
			p.status = Status{}
			return
		}
		p.Kind, p.Doubt = Cleared, s.Doubt
	case OwesFiring, OwesPassed:
		p.Kind, p.Doubt = Passed, s.Doubt
	}
}

// After returns what is to be remembered once the message was sent, and ref is
// what identifies it at the service. Where Kind is Nothing, o and ref mean
// nothing.
func (p Step) After(o Outcome, ref Reference) Status {
	owed := Status{Since: p.Since, Ref: p.Ref, Doubt: p.Doubt || o == Doubtful}
	switch p.Kind {
	case Firing:
		if o == Accepted {
			if ref != 0 {
				p.Since = int64(ref / 1e6) // the reference tells it, and no second time is kept
			}
			return Status{Phase: Told, Since: p.Since, Told: p.tick, Ref: ref}
		}
		owed.Phase, owed.Ref = OwesFiring, 0
	case Reminder:
		s := p.status
		if o != Rejected { // a reminder too many says nothing wrong, and one a run would
			s.Told = p.tick
		}
		return s
	case Cleared:
		if o == Accepted {
			return Status{}
		}
		owed.Phase = OwesCleared
	case Passed:
		if o == Accepted {
			return Status{}
		}
		owed.Phase = OwesPassed
	case Nothing:
		return p.status
	}
	return owed
}

// Fit returns s without what an alert has no room for: the time of its latest
// message, unless it reminds, and what identifies its first one, unless its
// messages have a [Reference]. It may have had both under another definition.
func (s Status) Fit(r Rule, reference bool) Status {
	if !reference {
		s.Ref = 0
	}
	if s.Phase == Told && r.Remind <= 0 {
		s.Told = s.Since
	}
	return s
}
