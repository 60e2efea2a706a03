package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/source"
	"github.com/solotick/solotick/steps"
)

// A dryRun is what "run --dry-run --json" prints.
type dryRun struct {
	Schema string        `json:"schema"`
	Jobs   []dryRunOfJob `json:"jobs"`
}

type dryRunOfJob struct {
	Job   string       `json:"job"`
	Tick  time.Time    `json:"tick"`  // the next one
	State string       `json:"state"` // of the record
	Note  string       `json:"note,omitempty"`
	Steps []steps.Line `json:"steps"`
}

// dryRun tells what the next run of each job would do. It reads records by DNS.
func (a *app) dryRun(ctx context.Context, file, job string, asJSON bool) error {
	c, err := a.loadConfig(file)
	if err != nil {
		return err
	}
	jobs, err := a.allJobs(ctx, c)
	if err != nil {
		return err
	}
	if job != "" {
		known := &config.Config{DNS: c.DNS, Jobs: jobs}
		s, err := findSite(known, job)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(jobs, func(j config.Job) bool { return j.Record == s.name })
		if i < 0 {
			return usage("no job of the file has the record %s", s.name)
		}
		jobs = jobs[i : i+1]
	}
	doc := dryRun{Schema: "solotick.dryrun/v1", Jobs: []dryRunOfJob{}}
	failed := false
	for _, j := range jobs {
		d := a.rehearse(ctx, c, j)
		doc.Jobs = append(doc.Jobs, d)
		for _, l := range d.Steps {
			failed = failed || l.Failed
		}
		if !asJSON {
			a.showRehearsal(d)
		}
	}
	if asJSON {
		if err := a.json(doc); err != nil {
			return err
		}
	}
	if failed {
		return exit(exitFailed)
	}
	return nil
}

// allJobs are those of the file, and those of the list that lies elsewhere as it
// is now.
func (a *app) allJobs(ctx context.Context, c *config.Config) ([]config.Job, error) {
	if c.From == nil {
		return c.Jobs, nil
	}
	s, err := source.New(c.From.Source)
	if err != nil {
		return nil, configFailure(err)
	}
	doc, err := s.Fetch(ctx)
	if err != nil {
		return nil, &failure{code: exitUnreachable, err: fmt.Errorf("the list of jobs cannot be read: %s: %w", s, err), means: "agents go on with the last list that they had", do: "solotick doctor"}
	}
	more, err := c.Parse(s.String(), doc.Text)
	if err != nil {
		return nil, configFailure(err)
	}
	return append(c.Jobs[:len(c.Jobs):len(c.Jobs)], more...), nil
}

func (a *app) rehearse(ctx context.Context, c *config.Config, j config.Job) dryRunOfJob {
	p := policyOf(j)
	tick := j.Schedule.Next(time.Now().Unix())
	d := dryRunOfJob{Job: j.Name, Tick: time.Unix(tick, 0).UTC()}
	run := steps.Run{
		Job: j.Name, Record: j.Record, Agent: "DRYRUN", Tick: d.Tick, Attempt: 1, Attempts: p.Attempts, Fence: time.Now().UnixMilli(), Grace: p.KillGrace,
	}
	if next := j.Schedule.Next(tick); next != 0 {
		run.Next = time.Unix(next, 0)
	}
	if p.Timeout > 0 {
		run.Deadline = time.Now().Add(p.Timeout)
	}
	q := query{dns: &c.DNS}
	switch seen := q.ask(ctx, siteOf(c, j)); {
	case seen.err != nil:
		d.Note = fmt.Sprintf("DNS does not tell the record, so nothing is known of earlier runs: %v", seen.err)
	case seen.Set.State == record.Present:
		run.State, run.Last = seen.Set.Record.State, string(seen.Set.Record.Last)
	}
	d.State = run.State
	d.Steps = j.Plan.Rehearse(ctx, run)
	return d
}

func (a *app) showRehearsal(d dryRunOfJob) {
	a.sayf("%s, as for the tick of %s\n", d.Job, d.Tick.Format(time.RFC3339))
	if d.Note != "" {
		a.sayf("  %s %s\n", a.sign(a.stdout, doubtful), wrap(d.Note, 76, "    "))
	}
	width := 5
	for _, l := range d.Steps {
		width = max(width, len(l.Step))
	}
	for _, l := range d.Steps {
		t := neutral
		switch {
		case l.Failed:
			t = bad
		case l.Done:
			t = good
		}
		pad := strings.Repeat(" ", width+6)
		a.sayf("  %s %-*s  %s\n", a.sign(a.stdout, t), width, l.Step, wrap(l.Text, 100, pad))
		if l.Answer != "" {
			a.sayf("%s%s\n", pad, a.paint(a.stdout, neutral, plain(strings.Join(strings.Fields(l.Answer), " "))))
		}
	}
}
