package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/config"
)

// TestOutline reads a file on a machine that has nothing of what it takes from
// elsewhere.
func TestOutline(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	file := filepath.Join(t.TempDir(), "solotick.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`version: 1
dns: { provider: rfc2136, zone: example.com, server: "${env:OUTLINE_SERVER}", tsig: "${credential:solotick.key}" }
agent: { listen: "0.0.0.0:${env:OUTLINE_PORT}", grace: 20s, report: { url: "https://w.example.com/r", token: "${file:/nowhere/token}" } }
notify:
  ops: { slack: { webhook: "${vcap:ops.url}" } }
defaults: { kill_grace: 2s, timeout: "${env:OUTLINE_TIMEOUT:-40s}" }
jobs:
  canary: { every: 60s, exec: "echo ${HOME} $${env:NOT_THIS}", shell: true, env: { A: "${env:OUTLINE_PORT:-1} ${file:/nowhere/a b}" } }
  other: { every: 60s, timeout: 50s, kill_grace: 4s, steps: [ { alert: ops, if: "true", text: "at ${env:OUTLINE_SERVER}" } ] }
`)
	o, err := config.ReadOutline(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Need{
		{Kind: "env", Name: "OUTLINE_SERVER", Line: 2, Must: true},
		{Kind: "credential", Name: "solotick.key", Line: 2, Must: true},
		{Kind: "env", Name: "OUTLINE_PORT", Line: 3, Must: true},
		{Kind: "file", Name: "/nowhere/token", Line: 3, Must: true},
		{Kind: "vcap", Name: "ops.url", Line: 5, Must: true},
		{Kind: "env", Name: "OUTLINE_TIMEOUT", Line: 6},
		{Kind: "file", Name: "/nowhere/a b", Line: 8, Must: true},
	}
	if diff := cmp.Diff(want, o.Needs); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
	if o.Listen != "0.0.0.0:${env:OUTLINE_PORT}" || o.Agent.Grace != 20*time.Second || o.From {
		t.Errorf("listen %q, grace %v, jobs elsewhere %v", o.Listen, o.Agent.Grace, o.From)
	}
	got := ""
	for _, j := range o.Jobs {
		got += fmt.Sprintf("%s %v %v; ", j.Name, j.Timeout, j.KillGrace)
	}
	if want := "canary 40s 2s; other 50s 4s; "; got != want {
		t.Errorf("jobs %s, want %s", got, want)
	}

	// A mistake of the text is one everywhere.
	write("version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1, tsig: /nowhere/key }\njobs: { a: { evry: 60s, exec: [x] } }\n")
	var all config.Diagnostics
	if _, err := config.ReadOutline(file); !errors.As(err, &all) || !strings.Contains(err.Error(), "evry") {
		t.Errorf("a mistake: %v", err)
	}
	write("version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1, tsig: /nowhere/key }\njobs_from: \"${env:OUTLINE_LIST}\"\n")
	if o, err = config.ReadOutline(file); err != nil || !o.From || len(o.Needs) != 2 || o.Needs[0] != (config.Need{Kind: "file", Name: "/nowhere/key", Line: 2, Must: true}) {
		t.Errorf("a list elsewhere: %+v, %v", o, err)
	}
}
