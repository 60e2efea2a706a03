package monitor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/solotick/solotick/record"
)

// fill has a history see n ticks of each of some records, a claim and an end each.
func fill(h *History, targets []Target, n int64) {
	for tick := range n {
		for _, t := range targets {
			h.See(sight(t, at(60*tick+1), claim(agentA, tick, 60*tick).String()))
			h.See(sight(t, at(60*tick+5), idle(agentA, tick, 60*tick+4, record.OK).String()))
		}
	}
}

func named(t *testing.T, n int) []Target {
	var all []Target
	for i := range n {
		all = append(all, Target{Name: fmt.Sprintf("job%03d.example.com", i), Job: fmt.Sprintf("job%03d", i), Policy: minute(t)})
	}
	return all
}

// TestBounds has more happen than is kept.
func TestBounds(t *testing.T) {
	targets := named(t, 10)
	h := NewHistory(Limits{Runs: 500, Events: 300})
	h.Watch(targets...)
	fill(h, targets, 200)
	for _, target := range targets {
		runs, events := h.Runs(target.Name, 0, latest), h.Events(target.Name, 0, 1000)
		if len(runs) < 50 || len(runs) > 71 || runs[len(runs)-1].Tick != epoch+199*60 {
			t.Errorf("%s: %d runs, the last of %d", target, len(runs), runs[len(runs)-1].Tick)
		}
		if len(events) < 30 || len(events) > 46 {
			t.Errorf("%s: %d events", target, len(events))
		}
		for i, e := range events {
			if i > 0 && e.ID >= events[i-1].ID || e.Name != target.Name || e.Job != target.Job || e.Time.IsZero() {
				t.Fatalf("event %d: %+v", i, e)
			}
		}
	}
	all := h.Events("", 0, 10000)
	if len(all) < newestEvents || all[0].Name != targets[9].Name {
		t.Errorf("%d events of all records, the newest of %s", len(all), all[0].Name)
	}
	if page := h.Events("", all[4].ID, 3); len(page) != 3 || page[0].ID != all[5].ID {
		t.Errorf("the page after event %d: %v", all[4].ID, page)
	}
	h.Forget(targets[3].Name)
	if _, ok := h.Item(targets[3].Name, at(0)); ok || len(h.Items(at(0))) != 9 || len(h.Targets()) != 9 {
		t.Error("a record that was dropped is still there")
	}
	if got := h.See(sight(targets[3], at(20000))); got != nil {
		t.Errorf("of a record that is not watched: %v", got)
	}
}

// TestAge has runs that are too old dropped, by the look's own time.
func TestAge(t *testing.T) {
	targets := named(t, 1)
	h := NewHistory(Limits{Age: time.Hour})
	h.Watch(targets...)
	fill(h, targets, 200)
	if runs := h.Runs(targets[0].Name, 0, latest); len(runs) < 60 || len(runs) > 62 {
		t.Errorf("%d runs of an hour", len(runs))
	}
}

// TestFile has a history go on where it ended, as another process would.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	open := func() *History {
		t.Helper()
		h, err := OpenHistory(path, Limits{Runs: 1000, Events: 1000})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	targets := named(t, 5)
	h := open()
	h.Watch(targets...)
	fill(h, targets, 20)
	name := targets[2].Name
	h.See(sight(targets[2], at(1201), claim(agentB, 20, 1200).String()))
	if err := h.Tell(name, Run{Tick: epoch + 60, Attempt: 1, Agent: agentA, Result: record.OK, Detail: &Detail{TookMS: 1234, Output: "done"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenHistory(path, Limits{}); err == nil || !strings.Contains(err.Error(), "another process has it open") {
		t.Errorf("opened twice: %v", err)
	}
	runs, events, spans := h.Runs(name, 0, latest), h.Events("", 0, 1000), h.Spans(name, 0, latest)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}

	h = open()
	h.Watch(targets...)
	runs[len(runs)-1].Over = true // who ran when the file was left: its end was not seen
	if diff := cmp.Diff(runs, h.Runs(name, 0, latest), cmpopts.IgnoreUnexported(Run{})); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(spans, h.Spans(name, 0, latest)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	again := h.Events("", 0, 1000)
	if diff := cmp.Diff(events[:100], again[:100]); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	h.See(sight(targets[0], at(1500), claim(agentB, 25, 1500).String()))
	h.See(sight(targets[0], at(1503), idle(agentB, 25, 1502, record.OK).String()))
	if newest := h.Events("", 0, 1)[0]; newest.ID <= events[0].ID {
		t.Errorf("an event has the number %d, and there was %d", newest.ID, events[0].ID)
	}
	if spans := h.Spans(targets[0].Name, 0, latest); len(spans) != 2 {
		t.Errorf("the time between the two processes is no gap: %v", spans)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}

	h = open()
	h.Watch(targets...)
	if runs := h.Runs(targets[0].Name, 0, latest); len(runs) != 21 || runs[20].Agent != agentB {
		t.Errorf("%d runs", len(runs))
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path+"2", []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenHistory(path+"2", Limits{}); err == nil || !strings.Contains(err.Error(), path+"2") {
		t.Errorf("a file that is none: %v", err)
	}
}

// TestTell has agents tell of their runs, before and after DNS shows them.
func TestTell(t *testing.T) {
	targets := named(t, 1)
	name := targets[0].Name
	h := NewHistory(Limits{})
	h.Watch(targets...)
	told := Run{Tick: epoch + 60, Attempt: 1, Agent: agentA, Result: record.OK, Fence: 7, Detail: &Detail{Began: at(60).Add(40 * time.Millisecond), TookMS: 250}}
	fill(h, targets, 1)
	if err := h.Tell(name, told); err != nil {
		t.Fatal(err)
	}
	h.See(sight(targets[0], at(66), idle(agentA, 1, 61, record.OK).String()))
	runs := h.Runs(name, 0, latest)
	if len(runs) != 2 {
		t.Fatalf("%d runs: %+v", len(runs), runs)
	}
	lag, ok := runs[1].Lag()
	took, _ := runs[1].Took()
	if lag != 40*time.Millisecond || took != 250*time.Millisecond || !ok || runs[1].Ended != epoch+61 {
		t.Errorf("lag %s, took %s: %+v", lag, took, runs[1])
	}
	if err := h.Tell(name, Run{Tick: epoch, Attempt: 1, Agent: agentA, Result: record.OK, Detail: &Detail{TookMS: 90}}); err != nil {
		t.Fatal(err)
	}
	if runs := h.Runs(name, 0, latest); len(runs) != 2 || runs[0].Detail == nil || runs[0].Detail.TookMS != 90 {
		t.Errorf("%+v", runs)
	}
	if err := h.Tell("other.example.com", told); err == nil {
		t.Error("told of a record that is not watched")
	}
}

// TestSubscribe has a reader that keeps up, and one that does not.
func TestSubscribe(t *testing.T) {
	targets := named(t, 1)
	h := NewHistory(Limits{})
	h.Watch(targets...)
	fast, stopFast := h.Subscribe(100)
	slow, stopSlow := h.Subscribe(1)
	fill(h, targets, 3)
	if len(fast) != 6 || len(slow) != 1 {
		t.Fatalf("%d and %d updates", len(fast), len(slow))
	}
	if u := <-fast; u.Name != targets[0].Name || u.Lost || len(u.Events) != 1 || u.Events[0].Kind != KindBegan {
		t.Errorf("%+v", u)
	}
	<-slow
	h.See(sight(targets[0], at(181), claim(agentA, 3, 180).String()))
	if u := <-slow; !u.Lost {
		t.Errorf("a reader that lost updates is not told: %+v", u)
	}
	stopFast()
	stopSlow()
	n := len(fast)
	fill(h, targets, 5)
	if len(fast) != n {
		t.Error("updates after cancel")
	}
}

// TestAway has what is shown of a record while no server answers.
func TestAway(t *testing.T) {
	targets := named(t, 2)
	h := NewHistory(Limits{})
	h.Watch(targets...)
	if items := h.Items(at(0)); items[0].State != "" || items[0].Text != "not looked at yet" {
		t.Errorf("%+v", items[0])
	}
	fill(h, targets[:1], 1)
	for _, target := range targets {
		h.See(sightOf(target, at(30), nil, nil, errors.New("no answer in time")))
	}
	item, _ := h.Item(targets[0].Name, at(1000))
	if item.State != "" || item.Error != "no answer in time" || item.ID != agentA || item.LastTick.Unix() != epoch || !strings.Contains(item.Text, "995 s ago") && !strings.Contains(item.Text, "16 min ago") {
		t.Errorf("%+v", item)
	}
	if events := h.Sweep(at(1000)); len(events) > 0 {
		t.Errorf("what cannot be seen is not late: %v", events)
	}
	if item, _ := h.Item(targets[1].Name, at(31)); item.Error == "" || item.ID != "" {
		t.Errorf("%+v", item)
	}
}

// TestSweep has time alone make a record late.
func TestSweep(t *testing.T) {
	targets := named(t, 1)
	h := NewHistory(Limits{})
	h.Watch(targets...)
	fill(h, targets, 1)
	var got []string
	for sec := int64(6); sec < 300; sec++ {
		for _, e := range h.Sweep(at(sec)) {
			got = append(got, strings.SplitN(e.Text, ":", 2)[0])
		}
	}
	if diff := cmp.Diff([]string{"late", "missed"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLapsed has a holder vanish: its run goes on no more, unless it comes back.
func TestLapsed(t *testing.T) {
	targets := named(t, 1)
	h := NewHistory(Limits{})
	h.Watch(targets...)
	over := func() bool {
		runs := h.Runs(targets[0].Name, 0, latest)
		return runs[len(runs)-1].Over
	}
	h.See(sight(targets[0], at(1), claim(agentA, 0, 0).String()))
	if over() {
		t.Error("a run that goes on is over")
	}
	h.Sweep(at(120))
	if !over() {
		t.Error("a claim that lapsed long ago is a run that goes on")
	}
	h.See(sight(targets[0], at(121), with(claim(agentA, 0, 120), func(r *record.Record) { r.Until = epoch + 135 }).String()))
	if over() {
		t.Error("a run that goes on after all is over")
	}
}
