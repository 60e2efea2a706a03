package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
)

// crowded is a register that counts who is in it at a time, and holds everybody
// until it is opened.
type crowded struct {
	in, most atomic.Int32
	open     chan struct{}
}

func (c *crowded) stay() {
	n := c.in.Add(1)
	for m := c.most.Load(); n > m && !c.most.CompareAndSwap(m, n); m = c.most.Load() {
	}
	<-c.open
	c.in.Add(-1)
}

func (c *crowded) Load(context.Context) (register.Snapshot, error) {
	c.stay()
	return register.Snapshot{}, nil
}

func (c *crowded) Swap(context.Context, register.Snapshot, []string) (register.Snapshot, error) {
	c.stay()
	return register.Snapshot{}, nil
}

func TestBoundedRequests(t *testing.T) {
	c := &crowded{open: make(chan struct{})}
	g := make(gate, 3)
	b := bounded{c, g}
	look := g.bounded(c.Load)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { _, _ = b.Load(t.Context()) })
		wg.Go(func() { _, _ = b.Swap(t.Context(), register.Snapshot{}, nil) })
		wg.Go(func() { _, _ = look(t.Context()) })
	}
	for c.in.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Swap(ctx, register.Snapshot{}, nil); !errors.Is(err, context.Canceled) || errors.Is(err, register.ErrUncertain) {
		t.Errorf("a swap that found no room says %v, want that it was not sent", err)
	}
	close(c.open)
	wg.Wait()
	if c.most.Load() != 3 {
		t.Errorf("%d requests at a time, want 3", c.most.Load())
	}
}
