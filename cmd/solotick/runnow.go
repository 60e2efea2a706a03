package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/steps"
)

// runNow runs a job once on this machine, whatever its schedule and its record say.
func (a *app) runNow(ctx context.Context, file, name string, asJSON bool) error {
	path, err := a.configPath(file)
	if err != nil {
		return err
	}
	c, err := a.loadConfig(path)
	if err != nil {
		return err
	}
	j, err := a.oneJob(ctx, c, name)
	if err != nil {
		return err
	}
	id, err := solotick.NewID(c.Agent.ID)
	if err != nil {
		return configFailure(err)
	}
	m := member{Name: j.Name, Record: j.Record, Policy: policyOf(j), Plan: j.Plan}
	t := solotick.Tick{Job: j.Name, Time: time.Now().UTC().Truncate(time.Second), Attempt: 1, Agent: id, Unarbitrated: true}
	a.aboutRecord(ctx, c, j, &t)
	r := a.perform(ctx, m, t, c.Secrets(), withheldBy(path, c), asJSON)
	if asJSON {
		rep := r.report(true)
		rep.Clip()
		if err := a.json(rep); err != nil {
			return err
		}
	} else {
		a.tellRun(r)
	}
	return exit(codeOfRun(r))
}

// oneJob is a job of the file, or of the list that lies elsewhere.
func (a *app) oneJob(ctx context.Context, c *config.Config, name string) (config.Job, error) {
	jobs, err := a.allJobs(ctx, c)
	if err != nil {
		return config.Job{}, err
	}
	s, err := findSite(&config.Config{DNS: c.DNS, Jobs: jobs}, name)
	if err != nil {
		return config.Job{}, err
	}
	i := slices.IndexFunc(jobs, func(j config.Job) bool { return j.Record == s.name })
	if i < 0 {
		return config.Job{}, usage("no job of the file has the record %s", s.name)
	}
	return jobs[i], nil
}

// aboutRecord gives a run outside the schedule what the record tells, and says what a
// person has to know of it.
func (a *app) aboutRecord(ctx context.Context, c *config.Config, j config.Job, t *solotick.Tick) {
	say := func(format string, args ...any) { fmt.Fprintf(a.stderr, j.Name+": "+format+"\n", args...) }
	say("a run outside the schedule, on this machine alone: there is no claim and no fence, and what the job leaves as its state is not kept")
	q := query{dns: &c.DNS}
	seen := q.ask(ctx, siteOf(c, j))
	r := seen.Set.Record
	switch {
	case seen.err != nil:
		say("DNS does not tell the record, so nothing is known of earlier runs: %s", lines(seen.err.Error()))
		return
	case seen.Set.State != record.Present:
		return
	case r.Claimed:
		say("%s is running it too, for the tick of %s", plain(r.ID), moment(r.TimerOld, time.Now()))
	case r.Pause < 0 || r.Pause > time.Now().Unix():
		say("it is paused %s, which keeps agents from running it, and not you", pauseWords(r, time.Now()))
	}
	t.Last, t.State = r.Last, r.State
}

// perform does what the job does.
func (a *app) perform(ctx context.Context, m member, t solotick.Tick, secrets, withheld []string, asJSON bool) *finished {
	run := steps.Run{
		Job: m.Name, Record: m.Record, Agent: t.Agent, Tick: t.Time, Attempt: 1, Attempts: 1, Unarbitrated: true,
		Last: string(t.Last), State: t.State, Grace: m.Policy.KillGrace, Secrets: secrets, Withheld: withheld, TraceParent: parents(m, t, m.Plan, false),
		Stdout: &lockedWriter{w: a.stdout}, Stderr: &lockedWriter{w: a.stderr}, Guards: new(steps.Guards),
	}
	defer run.Guards.Close()
	if asJSON {
		run.Stdout = run.Stderr // what is printed is one document
	}
	if next := m.Policy.Schedule.Next(t.Time.Unix()); next != 0 {
		run.Next = time.Unix(next, 0)
	}
	if m.Policy.Timeout > 0 {
		run.Deadline = time.Now().Add(m.Policy.Timeout)
	}
	r := &finished{member: m, tick: t, began: time.Now(), plan: m.Plan}
	r.steps, r.err = m.Plan.Do(ctx, run)
	r.ended = time.Now()
	r.took = r.ended.Sub(r.began)
	switch {
	case r.err == nil:
		r.result = record.OK
	case errors.Is(r.err, steps.ErrSkipped):
		r.result = record.Skipped
	case errors.Is(r.err, steps.ErrTimeout):
		r.result = record.Timeout
	default:
		r.result = record.Failed
	}
	return r
}

// tellRun tells how a run ended, beside what it printed.
func (a *app) tellRun(r *finished) {
	if r.err != nil && r.steps.Tail != "" && r.plan.Quiet() {
		_, _ = io.WriteString(a.stderr, r.steps.Tail)
	}
	if len(r.steps.Steps) > 1 {
		for _, s := range r.steps.Steps {
			text := fmt.Sprintf("  %s %s: %s", s.Kind, s.Step, s.Result)
			if s.Result != "skipped" {
				text += " after " + s.Took.Round(time.Millisecond).String()
			}
			if s.Note != "" {
				text += ", " + plain(s.Note)
			}
			if s.Err != nil {
				text += ": " + lines(s.Err.Error())
			}
			fmt.Fprintln(a.stderr, text)
		}
	}
	text := fmt.Sprintf("%s: %s after %s", r.member.Name, r.result, r.took.Round(time.Millisecond))
	if r.err != nil {
		text += ": " + lines(r.err.Error())
	}
	fmt.Fprintln(a.stderr, text)
}

// codeOfRun is the command's own code where the job is one command, and else 0 or 1.
func codeOfRun(r *finished) int {
	ok := r.result == record.OK || r.result == record.Skipped
	if code, ran := r.code(); ran && len(r.plan.Steps) == 1 && code > 0 {
		return code
	}
	if ok {
		return exitOK
	}
	return exitFailed
}
