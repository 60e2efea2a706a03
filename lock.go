package solotick

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// What a caller of [Agent.Lock], [Agent.TryLock], [Lock.Unlock] and [Agent.RunDue]
// may branch on.
var (
	// ErrHeld says that somebody else holds the lock or runs the tick, and is alive.
	ErrHeld = errors.New("held by somebody else")
	// ErrPaused says that an operator has paused the lock or the job: nobody takes it.
	ErrPaused = errors.New("paused by an operator")
	// ErrOfJob says that the record is one of a job. It is left alone.
	ErrOfJob = errors.New("the record is one of a job")
	// ErrLost says that the lock was no longer held when it was given back: it was
	// not renewed in time, or freed or taken by hand, or held for its Timeout. Of a
	// run it says that the tick may be run again, by anybody.
	ErrLost = errors.New("lost")
)

// A Lock is a lock that this process holds. It is renewed in the background until
// [Lock.Unlock], which has to be called in any case, also after it was lost.
//
// No two processes hold a lock at one time, while the register keeps what it
// acknowledged (docs/protocol.md, sections 10 and 11), as long as each stops what
// it does under it when Context ends. Where that cannot be relied on, as in a
// process that may be halted between a look at Context and a write, the system that
// is written to has to compare fences.
type Lock struct {
	loop *loop
	tick Tick
	ctx  context.Context

	try   bool
	taken chan struct{} // a hand-over to whoever waits for the lock
	unfit chan error    // why to wait no longer
	left  chan struct{} // closed when nobody waits for it any more
	free  chan struct{} // closed when it is to be given back
	over  chan struct{} // closed when the loop has ended
	leave context.CancelFunc
	once  sync.Once

	mu   sync.Mutex
	last error // of the register, while it does not answer
	lost error // why it was held no longer
}

// Lock waits until this process holds the lock at the agent's register, or ctx
// ends. Of the agent, Job.Name is the lock's name in logs and errors, Job.Do is not
// and StopGrace are not used, and Policy has no Schedule; Policy.Timeout bounds how
// long it is held. Ctx bounds the wait alone.
//
// A lock that nobody has ever held, or whose record was removed, is taken a lease
// and a margin later at the earliest (17 s with the defaults).
//
// It fails with the cause of ctx and what the register said last, with
// [register.ErrRefused] if the register refuses this process from the beginning,
// and with [ErrOfJob]. It returns when nothing of this process is left in the
// record, or that cannot be brought about.
func (a *Agent) Lock(ctx context.Context) (*Lock, error) { return a.lock(ctx, false) }

// TryLock is Lock for who does not want to wait: it fails with [ErrHeld] if
// somebody else holds the lock, and with [ErrPaused]. It waits all the same where a
// lock has to be watched before it may be taken: that of a holder who seems to have
// vanished is taken over after a lease and a margin without a sign of life. Were
// that left out, processes that all only try would never get it.
func (a *Agent) TryLock(ctx context.Context) (*Lock, error) { return a.lock(ctx, true) }

func (a *Agent) lock(ctx context.Context, try bool) (*Lock, error) {
	if a.Register == nil {
		return nil, errors.New("solotick: no register")
	}
	k := &Lock{
		try: try, taken: make(chan struct{}), unfit: make(chan error, 1),
		left: make(chan struct{}), free: make(chan struct{}), over: make(chan struct{}),
	}
	b := *a
	b.Policy.Lock, b.Job.Do, b.StopGrace = true, k.hold, 0 // it ends when it is told to
	b.Observe = func(ev Event) {
		k.see(ev)
		if a.Observe != nil {
			a.Observe(ev)
		}
	}
	var err error
	if k.loop, err = newLoop(&b); err != nil {
		return nil, err
	}
	var run context.Context
	run, k.leave = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(k.over)
		k.loop.run(run)
	}()
	select {
	case <-k.taken:
		return k, nil
	case err = <-k.unfit:
	case <-ctx.Done():
		err = context.Cause(ctx)
		if last := k.silence(); last != nil {
			err = fmt.Errorf("%w; the register: %w", err, last)
		}
	}
	close(k.left)
	k.leave()
	<-k.over
	return nil, fmt.Errorf("solotick: lock %s: %w", a.Job.Name, err)
}

// hold is the job of the agent.
func (k *Lock) hold(ctx context.Context, t Tick) error {
	k.tick, k.ctx = t, ctx
	select {
	case k.taken <- struct{}{}:
	case <-k.left:
		return fmt.Errorf("%w: nobody wants it any more", ErrSkipped)
	}
	<-k.free
	if ctx.Err() == nil {
		return nil
	}
	k.lost = fmt.Errorf("%w: %w", ErrLost, context.Cause(ctx))
	return k.lost
}

// see judges, in the loop, whether to wait on after what it has just done or seen.
func (k *Lock) see(ev Event) {
	s := &k.loop.self
	if ev.Verb == elect.Load || ev.Verb == elect.Swap {
		k.note(ev)
	}
	if ev.Outcome == elect.Refused && (k.try || !s.View.Seen || ev.Verb == elect.Swap && s.Fails > 2) {
		k.giveUp(ev.Err)
	}
	if ev.Err != nil || s.Claim.Phase != elect.NoClaim {
		return
	}
	r, now := s.View.Record, ev.Time.Unix()
	switch {
	case s.View.State == record.Unopenable:
		k.giveUp(k.loop.odd)
	case s.View.State != record.Present:
	case !elect.IsLock(r):
		k.giveUp(ErrOfJob)
	case !k.try:
	case r.Claimed && r.ID != s.ID && now <= elect.Until(&k.loop.policy, ev.Time, r)+int64(k.loop.policy.Skew.Seconds()):
		k.giveUp(fmt.Errorf("%w, %s", ErrHeld, r.ID))
	case !r.Claimed && (r.Pause < 0 || r.Pause > now):
		k.giveUp(ErrPaused)
	}
}

// note remembers what the register said last.
func (k *Lock) note(ev Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last = ev.Err; ev.Outcome == elect.Conflict {
		k.last = nil
	}
}

func (k *Lock) silence() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

// giveUp has who waits hear why that is in vain.
func (k *Lock) giveUp(err error) {
	select {
	case k.unfit <- err:
	default:
	}
}

// Fence is a number that is greater than that of every holder before. A system that
// rejects a smaller one than it has seen is safe from a holder that does not know
// yet that it is none any more.
func (k *Lock) Fence() int64 { return k.tick.Fence }

// Agent is the id under which the lock is held, as the record shows it.
func (k *Lock) Agent() string { return k.tick.Agent }

// Context ends when the lock is to be held no longer: Policy.KillGrace before it
// may be another's, unless it is renewed by then; as soon as somebody has taken or
// freed it by hand; at Policy.Timeout; and with Unlock. context.Cause says which.
func (k *Lock) Context() context.Context { return k.ctx }

// Done is closed when Context ends.
func (k *Lock) Done() <-chan struct{} { return k.ctx.Done() }

// Left is for how long the lock is this process's, on a clock that counts through
// suspend. It grows when the lock is renewed.
func (k *Lock) Left() time.Duration { return k.tick.Left() }

// Safe is Left less Policy.KillGrace: for how long what is done under the lock may go
// on. Once it is not positive Context has ended, or ends as soon as this process gets
// to it: one that was halted may be asked here before that.
func (k *Lock) Safe() time.Duration { return k.Left() - k.loop.policy.KillGrace }

// Renewed is signalled after each change of Left.
func (k *Lock) Renewed() <-chan struct{} { return k.tick.Renewed() }

// Unlock gives the lock back and waits until that is written, or ctx ends. An error
// says that it was not: [ErrLost], with the reason, if it was held no longer, and
// anything else if others have to wait until it lapses. What was done under a lock
// that was lost may have been done beside its next holder.
func (k *Lock) Unlock(ctx context.Context) error {
	k.once.Do(func() {
		k.leave() // first: it is not to be taken once more
		close(k.free)
	})
	name := k.loop.Job.Name
	select {
	case <-k.over:
	case <-ctx.Done():
		return fmt.Errorf("solotick: lock %s: not known to be given back: %w", name, context.Cause(ctx))
	}
	switch {
	case k.lost != nil:
		return fmt.Errorf("solotick: lock %s: %w", name, k.lost)
	case !k.loop.self.Claim.Reported:
		err := k.silence()
		if err == nil {
			err = errors.New("no time was left")
		}
		return fmt.Errorf("solotick: lock %s: not given back, it lapses by itself: %w", name, err)
	}
	return nil
}
