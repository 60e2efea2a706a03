package main

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestJSONDurations wants seconds, also below groups and With, and nothing else changed.
func TestJSONDurations(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: io.Discard, stderr: &out, env: func(string) string { return "" }}
	log, err := a.logger(logFlags{format: "json", level: "info"})
	if err != nil {
		t.Fatal(err)
	}
	log.With("lease", time.Minute).WithGroup("run").Info("ran", "took", 3031*time.Millisecond, "fence", int64(1795417503000), "result", "ok")
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	want := map[string]any{
		"level": "INFO", "msg": "ran", "lease": 60.0,
		"run": map[string]any{"took": 3.031, "fence": 1795417503000.0, "result": "ok"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
}
