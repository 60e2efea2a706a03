package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/steps"
)

// do is the job's plan as a job of the library.
func (f *fleet) do(at *post, p elect.Policy) func(context.Context, solotick.Tick) error {
	m := at.member
	return func(ctx context.Context, t solotick.Tick) error {
		run := steps.Run{
			Job: t.Job, Record: m.Record, Agent: t.Agent, Tick: t.Time, Attempt: t.Attempt, Attempts: p.Attempts,
			Fence: t.Fence, Unarbitrated: t.Unarbitrated, Last: string(t.Last), State: t.State,
			Left: t.Left, Renewed: t.Renewed(), Grace: p.KillGrace,
			Stdout: f.stdout, Stderr: f.stderr, Guards: f.guards,
		}
		if next := p.Schedule.Next(t.Time.Unix()); next != 0 {
			run.Next = time.Unix(next, 0)
		}
		if before := at.before.Load(); before != 0 {
			run.Before = time.Unix(before, 0)
		}
		if p.Timeout > 0 {
			run.Deadline = time.Now().Add(p.Timeout)
		}
		if end := time.Now().Add(t.Left() - p.KillGrace); p.AtMostOnce && (p.Timeout == 0 || end.Before(run.Deadline)) {
			run.Deadline = end // under the other guarantee a claim is renewed
		}
		plan, err := f.plan(ctx, m)
		if err != nil {
			return fmt.Errorf("%w: %w", solotick.ErrSkipped, err)
		}
		ctx, stop := planContext(ctx)
		defer stop()
		run.TraceParent = parents(m, t, plan, f.traces != nil)
		if secrets := f.secrets.Load(); secrets != nil {
			run.Secrets = *secrets
		}
		if names := f.withheld.Load(); names != nil {
			run.Withheld = *names
		}
		res, err := plan.Do(ctx, run)
		if res.StateSet {
			err = errors.Join(err, t.SetState(res.State))
		}
		f.report(m.Name, plan, t, res, err)
		at.did(t, plan, res, err)
		switch {
		case errors.Is(err, steps.ErrSkipped):
			return fmt.Errorf("%w: %w", solotick.ErrSkipped, err)
		case errors.Is(err, steps.ErrTimeout):
			return fmt.Errorf("%w: %w", solotick.ErrTimeout, err)
		}
		return err
	}
}

// planContext is a run's context in the words of package steps: one that its agent
// ends because its time is over has timed out.
func planContext(run context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(run))
	pass := func() {
		cause := context.Cause(run)
		if errors.Is(cause, solotick.ErrTimeout) {
			cause = steps.ErrTimeout
		}
		cancel(cause)
	}
	stop := context.AfterFunc(run, pass)
	if run.Err() != nil {
		pass() // now: nothing is begun any more
	}
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// plan is what a run of m has to do: of a list that lies elsewhere, the newest.
func (f *fleet) plan(ctx context.Context, m member) (*steps.Plan, error) {
	from := f.latest.Load()
	if from == nil || !m.From {
		return m.Plan, nil
	}
	if t := m.Policy.Timeout; t > 0 { // a place that does not answer leaves half of the run's time to the old list
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t/2)
		defer cancel()
	}
	job, err := from.job(ctx, m.Name)
	if err != nil {
		return nil, err
	}
	if job.Hash == m.Mark {
		return m.Plan, nil // which remembers what an outage of the register has it remember
	}
	return job.Plan, nil
}

// report logs what the steps of a run did, and what people have to know of it.
func (f *fleet) report(job string, plan *steps.Plan, t solotick.Tick, res steps.Result, err error) {
	log := f.log.With("job", job, "tick", t.Time.Format(time.RFC3339))
	for _, s := range res.Steps {
		level := slog.LevelDebug
		args := []any{"step", s.Step, "does", string(s.Kind), "result", s.Result, "took", s.Took.Round(time.Millisecond)}
		if s.Note != "" {
			args = append(args, "note", s.Note)
		}
		if s.Err != nil {
			args = append(args, "err", s.Err)
		}
		switch {
		case s.Err == nil:
		case s.Kind == steps.KindAlert && s.Result == "ok":
			level = slog.LevelError // the run is well, and nobody knows what it has found
		case !errors.Is(err, s.Err): // else it is in the line about the run
			level = slog.LevelWarn
		}
		if len(res.Steps) > 1 || s.Kind != steps.KindExec || level > slog.LevelWarn {
			log.Log(context.Background(), level, "step", args...)
		}
	}
	if err != nil && res.Tail != "" && plan.Quiet() {
		log.Error("what it printed", "output", res.Tail)
	}
}
