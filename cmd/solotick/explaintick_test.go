package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/solotick/solotick/internal/journal"
)

// fits fails unless a document is as docs/solotick-NAME.schema.json says.
func fits(t *testing.T, name string, doc []byte) {
	t.Helper()
	s := compileSchemas(t)[name]
	if s == nil {
		t.Fatalf("there is no schema of %s", name)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatalf("%v: %s", err, doc)
	}
	if err := s.Validate(v); err != nil {
		t.Errorf("%v\n%s", err, doc)
	}
}

// explaining runs explain, and returns what it printed.
func explaining(t *testing.T, file, when string, from []string, asJSON bool, code int) string {
	t.Helper()
	var out bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: io.Discard, env: func(string) string { return "" }}
	err := a.explain(t.Context(), &query{names: []string{"canary"}, file: file, port: 53}, when, from, asJSON)
	got := exitOK
	var f *failure
	if errors.As(err, &f) {
		got = f.code
	} else if err != nil {
		t.Fatal(err)
	}
	if got != code {
		t.Fatalf("code %d, want %d: %v\n%s", got, code, err, &out)
	}
	return out.String()
}

// TestExplainOfAFleet asks two agents, and the file of a third, about ticks that one of
// them has run, that were paused, and that have not come.
func TestExplainOfAFleet(t *testing.T) {
	dir := t.TempDir()
	text := "version: 1\n" + zoneServer(t) + `agent: { grace: 1s, listen: "127.0.0.1:0", events: ` + dir + `/events }
defaults: { every: 2s, offset: 0s, lease: 6s, kill_grace: 1s, skew: 100ms, head_start: 1500ms, spread: 100ms, poll: 1s }
jobs:
  canary: { exec: ["true"] }
  other: { exec: ["true"] }
`
	file := filepath.Join(dir, "solotick.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var from []string
	var crew []*crewman
	for _, id := range []string{"AAAA", "BBBB"} {
		c := enlist(t, id, text)
		crew = append(crew, c)
		s := httptest.NewServer(http.HandlerFunc(c.desk.events))
		t.Cleanup(s.Close)
		from = append(from, s.URL)
		// The first one stays the incumbent.
		await(t, "a run", func() bool { return crew[0].value("ticks_total", "job", "canary", "outcome", "run") >= 1 })
	}
	await(t, "ticks that the second agent saw", func() bool { return crew[1].value("ticks_total", "job", "canary", "outcome", "elsewhere") >= 2 })
	parse := func(text string) (doc tickDoc) {
		fits(t, "explain", []byte(text))
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	causes := func(doc tickDoc) map[string]journal.Cause {
		all := map[string]journal.Cause{}
		for _, j := range doc.Agents {
			all[j.Agent] = j.Cause
		}
		return all
	}
	ran := map[string]journal.Cause{"AAAA": journal.Claimed, "BBBB": journal.Elsewhere}
	tick := strconv.FormatInt(latestRun(t, crew[0]).Unix(), 10)
	await(t, "the second agent's sight of that tick", func() bool {
		doc := parse(explaining(t, file, tick, from, true, exitOK))
		return cmp.Equal(ran, causes(doc))
	})
	doc := parse(explaining(t, file, tick, from, true, exitOK))
	if doc.Name != "canary.t.test" || doc.Job != "canary" || strconv.FormatInt(doc.Tick.Unix(), 10) != tick || !doc.Schedule.IsTick || len(doc.Timeline) < 6 || len(doc.Sources) != 2 || doc.Sources[0].Error != "" || doc.Record.Error != "" {
		t.Errorf("%+v", doc)
	}
	said := explaining(t, file, tick, from, false, exitOK)
	for _, want := range []string{"the record, now", "AAAA ran: it ran it as attempt 1, fence ", "BBBB did not run: AAAA had claimed it: this agent saw that at ", "wrote: AAAA is running ", "ended as ok"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	// The file that the agent's own file names tells the same, in both agents' words.
	await(t, "the same by the file", func() bool {
		return cmp.Equal(ran, causes(parse(explaining(t, file, tick, []string{dir + "/events"}, true, exitOK))))
	})

	operate(t, text, "canary", pauseForTwoHours)
	await(t, "the pause", func() bool {
		return crew[0].value("paused", "job", "canary") == 1 && crew[1].value("paused", "job", "canary") == 1
	})
	paused := time.Now().Unix()/2*2 + 2
	await(t, "a tick that nobody runs", func() bool { return time.Now().Unix() > paused })
	doc = parse(explaining(t, file, strconv.FormatInt(paused, 10), from, true, exitOK))
	if diff := cmp.Diff(map[string]journal.Cause{"AAAA": journal.Paused, "BBBB": journal.Paused}, causes(doc)); diff != "" {
		t.Errorf("while paused (-want +got):\n%s", diff)
	}
	if !strings.Contains(doc.Record.Text, "db migration") || !strings.Contains(doc.Agents[0].Text, "db migration") {
		t.Errorf("the reason of the pause is not told: %q, %q", doc.Record.Text, doc.Agents[0].Text)
	}
	doc = parse(explaining(t, file, strconv.FormatInt(paused+1, 10), from, true, exitOK))
	if doc.Schedule.IsTick || !strings.Contains(strings.Join(doc.Hints, " "), "has no tick at") {
		t.Errorf("beside the schedule: %+v", doc)
	}
	doc = parse(explaining(t, file, "9999999999", from, true, exitOK))
	if !strings.Contains(doc.Record.Text, "has not come yet") {
		t.Errorf("in the far future: %+v", doc.Record)
	}
	// What cannot be asked is told, and does not keep the rest.
	doc = parse(explaining(t, file, tick, append(from, dir+"/nothing", "ftp://x", "http://127.0.0.1:1"), true, exitFailed))
	failed := 0
	for _, s := range doc.Sources {
		if s.Error != "" {
			failed++
		}
	}
	if failed != 3 || len(doc.Agents) != 2 {
		t.Errorf("%d of %d sources failed", failed, len(doc.Sources))
	}
}

// latestRun is the latest tick whose run the agent has ended.
func latestRun(t *testing.T, c *crewman) (tick time.Time) {
	t.Helper()
	for _, e := range c.desk.book.Entries("canary") {
		if e.Did == journal.Ran {
			tick = e.Tick
		}
	}
	if tick.IsZero() {
		t.Fatal("it has run nothing")
	}
	return tick
}

// TestEvents: what an agent answers is what the schema says, and no more than is asked.
func TestEvents(t *testing.T) {
	d := newDesk("ME")
	get := func(query string) (int, string) {
		w := httptest.NewRecorder()
		d.events(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events"+query, nil))
		return w.Code, w.Body.String()
	}
	if code, _ := get(""); code != http.StatusNotFound {
		t.Errorf("without a journal: %d", code)
	}
	d.book = journal.NewBook(true, nil)
	for _, job := range []string{"a", "b"} {
		for i := range 5 {
			at := time.Unix(60*int64(i)+1, 0)
			d.book.Add(journal.Entry{
				Time: at, Agent: "ME", Job: job, Name: job + ".t.test", Did: journal.Look, Why: "poll", Outcome: "done",
				Seen: &journal.Seen{ID: "<b>\x1b", TimerOld: 60 * int64(i), Timer: 60 * int64(i+1), Seq: int64(i)},
			})
		}
	}
	for query, want := range map[string]int{"": 10, "?job=a": 5, "?job=A.T.test.": 5, "?job=c": 0, "?job=a&tick=120": 2, "?job=a&tick=1970-01-01T00:02:00Z": 2} {
		code, text := get(query)
		fits(t, "journal", []byte(text))
		all, err := journal.Parse(strings.NewReader(text), "")
		if code != http.StatusOK || err != nil || len(all) != want {
			t.Errorf("%s: %d, %d entries, %v", query, code, len(all), err)
		}
	}
	if code, _ := get("?tick=soon"); code != http.StatusBadRequest {
		t.Errorf("a tick that is none: %d", code)
	}
}

func TestParseTick(t *testing.T) {
	now := time.Date(2026, 11, 27, 23, 59, 59, 0, time.FixedZone("", 3600))
	for text, want := range map[string]string{
		"latest": "0001-01-01T00:00:00Z", "": "0001-01-01T00:00:00Z",
		"1795773720": "2026-11-27T10:02:00Z", "2026-11-27T11:02:00+01:00": "2026-11-27T10:02:00Z", "10:02:00": "2026-11-27T10:02:00Z", "10:02:00Z": "2026-11-27T10:02:00Z",
		"soon": "", "-5": "", "10:02": "", "999999999999999": "", "1969-12-31T00:00:00Z": "",
	} {
		got, err := parseTick(text, now)
		if want == "" {
			if err == nil {
				t.Errorf("%q is %v", text, got)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q is %v, %v; want %s", text, got, err, want)
		}
	}
}

func TestSources(t *testing.T) {
	tick := time.Unix(60, 0)
	for from, want := range map[string]string{
		"http://h:1":        "http://h:1/events?job=a.b&tick=60",
		"https://h:1/":      "https://h:1/events?job=a.b&tick=60",
		"http://h/x?y=1":    "http://h/x?job=a.b&tick=60&y=1",
		"http://u:p@h:1/e":  "http://u:p@h:1/e?job=a.b&tick=60",
		"ftp://h":           "",
		"http://":           "",
		"http://h:1/\x7fpa": "",
	} {
		if got, err := eventsURL(from, "a.b", tick); got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %s, %v; want %s", from, got, err, want)
		}
	}
	for listen, want := range map[string]string{":9480": "http://127.0.0.1:9480", "0.0.0.0:1": "http://127.0.0.1:1", "[::]:1": "http://127.0.0.1:1", "192.0.2.1:80": "http://192.0.2.1:80", "[2001:db8::1]:1": "http://[2001:db8::1]:1"} {
		if got := reachable(listen); got != want {
			t.Errorf("%s: %s, want %s", listen, got, want)
		}
	}
	if got := shownSource("http://user:secret@h/"); strings.Contains(got, "secret") {
		t.Error(got)
	}
}
