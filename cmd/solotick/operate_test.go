package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
)

// TestOperateOnAll pauses, triggers and resumes all jobs of a file, of which some have
// no record.
func TestOperateOnAll(t *testing.T) {
	const n = 120
	file := filepath.Join(t.TempDir(), "solotick.yaml")
	text := "version: 1\n" + zoneServer(t) + "jobs:\n"
	for i := range n {
		text += fmt.Sprintf("  job%d: { every: 1h, exec: [\"true\"] }\n", i)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	change := func(want int, args ...string) (doc changeDoc, counts map[string]int) {
		t.Helper()
		code, out, errs := invoke(t, append(args, "-c", file, "--json")...)
		if code != want || errs != "" {
			t.Fatalf("%v: code %d, want %d: %s", args, code, want, errs)
		}
		fits(t, "change", []byte(out))
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatal(err)
		}
		counts = map[string]int{}
		for _, r := range doc.Records {
			counts[r.Outcome]++
		}
		return doc, counts
	}
	var names []string
	for i := range n - 20 {
		names = append(names, fmt.Sprintf("job%d", i))
	}
	if _, counts := change(exitOK, append([]string{"record", "reset", "--yes"}, names...)...); counts["done"] != n-20 {
		t.Errorf("reset: %v", counts)
	}
	doc, counts := change(exitFailed, "pause", "--all", "--for", "2h", "--reason", "db migration")
	if diff := cmp.Diff(map[string]int{"done": n - 20, "failed": 20}, counts); diff != "" || doc.Did != "pause" {
		t.Errorf("pause (-want +got):\n%s", diff)
	}
	for i, r := range doc.Records {
		if r.Job != fmt.Sprintf("job%d", i) || r.Name != r.Job+".t.test" {
			t.Fatalf("record %d is %+v", i, r)
		}
		if missing := i >= n-20; missing == (r.Record != nil) || missing && (r.ToDo == "" || !strings.Contains(r.Text, "there is no record")) || !missing && r.Record.Why != "db migration" {
			t.Errorf("%+v", r)
		}
	}
	if _, counts := change(exitOK, "resume", "job3", "job4"); counts["done"] != 2 {
		t.Errorf("resume of two: %v", counts)
	}
	if _, counts := change(exitFailed, "resume", "--all"); counts["done"] != n-22 || counts["unchanged"] != 2 {
		t.Errorf("resume of all: %v", counts)
	}

	// For people: a line each, in order, the first failures, and how many there are.
	code, out, errs := invoke(t, "pause", "--all", "-c", file)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); code != exitFailed || len(lines) != n-20 || lines[7] != "job7: paused until somebody resumes it" {
		t.Errorf("code %d:\n%.500s", code, out)
	}
	if n := strings.Count(errs, "there is no record"); n != mostFailures || !strings.Contains(errs, "solotick pause: 100 of 120 records written, 20 failed, of which the first 10 are told; --json tells all\n") {
		t.Errorf("%d failures are told:\n%s", n, errs)
	}
	// A DNS name is as good as a job.
	if code, out, _ := invoke(t, "resume", "job5.t.test", "job6.t.test.", "-c", file); code != exitOK || strings.Count(out, "resumed") != 2 {
		t.Errorf("by DNS names: code %d: %s", code, out)
	}
	if code, _, errs := invoke(t, "record", "reset", "--all", "-c", file); code != exitUsage || !strings.Contains(errs, "Reset the records of all 120 jobs?") {
		t.Errorf("reset without a terminal: code %d: %s", code, errs)
	}
}

// TestOperateAtOnce: records are changed side by side, as many as may be, and told in
// order.
func TestOperateAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		a := &app{stdout: &out, stderr: &out, env: func(string) string { return "" }}
		var sites []site
		for i := range 100 {
			sites = append(sites, site{name: fmt.Sprintf("r%d.t.test", i)})
		}
		var now, most atomic.Int32
		op := operation{did: "pause", do: func(_ context.Context, s site) (told, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			if s.name == "r7.t.test" {
				return told{}, &failure{code: exitRefused, err: errors.New("no"), means: "x", do: "y"}
			}
			return told{text: "done", wrote: true}, nil
		}}
		began := time.Now()
		cmd := &cobra.Command{Use: "pause"}
		cmd.SetContext(t.Context())
		err := a.operate(cmd, op, sites, 25, false)
		if took := time.Since(began); took != 4*time.Second || most.Load() != 25 {
			t.Errorf("a hundred of a second, 25 at a time, took %v with %d at a time", took, most.Load())
		}
		if exitCode(err) != exitRefused {
			t.Errorf("code %d", exitCode(err))
		}
		lines := strings.Split(out.String(), "\n")
		if lines[6] != "r6.t.test: done" || lines[7] != "pause: no" || lines[10] != "r8.t.test: done" {
			t.Errorf("%q", lines[:12])
		}
	})
}

// TestPatience: where an account may send few requests, many changes wait for longer.
func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		n    int
		dns  config.DNS
		want time.Duration
	}{
		{1, config.DNS{Provider: "desec"}, 0},
		{500, config.DNS{Provider: "rfc2136"}, 5 * time.Second},
		{500, config.DNS{Provider: "route53", Rate: 300}, 800 * time.Second},
		{500, config.DNS{Provider: "desec"}, time.Hour},
	} {
		if got := patienceFor(tt.n, tt.dns); got != tt.want {
			t.Errorf("%d jobs at %s: %v, want %v", tt.n, tt.dns.Provider, got, tt.want)
		}
	}
}
