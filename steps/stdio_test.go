//go:build linux

package steps_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/solotick/solotick/steps"
)

// A command with Stdio has the very files: its input is read to its end, nothing is
// kept of its output, and no descriptor of its guard is left in it.
func TestStdio(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdin, err := os.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	c := shell("cat; echo bad >&2; ls -l /proc/self/fd | grep -o '[0-9]* ->.*' | wc -l; exit 4")
	c.Stdio = []*os.File{stdin, stdout, stdout}
	r, err := c.Do(t.Context(), steps.Run{Lock: "deploy", Left: window(time.Minute), Grace: time.Second})
	var exit *steps.ExitError
	if !errors.As(err, &exit) || r.Code != 4 || r.Tail != "" {
		t.Errorf("result %+v, error %v", r, err)
	}
	// ls itself has 0, 1, 2 and the folder.
	if text, err := os.ReadFile(out); err != nil || string(text) != "one\ntwo\nbad\n4\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// A terminal stays one, and what is typed there is read, though it is not the
// terminal of the command's session.
func TestStdioTerminal(t *testing.T) {
	terminal, far := pty(t)
	c := shell("test -t 0 && test -t 1 && test -t 2 || exit 9; stty size; read line; echo got $line")
	c.Stdio = []*os.File{terminal, terminal, terminal}
	if err := unix.IoctlSetWinsize(int(far.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 77}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := c.Do(t.Context(), steps.Run{Lock: "deploy", Grace: time.Second})
		ended <- err
	}()
	lines := bufio.NewReader(far)
	want := func(text string) {
		line, err := lines.ReadString('\n')
		if strings.TrimSpace(line) != text || err != nil {
			t.Fatalf("%q, %v; want %q", line, err, text)
		}
	}
	want("33 77")
	if _, err := io.WriteString(far, "words\n"); err != nil {
		t.Fatal(err)
	}
	want("words") // the terminal's echo
	want("got words")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// pty opens a terminal, and the far end where a person sits.
func pty(t *testing.T) (terminal, far *os.File) {
	t.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	if err := unix.IoctlSetPointerInt(int(far.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(far.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return terminal, far
}

// Signals reach the command's whole group, in their order, and are not orders to
// stop: it ends when it wants to.
func TestSignals(t *testing.T) {
	dir := t.TempDir()
	file, heard := filepath.Join(dir, "pids"), filepath.Join(dir, "heard")
	c := shell("trap 'echo HUP >> " + heard + "' HUP; trap 'echo USR1 >> " + heard + "' USR1; trap 'echo TERM >> " + heard + "; exit 7' TERM; " +
		"sh -c 'trap \"echo child >> " + heard + "; exit\" HUP; echo $$ >> " + file + "; while :; do sleep 0.05; done' & " +
		"echo $$ >> " + file + "; while :; do sleep 0.05; done")
	signals, sent := make(chan os.Signal), make(chan struct{})
	go func() {
		defer close(sent)
		pids(t, file, 2)
		signals <- syscall.SIGHUP
		eventually(t, "HUP is heard by both", func() bool { return lineCount(heard) == 2 })
		signals <- syscall.SIGUSR1
		eventually(t, "USR1 is heard", func() bool { return lineCount(heard) == 3 })
		signals <- syscall.SIGTERM // which ends it
	}()
	r, err := c.Do(t.Context(), steps.Run{Lock: "deploy", Left: window(time.Minute), Grace: time.Second, Signals: signals})
	<-sent
	var exit *steps.ExitError
	if !errors.As(err, &exit) || r.Code != 7 {
		t.Errorf("result %+v, error %v", r, err)
	}
	text, err := os.ReadFile(heard)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(text))
	slices.Sort(got[:min(2, len(got))])
	if want := []string{"HUP", "child", "USR1", "TERM"}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func lineCount(file string) int {
	text, _ := os.ReadFile(file)
	return strings.Count(string(text), "\n")
}

// One that ends by a signal that was passed on ends as by any other.
func TestSignalEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	c := shell("echo $$ > " + file + "; exec sleep 100")
	signals := make(chan os.Signal, 1)
	go func() {
		pids(t, file, 1)
		signals <- syscall.SIGQUIT
		close(signals)
	}()
	r, err := c.Do(t.Context(), steps.Run{Lock: "deploy", Left: window(time.Minute), Grace: time.Second, Signals: signals})
	if errors.Is(err, steps.ErrStopped) || r.Code != 128+int(syscall.SIGQUIT) || r.Signal != syscall.SIGQUIT {
		t.Errorf("result %+v, error %v", r, err)
	}
}

// A command under a lock is told of the lock, and of nothing that was inherited of
// another one or of a job; a job's command the other way round.
func TestLockEnvironment(t *testing.T) {
	for _, name := range []string{"JOB", "TICK", "ATTEMPT", "FENCE", "AGENT", "DEADLINE", "LAST", "UNARBITRATED", "STATE", "STATE_OUT", "LOCK"} {
		t.Setenv("SOLOTICK_"+name, "outer")
	}
	t.Setenv("SOLOTICK_CONFIG", "a.yaml")
	c := shell("env | grep ^SOLOTICK_ | sort")
	c.Env = []string{"SOLOTICK_FENCE=own", "SOLOTICK_TICK=own"}
	r, err := c.Do(t.Context(), steps.Run{Lock: "deploy", Agent: "ABC", Fence: 42, State: "s", Deadline: time.Unix(1700000000, 0)})
	want := "SOLOTICK_AGENT=ABC\nSOLOTICK_CONFIG=a.yaml\nSOLOTICK_DEADLINE=1700000000\nSOLOTICK_FENCE=42\nSOLOTICK_LOCK=deploy\n"
	if err != nil || r.Tail != want {
		t.Errorf("%q, %v; want %q", r.Tail, err, want)
	}
	r, err = c.Do(t.Context(), steps.Run{Job: "canary", Fence: 43})
	if err != nil || strings.Contains(r.Tail, "SOLOTICK_LOCK") || !strings.Contains(r.Tail, "SOLOTICK_FENCE=43\n") || strings.Contains(r.Tail, "outer") {
		t.Errorf("%q, %v", r.Tail, err)
	}
}
