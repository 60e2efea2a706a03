package gocronadapter

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-co-op/gocron/v2"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/internal/lead"
)

// ErrNotLeader says that another machine leads, or nobody does.
var ErrNotLeader = errors.New("not the leader")

// An Elector is a gocron.Elector: all jobs of a scheduler run on the machine that
// leads. Leadership is not a claim for each tick: see the package comment.
type Elector struct {
	agent *solotick.Agent
	state *lead.State
}

var _ gocron.Elector = (*Elector)(nil)

// NewElector makes an elector of an agent whose Policy has Lock set, and which has no
// Job.Do.
func NewElector(a *solotick.Agent) (*Elector, error) {
	switch {
	case !a.Policy.Lock:
		return nil, fmt.Errorf("gocronadapter: %s: an elector leads by a lock, and this agent has a schedule", a.Job.Name)
	case a.Job.Do != nil:
		return nil, fmt.Errorf("gocronadapter: %s: an elector has nothing to do, and this agent has a Do", a.Job.Name)
	}
	b, state, err := lead.Watch(a)
	if err != nil {
		return nil, fmt.Errorf("gocronadapter: %s: %w", a.Job.Name, err)
	}
	return &Elector{b, state}, nil
}

// Run takes part in the election until ctx ends, and gives a leadership up then. Shut
// the scheduler down first: its jobs may run until they end.
func (e *Elector) Run(ctx context.Context) error {
	b := *e.agent
	b.Job.Do = e.state.Do(func(lost context.Context, _ solotick.Tick) error {
		select {
		case <-lost.Done():
			return context.Cause(lost)
		case <-ctx.Done():
			return nil
		}
	})
	return b.Run(ctx)
}

// IsLeader returns nil on the leader, and else an ErrNotLeader. Jobs that were
// started go on when the leadership is lost: one that lasts for long has to ask
// again, and stop.
func (e *Elector) IsLeader(context.Context) error {
	if _, ok := e.state.Leads(); ok {
		return nil
	}
	if id, _ := e.state.Leader(); id != "" {
		return fmt.Errorf("%w: %q is", ErrNotLeader, id)
	}
	return ErrNotLeader
}
