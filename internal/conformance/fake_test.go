package conformance

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/solotick/solotick/register"
)

const (
	testZone = "example.com"
	ms       = time.Millisecond
)

// A world is a register in memory whose swaps take time, as those of a service do:
// 5 ms until one is sent, 5 more until it is applied, 10 more until the reply is
// there. A caller that gives up leaves the rest to happen.
type world struct {
	register.Memory
	requests atomic.Int64
	late     sync.WaitGroup
	wrap     func(register.Register) register.Register // of each client; nil: none
	slow     time.Duration                             // how much longer a swap takes
}

func (w *world) subject() Subject {
	s := Subject{
		Provider: "memory", Zone: testZone, Class: register.Exact,
		Requests: w.requests.Load,
		Open: func(name string) (register.Register, error) {
			var r register.Register = &remote{w, w.At(name)}
			if w.wrap != nil {
				r = w.wrap(r)
			}
			return r, nil
		},
		Look: func(_ context.Context, name string) ([]string, error) { return w.Texts(name), nil },
	}
	s.Name, s.Neighbour = Scratch(testZone)
	return s
}

// try runs the whole of it, and waits for what is on its way.
func (w *world) try(ctx context.Context, s Subject, o Options) Report {
	report := Run(ctx, s, o, nil)
	w.late.Wait()
	return report
}

type remote struct {
	world  *world
	record register.Register
}

func (r *remote) Load(ctx context.Context) (register.Snapshot, error) {
	r.world.requests.Add(1)
	if !pause(ctx, 10*ms) {
		return register.Snapshot{}, ctx.Err()
	}
	return r.record.Load(ctx)
}

func (r *remote) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	if !pause(ctx, 5*ms) {
		return register.Snapshot{}, ctx.Err()
	}
	r.world.requests.Add(2)
	type answer struct {
		s   register.Snapshot
		err error
	}
	replied := make(chan answer, 1)
	r.world.late.Go(func() {
		ctx := context.WithoutCancel(ctx)
		pause(ctx, 5*ms+r.world.slow)
		s, err := r.record.Swap(ctx, old, slices.Clone(texts))
		pause(ctx, 10*ms)
		replied <- answer{s, err}
	})
	select {
	case a := <-replied:
		return a.s, a.err
	case <-ctx.Done():
		return register.Snapshot{}, errors.Join(register.ErrUncertain, ctx.Err())
	}
}

// broken is a register that breaks its contract in one way.
type broken struct {
	register.Register
	load func(context.Context) (register.Snapshot, error)
	swap func(context.Context, register.Snapshot, []string) (register.Snapshot, error)
}

func (b broken) Load(ctx context.Context) (register.Snapshot, error) {
	if b.load == nil {
		return b.Register.Load(ctx)
	}
	return b.load(ctx)
}

func (b broken) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	if b.swap == nil {
		return b.Register.Swap(ctx, old, texts)
	}
	return b.swap(ctx, old, texts)
}

type (
	wrapper func(register.Register) register.Register
	swapper func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error)
)

// swapping is a register that does something else with a swap.
func swapping(swap swapper) wrapper {
	return func(r register.Register) register.Register {
		return broken{Register: r, swap: func(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
			return swap(ctx, r, old, texts)
		}}
	}
}

// answering is a register that answers a swap with something else.
func answering(answer func(texts []string, s register.Snapshot, err error) (register.Snapshot, error)) wrapper {
	return swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		s, err := r.Swap(ctx, old, texts)
		return answer(texts, s, err)
	})
}

// writing is a register that writes other texts.
func writing(change func([]string) []string) wrapper {
	return swapping(func(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
		return r.Swap(ctx, old, change(slices.Clone(texts)))
	})
}

// timing is a register that tells another time.
func timing(change func(time.Time) time.Time) wrapper {
	return func(r register.Register) register.Register {
		altered := func(s register.Snapshot, err error) (register.Snapshot, error) {
			if err == nil {
				s.Time = change(s.Time)
			}
			return s, err
		}
		return broken{
			Register: r,
			load:     func(ctx context.Context) (register.Snapshot, error) { return altered(r.Load(ctx)) },
			swap: func(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
				return altered(r.Swap(ctx, old, texts))
			},
		}
	}
}

// overwrite puts texts there whatever is there.
func overwrite(ctx context.Context, r register.Register, texts []string) (register.Snapshot, error) {
	for {
		now, err := r.Load(ctx)
		if err != nil {
			return now, err
		}
		s, err := r.Swap(ctx, now, texts)
		if !errors.Is(err, register.ErrConflict) {
			return s, err
		}
	}
}

// checkThenAct compares first and swaps later: two can pass the comparison.
func checkThenAct(ctx context.Context, r register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
	now, err := r.Load(ctx)
	if err != nil {
		return now, err
	}
	if now.Tag != old.Tag {
		return now, register.ErrConflict
	}
	return overwrite(ctx, r, texts)
}
