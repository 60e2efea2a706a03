package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
)

// eventDoc is a line of "watch --jsonl": docs/solotick-event.schema.json.
type eventDoc struct {
	Schema string `json:"schema"`
	monitor.Event
}

// buffer is how many looks a reader of a history may be behind.
const buffer = 4096

// watchLines prints events as they come, until ctx ends or nobody reads any more. It
// does not wait for who reads.
func (a *app) watchLines(ctx context.Context, h *monitor.History, updates <-chan monitor.Update, jsonl bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	printed, left := make(chan error, 1), make(chan struct{})
	go func() { printed <- a.printEvents(ctx, h, updates, jsonl) }()
	if f, ok := a.stdout.(*os.File); ok {
		go func() {
			gone(ctx, f)
			close(left)
		}()
	}
	select {
	case <-left:
		return nil
	case err := <-printed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (a *app) printEvents(ctx context.Context, h *monitor.History, updates <-chan monitor.Update, jsonl bool) error {
	var last uint64
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-updates:
			events := u.Events
			if u.Lost {
				events = h.Events("", 0, 1<<20) // as many as there are, the newest first
				slices.Reverse(events)
			}
			for _, e := range events {
				if e.ID <= last {
					continue
				}
				last = e.ID
				if err := a.printEvent(e, jsonl); err != nil {
					return err
				}
			}
		}
	}
}

func (a *app) printEvent(e monitor.Event, jsonl bool) error {
	if jsonl {
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(eventDoc{"solotick.event/v1", e})
	}
	name := e.Name
	if e.Job != "" {
		name = e.Job
	}
	_, err := fmt.Fprintf(a.stdout, "%s  %s %s  %s\n", e.Time.Format(time.RFC3339), a.sign(a.stdout, toneOfLevel(e.Level)), plain(name), plain(e.Text))
	return err
}

// An onlooker remembers for --fail whether anything was bad.
type onlooker struct{ bad atomic.Bool }

// follow goes through what is seen.
func (o *onlooker) follow(h *monitor.History) func(context.Context) {
	updates, cancel := h.Subscribe(buffer)
	return func(ctx context.Context) {
		defer cancel()
		for {
			select {
			case <-ctx.Done():
				return
			case u := <-updates:
				o.see(h, u)
			}
		}
	}
}

func (o *onlooker) see(h *monitor.History, u monitor.Update) {
	events := u.Events
	if u.Lost {
		events = h.Events("", 0, 1<<20)
	}
	if slices.ContainsFunc(events, func(e monitor.Event) bool { return e.Level == elect.LevelBad }) {
		o.bad.Store(true)
	}
	if item, ok := h.Item(u.Name, time.Now()); ok && troubled(item) {
		o.bad.Store(true)
	}
}

// troubled says whether a record is one for which status ends with 1.
func troubled(item monitor.Item) bool {
	l := item.State.Level()
	return item.State != "" && (l == elect.LevelBad || l == elect.LevelUnknown)
}

// code is the exit code of a watch that ends now.
func (o *onlooker) code(h *monitor.History) int {
	items := h.Items(time.Now())
	switch {
	case o.bad.Load() || slices.ContainsFunc(items, troubled):
		return exitFailed
	case slices.ContainsFunc(items, func(item monitor.Item) bool { return item.State == "" }):
		return exitUnreachable
	}
	return exitOK
}
