package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output is what a process has printed so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// TestDemo watches the demo until it has shown a kill, a takeover and a tick
// after them, ends it as Ctrl-C does, and reads the tally.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var out output
	cmd := exec.Command(program, "demo", "--agents", "3", "--every", "3s")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "LC_ALL=C.UTF-8")
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &out, &out, endWithParent()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	shown := false
	for end := time.Now().Add(time.Minute); !shown && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		_, after, ok := strings.Cut(out.String(), "took over")
		shown = ok && strings.Count(after, "●") >= 3 // the new process, and two ticks
	}
	if !shown {
		t.Fatalf("no takeover and ticks after it:\n%s", out.String())
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the demo ends with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the demo does not end")
	}
	for _, want := range []string{
		`(?m)^  dig \+short TXT hello\.demo\.test @127\.0\.0\.1 -p [0-9]+$`,
		`agent [1-3] is killed amid its run`,
		`✖ killed`,
		`try 2 .*took over from agent [1-3]; fence [0-9]+ > [0-9]+`,
		`(?m)^ticks +[0-9]+$`,
		`(?m)^run again +1 `,
		`(?m)^run twice +0$`,
		`(?m)^missed +0$`,
		`(?m)^worst start lag +[0-9.]+m?s$`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("nothing matches %s in\n%s", want, out.String())
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("the demo leaves %v behind (%v)", left, err)
	}
	// Its agents have the folder's name among their arguments.
	if pids, err := exec.Command("pgrep", "-f", dir).Output(); err == nil {
		t.Errorf("the demo leaves processes behind: %s", pids)
	}
}
