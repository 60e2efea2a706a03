package gocronadapter

import (
	"context"
	"fmt"
	"time"

	"github.com/go-co-op/gocron/v2"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/internal/oncall"
)

// Add adds the agent's job to the scheduler, under the agent's Job.Name, at the ticks
// of its Policy.Schedule. On each machine gocron calls it; one of them runs Job.Do.
// What Job.Do returns is what gocron's listeners hear; on the others the
// call ends without an error. Options come after Add's own, and must not set another
// cron implementation. The scheduler's locker is not asked for this job, its elector is.
func Add(s gocron.Scheduler, a *solotick.Agent, opts ...gocron.JobOption) (gocron.Job, error) {
	job, err := oncall.New(a, a.Job.Do)
	if err != nil {
		return nil, fmt.Errorf("gocronadapter: job %s: %w", a.Job.Name, err)
	}
	all := []gocron.JobOption{
		gocron.WithName(a.Job.Name),
		gocron.WithCronImplementation(Cron(a.Policy.Schedule)),
		gocron.WithDisabledDistributedJobLocker(true),
	}
	task := gocron.NewTask(func(ctx context.Context) error { return job.Call(ctx) })
	return s.NewJob(gocron.CronJob("", false), task, append(all, opts...)...)
}

// Cron has a gocron.CronJob follow a schedule; its crontab is not looked at.
func Cron(s elect.Schedule) gocron.Cron { return ticks{s} }

type ticks struct{ elect.Schedule }

func (t ticks) IsValid(string, *time.Location, time.Time) error {
	if t.Schedule == nil {
		return fmt.Errorf("gocronadapter: %w: no schedule", gocron.ErrCronJobParse)
	}
	return nil
}

func (t ticks) Next(last time.Time) time.Time {
	next := t.Schedule.Next(last.Unix())
	if next == 0 {
		return time.Time{}
	}
	return time.Unix(next, 0).In(last.Location())
}
