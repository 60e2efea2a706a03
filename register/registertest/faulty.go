package registertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/solotick/solotick/register"
)

// A Fault is what happens to one operation of a [Faulty] register.
type Fault int

// Each fault says what becomes of a swap, and what its caller is told. A Load
// has nothing to apply: Refuse refuses it, Hang lets it wait, and any other
// fault fails it.
const (
	Pass        Fault = iota // as it is
	Unreachable              // not sent: a plain error
	Refuse                   // not applied: ErrRefused
	Lose                     // applied at once; the reply is lost: ErrUncertain
	Drop                     // never applied; the request is lost: ErrUncertain
	Delay                    // applied, or not, when Land is called: ErrUncertain
	Duplicate                // applied at once, and a second copy when Land is called: the first one's outcome
	Hang                     // never applied; nothing until the context ends: ErrUncertain
)

var (
	errUnreachable = errors.New("connection refused")
	errLost        = errors.New("no reply")
)

// Faulty is a register with a script of faults in front of another one. Each
// Swap takes the next fault of its script and each Load the next one of its
// own; when a script is used up, operations pass. It is safe for concurrent
// use.
type Faulty struct {
	register.Register
	name string

	mu           sync.Mutex
	swaps, loads []Fault
	down         bool
	late         []func(context.Context) error
	nSwap, nLoad int
}

// NewFaulty returns r with those faults for its next swaps. The name is the
// record's, for the errors.
func NewFaulty(r register.Register, name string, swaps ...Fault) *Faulty {
	return &Faulty{Register: r, name: name, swaps: swaps}
}

// Swaps adds faults to the script of the swaps.
func (f *Faulty) Swaps(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.swaps = append(f.swaps, faults...)
}

// Loads adds faults to the script of the loads.
func (f *Faulty) Loads(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loads = append(f.loads, faults...)
}

// SetDown makes every operation fail as Unreachable, without using up a script,
// until it is set to false.
func (f *Faulty) SetDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// Count tells how many loads and swaps were asked for so far.
func (f *Faulty) Count() (loads, swaps int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nLoad, f.nSwap
}

// Land lets every swap on the way arrive now, in the order in which they were
// sent, and returns their outcomes, which no caller of Swap was told.
func (f *Faulty) Land(ctx context.Context) []error {
	f.mu.Lock()
	late := f.late
	f.late = nil
	f.mu.Unlock()
	var outcomes []error
	for _, swap := range late {
		outcomes = append(outcomes, swap(ctx))
	}
	return outcomes
}

// Load implements register.Register.
func (f *Faulty) Load(ctx context.Context) (register.Snapshot, error) {
	f.mu.Lock()
	f.nLoad++
	fault := f.next(&f.loads)
	f.mu.Unlock()
	switch fault {
	case Pass:
		return f.Register.Load(ctx)
	case Refuse:
		return register.Snapshot{}, fmt.Errorf("faulty: load %s: %w", f.name, register.ErrRefused)
	case Unreachable:
		return register.Snapshot{}, fmt.Errorf("faulty: load %s: %w", f.name, errUnreachable)
	case Hang:
		<-ctx.Done()
		return register.Snapshot{}, fmt.Errorf("faulty: load %s: %w", f.name, ctx.Err())
	}
	return register.Snapshot{}, fmt.Errorf("faulty: load %s: %w", f.name, errLost)
}

// Swap implements register.Register.
func (f *Faulty) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	f.mu.Lock()
	f.nSwap++
	fault := f.next(&f.swaps)
	f.mu.Unlock()
	switch fault {
	case Unreachable:
		return register.Snapshot{}, fmt.Errorf("faulty: swap %s: %w", f.name, errUnreachable)
	case Refuse:
		return register.Snapshot{}, fmt.Errorf("faulty: swap %s: %w", f.name, register.ErrRefused)
	case Lose:
		// Whether it was applied or met a conflict, nobody is told.
		_, _ = f.Register.Swap(ctx, old, texts)
	case Delay:
		f.send(old, texts)
	case Duplicate:
		f.send(old, texts)
		return f.Register.Swap(ctx, old, texts)
	case Hang:
		<-ctx.Done()
		return register.Snapshot{}, fmt.Errorf("faulty: swap %s: %w: %w", f.name, register.ErrUncertain, ctx.Err())
	case Pass:
		return f.Register.Swap(ctx, old, texts)
	}
	return register.Snapshot{}, fmt.Errorf("faulty: swap %s: %w: %w", f.name, register.ErrUncertain, errLost)
}

// next takes the next fault of a script; the caller holds the lock.
func (f *Faulty) next(script *[]Fault) Fault {
	switch {
	case f.down:
		return Unreachable
	case len(*script) == 0:
		return Pass
	}
	fault := (*script)[0]
	*script = (*script)[1:]
	return fault
}

// send puts a copy of a swap on its way, to arrive when Land is called.
func (f *Faulty) send(old register.Snapshot, texts []string) {
	old.Texts, texts = slices.Clone(old.Texts), slices.Clone(texts)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late = append(f.late, func(ctx context.Context) error {
		_, err := f.Register.Swap(ctx, old, texts)
		return err
	})
}
