// Command job is what an agent runs in the tests of package containertest: there is no
// shell to write it in. It tells what it has got on one line, and counts its runs in
// the job's state.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Told is what a run tells.
type Told struct {
	Args  []string `json:"args"`
	State string   `json:"state"`
	Out   string   `json:"out"`
	UID   int      `json:"uid"`
	Home  bool     `json:"home"` // HOME is set
	Tmp   bool     `json:"tmp"`  // there is a /tmp
	Write string   `json:"write"`
	Pid   int      `json:"pid"`
	Child int      `json:"child,omitempty"`
	Tick  string   `json:"tick"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "rest" {
		time.Sleep(2 * time.Second)
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "job:", err)
		os.Exit(1)
	}
}

func run() error {
	t := Told{Args: os.Args[1:], State: os.Getenv("SOLOTICK_STATE"), Out: os.Getenv("SOLOTICK_STATE_OUT"), UID: os.Getuid(), Pid: os.Getpid(), Tick: os.Getenv("SOLOTICK_TICK")}
	_, t.Home = os.LookupEnv("HOME")
	_, err := os.Stat("/tmp")
	t.Tmp = err == nil
	if err := os.WriteFile("/here", nil, 0o600); err != nil {
		t.Write = err.Error()
	}
	n, _ := strconv.Atoi(t.State)
	if err := os.WriteFile(t.Out, []byte(strconv.Itoa(n+1)), 0o600); err != nil {
		return err
	}
	orphan := len(t.Args) > 0 && t.Args[0] == "orphan"
	if orphan {
		child := exec.Command(os.Args[0], "rest")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			return err
		}
		t.Child = child.Process.Pid
	}
	line, err := json.Marshal(t)
	if err != nil {
		return err
	}
	fmt.Println(strings.TrimSpace(string(line)))
	switch {
	case orphan: // its guard is gone, and this ends with it
		_ = syscall.Kill(os.Getppid(), syscall.SIGKILL)
		time.Sleep(time.Hour)
	case len(t.Args) > 0 && t.Args[0] == "long":
		time.Sleep(time.Hour)
	}
	return nil
}
