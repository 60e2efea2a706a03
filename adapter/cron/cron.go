// Package cronadapter has robfig/cron v3 run each tick of a job on one machine.
//
// [Add] is for the common case: it adds an agent's job to a cron, at the ticks of the
// agent's schedule, and gives the job its tick, its fence and a context that ends before
// anybody else may run it. [Wrapper] is a cron.JobWrapper, for a cron.Job that is there
// already; [Schedule] has cron follow the agent's schedule.
//
// A wrapper that holds a lock while the job runs lets every machine run it, one after
// another, as soon as the job is shorter than the clocks differ. Here each run of the
// job is for a tick, and a tick is claimed once: a call is for the one nearest to it
// by the register's time, and nothing is run if somebody else has that, however short the job was and
// whatever this machine's clock says. That is exact while clocks differ by less
// than half an interval (30 s at most); beyond, a tick may run late, and still once.
//
// A cron.Job knows no tick, no context and no error, so a wrapped one cannot be stopped
// when its claim is lost, and its runs are all ok to the record, unless it panics. A
// run that was lost because its machine died is run again with the next call, and not
// earlier: an agent of its own (solotick.Agent.Run) takes over within a lease, retries, and
// makes up for missed ticks, and needs no other scheduler.
package cronadapter

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/internal/oncall"
)

// Add adds the agent's job to the cron, at the ticks of its Policy.Schedule, whatever
// chain the cron has besides. On each machine cron calls it; one of them runs Job.Do.
// After ctx has ended nothing is run any more, and a run that goes on is handed over
// after the agent's StopGrace. Errors go to the agent's Log.
func Add(ctx context.Context, c *cron.Cron, a *solotick.Agent) (cron.EntryID, error) {
	job, err := oncall.New(a, a.Job.Do)
	if err != nil {
		return 0, fmt.Errorf("cronadapter: job %s: %w", a.Job.Name, err)
	}
	return c.Schedule(Schedule(a.Policy.Schedule), called(ctx, job, a)), nil
}

// Schedule has cron follow a schedule.
func Schedule(s elect.Schedule) cron.Schedule { return ticks{s} }

type ticks struct{ elect.Schedule }

func (t ticks) Next(last time.Time) time.Time {
	next := t.Schedule.Next(last.Unix())
	if next == 0 {
		return time.Time{} // cron takes it for never
	}
	return time.Unix(next, 0).In(last.Location())
}

// Wrapper returns an element of a cron.Chain that has the wrapped job run on one
// machine for each tick of the agent's Policy.Schedule. That has to be the schedule by
// which cron calls the job: with a finer one, two calls for one run are calls for
// two ticks. So have cron follow it:
//
//	c.Schedule(cronadapter.Schedule(s), cron.NewChain(wrapper).Then(job))
//
// The agent has a register of its own and no Job.Do. A wrapper is for one job, as a
// record is, and panics when it is to wrap a second one: in cron.WithChain, which
// is for all jobs, it would let one of them run and keep the others from it for ever.
func Wrapper(ctx context.Context, a *solotick.Agent) (cron.JobWrapper, error) {
	if a.Job.Do != nil {
		return nil, fmt.Errorf("cronadapter: job %s: it has a Do, and cron another: see Add", a.Job.Name)
	}
	var inner cron.Job
	job, err := oncall.New(a, func(context.Context, solotick.Tick) error {
		inner.Run()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cronadapter: job %s: %w", a.Job.Name, err)
	}
	var used atomic.Bool
	return func(j cron.Job) cron.Job {
		if used.Swap(true) {
			panic("cronadapter: the wrapper of job " + a.Job.Name + " is given a second job: each needs a record, and so a wrapper, of its own")
		}
		inner = j
		return called(ctx, job, a)
	}, nil
}

// called is what cron runs.
func called(ctx context.Context, job *oncall.Job, a *solotick.Agent) cron.Job {
	log := a.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return cron.FuncJob(func() {
		if ctx.Err() != nil {
			return
		}
		if err := job.Call(ctx); err != nil {
			log.Error("the tick was not run here, or not well", "job", a.Job.Name, "err", err)
		}
	})
}
