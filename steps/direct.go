//go:build !unix

package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// IsGuard is false: there are no guards on this system.
func IsGuard() bool { return false }

// GuardMain is never needed on this system.
func GuardMain() int { return 2 }

// Guards has nothing to keep on this system.
type Guards struct{}

// Fill does nothing on this system.
func (g *Guards) Fill() {}

// Close does nothing on this system.
func (g *Guards) Close() {}

func memoryFile() (*os.File, string) { return nil, "" }

// supervise runs p without a guard: it is ended by this process or not at all,
// at once and without its descendants.
func (c *Command) supervise(ctx context.Context, run Run, p process, out *output) (Result, error) {
	result := Result{Code: -1}
	if run.Left != nil && run.Left() <= run.Grace {
		return result, fmt.Errorf("not started: %w: too little of the time it was given was left", ErrStopped)
	}
	cmd := &exec.Cmd{Path: p.Path, Args: p.Argv, Dir: p.Dir, Env: p.Env, WaitDelay: 500 * time.Millisecond}
	stdout, stderr := out.out(), out.err()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if len(c.Stdio) == 3 {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdio[0], c.Stdio[1], c.Stdio[2]
	}
	if err := cmd.Start(); err != nil {
		return result, fmt.Errorf("start %s: %w", p.Path, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	why := c.await(ctx, run, ended, func() { _ = cmd.Process.Kill() })
	stdout.end()
	stderr.end()
	result.Code = cmd.ProcessState.ExitCode()
	if why != nil {
		return result, why
	}
	if result.Code != 0 {
		return result, &ExitError{Code: result.Code}
	}
	return result, nil
}

// await waits for the end, and brings it about where it must.
func (c *Command) await(ctx context.Context, run Run, ended <-chan error, kill func()) (why error) {
	stop := func(err error) {
		if why == nil {
			why = err
			kill()
		}
	}
	var late <-chan time.Time
	if c.Timeout > 0 {
		late = time.After(c.Timeout)
	}
	done := ctx.Done()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if why == nil && err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
				why = err
			}
			return why
		case <-done:
			done = nil
			stop(fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx)))
		case <-late:
			stop(ErrTimeout)
		case <-look.C:
			if run.Left != nil && run.Left() <= run.Grace {
				stop(fmt.Errorf("%w: the time it was given is over", ErrStopped))
			}
		}
	}
}
