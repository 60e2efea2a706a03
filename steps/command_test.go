//go:build linux

package steps_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/steps"
)

func shell(text string) steps.Command { return steps.Command{Argv: []string{text}, Shell: true} }

func TestHowItEnds(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("run", "#!/bin/sh\nexit 5\n", 0o755)
	write("plain", "echo no first line\n", 0o644)
	write("garbage", "\x00\x01\x02", 0o755)
	write("orphan", "#!/nowhere/python\n", 0o755)
	tests := []struct {
		name string
		c    steps.Command
		code int
		is   error  // nil: an ExitError, or none at code 0
		says string // in the error
	}{
		{"success", shell("exit 0"), 0, nil, ""},
		{"failure", shell("exit 3"), 3, nil, "ended with code 3"},
		{"signal", shell("kill -USR1 $$"), 138, nil, "signal 10"},
		{"kill", shell("kill -KILL $$"), 137, nil, "killed"},
		{"relative to its directory", steps.Command{Argv: []string{"./run"}, Dir: dir}, 5, nil, "code 5"},
		{"arguments as they are", steps.Command{Argv: []string{"test", "$HOME; a b", "=", "$HOME; a b"}}, 0, nil, ""},
		{"no such program", steps.Command{Argv: []string{"no-such-program"}}, 127, steps.ErrNotFound, "PATH"},
		{"no such file", steps.Command{Argv: []string{"./no-such"}, Dir: dir}, 127, steps.ErrNotFound, "./no-such"},
		{"not searched in its directory", steps.Command{Argv: []string{"run"}, Dir: dir, Env: []string{"PATH=.::" + "/bin"}}, 127, steps.ErrNotFound, ""},
		{"its own PATH", steps.Command{Argv: []string{"run"}, Env: []string{"PATH=" + dir}}, 5, nil, "code 5"},
		{"not executable", steps.Command{Argv: []string{dir + "/plain"}}, 126, steps.ErrNotExecutable, "chmod +x"},
		{"not executable in PATH", steps.Command{Argv: []string{"plain"}, Env: []string{"PATH=" + dir}}, 126, steps.ErrNotExecutable, "chmod +x"},
		{"a directory", steps.Command{Argv: []string{dir + "/"}}, 126, steps.ErrNotExecutable, "directory"},
		{"no program", steps.Command{Argv: []string{dir + "/garbage"}}, 126, steps.ErrNotExecutable, "#!"},
		{"no interpreter", steps.Command{Argv: []string{dir + "/orphan"}}, 127, steps.ErrNotFound, "interpreter"},
		{"no directory", steps.Command{Argv: []string{"true"}, Dir: dir + "/none"}, -1, os.ErrNotExist, "directory"},
		{"no command", steps.Command{}, -1, nil, "without a program"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := tt.c.Do(t.Context(), steps.Run{Job: "job"})
			if r.Code != tt.code {
				t.Errorf("code %d, want %d (%v)", r.Code, tt.code, err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v, want %v", err, tt.is)
			}
			if tt.says == "" && tt.is == nil && err != nil {
				t.Errorf("error %v, want none", err)
			}
			if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("error %v, want one with %q", err, tt.says)
			}
			var exit *steps.ExitError
			if errors.As(err, &exit) != (tt.code > 0 && tt.is == nil) {
				t.Errorf("error %v is an ExitError: %v", err, exit)
			} else if exit != nil && (exit.Code != r.Code || exit.Signal != r.Signal) {
				t.Errorf("error %+v beside result %+v", exit, r)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SOLOTICK_JOB", "inherited")
	t.Setenv("SOLOTICK_FENCE", "inherited")
	t.Setenv("INHERITED", "yes")
	t.Setenv("BOTH", "inherited")
	c := shell(`env | grep -E '^(SOLOTICK_|INHERITED|BOTH|OWN)' | sed 's/=.*solotick-state-.*/=FILE/' | sort`)
	c.Env = []string{"BOTH=own", "OWN=a=b c", "SOLOTICK_TICK=own"}
	run := steps.Run{
		Job: "canary", Agent: "VDNDNQNWQY", Tick: time.Unix(1641903970, 0), Attempt: 2, Fence: 1641903970001,
		Last: "failed", State: "a b", Deadline: time.Unix(1641904010, 5),
	}
	got := func(run steps.Run) string {
		t.Helper()
		r, err := c.Do(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		return r.Tail
	}
	want := `BOTH=own
INHERITED=yes
OWN=a=b c
SOLOTICK_AGENT=VDNDNQNWQY
SOLOTICK_ATTEMPT=2
SOLOTICK_DEADLINE=1641904010
SOLOTICK_FENCE=1641903970001
SOLOTICK_JOB=canary
SOLOTICK_LAST=failed
SOLOTICK_STATE=a b
SOLOTICK_STATE_OUT=FILE
SOLOTICK_TICK=1641903970
SOLOTICK_UNARBITRATED=
`
	if diff := cmp.Diff(want, got(run)); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	run.Unarbitrated, run.Deadline = true, time.Time{}
	for _, line := range []string{"SOLOTICK_FENCE=\n", "SOLOTICK_UNARBITRATED=1\n", "SOLOTICK_DEADLINE=\n"} {
		if all := got(run); !strings.Contains(all, line) {
			t.Errorf("unarbitrated: no %q in\n%s", line, all)
		}
	}
}

// What a process inherits besides its environment is clean.
func TestInheritance(t *testing.T) {
	leak, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, leak.Fd(), syscall.F_SETFD, 0); errno != 0 {
		t.Fatal(errno)
	}
	c := shell(`cat; ls /proc/self/fd | tr '\n' ' '; readlink /proc/self/fd/0; grep -E '^Sig(Blk|Ign)' /proc/self/status; ps -o pgid= -p $$ | grep -qw $$ && echo leads; ps -o sid= -p $$ | grep -qw $PPID && echo session`)
	r, err := c.Do(t.Context(), steps.Run{Job: "job"})
	if err != nil {
		t.Fatal(err)
	}
	// 3 is the directory that ls reads.
	want := "0 1 2 3 /dev/null\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nleads\nsession\n"
	if diff := cmp.Diff(want, withoutThreadSignals(t, r.Tail)); diff != "" {
		t.Errorf("inherited (-want +got):\n%s", diff)
	}
}

// withoutThreadSignals clears signals 32 and 33 in the SigIgn of text. The C library's
// threads own them: make starts its children with both ignored (posix_spawn of glibc),
// and no program can change that, as the Go runtime leaves them alone, too.
func withoutThreadSignals(t *testing.T, text string) string {
	before, rest, ok := strings.Cut(text, "SigIgn:\t")
	mask, after, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseUint(mask, 16, 64)
	if !ok || err != nil {
		t.Fatalf("no SigIgn in %q: %v", text, err)
	}
	return fmt.Sprintf("%sSigIgn:\t%016x\n%s", before, n&^(1<<31|1<<32), after)
}

// Arguments and variables are octets, not text.
func TestOctets(t *testing.T) {
	c := steps.Command{
		Argv: []string{"/bin/sh", "-c", `printf '%s|%s' "$1" "$LATIN" | od -An -tx1`, "sh", "a\xff\xfe\x01<&>"},
		Env:  []string{"LATIN=caf\xe9"},
	}
	r, err := c.Do(t.Context(), steps.Run{Job: "job"})
	if want := " 61 ff fe 01 3c 26 3e 7c 63 61 66 e9\n"; err != nil || r.Tail != want {
		t.Errorf("the command got%swant%s, error %v", r.Tail, want, err)
	}
}

func TestState(t *testing.T) {
	long := strings.Repeat("x", steps.MaxState)
	tests := []struct {
		name, before, script string
		want                 string
		set                  bool
		says                 string
	}{
		{"untouched", "41", "true", "", false, ""},
		{"same", "41", `echo "$SOLOTICK_STATE" > "$SOLOTICK_STATE_OUT"`, "", false, ""},
		{"counted", "41", `echo $((SOLOTICK_STATE + 1)) > "$SOLOTICK_STATE_OUT"`, "42", true, ""},
		{"replaced by rename", "41", `echo new > "$SOLOTICK_STATE_OUT.1" && mv "$SOLOTICK_STATE_OUT.1" "$SOLOTICK_STATE_OUT"`, "new", true, ""},
		{"edited in place", "a=1", `sed -i s/1/2/ "$SOLOTICK_STATE_OUT"`, "a=2", true, ""},
		{"cleared", "41", `: > "$SOLOTICK_STATE_OUT"`, "", true, ""},
		{"quotes and lines", "", `printf '"\\\nb\n' > "$SOLOTICK_STATE_OUT"`, "\"\\\nb", true, ""},
		{"as long as may be", "", "printf " + long[2:] + ` > "$SOLOTICK_STATE_OUT"`, long[2:], true, ""},
		{"too long", "", "printf " + long[1:] + ` > "$SOLOTICK_STATE_OUT"`, "", false, "97 bytes as JSON, at most 96"},
		{"much too long", "", `head -c 1000000 /dev/zero | tr '\0' x > "$SOLOTICK_STATE_OUT"`, "", false, "over 384 bytes"},
		{"not UTF-8", "", `printf '\377' > "$SOLOTICK_STATE_OUT"`, "", false, "UTF-8"},
		{"a NUL", "", `printf 'a\000b' > "$SOLOTICK_STATE_OUT"`, "", false, "UTF-8"},
		{"as long as may be in letters that are escaped", "", `printf ééééééééééééééé > "$SOLOTICK_STATE_OUT"`, "ééééééééééééééé", true, ""},
		{"too long in letters that are escaped", "", `printf 😀😀😀😀😀😀😀😀 > "$SOLOTICK_STATE_OUT"`, "", false, "98 bytes"},
		{"a pipe", "", `rm "$SOLOTICK_STATE_OUT"; mkfifo "$SOLOTICK_STATE_OUT"`, "", false, "no longer a file"},
		{"a directory", "", `rm "$SOLOTICK_STATE_OUT"; mkdir "$SOLOTICK_STATE_OUT"`, "", false, "no longer a file"},
		{"a device without an end", "", `ln -sf /dev/zero "$SOLOTICK_STATE_OUT"`, "", false, "no longer a file"},
		{"removed", "41", `rm "$SOLOTICK_STATE_OUT"`, "", false, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tmp := t.TempDir()
			t.Setenv("TMPDIR", tmp)
			c := shell(tt.script)
			r, err := c.Do(t.Context(), steps.Run{Job: "job", State: tt.before})
			if r.State != tt.want || r.StateSet != tt.set {
				t.Errorf("state %q, set %v; want %q, %v", r.State, r.StateSet, tt.want, tt.set)
			}
			switch {
			case tt.says == "" && err != nil:
				t.Error(err)
			case tt.says != "" && (!errors.Is(err, steps.ErrState) || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("error %v, want ErrState with %q", err, tt.says)
			}
			if left, _ := os.ReadDir(tmp); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	t.Run("nowhere to put a file", func(t *testing.T) {
		t.Setenv("TMPDIR", "/nowhere")
		c := shell(`test "$(cat "$SOLOTICK_STATE_OUT")" = 41 && echo 42 > "$SOLOTICK_STATE_OUT"`)
		r, err := c.Do(t.Context(), steps.Run{Job: "job", State: "41"})
		if err != nil || r.State != "42" || !r.StateSet {
			t.Errorf("state %q, set %v, error %v; want 42", r.State, r.StateSet, err)
		}
	})
	t.Run("kept by a failure", func(t *testing.T) {
		c := shell(`echo 42 > "$SOLOTICK_STATE_OUT"; exit 1`)
		r, err := c.Do(t.Context(), steps.Run{Job: "job", State: "41"})
		if r.Code != 1 || err == nil || r.State != "42" || !r.StateSet {
			t.Errorf("result %+v, error %v; want code 1 and state 42", r, err)
		}
	})
}

// A lockedBuffer may be written to from both streams.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func TestOutput(t *testing.T) {
	script := "printf 'a\\nb'; printf 'c\\n' >&2"
	tests := []struct {
		mode           steps.Output
		stdout, stderr string
	}{
		{steps.Raw, "a\nb", "c\n"},
		{steps.Prefixed, "job: a\njob: b\n", "job: c\n"},
		{steps.Quiet, "", ""},
	}
	for _, tt := range tests {
		var stdout, stderr lockedBuffer
		c := shell(script)
		c.Output, c.Stdout, c.Stderr = tt.mode, &stdout, &stderr
		r, err := c.Do(t.Context(), steps.Run{Job: "job"})
		if err != nil {
			t.Fatal(err)
		}
		if stdout.b.String() != tt.stdout || stderr.b.String() != tt.stderr {
			t.Errorf("mode %d: %q and %q, want %q and %q", tt.mode, &stdout.b, &stderr.b, tt.stdout, tt.stderr)
		}
		if len(r.Tail) != 5 || !strings.Contains(r.Tail, "a\nb") || !strings.Contains(r.Tail, "c\n") {
			t.Errorf("mode %d: tail %q", tt.mode, r.Tail)
		}
	}
}

func TestPrefixedLongLine(t *testing.T) {
	var stdout lockedBuffer
	c := shell("head -c 20000 /dev/zero | tr '\\0' x; echo; echo end")
	c.Output, c.Stdout = steps.Prefixed, &stdout
	if _, err := c.Do(t.Context(), steps.Run{Job: "job"}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(stdout.b.String(), "\n"), "\n")
	total := 0
	for _, line := range lines {
		rest, ok := strings.CutPrefix(line, "job: ")
		if !ok || len(rest) > 8<<10 {
			t.Errorf("line of %d bytes, prefixed: %v", len(line), ok)
		}
		total += len(rest)
	}
	if len(lines) != 4 || total != 20003 {
		t.Errorf("%d lines with %d bytes, want 4 with 20003", len(lines), total)
	}
}

func TestTail(t *testing.T) {
	for _, tt := range []struct {
		max  int
		want string
	}{
		{0, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"},
		{8, "1\n\n[... 13 bytes left out ...]\n\n9\n10\n"},
		{-1, ""},
	} {
		c := shell("seq 10")
		c.MaxTail = tt.max
		r, err := c.Do(t.Context(), steps.Run{Job: "job"})
		if err != nil || r.Tail != tt.want {
			t.Errorf("max %d: tail %q, want %q (%v)", tt.max, r.Tail, tt.want, err)
		}
	}
}

// The tail of a gigabyte is kept without keeping the gigabyte.
func TestFlood(t *testing.T) {
	before := heap()
	c := shell("echo begin; head -c 1073741824 /dev/zero; echo end; exit 4")
	peak := make(chan uint64, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		var most uint64
		for ctx.Err() == nil {
			most = max(most, heap())
			time.Sleep(20 * time.Millisecond)
		}
		peak <- most
	}()
	r, _ := c.Do(t.Context(), steps.Run{Job: "job"})
	cancel()
	if r.Code != 4 || !strings.HasPrefix(r.Tail, "begin\n") || !strings.HasSuffix(r.Tail, "end\n") || len(r.Tail) > 10_100 {
		t.Errorf("code %d, tail of %d bytes", r.Code, len(r.Tail))
	}
	if most := <-peak; most > before+16<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, most)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// A failing log is no reason for the job to fail or to hang.
func TestFailingWriter(t *testing.T) {
	r, w := io.Pipe()
	_ = r.Close()
	c := shell("head -c 1000000 /dev/zero; echo end")
	c.Stdout = w
	got, err := c.Do(t.Context(), steps.Run{Job: "job"})
	if err != nil || !strings.HasSuffix(got.Tail, "end\n") {
		t.Errorf("tail of %d bytes, error %v", len(got.Tail), err)
	}
}

// A log that takes nothing makes the job wait, and no longer than it may run.
func TestBlockedWriter(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	c := shell("yes")
	c.Stdout, c.Timeout = w, 200*time.Millisecond
	begin := time.Now()
	_, err := c.Do(t.Context(), steps.Run{Job: "job", Grace: time.Second})
	if !errors.Is(err, steps.ErrTimeout) || time.Since(begin) > 5*time.Second {
		t.Errorf("after %v: %v, want ErrTimeout", time.Since(begin), err)
	}
}

func TestManyAtOnce(t *testing.T) {
	c := shell(`echo "$SOLOTICK_ATTEMPT"`)
	before := descriptors(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			r, err := c.Do(t.Context(), steps.Run{Job: "job", Attempt: i, Left: window(time.Minute), Grace: time.Second})
			if err != nil || r.Tail != fmt.Sprintln(i) {
				t.Errorf("run %d: tail %q, error %v", i, r.Tail, err)
			}
		})
	}
	wg.Wait()
	if after := descriptors(t); after > before {
		t.Errorf("%d open files, %d before", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// An environment beyond what a pipe holds still arrives.
func TestLargeEnvironment(t *testing.T) {
	c := shell(`test ${#A} = 100000 && test ${#D} = 100000`)
	for _, name := range []string{"A", "B", "C", "D"} {
		c.Env = append(c.Env, name+"="+strings.Repeat("x", 100000))
	}
	if r, err := c.Do(t.Context(), steps.Run{Job: "job"}); err != nil {
		t.Errorf("result %+v, error %v", r, err)
	}
	c.Env = append(c.Env, "E="+strings.Repeat("x", 200000)) // one string may have 128 KiB
	if _, err := c.Do(t.Context(), steps.Run{Job: "job"}); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("error %v, want: too long", err)
	}
}

func TestGuards(t *testing.T) {
	var guards steps.Guards
	t.Cleanup(guards.Close)
	c := shell("echo $PPID")
	c.Guards = &guards
	do := func() string {
		t.Helper()
		r, err := c.Do(t.Context(), steps.Run{Job: "job", Left: window(time.Minute), Grace: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return r.Tail
	}
	guards.Fill()
	spare := childNamed(t, "__guard")
	if got := do(); got != fmt.Sprintln(spare) {
		t.Errorf("guarded by %q, want the spare one, %d", got, spare)
	}
	// A spare one that died meanwhile does not fail a run.
	dead := childNamed(t, "__guard")
	if err := syscall.Kill(dead, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is dead", func() bool { return !alive(dead) })
	do()
	// One run's spare is not in another's way.
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { do() })
	}
	wg.Wait()
	guards.Close()
	guards.Close()
	if do(); childCount(t, "__guard") != 0 {
		t.Error("a spare one after Close")
	}
}

func children(t *testing.T, arg string) []int {
	t.Helper()
	var found []int
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		stat, _ := os.ReadFile(name)
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		var pid, parent int
		var state string
		if _, err := fmt.Sscan(string(stat), &pid); err != nil {
			continue
		}
		if _, err := fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &parent); err != nil {
			continue
		}
		if parent == os.Getpid() && bytes.Contains(cmdline, []byte(arg)) {
			found = append(found, pid)
		}
	}
	return found
}

func childCount(t *testing.T, arg string) int { return len(children(t, arg)) }

func childNamed(t *testing.T, arg string) int {
	t.Helper()
	all := children(t, arg)
	if len(all) != 1 {
		t.Fatalf("children with %q: %v, want one", arg, all)
	}
	return all[0]
}

// The price of a guard: the time from Do to when the command says what it is,
// beside that of the bare command. Runs are apart, as those of a job are.
func BenchmarkStart(b *testing.B) {
	var guards steps.Guards
	defer guards.Close()
	do := func(g *steps.Guards) func() string {
		c := steps.Command{Argv: []string{"date", "+%s%N"}, Env: []string{"LC_ALL=C"}, Guards: g}
		return func() string {
			r, err := c.Do(b.Context(), steps.Run{Job: "job", Left: window(time.Minute), Grace: time.Second})
			if err != nil {
				b.Fatal(err)
			}
			return r.Tail
		}
	}
	for _, way := range []struct {
		name string
		date func() string
	}{
		{"bare", func() string {
			cmd := exec.Command("date", "+%s%N")
			cmd.Env = append(os.Environ(), "LC_ALL=C")
			out, err := cmd.Output()
			if err != nil {
				b.Fatal(err)
			}
			return string(out)
		}},
		{"guarded", do(nil)},
		{"guard in advance", do(&guards)},
	} {
		b.Run(way.name, func(b *testing.B) {
			var lags []time.Duration
			for b.Loop() {
				time.Sleep(100 * time.Millisecond)
				begin := time.Now()
				ns, err := strconv.ParseInt(strings.TrimSpace(way.date()), 10, 64)
				if err != nil {
					b.Fatal(err)
				}
				lags = append(lags, time.Unix(0, ns).Sub(begin))
			}
			slices.Sort(lags)
			b.ReportMetric(float64(lags[len(lags)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(lags[len(lags)*9/10].Microseconds()), "p90-µs")
		})
	}
}
