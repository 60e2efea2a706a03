package gocronadapter

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-co-op/gocron/v2"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/internal/oncall"
)

// ErrUnknown says that a Locker has no agent for a job. It is not run: without a
// record and a schedule it would be run on every machine.
var ErrUnknown = errors.New("no agent for the job of this name")

// A Locker is a gocron.Locker that grants ticks: see the package comment.
type Locker struct {
	jobs map[string]*job
}

var _ gocron.Locker = (*Locker)(nil)

// NewLocker makes a locker for the jobs of these agents, whose Job.Name is what gocron
// calls the job (gocron.WithName). An agent has a register and a schedule of its own,
// and no Job.Do: gocron has it.
func NewLocker(agents ...*solotick.Agent) (*Locker, error) {
	l := &Locker{jobs: map[string]*job{}}
	for _, a := range agents {
		name := a.Job.Name
		switch {
		case name == "":
			return nil, errors.New("gocronadapter: a job without a name: gocron would call it by that of its function")
		case l.jobs[name] != nil:
			return nil, fmt.Errorf("gocronadapter: job %s: two agents", name)
		case a.Job.Do != nil:
			return nil, fmt.Errorf("gocronadapter: job %s: it has a Do, and gocron another: see Add", name)
		}
		j := &job{}
		agent, err := oncall.Fit(a, j.run)
		if err != nil {
			return nil, fmt.Errorf("gocronadapter: job %s: %w", name, err)
		}
		j.agent = agent
		l.jobs[name] = j
	}
	return l, nil
}

// Lock claims the tick that the call is for, and fails if it is not this
// machine's to run: with solotick.ErrNotDue if it was run, with ErrHeld while it is
// run elsewhere, ErrPaused, [ErrUnknown], or what the register said. It may wait: up to
// 30 s for a tick that this machine's clock sees too early, and for a lease and
// a margin where the last holder has vanished.
func (l *Locker) Lock(ctx context.Context, name string) (gocron.Lock, error) {
	j := l.jobs[name]
	if j == nil {
		return nil, fmt.Errorf("gocronadapter: %w: %q", ErrUnknown, name)
	}
	return j.lock(ctx)
}

// Held is for a job that runs under Lock: a context that ends when the run must, and
// its tick with its fence. It returns false if the job does not run here.
func (l *Locker) Held(name string) (context.Context, solotick.Tick, bool) {
	j := l.jobs[name]
	if j == nil {
		return nil, solotick.Tick{}, false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.turn == nil || j.turn.ctx == nil {
		return nil, solotick.Tick{}, false
	}
	return j.turn.ctx, j.turn.tick, true
}

// A job is one name.
type job struct {
	agent *solotick.Agent

	mu   sync.Mutex
	turn *turn // the call that is in progress
}

// A turn is one Lock, and the lock that comes of it.
type turn struct {
	taken chan struct{} // closed when the tick is this machine's
	free  func()        // gives it back
	freed chan struct{}
	over  chan struct{} // closed when nothing of it is left in the record
	err   error         // what it came to

	ctx  context.Context // of the run; nil: none yet. Under the job's mu
	tick solotick.Tick
}

func (j *job) lock(ctx context.Context) (gocron.Lock, error) {
	t := &turn{taken: make(chan struct{}), freed: make(chan struct{}), over: make(chan struct{})}
	t.free = sync.OnceFunc(func() { close(t.freed) })
	j.mu.Lock()
	busy := j.turn != nil
	if !busy {
		j.turn = t
	}
	j.mu.Unlock()
	if busy {
		return nil, fmt.Errorf("gocronadapter: job %s: %w: an earlier call of this process", j.agent.Job.Name, solotick.ErrHeld)
	}
	go func() {
		t.err = j.agent.RunDue(ctx)
		j.mu.Lock()
		j.turn = nil
		j.mu.Unlock()
		close(t.over)
	}()
	select {
	case <-t.taken:
		return t, nil
	case <-t.over:
		return nil, t.err
	}
}

// run is the agent's job: it lasts for as long as gocron's does.
func (j *job) run(ctx context.Context, tick solotick.Tick) error {
	j.mu.Lock()
	t := j.turn
	t.ctx, t.tick = ctx, tick
	j.mu.Unlock()
	close(t.taken)
	<-t.freed
	return nil
}

// Unlock says that the job has ended, and waits until that is written or cannot be,
// a lease at most, also if ctx has ended: gocron's has when it shuts down. It fails
// with solotick.ErrLost if the job did not end in time. gocron does not look at that;
// the agent's log has it.
func (t *turn) Unlock(context.Context) error {
	t.free()
	<-t.over
	return t.err
}
