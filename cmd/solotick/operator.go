package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// The operator's commands. They write with the credentials of the file, and none
// of them moves the ticks of the schedule.

func (a *app) triggerCommand() *cobra.Command {
	return a.operatorCommand(&cobra.Command{
		Use: "trigger JOB...", Short: "Have a job run now, once, on whichever agent",
		Long: `Have a job run as soon as an agent looks at its record, which takes a minute at
most. The ticks of its schedule stay where they are. A job that is paused, or that
runs at most once, is not triggered.`,
		Example: "  solotick trigger canary",
	}, a.trigger)
}

func (a *app) trigger(ctx context.Context, s site) error {
	if s.policy.Schedule == nil {
		return needsJob(s, "triggered")
	}
	absorbed := false
	c, err := s.change(ctx, func(set record.Set, now time.Time) (record.Record, error) {
		if err := readable(s, set, "nothing was triggered"); err != nil {
			return record.Record{}, err
		}
		next, busy, err := elect.Trigger(&s.policy, set.Record, now)
		if absorbed = busy; err == nil && next.Timer == set.Record.Timer {
			err = errNothingToDo
		}
		return next, err
	})
	r := c.before
	switch {
	case errors.Is(err, elect.ErrPaused):
		f := &failure{
			code: exitRefused, err: fmt.Errorf("%s is not triggered: it is paused %s", s, pauseWords(r, c.now)),
			means: "no run was started, and none starts before the pause ends", do: "solotick resume " + s.String() + ", then trigger again",
		}
		return f
	case errors.Is(err, elect.ErrAtMostOnce):
		return &failure{
			code: exitRefused, err: fmt.Errorf("%s is not triggered: it runs at most once, and a run beside the schedule could be a second one", s),
			means: "no run was started; the next tick is at " + moment(r.Timer, c.now),
		}
	case errors.Is(err, errNothingToDo):
		return a.sayf("%s: a run is due already, since %s; nothing was written\n", s, moment(r.Timer, c.now))
	case err != nil:
		return err
	case absorbed:
		return a.sayf("%s: triggered, while %s still runs the tick of %s. What follows that run may take the wish with it:\n"+
			"look again afterwards, with solotick status %s\n", s, plain(r.ID), moment(r.TimerOld, c.now), s)
	}
	next := s.policy.Schedule.Next(c.now.Unix())
	if poll := s.filled().PollMax; next != 0 && next <= c.now.Add(poll).Unix() {
		return a.sayf("%s: triggered; an agent runs it when it looks next. That may be at the next tick, %s, and then one run does for both\n",
			s, moment(next, c.now))
	}
	return a.sayf("%s: triggered; an agent runs it when it looks next, within %s. Its schedule stays, with the next tick at %s\n",
		s, seconds(s.filled().PollMax), moment(next, c.now))
}

func (a *app) pauseCommand() *cobra.Command {
	var howLong time.Duration
	var why string
	c := &cobra.Command{
		Use: "pause JOB...", Short: "Keep a job from starting, on all agents",
		Long: `Keep a job from starting, on all agents. It is written into the record, so it
outlives every agent, and everybody sees it. A run in progress goes on to its end.`,
		Example: "  solotick pause canary --for 2h --reason \"db migration\"",
	}
	c.Flags().DurationVar(&howLong, "for", 0, "how long, such as 90m or 48h (default: until solotick resume)")
	c.Flags().StringVar(&why, "reason", "", "why, in at most 40 bytes; everybody can read it")
	return a.operatorCommand(c, func(ctx context.Context, s site) error {
		if c.Flags().Changed("for") && howLong < time.Second {
			return usage("--for %s: want at least 1s", howLong)
		}
		return a.pause(ctx, s, howLong, why)
	})
}

func (a *app) pause(ctx context.Context, s site, howLong time.Duration, why string) error {
	if len(why) > 40 {
		return usage("--reason: %w, by %d", elect.ErrWhyTooLong, len(why)-40)
	}
	c, err := s.change(ctx, func(set record.Set, now time.Time) (record.Record, error) {
		if err := readable(s, set, "it was not paused"); err != nil {
			return record.Record{}, err
		}
		var until time.Time
		if howLong > 0 {
			until = now.Add(howLong)
		}
		return elect.Pause(set.Record, until, why, now)
	})
	if err != nil {
		return err
	}
	running := ""
	switch {
	case c.before.Claimed && elect.IsLock(c.before):
		running = "; " + plain(c.before.ID) + " holds it for as long as it wants to"
	case c.before.Claimed:
		running = fmt.Sprintf("; the run of %s by %s goes on to its end", moment(c.before.TimerOld, c.now), plain(c.before.ID))
	}
	return a.sayf("%s: paused %s%s\n", s, pauseWords(c.after, c.now), running)
}

func (a *app) resumeCommand() *cobra.Command {
	return a.operatorCommand(&cobra.Command{
		Use: "resume JOB...", Short: "End a pause",
		Long: `End a pause. Ticks that fell due meanwhile are run as the job's catch_up says: by
default the latest one, once.`,
		Example: "  solotick resume canary",
	}, a.resume)
}

func (a *app) resume(ctx context.Context, s site) error {
	c, err := s.change(ctx, func(set record.Set, now time.Time) (record.Record, error) {
		if err := readable(s, set, "nothing was changed"); err != nil {
			return record.Record{}, err
		}
		if set.Record.Pause == 0 {
			return set.Record, errNothingToDo
		}
		return elect.Resume(set.Record, now), nil
	})
	switch {
	case errors.Is(err, errNothingToDo):
		return a.sayf("%s: was not paused; nothing was written\n", s)
	case err != nil:
		return err
	case elect.IsLock(c.after):
		return a.sayf("%s: resumed; it may be taken again\n", s)
	case c.after.Timer <= c.now.Unix():
		return a.sayf("%s: resumed; a run is due since %s\n", s, moment(c.after.Timer, c.now))
	}
	return a.sayf("%s: resumed; the next run is at %s\n", s, moment(c.after.Timer, c.now))
}

func (a *app) recordResetCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "reset JOB...", Short: "Begin a record afresh",
		Long: `Write a fresh record in the place of whatever is there, a damaged one included:
idle, with the schedule's next tick. A pause, retries and the job's state are
forgotten, and a run in progress is stopped by its agent. The fence goes on growing.

A lock, named by its full DNS name, is freed. Its holder learns of that when it renews,
within a third of its lease, and others may take it before that.`,
		Example: "  solotick record reset canary\n  solotick record reset deploy.example.com",
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return a.operatorCommand(c, func(ctx context.Context, s site) error {
		if !yes {
			if err := a.confirm("Reset the record of " + s.String() + "?"); err != nil {
				return err
			}
		}
		if s.policy.Schedule == nil {
			return a.freeLock(ctx, s)
		}
		return a.reset(ctx, s)
	})
}

func (a *app) reset(ctx context.Context, s site) error {
	c, err := s.change(ctx, func(set record.Set, now time.Time) (record.Record, error) {
		old, sec := set.Record, now.Unix()
		r := record.Record{
			ID: old.ID, EntryID: old.EntryID, Seq: old.Seq, Last: record.Skipped,
			TimerOld: s.policy.Schedule.Prev(sec), Timer: s.policy.Schedule.Next(sec),
		}
		if old.TimerOld == r.TimerOld && !old.Claimed && old.Attempt() == 1 {
			r.Last = old.Last // that tick was run
		}
		return elect.Stamp(r, now), nil
	})
	if err != nil {
		return err
	}
	stopped := ""
	if c.before.Claimed {
		stopped = fmt.Sprintf("; %s stops its run of %s", plain(c.before.ID), moment(c.before.TimerOld, c.now))
	}
	return a.sayf("%s: reset%s; the next run is at %s\n", s, stopped, moment(c.after.Timer, c.now))
}

// freeLock is a reset of the record of no job, which has to be a lock then.
func (a *app) freeLock(ctx context.Context, s site) error {
	c, err := s.change(ctx, func(set record.Set, now time.Time) (record.Record, error) {
		r := set.Record
		if set.State != record.Present || !elect.IsLock(r) {
			return r, needsJob(s, "reset")
		}
		if r.Claimed {
			r.Last = record.Lost
		}
		r.Claimed, r.Until, r.Lease, r.Try, r.Pause, r.Why, r.State = false, 0, 0, 0, 0, "", ""
		return elect.Stamp(r, now), nil
	})
	switch {
	case err != nil:
		return err
	case c.before.Claimed:
		lease := c.before.LeaseOr(s.filled().Lease)
		return a.sayf("%s: freed; %s held it, learns of that within %s, and stops what it does under it. Others may have it before that\n",
			s, plain(c.before.ID), seconds(lease/3))
	}
	return a.sayf("%s: reset; nobody holds it\n", s)
}

// operatorCommand makes c take jobs of the file, or --all, and do something to each.
func (a *app) operatorCommand(c *cobra.Command, do func(context.Context, site) error) *cobra.Command {
	var file string
	var all bool
	c.Args = cobra.ArbitraryArgs
	a.fileFlag(c, &file)
	c.Flags().BoolVar(&all, "all", false, "all jobs of the file")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case all && len(args) > 0:
			return usage("--all and names of jobs: want one or the other")
		case !all && len(args) == 0:
			return usage("the name of a job is missing (or --all)")
		}
		sites, err := a.sites(file, args)
		if err != nil {
			return err
		}
		return a.each(cmd, sites, func(s site) error { return do(cmd.Context(), s) })
	}
	return c
}

// each does something to each site and goes on after a failure. The exit code is
// that of the failures if they agree.
func (a *app) each(cmd *cobra.Command, sites []site, do func(site) error) error {
	if len(sites) == 1 {
		return do(sites[0])
	}
	code := exitOK
	for _, s := range sites {
		err := do(s)
		if err == nil {
			continue
		}
		if c := a.end(cmd, err); code == exitOK || code == c {
			code = c
		} else {
			code = exitFailed
		}
	}
	return exit(code)
}

// readable refuses what an operator's wish cannot be written into.
func readable(s site, set record.Set, means string) error {
	switch set.State {
	case record.Absent:
		return &failure{
			code: exitFailed, err: fmt.Errorf("there is no record at %s: no agent has started yet, or somebody removed it", s.name),
			means: means, do: "start an agent (solotick run), or begin the record with solotick record reset " + s.String(),
		}
	case record.Damaged:
		return &failure{
			code: exitFailed, err: fmt.Errorf("the record at %s is damaged: %w", s.name, set.Detail),
			means: means + "; agents replace it once it stayed so for a lease", do: "solotick record reset " + s.String(),
		}
	}
	return nil
}

// needsJob says that a DNS name is not enough.
func needsJob(s site, verb string) error {
	return &failure{
		code: exitUsage, err: fmt.Errorf("%s is the record of no job in the file, and without the schedule it cannot be %s", s.name, verb),
		means: "nothing was changed", do: "name the file that has the job with -c",
	}
}

// confirm asks on the terminal.
func (a *app) confirm(question string) error {
	if !isTerminal(a.stdin) {
		return usage("%s Without a terminal to ask on, say --yes", question)
	}
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	line, _ := bufio.NewReader(a.stdin).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return &failure{code: exitFailed, err: errors.New("not confirmed, nothing was changed")}
	}
	return nil
}

// sayf prints data. The first failure is kept for the exit code.
func (a *app) sayf(format string, args ...any) error {
	_, err := fmt.Fprintf(a.stdout, format, args...)
	if a.unsaid == nil {
		a.unsaid = err
	}
	return err
}

func pauseWords(r record.Record, now time.Time) string {
	words := "until somebody resumes it"
	if r.Pause > 0 {
		words = "until " + moment(r.Pause, now)
	}
	if r.Why != "" {
		words += " (" + plain(r.Why) + ")"
	}
	return words
}

// moment is an epoch second for people, with the date only on another day.
func moment(sec int64, now time.Time) string {
	t := time.Unix(sec, 0).UTC()
	if t.Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
		return t.Format("15:04:05Z")
	}
	return t.Format("2006-01-02 15:04:05Z")
}
