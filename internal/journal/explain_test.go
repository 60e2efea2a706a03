package journal

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/elect"
)

// The tick that is asked about; the schedule is every minute.
var tick = time.Date(2026, 11, 27, 10, 2, 0, 0, time.UTC)

// at is so long after the tick.
func at(d float64) time.Time { return tick.Add(time.Duration(d * float64(time.Second))) }

// sec is the tick that many after the one asked about.
func sec(n int64) int64 { return tick.Unix() + 60*n }

func by(agent string, all ...Entry) []Entry {
	for i := range all {
		all[i].Agent, all[i].Job, all[i].Name = agent, "canary", "canary.example.com"
	}
	return all
}

func look(d float64, s *Seen) Entry {
	return Entry{Time: at(d), Did: Look, Why: elect.Poll.String(), Outcome: "done", Seen: s}
}

func blindLook(d float64, err string) Entry {
	return Entry{Time: at(d), Did: Look, Why: elect.TickDue.String(), Outcome: "unreached", Error: err}
}

func swap(d float64, why elect.Reason, outcome string, s *Seen, err string) Entry {
	return Entry{Time: at(d), Did: Swap, Why: why.String(), Outcome: outcome, Seen: s, Error: err}
}

func wait(d float64, why elect.Reason, until float64) Entry {
	return Entry{Time: at(d), Did: Wait, Why: why.String(), Until: at(until)}
}

func runs(d float64, attempt int) Entry {
	return Entry{Time: at(d), Did: Run, Tick: tick, Attempt: attempt, Fence: 7}
}

func ran(d float64, attempt int, result, err string) Entry {
	return Entry{Time: at(d), Did: Ran, Tick: tick, Attempt: attempt, Result: result, Error: err, TookMS: 1500}
}

// idle is a record after a tick, claimed one after it.
func idle(id string, n int64) *Seen {
	return &Seen{ID: id, TimerOld: sec(n), Timer: sec(n + 1), Seq: 1, Result: "ok"}
}

func claimed(id string, n int64, try int) *Seen {
	return &Seen{ID: id, TimerOld: sec(n), Timer: sec(n + 1), Seq: 2, Claimed: true, Try: try}
}

func TestExplain(t *testing.T) {
	retry := &Seen{ID: "A", TimerOld: sec(0), Timer: sec(0) + 7, Try: 2, Result: "failed"}
	paused := idle("A", -1)
	paused.Pause, paused.Why = -1, "db migration"
	passing := swap(130, elect.TickDue, "done", claimed("ME", 2, 0), "")
	passing.Passed = 2
	skipping := swap(30, elect.TooLate, "done", &Seen{ID: "A", TimerOld: sec(-1), Timer: sec(1), Result: "skipped"}, "")
	skipping.Passed = 1
	loose := runs(31, 1)
	loose.Unarbitrated, loose.Fence = true, 0
	looseEnd := ran(32, 1, "ok", "")
	looseEnd.Unarbitrated = true
	for _, tt := range []struct {
		name    string
		entries []Entry
		verdict Verdict
		cause   Cause
		says    string
		once    bool
	}{
		{
			"it ran",
			[]Entry{look(-30, idle("ME", -1)), swap(.02, elect.TickDue, "done", claimed("ME", 0, 0), ""), runs(.05, 1), ran(1.55, 1, "ok", ""), swap(1.6, elect.RunEnded, "done", idle("ME", 0), "")},
			DidRun, Claimed, "it ran it as attempt 1, fence 7, 50ms after the tick; the run ended as ok after 1.5s", false,
		},
		{
			"it ran twice",
			[]Entry{runs(.05, 1), ran(1.55, 1, "failed", "ended with code 3"), runs(7, 2)},
			DidRun, Claimed, "ended as failed after 1.5s: ended with code 3; then it ran it as attempt 2, fence 7, 7s after the tick; its end is not told: it is still running, or the agent was killed", false,
		},
		{"its end alone is kept", []Entry{ran(1.55, 1, "ok", "")}, DidRun, Claimed, "it ran it; the run ended as ok", false},
		{"its report alone is kept", []Entry{swap(1.6, elect.RunEnded, "done", idle("ME", 0), "")}, DidRun, Claimed, "it ran it: at 10:02:01.600Z it wrote how that ended, ok", false},
		{"it ran without the register", []Entry{look(-30, idle("A", -1)), swap(2, elect.TickDue, "unreached", claimed("ME", 0, 0), "away"), loose, looseEnd}, DidRun, Unarbitrated, "without the register, which it could not reach, 31s after the tick; others may have run it too; the run ended as ok", false},
		{
			"another one ran it",
			[]Entry{look(-30, idle("A", -1)), wait(-30, elect.NotDue, 4), look(4, claimed("A", 0, 0)), wait(4, elect.RunningElsewhere, 9), look(9, idle("A", 0)), look(70, idle("A", 1))},
			DidNotRun, Elsewhere, "A had claimed it: this agent saw that at 10:02:04.000Z, and that it ended as ok", false,
		},
		{"another one ran it at most once", []Entry{look(-30, idle("A", -1)), look(4, idle("A", 0))}, DidNotRun, Elsewhere, "A had claimed it: this agent saw that at 10:02:04.000Z", true},
		{"another one failed", []Entry{look(4, claimed("A", 0, 0)), look(9, retry)}, DidNotRun, Elsewhere, "and that it ended as failed, with a retry at 10:02:07Z", false},
		{"a third one took over", []Entry{look(4, claimed("A", 0, 0)), look(25, claimed("B", 0, 2))}, DidNotRun, Elsewhere, "A had claimed it: this agent saw that at 10:02:04.000Z; B took it over", false},
		{"a race is lost", []Entry{look(4, idle("A", -1)), swap(4.5, elect.TickDue, "conflict", claimed("ME", 0, 0), "changed"), look(4.2, claimed("B", 0, 0))}, DidNotRun, Conflict, "its claim was refused at 10:02:04.500Z, as B had claimed the tick first", false},
		{"a stale server", []Entry{look(4, idle("A", -1)), swap(4.5, elect.TickDue, "conflict", claimed("ME", 0, 0), "changed")}, DidNotRun, Conflict, "as the record had changed first", false},
		{"a renewal is no claim", []Entry{look(4, claimed("A", 0, 0)), swap(4.5, elect.Renewal, "conflict", claimed("ME", 0, 0), "changed")}, DidNotRun, Elsewhere, "A had claimed it", false},
		{"claimed and not begun", []Entry{swap(4.5, elect.TickDue, "done", claimed("ME", 0, 0), "")}, DidNotRun, NotStarted, "claimed the tick at 10:02:04.500Z and did not begin", false},
		{"no answer to the claim", []Entry{swap(4.5, elect.TickDue, "uncertain", claimed("ME", 0, 0), "i/o timeout")}, DidNotRun, Unreached, "its claim at 10:02:04.500Z had no answer, and it did not learn in time that it holds it: i/o timeout", false},
		{"refused by the server", []Entry{swap(4.5, elect.TickDue, "refused", claimed("ME", 0, 0), "REFUSED")}, DidNotRun, Unreached, "could not write its claim at 10:02:04.500Z: REFUSED", false},
		{"paused", []Entry{look(-30, paused), wait(-30, elect.Paused, 3600)}, DidNotRun, Paused, "an operator had paused the job (since 10:01:30.000Z): db migration", false},
		{"paused long ago", []Entry{look(-900, idle("A", -1)), look(-800, paused), wait(-800, elect.Paused, 3600), look(-300, paused), look(-30, paused)}, DidNotRun, Paused, "(since 09:48:40.000Z): db migration", false},
		{"left out by its own claim", []Entry{look(-30, idle("A", -1)), passing}, DidNotRun, Passed, "the claim of the tick of 10:04:00Z, its own or one that it took over, left this one out", false},
		{"a look too late", []Entry{look(-30, idle("A", -1)), look(130, claimed("B", 2, 0))}, DidNotRun, Unseen, "when it looked again, at 10:04:10.000Z, B had claimed the tick of 10:04:00Z", false},
		{"skipped", []Entry{look(-30, idle("A", -1)), skipping}, DidNotRun, Passed, "it skipped the tick at 10:02:30.000Z: too late for this tick", false},
		{"skipped by another", []Entry{look(-30, idle("A", -1)), look(30, &Seen{ID: "A", TimerOld: sec(-1), Timer: sec(1), Result: "skipped"})}, DidNotRun, Passed, "the record went on to 10:03:00Z, and nobody had claimed this one", false},
		{"busy", []Entry{look(-30, claimed("ME", -1, 0)), wait(-29, elect.Running, 90)}, DidNotRun, Busy, "its run of an earlier tick was still going on", false},
		{"stopping", []Entry{look(-30, idle("A", -1)), wait(-5, elect.Left, 90)}, DidNotRun, Stopping, "it was told to end", false},
		{"sealed", []Entry{look(-30, &Seen{}), wait(-30, elect.Sealed, 90)}, DidNotRun, Unreadable, "sealed", false},
		{"off the net", []Entry{look(-30, idle("A", -1)), blindLook(4, "no route to host"), wait(4, elect.BackingOff, 9)}, DidNotRun, Unreached, "(since 10:02:04.000Z): no route to host", false},
		{"off the net, without a wait", []Entry{blindLook(4, "no route to host")}, DidNotRun, Unreached, "it saw nothing of the record: no route to host", false},
		{"its turn is to come", []Entry{look(-30, idle("A", -1)), wait(-30, elect.NotDue, 601)}, DidNotRun, WaitsTurn, "it waits until 10:12:01.000Z (not due): others go first", false},
		{"started later", []Entry{look(90, idle("A", 1))}, Unknown, BeforeLog, "its events begin at 10:03:30.000Z, after the tick", false},
		{"started later, and all is idle", []Entry{wait(90, elect.NotDue, 100)}, Unknown, BeforeLog, "its events begin at 10:03:30.000Z, after the tick", false},
		{"ended before", []Entry{look(-90, idle("A", -2))}, Unknown, AfterLog, "its events end at 10:00:30.000Z, before the tick", false},
		{"nothing tells", []Entry{look(-90, idle("A", -2)), wait(5, elect.NotDue, 6)}, Unknown, NothingTold, "none of its events explains it", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Explain(by("ME", tt.entries...), tick, at(600), tt.once)
			if len(got) != 1 {
				t.Fatalf("%d judgements of one agent", len(got))
			}
			j := got[0]
			if j.Verdict != tt.verdict || j.Cause != tt.cause || !strings.Contains(j.Text, tt.says) || j.Agent != "ME" {
				t.Errorf("%s, %s: %s\nwant %s, %s: ...%s...", j.Verdict, j.Cause, j.Text, tt.verdict, tt.cause, tt.says)
			}
			for i := range tt.entries {
				if tt.entries[i].Text() == "" {
					t.Error("an entry without words")
				}
			}
		})
	}
	if got := Explain(by("ME", look(-30, idle("A", -1))), tick, at(-20), false); got[0].Cause != WaitsTurn || got[0].Text != "the tick has not come yet" {
		t.Errorf("a tick to come: %+v", got[0])
	}
	if got := Explain(nil, tick, tick, false); got != nil {
		t.Errorf("nobody: %+v", got)
	}
}

// TestExplainAgents: each agent is judged by itself.
func TestExplainAgents(t *testing.T) {
	all := append(by("A", runs(.05, 1), ran(1.5, 1, "ok", "")), by("B", look(-30, idle("A", -1)), look(4, claimed("A", 0, 0)))...)
	var got []string
	for _, j := range Explain(all, tick, at(600), false) {
		got = append(got, j.Agent+" "+string(j.Verdict))
	}
	if diff := cmp.Diff([]string{"A ran", "B did_not_run"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAround: what is told of a tick begins with what was seen last before it, and
// ends when it was over.
func TestAround(t *testing.T) {
	mine := by("A", look(-200, idle("A", -4)), look(-30, idle("A", -1)), swap(.02, elect.TickDue, "done", claimed("A", 0, 0), ""), runs(.05, 1), ran(1.5, 1, "ok", ""), swap(1.6, elect.RunEnded, "done", idle("A", 0), ""), look(60, idle("A", 0)))
	other := by("B", look(-100, idle("A", -2)), wait(-100, elect.NotDue, -55), look(-55, idle("A", -1)), wait(-55, elect.NotDue, 4), look(4, claimed("A", 0, 0)), look(9, idle("A", 0)), look(64, idle("A", 1)))
	var got []string
	for _, e := range Around(append(mine, other...), tick) {
		got = append(got, e.Agent+" "+e.Did+" "+e.Time.Sub(tick).String())
	}
	want := []string{
		"B look -55s", "B wait -55s", "A look -30s", "A swap 20ms", "A run 50ms", "A ran 1.5s", "A swap 1.6s", "B look 4s", "B look 9s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
