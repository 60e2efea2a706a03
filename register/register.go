// Package register is the contract between Solotick and the thing that holds a
// record: a DNS server that takes RFC 2136 updates, or a DNS provider's API.
//
// A register holds the set of TXT texts at one name and can replace that set
// atomically. It parses none of them, and it knows nothing of ticks, claims or
// agents. [Memory] is the register to test with; registertest checks every
// implementation against this contract, sentence by sentence.
//
// A register is not a lock, never retries a swap, and never turns to another
// server while the outcome of a swap is open.
package register

import (
	"context"
	"errors"
	"time"
)

// The outcomes of a Swap that a caller branches on. Both are wrapped with the
// register, the name and the cause.
var (
	// ErrConflict says that this swap was not applied because the register no
	// longer held what the caller had read, or that an earlier copy of this
	// very swap was applied. It is no proof that anybody else won: Load.
	ErrConflict = errors.New("the register no longer holds what was read")
	// ErrUncertain says that the swap was applied or not, now or later: the
	// reply was lost, timed out, could not be trusted, or was a server failure.
	ErrUncertain = errors.New("the outcome of the swap is unknown")
	// ErrRefused says that the register answered and will not serve this
	// caller: credential, policy, or a feature that it lacks. Nothing was
	// applied, and trying again soon does not help. A register that cannot be
	// reached at all is not refusing.
	ErrRefused = errors.New("the register refuses")
	// ErrThrottled says that nothing was applied, or read, as the service takes no
	// more requests of this account for now. Later it does.
	ErrThrottled = errors.New("throttled")
)

// A Snapshot is what a register held at one moment.
type Snapshot struct {
	// Texts is every TXT value at the name, the strings of each joined, in an
	// order that need not be stable. Empty: nothing is there.
	Texts []string
	// Tag is the provider's own: the exact raw set, an etag, record ids.
	// Everybody else hands it back unread. Two snapshots of one name with the
	// same Tag are the same version.
	Tag string
	// Time is the register's own time of day when it answered, in whole
	// seconds; zero if it tells none.
	Time time.Time
}

// A Register holds the texts of one name. It is safe for concurrent use.
type Register interface {
	// Load returns what the register holds now, asked of the register itself
	// and not of a cache. Nothing at the name is no error: it is a Snapshot
	// without Texts. An error means that nothing is known.
	Load(ctx context.Context) (Snapshot, error)

	// Swap puts texts in the place of what old saw, if and only if the register
	// still holds exactly that; it touches nothing else at the name. An old
	// without Texts creates; empty texts remove. Old comes from Load or Swap of
	// this name, of this register or another one like it.
	//
	// A nil error means applied, and durable; the result is what a Load would
	// give at that moment. ErrConflict, ErrUncertain and ErrRefused are as
	// described there. Any other error, a context that ended before anything
	// was sent included, means not applied. Swap never tries twice.
	Swap(ctx context.Context, old Snapshot, texts []string) (Snapshot, error)
}
