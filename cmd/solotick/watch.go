package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/monitor/tui"
)

// watchFlags are those of "watch".
type watchFlags struct {
	q     query
	alarm alarmFlags

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
else it is a job of the file; without names, all jobs of the file, which is read again
when its text has changed.

On a terminal it is a live view, whose last line shows its keys. Where standard input or
output is no terminal, it is a line for each event; --jsonl prints them as JSON. It goes
on until q, Ctrl-C or --for, and ends with 0. With --fail it ends with 1 if any record
was bad meanwhile, as status has it (missed, failing, damaged, no record), or something
else bad happened, and with 69 if there is one that no server has told of.`,
		Example: "  solotick watch canary.example.com\n" +
			"  solotick watch -c solotick.yaml --resolver 1.1.1.1 --resolver 8.8.8.8\n" +
			"  solotick watch canary.example.com --jsonl | jq -r 'select(.kind == \"takeover\").text'\n" +
			"  solotick watch canary --for 10m --fail </dev/null",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.q.parse(args); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends it now
			return a.watch(ctx, &f)
		},
	}
	a.queryFlags(c, &f.q)
	fl := c.Flags()
	fl.DurationVar(&f.every, "every", 0, "how often each record is looked at (default: 5s to 1m, as there are few or many)")
	fl.DurationVar(&f.limit, "for", 0, "end after this time (default: at q or Ctrl-C)")
	fl.BoolVar(&f.jsonl, "jsonl", false, "print events as JSON, one document a line, with a schema field")
	fl.BoolVar(&f.fail, "fail", false, "end with 1 if anything was bad meanwhile, with 69 if DNS did not answer")
	f.alarm.add(c)
	return c
}

func (f *watchFlags) check() error {
	switch {
	case f.every != 0 && f.every < time.Second:
		return usage("--every %s: want at least 1s", f.every)
	case f.limit < 0:
		return usage("--for %s: want a time", f.limit)
	}
	return nil
}

// A watch is a running "watch".
type watch struct {
	app     *app
	flags   *watchFlags
	list    *watchList
	history *monitor.History
	live    bool        // on a terminal
	notices chan string // of a live view
}

func (a *app) watch(ctx context.Context, f *watchFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	w := &watch{app: a, flags: f, history: monitor.NewHistory(monitor.Limits{}), live: !f.jsonl && a.interactive(), notices: make(chan string, 16)}
	log := w.log()
	f.q.often = true
	var err error
	if w.list, err = a.newWatchList(ctx, &f.q, "", log); err != nil {
		return err
	}
	f.q.dns = w.list.now.dns
	eyes, err := f.q.eyes()
	if err != nil {
		return err
	}
	alarms, err := a.alarmDesk(f.alarm, f.q.file, "", w.history, log)
	if err != nil {
		return err
	}
	w.history.Watch(w.list.now.targets...)
	if f.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.limit)
		defer cancel()
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var seen onlooker
	var parts sync.WaitGroup
	begin := func(part func(context.Context)) { parts.Go(func() { part(ctx) }) }
	begin(seen.follow(w.history))
	updates, cancel := w.history.Subscribe(buffer) // before the first look, which may be over at once
	defer cancel()
	begin(w.keepUp)
	observer := &monitor.Observer{Eyes: eyes, History: w.history, Every: f.every}
	begin(func(ctx context.Context) { _ = observer.Run(ctx) }) // ends with ctx, and without an error
	if alarms != nil {
		begin(func(ctx context.Context) { _ = alarms.Run(ctx) })
	}
	err = w.show(ctx, updates)
	end()
	parts.Wait()
	if err == nil && f.fail {
		err = exit(seen.code(w.history))
	}
	return err
}

// interactive says whether there is a terminal for a live view.
func (a *app) interactive() bool {
	term := a.env("TERM")
	return isTerminal(a.stdin) && isTerminal(a.stdout) && term != "" && term != "dumb"
}

// show shows what is seen until ctx ends, or the user has seen enough.
func (w *watch) show(ctx context.Context, updates <-chan monitor.Update) error {
	a := w.app
	if !w.live {
		return a.watchLines(ctx, w.history, updates, w.flags.jsonl)
	}
	err := tui.Run(ctx, tui.Config{
		History: w.history, Color: a.colored(a.stdout), Unicode: a.unicode(), Notices: w.notices,
	})
	if err != nil {
		return &failure{code: exitFailed, err: err, means: "nothing is shown any more; agents are not affected", do: "append </dev/null for a line for each event"}
	}
	return nil
}

// log is for what the user should know of beside the records. A live view has a
// place for it.
func (w *watch) log() *slog.Logger {
	out := &lineHandler{level: slog.LevelInfo, w: w.app.stderr, paint: w.app.paint, mu: new(sync.Mutex)}
	if w.live {
		out.w, out.paint = noticeWriter(w.notices), func(_ io.Writer, _ tone, text string) string { return text }
	}
	return slog.New(adviser{out})
}

// A noticeWriter hands lines on, as long as somebody takes them.
type noticeWriter chan<- string

func (n noticeWriter) Write(line []byte) (int, error) {
	select {
	case n <- strings.TrimSpace(string(line)):
	default:
	}
	return len(line), nil
}

// keepUp has records come and go as the file says.
func (w *watch) keepUp(ctx context.Context) {
	look := time.NewTicker(5 * time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if gone, changed := w.list.look(ctx, false); changed {
				w.history.Forget(gone...)
				w.history.Watch(w.list.current().targets...)
			}
		}
	}
}
