package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/monitor/tui"
)

type watchFlags struct {
	query
	every time.Duration
	limit time.Duration // --for
	jsonl bool
	fail  bool
}

func (a *app) watchCommand() *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use: "watch [NAME...] [@server...]", Short: "Show live what happens to records; asks DNS, needs no credentials",
		Long: `Look at records again and again, and show what happens to them: who runs which tick,
how it ends, takeovers, what is late. A NAME with a dot is a DNS name and needs no file;
else it is a job of the file; without names, all jobs of the file.

On a terminal it is a live view, whose last line shows its keys. Where standard input or
output is no terminal, it is a line for each event; --jsonl has them as JSON. It goes on
until q, Ctrl-C or --for, and ends with 0; with --fail it ends with 1 if any record was
bad meanwhile, as status has it (missed, failing, damaged, no record), or something else
bad happened, and with 69 if there is one that no server has told about.`,
		Example: "  solotick watch canary.example.com\n  solotick watch -c solotick.yaml --resolver 1.1.1.1 --resolver 8.8.8.8\n  solotick watch canary.example.com --jsonl | jq -r 'select(.kind == \"takeover\").text'\n  solotick watch canary.example.com --for 10m --fail >deploy.log",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.parse(args); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends it now
			return a.watch(ctx, &f)
		},
	}
	a.queryFlags(c, &f.query)
	c.Flags().DurationVar(&f.every, "every", 0, "time between two looks at a record; 0: 5s, and more for many records")
	c.Flags().DurationVar(&f.limit, "for", 0, "end after this time; 0: never")
	c.Flags().BoolVar(&f.jsonl, "jsonl", false, "print events as JSON, one document a line, each with a schema field")
	c.Flags().BoolVar(&f.fail, "fail", false, "end with 1 if anything was bad meanwhile, 69 if there was no answer")
	return c
}

func (f *watchFlags) parse(args []string) error {
	switch {
	case f.every != 0 && f.every < time.Second:
		return usage("--every %v: want 1s or more", f.every)
	case f.limit < 0:
		return usage("--for %v: want a time, or 0 for no end", f.limit)
	}
	f.often = true
	return f.query.parse(args)
}

func (a *app) watch(ctx context.Context, f *watchFlags) error {
	sites, err := a.asked(&f.query)
	if err != nil {
		return err
	}
	var targets []monitor.Target
	for _, s := range sites {
		if err := checkDNSName(s.name); err != nil {
			return usage("%q is no DNS name: %w", s.name, err)
		}
		targets = append(targets, s.target())
	}
	history := monitor.NewHistory(monitor.Limits{})
	history.Watch(targets...)
	eyes, err := f.eyes()
	if err != nil {
		return err
	}
	if f.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.limit)
		defer cancel()
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	updates, cancel := history.Subscribe(4096)
	defer cancel()
	var seen onlooker
	go seen.follow(ctx, history, updates)
	observed := make(chan error, 1)
	go func() {
		o := &monitor.Observer{Eyes: eyes, History: history, Every: f.every}
		observed <- o.Run(ctx)
	}()
	if a.interactive() && !f.jsonl {
		err = tui.Run(ctx, tui.Config{History: history, Color: a.colored(a.stdout), Unicode: a.unicode()})
	} else {
		err = a.watchLines(ctx, history, f.jsonl, len(sites))
	}
	end()
	if err := errors.Join(err, <-observed); err != nil {
		return err
	}
	if f.fail {
		return exit(seen.code(history))
	}
	return nil
}

// interactive says whether there is a terminal for a live view.
func (a *app) interactive() bool {
	term := a.env("TERM")
	return isTerminal(a.stdin) && isTerminal(a.stdout) && term != "" && term != "dumb"
}

// An onlooker remembers for --fail whether anything was bad.
type onlooker struct{ bad atomic.Bool }

// follow goes through what is seen until ctx ends.
func (o *onlooker) follow(ctx context.Context, h *monitor.History, updates <-chan monitor.Update) {
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-updates:
			for _, e := range u.Events {
				if e.Level == elect.LevelBad {
					o.bad.Store(true)
				}
			}
			if item, ok := h.Item(u.Name, time.Now()); ok && troubled(item) {
				o.bad.Store(true)
			}
		}
	}
}

// troubled says whether a record is one for which status ends with 1.
func troubled(item monitor.Item) bool {
	l := item.State.Level()
	return item.State != "" && (l == elect.LevelBad || l == elect.LevelUnknown)
}

func (o *onlooker) code(h *monitor.History) int {
	items := h.Items(time.Now())
	switch {
	case o.bad.Load() || slices.ContainsFunc(items, troubled):
		return exitFailed
	case slices.ContainsFunc(items, func(item monitor.Item) bool { return item.Seen == nil || item.Error != "" && item.Raw == "" }):
		return exitUnreachable
	}
	return exitOK
}

// eventDoc is a line of --jsonl.
type eventDoc struct {
	Schema string `json:"schema"`
	monitor.Event
}

// watchLines prints events as they come, until ctx ends, even if nobody reads what
// it prints.
func (a *app) watchLines(ctx context.Context, h *monitor.History, jsonl bool, records int) error {
	updates, cancel := h.Subscribe(4096)
	defer cancel()
	if isTerminal(a.stderr) {
		fmt.Fprintf(a.stderr, "watching %d of DNS; a line for each event. Ctrl-C ends\n", records)
	}
	printed := make(chan error, 1)
	go func() { printed <- a.printEvents(ctx, h, updates, jsonl) }()
	select {
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
				events = h.Events("", 0, 1<<20)
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
	t := [...]tone{elect.LevelFine: good, elect.LevelDoubtful: doubtful, elect.LevelBad: bad, elect.LevelUnknown: neutral}[min(e.Level, elect.LevelUnknown)]
	return a.sayf("%s  %s %s  %s\n", e.Time.Format(time.RFC3339), a.sign(a.stdout, t), plain(name), plain(strings.TrimSpace(e.Text)))
}
