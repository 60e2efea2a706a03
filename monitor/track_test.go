package monitor

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/schedule"
)

// epoch is the tick 0 of the transcripts: a whole minute.
const epoch = 1_800_000_000

const (
	agentA = "AAAAAAAAAA"
	agentB = "BBBBBBBBBB"
)

func minute(t testing.TB) elect.Policy {
	t.Helper()
	every, err := schedule.Every(time.Minute, 0)
	if err != nil {
		t.Fatal(err)
	}
	return elect.Policy{Schedule: every}
}

// at is a second after epoch, for looks and for seq.
func at(sec int64) time.Time { return time.Unix(epoch+sec, 0).UTC() }

// claim is the record of a run of the tick at minute n, written at a second.
func claim(id string, n, wrote int64) record.Record {
	return record.Record{ID: id, Timer: epoch + 60*(n+1), TimerOld: epoch + 60*n, Seq: (epoch + wrote) * 1000, Claimed: true, Until: epoch + wrote + 15, Lease: 15, Last: record.OK}
}

// idle is the record after a run of the tick at minute n.
func idle(id string, n, wrote int64, last record.Result) record.Record {
	return record.Record{ID: id, Timer: epoch + 60*(n+1), TimerOld: epoch + 60*n, Seq: (epoch + wrote) * 1000, Last: last}
}

func with(r record.Record, change func(*record.Record)) record.Record {
	change(&r)
	return r
}

// sight is a look that one authoritative server answered.
func sight(t Target, when time.Time, texts ...string) Sight {
	status := lookup.Found
	if len(texts) == 0 {
		status = lookup.NoName
	}
	a := lookup.Answer{Name: t.Name, Server: lookup.Server{Name: "ns1", Addr: "192.0.2.1:53"}, Status: status, Texts: texts, TTL: time.Minute, Authoritative: true}
	return sightOf(t, when, []lookup.Answer{a}, nil, nil)
}

// A glance is one look of a transcript: a record, a text, nothing, or an error.
type glance struct {
	sec int64
	is  any
}

func (g glance) sight(t Target) Sight {
	switch is := g.is.(type) {
	case record.Record:
		return sight(t, at(g.sec), is.String())
	case string:
		return sight(t, at(g.sec), is)
	case error:
		return sightOf(t, at(g.sec), nil, nil, is)
	}
	return sight(t, at(g.sec))
}

// TestRuns has what is worked out of looks: runs, and what is told.
func TestRuns(t *testing.T) {
	none := errors.New("no answer")
	retry := func(r record.Record, try int, timer int64) record.Record {
		return with(r, func(r *record.Record) { r.Try, r.Timer = try, epoch+timer })
	}
	for _, tt := range []struct {
		name   string
		looks  []glance
		runs   []Run
		events []string // kind, and a part of its text
	}{
		{
			"each step is seen",
			[]glance{{0, idle(agentA, -1, -59, record.OK)}, {2, claim(agentA, 0, 1)}, {5, idle(agentA, 0, 4, record.OK)}},
			[]Run{
				{Tick: epoch - 60, Attempt: 1, Agent: agentA, Result: record.OK, Over: true},
				{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch + 1, Fence: (epoch + 1) * 1000, Alive: epoch + 1, Ended: epoch + 4, Result: record.OK, Over: true},
			},
			[]string{"began AAAAAAAAAA runs the tick", "ended the run of 2027-01-15 08:00:00Z by AAAAAAAAAA: ok"},
		},
		{
			"the end alone is seen",
			[]glance{{0, idle(agentA, -1, -59, record.OK)}, {20, idle(agentB, 0, 9, record.Failed)}},
			[]Run{
				{Tick: epoch - 60, Attempt: 1, Agent: agentA, Result: record.OK, Over: true},
				{Tick: epoch, Attempt: 1, Agent: agentB, Ended: epoch + 9, Result: record.Failed, Over: true},
			},
			[]string{"ended by BBBBBBBBBB: failed", "condition failing: the latest run"},
		},
		{
			"a claim that may have been renewed has no known beginning",
			[]glance{{0, idle(agentA, -1, -59, record.OK)}, {20, claim(agentA, 0, 15)}, {25, claim(agentA, 0, 20)}},
			[]Run{
				{Tick: epoch - 60, Attempt: 1, Agent: agentA, Result: record.OK, Over: true},
				{Tick: epoch, Attempt: 1, Agent: agentA, Alive: epoch + 20},
			},
			[]string{"began AAAAAAAAAA runs the tick"},
		},
		{
			"a takeover",
			[]glance{
				{1, claim(agentA, 0, 0)},
				{25, with(claim(agentB, 0, 22), func(r *record.Record) { r.Try, r.Last = 2, record.Lost })},
				{31, with(idle(agentB, 0, 30, record.OK), func(*record.Record) {})},
			},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch, Fence: epoch * 1000, Alive: epoch, Result: record.Lost, Over: true},
				{Tick: epoch, Attempt: 2, Agent: agentB, Alive: epoch + 22, Takeover: true, Ended: epoch + 30, Result: record.OK, Over: true},
			},
			[]string{"began AAAAAAAAAA", "takeover BBBBBBBBBB took over the tick of 2027-01-15 08:00:00Z, attempt 2", "ended by BBBBBBBBBB: ok"},
		},
		{
			"a takeover between two looks: how the first run ended is not known",
			[]glance{{1, claim(agentA, 0, 0)}, {31, idle(agentB, 0, 30, record.OK)}},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch, Fence: epoch * 1000, Alive: epoch, Over: true},
				{Tick: epoch, Attempt: 2, Agent: agentB, Ended: epoch + 30, Result: record.OK, Over: true},
			},
			[]string{"began AAAAAAAAAA", "ended by BBBBBBBBBB: ok"},
		},
		{
			"nor if the next claim is by another agent, and a lease after the first run's",
			[]glance{{1, claim(agentA, 0, 0)}, {61, claim(agentB, 1, 60)}},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch, Fence: epoch * 1000, Alive: epoch, Over: true},
				{Tick: epoch + 60, Attempt: 1, Agent: agentB, Began: epoch + 60, Fence: (epoch + 60) * 1000, Alive: epoch + 60},
			},
			[]string{"began AAAAAAAAAA", "began BBBBBBBBBB"},
		},
		{
			"but nobody takes over within the lease",
			[]glance{{1, claim(agentA, 0, 0)}, {57, claim(agentA, 0, 50)}, {61, claim(agentB, 1, 60)}},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch, Fence: epoch * 1000, Alive: epoch + 50, Result: record.OK, Over: true},
				{Tick: epoch + 60, Attempt: 1, Agent: agentB, Began: epoch + 60, Fence: (epoch + 60) * 1000, Alive: epoch + 60},
			},
			[]string{"began AAAAAAAAAA", "began BBBBBBBBBB"},
		},
		{
			"a takeover of which the end alone is seen, where nothing is tried again",
			[]glance{{1, claim(agentA, 0, 0)}, {30, idle(agentB, 0, 29, record.OK)}},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch, Fence: epoch * 1000, Alive: epoch, Result: record.Lost, Over: true},
				{Tick: epoch, Attempt: 2, Agent: agentB, Ended: epoch + 29, Result: record.OK, Over: true, Takeover: true},
			},
			[]string{"began AAAAAAAAAA", "takeover BBBBBBBBBB took over the tick of 2027-01-15 08:00:00Z, attempt 2", "ended by BBBBBBBBBB: ok"},
		},
		{
			"a retry by another agent",
			[]glance{
				{1, claim(agentA, 0, 0)},
				{4, retry(idle(agentA, 0, 3, record.Failed), 2, 8)},
				{9, with(retry(claim(agentB, 0, 8), 2, 60), func(r *record.Record) { r.Last = record.Failed })},
				{13, idle(agentB, 0, 12, record.OK)},
			},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch, Fence: epoch * 1000, Alive: epoch, Ended: epoch + 3, Result: record.Failed, Over: true},
				{Tick: epoch, Attempt: 2, Agent: agentB, Began: epoch + 8, Fence: (epoch + 8) * 1000, Alive: epoch + 8, Ended: epoch + 12, Result: record.OK, Over: true},
			},
			[]string{
				"began AAAAAAAAAA", "ended by AAAAAAAAAA: failed", "condition retrying", "began BBBBBBBBBB runs the tick of 2027-01-15 08:00:00Z, attempt 2",
				"condition running", "ended by BBBBBBBBBB: ok",
			},
		},
		{
			"a retry that ran between two looks",
			[]glance{{1, claim(agentA, 0, 0)}, {4, retry(idle(agentA, 0, 3, record.Failed), 2, 8)}, {20, idle(agentB, 0, 12, record.OK)}},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch, Fence: epoch * 1000, Alive: epoch, Ended: epoch + 3, Result: record.Failed, Over: true},
				{Tick: epoch, Attempt: 2, Agent: agentB, Ended: epoch + 12, Result: record.OK, Over: true},
			},
			[]string{"began", "ended", "condition retrying", "ended by BBBBBBBBBB: ok", "condition on time"},
		},
		{
			"ticks between two looks are a gap, and the end of a run that the next claim tells is taken",
			[]glance{{1, claim(agentA, 0, 0)}, {61, claim(agentA, 1, 60)}, {241, claim(agentB, 4, 240)}},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch, Fence: epoch * 1000, Alive: epoch, Result: record.OK, Over: true},
				{Tick: epoch + 60, Attempt: 1, Agent: agentA, Began: epoch + 60, Fence: (epoch + 60) * 1000, Alive: epoch + 60, Over: true},
				{Tick: epoch + 240, Attempt: 1, Agent: agentB, Began: epoch + 240, Fence: (epoch + 240) * 1000, Alive: epoch + 240},
			},
			[]string{"began", "began", "unseen 2 ticks fell due between two looks", "began BBBBBBBBBB"},
		},
		{
			"ticks that were overdue when last looked at were left out",
			[]glance{{1, idle(agentA, 0, 0, record.OK)}, {200, idle(agentA, 0, 0, record.OK)}, {205, claim(agentB, 3, 204)}},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Result: record.OK, Over: true},
				{Tick: epoch + 180, Attempt: 1, Agent: agentB, Alive: epoch + 204},
			},
			[]string{"condition missed", "passed 2 ticks were left out", "began BBBBBBBBBB", "condition running"},
		},
		{
			"two claims of one attempt",
			[]glance{{1, claim(agentA, 0, 0)}, {2, claim(agentB, 0, 1)}},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch, Fence: epoch * 1000, Alive: epoch, Over: true},
				{Tick: epoch, Attempt: 1, Agent: agentB, Began: epoch + 1, Fence: (epoch + 1) * 1000, Alive: epoch + 1},
			},
			[]string{"began AAAAAAAAAA", "duplicate AAAAAAAAAA and BBBBBBBBBB both claimed attempt 1", "began BBBBBBBBBB"},
		},
		{
			"an operator's hand",
			[]glance{
				{1, idle(agentA, 0, 0, record.OK)},
				{5, with(idle(agentA, 0, 4, record.OK), func(r *record.Record) { r.Pause, r.Why = epoch+300, "db" })},
				{9, idle(agentA, 0, 8, record.OK)},
				{12, with(idle(agentA, 0, 11, record.OK), func(r *record.Record) { r.Timer = epoch + 11 })},
			},
			[]Run{{Tick: epoch, Attempt: 1, Agent: agentA, Result: record.OK, Over: true}},
			[]string{"paused until 2027-01-15 08:05:00Z: db", "condition paused", "resumed resumed", "condition on time", "triggered"},
		},
		{
			"gone, and there again",
			[]glance{{1, claim(agentA, 0, 0)}, {3, nil}, {5, claim(agentA, 0, 4)}},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch, Fence: epoch * 1000, Alive: epoch + 4, Over: true},
			},
			[]string{"began", "gone the record is gone", "condition absent", "created", "began", "condition running"},
		},
		{
			"damaged, and repaired",
			[]glance{{1, idle(agentA, 0, 0, record.OK)}, {3, `{"id":`}, {5, idle(agentA, 0, 4, record.OK)}},
			[]Run{{Tick: epoch, Attempt: 1, Agent: agentA, Result: record.OK, Over: true}},
			[]string{"damaged", "condition damaged", "repaired", "condition on time"},
		},
		{
			"a server that trails is not a record that went back",
			[]glance{{1, claim(agentA, 0, 0)}, {4, idle(agentA, 0, 3, record.OK)}, {5, claim(agentA, 0, 0)}, {8, idle(agentA, 0, 3, record.OK)}},
			[]Run{{Tick: epoch, Attempt: 1, Agent: agentA, Began: epoch, Fence: epoch * 1000, Alive: epoch, Ended: epoch + 3, Result: record.OK, Over: true}},
			[]string{"began", "ended"},
		},
		{
			"one from a backup is",
			[]glance{{1, idle(agentA, 0, 0, record.OK)}, {5, idle(agentA, -60, -3600, record.OK)}},
			[]Run{{Tick: epoch, Attempt: 1, Agent: agentA, Result: record.OK, Over: true}},
			[]string{"rolled_back the record went back by 60 min", "condition missed"},
		},
		{
			"something else writes",
			[]glance{
				{1, idle(agentA, 0, 0, record.OK)},
				{5, record.Record{ID: "MAWDAHDOQH", Timer: epoch + 75, TimerOld: epoch + 4}},
				{80, record.Record{ID: "MAWDAHDOQH", Timer: epoch + 150, TimerOld: epoch + 79}},
			},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Result: record.OK, Over: true},
				{Tick: epoch + 4, Attempt: 1, Agent: "MAWDAHDOQH", Over: true},
				{Tick: epoch + 79, Attempt: 1, Agent: "MAWDAHDOQH", Over: true},
			},
			[]string{"foreign something that is no agent of Solotick wrote the record, as MAWDAHDOQH", "condition late"},
		},
		{
			"an id that no agent has, and a tick from the future",
			[]glance{{1, idle(agentA, 0, 0, record.OK)}, {5, idle("x\x1b[31m", 10, 4, record.OK)}},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Result: record.OK, Over: true},
				{Tick: epoch + 600, Attempt: 1, Agent: "x\x1b[31m", Ended: epoch + 4, Result: record.OK, Over: true},
			},
			[]string{"unseen 9 ticks", `ended the run of 2027-01-15 08:10:00Z by "x\x1b[31m": ok`, `foreign the id "x\x1b[31m" is none`, "future the latest tick, 2027-01-15 08:10:00Z", "condition late"},
		},
		{
			"nobody answers for a while",
			[]glance{{1, idle(agentA, 0, 0, record.OK)}, {20, none}, {40, none}, {62, claim(agentA, 1, 60)}},
			[]Run{
				{Tick: epoch, Attempt: 1, Agent: agentA, Result: record.OK, Over: true},
				{Tick: epoch + 60, Attempt: 1, Agent: agentA, Began: epoch + 60, Fence: (epoch + 60) * 1000, Alive: epoch + 60},
			},
			[]string{"unreachable no server answers: no answer", "reachable a server answers again, after 42 s", "began"},
		},
		{
			"a lock changes hands",
			[]glance{
				{0, record.Record{ID: agentA, Seq: (epoch - 9) * 1000}},
				{2, record.Record{ID: agentA, Seq: (epoch + 1) * 1000, Claimed: true, Until: epoch + 16, Lease: 15}},
				{9, record.Record{ID: agentA, Seq: (epoch + 8) * 1000, Last: record.OK}},
				{12, record.Record{ID: agentB, Seq: (epoch + 11) * 1000, Claimed: true, Until: epoch + 26, Lease: 15, Last: record.OK}},
			},
			[]Run{
				{Attempt: 1, Agent: agentA, Alive: epoch + 1, Ended: epoch + 8, Result: record.OK, Over: true},
				{Attempt: 1, Agent: agentB, Began: epoch + 11, Fence: (epoch + 11) * 1000, Alive: epoch + 11},
			},
			[]string{"began AAAAAAAAAA holds the lock", "ended AAAAAAAAAA gave the lock back", "began BBBBBBBBBB holds the lock"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := Target{Name: "canary.example.com", Job: "canary", Policy: minute(t)}
			switch {
			case tt.name == "a lock changes hands":
				target.Policy = elect.Policy{}
			case strings.HasSuffix(tt.name, "where nothing is tried again"):
				target.Policy.Attempts = 1
			}
			h := NewHistory(Limits{})
			h.Watch(target)
			var told []string
			for _, l := range tt.looks {
				for _, e := range h.See(l.sight(target)) {
					told = append(told, string(e.Kind)+" "+e.Text)
				}
			}
			got := h.Runs(target.Name, 0, latest)
			if diff := cmp.Diff(tt.runs, got, cmpopts.IgnoreUnexported(Run{})); diff != "" {
				t.Errorf("runs (-want +got):\n%s", diff)
			}
			for i, e := range told {
				if i >= len(tt.events) || !matches(e, tt.events[i]) {
					t.Errorf("told:\n  %s\nwant:\n  %s", strings.Join(told, "\n  "), strings.Join(tt.events, "\n  "))
					break
				}
			}
			if len(told) < len(tt.events) {
				t.Errorf("told only:\n  %s", strings.Join(told, "\n  "))
			}
		})
	}
}

// matches says whether a text has the kind and the part that are wanted.
func matches(told, want string) bool {
	kind, part, _ := strings.Cut(want, " ")
	return strings.HasPrefix(told, kind+" ") && strings.Contains(told, part)
}

// TestNothingTwice has a history fed with each of many records several times: what
// it says does not change.
func TestNothingTwice(t *testing.T) {
	target := Target{Name: "canary.example.com", Policy: minute(t)}
	h := NewHistory(Limits{})
	h.Watch(target)
	for n := range int64(50) {
		for i, r := range []record.Record{claim(agentA, n, 60*n), claim(agentA, n, 60*n+5), idle(agentA, n, 60*n+7, record.OK)} {
			s := sight(target, at(60*n+5*int64(i)+1), r.String())
			h.See(s)
			if again := h.See(s); len(again) > 0 {
				t.Fatalf("the same look again: %v", again)
			}
		}
	}
	runs := h.Runs(target.Name, 0, latest)
	if len(runs) != 50 {
		t.Errorf("%d runs of 50 ticks", len(runs))
	}
	for i, r := range runs {
		if took, ok := r.Took(); !ok || took != 7*time.Second {
			t.Errorf("run %d took %s, %v", i, took, ok)
		}
	}
	if spans := h.Spans(target.Name, 0, latest); len(spans) != 1 || spans[0].From != epoch+1 {
		t.Errorf("spans %v", spans)
	}
}

// TestStale has a resolver show what is too old, and no longer.
func TestStale(t *testing.T) {
	target := Target{Name: "canary.example.com", Policy: minute(t)}
	h := NewHistory(Limits{})
	h.Watch(target)
	old, now := idle(agentA, 0, 5, record.OK), idle(agentA, 1, 65, record.OK)
	look := func(sec int64, seen record.Record) []Event {
		t.Helper()
		cache := lookup.Answer{Server: lookup.Server{Name: "cache", Addr: "192.0.2.9:53"}, Status: lookup.Found, Texts: []string{seen.String()}, TTL: 20 * time.Second}
		s := sight(target, at(sec), now.String())
		events := h.See(sightOf(target, at(sec), s.Answers, []lookup.Answer{cache}, nil))
		return slices.DeleteFunc(events, func(e Event) bool { return e.Kind == KindCondition })
	}
	if got := look(70, old); len(got) > 0 {
		t.Errorf("a cache may show the older record for its TTL: %v", got)
	}
	item, _ := h.Item(target.Name, at(70))
	if s := item.Servers[1]; s.Behind != 60 || s.Newest || s.Age != 40 || item.Servers[0].Behind != 0 || !item.Servers[0].Newest {
		t.Errorf("servers %+v", item.Servers)
	}
	if got := look(150, old); len(got) > 0 {
		t.Errorf("and somewhat longer: %v", got)
	}
	got := look(165, old)
	if len(got) != 1 || got[0].Kind != KindStale || got[0].Server != "192.0.2.9:53" {
		t.Errorf("%v", got)
	}
	if got := look(166, old); len(got) > 0 {
		t.Errorf("said again: %v", got)
	}
	if got := look(170, now); len(got) != 1 || got[0].Kind != KindFresh {
		t.Errorf("%v", got)
	}
}
