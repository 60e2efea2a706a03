package monitor

import (
	"time"

	"github.com/solotick/solotick/elect"
)

// A Kind is a kind of [Event]. Its text is what JSON and metrics show.
type Kind string

// The kinds of events.
const (
	KindBegan       Kind = "began"       // a run was seen to begin
	KindEnded       Kind = "ended"       // a run ended, well or not
	KindTakeover    Kind = "takeover"    // another agent took a tick over that was lost
	KindUnseen      Kind = "unseen"      // ticks passed between two looks
	KindPassed      Kind = "passed"      // ticks were left out: nobody ran them
	KindDuplicate   Kind = "duplicate"   // two agents claimed the same attempt
	KindCondition   Kind = "condition"   // the condition changed: late, missed, on time again
	KindPaused      Kind = "paused"      // by an operator
	KindResumed     Kind = "resumed"     // by an operator, or since the pause is over
	KindTriggered   Kind = "triggered"   // by an operator
	KindCreated     Kind = "created"     // a record appeared
	KindGone        Kind = "gone"        // it vanished
	KindDamaged     Kind = "damaged"     // it can no longer be read
	KindRepaired    Kind = "repaired"    // it can be read again, or its ticks were set right
	KindRolledBack  Kind = "rolled_back" // its seq went back
	KindFuture      Kind = "future"      // it speaks of a tick in the future: a broken clock wrote it
	KindForeign     Kind = "foreign"     // something that is no agent of Solotick wrote it
	KindStale       Kind = "stale"       // a server shows what is too old
	KindFresh       Kind = "fresh"       // it no longer does
	KindUnreachable Kind = "unreachable" // no server answers
	KindReachable   Kind = "reachable"   // one does again
	KindReported    Kind = "reported"    // an agent told of a run that DNS did not show
)

// An Event is something that was seen to happen to a record.
type Event struct {
	ID     uint64      `json:"id"`   // grows; unique within a history
	Time   time.Time   `json:"time"` // when it was seen
	Name   string      `json:"name"` // of the record
	Job    string      `json:"job,omitempty"`
	Kind   Kind        `json:"kind"`
	Level  elect.Level `json:"level"` // 0 fine, 1 doubtful, 2 bad, 3 not known
	Agent  string      `json:"agent,omitempty"`
	Tick   int64       `json:"tick,omitempty"` // epoch second
	Server string      `json:"server,omitempty"`
	Text   string      `json:"text"` // one sentence, without the name of the job
}
