package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOf: nothing of an event is lost that somebody may ask for.
func TestOf(t *testing.T) {
	r := record.Record{ID: "A", Timer: 120, TimerOld: 60, Seq: 5, Claimed: true, Try: 2, Last: record.OK, Pause: -1, Why: "x"}
	s := &Seen{ID: "A", Timer: 120, TimerOld: 60, Seq: 5, Claimed: true, Try: 2, Result: "ok", Pause: -1, Why: "x"}
	run := solotick.Tick{Time: tick, Attempt: 2, Fence: 9}
	for _, tt := range []struct {
		ev   solotick.Event
		want Entry
	}{
		{solotick.Event{Verb: elect.Look, Why: elect.Poll, Record: r, Took: 3 * time.Millisecond}, Entry{Did: Look, Why: "poll", Outcome: "done", Seen: s, TookMS: 3}},
		{solotick.Event{Verb: elect.Look, Why: elect.Poll, Err: errors.New("away")}, Entry{Did: Look, Why: "poll", Outcome: "unreached", Error: "away"}},
		{solotick.Event{Verb: elect.Load, Why: elect.Confirm, Outcome: elect.Refused, Err: errors.New(strings.Repeat("é", 500))}, Entry{Did: Load, Why: "confirm before acting", Outcome: "refused", Error: strings.Repeat("é", 150) + "..."}},
		{solotick.Event{Verb: elect.Load}, Entry{Did: Load, Why: "not due", Outcome: "done", Seen: &Seen{}}},
		{solotick.Event{Verb: elect.Swap, Why: elect.TickDue, Outcome: elect.Conflict, Record: r, Passed: 2, Err: errors.New("x")}, Entry{Did: Swap, Why: "tick due", Outcome: "conflict", Seen: s, Passed: 2, Error: "x"}},
		{solotick.Event{Verb: elect.Wait, Why: elect.Paused, Until: at(9)}, Entry{Did: Wait, Why: "paused", Until: at(9)}},
		{solotick.Event{Verb: elect.Run, Why: elect.Claimed, Tick: run}, Entry{Did: Run, Why: "claimed, not started", Tick: tick, Attempt: 2, Fence: 9}},
		{solotick.Event{Verb: elect.Run, Ended: true, Result: record.Lost, Tick: run, Took: time.Second}, Entry{Did: Ran, Why: "not due", Tick: tick, Attempt: 2, Fence: 9, Result: "lost", TookMS: 1000}},
		{solotick.Event{Verb: elect.Stop, Why: elect.WindowOver, Tick: run, Result: record.Lost}, Entry{Did: Stop, Why: "trust window over", Tick: tick, Attempt: 2, Fence: 9, Result: "lost"}},
	} {
		tt.ev.Time, tt.want.Time = at(1.0001), at(1)
		tt.want.Agent, tt.want.Job, tt.want.Name = "ME", "canary", "canary.example.com"
		got := Of("ME", "canary", "canary.example.com", tt.ev)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.ev, diff)
		}
		if !got.valid() {
			t.Errorf("%+v is no entry", got)
		}
	}
}

// TestBookMerges: an idle agent that looks on and on takes no room.
func TestBookMerges(t *testing.T) {
	b := NewBook(true, nil)
	for i := range 1000 {
		b.Add(by("A", look(float64(i), idle("B", 0)))[0])
	}
	b.Add(by("A", look(1000, idle("B", 1)))[0])
	for i := range 3 {
		b.Add(by("A", blindLook(float64(1001+i), "away"))[0])
	}
	b.Add(by("A", blindLook(1004, "refused"))[0])
	all := b.Entries("canary")
	var got []string
	for _, e := range all {
		got = append(got, fmt.Sprintf("%v+%d %v", e.Time.Sub(tick).Seconds(), e.Again, e.end().Sub(tick).Seconds()))
	}
	if diff := cmp.Diff([]string{"0+999 999", "1000+0 1000", "1001+2 1003", "1004+0 1004"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(all, b.Entries("canary.example.com")); diff != "" {
		t.Errorf("by the record's name (-want +got):\n%s", diff)
	}
	if got := b.Entries("other"); got != nil {
		t.Errorf("of a job that there is not: %v", got)
	}
	b.Forget("canary")
	if got := b.Jobs(); got != nil {
		t.Errorf("jobs after the last was forgotten: %v", got)
	}
}

// TestBookIsBounded: few jobs have much room each, many jobs little, and the latest
// stays.
func TestBookIsBounded(t *testing.T) {
	const all, most, least = 64_000, 16_000, 1_000
	for jobs, room := range map[int]int{1: most, 16: all / 16, 200: least} {
		b := NewBook(true, nil)
		b.all, b.most, b.least = all, most, least
		const n = 120
		for i := range n {
			for j := range jobs {
				e := by("A", look(float64(i), idle("B", int64(i))))[0]
				e.Job = fmt.Sprintf("job%d", j)
				b.Add(e)
			}
		}
		for name, p := range b.jobs {
			sum := 0
			for _, line := range p.lines {
				sum += len(line)
			}
			if sum != p.bytes || sum > room || sum < room/2 {
				t.Fatalf("%d jobs: %s has %d bytes in %d entries, counted %d, room %d", jobs, name, sum, len(p.lines), p.bytes, room)
			}
		}
		got := b.Entries("job0")
		if last := got[len(got)-1]; !last.Time.Equal(at(n - 1)) {
			t.Errorf("%d jobs: the latest entry is of %v", jobs, last.Time)
		}
	}
}

func closeFile(f *File) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	f.Close(ctx)
}

func read(t *testing.T, paths ...string) []Entry {
	t.Helper()
	var all []Entry
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		some, err := Parse(bytes.NewReader(text), "canary")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	return all
}

// TestFile: what a book has is what a file tells, and what happened again is told
// once, with its number.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	var log bytes.Buffer
	f := NewFile(path, slog.New(slog.NewTextHandler(&log, nil)))
	b := NewBook(true, f)
	for i := range 10 {
		b.Add(by("A", look(float64(i), idle("B", 0)))[0])
	}
	b.Add(by("A", look(20, idle("B", 1)))[0])
	b.Add(by("A", wait(20, elect.NotDue, 60))[0])
	want := b.Entries("canary")
	closeFile(f)
	b.Add(by("A", look(30, idle("B", 2)))[0]) // too late, and no harm
	got := read(t, path)
	for i := range got {
		got[i].Schema = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

// TestFileIsBounded: a file that is full is put aside, and another process that
// appends to it goes on with the new one.
func TestFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	log := slog.New(slog.DiscardHandler)
	one, two := NewFile(path, log), NewFile(path, log)
	one.max, two.max = 20_000, 20_000
	const n = 300
	for i := range n {
		for agent, f := range map[string]*File{"A": one, "B": two} {
			e := by(agent, wait(float64(i), elect.NotDue, 60))[0]
			f.write(&e)
			await(t, func() bool { return len(f.in) == 0 })
		}
	}
	closeFile(one)
	closeFile(two)
	all := read(t, path+".1", path)
	if len(all) < 100 || len(all) > 2*n {
		t.Errorf("%d entries are kept", len(all))
	}
	last := map[string]time.Time{}
	for _, e := range all {
		last[e.Agent] = e.Time
	}
	if !last["A"].Equal(at(n-1)) || !last["B"].Equal(at(n-1)) {
		t.Errorf("the latest are of %v", last)
	}
	for _, p := range []string{path, path + ".1"} {
		if st, err := os.Stat(p); err != nil || st.Size() > 20_000+64<<10 {
			t.Errorf("%s: %v, %v", p, st, err)
		}
	}
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for by := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(by) {
			t.Fatal("not within 20 s")
		}
	}
}

// TestFileThatCannotBeWritten costs nothing but a line in the log.
func TestFileThatCannotBeWritten(t *testing.T) {
	var log bytes.Buffer
	f := NewFile(filepath.Join(t.TempDir(), "no", "such", "folder"), slog.New(slog.NewTextHandler(&log, nil)))
	b := NewBook(false, f)
	for i := range 5000 {
		b.Add(by("A", wait(float64(i), elect.NotDue, 60))[0])
	}
	closeFile(f)
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "agent.events cannot be written; the jobs go on") {
		t.Errorf("logged:\n%s", &log)
	}
	if got := b.Entries("canary"); len(got) > 1 {
		t.Errorf("a book that keeps nothing has %d entries", len(got))
	}
}

// TestParse takes what is an entry out of anything.
func TestParse(t *testing.T) {
	e := by("A", look(0, idle("B", 0)))[0]
	doc, err := json.Marshal(Document{Schemas, "A", []Entry{e, {}}})
	if err != nil {
		t.Fatal(err)
	}
	e.Schema = Schema
	line, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		text string
		n    int
		err  error
	}{
		"nothing":         {"", 0, nil},
		"an answer":       {string(doc), 1, nil},
		"lines":           {string(line) + "\n" + string(line), 2, nil},
		"cut lines":       {string(line[:50]) + "\n\n" + string(line) + "\n" + string(line[:9]), 1, nil},
		"a long line":     {strings.Repeat("x", 3*maxLine) + "\n" + string(line) + "\n", 1, nil},
		"a log":           {"level=INFO msg=ran\n{\"time\":\"2026\"}\n", 0, ErrNone},
		"HTML":            {"<html>404</html>", 0, ErrNone},
		"another schema":  {`{"schema":"solotick.status/v1"}`, 0, ErrNone},
		"another's did":   {strings.Replace(string(line), `"look"`, `"danced"`, 1), 0, ErrNone},
		"a broken answer": {string(doc[:len(doc)-3]), 0, nil},
	} {
		all, err := Parse(strings.NewReader(tt.text), "canary")
		if len(all) != tt.n || !errors.Is(err, tt.err) {
			t.Errorf("%s: %d entries, %v; want %d, %v", name, len(all), err, tt.n, tt.err)
		}
	}
	if all, err := Parse(strings.NewReader(string(line)), "other"); len(all) != 0 || err != nil {
		t.Errorf("of another job: %d, %v", len(all), err)
	}
}

func FuzzParse(f *testing.F) {
	e := by("A", look(0, idle("B", 0)))[0]
	e.Schema = Schema
	line, err := json.Marshal(e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"schema":"solotick.journal/v1","events":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := Parse(bytes.NewReader(text), "")
		if err != nil {
			return
		}
		Around(all, tick)
		for i := range all {
			all[i].Text()
		}
		for _, j := range Explain(all, tick, at(60), false) {
			if j.Text == "" || j.Cause == "" {
				t.Errorf("a judgement without words: %+v", j)
			}
		}
	})
}
