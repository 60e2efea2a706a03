package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

const eventSchema = "../../docs/solotick-event.schema.json"

// TestEventSchema keeps the schema of a line that of the events which the API has.
// To rewrite it: go test ./cmd/solotick -run TestEventSchema -update
func TestEventSchema(t *testing.T) {
	text, err := os.ReadFile("../../docs/solotick-events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var events struct {
		Defs struct{ Event map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(text, &events); err != nil {
		t.Fatal(err)
	}
	schema := events.Defs.Event
	schema["$schema"], schema["title"] = "https://json-schema.org/draft/2020-12/schema", "solotick.event/v1"
	schema["properties"].(map[string]any)["schema"] = map[string]any{"const": "solotick.event/v1"}
	schema["required"] = append([]any{"schema"}, schema["required"].([]any)...)
	want, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(eventSchema, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(eventSchema); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the API has (%v): go test ./cmd/solotick -run TestEventSchema -update", eventSchema, err)
	}
}

// sightOf is what DNS shows where there is that record.
func sightOf(r record.Record, at time.Time) monitor.Sight {
	s := monitor.Sight{Target: monitor.Target{Name: "canary.t.test", Job: "canary"}, Time: at}
	s.Answers = []lookup.Answer{{Server: lookup.Server{Name: "ns1.t.test", Addr: "192.0.2.1:53"}, Status: lookup.Found, Texts: []string{r.String()}, Authoritative: true}}
	s.Set = record.Read(s.Answers[0].Texts, at.Unix())
	return s
}

// TestWatchLines has every line be what the schema says, also after some were
// missed.
func TestWatchLines(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(eventSchema)
	if err != nil {
		t.Fatal(err)
	}
	h := monitor.NewHistory(monitor.Limits{})
	h.Watch(monitor.Target{Name: "canary.t.test", Job: "canary"})
	updates, cancel := h.Subscribe(2) // a slow reader
	defer cancel()
	now := time.Now()
	r := record.Record{ID: "AAAAAAAAAA", Timer: now.Unix() + 60, TimerOld: now.Unix(), Seq: now.Unix() * 1000, Claimed: true, Until: now.Unix() + 15, Lease: 15}
	for range 4 {
		h.See(sightOf(r, now))
		idle := r
		idle.Claimed, idle.Until, idle.Lease, idle.Last, idle.Seq = false, 0, 0, record.Failed, r.Seq+1000
		h.See(sightOf(idle, now.Add(time.Second)))
		r.TimerOld, r.Timer, r.Seq, now = r.Timer, r.Timer+60, r.Seq+60_000, now.Add(time.Minute)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out output
	a := &app{stdout: &out, env: func(string) string { return "" }}
	done := make(chan error, 1)
	go func() { done <- a.printEvents(ctx, h, updates, true) }()
	out.await(t, 2)
	h.See(sightOf(r, now)) // tells the reader that it has missed some
	want := len(h.Events("", 0, 1000))
	out.await(t, want)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, line := range lines {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err == nil {
			err = schema.Validate(value)
		}
		var e eventDoc
		if json.Unmarshal([]byte(line), &e); err != nil || e.ID != uint64(i+1) {
			t.Errorf("line %d: %v: %s", i+1, err, line)
		}
	}
	if len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
}

// An output is what was printed so far.
type output struct {
	mu sync.Mutex
	b  strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (o *output) await(t *testing.T, lines int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); strings.Count(o.String(), "\n") < lines; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("want %d lines, have\n%s", lines, o.String())
		}
	}
}

// TestWatchUnread ends although nobody takes what is printed.
func TestWatchUnread(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	h := monitor.NewHistory(monitor.Limits{})
	h.Watch(monitor.Target{Name: "canary.t.test"})
	ctx, stop := context.WithCancel(t.Context())
	a := &app{stdout: w, stderr: io.Discard, env: func(string) string { return "" }}
	done := make(chan error, 1)
	updates, cancel := h.Subscribe(buffer)
	defer cancel()
	go func() { done <- a.watchLines(ctx, h, updates, false) }()
	one := make([]byte, 1)
	go func() {
		for ctx.Err() == nil {
			h.Forget("canary.t.test")
			h.Watch(monitor.Target{Name: "canary.t.test"})
			h.See(monitor.Sight{Target: monitor.Target{Name: "canary.t.test"}, Time: time.Now(), Best: -1, Err: io.EOF})
			time.Sleep(time.Millisecond)
		}
	}()
	if _, err := r.Read(one); err != nil { // the rest of the line is never read
		t.Fatal(err)
	}
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it waits for a reader")
	}
}

func TestOnlooker(t *testing.T) {
	now := time.Now()
	fine := record.Record{ID: "AAAAAAAAAA", Timer: now.Unix() + 60, TimerOld: now.Unix() - 1, Seq: now.Unix() * 1000, Last: record.OK}
	back := fine
	back.Seq -= 4_000_000
	failing := fine
	failing.Seq, failing.Last = fine.Seq+1, record.Failed
	again := fine
	again.Seq += 2
	for _, c := range []struct {
		name  string
		looks []record.Record
		want  int
	}{
		{"fine", []record.Record{fine}, exitOK},
		{"failing in between", []record.Record{fine, failing, again}, exitFailed},
		{"rolled back", []record.Record{fine, back}, exitFailed},
		{"never seen", nil, exitUnreachable},
	} {
		h := monitor.NewHistory(monitor.Limits{})
		h.Watch(monitor.Target{Name: "canary.t.test", Job: "canary"})
		updates, cancel := h.Subscribe(buffer)
		var o onlooker
		for _, r := range c.looks {
			h.See(sightOf(r, now))
			o.see(h, <-updates)
		}
		cancel()
		if got := o.code(h); got != c.want {
			t.Errorf("%s: code %d, want %d", c.name, got, c.want)
		}
	}
	if !troubled(monitor.Item{State: elect.HealthAbsent}) || troubled(monitor.Item{}) {
		t.Error("a record that is not there is trouble, one that was not looked at is none")
	}
}
