package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestDemoTally reads a file of the demo's job in which everything happens.
func TestDemoTally(t *testing.T) {
	const text = `100 1 100000 0 A begin 100010000000
100 1 100000 0 A end 100900000000
104 1 104000 0 A begin 104020000000
104 2 109000 1 B begin 109000000000
104 2 109000 1 B end 109900000000
108 1 109001 1 B begin 110000000000
108 1 109001 1 B end 110900000000
116 1 116000 1 B begin 116005000000
116 1 116000 1 B end 116900000000
116 1 116000 2 C begin 116006000000
116 1 116000 2 C end 116901000000
120 1 120000 1 B begin 120001000000
`
	path := filepath.Join(t.TempDir(), "runs")
	runs := demoRuns{path: path}
	// It is read while it grows, also amid a line.
	for i := 0; i < len(text); i += 25 {
		if err := os.WriteFile(path, []byte(text[:i]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := runs.read(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := runs.read(); err != nil {
		t.Fatal(err)
	}
	got := runs.tally(4*time.Second, map[int64]bool{104: true, 108: true})
	want := demoTally{
		ticks: 6, once: 2, again: 1, twice: 1, missed: 1, open: 1,
		worst: 10 * time.Millisecond, hit: 5 * time.Second,
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(demoTally{})); diff != "" {
		t.Error(diff)
	}
	if err := runs.add([]byte("nonsense\n")); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("add says %v", err)
	}
}
