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
		Example: "  solotick trigger canary\n  solotick trigger --all --json",
	}, operation{did: "trigger", do: trigger})
}

func trigger(ctx context.Context, s site) (told, error) {
	if s.policy.Schedule == nil {
		return told{}, needsJob(s, "triggered")
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
		return told{}, f
	case errors.Is(err, elect.ErrAtMostOnce):
		return told{}, &failure{
			code: exitRefused, err: fmt.Errorf("%s is not triggered: it runs at most once, and a run beside the schedule could be a second one", s),
			means: "no run was started; the next tick is at " + moment(r.Timer, c.now),
		}
	case errors.Is(err, errNothingToDo):
		return c.unchanged("a run is due already, since %s; nothing was written", moment(r.Timer, c.now)), nil
	case err != nil:
		return told{}, err
	case absorbed:
		return c.done("triggered, while %s still runs the tick of %s. What follows that run may take the wish with it:\n"+
			"look again afterwards, with solotick status %s", plain(r.ID), moment(r.TimerOld, c.now), s), nil
	}
	next := s.policy.Schedule.Next(c.now.Unix())
	if poll := s.filled().PollMax; next != 0 && next <= c.now.Add(poll).Unix() {
		return c.done("triggered; an agent runs it when it looks next. That may be at the next tick, %s, and then one run does for both", moment(next, c.now)), nil
	}
	return c.done("triggered; an agent runs it when it looks next, within %s. Its schedule stays, with the next tick at %s",
		seconds(s.filled().PollMax), moment(next, c.now)), nil
}

func (a *app) pauseCommand() *cobra.Command {
	var howLong time.Duration
	var why string
	c := &cobra.Command{
		Use: "pause JOB...", Short: "Keep a job from starting, on all agents",
		Long: `Keep a job from starting, on all agents. It is written into the record, so it
outlives every agent, and everybody sees it. A run in progress goes on to its end. A job
that is paused already keeps its reason, unless another one is given.`,
		Example: "  solotick pause canary --for 2h --reason \"db migration\"\n  solotick pause --all --for 2h --reason \"db migration\"",
	}
	c.Flags().DurationVar(&howLong, "for", 0, "how long, such as 90m or 48h (default: until solotick resume)")
	c.Flags().StringVar(&why, "reason", "", "why, in at most 40 bytes; everybody can read it")
	return a.operatorCommand(c, operation{
		did: "pause",
		check: func([]site) error {
			if c.Flags().Changed("for") && howLong < time.Second {
				return usage("--for %s: want at least 1s", howLong)
			}
			if len(why) > 40 {
				return usage("--reason: %w, by %d", elect.ErrWhyTooLong, len(why)-40)
			}
			return nil
		},
		do: func(ctx context.Context, s site) (told, error) { return pause(ctx, s, howLong, why) },
	})
}

func pause(ctx context.Context, s site, howLong time.Duration, why string) (told, error) {
	c, err := s.change(ctx, func(set record.Set, now time.Time) (record.Record, error) {
		if err := readable(s, set, "it was not paused"); err != nil {
			return record.Record{}, err
		}
		var until time.Time
		if howLong > 0 {
			until = now.Add(howLong)
		}
		reason := why
		if r := set.Record; reason == "" && (r.Pause < 0 || r.Pause > now.Unix()) {
			reason = r.Why
		}
		return elect.Pause(set.Record, until, reason, now)
	})
	if err != nil {
		return told{}, err
	}
	running := ""
	switch {
	case c.before.Claimed && elect.IsLock(c.before):
		running = "; " + plain(c.before.ID) + " holds it for as long as it wants to"
	case c.before.Claimed:
		running = fmt.Sprintf("; the run of %s by %s goes on to its end", moment(c.before.TimerOld, c.now), plain(c.before.ID))
	}
	return c.done("paused %s%s", pauseWords(c.after, c.now), running), nil
}

func (a *app) resumeCommand() *cobra.Command {
	return a.operatorCommand(&cobra.Command{
		Use: "resume JOB...", Short: "End a pause",
		Long: `End a pause. Ticks that fell due meanwhile are run as the job's catch_up says: by
default the latest one, once.`,
		Example: "  solotick resume canary\n  solotick resume --all",
	}, operation{did: "resume", do: resume})
}

func resume(ctx context.Context, s site) (told, error) {
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
		return c.unchanged("was not paused; nothing was written"), nil
	case err != nil:
		return told{}, err
	case elect.IsLock(c.after):
		return c.done("resumed; it may be taken again"), nil
	case c.after.Timer <= c.now.Unix():
		return c.done("resumed; a run is due since %s", moment(c.after.Timer, c.now)), nil
	}
	return c.done("resumed; the next run is at %s", moment(c.after.Timer, c.now)), nil
}

func (a *app) recordResetCommand() *cobra.Command {
	var yes, lostKey bool
	c := &cobra.Command{
		Use: "reset JOB...", Short: "Begin a record afresh",
		Long: `Write a fresh record in the place of whatever is there, a damaged one included:
idle, with the schedule's next tick. A pause, retries and the job's state are
forgotten, and a run in progress is stopped by its agent. The fence goes on growing.

A lock, named by its full DNS name, is freed. Its holder learns of that when it renews,
within a third of its lease, and others may take it before that.

A sealed record that the keys of the file do not open is left alone, since it may be
this file that has the wrong ones. With --lost-key it is replaced: whatever it says is
lost, a pause and a run in progress too, and agents that still have its key cannot read
the new one. Stop those first.`,
		Example: "  solotick record reset canary\n  solotick record reset --all --yes\n  solotick record reset deploy.example.com",
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&lostKey, "lost-key", false, "also replace a sealed record that no key of the file opens")
	return a.operatorCommand(c, operation{
		did: "reset",
		check: func(all []site) error {
			what := fmt.Sprintf("the records of all %d jobs", len(all))
			if len(all) == 1 {
				what = "the record of " + all[0].String()
			}
			if yes {
				return nil
			}
			lost := ""
			if lostKey {
				lost = ", unread where no key here opens it"
			}
			return a.confirm("Reset " + what + lost + "?")
		},
		do: func(ctx context.Context, s site) (told, error) {
			s.force = lostKey
			return reset(ctx, s)
		},
	})
}

func reset(ctx context.Context, s site) (told, error) {
	if s.policy.Schedule == nil {
		return freeLock(ctx, s)
	}
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
		return told{}, err
	}
	stopped := ""
	if c.unread {
		stopped = ", in place of a sealed record that no key here opens: what it said is lost, and a run in progress ends when its agent cannot renew its claim"
	}
	if c.before.Claimed {
		stopped = fmt.Sprintf("; %s stops its run of %s", plain(c.before.ID), moment(c.before.TimerOld, c.now))
	}
	return c.done("reset%s; the next run is at %s", stopped, moment(c.after.Timer, c.now)), nil
}

// freeLock is a reset of the record of no job, which has to be a lock then.
func freeLock(ctx context.Context, s site) (told, error) {
	c, err := s.change(ctx, func(set record.Set, now time.Time) (record.Record, error) {
		r := set.Record
		if !(set.State == record.Unopenable || set.State == record.Present && elect.IsLock(r)) {
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
		return told{}, err
	case c.unread:
		return c.done("freed, in place of a sealed record that no key here opens; whoever held it stops when it cannot renew"), nil
	case c.before.Claimed:
		lease := c.before.LeaseOr(s.filled().Lease)
		return c.done("freed; %s held it, learns of that within %s, and stops what it does under it. Others may have it before that",
			plain(c.before.ID), seconds(lease/3)), nil
	}
	return c.done("reset; nobody holds it"), nil
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
