package solotick

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// ErrNotDue says that [Agent.RunDue] had nothing to run: the tick was run, by
// whomever, and the next one is still to come.
var ErrNotDue = errors.New("no tick is due")

// earliest is how long before a tick a call may be meant for it.
const earliest = 30 * time.Second

// RunDue runs the job once if a tick of it is due and nobody else runs it or has,
// and returns when that is written. It is for a program that has a scheduler of its
// own, or that is started for each tick. Whoever has neither calls [Agent.Run].
//
// A call is for the tick nearest to it by the register's time: one that comes up to
// half an interval (30 s at most) early waits for its tick, and one that comes late
// finds that somebody has run it. So of any number of machines that call as their
// own clocks tell them one runs each tick, however short the job is. Policy.Schedule
// has to be the one by which they call.
//
// A call is one run. If that was an earlier tick, of an agent that vanished, the
// next tick is left to the next call. Nothing is run without the register, whatever
// Policy.WithoutRegister says, and nobody retries or takes over between calls.
//
// nil means that the job was run and was ok. It fails with [ErrNotDue]; with [ErrHeld]
// while somebody else runs it, and is alive; with [ErrPaused]; with what the register
// said; with the cause of ctx; and, if it was run, with the error of Job.Do, or with
// [ErrLost] if that did not end in time or could not be written. After ctx has ended a run may go on for StopGrace, as under
// Run.
//
// Calls of one agent follow each other, and one beside another fails with ErrHeld.
// What is known from the one helps the next: keep the Agent.
func (a *Agent) RunDue(ctx context.Context) error {
	switch {
	case a.Job.Do == nil:
		return errors.New("solotick: the job has nothing to do")
	case a.Register == nil:
		return errors.New("solotick: no register")
	case a.Policy.Schedule == nil || a.Policy.Lock:
		return errors.New("solotick: no schedule")
	}
	if !atomic.CompareAndSwapInt32(&a.calling, 0, 1) {
		return fmt.Errorf("solotick: job %s: %w: an earlier call of this process", a.Job.Name, ErrHeld)
	}
	defer atomic.StoreInt32(&a.calling, 0)
	if a.caller == nil {
		c, err := newCaller(a)
		if err != nil {
			return err
		}
		a.caller = c
	}
	if err := a.caller.call(ctx); err != nil {
		return fmt.Errorf("solotick: job %s: %w", a.Job.Name, err)
	}
	return nil
}

// A caller is what an agent keeps from one RunDue to the next: its loop with all
// that this remembers. So it is one process to the others, and a claim of an
// earlier call that lands late is known.
type caller struct {
	loop *loop
	now  *call
}

func newCaller(a *Agent) (*caller, error) {
	c := &caller{}
	b := *a
	b.Policy.WithoutRegister = elect.WithoutWait
	b.Observe = func(ev Event) {
		c.now.see(ev)
		if a.Observe != nil {
			a.Observe(ev)
		}
	}
	var err error
	c.loop, err = newLoop(&b)
	return c, err
}

// A call is one RunDue.
type call struct {
	loop *loop
	late *time.Timer // ends a call that comes to nothing

	mu    sync.Mutex
	end   context.CancelFunc
	asked bool  // the record was looked at in this call
	watch int64 // seq of the claim that is watched
	begun bool  // the job runs, or ran
	over  bool
	err   error        // what to fail with
	last  error        // of the register, while it does not answer
	cut   elect.Reason // why the run was stopped
	ran   Event        // its end
}

func (c *caller) call(ctx context.Context) error {
	l := c.loop
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	n := &call{loop: l, end: cancel}
	c.now = n
	l.self.Stopping, l.self.StopBy, l.waits = false, 0, waiting{}
	l.self.NextLook = l.now().Elapsed
	n.late = time.AfterFunc(n.patience(l.policy.Lease), n.giveUp)
	l.run(run)
	n.late.Stop()
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.ran.Ended:
		return n.outcome()
	case n.err != nil:
		return n.err
	}
	err := context.Cause(ctx)
	if n.last != nil {
		err = fmt.Errorf("%w; the register: %w", err, n.last)
	}
	return err
}

// outcome is how the run went.
func (c *call) outcome() error {
	var lost error
	switch res := c.ran.Result; {
	case res == record.Lost || res == record.Replaced:
		lost = fmt.Errorf("%w: %s", ErrLost, c.cut)
	case !c.loop.policy.AtMostOnce && !c.loop.self.Claim.Reported:
		lost = fmt.Errorf("%w: its end could not be written", ErrLost)
		if c.last != nil {
			lost = fmt.Errorf("%w: %w", lost, c.last)
		}
	}
	if c.ran.Err == nil || lost == nil {
		return errors.Join(c.ran.Err, lost)
	}
	return fmt.Errorf("%w; the job: %w", lost, c.ran.Err)
}

// patience is how long it may take to come to a run: to wait for the tick or until
// a claim of that lease has lapsed, and what comes before and after that.
func (c *call) patience(lease time.Duration) time.Duration {
	p := &c.loop.policy
	return max(earliest, lease+elect.Margin(lease)) + p.HeadStart + 2*p.Spread + 2*p.SwapTime + 5*time.Second
}

// see judges, in the loop, what it has just done or seen.
func (c *call) see(ev Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ev.Verb == elect.Load || ev.Verb == elect.Swap {
		if c.last = ev.Err; ev.Outcome == elect.Conflict {
			c.last = nil
		}
	}
	switch {
	case ev.Verb == elect.Run && ev.Ended:
		c.ran = ev
		c.end()
	case ev.Verb == elect.Run:
		c.begun = true
	case ev.Verb == elect.Stop:
		c.cut = ev.Why
	case c.begun:
	case ev.Outcome == elect.Refused && ev.Err != nil:
		c.finish(ev.Err)
	case ev.Err != nil:
	case ev.Verb == elect.Look || ev.Verb == elect.Load:
		c.asked = true
		c.judge(ev.Time)
	case ev.Verb == elect.Wait && c.asked:
		c.judge(ev.Time)
	}
}

// judge ends a call if the record shows that there is nothing to run. Where the
// record needs repair the loop sees to that first.
func (c *call) judge(now time.Time) {
	s, p := &c.loop.self, &c.loop.policy
	if s.Open.N > 0 || s.Claim.Phase == elect.Ready || s.Claim.Phase == elect.Ended && !s.Claim.Reported && !p.AtMostOnce {
		return // of mine there is something to be settled
	}
	switch r := s.View.Record; {
	case s.View.State == record.Unopenable:
		c.finish(errors.New("the record is sealed, and there is no key here that opens it"))
	case s.View.State != record.Present:
	case r.Claimed && now.Unix() <= elect.Until(p, now, r)+int64(p.Skew.Seconds()):
		c.finish(fmt.Errorf("%w: %s runs the tick of %s", ErrHeld, r.ID, stamp(r.TimerOld)))
	case r.Claimed && r.Seq != c.watch: // as it seems its holder has vanished
		c.watch = r.Seq
		c.late.Reset(c.patience(r.LeaseOr(p.Lease)))
	case r.Claimed, time.Unix(r.TimerOld, 0).After(now.Add(p.Skew)):
	case r.Pause < 0 || r.Pause > now.Unix():
		c.finish(ErrPaused)
	case r.Attempt() == 1 && tooFar(p, now, r):
	case time.Unix(r.Timer, 0).Sub(now) > early(p.Schedule, r.Timer):
		c.finish(fmt.Errorf("%w: the next one is that of %s", ErrNotDue, stamp(r.Timer)))
	}
}

// tooFar is a record that waits for a tick which the schedule does not explain.
func tooFar(p *elect.Policy, now time.Time, r record.Record) bool {
	farthest := p.Schedule.Next(max(now.Add(p.Lease+2*p.Skew).Unix(), r.TimerOld))
	return farthest != 0 && r.Timer > farthest
}

// early is how long before a tick a call may be meant for it.
func early(s elect.Schedule, tick int64) time.Duration {
	return min(earliest, time.Duration(tick-s.Prev(tick-1))*time.Second/2)
}

// finish ends a call that did not run the job.
func (c *call) finish(err error) {
	if !c.over {
		c.over, c.err = true, err
		c.end()
	}
}

// giveUp ends a call that came to nothing for too long.
func (c *call) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.begun:
	case c.last != nil:
		c.finish(c.last)
	case c.watch != 0:
		c.finish(fmt.Errorf("%w, again and again", ErrHeld))
	default:
		c.finish(errors.New("the record did not come to a state to run from"))
	}
}
