package page

import (
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
)

func TestCountdown(t *testing.T) {
	for s, want := range map[int64]string{
		0: "0:00", 5: "0:05", 59: "0:59", 60: "1:00", 3599: "59:59", 3600: "1:00:00", 172799: "47:59:59", 172800: "2 d 0 h", 400000: "4 d 15 h",
		-1: "+0:01", -61: "+1:01", -3600: "+1:00:00", -200000: "+2 d 7 h",
	} {
		if got := countdown(s); got != want {
			t.Errorf("countdown(%d) = %s, want %s", s, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	for s, want := range map[int64]string{
		-5: "in the future", 0: "just now", 1: "just now", 2: "2 s ago", 119: "119 s ago", 120: "2 min ago", 7199: "119 min ago", 7200: "2 h ago", 172799: "47 h ago", 172800: "2 days ago",
	} {
		if got := ago(time.Duration(s) * time.Second); got != want {
			t.Errorf("ago(%d s) = %s, want %s", s, got, want)
		}
	}
}

func TestLength(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 40 * time.Millisecond: "40 ms", 1500 * time.Millisecond: "1.5 s", 9 * time.Second: "9 s", 12345 * time.Millisecond: "12 s", 119 * time.Second: "119 s",
		2 * time.Minute: "2 min", 125 * time.Second: "2 min 5 s", time.Hour: "1 h", 90 * time.Minute: "1 h 30 min", 72 * time.Hour: "3 days", -time.Second: "-1 s",
	} {
		if got := length(d); got != want {
			t.Errorf("length(%v) = %s, want %s", d, got, want)
		}
	}
}

// TestSentence checks that times in sentences are those of the page, and that
// nothing else of a text becomes part of the page.
func TestSentence(t *testing.T) {
	berlin := clock{Now: noon, Loc: (&zones{}).get("Europe/Berlin"), Other: time.UTC, Local: true}
	stamp := func(c clock, h, m int) string { return string(c.Stamp(time.Date(2026, 11, 24, h, m, 0, 0, time.UTC))) }
	until := func(c clock) string { return string(c.In(time.Date(2026, 11, 24, 12, 2, 0, 0, time.UTC))) }
	for _, c := range []struct{ name, got, want string }{
		{"UTC", string(utc.Sentence("the latest run, of 12:01:00Z, was ok; the next is due at 12:02:00Z, in 83 s")), "the latest run, of " + stamp(utc, 12, 1) + ", was ok; the next is due at " + stamp(utc, 12, 2) + ", " + until(utc)},
		{"local", string(berlin.Sentence("due at 2026-11-24 12:02:00Z, in 1 min 23 s")), "due at " + stamp(berlin, 12, 2) + ", " + until(berlin)},
		{"what was", string(utc.Told("due at 12:02:00Z, in 83 s; so")), "due at " + stamp(utc, 12, 2) + ", in 83 s; so"},
		{"markup", string(utc.Sentence(`<b> 12:01:00Z "`)), "&lt;b&gt; " + stamp(utc, 12, 1) + " &#34;"},
		{"no time", string(utc.Sentence("at 99:99:99Z & 2026-13-41 10:00:00Z")), "at 99:99:99Z &amp; 2026-13-41 10:00:00Z"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, c.got, c.want)
		}
	}
	if got := berlin.Short(noon); got != "13:00:37" {
		t.Errorf("noon in Berlin: %s", got)
	}
	if got := utc.Short(noon.AddDate(-1, 0, 0)); got != "24 Nov 2025 12:00:37" {
		t.Errorf("a year ago: %s", got)
	}
}

// TestFaces checks that every condition has a face of its own, and a later one some.
func TestFaces(t *testing.T) {
	looks := map[string]elect.Condition{}
	for _, c := range []elect.Condition{
		elect.HealthOnTime, elect.HealthRunning, elect.HealthRetrying, elect.HealthFailing, elect.HealthLate, elect.HealthMissed, elect.HealthPaused,
		elect.HealthAbsent, elect.HealthDamaged, elect.HealthSealed, elect.HealthHeld, elect.HealthFree,
	} {
		f := faceOf(monitor.Item{State: c})
		if f.Word != c.Words() || f.Tone == "" || f.Text == "" {
			t.Errorf("%s: %+v", c, f)
		}
		if other, ok := looks[f.Sign+f.Tone]; ok {
			t.Errorf("%s looks like %s", c, other)
		}
		looks[f.Sign+f.Tone] = c
		bad, fine := f.Tone == "bad", f.Tone == "ok" || f.Tone == "run"
		if bad != (c.Level() == elect.LevelBad) || fine != (c.Level() == elect.LevelFine) {
			t.Errorf("%s, of level %d, has the tone %s", c, c.Level(), f.Tone)
		}
	}
	if f := faceOf(monitor.Item{State: "of_2030"}); f.Word != "of 2030" || f.Tone != "blind" {
		t.Errorf("a condition of a later version: %+v", f)
	}
}

// TestVerdict checks the one sentence that says whether all is fine.
func TestVerdict(t *testing.T) {
	items := func(all ...elect.Condition) []monitor.Item {
		var out []monitor.Item
		for _, c := range all {
			one := monitor.Item{State: c}
			switch c {
			case silent:
				one = monitor.Item{Error: "no answer"}
			case unseen:
				one = monitor.Item{}
			}
			out = append(out, one)
		}
		return out
	}
	const ok = elect.HealthOnTime
	for _, c := range []struct {
		items             []monitor.Item
		text, short, icon string
	}{
		{items(ok), "The job is fine", "", "fine"},
		{items(ok, elect.HealthRunning), "All 2 jobs are fine", "", "fine"},
		{items(ok, elect.HealthMissed), "1 of 2 jobs does not do its work", "✖ 1 missed", "bad"},
		{items(elect.HealthFailing, elect.HealthMissed), "All 2 jobs do not do their work", "✖ 1 missed", "bad"},
		{items(ok, ok, elect.HealthLate, elect.HealthRetrying), "2 of 4 jobs need a look", "▲ 1 late", "doubt"},
		{items(ok, elect.HealthAbsent), "1 of 2 jobs needs a look", "○ 1 absent", "doubt"},
		{items(elect.HealthPaused, ok), "1 of 2 jobs is paused, the rest is fine", "", "fine"},
		{items(elect.HealthPaused), "The job is paused", "", "fine"},
		{items(elect.HealthPaused, elect.HealthLate), "1 of 2 jobs needs a look", "▲ 1 late", "doubt"},
		{items(silent, silent), "DNS tells nothing of all 2 jobs", "? 2 no answer", "blind"},
		{items(silent, ok), "1 of 2 jobs needs a look", "? 1 no answer", "doubt"},
		{items(unseen, unseen, ok), "2 of 3 jobs were not looked at yet", "", "blind"},
	} {
		v := judge(c.items, tally(c.items))
		if v.Text != c.text || v.Short != c.short || v.Icon != "icon-"+c.icon+".svg" {
			t.Errorf("%q, %q, %s; want %q, %q, %s", v.Text, v.Short, v.Icon, c.text, c.short, c.icon)
		}
	}
}
