package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

const historySchema = "solotick.history/v1"

type historyDoc struct {
	Schema  string        `json:"schema"`
	Time    time.Time     `json:"time"`
	Source  string        `json:"source"` // record, dns, server or file
	Records []historyItem `json:"records"`
}

// A historyItem is the past of one record, as far as the source knows it.
type historyItem struct {
	monitor.Runs
	Job   string `json:"job,omitempty"`
	Error string `json:"error,omitempty"` // why nothing is known; then there are no runs
}

// A past is what history was asked.
type past struct {
	query

	howLong time.Duration // to watch
	every   time.Duration // between two looks
	source  string        // of --from
	since   time.Duration
	asJSON  bool
}

func (a *app) historyCommand() *cobra.Command {
	var q past
	c := &cobra.Command{
		Use: "history [NAME...] [@server...]", Short: "Tell which runs there were, as far as that can be known",
		Long: `Tell which runs there were: which tick, by which agent, how late it began, how long it
took and how it ended. DNS keeps only the present, so without a flag that is the latest
run, as the record tells it. --for watches by DNS and prints each run when it is over;
Ctrl-C, or the end of that time, adds a table. A run shorter than the time between two
looks shows its result, and not when it began. --from asks a solotick serve, or reads
the file that it keeps its history in.

A NAME with a dot is a DNS name; else it is a job of the file; without names, all jobs
of the file.`,
		Example: "  solotick history canary.example.com --for 10m\n" +
			"  solotick history canary.example.com --from http://127.0.0.1:8080 --since 168h\n" +
			"  solotick history --from /var/lib/solotick/history --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := q.check(cmd, args); err != nil {
				return err
			}
			switch {
			case q.source != "":
				return a.historyFrom(cmd, &q)
			case q.howLong > 0:
				return a.historyWatch(cmd, &q)
			}
			return a.historyNow(cmd, &q)
		},
	}
	a.queryFlags(c, &q.query)
	c.Flags().DurationVar(&q.howLong, "for", 0, "watch for that long, such as 10m")
	c.Flags().DurationVar(&q.every, "every", 0, "with --for: the time between two looks (default: what fits, from 5s to 1m)")
	c.Flags().StringVar(&q.source, "from", "", "`URL` of a solotick serve, or the file of its history")
	c.Flags().DurationVar(&q.since, "since", 24*time.Hour, "with --from: how far back; 0: to the beginning")
	jsonFlag(c, &q.asJSON)
	return c
}

// check takes the arguments and finds flags that do not go together.
func (q *past) check(cmd *cobra.Command, args []string) error {
	if err := q.parse(args); err != nil {
		return err
	}
	given := cmd.Flags().Changed
	switch {
	case q.source != "" && (len(q.servers) > 0 || len(q.resolvers) > 0):
		return usage("--from asks no DNS server: leave out @server and --resolver")
	case q.source != "" && given("for"):
		return usage("--for watches by DNS, and --from asks who did: take one")
	case q.source == "" && given("since"):
		return usage("--since is for --from: DNS keeps only the present")
	case given("for") && q.howLong < time.Second:
		return usage("--for %s: want at least 1s", q.howLong)
	case given("every") && q.howLong == 0:
		return usage("--every is for --for: without it there is one look")
	case given("every") && q.every < time.Second:
		return usage("--every %s: want at least 1s", q.every)
	case q.since < 0:
		return usage("--since %s: want a time that has passed", q.since)
	}
	q.often = q.howLong > 0
	return nil
}

// historyNow tells what the records alone tell.
func (a *app) historyNow(cmd *cobra.Command, q *past) error {
	sights, err := a.sights(cmd.Context(), &q.query)
	if err != nil {
		return err
	}
	now, code := time.Now(), exitOK
	h := monitor.NewHistory(monitor.Limits{})
	doc := newHistoryDoc("record", now)
	for _, s := range sights {
		h.Watch(s.target())
		h.See(s.Sight)
		item := historyItem{Runs: everything(h, s.name, now), Job: s.job}
		switch {
		case s.err != nil:
			item.Error, code = s.err.Error(), exitCode(s.err)
			if !q.asJSON {
				a.end(cmd, s.err)
			}
		case s.Set.State != record.Present:
			code = max(code, exitFailed)
		}
		doc.Records = append(doc.Records, item)
		if !q.asJSON && s.err == nil {
			a.latestRun(q, s, item, now)
		}
	}
	if q.asJSON {
		return a.endDocument(doc, code)
	}
	fmt.Fprintln(a.stderr, "DNS keeps only the present. To see more: --for 10m watches, and --from asks a solotick serve that did.")
	return exit(code)
}

// latestRun is the run that a record tells of, and the next one.
func (a *app) latestRun(q *past, s sight, item historyItem, now time.Time) {
	judged, _ := q.judge(s, now)
	a.sayf("%s  %s\n  %s\n", s, strings.TrimRight(a.badge(judged.State), " "), wrap(judged.Text, 88, "  "))
	if len(item.Runs.Runs) > 0 {
		t := a.newTable(false)
		t.head()
		for _, r := range item.Runs.Runs {
			t.run("", r)
		}
	}
	if judged.Next != nil {
		a.sayf("next run %s, %s\n", moment(judged.Next.Unix(), now), fromNow(judged.Next.Sub(now)))
	}
	a.notes(judged.Notes)
}

// everything is all that a history knows of a record, which may be from before it
// was looked at.
func everything(h *monitor.History, name string, now time.Time) monitor.Runs {
	d := h.RunsDocument(name, 0, math.MaxInt64)
	d.From, d.To = now.Unix(), now.Unix()
	for _, r := range d.Runs {
		d.From = min(d.From, r.At())
	}
	for _, s := range d.Spans {
		d.From = min(d.From, s.From)
	}
	return d
}

// historyWatch watches for a while.
func (a *app) historyWatch(cmd *cobra.Command, q *past) error {
	sites, err := a.asked(&q.query)
	if err != nil {
		return err
	}
	h := monitor.NewHistory(monitor.Limits{})
	for _, s := range sites {
		if err := checkDNSName(s.name); err != nil {
			return usage("%q is no DNS name: %w", s.name, err)
		}
		h.Watch(s.target())
	}
	eyes, err := q.eyes()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, q.howLong)
	defer cancel()
	began := time.Now()
	t := a.newTable(len(sites) > 1)
	if !q.asJSON {
		fmt.Fprintf(a.stderr, "watching for %s; each run is printed when it is over; Ctrl-C ends\n", q.howLong)
		t.head()
	}
	a.follow(ctx, h, &monitor.Observer{Eyes: eyes, History: h, Every: q.every}, func(name string, events []monitor.Event) {
		if !q.asJSON {
			t.news(siteNamed(sites, name), h, events)
		}
	})
	stop() // a second signal ends this at once
	return a.endWatch(q, h, sites, t, began)
}

// follow observes until ctx ends, and calls saw after every look.
func (a *app) follow(ctx context.Context, h *monitor.History, o *monitor.Observer, saw func(string, []monitor.Event)) {
	updates, cancel := h.Subscribe(1024)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	for {
		select {
		case u := <-updates:
			saw(u.Name, u.Events)
		case <-done: // it only ends when ctx does
			for {
				select {
				case u := <-updates:
					saw(u.Name, u.Events)
				default:
					return
				}
			}
		}
	}
}

// endWatch tells what was seen in all that time.
func (a *app) endWatch(q *past, h *monitor.History, sites []site, t *table, began time.Time) error {
	now, code := time.Now(), exitOK
	doc := newHistoryDoc("dns", now)
	for _, s := range sites {
		item := historyItem{Runs: everything(h, s.name, now), Job: s.job}
		if len(item.Spans) == 0 {
			item.Error = "no server told of it in all that time"
			if seen, ok := h.Item(s.name, now); ok && seen.Error != "" {
				item.Error = seen.Error
			}
			code = exitUnreachable
		}
		doc.Records = append(doc.Records, item)
	}
	if q.asJSON {
		return a.endDocument(doc, code)
	}
	for i, item := range doc.Records {
		if item.Error != "" {
			fmt.Fprintf(a.stderr, "%s: %s\n", sites[i], lines(item.Error))
			continue
		}
		t.running(sites[i], item.Runs.Runs)
	}
	a.sayf("\nwatched for %s%s\n", monitor.Distance(now.Sub(began)), gapWords(doc.Records))
	t.tally(doc.Records)
	return exit(code)
}

// gapWords says in how many stretches records were looked at.
func gapWords(items []historyItem) string {
	gaps := 0
	for _, item := range items {
		gaps += max(len(item.Spans)-1, 0)
	}
	switch gaps {
	case 0:
		return " without a gap"
	case 1:
		return ", with a gap"
	}
	return fmt.Sprintf(", with %d gaps", gaps)
}

func newHistoryDoc(source string, now time.Time) historyDoc {
	return historyDoc{Schema: historySchema, Time: now.UTC().Truncate(time.Millisecond), Source: source, Records: []historyItem{}}
}

// endDocument prints a document and ends with a code.
func (a *app) endDocument(doc historyDoc, code int) error {
	if err := a.json(doc); err != nil {
		return err
	}
	return exit(code)
}

func siteNamed(sites []site, name string) site {
	for _, s := range sites {
		if s.name == name {
			return s
		}
	}
	return site{name: name}
}
