// Package journal keeps what an agent read, decided and wrote, so that somebody can
// be told later why it did or did not run a tick.
//
// An agent makes an [Entry] of each of its events with [Of] and adds it to a [Book],
// which keeps the latest of each job in a bounded piece of memory, and has a [File]
// keep them on disk too where the user wants that. Who asks reads entries with
// [Parse], from an agent or from a file, and has them judged by [Explain].
//
// A journal is for people. Agents never read one, and one that cannot be kept is no
// reason for anything to fail.
//
// Texts in entries come from DNS and from jobs: they are bounded, and whoever shows
// them makes them plain.
package journal

import (
	"strings"
	"time"
	"unicode/utf8"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// Schema is the version of one entry's JSON, and Schemas that of a list of them:
// docs/solotick-journal.schema.json.
const (
	Schema  = "solotick.entry/v1"
	Schemas = "solotick.journal/v1"
)

// What an agent did.
const (
	Look = "look" // asked DNS
	Load = "load" // asked the register
	Swap = "swap" // wrote, or tried to
	Wait = "wait" // decided to wait
	Run  = "run"  // began a run
	Stop = "stop" // told its run to stop
	Ran  = "ran"  // its run has ended
)

// An Entry is one thing that an agent did or noticed. Times are the register's.
type Entry struct {
	Schema string    `json:"schema,omitempty"` // of an entry by itself
	Time   time.Time `json:"time"`
	Agent  string    `json:"agent"`
	Job    string    `json:"job"`
	Name   string    `json:"record"` // the name of the job's record
	Did    string    `json:"did"`
	Why    string    `json:"why,omitempty"`
	// Outcome of what was asked or written: done, conflict, uncertain, refused or
	// unreached.
	Outcome      string    `json:"outcome,omitempty"`
	Tick         time.Time `json:"tick,omitzero"` // of a run
	Attempt      int       `json:"attempt,omitempty"`
	Fence        int64     `json:"fence,omitempty"`
	Unarbitrated bool      `json:"unarbitrated,omitempty"`
	Result       string    `json:"result,omitempty"` // of a run
	TookMS       float64   `json:"took_ms,omitempty"`
	Passed       int       `json:"ticks_passed,omitempty"` // that a write left out
	Until        time.Time `json:"until,omitzero"`         // of a wait
	Seen         *Seen     `json:"seen,omitempty"`         // what was read, or written
	Error        string    `json:"error,omitempty"`
	// Again is how often the same was seen again after Time, the last time at Last.
	Again int       `json:"again,omitempty"`
	Last  time.Time `json:"last,omitzero"`
}

// A Seen is a record, as far as it matters here. The zero Seen is none, or one that
// cannot be read.
type Seen struct {
	ID       string `json:"id,omitempty"`
	Timer    int64  `json:"timer"`
	TimerOld int64  `json:"timerold"`
	Seq      int64  `json:"seq"`
	Claimed  bool   `json:"claimed,omitempty"`
	Try      int    `json:"try,omitempty"`
	Result   string `json:"last,omitempty"`
	Pause    int64  `json:"pause,omitempty"`
	Why      string `json:"why,omitempty"`
	Odd      string `json:"odd,omitempty"` // what is odd about it: it does not open, is damaged, or older than before
}

// attempt of TimerOld, from 1.
func (s *Seen) attempt() int { return max(s.Try, 1) }

// done says that the tick TimerOld is over: nobody runs it, and no retry is due.
func (s *Seen) done() bool { return !s.Claimed && s.Try <= 1 }

// none says that there was no record to be read.
func (s *Seen) none() bool { return *s == (Seen{Odd: s.Odd}) }

// maxError is how much of an error is kept.
const maxError = 300

// Of is the entry of an event. job and name are the job's and its record's.
func Of(agent, job, name string, ev solotick.Event) Entry {
	e := Entry{
		Time: ev.Time.UTC().Truncate(time.Millisecond), Agent: agent, Job: job, Name: name,
		Did: ev.Verb.String(), Why: ev.Why.String(), Passed: ev.Passed, TookMS: float64(ev.Took.Milliseconds()),
	}
	if ev.Err != nil {
		e.Error = clip(ev.Err.Error(), maxError)
	}
	switch ev.Verb {
	case elect.Look, elect.Load, elect.Swap:
		e.Outcome = ev.Outcome.String()
		if ev.Verb == elect.Look && ev.Err != nil {
			e.Outcome = elect.Unreached.String()
		}
		if ev.Err == nil || ev.Verb == elect.Swap {
			e.Seen = seen(ev.Record)
		}
		if ev.Err == nil && ev.Odd != nil {
			e.Seen.Odd = clip(ev.Odd.Error(), maxError)
		}
	case elect.Run, elect.Stop:
		e.Tick, e.Attempt, e.Fence, e.Unarbitrated, e.Result = ev.Tick.Time.UTC(), ev.Tick.Attempt, ev.Tick.Fence, ev.Tick.Unarbitrated, string(ev.Result)
		if ev.Ended {
			e.Did = Ran
		}
	case elect.Wait:
		e.Until = ev.Until.UTC().Truncate(time.Millisecond)
	case elect.End:
	}
	return e
}

func seen(r record.Record) *Seen {
	return &Seen{ID: r.ID, Timer: r.Timer, TimerOld: r.TimerOld, Seq: r.Seq, Claimed: r.Claimed, Try: r.Try, Result: string(r.Last), Pause: r.Pause, Why: r.Why}
}

// same says that two entries tell the same thing at different times: what was read
// has not changed, or still cannot be read.
func same(a, b *Entry) bool {
	if a.Did != b.Did || a.Did != Look && a.Did != Load || a.Agent != b.Agent || a.Why != b.Why || a.Outcome != b.Outcome || a.Error != b.Error {
		return false
	}
	return a.Seen == nil && b.Seen == nil || a.Seen != nil && b.Seen != nil && *a.Seen == *b.Seen
}

// end is when the entry's thing was last so.
func (e *Entry) end() time.Time {
	if e.Last.After(e.Time) {
		return e.Last
	}
	return e.Time
}

func clip(text string, most int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "..."
}
