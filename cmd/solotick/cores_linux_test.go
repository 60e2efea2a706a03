package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// plantedCore is in the memory of every process of this test, and put together
// there so that the binary does not hold it.
var plantedCore = strings.Join([]string{"pl4nted", "in", "a", "core"}, "-")

// A crasher is what is needed to run this program as a user who is nobody, in a
// folder of which cores are welcome.
type crasher struct {
	dir    string
	binary string
}

func newCrasher(t *testing.T) crasher {
	t.Helper()
	dir, err := os.MkdirTemp("", "solotick-cores-*") // not t.TempDir, which others may not enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := crasher{dir, filepath.Join(dir, "solotick")}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if os.Link(self, c.binary) != nil {
		data, err := os.ReadFile(self)
		if err == nil {
			err = os.WriteFile(c.binary, data, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const file = `version: 1
dns: { provider: rfc2136, zone: example.com, server: "127.0.0.1:1", tsig: "${env:PLANTED_KEY}" }
jobs:
  canary:
    every: 60s
    exec: [sh, -c, "echo 42 > $SOLOTICK_STATE_OUT; echo state $?; ulimit -c; exec sleep 60"]
`
	for path, mode := range map[string]os.FileMode{c.dir: 0o777, c.binary: 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "solotick.yaml"), []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	return c
}

// crash starts one run as a user who may do nothing, and has it abort amid that.
func (c crasher) crash(t *testing.T, sig syscall.Signal, env ...string) (printed []string, limits string, end syscall.WaitStatus) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `ulimit -S -c "$(ulimit -H -c)"; exec "$0" run --now --job canary`, c.binary)
	cmd.Dir = c.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GOTRACEBACK=crash", "PLANTED_KEY=key:" + plantedKey()}, env...)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for len(printed) < 2 && lines.Scan() {
		printed = append(printed, strings.TrimPrefix(lines.Text(), "canary: "))
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	limits = string(text)
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait() // it does not end well
	if strings.Contains(stderr.String(), plantedKey()) {
		t.Errorf("the dump of all goroutines shows a secret:\n%s", stderr.String())
	}
	if !strings.Contains(stderr.String(), "goroutine ") {
		t.Errorf("it has not crashed: %s", stderr.String())
	}
	return printed, limits, cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// plantedKey is the secret of a key, in base64.
func plantedKey() string { return strings.Repeat(strings.ReplaceAll(plantedCore, "-", "+"), 2) }

// cores says how many files of the folder are cores, and whether one of them holds
// the secret; afterwards there are none.
func (c crasher) cores(t *testing.T) (n int, shows bool) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(c.dir, "*core*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n++
		shows = shows || bytes.Contains(data, []byte(plantedKey()))
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	return n, shows
}

// TestNoCore crashes an agent, by the two signals at which Go programs crash, where
// cores may have any size, and wants none.
func TestNoCore(t *testing.T) {
	t.Parallel()
	c := newCrasher(t)
	all, err := exec.Command("sh", "-c", "ulimit -H -c").Output() // crash starts it with all that it may have
	if err != nil {
		t.Fatal(err)
	}
	had := strings.TrimSpace(string(all))
	before := regexp.MustCompile(`Max core file size +(\S+) +`)
	for _, tt := range []struct {
		name  string
		env   []string
		limit string // of the agent: its soft limit; empty: as it was, which is what its commands have
	}{
		{"a state file", nil, ""},
		// Then the state is memory of the agent, which its command opens by a name in
		// /proc: that has to work, and there is to be no core either.
		{"nowhere to put a file", []string{"TMPDIR=/nowhere"}, "1"},
	} {
		for _, sig := range []syscall.Signal{syscall.SIGABRT, syscall.SIGQUIT} {
			t.Run(fmt.Sprintf("%s, %v", tt.name, sig), func(t *testing.T) {
				printed, limits, end := c.crash(t, sig, tt.env...)
				if len(printed) != 2 || printed[0] != "state 0" {
					t.Fatalf("its command printed %q", printed)
				}
				if n, _ := c.cores(t); end.CoreDump() || n > 0 {
					t.Errorf("ended by %v, core %v, %d files", end.Signal(), end.CoreDump(), n)
				}
				if !end.Signaled() {
					t.Errorf("ended with %d, not by a signal: nothing was tried", end.ExitStatus())
				}
				limit := before.FindStringSubmatch(limits)
				if limit == nil || tt.limit != "" && limit[1] != tt.limit || tt.limit == "" && limit[1] == "1" {
					t.Errorf("limits %v, want %q", limit, tt.limit)
				}
				if printed[1] != had {
					t.Errorf("a command gets the limit %s, where its agent had %s at first", printed[1], had)
				}
			})
		}
	}
	t.Run("asked for", func(t *testing.T) { // so that this test could have found one
		_, _, end := c.crash(t, syscall.SIGABRT, coresEnv+"=1")
		n, shows := c.cores(t)
		t.Logf("core %v, %d files", end.CoreDump(), n)
		if n > 0 && !shows {
			t.Error("the core that was asked for does not hold what was planted")
		}
		if pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern"); err == nil && strings.HasPrefix(string(pattern), "core") && end.CoreDump() && n == 0 {
			t.Errorf("there is a core, and it was not found in %s", c.dir)
		}
	})
}
