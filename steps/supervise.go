//go:build unix

package steps

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	// lag is what a guard gets to report after the window, and its output to arrive.
	lag = 500 * time.Millisecond
	// patience is how long the pipe to a guard that reads nothing is tried.
	patience = time.Second
)

// A supervisor is the agent's side of one guard, and of the command under it.
type supervisor struct {
	guard   *exec.Cmd
	orders  *os.File
	direct  bool          // the command has the user's own files
	streams [2]*os.File   // the reading ends of the command's output, unless direct
	reports <-chan report // closed when the guard is gone

	run    Run
	heard  bool   // it has reported anything
	result report // the latest
	leader int
}

// supervise runs p under a guard and returns when all of it is over.
func (c *Command) supervise(ctx context.Context, run Run, p process, out *output) (Result, error) {
	if len(c.Stdio) == 3 {
		s, err := newSupervisor(c.Stdio)
		if err != nil {
			return Result{Code: -1}, fmt.Errorf("start its guard: %w", err)
		}
		return s.attend(ctx, c.Timeout, run, p, out)
	}
	defer c.Guards.Fill()
	if s := c.Guards.take(); s != nil {
		result, err := s.attend(ctx, c.Timeout, run, p, out)
		if s.heard || ctx.Err() != nil {
			return result, err
		}
		// It died waiting and has begun nothing.
	}
	s, err := newSupervisor(nil)
	if err != nil {
		return Result{Code: -1}, fmt.Errorf("start its guard: %w", err)
	}
	return s.attend(ctx, c.Timeout, run, p, out)
}

// attend has the guard run p.
func (s *supervisor) attend(ctx context.Context, timeout time.Duration, run Run, p process, out *output) (Result, error) {
	s.run = run
	var copying sync.WaitGroup
	if !s.direct {
		copying.Go(func() { out.out().copy(s.streams[0]) })
		copying.Go(func() { out.err().copy(s.streams[1]) })
	}
	first := s.order()
	first.Start, first.Grace, first.Direct, first.Cores = &p, int64(max(run.Grace, 0)), s.direct, ownCores()
	err := s.send(first)
	if err == nil || errors.Is(err, syscall.EPIPE) { // a guard that is gone is seen by its reports
		err = s.watch(ctx, timeout)
	}
	guardErr := s.dismiss() // it has said what it had to say, or never will
	if !s.direct {
		closeAfter(&copying, s.streams)
	}
	return s.outcome(ctx, err, guardErr, p)
}

// newSupervisor starts a guard, which waits for its first order. Its command gets
// the three files of stdio; nil: none, and its output comes back.
func newSupervisor(stdio []*os.File) (*supervisor, error) {
	if IsGuard() {
		return nil, errors.New("this process was started as one: main must call steps.GuardMain first")
	}
	self, err := selfPath()
	if err != nil {
		return nil, err
	}
	var ends [4][2]*os.File // read and write: orders, stdout, stderr, reports
	for i := range ends {
		if ends[i][0], ends[i][1], err = os.Pipe(); err != nil {
			for _, e := range ends[:i] {
				_, _ = e[0].Close(), e[1].Close()
			}
			return nil, err
		}
	}
	s := &supervisor{
		direct: stdio != nil,
		guard: &exec.Cmd{
			Path:        self,
			Args:        []string{"solotick", "__guard"},
			Env:         []string{guardEnv + "=1", "GOMAXPROCS=1"},
			Stdin:       ends[0][0],
			Stdout:      ends[1][1],
			Stderr:      ends[2][1],
			ExtraFiles:  []*os.File{ends[3][1]},
			SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		},
		orders:  ends[0][1],
		streams: [2]*os.File{ends[1][0], ends[2][0]},
	}
	if stdio != nil {
		s.guard.Stdout, s.guard.Stderr = stdio[1], stdio[2]
		s.guard.ExtraFiles = append(s.guard.ExtraFiles, stdio[0])
		_, _ = ends[1][0].Close(), ends[2][0].Close()
	}
	err = s.guard.Start()
	_, _, _, _ = ends[0][0].Close(), ends[1][1].Close(), ends[2][1].Close(), ends[3][1].Close()
	if err != nil {
		_, _, _, _ = ends[0][1].Close(), ends[1][0].Close(), ends[2][0].Close(), ends[3][0].Close()
		return nil, err
	}
	s.reports = readReports(ends[3][0])
	return s, nil
}

func readReports(f *os.File) <-chan report {
	reports := make(chan report, 3) // all that a guard ever sends
	go func() {
		defer close(reports)
		defer f.Close()
		lines := bufio.NewReader(f)
		for range cap(reports) {
			var r report
			line, err := lines.ReadBytes('\n')
			if err != nil || json.Unmarshal(line, &r) != nil {
				return
			}
			reports <- r
		}
	}()
	return reports
}

// dismiss ends the guard itself and says how it ended.
func (s *supervisor) dismiss() error {
	_ = s.guard.Process.Kill()
	for range s.reports {
	}
	err := s.guard.Wait()
	_ = s.orders.Close()
	return err
}

// discard ends a guard that had nothing to do.
func (s *supervisor) discard() {
	_ = s.dismiss()
	_, _ = s.streams[0].Close(), s.streams[1].Close()
}

// order tells the deadline. The clock is read before the time left, so that a
// pause in between makes the deadline earlier, never later.
func (s *supervisor) order() order {
	if s.run.Left == nil {
		return order{Deadline: math.MaxInt64}
	}
	now := boot()
	left := min(int64(s.run.Left()), math.MaxInt64-now)
	return order{Deadline: max(now+left, 1)}
}

// send never blocks for long: all but a first order with a large environment fit
// into the pipe.
func (s *supervisor) send(o order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_ = s.orders.SetWriteDeadline(time.Now().Add(patience))
	if _, err = s.orders.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("order its guard: %w", err)
	}
	return nil
}

// watch passes on what happens to the run until the guard has reported the end,
// or is gone, and returns why the command was told to stop, if it was.
//
// A later order that cannot be delivered needs no answer: the time that passes
// gives it.
func (s *supervisor) watch(ctx context.Context, timeout time.Duration) (why error) {
	limit := time.NewTimer(s.left())
	defer limit.Stop()
	var asked time.Time
	left := func() time.Duration {
		if why == nil {
			return s.left()
		}
		return min(s.left(), max(s.run.Grace, 0)+hopeless+lag-time.Since(asked))
	}
	stop := func(reason error) {
		if why == nil {
			why, asked = reason, time.Now()
			_ = s.send(order{Stop: true})
			limit.Reset(left())
		}
	}
	var late <-chan time.Time
	if timeout > 0 {
		t := time.NewTimer(timeout)
		defer t.Stop()
		late = t.C
	}
	done, renewed, signals := ctx.Done(), s.run.Renewed, s.run.Signals
	for strikes := 0; ; {
		select {
		case r, ok := <-s.reports:
			if !ok {
				s.killAll() // the guard is dead
				return why
			}
			s.heard, s.result, s.leader = true, r, max(s.leader, r.Started)
			if !r.Begun && r.Started == 0 {
				return why
			}
		case sig, ok := <-signals:
			if n, known := sig.(syscall.Signal); ok && known {
				_ = s.send(order{Signal: n})
			} else if !ok {
				signals = nil
			}
		case _, ok := <-renewed:
			if !ok {
				renewed = nil
			}
			_ = s.send(s.order())
			if strikes == 0 {
				limit.Reset(left())
			}
		case <-done:
			done = nil
			stop(ErrStopped)
		case <-late:
			stop(ErrTimeout)
		case <-limit.C:
			if l := left(); l > 0 {
				limit.Reset(l)
				continue
			}
			// The guard has done this already, unless something stopped it.
			s.killAll()
			stop(ErrStopped)
			if strikes++; strikes > 1 {
				_ = s.guard.Process.Kill()
			}
			limit.Reset(hopeless + lag) // for a guard that is busy giving up
		}
	}
}

// left is the time until the window's end; without a window, for ever.
func (s *supervisor) left() time.Duration {
	if s.run.Left == nil {
		return math.MaxInt64
	}
	return s.run.Left()
}

// killAll kills what the guard should have killed.
func (s *supervisor) killAll() {
	if s.leader != 0 {
		_ = syscall.Kill(-s.leader, syscall.SIGKILL)
	}
	killUnder(s.guard.Process.Pid)
}

// closeAfter gives the last output the time to arrive. A process that could not
// be killed may hold the pipe open for ever, and a writer may block.
func closeAfter(copying *sync.WaitGroup, streams [2]*os.File) {
	done := make(chan struct{})
	go func() {
		copying.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(lag):
	}
	_, _ = streams[0].Close(), streams[1].Close()
}

// outcome words how it ended.
func (s *supervisor) outcome(ctx context.Context, why, guardErr error, p process) (Result, error) {
	r, result := s.result, Result{Code: -1}
	switch {
	case r.Errno != 0:
		err := startError(r.Errno, p)
		result.Code = codeOf(err)
		return result, err
	case r.Late:
		return result, fmt.Errorf("not started: %w: too little of the time it was given was left", ErrStopped)
	case !r.Ended && s.leader == 0 && why != nil:
		return result, fmt.Errorf("not started: %w", why)
	case !r.Ended && s.leader == 0:
		return result, fmt.Errorf("its guard ended before it started (%w): main must call steps.GuardMain first", orNil(guardErr))
	case !r.Ended:
		return result, fmt.Errorf("%w: its guard died (%w), so it was killed", ErrStopped, orNil(guardErr))
	}
	status := syscall.WaitStatus(r.Status)
	result.Code = status.ExitStatus()
	if status.Signaled() {
		result.Signal = status.Signal()
		result.Code = 128 + int(result.Signal)
	}
	var err error
	switch {
	case r.Cut && why == nil:
		err = fmt.Errorf("%w: the time it was given is over", ErrStopped)
	case r.Cut && errors.Is(why, ErrStopped) && ctx.Err() != nil:
		err = fmt.Errorf("%w: %w", why, context.Cause(ctx))
	case r.Cut:
		err = why
	case result.Code != 0:
		err = &ExitError{Code: result.Code, Signal: result.Signal}
	}
	if r.Left != nil {
		err = errors.Join(err, fmt.Errorf("processes %d could not be killed and may still run", r.Left))
		result.Code = -1
	}
	return result, err
}

func orNil(err error) error {
	if err == nil {
		return errors.New("exit code 0")
	}
	return err
}
