//go:build linux

package steps_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/steps"
)

// A tree is a script that writes the pids of itself, of a child and a grandchild
// that ignore TERM, and of two that left for sessions of their own, one of them
// an orphan; then does the rest.
func tree(file, rest string) string {
	return strings.NewReplacer("FILE", file, "REST", rest).Replace(`
trap '' TERM
echo $$ >> FILE
(sh -c 'echo $$ >> FILE; while :; do sleep 100; done' & echo $! > /dev/null; sleep 100) &
echo $! >> FILE
setsid sh -c 'echo $$ >> FILE; while :; do sleep 100; done' &
(setsid sh -c 'echo $$ >> FILE; while :; do sleep 100; done' &)
while [ $(wc -l < FILE) -lt 5 ]; do sleep 0.01; done
REST`)
}

const treeSize = 5

func TestStopKillsTheTree(t *testing.T) {
	for _, tt := range []struct {
		name string
		stop func(c *steps.Command, run *steps.Run, cancel context.CancelCauseFunc)
		want error
	}{
		{"context", func(_ *steps.Command, _ *steps.Run, cancel context.CancelCauseFunc) { cancel(errHandOver) }, errHandOver},
		{"timeout", func(c *steps.Command, _ *steps.Run, _ context.CancelCauseFunc) { c.Timeout = time.Second }, steps.ErrTimeout},
		{"window", func(_ *steps.Command, r *steps.Run, _ context.CancelCauseFunc) {
			r.Left = window(1500 * time.Millisecond)
		}, steps.ErrStopped},
		{"context, no window", func(_ *steps.Command, r *steps.Run, cancel context.CancelCauseFunc) {
			r.Left = nil
			cancel(errHandOver)
		}, errHandOver},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "pids")
			c := shell(tree(file, "wait"))
			run := steps.Run{Job: "job", Left: window(time.Minute), Grace: 300 * time.Millisecond}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			tt.stop(&c, &run, func(err error) {
				go func() {
					pids(t, file, treeSize)
					cancel(err)
				}()
			})
			r, err := c.Do(ctx, run)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if errors.Is(err, steps.ErrTimeout) == errors.Is(err, steps.ErrStopped) {
				t.Errorf("error %v is both timeout and stop, or neither", err)
			}
			if r.Signal != syscall.SIGKILL || r.Code != 137 {
				t.Errorf("result %+v, want KILL, since TERM is ignored", r)
			}
			if all := pids(t, file, treeSize); !noneAlive(all) {
				t.Errorf("some of %v are alive", all)
			}
		})
	}
}

var errHandOver = errors.New("handing over")

// A command that handles TERM was stopped all the same, whatever its code.
func TestTermIsHeard(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	c := shell("trap 'echo bye; exit 0' TERM; echo $$ > " + file + "; while :; do sleep 0.05; done")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		pids(t, file, 1)
		cancel()
	}()
	begin := time.Now()
	r, err := c.Do(ctx, steps.Run{Job: "job", Left: window(time.Minute), Grace: 20 * time.Second})
	if !errors.Is(err, steps.ErrStopped) || r.Code != 0 || !strings.Contains(r.Tail, "bye\n") {
		t.Errorf("result %+v, error %v; want the trap's exit, and ErrStopped", r, err)
	}
	if time.Since(begin) > 10*time.Second {
		t.Error("it waited for the grace to pass")
	}
}

// A stopped process hears TERM too.
func TestTermOfAStopped(t *testing.T) {
	c := shell("trap 'exit 9' TERM; kill -STOP $$; exit 8")
	c.Timeout = 300 * time.Millisecond
	r, err := c.Do(t.Context(), steps.Run{Job: "job", Grace: 20 * time.Second})
	if !errors.Is(err, steps.ErrTimeout) || r.Code != 9 {
		t.Errorf("result %+v, error %v; want code 9", r, err)
	}
}

// What a command leaves in the background holds its output open and is ended.
func TestBackground(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	c := shell(tree(file, "echo done"))
	begin := time.Now()
	r, err := c.Do(t.Context(), steps.Run{Job: "job", Left: window(time.Minute), Grace: 300 * time.Millisecond})
	if err != nil || r.Tail != "done\n" {
		t.Errorf("result %+v, error %v", r, err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if all := pids(t, file, treeSize); !noneAlive(all) {
		t.Errorf("some of %v are alive", all)
	}
}

// The guard is out of reach of a command's signals to its own group.
func TestKillZero(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	c := shell(tree(file, "kill -KILL 0"))
	r, err := c.Do(t.Context(), steps.Run{Job: "job", Left: window(time.Minute), Grace: 100 * time.Millisecond})
	var exit *steps.ExitError
	if !errors.As(err, &exit) || exit.Signal != syscall.SIGKILL {
		t.Errorf("result %+v, error %v; want the command's own KILL", r, err)
	}
	if all := pids(t, file, treeSize); !noneAlive(all) {
		t.Errorf("some of %v are alive", all)
	}
	c = shell("trap '' TERM HUP INT QUIT USR1; for s in TERM HUP INT QUIT USR1; do kill -$s 0; done; exit 6")
	if r, err := c.Do(t.Context(), steps.Run{Job: "job"}); r.Code != 6 {
		t.Errorf("result %+v, error %v; want code 6", r, err)
	}
}

// A command that kills its guard is killed, as far as its session reaches.
func TestGuardKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	c := shell("sh -c 'echo $$ >> " + file + "; sleep 100; :' & echo $$ >> " + file +
		"; perl -e 'setpgrp; exec @ARGV' sh -c 'echo $$ >> " + file + "; sleep 100; :' & " +
		"while [ $(wc -l < " + file + ") -lt 3 ]; do sleep 0.01; done; kill -KILL $PPID; sleep 100")
	begin := time.Now()
	_, err := c.Do(t.Context(), steps.Run{Job: "job", Left: window(time.Minute), Grace: time.Second})
	if !errors.Is(err, steps.ErrStopped) || !strings.Contains(err.Error(), "guard died") {
		t.Errorf("error %v, want: its guard died", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	all := pids(t, file, 3)
	eventually(t, "all are dead", func() bool { return noneAlive(all) })
}

// A stopped guard keeps no deadline. The agent does.
func TestGuardStopped(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	c := shell(tree(file, "kill -STOP $PPID; wait"))
	const window1 = 2 * time.Second
	end := bootTime() + window1
	dead := make(chan time.Duration, 1)
	go func() {
		all := pids(t, file, treeSize)
		for !noneAlive(all) && bootTime() < end+10*time.Second {
			time.Sleep(time.Millisecond)
		}
		dead <- bootTime()
	}()
	_, err := c.Do(t.Context(), steps.Run{Job: "job", Left: window(window1), Grace: 300 * time.Millisecond})
	if !errors.Is(err, steps.ErrStopped) {
		t.Errorf("error %v, want ErrStopped", err)
	}
	if late := <-dead - end; late > 300*time.Millisecond {
		t.Errorf("all were dead %v after the window", late)
	}
}

func TestRenewal(t *testing.T) {
	var end atomic.Int64
	end.Store(int64(bootTime() + time.Second))
	left := func() time.Duration { return time.Duration(end.Load()) - bootTime() }
	renewed := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var renewing sync.WaitGroup
	defer renewing.Wait()
	defer cancel()
	renewing.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				end.Store(int64(bootTime() + time.Second))
				select {
				case renewed <- struct{}{}:
				default:
				}
			case <-ctx.Done():
				return
			}
		}
	})
	c := shell("sleep 2.5; echo done")
	r, err := c.Do(ctx, steps.Run{Job: "job", Left: left, Renewed: renewed, Grace: 200 * time.Millisecond})
	if err != nil || r.Tail != "done\n" {
		t.Errorf("renewed: result %+v, error %v", r, err)
	}
	begin := time.Now()
	_, err = c.Do(t.Context(), steps.Run{Job: "job", Left: window(time.Second), Grace: 200 * time.Millisecond})
	if took := time.Since(begin); !errors.Is(err, steps.ErrStopped) || took < 700*time.Millisecond || took > 1500*time.Millisecond {
		t.Errorf("not renewed: %v after %v, want ErrStopped after 0.8 s", err, took)
	}
	// A closed channel renews nothing, and no window is too long.
	closed := make(chan struct{})
	close(closed)
	run := steps.Run{Job: "job", Renewed: closed, Left: func() time.Duration { return math.MaxInt64 }, Grace: time.Second}
	if _, err = (&steps.Command{Argv: []string{"true"}}).Do(t.Context(), run); err != nil {
		t.Error(err)
	}
}

// With no time left nothing is started.
func TestTooLate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ran")
	c := shell("touch " + file)
	for _, left := range []time.Duration{-time.Second, 0, 999 * time.Millisecond} {
		_, err := c.Do(t.Context(), steps.Run{Job: "job", Left: window(left), Grace: time.Second})
		if !errors.Is(err, steps.ErrStopped) || !strings.Contains(err.Error(), "not started") {
			t.Errorf("%v left: error %v, want ErrStopped and: not started", left, err)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errHandOver)
	if _, err := c.Do(ctx, steps.Run{Job: "job"}); !errors.Is(err, steps.ErrStopped) || !errors.Is(err, errHandOver) {
		t.Errorf("cancelled: error %v, want ErrStopped and the cause", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("it was run")
	}
}

// agent starts this binary as an agent of one command.
func agent(t *testing.T, spec agentSpec) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STEPS_TEST_AGENT="+string(text))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// The job of a killed agent gets TERM, and is gone long before its window ends.
func TestAgentKilled(t *testing.T) {
	dir := t.TempDir()
	file, heard := filepath.Join(dir, "pids"), filepath.Join(dir, "heard")
	t.Setenv("TMPDIR", filepath.Join(dir, "tmp"))
	if err := os.Mkdir(os.Getenv("TMPDIR"), 0o700); err != nil {
		t.Fatal(err)
	}
	script := tree(file, "trap 'echo TERM > "+heard+"' TERM; echo $$ >> "+file+"; while :; do sleep 0.05; done")
	end := bootTime() + 20*time.Second
	cmd := agent(t, agentSpec{Script: script, Window: 20 * time.Second, Grace: 500 * time.Millisecond})
	all := pids(t, file, treeSize+1)
	if !alive(all[0]) {
		t.Fatal("the job is dead before its agent")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are dead", func() bool { return noneAlive(all) })
	if bootTime() >= end {
		t.Error("the window was over")
	}
	if _, err := os.Stat(heard); err != nil {
		t.Errorf("no TERM before KILL: %v", err)
	}
	eventually(t, "no temporary file is left", func() bool {
		left, err := os.ReadDir(os.Getenv("TMPDIR"))
		return err == nil && len(left) == 0
	})
}

// The job of a stopped agent lives to its deadline, hears TERM, and is gone then.
func TestAgentStopped(t *testing.T) {
	dir := t.TempDir()
	file, heard := filepath.Join(dir, "pids"), filepath.Join(dir, "heard")
	const length, grace = 3 * time.Second, 700 * time.Millisecond
	earliest := bootTime() + length
	cmd := agent(t, agentSpec{
		Script: tree(file, "trap 'echo TERM > "+heard+"' TERM; echo $$ >> "+file+"; while :; do sleep 0.02; done"),
		Window: length, Grace: grace,
	})
	all := pids(t, file, treeSize+1)
	latest := bootTime() + length
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "TERM", func() bool {
		_, err := os.Stat(heard)
		return err == nil
	})
	if now := bootTime(); now < earliest-grace {
		t.Errorf("TERM %v before the end of the window", earliest-now)
	}
	if !alive(all[0]) {
		t.Error("TERM and KILL at once")
	}
	eventually(t, "all are dead", func() bool { return noneAlive(all) })
	if now := bootTime(); now < earliest || now > latest+300*time.Millisecond {
		t.Errorf("dead %v after the earliest end of the window, want 0 to %v", now-earliest, latest-earliest+300*time.Millisecond)
	}
}

// An agent whose own output is closed goes on running its job.
func TestAgentOutputClosed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "done")
	text, err := json.Marshal(agentSpec{Script: "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; echo $$ > " + file, Window: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	defer w.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STEPS_TEST_AGENT="+string(text))
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Run(); err != nil {
		t.Errorf("agent: %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the job did not come to its end: %v", err)
	}
}

// A program that forgets about guards is told so, instead of starting itself for ever.
func TestGuardForgotten(t *testing.T) {
	t.Setenv("SOLOTICK_GUARD", "1")
	_, err := (&steps.Command{Argv: []string{"true"}}).Do(t.Context(), steps.Run{Job: "job"})
	if err == nil || !strings.Contains(err.Error(), "GuardMain") {
		t.Errorf("error %v, want a word about GuardMain", err)
	}
}
