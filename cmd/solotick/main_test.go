package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/solotick/solotick/steps"
)

// TestMain lets the test binary be solotick itself, and the guard of a command
// that it runs.
func TestMain(m *testing.M) {
	if steps.IsGuard() {
		os.Exit(steps.GuardMain())
	}
	testscript.Main(m, map[string]func(){"solotick": main})
}
