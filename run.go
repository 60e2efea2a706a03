package solotick

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// A run is one execution of the job.
type run struct {
	loop    *loop
	tick    Tick
	cancel  context.CancelCauseFunc
	renewed chan struct{}
	cut     elect.Reason // why it was ordered to stop, if it was

	mu       sync.Mutex
	until    time.Duration // on the clock that counts through suspend
	state    string
	hasState bool
}

// A cutError is why a run was ordered to stop.
type cutError elect.Reason

func (e cutError) Error() string { return elect.Reason(e).String() }

// Is has the cause of a run that is over its time be an ErrTimeout.
func (e cutError) Is(target error) bool {
	return target == ErrTimeout && elect.Reason(e) == elect.RunTimeout
}

func (l *loop) start(ctx context.Context, act elect.Action) {
	now := l.now()
	if a := elect.Decide(&l.policy, &l.self, now); a.Verb != elect.Run || a.Tick != act.Tick {
		return // the machine slept between the decision and this line
	}
	l.self.Starting(now, act)
	c := l.self.Claim
	r := &run{loop: l, renewed: make(chan struct{}, 1)}
	r.tick = Tick{Job: l.Job.Name, Agent: l.self.ID, Unarbitrated: act.Loose, Attempt: 1, run: r}
	if !l.policy.Lock {
		r.tick.Time = time.Unix(act.Tick, 0).UTC()
	}
	if act.Loose {
		r.until = now.Held + 365*24*time.Hour
		if l.policy.Timeout > 0 {
			r.until = now.Held + l.policy.Timeout + l.policy.KillGrace
		}
		r.tick.Last, r.tick.State = l.self.View.Record.Last, l.self.View.Record.State
	} else {
		r.tick.Attempt, r.tick.Fence, r.tick.Last, r.tick.State = c.Record.Attempt(), c.Fence, c.Record.Last, c.Record.State
	}
	l.runs[act.Loose] = r
	l.renewed()
	ctx, r.cancel = context.WithCancelCause(ctx)
	l.observe(Event{Verb: elect.Run, Why: act.Why, Tick: r.tick})
	go func() {
		err := errors.New("the job ended its goroutine")
		defer func() { l.answers <- func() { l.ended(r, act, now, err) } }()
		err = l.Job.do(ctx, r.tick)
	}()
}

// do turns a panic of the job into a failed run.
func (j *Job) do(ctx context.Context, t Tick) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the job panicked: %v", p)
		}
	}()
	return j.Do(ctx, t)
}

func (l *loop) ended(r *run, act elect.Action, began elect.Now, err error) {
	r.cancel(nil)
	delete(l.runs, act.Loose)
	res := resultOf(err)
	if act.Loose {
		l.self.LooseEnded(res)
	} else {
		r.mu.Lock()
		l.self.RunEnded(res, r.state, r.hasState)
		r.mu.Unlock()
		res = l.self.Claim.Result
	}
	now := l.now()
	ev := Event{Verb: elect.Run, Why: act.Why, Tick: r.tick, Ended: true, Result: res, Took: now.Held - began.Held, Err: err}
	l.tellRun(r, ev, began)
	l.observe(ev)
}

// tellRun logs how a run went.
func (l *loop) tellRun(r *run, ev Event, began elect.Now) {
	level := slog.LevelInfo
	if ev.Result != record.OK && ev.Result != record.Skipped {
		level = slog.LevelError
	}
	what, tick := "ran", stamp(r.tick.Time.Unix())
	if l.policy.Lock {
		level = slog.LevelInfo // whoever holds it has been told
	}
	args := []any{"fence", r.tick.Fence, "result", string(ev.Result), "took", ev.Took.Round(time.Millisecond)}
	if l.policy.Lock {
		what = "held the lock"
	} else {
		args = slices.Concat([]any{"tick", tick, "attempt", r.tick.Attempt}, args, []any{"lag", began.Time.Sub(r.tick.Time).Round(time.Millisecond)})
	}
	if r.tick.Unarbitrated {
		args = append(args, "unarbitrated", true)
	}
	if ev.Err != nil {
		args = append(args, "err", ev.Err)
	}
	l.log.Log(context.Background(), level, what, args...)
	if ev.Result == record.OK && (r.cut == elect.WindowOver || r.cut == elect.Newer) && !l.policy.Lock {
		l.log.Warn("the run went well, but not in the time that was left: another agent has run this tick again, or will", "tick", tick)
	}
}

func resultOf(err error) record.Result {
	switch {
	case err == nil:
		return record.OK
	case errors.Is(err, ErrSkipped):
		return record.Skipped
	case errors.Is(err, ErrTimeout):
		return record.Timeout
	}
	return record.Failed
}

// renewed passes the end of the trust window on to the run.
func (l *loop) renewed() {
	r := l.runs[false]
	if r == nil {
		return
	}
	now := l.now()
	left := elect.WindowEnd(&l.policy, &l.self, now) - now.Elapsed
	r.mu.Lock()
	by := now.Held + left - r.until
	r.until += by
	r.mu.Unlock()
	if by == 0 {
		return
	}
	select {
	case r.renewed <- struct{}{}:
	default:
	}
}

func (r *run) left() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, held, _, _ := r.loop.watch.read()
	return r.until - held
}

func (r *run) setState(state string) error {
	if r.tick.Unarbitrated || r.loop.policy.AtMostOnce {
		return errors.New("solotick: this run writes no record and cannot leave a state")
	}
	if err := (record.Record{State: state}).Check(); err != nil {
		return fmt.Errorf("solotick: state: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state, r.hasState = state, true
	return nil
}
