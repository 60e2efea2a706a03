package page

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// utc is a clock at noon.
var utc = clock{Now: noon, Loc: time.UTC}

// hour is a past of an hour that ended some time ago, so that a minute is 1.67 % of
// it, looked at all the time.
func hour(runs ...monitor.Run) past {
	from, to := noon.Add(-2*time.Hour), noon.Add(-time.Hour)
	return past{from: from, to: to, runs: runs, spans: []monitor.Span{{From: from.Unix(), To: to.Unix()}}}
}

// run is a run that began and ended so many seconds after the hour began.
func run(agent string, began, ended int64, result record.Result) monitor.Run {
	from := noon.Add(-2 * time.Hour).Unix()
	return monitor.Run{Tick: from + began, Attempt: 1, Agent: agent, Began: from + began, Ended: from + ended, Result: result, Over: true}
}

// picture is what is drawn, in few words.
func picture(l lanes) string {
	var b strings.Builder
	for _, one := range l.Lanes {
		name := one.Agent
		if one.Others > 0 {
			name = fmt.Sprintf("%d others", one.Others)
		}
		fmt.Fprintf(&b, "%s (%s):", name, one.Note)
		for _, k := range one.Blocks {
			many := ""
			if k.Many {
				many = " many"
			}
			fmt.Fprintf(&b, " [%s %s+%s%s]", k.Class, k.X, k.W, many)
		}
		b.WriteByte('\n')
	}
	for _, a := range l.Arrows {
		fmt.Fprintf(&b, "arrow %s to %s, %d to %d\n", a.From, a.X, a.Y1, a.Y2)
	}
	for _, k := range l.Bands {
		fmt.Fprintf(&b, "%s %s+%s\n", k.Class, k.X, k.W)
	}
	return b.String()
}

// TestLanes checks what is drawn of runs: each as long as it took, where it was.
func TestLanes(t *testing.T) {
	minute := func(agent string, n int64, result record.Result) monitor.Run {
		return run(agent, 60*n, 60*n+18, result)
	}
	lost := run("A", 600, 0, record.Lost)
	lost.Alive, lost.Ended = lost.Began+36, 0
	taken := run("B", 672, 690, record.OK)
	taken.Tick, taken.Attempt, taken.Takeover = lost.Tick, 2, true
	back := run("A", 1200, 1218, record.OK)
	back.Tick, back.Attempt, back.Takeover = 5, 2, true
	gone := run("B", 1164, 1164, record.Lost)
	gone.Tick = 5
	told := run("A", 36, 40, record.OK)
	told.Detail = &monitor.Detail{Began: time.Unix(told.Began, 0).Add(500 * time.Millisecond), TookMS: 9000}
	unclear := run("A", 600, 0, record.None)
	unclear.Ended = 0
	again := taken
	again.Takeover = false
	var busy []monitor.Run
	for i := range int64(360) {
		result := record.OK
		if i == 100 {
			result = record.Failed
		}
		busy = append(busy, run("A", 10*i, 10*i+3, result))
	}
	for _, c := range []struct {
		name string
		past past
		want string
	}{
		{"two agents", hour(minute("A", 0, record.OK), minute("A", 6, record.Failed), minute("B", 12, record.OK)), "" +
			"A (1 ok, 1 failed): [ok 0%+0.5%] [fail 10%+0.5%]\n" +
			"B (1 ok): [ok 20%+0.5%]\n"},
		{"a takeover", hour(lost, taken), "" +
			"A (1 lost): [lost 16.67%+1%]\n" +
			"B (1 ok): [ok 18.67%+0.5%]\n" +
			"arrow 17.67% to 18.67%, 23 to 47\n"},
		{"a takeover upwards", hour(minute("A", 0, record.OK), gone, back), "" +
			"A (2 ok): [ok 0%+0.5%] [ok 33.33%+0.5%]\n" +
			"B (1 lost): [lost 32.33%+0%]\n" +
			"arrow 32.33% to 33.33%, 57 to 33\n"},
		{"another attempt elsewhere", hour(unclear, again), "" +
			"A (1 end not seen): [dim 16.67%+0%]\n" +
			"B (1 ok): [ok 18.67%+0.5%]\n" +
			"arrow 16.67% to 18.67%, 23 to 47\n"},
		{"what its agent told is exact", hour(told), "A (1 ok): [ok 1.01%+0.25%]\n"},
		{"an end that was not seen", hour(monitor.Run{Tick: 5, Agent: "A", Alive: at(-7200 + 360), Over: true}), "A (1 end not seen): [dim 10%+0%]\n"},
		{"many are one block, and what failed is on top", hour(busy...), "A (359 ok, 1 failed): [ok 0%+27.58% many] [ok 28.06%+71.75% many] [fail 27.78%+0.08%]\n"},
		{"a run that began before", hour(run("A", -600, 360, record.OK)), "A (1 ok): [ok 0%+10%]\n"},
		{"a run that ended before", hour(run("A", -600, -360, record.OK)), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, picture(draw(utc, c.past))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestNow checks what is drawn of a stretch that goes on.
func TestNow(t *testing.T) {
	p := hour()
	p.from, p.to, p.spans = noon.Add(-time.Hour), noon, []monitor.Span{{From: at(-3600), To: at(-5)}}
	p.runs = []monitor.Run{{Tick: at(-36), Agent: "A", Began: at(-36), Alive: at(-36)}}
	next := noon.Add(36 * time.Second)
	p.item.Next = &next
	l := draw(utc, p)
	if got, want := picture(l), "A (1 running): [run 95.19%+0.96%]\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if l.Now != "96.15%" || l.Next != "97.12%" {
		t.Errorf("now at %s, next at %s", l.Now, l.Next)
	}
	later := noon.Add(time.Hour)
	p.item.Next = &later
	if l := draw(utc, p); l.Next != "" {
		t.Errorf("a tick that is beyond the picture is at %s", l.Next)
	}
}

// TestManyAgents checks that agents which are too many share a lane, and those who
// ran last do not.
func TestManyAgents(t *testing.T) {
	var runs []monitor.Run
	for i := range int64(20) {
		runs = append(runs, run(fmt.Sprintf("AGENT%02d", i), 120*i, 120*i+6, record.OK))
	}
	runs = append(runs, run("AGENT00", 3000, 3006, record.OK))
	l := draw(utc, hour(runs...))
	if len(l.Lanes) != mostLanes || l.Lanes[0].Others != 9 || l.Lanes[0].Runs != 9 {
		t.Fatalf("%d lanes, the first of %d agents with %d runs", len(l.Lanes), l.Lanes[0].Others, l.Lanes[0].Runs)
	}
	if l.Lanes[1].Agent != "AGENT00" || l.Lanes[mostLanes-1].Agent != "AGENT19" {
		t.Errorf("lanes of %s to %s", l.Lanes[1].Agent, l.Lanes[mostLanes-1].Agent)
	}
	if !strings.HasPrefix(l.Text, "21 runs by 20 agents: 21 ok") {
		t.Error(l.Text)
	}
}

// TestBands checks that what was not looked at is a gap, and what delayed a job is
// shown for as long as that took.
func TestBands(t *testing.T) {
	from := noon.Add(-2 * time.Hour)
	event := func(sec int, kind monitor.Kind, text string) monitor.Event {
		return monitor.Event{Time: from.Add(time.Duration(sec) * time.Second), Kind: kind, Text: text, Tick: from.Unix() + int64(sec)}
	}
	span := func(a, b int64) monitor.Span { return monitor.Span{From: from.Unix() + a, To: from.Unix() + b} }
	for _, c := range []struct {
		name   string
		spans  []monitor.Span
		events []monitor.Event // the newest first
		runs   []monitor.Run
		want   string
	}{
		{"never looked at", nil, nil, nil, "gap 0%+100%\n"},
		{"looked at all the time", []monitor.Span{span(-100, 4000)}, nil, nil, ""},
		{"looked at in the end", []monitor.Span{span(1800, 3600)}, nil, nil, "gap 0%+50%\n"},
		{"a gap amid", []monitor.Span{span(0, 360), span(720, 3600)}, nil, nil, "gap 10%+10%\n"},
		{"nobody looks any more", []monitor.Span{span(0, 3240)}, nil, nil, "gap 90%+10%\n"},
		{"the next look is due", []monitor.Span{span(0, 3500)}, nil, nil, ""},
		{"paused and resumed", []monitor.Span{span(0, 3600)}, []monitor.Event{event(1800, monitor.KindResumed, "resumed"), event(360, monitor.KindPaused, "paused")}, nil, "pause 10%+40%\n"},
		{"paused for longer", []monitor.Span{span(0, 3600)}, []monitor.Event{
			event(1800, monitor.KindResumed, "resumed"), event(720, monitor.KindPaused, "paused"), event(360, monitor.KindPaused, "paused"),
		}, nil, "pause 10%+40%\n"},
		{"paused before anybody looked", []monitor.Span{span(0, 3600)}, []monitor.Event{event(1800, monitor.KindResumed, "resumed")}, nil, "pause 0%+50%\n"},
		{"late, then missed, then not", []monitor.Span{span(0, 3600)}, []monitor.Event{
			event(1800, monitor.KindCondition, "on time: it is"), event(720, monitor.KindCondition, "missed: two"), event(360, monitor.KindCondition, "late: one"),
		}, nil, "late 10%+10%\nmissed 20%+30%\n"},
		{
			"left out",
			[]monitor.Span{span(0, 3600)},
			[]monitor.Event{event(720, monitor.KindPassed, "5 ticks were left out")},
			[]monitor.Run{run("A", 342, 360, record.OK), run("A", 720, 738, record.OK)},
			"A (2 ok): [ok 9.5%+0.5%] [ok 20%+0.5%]\nmissed 10%+10%\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := hour(c.runs...)
			p.spans, p.events = c.spans, c.events
			if diff := cmp.Diff(c.want, picture(draw(utc, p))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestTroubleNow checks that trouble which lasts is drawn from when it was due.
func TestTroubleNow(t *testing.T) {
	p := hour()
	p.from, p.to, p.spans = noon.Add(-time.Hour), noon, []monitor.Span{{From: at(-3600), To: at(0)}}
	due := noon.Add(-360 * time.Second)
	p.item.Next, p.item.State, p.item.Text = &due, elect.HealthMissed, "4 ticks are overdue"
	p.events = []monitor.Event{
		{Time: noon.Add(-200 * time.Second), Kind: monitor.KindCondition, Text: "missed: so"}, {Time: noon.Add(-300 * time.Second), Kind: monitor.KindCondition, Text: "late: so"},
	}
	if got, want := picture(draw(utc, p)), "missed 86.54%+9.62%\n"; got != want {
		t.Errorf("missed: got %s, want %s", got, want)
	}
	// A claim that lapsed: since when, only the event tells.
	p.item.State, p.item.Claimed = elect.HealthLate, true
	p.events = p.events[1:]
	if got, want := picture(draw(utc, p)), "late 88.14%+8.01%\n"; got != want {
		t.Errorf("late: got %s, want %s", got, want)
	}
	p.item.State, p.item.Claimed, p.item.Paused, p.events = elect.HealthPaused, false, true, nil
	if got, want := picture(draw(utc, p)), "pause 0%+96.15%\n"; got != want {
		t.Errorf("paused: got %s, want %s", got, want)
	}
}

// TestAxis checks that times below a picture are round ones of the reader's zone,
// also on a day of 25 hours.
func TestAxis(t *testing.T) {
	berlin := (&zones{}).get("Europe/Berlin")
	kolkata := (&zones{}).get("Asia/Kolkata")
	texts := func(from time.Time, wide time.Duration, loc *time.Location) string {
		var all []string
		for _, a := range axis(stretch{seconds(from), seconds(from.Add(wide))}, clock{Loc: loc}) {
			all = append(all, a.Text+"@"+a.X)
		}
		return strings.Join(all, " ")
	}
	night := time.Date(2026, 10, 24, 21, 0, 0, 0, time.UTC) // 23:00 in Berlin, before the clocks go back
	for _, c := range []struct {
		name, got, want string
	}{
		{"an hour", texts(noon, time.Hour, time.UTC), "12:10@15.64% 12:20@32.31% 12:30@48.97% 12:40@65.64% 12:50@82.31%"},
		{"a minute", texts(noon, time.Minute, time.UTC), "12:00:40@5% 12:00:50@21.67% 12:01:00@38.33% 12:01:10@55% 12:01:20@71.67% 12:01:30@88.33%"},
		{"half an hour beside UTC", texts(noon, 6*time.Hour, kolkata), "18:00@8.16% 19:00@24.83% 20:00@41.5% 21:00@58.16% 22:00@74.83% 23:00@91.5%"},
		{"clocks that go back", texts(night, 12*time.Hour, berlin), "25 Oct@8.33% 02:00@33.33% 04:00@50% 06:00@66.67% 08:00@83.33%"},
		{"a month", texts(noon, 30*24*time.Hour, time.UTC), "29 Nov@15% 4 Dec@31.67% 9 Dec@48.33% 14 Dec@65% 19 Dec@81.67%"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, c.got, c.want)
		}
	}
}
