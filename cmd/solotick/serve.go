package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/monitor/api"
	"github.com/solotick/solotick/monitor/page"
)

// serveFlags are those of "serve".
type serveFlags struct {
	q     query
	log   logFlags
	alarm alarmFlags
	web   webFlags
	admin adminFlags
	told  toldFlags

	names     string // a file
	every     time.Duration
	data      string
	title     string
	resolvers []string // that /probe may ask
	metrics   int
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve [NAME...] [@server...]",
		Short: "The page: show what DNS tells of records, with a JSON API and metrics",
		Long: `Look at records on and on, and show what they amount to: a page for people, a JSON
API (api/v1/openapi.json), /metrics and /probe for Prometheus, badges, /livez and
/readyz. It needs no credentials and no agent: all of it is asked of DNS. A NAME with
a dot is a DNS name; else it is a job of the file; without names, all jobs of the
file, which is read again when its text has changed, and on HUP.

It only shows, to this machine alone, and forgets when it ends; --listen, --data and
--admin change that. TERM or INT end it.`,
		Example: "  solotick serve canary.example.com nightly.example.com\n" +
			"  solotick serve -c solotick.yaml --listen :8080 --web-config web.yaml --data /var/lib/solotick/history\n" +
			"  solotick serve -c solotick.yaml --resolver 1.1.1.1 --notify ops",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.q.parse(args); err != nil {
				return err
			}
			return a.serve(cmd.Context(), &f)
		},
	}
	fl := c.Flags()
	f.web.add(c)
	fl.StringVar(&f.names, "names-from", "", "a file with more names, one a line; read again when it has changed")
	a.queryFlags(c, &f.q)
	fl.DurationVar(&f.every, "every", 0, "how often each record is looked at (default: 5s to 1m, as there are few or many)")
	fl.StringVar(&f.data, "data", "", "a file to keep what was seen in (default: in memory)")
	fl.StringVar(&f.title, "title", "", "whose records these are, for the page")
	f.alarm.add(c)
	f.told.add(c)
	f.admin.add(c)
	fl.StringSliceVar(&f.resolvers, "probe-resolvers", nil, "resolvers that /probe?resolver= may ask, beside those of --resolver and @server; any: every address")
	fl.IntVar(&f.metrics, "metrics-records", api.DefaultRecords, "with more records than this, /metrics has totals only; -1: never")
	f.log.add(c)
	return c
}

// check finds what is wrong with the flags by themselves.
func (f *serveFlags) check() error {
	switch {
	case f.every != 0 && f.every < time.Second:
		return usage("--every %s: want at least 1s", f.every)
	case f.metrics < -1:
		return usage("--metrics-records %d: want a number, or -1", f.metrics)
	}
	for _, r := range f.resolvers {
		if r == "any" {
			continue
		}
		if err := api.CheckResolver(r); err != nil {
			return usage("--probe-resolvers: %w", err)
		}
	}
	return f.web.check()
}

// An observatory is a running "serve".
type observatory struct {
	app      *app
	flags    *serveFlags
	log      *slog.Logger
	list     *watchList
	history  *monitor.History
	observer *monitor.Observer
	api      *api.API
	alarms   interface{ Run(context.Context) error } // nil: nobody is told
}

func (a *app) serve(ctx context.Context, f *serveFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	log, err := a.logger(f.log)
	if err != nil {
		return err
	}
	o := &observatory{app: a, flags: f, log: log}
	if o.list, err = a.newWatchList(ctx, &f.q, f.names, log); err != nil {
		return err
	}
	if o.history, err = openHistory(f.data); err != nil {
		return err
	}
	err = o.run(ctx)
	if e := o.history.Close(); e != nil && err == nil {
		err = &failure{code: exitFailed, err: e, means: "what was seen last may be missing in the file of --data"}
	}
	return err
}

func openHistory(path string) (*monitor.History, error) {
	if path == "" {
		return monitor.NewHistory(monitor.Limits{}), nil
	}
	h, err := monitor.OpenHistory(path, monitor.Limits{})
	if err != nil {
		do := "see that this user may write in the folder of --data, and that no other serve has the file; it is made if it is not there"
		if errors.Is(err, monitor.ErrNoHistory) || errors.Is(err, monitor.ErrDamaged) {
			do = "name another file with --data; one is made if it is not there"
		}
		return nil, &failure{
			code: exitFailed, err: err, means: "nothing was started; agents are not affected", do: do,
		}
	}
	return h, nil
}

// run serves until ctx ends.
func (o *observatory) run(ctx context.Context) error {
	if err := o.prepare(); err != nil {
		return err
	}
	l, err := o.flags.web.open(ctx)
	if err != nil {
		return err
	}
	ctx, sig := o.app.signals(ctx)
	defer sig.stop()
	o.tell(l.Addr())
	var parts sync.WaitGroup
	defer parts.Wait()
	looking, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	parts.Go(func() { _ = o.observer.Run(looking) }) // ends with looking, and without an error
	if o.alarms != nil {
		parts.Go(func() { _ = o.alarms.Run(looking) })
	}
	parts.Go(func() { o.keepUp(looking, sig.reload) })
	served := make(chan error, 1)
	go func() { served <- o.flags.web.serve(ctx, l, o.api, o.log) }()
	notifySystemd("READY=1")
	defer notifySystemd("STOPPING=1")
	select {
	case err = <-served:
	case n := <-sig.again:
		return exit(128 + n)
	}
	if err != nil {
		return &failure{code: exitFailed, err: err, means: "nothing is shown any more; agents are not affected"}
	}
	return nil
}

// prepare makes all parts.
func (o *observatory) prepare() error {
	f, first := o.flags, o.list.now
	eyes := monitor.EyesConfig{Servers: f.q.addresses(), Resolvers: f.q.resolvers}
	if len(eyes.Servers) == 0 && first.dns != nil {
		eyes.Servers = outside(first.dns)
	}
	warnOfOpenFiles(o.log, f.q.keys...)
	look, err := monitor.NewEyes(eyes)
	if err != nil {
		return usage("%w", err)
	}
	o.history.Watch(first.targets...)
	o.observer = &monitor.Observer{Eyes: look, History: o.history, Every: f.every, Log: o.log}
	if d, err := o.app.alarmDesk(f.alarm, f.q.file, f.data, o.history, o.log); err != nil {
		return err
	} else if d != nil {
		o.alarms = d
	}
	cfg := api.Config{
		History: o.history, Observer: o.observer, Eyes: look, Register: first.register, Base: f.web.base, Title: f.title, Version: buildInfo().Version,
		Resolvers: f.q.resolvers, Records: f.metrics, Log: o.log,
	}
	for _, r := range f.resolvers {
		if r == "any" {
			cfg.AnyResolver = true
		} else {
			cfg.Resolvers = append(cfg.Resolvers, r)
		}
	}
	cfg.Resolvers = append(cfg.Resolvers, f.q.addresses()...)
	if cfg.Receive, err = o.receiver(); err != nil {
		return err
	}
	if cfg.Admin, err = o.operators(); err != nil {
		return err
	}
	pages := page.Config{History: o.history, Base: f.web.base, Title: f.title, Version: cfg.Version}
	if cfg.Admin != nil {
		pages.Admin = func(_ http.ResponseWriter, r *http.Request) (string, bool) { return o.api.Session(r) }
	}
	cfg.Page, cfg.Style = page.Handler(pages), page.Style()
	if o.api, err = api.New(cfg); err != nil {
		return usage("%w", err)
	}
	return nil
}

// tell says where the page is, and what it is about.
func (o *observatory) tell(addr interface{ String() string }) {
	n := len(o.list.now.targets)
	kept := "in memory"
	if o.flags.data != "" {
		kept = o.flags.data
	}
	attrs := []any{"url", o.flags.web.url(addr.String()), "records", n, "every", o.observer.Interval(n), "kept", kept, "pid", os.Getpid()}
	if o.alarms != nil {
		attrs = append(attrs, "alarms", "on")
	}
	if o.flags.admin.on {
		attrs = append(attrs, "admin", "on")
	}
	o.log.Info("serving", attrs...)
	if n == 0 {
		o.log.Warn("no records are watched", "to_do", "name some: solotick serve NAME..., or jobs in the file")
	}
	o.flags.web.warn(addr.String(), o.log)
}

// keepUp reads the names again when they have changed, and lets the service manager
// know that the observer lives.
func (o *observatory) keepUp(ctx context.Context, hup <-chan os.Signal) {
	look := time.NewTicker(2 * time.Second)
	defer look.Stop()
	var beat <-chan time.Time
	if every := watchdogEvery(); every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		beat = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat:
			if o.api.Live(time.Now()) == nil {
				notifySystemd("WATCHDOG=1")
			}
		case <-look.C:
			o.reload(ctx, false)
		case <-hup:
			reloading()
			o.reload(ctx, true)
			notifySystemd("READY=1")
		}
	}
}

func (o *observatory) reload(ctx context.Context, now bool) {
	gone, changed := o.list.look(ctx, now)
	if !changed {
		return
	}
	o.history.Forget(gone...)
	o.history.Watch(o.list.now.targets...)
	o.log.Info("records are others now", "records", len(o.list.now.targets), "gone", len(gone))
	notifySystemd(fmt.Sprintf("STATUS=%d records", len(o.list.now.targets)))
}

var errNoFile = errors.New("operators need a file with the credentials of the register")
