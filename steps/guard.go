//go:build unix

package steps

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The guard is this binary executed once more, with guardEnv in its environment.
// Its descriptors: 0 brings orders, one JSON text a line, the first one with
// what to start; 1 and 2 are the command's output; 3 takes reports; 4 is the
// command's input, if it has any.
//
// It leads a session of its own, and the command leads a process group in it. So
// "kill 0" or "kill -9 0" in the command reaches everything but the guard, and
// the command's group number cannot be given to anybody else before its leader
// has been waited for.
const guardEnv = "SOLOTICK_GUARD"

// An order is what the agent tells the guard.
type order struct {
	Start *process `json:"start,omitempty"`
	// Deadline and Grace are nanoseconds, Deadline of the clock that [boot]
	// reads: both processes read the same one, so that time spent on the way does
	// not count.
	Deadline int64 `json:"deadline,omitempty"`
	Grace    int64 `json:"grace,omitempty"`
	Stop     bool  `json:"stop,omitempty"`
	// Direct says that 1, 2 and 4 are not the agent's pipes but the user's own.
	Direct bool           `json:"direct,omitempty"`
	Signal syscall.Signal `json:"signal,omitempty"` // for the command's group
	// Cores is the soft limit of cores that the command is to have; nil: the one that
	// the guard was started with.
	Cores *uint64 `json:"cores,omitempty"`
}

// MarshalJSON writes octets: a Unix argument or variable need not be UTF-8, as
// JSON text has to be.
func (p process) MarshalJSON() ([]byte, error) {
	octets := func(list ...string) [][]byte {
		out := make([][]byte, len(list))
		for i, s := range list {
			out[i] = []byte(s)
		}
		return out
	}
	return json.Marshal([][][]byte{octets(p.Path, p.Dir, p.Scratch), octets(p.Argv...), octets(p.Env...)})
}

// UnmarshalJSON reads what MarshalJSON has written.
func (p *process) UnmarshalJSON(text []byte) error {
	var all [3][]string
	var octets [][][]byte
	if err := json.Unmarshal(text, &octets); err != nil {
		return err
	}
	if len(octets) != len(all) || len(octets[0]) != 3 {
		return errors.New("no process to start")
	}
	for i, list := range octets {
		for _, raw := range list {
			all[i] = append(all[i], string(raw))
		}
	}
	*p = process{Path: all[0][0], Dir: all[0][1], Scratch: all[0][2], Argv: all[1], Env: all[2]}
	return nil
}

// A report is what the guard tells the agent: that it begins, how the start went,
// and how it ended.
type report struct {
	Begun   bool          `json:"begun,omitempty"`
	Started int           `json:"started,omitempty"` // pid and process group
	Errno   syscall.Errno `json:"errno,omitempty"`   // of a failed start
	Late    bool          `json:"late,omitempty"`    // too little time was left to start
	Ended   bool          `json:"ended,omitempty"`
	Status  uint32        `json:"status,omitempty"` // as wait(2) gives it
	Cut     bool          `json:"cut,omitempty"`    // TERM was sent before it ended by itself
	Left    []int         `json:"left,omitempty"`   // processes that outlived KILL
}

const (
	// sweep is how often a command's processes are looked at while they are to end.
	sweep = 20 * time.Millisecond
	// hopeless is how long after KILL a process is given up as not killable.
	hopeless = 2 * time.Second
)

// IsGuard says whether this process was started to be a guard. If so, main has
// nothing to do but to call [GuardMain].
func IsGuard() bool { return os.Getenv(guardEnv) == "1" }

// GuardMain guards one command to its end and returns the process's exit code.
func GuardMain() int {
	// The kernel ties the parent-death signal to the thread that forks.
	runtime.LockOSThread()
	// Caught signals are back to their defaults in the command. Ignored ones
	// would stay ignored there.
	signal.Notify(make(chan os.Signal, 1))
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	hideDescriptors()
	adoptOrphans()

	out := os.NewFile(3, "reports")
	if out == nil {
		return 2
	}
	tell := func(r report) {
		if text, err := json.Marshal(r); err == nil {
			_, _ = out.Write(append(text, '\n')) // nobody may be there to read it
		}
	}
	in := bufio.NewReader(os.Stdin)
	first, err := readOrder(in)
	if err != nil || first.Start == nil {
		return 2
	}
	g := &guard{deadline: first.Deadline, grace: first.Grace, killAt: math.MaxInt64, giveUp: math.MaxInt64}
	if g.timer, err = newAlarm(); err != nil {
		tell(report{Errno: errnoOf(err)})
		return 2
	}
	if boot() >= g.deadline-g.grace {
		tell(report{Late: true})
		return 0
	}
	tell(report{Begun: true})
	if first.Cores != nil {
		limitCores(*first.Cores)
	}
	if g.leader, err = start(first.Start, first.Direct); err != nil {
		tell(report{Errno: errnoOf(err)})
		return 0
	}
	if !first.Direct {
		g.output = heldOutput()
	}
	muteSelf()
	tell(report{Started: g.leader})
	left := g.watch(children, orders(in))
	if g.alone && first.Start.Scratch != "" {
		_ = os.Remove(first.Start.Scratch) // the agent would have; the job may have, too
	}
	tell(report{Ended: true, Status: uint32(g.status), Cut: g.cut, Left: left})
	return 0
}

// start forks the command, with the user's own input or an empty one.
func start(p *process, direct bool) (int, error) {
	input := os.NewFile(4, "input")
	if !direct {
		var err error
		if input, err = os.Open(os.DevNull); err != nil {
			return 0, err
		}
	}
	defer input.Close()
	return syscall.ForkExec(p.Path, p.Argv, &syscall.ProcAttr{
		Dir:   p.Dir,
		Env:   p.Env,
		Files: []uintptr{input.Fd(), 1, 2},
		Sys:   jobAttr(),
	})
}

// muteSelf lets go of the command's output, so that its end can be seen.
func muteSelf() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		_ = unix.Close(1)
		_ = unix.Close(2)
		return
	}
	_ = unix.Dup2(int(null.Fd()), 1)
	_ = unix.Dup2(int(null.Fd()), 2)
	_ = null.Close()
}

// orders delivers orders until the agent closes the pipe or dies.
func orders(in *bufio.Reader) <-chan order {
	c := make(chan order)
	go func() {
		defer close(c)
		for {
			o, err := readOrder(in)
			if err != nil {
				return
			}
			c <- o
		}
	}()
	return c
}

func readOrder(in *bufio.Reader) (order, error) {
	var o order
	line, err := in.ReadBytes('\n')
	if err != nil {
		return o, err
	}
	return o, json.Unmarshal(line, &o)
}

// A guard watches over one command. Its times are readings of [boot].
type guard struct {
	timer    *alarm
	output   []*os.File // the reading ends of the command's
	leader   int
	deadline int64 // nothing of the command may be alive then
	grace    int64
	killAt   int64 // set by TERM
	giveUp   int64 // set by the first KILL

	stop   bool // the agent wants it, or is gone
	alone  bool // the agent is gone
	reaped bool // the leader has ended and was waited for
	gone   bool // so has everything else
	status syscall.WaitStatus
	cut    bool // TERM was sent while the leader ran
}

// watch returns when nothing of the command is left, or with what cannot be killed.
func (g *guard) watch(children <-chan os.Signal, orders <-chan order) []int {
	for {
		g.reap()
		if g.reaped && g.gone {
			return nil
		}
		if g.act(boot()) {
			return g.survivors()
		}
		select {
		case <-children:
		case <-g.timer.C:
		case o, ok := <-orders:
			switch {
			case !ok: // the agent is gone: what it knew of this run went with it
				orders, g.stop, g.alone = nil, true, true
				g.drain()
			case o.Stop:
				g.stop = true
			case o.Signal != 0:
				if !g.reaped {
					_ = syscall.Kill(-g.leader, o.Signal)
				}
			default:
				g.deadline = o.Deadline
			}
		}
	}
}

// drain reads in the agent's place, so that a command that prints while it ends
// does not die of SIGPIPE before it has cleaned up.
func (g *guard) drain() {
	for _, f := range g.output {
		go func() { _, _ = io.Copy(io.Discard, f) }()
	}
}

// act does what is due, sets the timer for what comes next, and says when to
// give up.
func (g *guard) act(now int64) bool {
	// A leader that ended by itself leaves its background processes to us.
	if g.reaped || g.stop || now >= g.deadline-g.grace {
		g.term(now)
	}
	if now >= min(g.killAt, g.deadline) {
		g.giveUp = min(g.giveUp, now+int64(hopeless))
		g.signal(syscall.SIGKILL) // again and again: it may be forking
	}
	next := g.deadline - g.grace
	if g.killAt != math.MaxInt64 {
		next = min(g.killAt, g.deadline, now+int64(sweep))
	}
	if now >= g.killAt || now >= g.deadline {
		next = now + int64(sweep)
	}
	g.timer.set(next)
	return now >= g.giveUp
}

// term asks everything to end, once, and sets the time of KILL.
func (g *guard) term(now int64) {
	if g.killAt != math.MaxInt64 {
		return
	}
	g.killAt = now + g.grace
	g.cut = !g.reaped
	if g.grace > 0 {
		g.signal(syscall.SIGTERM)
		g.signal(syscall.SIGCONT) // a stopped process acts on nothing else
	}
}

// reap waits for whatever has ended, orphans that came to us included.
func (g *guard) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil || pid == 0:
			g.gone = err != nil && !groupAlive(g.leader)
			return
		case pid == g.leader:
			g.reaped, g.status = true, status
		}
	}
}

// signal sends to the command's group and to every other descendant. The group's
// number is ours for as long as its leader was not waited for or a member is seen.
func (g *guard) signal(sig syscall.Signal) {
	if !g.reaped {
		_ = syscall.Kill(-g.leader, sig)
	}
	others := descendants(os.Getpid())
	member := others == nil
	for _, p := range others {
		if p.group == g.leader {
			member = true
		} else {
			_ = syscall.Kill(p.pid, sig)
		}
	}
	if g.reaped && member {
		_ = syscall.Kill(-g.leader, sig)
	}
}

func (g *guard) survivors() []int {
	var pids []int
	for _, p := range descendants(os.Getpid()) {
		pids = append(pids, p.pid)
	}
	if pids == nil {
		pids = []int{g.leader}
	}
	return pids
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EIO
}

// startError words a failed start.
func startError(errno syscall.Errno, p process) error {
	switch errno {
	case syscall.ENOENT:
		return fmt.Errorf("%w: the interpreter in its first line (#!) or its loader is missing", ErrNotFound)
	case syscall.EACCES, syscall.EPERM:
		return fmt.Errorf("%w: %w", ErrNotExecutable, errno)
	case syscall.ENOEXEC:
		return fmt.Errorf("%w: neither a program of this machine nor a script with #! in its first line", ErrNotExecutable)
	case syscall.E2BIG:
		return fmt.Errorf("its arguments and environment are too long: %w", errno)
	}
	return fmt.Errorf("start %s: %w", p.Path, errno)
}
