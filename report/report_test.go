package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/report"
)

var tick = time.Date(2026, 11, 27, 6, 5, 27, 0, time.UTC)

// full is a report that has everything.
func full() report.Report {
	code := 3
	return report.Report{
		Schema: report.Schema, Record: "canary.example.com", Job: "canary", Tick: tick, Next: tick.Add(time.Minute), Attempt: 2, Fence: 1795413939001, Agent: "VDNDNQNWQY",
		Began: tick.Add(20 * time.Millisecond), Ended: tick.Add(2 * time.Second), TookMS: 1980.5, LagMS: 20, Result: record.Failed, Code: &code,
		Error: "step 2: ended with code 3", Output: "one\ntwo\n", TraceID: strings.Repeat("0a", 16), Unarbitrated: true,
		Steps: []report.Step{{ID: "api", Kind: "http", Result: "ok", TookMS: 12, Note: "GET api.example.com: 200"}, {ID: "2", Kind: "exec", Result: "failed", TookMS: 1900}},
	}
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("../docs/solotick-report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func judge(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

// TestRoundTrip: what is sent is what is read, and what the schema says.
func TestRoundTrip(t *testing.T) {
	s := schema(t)
	least := report.Report{Schema: report.Schema, Record: "a", Tick: tick, Attempt: 1, Agent: "A"}
	for name, want := range map[string]report.Report{"full": full(), "least": least} {
		body, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if err := judge(t, s, body); err != nil {
			t.Errorf("%s: %v\n%s", name, err, body)
		}
		got, err := report.Parse(body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestClip makes anything a report that is taken.
func TestClip(t *testing.T) {
	r := full()
	r.Error = strings.Repeat("é", 5000)
	r.Output = "begin " + strings.Repeat("ü", 5000) + " end"
	r.Steps = nil
	for range 500 {
		r.Steps = append(r.Steps, report.Step{ID: "1", Kind: "exec", Result: "ok", Note: "\xff" + strings.Repeat("é", 5000)})
	}
	r.Clip()
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(r.Output, " end") || strings.Contains(r.Output, "begin") || !strings.HasPrefix(r.Output, "[... ") || len(r.Output) < report.MaxOutput-50 {
		t.Errorf("the output is %d bytes: %.60q...", len(r.Output), r.Output)
	}
	if !strings.HasPrefix(r.Error, "éé") || !strings.HasSuffix(r.Error, "é...") || !utf8.ValidString(r.Error) {
		t.Errorf("the error is %.20q", r.Error)
	}
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(body) > report.MaxBody {
		t.Errorf("%d bytes", len(body))
	}
	if err := judge(t, schema(t), body); err != nil {
		t.Error(err)
	}
	if _, err := report.Parse(body); err != nil {
		t.Error(err)
	}
}

// TestOriginal: what the agents of 2022 posted.
func TestOriginal(t *testing.T) {
	want := report.Report{Agent: "VDNDNQNWQY", Tick: time.Unix(1642500093, 0).UTC(), Next: time.Unix(1642500153, 0).UTC(), Attempt: 1, Original: true}
	for _, body := range []string{
		`{"name": "VDNDNQNWQY", "timer": 1642500153, "timerold": 1642500093, "passcode": 1641466583}`,
		`{"name":"VDNDNQNWQY","timer":"1642500153","timerold":1642500093.0}`,
	} {
		got, err := report.Parse([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
}

// TestRefusedBodies: nothing that is no report is taken, and each says why.
func TestRefusedBodies(t *testing.T) {
	change := func(f func(map[string]any)) string {
		body, err := json.Marshal(full())
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		f(m)
		body, err = json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	set := func(key string, v any) string { return change(func(m map[string]any) { m[key] = v }) }
	s := schema(t)
	for _, tt := range []struct {
		body, says string
		formless   bool // the schema cannot tell
	}{
		{"", "not JSON", true},
		{"{", "not JSON", true},
		{"[]", "array", false},
		{"{}", "want a report", false},
		{`{"name":"A"}`, "want a report", false},
		{`{"name":"A","timerold":"soon"}`, "timerold", false},
		{`{"name":"A","timerold":0}`, "timerold", false},
		{`{"name":"A","timerold":1,"timer":-1}`, "timer:", false},
		{`{"name":"A B","timerold":1}`, "no id of an agent", false},
		{`{"name":5,"timerold":1}`, "name cannot be a number", false},
		{set("schema", "solotick.report/v2"), "not known here", false},
		{set("schema", nil), "want a report", false},
		{set("record", ""), "no DNS name", false},
		{set("record", "a..b"), "no DNS name", false},
		{set("record", "<script>.example.com"), "no DNS name", false},
		{set("record", strings.Repeat("a.", 200)+"a"), "no DNS name", false},
		{set("agent", ""), "no id of an agent", false},
		{set("tick", "yesterday"), `"yesterday" is no time`, false},
		{set("tick", "2026-11-27T06:05:27.5Z"), "whole second", true},
		{set("tick", "0001-01-01T00:00:00Z"), "whole second after 1970", true},
		{set("began", "1960-01-01T00:00:00Z"), "not after 1970", true},
		{set("attempt", 0), "counted from 1", false},
		{set("fence", -1), "fence", false},
		{set("took_ms", -1), "took_ms", false},
		{set("lag_ms", 1e300), "lag_ms", true},
		{set("result", "splendid"), "result", false},
		{set("code", -2), "code", false},
		{set("error", strings.Repeat("x", report.MaxError+1)), "error is longer", false},
		{set("output", strings.Repeat("x", report.MaxOutput+1)), "output is longer", false},
		{set("trace_id", "xyz"), "trace_id", false},
		{set("steps", []any{map[string]any{"id": "", "kind": "exec", "result": "ok", "took_ms": 1}}), "step 1: id", false},
		{set("steps", []any{map[string]any{"id": "a", "kind": "exec", "result": "fine", "took_ms": 1}}), "step 1: result", false},
		{set("steps", make([]report.Step, report.MaxSteps+1)), "steps", false},
		{strings.Repeat(" ", report.MaxBody) + "{}", "at most", true},
	} {
		_, err := report.Parse([]byte(tt.body))
		var e *report.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%.100s: %v, want ...%s...", tt.body, err, tt.says)
			continue
		}
		if len(err.Error()) > 2000 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
		if !tt.formless && judge(t, s, []byte(tt.body)) == nil {
			t.Errorf("the schema takes %.200s", tt.body)
		}
	}
}

// TestKey tells runs apart.
func TestKey(t *testing.T) {
	r := full()
	seen := map[string]bool{r.Key(): true}
	for _, change := range []func(*report.Report){
		func(r *report.Report) { r.Record = "other.example.com" },
		func(r *report.Report) { r.Tick = r.Tick.Add(time.Second) },
		func(r *report.Report) { r.Attempt++ },
		func(r *report.Report) { r.Fence++ },
		func(r *report.Report) { r.Agent = "OTHER" },
		func(r *report.Report) { r.Unarbitrated = false },
	} {
		other := full()
		change(&other)
		if seen[other.Key()] {
			t.Errorf("%q is the key of two runs", other.Key())
		}
		seen[other.Key()] = true
	}
	again := full()
	again.Output, again.TookMS = "", math.Pi
	if again.Key() != r.Key() {
		t.Error("one run has two keys")
	}
}

func FuzzParse(f *testing.F) {
	body, err := json.Marshal(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"name": "VDNDNQNWQY", "timer": 1642500153, "timerold": 1642500093, "passcode": 1641466583}`))
	f.Add([]byte(`{"schema":"solotick.report/v1"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := report.Parse(body)
		if err != nil {
			if s := report.Status(err); s < 400 || s > 499 {
				t.Errorf("status %d for %v", s, err)
			}
			return
		}
		if err := r.Check(); err != nil {
			t.Errorf("a report was taken that cannot be: %v", err)
		}
		if r.Original {
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := report.Parse(again); err != nil || back.Key() != r.Key() {
			t.Errorf("it is another one when it is written again: %v\n%s", err, again)
		}
	})
}
