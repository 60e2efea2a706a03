package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/steps"
)

// A once is one turn of "exec --once": it watches an agent, ends it as soon as
// the job has run or is found to be not due, and knows the exit code.
type once struct {
	policy elect.Policy // filled
	record string
	end    context.CancelFunc

	mu      sync.Mutex
	over    bool
	started bool
	err     error         // what to end with; nil: 0
	claimed time.Time     // when a claim of somebody else was first seen; zero: it is none
	watch   time.Duration // that claim's lease and margin
	seq     int64         // of that claim
	late    *time.Timer   // ends the turn
	last    error         // of the register, while it does not answer
	code    int           // of the command, or 1 if the run failed by anything else
}

// patience is how long a turn lasts at most until its command runs, or goes on
// after a claim was seen or made: until a claim of that lease has lapsed, and what
// comes before and after that.
func (o *once) patience(lease time.Duration) time.Duration {
	return lease + elect.Margin(lease) + o.policy.HeadStart + 2*o.policy.Spread + 2*o.policy.SwapTime + 5*time.Second
}

func (a *app) once(ctx context.Context, f *fleet, m member, to connect) error {
	ctx, sig := a.signals(ctx)
	defer sig.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := &once{policy: m.Policy, record: m.Record, end: cancel}
	o.policy.Fill()
	f.observe = append(f.observe, func(_ member, ev solotick.Event) { o.see(ev) })
	f.finish = append(f.finish, func(r *finished) {
		if r.plan != nil {
			o.ran(r.steps, r.err)
		}
	})
	crews, err := f.prepare([]member{m}, to)
	if err != nil {
		return configFailure(err)
	}
	o.late = time.AfterFunc(o.patience(o.policy.Lease), o.giveUp)
	defer o.late.Stop()
	f.apply(ctx, crews)
	if n := f.keep(ctx, sig, func(bool) []*crew { return nil }); n != 0 {
		return exit(128 + n)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.started {
		return exit(o.code)
	}
	return o.err
}

// finish ends the agent; err is for a turn that did not run the command.
func (o *once) finish(err error) {
	if !o.over {
		o.over, o.err = true, err
		o.end()
	}
}

func (o *once) ran(r steps.Result, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.code = r.Code
	if r.Code < 0 || r.Code == 0 && err != nil { // its end was not seen; what it left cannot be used
		o.code = exitFailed
	}
}

// see judges what the agent has just done or seen.
func (o *once) see(ev solotick.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case ev.Verb == elect.Run:
		o.started = true
		if ev.Ended {
			o.finish(nil) // it reports before it ends
		}
	case o.started:
	case ev.Verb == elect.Swap && ev.Outcome == elect.Done:
		if ev.Why.Claims() {
			o.late.Reset(o.patience(o.policy.Lease))
			return
		}
		o.judge(ev)
	case ev.Verb == elect.Load && ev.Err != nil:
		o.last = ev.Err
		if ev.Outcome == elect.Refused {
			o.finish(registerFailure(ev.Err, "it was not run here"))
		}
	case (ev.Verb == elect.Load || ev.Verb == elect.Look) && ev.Err == nil:
		o.last = nil
		o.judge(ev)
	}
}

// judge ends the turn if the record shows that there is nothing to run. Where
// the record needs repair the agent may go on and see to that.
func (o *once) judge(ev solotick.Event) {
	r, p := ev.Record, &o.policy
	now := ev.Time
	switch {
	case r == (record.Record{}): // absent or damaged
		return
	case r.Claimed && o.claimed.IsZero():
		lease := r.LeaseOr(p.Lease)
		o.claimed, o.seq, o.watch = now, r.Seq, lease+elect.Margin(lease)
		o.late.Reset(o.patience(lease))
		return
	case r.Claimed && (r.Seq == o.seq || now.Sub(o.claimed) < o.watch):
		return
	case r.Claimed:
		o.finish(o.stillClaimed())
		return
	}
	o.claimed = time.Time{}
	due := time.Unix(r.Timer, 0)
	farthest := p.Schedule.Next(max(now.Add(p.Lease+2*p.Skew).Unix(), r.TimerOld))
	switch {
	case time.Unix(r.TimerOld, 0).After(now.Add(p.Skew)): // a broken clock wrote it
	case r.Try <= 1 && farthest != 0 && r.Timer > farthest:
	case due.After(now), r.Pause < 0, r.Pause > now.Unix():
		o.finish(nil)
	}
}

// errClaimed is the end of a turn that is another agent's.
var errClaimed = errors.New("is claimed, and its holder is alive")

func (o *once) stillClaimed() error {
	return &failure{
		code: exitTryAgain, err: fmt.Errorf("%s %w", strings.TrimSuffix(o.record, "."), errClaimed),
		means: "another agent is running it", do: "nothing, or try again later",
	}
}

// giveUp ends a turn that came to nothing.
func (o *once) giveUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.started:
	case o.last != nil:
		o.finish(registerFailure(o.last, "it was not run here"))
	case !o.claimed.IsZero():
		o.finish(o.stillClaimed())
	default:
		o.finish(&failure{
			code: exitTryAgain, err: fmt.Errorf("the record at %s did not come to a state to run from", strings.TrimSuffix(o.record, ".")),
			means: "it was not run here", do: "look at it: solotick status " + strings.TrimSuffix(o.record, "."),
		})
	}
}
