package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/solotick/solotick/steps"
)

// TestMain lets the test binary be solotick itself, and what that starts of itself:
// the guard of a command, and the one that does the work of check.
func TestMain(m *testing.M) {
	if steps.IsGuard() {
		os.Exit(steps.GuardMain())
	}
	if os.Getenv(panicsEnv) != "" {
		panics()
	}
	if os.Getenv(checkEnv) != "" { // a check that a test runs in its own process
		main()
	}
	commands := map[string]func(){"solotick": main, "webget": webget}
	if commands[filepath.Base(os.Args[0])] == nil {
		passSignals()
		_ = flag.Set("test.parallel", "6") // scripts wait most of the time; the flag exists
	}
	testscript.Main(m, commands)
}

// passSignals has the programs under test hear what this one was told to ignore, as
// nohup does: a signal that is ignored is so in all programs below, and one that is
// handled is not.
func passSignals() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

// webget prints what is at a URL, whatever the status; with -c the status.
func webget() {
	code := os.Args[1] == "-c"
	resp, err := http.Get(os.Args[len(os.Args)-1])
	switch {
	case err != nil:
	case code:
		fmt.Println(resp.StatusCode)
	default:
		_, err = io.Copy(os.Stdout, resp.Body)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
