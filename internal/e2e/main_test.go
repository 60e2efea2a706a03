package e2e

import (
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/browsertest"
)

// program is the built solotick.
var program string

// jobEnv names the folder of a cluster; with it this binary is the cluster's job.
const jobEnv = "SOLOTICK_E2E_DIR"

// sandboxEnv has the system calls that are left to a process; with it this binary locks
// itself in, and becomes the program that its arguments name.
const sandboxEnv = "SOLOTICK_E2E_SANDBOX"

func TestMain(m *testing.M) {
	if allowed := os.Getenv(sandboxEnv); allowed != "" {
		fmt.Fprintln(os.Stderr, "sandbox:", lockIn(allowed, os.Args[1:]))
		os.Exit(1)
	}
	if dir := os.Getenv(jobEnv); dir != "" && os.Getenv("SOLOTICK_TICK") != "" {
		os.Exit(job(dir))
	}
	if dir := os.Getenv(jobEnv); dir != "" && os.Getenv("SOLOTICK_LOCK") != "" {
		os.Exit(holder(dir))
	}
	if len(os.Args) > 1 && os.Args[1] == bridgeWord {
		os.Exit(bridge(os.Args[2:]))
	}
	code := build(m)
	browsertest.End()
	os.Exit(code)
}

func build(m *testing.M) int {
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // the stories wait most of the time; the flag exists
	dir, err := os.MkdirTemp("", "solotick-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "solotick")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/solotick/solotick/cmd/solotick").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// job is the job of every cluster: it appends "tick attempt fence" and what it
// does to a file, and takes 0.3 s; 2.5 s where there is a file "slow". Where there is
// a file "hang" it removes that and goes on until it is ended from outside.
func job(dir string) int {
	f, err := os.OpenFile(filepath.Join(dir, "runs"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	run := rand.Text()
	say := func(what string) {
		fmt.Fprintf(f, "%s %s %s %s %s %s %d\n", os.Getenv("SOLOTICK_TICK"), os.Getenv("SOLOTICK_ATTEMPT"), os.Getenv("SOLOTICK_FENCE"),
			what, run, os.Getenv("SOLOTICK_AGENT"), time.Now().UnixNano())
	}
	say("begin")
	hangs := os.Remove(filepath.Join(dir, "hang")) == nil
	beats := 6
	if _, err := os.Stat(filepath.Join(dir, "slow")); err == nil {
		beats = 50
	}
	for i := 0; hangs || i < beats; i++ {
		time.Sleep(50 * time.Millisecond)
		say("alive")
	}
	say("end")
	return 0
}
