// Package alarm tells people what an observer sees of records: that a run is late
// or was missed, that a job fails, changes hands too often, or that somebody meddled
// with its record. It needs nothing but DNS, so that it also tells when no agent
// lives any more.
//
// A [Desk] is all that callers need:
//
//	desk := &alarm.Desk{History: history, Places: places}
//	err := desk.Run(ctx)
//
// Everything is told once, again after a while as long as it lasts, and once when it
// is over. Where much goes wrong at once, that is one message with numbers and the
// first names, and not one for each record. Nothing is told of what nobody can know:
// while DNS does not answer, that is told, once for all records, and the rest waits.
//
// The package looks at nothing itself: [monitor.Observer] does. Which message a
// condition calls for is decided by package alert, as for the alerts of jobs.
package alarm

import (
	"cmp"
	"time"

	"github.com/solotick/solotick/notify"
)

// A Kind is what an alarm is about. Its text is the name of the alert in messages.
type Kind string

// The kinds of alarms.
const (
	Late        Kind = "late"        // a run is overdue, or several are: missed
	Failing     Kind = "failing"     // ticks end without success
	Flapping    Kind = "flapping"    // agents vanish amid runs, again and again
	Tampered    Kind = "tampered"    // the record went back, vanished, was damaged, is from the future, or something else writes it
	Duplicate   Kind = "duplicate"   // two agents claimed the same attempt
	Absent      Kind = "absent"      // there is no record, and was none
	Unreadable  Kind = "unreadable"  // there is one that cannot be read
	Paused      Kind = "paused"      // for so long that somebody may have forgotten it
	Stale       Kind = "stale"       // a server shows an old record
	Unreachable Kind = "unreachable" // DNS does not answer this observer
	Gap         Kind = "gap"         // the observer itself did not look
)

// Rules say what is told, and when. Of a zero field the default counts, and a
// negative duration stands for none.
type Rules struct {
	// Late is how long a run has to be late, as [elect.Health] has it, before that
	// is told. That another tick is overdue too is told at once. 0: 1 min.
	Late time.Duration
	// Failing is how long the latest tick has to stand as failed, timed out or lost
	// (0: 5 min), and Failures is how many of them in a row are told sooner (0: 3).
	Failing  time.Duration
	Failures int
	// Takeovers is how many within Within are too many (0: 3 within 1 h). Of a job
	// that runs seldom, Within is the time of ten intervals.
	Takeovers int
	Within    time.Duration
	// Gone is how long there has to be no record, or none that can be read. 0: 1 min.
	Gone time.Duration
	// Quiet is how long after the last sign of tampering or of a double claim that
	// counts as over. 0: 1 h.
	Quiet time.Duration
	// Paused is how long a pause lasts before people are reminded of it. 0: 24 h;
	// negative: nobody is.
	Paused time.Duration
	// Stale is how long a server has to show an old record. 0: nobody is told.
	Stale time.Duration
	// Unreachable is how long DNS has to be silent. 0: 2 min.
	Unreachable time.Duration
	// Gap is how long this observer has to have been away. 0: 10 min; negative:
	// nobody is told.
	Gap time.Duration

	// Calm is how long something has to be over before that is told. 0: 1 min.
	Calm time.Duration
	// Remind is the time between two messages about what lasts. 0: 4 h; negative:
	// there is only one.
	Remind time.Duration
	// Many is how many alarms of one kind are told one by one at a time; what goes
	// beyond is told together. 0: 5.
	Many int
	// Gather is how long the first alarm waits for others of its kind. 0: 10 s.
	Gather time.Duration
	// Interval is the time between two messages that tell how many there are now.
	// 0: 5 min.
	Interval time.Duration
}

func (r *Rules) fill() {
	for _, f := range []struct {
		field *time.Duration
		def   time.Duration
	}{
		{&r.Late, time.Minute},
		{&r.Failing, 5 * time.Minute},
		{&r.Within, time.Hour},
		{&r.Gone, time.Minute},
		{&r.Quiet, time.Hour},
		{&r.Paused, 24 * time.Hour},
		{&r.Stale, -1},
		{&r.Unreachable, 2 * time.Minute},
		{&r.Gap, 10 * time.Minute},
		{&r.Calm, time.Minute},
		{&r.Remind, 4 * time.Hour},
		{&r.Gather, 10 * time.Second},
		{&r.Interval, 5 * time.Minute},
	} {
		*f.field = max(cmp.Or(*f.field, f.def), 0)
	}
	r.Failures = cmp.Or(r.Failures, 3)
	r.Takeovers = cmp.Or(r.Takeovers, 3)
	r.Many = cmp.Or(r.Many, 5)
}

// A Place is where people are told.
type Place struct {
	Name string
	// Referenced says that it identifies its messages, see [notify.Notifier].
	Referenced bool

	notify.Notifier
}
