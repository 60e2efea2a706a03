package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
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
	testscript.Main(m, map[string]func(){"solotick": main, "webget": webget})
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
