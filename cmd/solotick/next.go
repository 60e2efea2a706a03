package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

type nextDoc struct {
	Schema  string     `json:"schema"`
	Time    time.Time  `json:"time"`
	Records []nextItem `json:"records"`
}

type nextItem struct {
	Name  string    `json:"name"`
	Job   string    `json:"job,omitempty"`
	Error string    `json:"error,omitempty"`
	Text  string    `json:"text,omitempty"` // why there is no run to come
	Runs  []nextRun `json:"runs"`
}

// A nextRun is one run to come.
type nextRun struct {
	Time time.Time `json:"time"`
	In   float64   `json:"in_seconds"` // negative: due since
	What string    `json:"what"`       // tick, due, retry, takeover, after_pause
}

func (a *app) nextCommand() *cobra.Command {
	var q query
	var asJSON bool
	var many int
	c := &cobra.Command{
		Use: "next [NAME...] [@server...]", Short: "Tell when jobs run next; asks DNS, needs no credentials",
		Long: `Tell when jobs run next. Of a DNS name, that is what its record says. Of a job of the
file, its schedule tells the ticks after that too; if DNS does not answer, the
schedule alone.`,
		Example: "  solotick next canary.example.com\n  solotick next -c solotick.yaml -n 5 canary",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := q.parse(args); err != nil {
				return err
			}
			if many < 1 || many > 1000 {
				return usage("-n %d: want 1 to 1000", many)
			}
			sights, err := a.sights(cmd.Context(), &q)
			if err != nil {
				return err
			}
			return a.next(cmd, &q, sights, many, asJSON)
		},
	}
	a.queryFlags(c, &q)
	c.Flags().IntVarP(&many, "number", "n", 3, "how many runs of each job of the file")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) next(cmd *cobra.Command, q *query, sights []sight, many int, asJSON bool) error {
	now := time.Now()
	doc := nextDoc{Schema: "solotick.next/v1", Time: now.UTC().Truncate(time.Millisecond), Records: []nextItem{}}
	code := exitOK
	for _, s := range sights {
		_, old := q.judge(s, now)
		health := s.Health(now.Add(-old))
		item := nextItem{Name: s.name, Job: s.job, Runs: runsToCome(s, health, now, many)}
		switch {
		case s.err != nil:
			item.Error = s.err.Error()
			if !asJSON {
				a.end(cmd, s.err)
			}
			if code = exitCode(s.err); s.policy.Schedule != nil && !asJSON {
				fmt.Fprintf(a.stderr, "  %s by its schedule alone:\n", s)
			}
		case len(item.Runs) == 0:
			item.Text = health.Text
			if !asJSON {
				fmt.Fprintf(a.stderr, "%s: %s\n", s, plain(health.Text))
			}
			code = max(code, exitFailed)
		case asJSON:
		case s.Set.State != record.Present:
			fmt.Fprintf(a.stderr, "%s: %s; by its schedule alone:\n", s, plain(health.Text))
		case !s.Answer().Authoritative:
			fmt.Fprintf(a.stderr, "%s: from a cache, which keeps this answer for %s more\n", s, seconds(s.Answer().TTL))
		}
		doc.Records = append(doc.Records, item)
		for _, r := range item.Runs {
			if !asJSON {
				a.sayf("%s  %-16s  %-11s  %s\n", r.Time.Format(time.RFC3339), r.in(), r.word(), s)
			}
		}
	}
	if asJSON {
		if err := a.json(doc); err != nil {
			return err
		}
	}
	return exit(code)
}

func (r nextRun) in() string {
	d := time.Duration(r.In * float64(time.Second))
	if d < 0 {
		return "since " + monitor.Distance(d)
	}
	return "in " + monitor.Distance(d)
}

func (r nextRun) word() string {
	if r.What == "after_pause" {
		return "after pause"
	}
	return r.What
}

// runsToCome is what the record says comes next, and the schedule's ticks after
// that.
func runsToCome(s sight, health elect.Status, now time.Time, many int) []nextRun {
	runs := []nextRun{}
	add := func(sec int64, what string) {
		if sec > latest {
			return
		}
		t := time.Unix(sec, 0).UTC()
		runs = append(runs, nextRun{t, t.Sub(now).Truncate(time.Millisecond).Seconds(), what})
	}
	r := s.Set.Record
	after := now.Unix()
	switch first := max(r.Timer, r.Pause); {
	case s.err != nil || s.Set.State != record.Present:
	case r.Pause < 0 && !r.Claimed, r.Timer == 0:
		return runs
	default:
		if r.Claimed && health.Overdue > 0 {
			add(health.LateAfter, "takeover")
		}
		what := "tick"
		switch {
		case r.Pause > r.Timer && r.Pause > after:
			what = "after_pause"
		case r.Attempt() > 1 && !r.Claimed:
			what = "retry"
		case first <= after:
			what = "due"
		}
		add(first, what)
		after = max(after, first)
	}
	if s.policy.Schedule != nil {
		for t := s.policy.Schedule.Next(after); t != 0 && len(runs) < many; t = s.policy.Schedule.Next(t) {
			add(t, "tick")
		}
	}
	slices.SortStableFunc(runs, func(a, b nextRun) int { return a.Time.Compare(b.Time) })
	return runs
}
