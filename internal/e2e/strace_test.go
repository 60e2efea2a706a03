package e2e

import (
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// unreachable: whatever the agents connect to, their system knows no way there.
func (m *trial) unreachable() {
	c := m.cluster()
	c.more(1)
	c.betweenRuns()
	var stops []func()
	for _, a := range c.agents {
		stops = append(stops, noNetwork(m.T, a))
	}
	n := len(c.runs())
	time.Sleep(away)
	for _, a := range c.agents {
		if text := tail(a.log, 1000); !strings.Contains(text, "network is unreachable") {
			m.Errorf("agent %s does not name the cause", a.id)
		}
	}
	if got := len(c.runs()); got > n+1 { // one may have been claimed by then
		m.Errorf("%d runs without a network", got-n)
	}
	for _, stop := range stops {
		stop()
	}
	m.since(c, time.Now(), healed)
	c.more(2)
	c.check()
}

// noNetwork has every connect of an agent fail, until stop is called.
func noNetwork(t *testing.T, a *agent) (stop func()) {
	t.Helper()
	var says bytes.Buffer
	cmd := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=connect", "-e", "inject=connect:error=ENETUNREACH",
		"-p", strconv.Itoa(a.cmd.Process.Pid))
	cmd.Stderr, cmd.SysProcAttr = &says, endWithParent()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(syscall.SIGINT) // it lets go of the agent
		if err := <-done; says.Len() > 0 {
			t.Errorf("strace: %v: %s", err, says.String())
		}
	}
	t.Cleanup(stop)
	return stop
}
