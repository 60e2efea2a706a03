// Package notify sends messages to people: to Slack, by e-mail, and to other
// services, each a [Notifier].
//
// A notifier sends one [Message] and says which of three things happened: it was
// accepted, it was not, or it is not known ([ErrUncertain]). It sends nothing
// again by itself, unless the service has said that it did not take it. Which
// message is due, and what becomes of one that was not accepted, is for package
// alert and the steps.
//
// For most uses it is a [Slack] with a bot's token: its messages can be followed
// and recognised. [Webhook] is for programs, [Email], [Teams], [Discord], [Ntfy],
// [PagerDuty] and [Ping] for what their names say, and [URL] for what is not
// here. Each has a method Check that says what is wrong with its fields; Notify
// says the same. A message may hold anything: what a service does not take is
// cut, with a note, and what means something in its markup is escaped where that
// could mention people or lead elsewhere.
//
// Fields that are secret are of type [Secret], and errors hold none of them,
// whatever a server answers.
//
// The library behind [URL] makes a program 0.9 MB larger, the one behind [Email]
// 1.2 MB.
package notify

import (
	"context"
	"errors"
	"time"
)

// ErrUncertain says that a message may have been delivered or not: no answer
// came. To send it again may be to send it twice.
var ErrUncertain = errors.New("the message may have been delivered all the same")

// A Kind says what a message tells.
type Kind string

// The kinds of messages.
const (
	Firing   Kind = "firing"   // a condition has turned true
	Reminder Kind = "reminder" // it still is
	Cleared  Kind = "cleared"  // it has turned false
	Passed   Kind = "passed"   // it turned true and false again, and nobody could be told in between
	Test     Kind = "test"     // somebody tries whether messages arrive
)

// A Severity says how bad it is.
type Severity string

// The severities, as PagerDuty has them.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Error    Severity = "error"
	Critical Severity = "critical"
)

// A Message is what is to be told.
type Message struct {
	Kind     Kind
	Severity Severity
	Job      string
	Alert    string // which alert of the job
	Title    string // one line
	Text     string // the message itself; may be empty, have several lines, and hold anything

	Tick    time.Time // the tick whose run tells it
	Attempt int
	Fence   int64 // 0: unarbitrated
	Agent   string
	Since   time.Time // when the condition turned true; zero: not known

	// Ref is what Notify returned for the first message of this alert; empty:
	// there was none, or the service has no such thing.
	Ref string
	// Doubt says that this message was sent before, and that it is not known
	// whether it arrived: the text has to say so.
	Doubt bool
	// Unarbitrated says that other agents may tell the same.
	Unarbitrated bool
	// Observed says that no run tells it, but who watches the record from outside:
	// Tick is when that was, and Job may be empty where it is about many.
	Observed bool
	// Worse says of a reminder that it has become worse: it has to be seen as a
	// first message is.
	Worse bool
}

// Key is the same for a message that is sent twice at one tick, and for no two
// others: a receiver can recognise a double by it. One that the run of a later
// tick sends again, with Doubt, has another; its Job, Alert, Kind and Since are
// the same.
func (m *Message) Key() string {
	return m.Job + "/" + m.Alert + "/" + string(m.Kind) + "/" + m.Tick.UTC().Format(time.RFC3339)
}

// A Notifier sends messages to one place. It is safe for concurrent use.
type Notifier interface {
	// Notify sends a message. ref identifies it at the service, so that later
	// messages of the same alert can be joined to it from any agent; empty: the
	// service has no such thing. It is at most 18 letters, digits, "." and "-".
	//
	// The error wraps [ErrUncertain] if the message may have been delivered; any
	// other error means that it was not. It holds no secret.
	Notify(ctx context.Context, m *Message) (ref string, err error)
}
