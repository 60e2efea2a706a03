package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solotick/solotick/config"
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

// TestElsewhereWaitsApart has jobs from elsewhere take no room from those of the
// file.
func TestElsewhereWaitsApart(t *testing.T) {
	s, err := openService(config.DNS{Provider: "rfc2136", Zone: "example.com", Server: "127.0.0.1:53", TSIG: config.NewSecret("hmac-sha256:k:c2VjcmV0IHNlY3JldA==")})
	if err != nil {
		t.Fatal(err)
	}
	to, err := s.connect()
	if err != nil {
		t.Fatal(err)
	}
	rooms := map[gate]string{}
	for name, from := range map[string]bool{"a": false, "b": false, "c": true, "d": true} {
		r, _, err := to(member{Name: name, Record: name + ".example.com", From: from})
		if err != nil {
			t.Fatal(err)
		}
		rooms[r.(bounded).gate] += name
	}
	for _, names := range rooms {
		if len(names) != 2 || strings.ContainsAny(names, "ab") == strings.ContainsAny(names, "cd") {
			t.Errorf("%v", rooms)
		}
	}
}
