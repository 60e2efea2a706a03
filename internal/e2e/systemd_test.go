package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A manager is the side of systemd that services tell of themselves.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
	said []string // so far, in order
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // whose path is short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &manager{t: t, path: dir + "/socket"}
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.conn.Close() })
	return m
}

// env has a service of this manager report every second.
func (m *manager) env() []string {
	return []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=2000000"}
}

// next waits for a message that begins with prefix, and returns it.
func (m *manager) next(prefix string) string {
	m.t.Helper()
	buf := make([]byte, 4096)
	if err := m.conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		m.t.Fatal(err)
	}
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			m.t.Fatalf("%s is not told: %v; so far: %q", prefix, err, m.said)
		}
		text := string(buf[:n])
		m.said = append(m.said, text)
		if strings.HasPrefix(text, prefix) {
			return text
		}
	}
}

// none wants no message that begins with prefix within a time.
func (m *manager) none(prefix string, within time.Duration) {
	m.t.Helper()
	buf := make([]byte, 4096)
	for end := time.Now().Add(within); time.Now().Before(end); {
		if err := m.conn.SetReadDeadline(end); err != nil {
			m.t.Fatal(err)
		}
		if n, err := m.conn.Read(buf); err == nil && strings.HasPrefix(string(buf[:n]), prefix) {
			m.t.Errorf("it is told %q", buf[:n])
		}
	}
}

// TestSystemd is a service's life as its manager hears of it: the start, the watchdog,
// ExecReload, what is wrong with the file, and the end.
func TestSystemd(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	c := prepare(t, startOwn(t), "canary")
	c.env = append(c.env, m.env()...)
	c.configure("jobs:\n" + jobText("canary", `exec: ["true"]`))
	a := c.start()
	if got := m.next("STATUS="); got != "STATUS=1 jobs" {
		t.Errorf("the status is %q", got)
	}
	m.next("READY=1")
	m.next("WATCHDOG=1")
	m.next("WATCHDOG=1")

	c.configure("jobs:\n" + jobText("canary", `exec: ["true"]`) + jobText("other", `exec: ["true"]`))
	before := monotonic(t)
	a.signal(t, syscall.SIGHUP) // as ExecReload does
	told := regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=([0-9]+)$`).FindStringSubmatch(m.next("RELOADING=1"))
	if told == nil {
		t.Fatalf("a reload is told as %q", m.said[len(m.said)-1])
	}
	if usec, _ := strconv.ParseInt(told[1], 10, 64); usec < before || usec > monotonic(t)+10_000 {
		t.Errorf("a reload at %d µs, want it between %d and now", usec, before)
	}
	m.next("STATUS=2 jobs")
	m.next("READY=1")
	c.write("solotick.yaml", "version: 2\n")
	a.signal(t, syscall.SIGHUP)
	m.next("RELOADING=1")
	if got := m.next("STATUS="); !strings.HasPrefix(got, "STATUS=2 jobs; the newest file is not in force: ") || strings.Contains(got, "\n") {
		t.Errorf("the status of a file with a mistake is %q", got)
	}
	m.next("READY=1")

	// A process that does nothing at all is not said to live: the agent's loop reports,
	// and no timer of its own.
	a.signal(t, syscall.SIGSTOP)
	m.none("WATCHDOG=1", 3*time.Second)
	a.signal(t, syscall.SIGCONT)
	m.next("WATCHDOG=1")
	a.signal(t, syscall.SIGTERM)
	m.next("STOPPING=1")
	<-a.done
	if code := a.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d after TERM", code)
	}
	a.dead = true
}

// TestSystemdRestart: the codes after which the unit is not started again.
func TestSystemdRestart(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	c := prepare(t, startOwn(t), "canary")
	c.configure("jobs: {}\n")
	unit, err := os.ReadFile("../../deploy/systemd/solotick.service")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^RestartPreventExitStatus=(.*)$`).FindSubmatch(unit)
	cmd := exec.Command(program, "run", "-c", c.path("solotick.yaml"))
	cmd.Env = append(os.Environ(), m.env()...)
	out, err := cmd.CombinedOutput()
	if code := fmt.Sprint(cmd.ProcessState.ExitCode()); err == nil || line == nil || !strings.Contains(" "+string(line[1])+" ", " "+code+" ") {
		t.Errorf("a file with a mistake: %v, and the unit names %s\n%s", err, line, out)
	}
	m.none("READY=1", 200*time.Millisecond)
}
