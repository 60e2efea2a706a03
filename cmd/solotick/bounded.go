package main

import (
	"context"
	"fmt"

	"github.com/solotick/solotick/register"
)

// mostRequests is how many requests of one process are under way at a time. A
// process with thousands of jobs would else take every connection that a DNS
// server grants (BIND: 150 for all clients) at its start, and whenever many
// ticks fall together. One takes some milliseconds.
const mostRequests = 32

// A gate lets so many requests through at a time as it has room for.
type gate chan struct{}

// enter waits for room. An error means that nothing was sent.
func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("not sent, as %d other requests of this process were under way: %w", cap(g), context.Cause(ctx))
	}
}

func (g gate) leave() { <-g }

// bounded is a register behind a gate.
type bounded struct {
	register.Register
	gate gate
}

func (b bounded) Load(ctx context.Context) (register.Snapshot, error) {
	if err := b.gate.enter(ctx); err != nil {
		return register.Snapshot{}, err
	}
	defer b.gate.leave()
	return b.Register.Load(ctx)
}

func (b bounded) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	if err := b.gate.enter(ctx); err != nil {
		return register.Snapshot{}, err
	}
	defer b.gate.leave()
	return b.Register.Swap(ctx, old, texts)
}

// bounded is a look behind the gate.
func (g gate) bounded(l look) look {
	return func(ctx context.Context) (register.Snapshot, error) {
		if err := g.enter(ctx); err != nil {
			return register.Snapshot{}, err
		}
		defer g.leave()
		return l(ctx)
	}
}
