// Package oncall runs what is due when another scheduler calls.
//
// It is what the adapters for cron and gocron share: a call that finds nothing to
// run is no failure, and one that finds an earlier tick, whose holder has vanished,
// goes on to the next.
package oncall

import (
	"context"
	"errors"
	"sync"

	"github.com/solotick/solotick"
)

// A Job is an agent that runs when it is called.
type Job struct {
	agent *solotick.Agent

	mu      sync.Mutex // held by the call that is in progress
	attempt int        // of its latest run
}

// Fit returns a copy of the agent that is fit for calls, with an id of its own and do
// in the place of its Job.Do, or why there is none.
func Fit(a *solotick.Agent, do func(context.Context, solotick.Tick) error) (*solotick.Agent, error) {
	switch {
	case do == nil:
		return nil, errors.New("the job has nothing to do")
	case a.Register == nil:
		return nil, errors.New("the job has no register: without a record it would run on every machine")
	case a.Policy.Schedule == nil || a.Policy.Lock:
		return nil, errors.New("the job has no schedule: nothing else tells which tick a call is for, and without ticks machines whose clocks differ by more than it takes would all run it")
	}
	p := a.Policy
	p.Fill()
	if err := p.Check(); err != nil {
		return nil, err
	}
	b := *a
	b.Job.Do = do
	if b.ID == "" {
		id, err := solotick.NewID("")
		if err != nil {
			return nil, err
		}
		b.ID = id
	}
	return &b, nil
}

// New makes a Job of the agent, with do in the place of its Job.Do.
func New(a *solotick.Agent, do func(context.Context, solotick.Tick) error) (*Job, error) {
	j := &Job{}
	agent, err := Fit(a, do)
	if err != nil {
		return nil, err
	}
	j.agent = agent
	agent.Job.Do = func(ctx context.Context, t solotick.Tick) error {
		j.attempt = t.Attempt
		return do(ctx, t)
	}
	return j, nil
}

// Call runs what is due. Nothing to run is no error, and neither is an earlier call
// that still goes on.
func (j *Job) Call(ctx context.Context) error {
	if !j.mu.TryLock() {
		return nil
	}
	defer j.mu.Unlock()
	for {
		j.attempt = 0
		switch err := j.agent.RunDue(ctx); {
		case Nothing(err):
			return nil
		case err != nil || j.attempt < 2:
			return err
		}
	}
}

// Nothing tells an error that says no more than that somebody else has the tick, or
// nobody shall.
func Nothing(err error) bool {
	return errors.Is(err, solotick.ErrNotDue) || errors.Is(err, solotick.ErrHeld) || errors.Is(err, solotick.ErrPaused)
}
