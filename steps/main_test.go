//go:build linux

package steps_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/solotick/solotick/steps"
)

// TestMain lets the test binary be what a test needs as a process of its own: a
// guard, or an agent that can be killed.
func TestMain(m *testing.M) {
	if steps.IsGuard() {
		os.Exit(steps.GuardMain())
	}
	if spec := os.Getenv("STEPS_TEST_AGENT"); spec != "" {
		os.Exit(agentMain(spec))
	}
	goleak.VerifyTestMain(m)
}

// An agentSpec is what an agent process does: one command in one window.
type agentSpec struct {
	Script        string
	Window, Grace time.Duration
}

func agentMain(spec string) int {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // as cmd/solotick does: EPIPE instead of death
	var s agentSpec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	_ = os.Unsetenv("STEPS_TEST_AGENT")
	c := steps.Command{Argv: []string{s.Script}, Shell: true, Stdout: os.Stdout, Stderr: os.Stderr}
	_, err := c.Do(context.Background(), steps.Run{Job: "job", Left: window(s.Window), Grace: s.Grace})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// bootTime is the clock of windows.
func bootTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

// window is a trust window of length d that begins now.
func window(d time.Duration) func() time.Duration {
	end := bootTime() + d
	return func() time.Duration { return end - bootTime() }
}

// eventually polls until what holds, for 10 s at most.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// alive says whether there is a process that is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	after := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
	return !strings.HasPrefix(after, " Z") && !strings.HasPrefix(after, " X")
}

// pids reads the numbers that a script wrote to a file, one a line, and kills
// what is left of them at the end of the test.
func pids(t *testing.T, file string, want int) []int {
	t.Helper()
	var all []int
	eventually(t, fmt.Sprintf("%d pids in %s", want, file), func() bool {
		data, _ := os.ReadFile(file)
		all = nil
		for line := range strings.Lines(string(data)) {
			if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && strings.HasSuffix(line, "\n") {
				all = append(all, n)
			}
		}
		return len(all) >= want
	})
	t.Cleanup(func() {
		for _, pid := range all {
			if alive(pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	return all
}

func noneAlive(all []int) bool {
	for _, pid := range all {
		if alive(pid) {
			return false
		}
	}
	return true
}
