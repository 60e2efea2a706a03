// Package sim runs agents over a modelled register: days of them in seconds, again
// and again the same.
//
// It is a third driver of package elect, beside the agent and the explorer: every
// agent decides by elect.Decide, and what happens to it is an event of a simulated
// world in which time is a number. A [Scenario] says how the world is; [Run] says
// what became of the ticks:
//
//	report, err := sim.Run(sim.Scenario{Agents: 3, For: 24 * time.Hour, Policy: policy})
//
// All chance comes from Scenario.Seed, so that a scenario gives the same course on
// every machine. Where the explorer looks for what can go wrong at all, this tells
// how often it does, how late ticks start and what it costs. It proves nothing, and
// it is as true as the model of the provider is.
package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// A Scenario is a world. Zero fields mean that nothing of the kind happens.
type Scenario struct {
	Seed   uint64
	Agents int // 0: 3. They begin at random within a poll
	// Members are the agents one by one, in the place of Agents.
	Members []Member
	For     time.Duration // 0: a day
	Start   time.Time     // zero: 2026-01-01T00:00:00Z
	Policy  elect.Policy  // with a Schedule; zero fields are filled

	Job      Job
	Clocks   Clocks
	Provider Provider
	// Cache has each agent ask DNS through a resolver of its own, which keeps an answer
	// for so long: the TTL of the record. 0: agents ask the name servers.
	Cache time.Duration

	Pauses   Repeated // of one agent: it does nothing meanwhile, its child goes on
	Crashes  Repeated // of one agent: kill -9; another one takes its place after Length
	Restarts Repeated // of all agents, one after the other, as in a roll-out: asked to end, and replaced after Length
	Outages  Repeated // of the register: it answers nobody
	DNSOut   Repeated // of the name servers
	Away     []Span   // outages of the register at known times

	// Watch is told what the agents do, in the order of time. nil: nobody.
	Watch func(Step)
}

// A Member is an agent of which it is known when it comes and goes.
type Member struct {
	ID    string
	Begin time.Duration
	Stop  time.Duration // it is asked to end then; 0: never
	Kill  time.Duration // kill -9; 0: never. Nobody takes its place
}

// A Job is what a run is like.
type Job struct {
	Takes Delay
	Fails float64 // the share of runs that fail
	Grace Delay   // from the order to stop to its end
}

// Clocks are how wrong the agents' clocks are. Each agent draws its own.
type Clocks struct {
	Offset time.Duration // at most, on either side
	Drift  float64       // at most, in parts per million, on either side
	Steps  Repeated      // a clock is set: it is off by up to Offset anew
}

// Repeated happens again and again: after Every, on average, for Length.
type Repeated struct {
	Every  time.Duration // 0: never
	Length Delay
}

// A Span is a time since the start, up to but not including Until.
type Span struct{ From, Until time.Duration }

// A Step is something that an agent did, as solotick.Event tells it of a real one.
type Step struct {
	At      time.Duration // since the start of the scenario
	Agent   string
	Verb    elect.Verb
	Why     elect.Reason
	Outcome elect.Outcome // of a Load or Swap
	Tick    int64         // of a run
	Attempt int
	Ended   bool // a run ended, with Result
	Result  record.Result
	Loose   bool // of an unarbitrated run
	// Killed is what the agent itself does not know of: its process was ended, with Verb
	// End, or its run by the guard, with Verb Stop. Tick is 0 if nothing was running.
	Killed bool
}

func (s Step) String() string {
	text := fmt.Sprintf("%12.3f %-14s %v: ", s.At.Seconds(), s.Agent, s.Verb)
	if s.Killed {
		if text += "killed"; s.Tick != 0 {
			text += fmt.Sprintf(": tick %d attempt %d", s.Tick, s.Attempt)
		}
		return text
	}
	text += s.Why.String()
	switch {
	case s.Ended:
		return text + fmt.Sprintf(": tick %d attempt %d: %s", s.Tick, s.Attempt, s.Result)
	case s.Verb == elect.Run:
		return text + fmt.Sprintf(": tick %d attempt %d", s.Tick, s.Attempt)
	case s.Verb == elect.Load || s.Verb == elect.Swap:
		return text + ": " + s.Outcome.String()
	}
	return text
}

// Run lets a scenario happen. Its error says what of it cannot be.
func Run(s Scenario) (*Report, error) {
	if err := s.fill(); err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	w := newWorld(&s)
	w.run()
	return w.report(), nil
}

func (s *Scenario) fill() error {
	if s.Members != nil {
		s.Agents = len(s.Members)
	}
	if s.Agents == 0 {
		s.Agents = 3
	}
	if s.For == 0 {
		s.For = 24 * time.Hour
	}
	if s.Start.IsZero() {
		s.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	s.Provider.fill()
	if s.Policy.HeadStart == 0 && s.Policy.Lease == 0 {
		s.Policy.Fill()
		s.Policy.HeadStart = max(s.Policy.HeadStart, s.Provider.Lag)
	}
	s.Policy.Fill()
	switch {
	case s.Agents < 0 || s.Agents > 1_000_000:
		return fmt.Errorf("%d agents: want 1 to 1,000,000", s.Agents)
	case s.For < 0 || s.For > 100*365*24*time.Hour:
		return fmt.Errorf("%v: want up to 100 years", s.For)
	case s.Cache < 0:
		return fmt.Errorf("a cache of %v", s.Cache)
	case s.Policy.Lock:
		return errors.New("a lock has no ticks to simulate")
	case s.Policy.Schedule == nil:
		return errors.New("no schedule")
	}
	return s.Policy.Check()
}
