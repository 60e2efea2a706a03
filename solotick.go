// Package solotick runs a periodic job on exactly one of N machines.
//
// N agents that know nothing of each other, and have no connection, hold the
// same [Job] and share one record in a [register.Register], such as a DNS
// server that takes updates (register/rfc2136). An [Agent] looks at the record,
// decides with package elect, and acts; each tick of the job's schedule is run
// by at least one agent, and by exactly one whenever that is possible. What is
// guaranteed, and what is not, stands in docs/protocol.md, section 10.
//
// The usual program fills an Agent and calls [Agent.Run]:
//
//	every, _ := schedule.Every(time.Minute, schedule.Offset("canary", time.Minute))
//	agent := &solotick.Agent{
//		Job:      solotick.Job{Name: "canary", Do: check},
//		Policy:   elect.Policy{Schedule: every},
//		Register: reg,
//	}
//	err := agent.Run(ctx)
//
// The package imports no provider, no DNS code and no command line, and it
// keeps nothing on disk: an agent may be killed and replaced at any moment.
package solotick

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
)

// A Job is what is to be done.
type Job struct {
	// Name is the job's name in logs.
	Name string
	// Do runs the job once. Its context ends when the run must: at the job's
	// timeout, before the claim may lapse, at the end of a shutdown's grace;
	// context.Cause says which, and is an [ErrTimeout] in the first case. Do must then return within Policy.KillGrace, as nobody can kill a
	// function. nil means the run was ok; an error that wraps [ErrSkipped] or
	// [ErrTimeout] what that says, and any other error that it failed.
	Do func(ctx context.Context, t Tick) error
}

// What a job may say of its run beside that it failed.
var (
	// ErrSkipped says that there was nothing to do: the tick is over, and the
	// record says skipped.
	ErrSkipped = errors.New("skipped")
	// ErrTimeout says that a part of the job ran out of time. It counts as a
	// failure, and the record says timeout.
	ErrTimeout = errors.New("timed out")
)

// ErrOlder is in [Event.Odd] where the register shows an older record than before.
var ErrOlder = errors.New("it is older than what was here before: the register was rolled back, or somebody put an old record back")

// A Tick is one instant of the schedule that this agent was given to run.
type Tick struct {
	Job          string
	Time         time.Time     // the tick, a whole second, UTC; zero under a lock, which has no ticks
	Attempt      int           // 1, and one more for each run of this tick that failed or was lost
	Fence        int64         // only ever grows; 0 if Unarbitrated. A downstream system rejects a smaller one
	Agent        string        // this agent's id
	Last         record.Result // how the run before this one ended
	State        string        // what the job left behind
	Unarbitrated bool          // the register is away: other agents may run this tick too

	run *run
}

// Left is for how long the run may still go on, on a clock that counts through
// suspend. It grows when the claim is renewed.
func (t Tick) Left() time.Duration { return t.run.left() }

// Renewed is signalled after each change of Left.
func (t Tick) Renewed() <-chan struct{} { return t.run.renewed }

// SetState leaves a text of at most 96 bytes as encoded JSON for the next run,
// on whichever agent. It is an error under at-most-once and in an unarbitrated
// run, which write no record.
func (t Tick) SetState(state string) error { return t.run.setState(state) }

// An Agent runs one job. Fields must not change once Run was called. A process
// with many jobs has an Agent for each.
type Agent struct {
	Job      Job
	Policy   elect.Policy      // zero fields are filled by Policy.Fill
	Register register.Register // holds the job's record
	// Look asks DNS for the texts at the job's name, best the authoritative
	// servers. It may lag. nil: the register is asked instead.
	Look func(context.Context) (register.Snapshot, error)
	// Form is how the record is written and read: sealed, signed or both, with
	// package seal. nil: plain.
	Form record.Form
	// ID identifies this process in the record; no other agent of the job may
	// have it. Empty: NewID("").
	ID string
	// StopGrace is how long a run may go on after the context of Run ended,
	// before it is handed over to another agent. Zero: 8 s.
	StopGrace time.Duration
	Log       *slog.Logger // nil: silent
	Observe   func(Event)  // nil: none. Called from one goroutine; must not block

	clock   clock   // replaced in tests
	calling int32   // a RunDue is in progress; atomic
	caller  *caller // of RunDue
}

// An Event is something that an agent did or noticed.
type Event struct {
	Time    time.Time // the register's time
	Verb    elect.Verb
	Why     elect.Reason
	Tick    Tick          // of a run
	Ended   bool          // a run ended, with Result
	Result  record.Result // of a run
	Took    time.Duration // of a request or a run
	Outcome elect.Outcome // of a Load or Swap
	Record  record.Record // what was read or written
	// What was read, by a Load or a look: what it amounts to, what protects it,
	// and what is odd about it (sealed and not to be opened, altered, rolled back).
	State      record.State
	Protection record.Protection
	Odd        error
	Passed     int           // ticks that a claim or a skip of this agent left out, or a claim that it took over: who made that one may not have known of it
	Until      time.Time     // of a Wait: when it ends if nothing happens; told once for each reason and record
	Told       bool          // Time is the register's; else it is this machine's
	Ahead      time.Duration // of this machine's clock, beyond what the register's answers allow; 0 if it may be right
	Err        error
}

// NewID returns ten random capital letters behind a prefix of at most 12 of A-Z
// and 0-9. Nothing in it tells about the host.
func NewID(prefix string) (string, error) {
	if len(prefix) > 12 || strings.Trim(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return "", fmt.Errorf("agent id prefix %q: want at most 12 of A-Z and 0-9", prefix)
	}
	b := make([]byte, 0, 10)
	for one := [1]byte{}; len(b) < cap(b); {
		rand.Read(one[:]) // never fails
		if one[0] < 26*9 {
			b = append(b, 'A'+one[0]%26)
		}
	}
	return prefix + string(b), nil
}

// Run runs the job until ctx ends and returns nil then: it claims nothing more,
// lets a run end within StopGrace, or hands it over. An error means that the
// agent is not fit to start.
//
// With Policy.Lock this is leadership: the job is run for as long as this agent
// leads, and again when it leads again. Its context ends when it leads no longer.
// See [Agent.Lock] for holding a lock once.
func (a *Agent) Run(ctx context.Context) error {
	switch {
	case a.Job.Do == nil:
		return errors.New("solotick: the job has nothing to do")
	case a.Register == nil:
		return errors.New("solotick: no register")
	case a.Policy.Schedule == nil && !a.Policy.Lock:
		return errors.New("solotick: no schedule")
	}
	l, err := newLoop(a)
	if err != nil {
		return err
	}
	l.run(ctx)
	return nil
}
