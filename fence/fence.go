// Package fence guards what a job writes to against runs and holders that do not know
// yet that they are none any more.
//
// A process can be halted between its look at the clock and its write, by a hypervisor
// or a full disk, and nothing on its own machine can help then. What it writes to can:
// every claim has a fence greater than all before it (solotick.Tick.Fence,
// solotick.Lock.Fence, SOLOTICK_FENCE), so whoever remembers the greatest and refuses
// a smaller one is safe.
//
// [Guard.Do] is for a service that does the work itself: it compares, and keeps others
// with the same resource out until that is done. [Guard.Check] only compares, which is
// enough where the work is one step that cannot be overtaken. A guard remembers in
// memory; [Guard.Load] and [Guard.Save] are for what has to outlive the process. fence/httpfence
// does this for requests over HTTP. Where a database holds what is to be guarded, let it
// compare in the same transaction instead: docs/library.md has the statements.
//
// The package imports the standard library alone. It knows no agents and no records, and
// grants nothing: any number that is greater is believed, so who may call at all is
// for others to see to.
package fence

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// What a caller of [Guard.Check] and [Guard.Do] may branch on.
var (
	// ErrStale says that a greater fence was here: another run or holder has taken
	// over. Nothing was done; trying again does not help.
	ErrStale = errors.New("stale fence")
	// ErrNone says that there is no fence: zero or less. An unarbitrated run has
	// none, as nobody has granted it.
	ErrNone = errors.New("no fence")
)

// A Guard remembers the greatest fence of each resource. The zero Guard is ready, and
// forgets with the process. It is safe for concurrent use. It keeps some bytes for each
// resource as long as it lives: the names of resources are the program's own and must
// not come from a request as they are.
type Guard struct {
	// Load returns the greatest fence of a resource that was saved, 0 if there is
	// none. It is called once for each resource, before the first comparison. nil: 0.
	Load func(ctx context.Context, resource string) (int64, error)
	// Save keeps a fence greater than those before. It has returned before anything
	// is done under that fence. An error refuses what was to be done. nil: none.
	Save func(ctx context.Context, resource string, fence int64) error

	mu  sync.Mutex
	all map[string]*resource
}

// A resource is what one fence protects.
type resource struct {
	turn     chan struct{} // holds a token while somebody is at it
	loaded   bool
	greatest int64
}

// Check compares the fence with the greatest of the resource, and remembers it. The
// same fence may come again and again: one run does many things. An error is an
// [ErrStale], an [ErrNone], or that of Load, Save or ctx.
func (g *Guard) Check(ctx context.Context, name string, fence int64) error {
	return g.Do(ctx, name, fence, func() error { return nil })
}

// Do calls do if Check would allow it, and lets nobody else with the same resource in
// until do has returned. So nothing that is done under a smaller fence comes after
// something done under a greater one. It returns the error of do.
func (g *Guard) Do(ctx context.Context, name string, fence int64, do func() error) error {
	if fence <= 0 {
		return fmt.Errorf("%w for %s", ErrNone, name)
	}
	r := g.at(name)
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("fence %d for %s: waiting for others: %w", fence, name, context.Cause(ctx))
	}
	defer func() { <-r.turn }()
	if err := g.admit(ctx, r, name, fence); err != nil {
		return err
	}
	return do()
}

func (g *Guard) at(name string) *resource {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.all[name]
	if r == nil {
		if g.all == nil {
			g.all = map[string]*resource{}
		}
		r = &resource{turn: make(chan struct{}, 1)}
		g.all[name] = r
	}
	return r
}

// admit is called by whoever has the turn.
func (g *Guard) admit(ctx context.Context, r *resource, name string, fence int64) error {
	if !r.loaded && g.Load != nil {
		saved, err := g.Load(ctx, name)
		if err != nil {
			return fmt.Errorf("fence of %s: load: %w", name, err)
		}
		r.greatest = max(r.greatest, saved)
	}
	r.loaded = true
	if fence < r.greatest {
		return fmt.Errorf("%w for %s: %d, and %d was here", ErrStale, name, fence, r.greatest)
	}
	if fence == r.greatest {
		return nil
	}
	if g.Save != nil {
		if err := g.Save(ctx, name, fence); err != nil {
			return fmt.Errorf("fence %d of %s: save: %w", fence, name, err)
		}
	}
	r.greatest = fence
	return nil
}
