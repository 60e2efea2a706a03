package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/monitor/nagios"
)

// panicsEnv makes this test binary a program that panics where nothing can catch
// it.
const panicsEnv = "SOLOTICK_TEST_PANICS"

func panics() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		var none []int
		_ = none[len(os.Args)]
	}()
	<-done
}

func TestSupervise(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shell := func(script string) *exec.Cmd { return exec.Command("sh", "-c", script) }
	broken := exec.Command(self)
	broken.Env = append(os.Environ(), panicsEnv+"=1")
	for _, c := range []struct {
		name  string
		cmd   *exec.Cmd
		limit time.Duration
		said  string
		state nagios.State
		why   string // part of the error
	}{
		{"ok", shell("echo fine; exit 100"), time.Minute, "fine\n", nagios.OK, ""},
		{"warning", shell("echo so-so; exit 101"), time.Minute, "so-so\n", nagios.Warning, ""},
		{"critical", shell("echo bad; echo aside >&2; exit 102"), time.Minute, "bad\n", nagios.Critical, ""},
		{"unknown", shell("echo who knows; exit 103"), time.Minute, "who knows\n", nagios.Unknown, ""},
		{"a code of plugins, which a panic has too", shell("echo SOLOTICK CRITICAL; exit 2"), time.Minute, "", "", "broke down, and says nothing about the job: exit status 2"},
		{"a code of nobody's", shell("exit 104"), time.Minute, "", "", "exit status 104"},
		{"no code", shell("exit 0"), time.Minute, "", "", "exit status 0"},
		{"killed", shell("kill -9 $$"), time.Minute, "", "", "signal: killed"},
		{"says why", shell("echo fatal error: out of memory >&2; exit 2"), time.Minute, "", "", "exit status 2: fatal error: out of memory"},
		{"a panic", broken, time.Minute, "", "", "exit status 2: panic: runtime error: index out of range"},
		{"not there", exec.Command("/nonexistent/solotick"), time.Minute, "", "", "cannot be started"},
		{"does not end", shell("exec sleep 600"), 50 * time.Millisecond, "", "", "did not end within 50ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			said, state, err := supervise(t.Context(), c.cmd, c.limit)
			switch {
			case c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)):
				t.Errorf("error %v, want ...%s...", err, c.why)
			case c.why == "" && err != nil:
				t.Error(err)
			}
			if string(said) != c.said || state != c.state {
				t.Errorf("%q and %q, want %q and %q", said, state, c.said, c.state)
			}
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := supervise(ctx, shell("exec sleep 600"), time.Minute); err == nil || err.Error() != "interrupted" {
			t.Errorf("error %v, want interrupted", err)
		}
	})
}
