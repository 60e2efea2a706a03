// Package steps is what a job does when its tick is run: a [Plan] of steps, done
// one after the other. A step sends an HTTP request, runs a command, tells people
// that a condition has changed, or leaves a text for the next run.
//
// Steps see what earlier ones brought back, in expressions (package
// internal/expression, names in [Names] and [OutputNames]). Which alerts were
// told rides in the job's state (package alert), so that any agent goes on where
// the one before has stopped.
//
// A command runs under a guard, a second process of the same binary that ends
// the command's whole process tree at the end of the claim's trust window, also
// when this process is killed or stopped before it could do so itself. For that
// a program that runs commands starts its main function with
//
//	if steps.IsGuard() {
//		os.Exit(steps.GuardMain())
//	}
//
// What the guard can do depends on the system. On Linux it finds every
// descendant of the command, those that left its process group included, and
// its deadline counts through a suspend of the machine. On other Unix systems it
// ends the process group only. On Windows there is no guard: only the process
// itself is ended, and not at all once this program is gone.
//
// The package decides nothing about ticks, claims or retries, and knows no DNS.
package steps

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// MaxState is the greatest length of a job's state, in bytes of its JSON text
// with its quotes, as the record holds it.
const MaxState = 96

// What a caller may branch on. A command that ran and ended by itself with
// another code than 0 gives an [*ExitError] instead.
var (
	// ErrTimeout says that the command ran for longer than its own timeout and
	// was ended.
	ErrTimeout = errors.New("ran longer than its timeout")
	// ErrStopped says that the run was ended from outside: its context was
	// cancelled, the window of its claim closed, or its guard died.
	ErrStopped = errors.New("stopped before its end")
	// ErrNotFound says that there is no such program; the code is 127.
	ErrNotFound = errors.New("not found")
	// ErrNotExecutable says that the program is there and cannot be executed;
	// the code is 126.
	ErrNotExecutable = errors.New("not executable")
	// ErrState says that a step left a state that no record can hold.
	ErrState = errors.New("unusable state")
	// ErrSkipped says that no step had anything to do: the condition of each was
	// false.
	ErrSkipped = errors.New("every step was skipped by its condition")
)

// An ExitError says that a command ended by itself, and not with code 0.
type ExitError struct {
	Code   int            // as in [Result]
	Signal syscall.Signal // the signal that ended it; 0: none
}

// Error says with which code, or by which signal.
func (e *ExitError) Error() string {
	if e.Signal != 0 {
		return fmt.Sprintf("ended by signal %d (%s)", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("ended with code %d", e.Code)
}

// A Run is one execution of a job, as the agent tells it to the job's steps.
type Run struct {
	Job string
	// Lock is the name of a lock that a command is run under. There is no job then,
	// and no tick and no state: the command is told of the lock instead.
	Lock         string
	Record       string // the name of the job's record
	Agent        string // the agent's id
	Tick         time.Time
	Next         time.Time // the tick after this one; zero: none
	Before       time.Time // the latest tick that was claimed before this run was; zero: not known
	Attempt      int
	Attempts     int       // how often a tick that fails is run
	Fence        int64     // of the claim; 0 and meaningless if Unarbitrated
	Unarbitrated bool      // nobody granted this run: there is no claim
	Last         string    // how the run before ended; empty: unknown
	State        string    // what the job left to itself
	Deadline     time.Time // when the run will be ended at the latest; zero: not known

	// Room is how long the job's own state may be, as [MaxState] counts; 0:
	// MaxState.
	Room int

	// Left tells how much of the claim's trust window is left, on a clock that
	// counts through suspend; not positive: nothing. By then no process of the
	// job may be alive. Nil: no window, as in an unarbitrated run.
	Left func() time.Duration
	// Renewed is signalled after Left has grown; nil: it never does.
	Renewed <-chan struct{}
	// Grace is the time between TERM and KILL: TERM is sent when no more than
	// that is left.
	Grace time.Duration
	// Signals are passed on to a command's process group as they come; nil: none
	// ever does. Windows passes Ctrl-C on by itself, and nothing else.
	Signals <-chan os.Signal

	// Stdout and Stderr get what commands print, as [Command] has it, and Guards
	// are those of its commands, where a command of a [Plan] has none itself.
	Stdout, Stderr io.Writer
	Guards         *Guards

	// TraceParent is what a command gets as TRACEPARENT, if it is what the step of
	// that number, from 0, does (W3C Trace Context); on_failure has the number after
	// the last. Nil: whatever this process has itself.
	TraceParent func(step int) string
	// Secrets are not to be in [Result.Tail], beside those of the step itself.
	Secrets []string
	// Withheld are names of variables of this process's environment that commands do
	// not get, unless their own Env has them.
	Withheld []string

	step int // that is done
}

func (r *Run) room() int { return cmp.Or(r.Room, MaxState) }

// over says that the run's claim is about to lapse, which ends it.
func (r *Run) over() bool { return r.Left != nil && r.Left() <= r.Grace }

// A Result is how a command or a whole plan ended. It is meaningful beside an
// error too.
type Result struct {
	// Code is the exit code, 128 + n after signal n, 127 and 126 as in
	// [ErrNotFound] and [ErrNotExecutable], -1 if it never came to an end that
	// could be seen.
	Code     int
	Signal   syscall.Signal // 0: none
	Took     time.Duration  // from just before its start to the end of its last process
	Tail     string         // the beginning and the end of what it printed, see [Command]; of a plan without secrets
	State    string         // the job's new state
	StateSet bool           // the job changed its state
	Stdout   string         // of a command with Keep: what it printed there
	Steps    []Report       // of a plan: the steps that were reached
}
