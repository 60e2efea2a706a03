package monitor

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/record"
)

// kinds are those of events, without the condition.
func kinds(events []Event) string {
	var all []string
	for _, e := range events {
		if e.Kind != KindCondition {
			all = append(all, string(e.Kind))
		}
	}
	return strings.Join(all, " ")
}

func watched(t *testing.T) (*History, Target) {
	t.Helper()
	target := Target{Name: "canary.example.com", Policy: minute(t)}
	h := NewHistory(Limits{})
	h.Watch(target)
	return h, target
}

// TestToldMeanwhile has an agent tell of an older run while another one goes on, whose
// end is seen all the same.
func TestToldMeanwhile(t *testing.T) {
	h, target := watched(t)
	h.See(sight(target, at(61), claim(agentA, 1, 60).String()))
	if err := h.Tell(target.Name, Run{Tick: epoch, Attempt: 1, Agent: agentB, Ended: epoch + 5, Result: record.OK, Detail: &Detail{TookMS: 5}}); err != nil {
		t.Fatal(err)
	}
	h.See(sight(target, at(66), claim(agentA, 1, 65).String()))
	h.See(sight(target, at(121), claim(agentB, 2, 120).String()))
	for _, r := range h.Runs(target.Name, 0, latest) {
		if r.Agent == agentA && (!r.Over || r.Alive != epoch+65) || r.Over != (r.Tick != epoch+120) {
			t.Errorf("%+v", r)
		}
	}
}

// TestToldLess has who tells nothing of a run but that it was, which takes nothing
// away from what is known.
func TestToldLess(t *testing.T) {
	h, target := watched(t)
	h.See(sight(target, at(61), idle(agentA, 1, 60, record.OK).String()))
	for _, d := range []*Detail{{Output: "done"}, nil} {
		if err := h.Tell(target.Name, Run{Tick: epoch + 60, Attempt: 1, Agent: agentA, Detail: d}); err != nil {
			t.Fatal(err)
		}
	}
	if r := h.Runs(target.Name, 0, latest); len(r) != 1 || r[0].Detail == nil || r[0].Detail.Output != "done" {
		t.Errorf("%+v", r)
	}
}

// TestBrokenSecondary has one of two servers that has not been given the zone for an
// hour, and looks that ask one server each.
func TestBrokenSecondary(t *testing.T) {
	h, target := watched(t)
	from := func(sec int64, addr string, r record.Record) string {
		a := says(addr, r.String())
		return kinds(h.See(sightOf(target, at(sec), []lookup.Answer{a}, nil, nil)))
	}
	from(5, "192.0.2.1", idle(agentA, 0, 3, record.OK))
	for i := range int64(30) {
		sec := 60 * (i + 1)
		if got := from(sec, "192.0.2.2", idle(agentA, -60, -3600, record.OK)); got != "" {
			t.Fatalf("after %d s: %s", sec, got)
		}
		if got := from(sec+5, "192.0.2.1", idle(agentA, i+1, sec+2, record.OK)); got != "ended" {
			t.Fatalf("after %d s: %s", sec, got)
		}
	}
	// The server that showed more is there no longer, or has it no longer.
	if got := from(1900, "192.0.2.2", idle(agentA, -60, -3600, record.OK)) + from(2400, "192.0.2.2", idle(agentA, -60, -3600, record.OK)); got != "" {
		t.Errorf("%s", got)
	}
	if got := from(2600, "192.0.2.2", idle(agentA, -60, -3600, record.OK)); got != "rolled_back" {
		t.Errorf("%q", got)
	}
}

// TestNotPassed has a look after a tick is due and before anybody has claimed it, and
// the next one when the tick after it is claimed.
func TestNotPassed(t *testing.T) {
	h, target := watched(t)
	h.See(sight(target, at(2), idle(agentA, 0, 1, record.OK).String()))
	h.See(sight(target, at(62), idle(agentA, 0, 1, record.OK).String()))
	if got := kinds(h.See(sight(target, at(123), claim(agentA, 2, 120).String()))); got != "unseen began" {
		t.Errorf("%s", got)
	}
}

// TestTriggered has a daily job triggered at 18 h, seen without its schedule: what the
// triggered run is apart from the next tick is no interval.
func TestTriggered(t *testing.T) {
	const day, evening = 24 * 3600, 18 * 3600
	target := Target{Name: "nightly.example.com"}
	h := NewHistory(Limits{})
	h.Watch(target)
	daily := with(idle(agentA, 0, 1, record.OK), func(r *record.Record) { r.Timer = epoch + day })
	h.See(sight(target, at(5), daily.String()))
	for i := range int64(18) {
		h.See(sight(target, at(3600*(i+1)-10), daily.String()))
	}
	ran := record.Record{ID: agentB, TimerOld: epoch + evening, Timer: epoch + day, Seq: (epoch + evening + 1) * 1000, Claimed: true, Until: epoch + evening + 16, Lease: 15, Last: record.OK}
	if got := kinds(h.See(sight(target, at(evening+5), ran.String()))); got != "began" {
		t.Errorf("%s", got)
	}
}

// TestAtMostOnceFirst has a first look at a record whose result is that of the run
// before its latest tick.
func TestAtMostOnceFirst(t *testing.T) {
	target := Target{Name: "canary.example.com", Policy: minute(t)}
	target.Policy.AtMostOnce = true
	h := NewHistory(Limits{})
	h.Watch(target)
	h.See(sight(target, at(5), idle(agentA, 0, 1, record.Failed).String()))
	if r := h.Runs(target.Name, 0, latest); len(r) != 1 || r[0].Result != record.None {
		t.Errorf("%+v", r)
	}
}

// TestLockFreed has an operator free a lock.
func TestLockFreed(t *testing.T) {
	target := Target{Name: "deploy.example.com"}
	h := NewHistory(Limits{})
	h.Watch(target)
	h.See(sight(target, at(2), record.Record{ID: agentA, Seq: (epoch + 1) * 1000, Claimed: true, Until: epoch + 16, Lease: 15}.String()))
	events := h.See(sight(target, at(9), record.Record{ID: agentA, Seq: (epoch + 8) * 1000, Last: record.Lost}.String()))
	if kinds(events) != "ended" || !strings.Contains(events[0].Text, "AAAAAAAAAA lost the lock") {
		t.Errorf("%v", events)
	}
}

// TestStaleServerGone has the server that showed what is too old taken out of the
// delegation.
func TestStaleServerGone(t *testing.T) {
	h, target := watched(t)
	old, now := idle(agentA, 0, 5, record.OK).String(), idle(agentA, 1, 65, record.OK).String()
	good, bad := says("192.0.2.1", now), says("192.0.2.2", old)
	if got := kinds(h.See(sightOf(target, at(170), []lookup.Answer{good, bad}, nil, nil))); got != "stale" {
		t.Fatalf("%s", got)
	}
	events := h.See(sightOf(target, at(180), []lookup.Answer{good}, nil, nil))
	if kinds(events) != "fresh" || events[0].Server != "192.0.2.2:53" {
		t.Errorf("%v", events)
	}
	if got := kinds(h.See(sightOf(target, at(190), []lookup.Answer{good}, nil, nil))); got != "" {
		t.Errorf("said again: %s", got)
	}
}

// TestGoesOn has a process that takes over from another the history of what goes on.
func TestGoesOn(t *testing.T) {
	lock := record.Record{ID: agentA, Seq: (epoch + 1) * 1000, Claimed: true, Until: epoch + 16, Lease: 15}
	for name, first := range map[string]record.Record{"a job": claim(agentA, 0, 1), "a lock": lock} {
		t.Run(name, func(t *testing.T) {
			target := Target{Name: "canary.example.com", Policy: elect.Policy{}}
			path := filepath.Join(t.TempDir(), "history")
			open := func() *History {
				h, err := OpenHistory(path, Limits{})
				if err != nil {
					t.Fatal(err)
				}
				h.Watch(target)
				return h
			}
			h := open()
			h.See(sight(target, at(2), first.String()))
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			h = open()
			defer h.Close()
			first.Seq += 9000
			if got := kinds(h.See(sight(target, at(12), first.String()))); got != "" {
				t.Errorf("it began again: %s", got)
			}
			runs := h.Runs(target.Name, 0, latest)
			if len(runs) != 1 || runs[0].Over || runs[0].Alive != epoch+10 {
				t.Errorf("%+v", runs)
			}
			first.Claimed, first.Until, first.Lease, first.Last = false, 0, 0, record.OK
			first.Seq += 1000
			h.See(sight(target, at(14), first.String()))
			if runs := h.Runs(target.Name, 0, latest); len(runs) != 1 || !runs[0].Over || runs[0].Result != record.OK || h.Totals(target.Name).Runs[record.OK] != 1 {
				t.Errorf("%+v %+v", runs, h.Totals(target.Name))
			}
		})
	}
}

// TestMuch has agents tell more than there is room for: of the oldest runs their
// output goes, and the runs stay.
func TestMuch(t *testing.T) {
	h, target := watched(t)
	h.limits.Text = 100 << 10
	for i := range int64(200) {
		r := Run{Tick: epoch + 60*i, Attempt: 1, Agent: agentA, Result: record.OK, Detail: &Detail{TookMS: 7, Output: strings.Repeat("x", 4<<10)}}
		for range 2 { // what is told twice counts once
			if err := h.Tell(target.Name, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	runs := h.Runs(target.Name, 0, latest)
	n := 0
	for i, r := range runs {
		if r.Detail == nil || r.Detail.TookMS != 7 {
			t.Fatalf("%d: %+v", i, r)
		}
		n += len(r.Detail.Output)
	}
	if len(runs) != 200 || n > 100<<10 || n < 40<<10 || runs[199].Detail.Output == "" {
		t.Errorf("%d runs, %d bytes", len(runs), n)
	}
}

// TestFullDisk has a file that cannot be written.
func TestFullDisk(t *testing.T) {
	h, err := OpenHistory(filepath.Join(t.TempDir(), "history"), Limits{Runs: 20, Events: 20})
	if err != nil {
		t.Fatal(err)
	}
	targets := named(t, 1)
	h.Watch(targets...)
	close(h.file.quit) // nobody else writes
	if err := <-h.file.done; err != nil {
		t.Fatal(err)
	}
	if err := h.file.db.Close(); err != nil {
		t.Fatal(err)
	}
	for n := range int64(300) {
		h.See(sight(targets[0], at(60*n+1), claim(agentA, n, 60*n).String()))
		h.See(sight(targets[0], at(60*n+5), idle(agentA, n, 60*n+4, record.OK).String()))
		if n%10 == 9 && h.write() == nil {
			t.Fatal("it could be written")
		}
	}
	if err := h.Trouble(); err == nil {
		t.Error("nobody is told")
	}
	if n := len(h.file.runs[targets[0].Name]); n > 60 {
		t.Errorf("%d runs wait for the disk", n)
	}
}
