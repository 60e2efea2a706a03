package main

import (
	"fmt"
	"log/slog"
	"slices"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/internal/journal"
	"github.com/solotick/solotick/internal/trace"
	"github.com/solotick/solotick/report"
)

// outlets has a fleet's runs told where the file and the environment say, and what it
// does kept. d counts what becomes of reports, and answers what was kept; nil: there is
// none.
func (a *app) outlets(c *config.Config, f *fleet, d *desk, log *slog.Logger) error {
	f.keepJournal(c.Agent, d)
	if to := c.Agent.Report; to != nil {
		cfg := report.Config{URL: to.URL, Token: to.Token, Key: to.HMAC, Log: log}
		if d != nil {
			cfg.Count = func(outcome string, n int) { d.reports.WithLabelValues(outcome).Add(float64(n)) }
		}
		s, err := report.NewSender(cfg)
		if err != nil {
			return configFailure(fmt.Errorf("agent.report: %w", err))
		}
		f.finish = append(f.finish, func(r *finished) { s.Send(r.report(to.Output)) })
		f.close = append(f.close, s.Close)
	}
	traces, err := trace.New(trace.Config{Getenv: a.env, Version: buildInfo().Version, Agent: f.id, Log: log})
	if err != nil {
		log.Warn("no traces are sent; the jobs run all the same", "err", err)
		return nil
	}
	if traces != nil {
		log.Info("sending traces of runs", "to", traces.Host())
		f.traces = traces
		f.finish = append(f.finish, func(r *finished) { traces.Add(r.spans()...) })
		f.close = append(f.close, traces.Close)
	}
	return nil
}

// keepJournal has what the agents do kept in memory, if somebody can ask for it, and
// in a file, if the agent's own file says so.
func (f *fleet) keepJournal(a config.Agent, d *desk) {
	ask := d != nil && a.Listen != ""
	if !ask && a.Events == "" {
		return
	}
	var file *journal.File
	if a.Events != "" {
		file = journal.NewFile(a.Events, f.log)
		f.close = append(f.close, file.Close)
	}
	book := journal.NewBook(ask, file)
	if d != nil {
		d.book = book
	}
	f.observe = append(f.observe, func(m member, ev solotick.Event) { book.Add(journal.Of(f.id, m.Name, recordName(m), ev)) })
	f.forget = append(f.forget, func(m member) { book.Forget(m.Name) })
}

// hide has what may be secret not be told of what commands print: what a file says,
// and the key in use; and has commands not inherit what the file takes from the environment.
func (f *fleet) hide(c *config.Config, svc *service) {
	all := c.Secrets()
	if len(svc.key.Secret) > 0 {
		all = append(all[:len(all):len(all)], string(svc.key.Secret))
	}
	f.secrets.Store(&all)
	withheld := withheldBy(f.file, c)
	if before := f.withheld.Load(); before != nil { // what a file named once is in the environment still
		withheld = slices.Concat(withheld, *before)
	}
	slices.Sort(withheld)
	withheld = slices.Compact(withheld)
	f.withheld.Store(&withheld)
}
