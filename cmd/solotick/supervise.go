package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/solotick/solotick/monitor/nagios"
)

// A plugin must not say CRITICAL because it broke, and a Go program that panics in
// any of its goroutines ends with just that code, 2. So the command runs itself once
// more, and takes for a result only what ends with a code that nothing else has.
const (
	checkEnv    = "SOLOTICK_CHECK_CHILD"
	checkedCode = 100 // and the code of the plugin
)

// superviseCheck runs this very command again and passes on what it says.
func (a *app) superviseCheck(ctx context.Context, timeout time.Duration) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("this program cannot find itself: %w", err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := exec.Command(self, a.args...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), checkEnv+"=1")
	said, state, err := supervise(ctx, cmd, timeout+time.Second)
	if err != nil {
		return err
	}
	if _, err := a.stdout.Write(said); err != nil {
		return err
	}
	return exit(state.Code())
}

// supervise runs cmd to its end, and for no longer than limit. An error says why
// there is no result.
func supervise(ctx context.Context, cmd *exec.Cmd, limit time.Duration) ([]byte, nagios.State, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = time.Second // for who else holds its output
	if err := cmd.Start(); err != nil {
		return nil, "", fmt.Errorf("the check cannot be started: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	late := time.NewTimer(limit)
	defer late.Stop()
	var err error
	select {
	case err = <-done:
	case <-late.C:
		_ = cmd.Process.Kill() // only fails if it has ended
		<-done
		return nil, "", fmt.Errorf("the check did not end within %s", limit)
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-done
		return nil, "", errors.New("interrupted")
	}
	for _, s := range []nagios.State{nagios.OK, nagios.Warning, nagios.Critical, nagios.Unknown} {
		if cmd.ProcessState.ExitCode() == checkedCode+s.Code() {
			return out.Bytes(), s, nil
		}
	}
	why := cmd.ProcessState.String()
	if first, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n"); first != "" {
		why += ": " + first
	} else if err != nil && !strings.Contains(err.Error(), why) {
		why += ": " + err.Error()
	}
	return nil, "", fmt.Errorf("the check broke down, and says nothing about the job: %s", why)
}
