package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nobody is the user to become where root runs the tests.
const nobody = 65534

// archOf is what the kernel calls the machine in seccomp's data.
var archOf = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// lockIn does what the unit has systemd do, as far as a process can do it to itself: no
// privileges, none to be had, no core, and the unit's system calls.
func lockIn(allowed string, argv []string) error {
	runtime.LockOSThread()
	var numbers []uint32
	if err := json.Unmarshal([]byte(allowed), &numbers); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		for c := uintptr(0); unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) == nil; c++ {
		}
		if err := syscall.Setgroups(nil); err != nil {
			return err
		}
		if err := syscall.Setgid(nobody); err != nil {
			return err
		}
		if err := syscall.Setuid(nobody); err != nil {
			return err
		}
	}
	syscall.Umask(0o077)
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, new(syscall.Rlimit)); err != nil {
		return err
	}
	const errno = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: archOf[runtime.GOARCH], Jt: 1},
		{Code: unix.BPF_RET, K: errno},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
	}
	for _, n := range numbers {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: n, Jf: 1}, unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET, K: errno})
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		return err
	}
	os.Unsetenv(sandboxEnv)
	return syscall.Exec(argv[0], argv, os.Environ())
}

// systemCalls are the numbers of those that a unit leaves, as systemd reads its lines
// SystemCallFilter=.
func systemCalls(t *testing.T, unit string) []uint32 {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "syscall-filter", "--no-pager").Output()
	if err != nil {
		t.Fatal(err)
	}
	sets, set := map[string][]string{}, ""
	for line := range strings.Lines(string(out)) {
		word := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "@"):
			set = word
		case strings.HasPrefix(line, "    ") && !strings.HasPrefix(word, "#"):
			sets[set] = append(sets[set], word)
		}
	}
	var names func(string) []string
	names = func(name string) (all []string) {
		if !strings.HasPrefix(name, "@") {
			return []string{name}
		}
		for _, n := range sets[name] {
			all = append(all, names(n)...)
		}
		return all
	}
	left := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.*)$`).FindAllStringSubmatch(unit, -1) {
		for word := range strings.FieldsSeq(m[2]) {
			for _, n := range names(word) {
				left[n] = m[1] == ""
			}
		}
	}
	// The sets have names of other machines' calls too.
	cmd := exec.Command("gcc", "-E", "-dM", "-")
	cmd.Stdin = strings.NewReader("#include <sys/syscall.h>\n")
	if out, err = cmd.Output(); err != nil {
		t.Fatalf("the numbers of system calls: %v", err)
	}
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^#define (__NR\w+) (\w+)$`).FindAllStringSubmatch(string(out), -1) {
		values[m[1]] = m[2]
	}
	var numbers []uint32
	for name, ok := range left {
		value := values["__NR_"+name]
		if n, err := strconv.ParseUint(value, 10, 32); ok && err == nil {
			numbers = append(numbers, uint32(n))
		} else if n, err := strconv.ParseUint(values[value], 10, 32); ok && err == nil {
			numbers = append(numbers, uint32(n))
		}
	}
	slices.Sort(numbers)
	if len(numbers) < 200 {
		t.Fatalf("%d system calls are left of %d sets", len(numbers), len(sets))
	}
	return numbers
}

// sandboxed does what jobs do, says in what it is locked, and where there is a file hang
// goes on with a child that has got away.
const sandboxed = `#!/bin/sh
set -eu
f=$(mktemp); date | sort >"$f"; cat "$f" | wc -l >/dev/null; rm "$f"
(cd "$(mktemp -d)"; mkfifo pipe; echo x >pipe & read -r x <pipe; wait; mkdir -p a/b; touch a/b/c; chmod 600 a/b/c; mv a/b/c a/d; ln -s d a/l; rm -r a pipe)
getent hosts localhost >/dev/null
grep -q . /proc/self/status && ps >/dev/null
echo kept >"$SOLOTICK_STATE_OUT"
echo "$SOLOTICK_TICK $(id -u) $(awk '/^(NoNewPrivs|Seccomp|CapBnd):/ {printf "%s%s ", $1, $2}' /proc/self/status)core:$(ulimit -c)" >>runs
rm hang 2>/dev/null || exit 0
trap '' TERM
setsid sh -c 'trap "" TERM; echo $$ >>hung; while :; do sleep 0.1; done' &
echo $$ >>hung
while :; do sleep 0.1; done
`

// TestSandbox: under the unit's system calls, without a privilege, an agent starts its
// jobs, guards them, and ends all of a job that has tried to get away.
func TestSandbox(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile("../../deploy/systemd/solotick.service")
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := json.Marshal(systemCalls(t, string(unit)))
	if err != nil {
		t.Fatal(err)
	}
	c := prepare(t, startOwn(t), "canary")
	c.configure("agent: { grace: 2s }\njobs:\n" + jobText("canary", "exec: [./check]"))
	c.write("check", sandboxed)
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"check": []byte(sandboxed), "solotick": binary} {
		if err := os.WriteFile(c.path(name), text, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.path(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	uid := os.Getuid()
	if uid == 0 {
		uid = nobody
		if err := os.Chmod(filepath.Dir(c.dir), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"", "check", "solotick", "solotick.yaml", "key"} {
			if err := os.Chown(c.path(name), nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(self, c.path("solotick"), "run", "-c", c.path("solotick.yaml"))
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = c.dir, &log, &log, endWithParent()
	cmd.Env = append(os.Environ(), sandboxEnv+"="+string(allowed), "TMPDIR="+c.dir, "HOME="+c.dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // only fails if it has ended
		<-done
		if t.Failed() {
			t.Logf("%s", &log)
		}
	})
	await(t, "two runs", func() bool { return strings.Count(c.read("runs"), "\n") >= 2 })
	want := fmt.Sprintf(" %d CapBnd:0000000000000000 NoNewPrivs:1 Seccomp:2 core:0\n", uid)
	if os.Getuid() != 0 { // who may not drop the bounding set need not
		want = " NoNewPrivs:1 Seccomp:2 core:0\n"
	}
	if runs := c.read("runs"); !strings.Contains(runs, want) {
		t.Errorf("jobs are not locked in: %s, want %s", runs, want)
	}
	c.write("hang", "")
	if err := os.Chown(c.path("hang"), uid, -1); err != nil {
		t.Fatal(err)
	}
	await(t, "a run that hangs", func() bool { return strings.Count(c.read("hung"), "\n") == 2 })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the agent does not end")
	}
	for pid := range strings.FieldsSeq(c.read("hung")) {
		if n, _ := strconv.Atoi(pid); syscall.Kill(n, 0) == nil {
			t.Errorf("process %s of the job has got away", pid)
		}
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 || strings.Contains(log.String(), "not permitted") {
		t.Errorf("the agent ended with %d:\n%s", code, &log)
	}
	if text := c.dig(); !strings.Contains(text, `"last":"lost"`) {
		t.Errorf("the run was not handed over: %s", text)
	}
	if left, _ := filepath.Glob(c.path("solotick-state*")); left != nil {
		t.Errorf("files are left: %q", left)
	}
}
