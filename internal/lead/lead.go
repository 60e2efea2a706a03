// Package lead tells from an agent's events whether it leads, and else who does.
//
// [Watch] is set up before the agent runs; [State] may then be asked at any moment.
// It goes by the time that is left and not by what was last heard: an agent that was
// halted leads no longer, although it has not had the time to say so.
package lead

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// A State is what an agent has told so far.
type State struct {
	id     string
	policy elect.Policy // filled

	mu   sync.Mutex
	held solotick.Tick
	run  context.Context // of held; nil: none is in progress
	seen record.Record   // the last one
	at   time.Time       // the register's time then; zero: none was seen
	got  time.Time       // this machine's
}

// Watch returns a copy of the agent that tells the State what it does, beside its own
// Observe, and whose Job.Do is wrapped by [State.Do]. An agent without an ID is given
// one.
func Watch(a *solotick.Agent) (*solotick.Agent, *State, error) {
	b := *a
	if b.ID == "" {
		id, err := solotick.NewID("")
		if err != nil {
			return nil, nil, fmt.Errorf("lead: %w", err)
		}
		b.ID = id
	}
	s := &State{id: b.ID, policy: b.Policy}
	s.policy.Fill()
	if a.Job.Do != nil {
		b.Job.Do = s.Do(a.Job.Do)
	}
	b.Observe = func(ev solotick.Event) {
		s.see(ev)
		if a.Observe != nil {
			a.Observe(ev)
		}
	}
	return &b, s, nil
}

// Do wraps the job: the agent leads while it runs and its context has not ended.
func (s *State) Do(do func(context.Context, solotick.Tick) error) func(context.Context, solotick.Tick) error {
	return func(ctx context.Context, t solotick.Tick) error {
		s.mu.Lock()
		s.run, s.held = ctx, t
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			s.run = nil
			s.mu.Unlock()
		}()
		return do(ctx, t)
	}
}

func (s *State) see(ev solotick.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch ev.Verb {
	case elect.Look, elect.Load:
		if ev.Err == nil {
			s.note(ev)
		}
	case elect.Swap:
		if ev.Outcome == elect.Done {
			s.note(ev)
		}
	}
}

func (s *State) note(ev solotick.Event) { s.seen, s.at, s.got = ev.Record, ev.Time, time.Now() }

// Leads tells whether the agent leads, and as what. It says no from the moment on at
// which the run's context ends: KillGrace before anybody else may lead.
func (s *State) Leads() (solotick.Tick, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil || s.run.Err() != nil || s.held.Left() <= s.policy.KillGrace {
		return solotick.Tick{}, false
	}
	return s.held, true
}

// ID is the agent's id.
func (s *State) ID() string { return s.id }

// Leader is who else leads, as far as this agent has seen, and for how long that is
// sure to go on, which renewals prolong. The id is what the record says: anybody's
// text. Empty: nobody is known to.
func (s *State) Leader() (id string, left time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.seen
	if !r.Claimed || r.ID == s.id {
		return "", 0
	}
	left = time.Unix(elect.Until(&s.policy, s.at, r), 0).Sub(s.at) - time.Since(s.got)
	if left <= 0 {
		return "", 0
	}
	return r.ID, left
}

// Lease is how long a claim lasts.
func (s *State) Lease() time.Duration { return s.policy.Lease }
