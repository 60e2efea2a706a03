package tui

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"canary":                "canary",
		"Überprüfung 日本語 ✔":     "Überprüfung 日本語 ✔",
		"\x1b[31mred\a\r\n\t":   "\ufffd[31mred\ufffd\ufffd\ufffd\ufffd",
		"a\u202eb\u200dc\ufe0f": "a\ufffdb\ufffdc\ufffd", // directions, joiners, variants
		"e\u0301":               "e\ufffd",               // a mark that joins
		"🇩🇪":                    "\ufffd\ufffd",
		"\u1112\u1161\u11ab":    "\ufffd\ufffd\ufffd", // one syllable
		"\xff\x9b":              "\ufffd\ufffd",
		"\x7f\u0085":            "\ufffd\ufffd",
	} {
		if got := plain(text); got != want {
			t.Errorf("plain(%q) is %q, want %q", text, got, want)
		}
	}
}

// TestPlainWidth: of what is plain, both ways to measure say the same, whatever
// stands beside it, and cells is that.
func TestPlainWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := plain(string(rapid.SliceOfN(rapid.Int32Range(0, unicode.MaxRune), 0, 20).Draw(t, "text")))
		if a, b, c := ansi.StringWidth(text), ansi.StringWidthWc(text), cells(text); a != b || b != c {
			t.Fatalf("%q is %d, %d or %d cells wide", text, a, b, c)
		}
		if again := plain(text); again != text {
			t.Fatalf("plain of %q is %q", text, again)
		}
	})
}

func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l line
		texts := rapid.SliceOfN(rapid.StringMatching(`[a-zé界\x1b ]{0,9}`), 0, 5).Draw(t, "texts")
		for i, text := range texts {
			l.put(text, style(i%3))
		}
		before, width := bare(l), rapid.IntRange(0, 30).Draw(t, "width")
		l.cut(width, "…")
		got := bare(l)
		switch {
		case l.width != cells(got) || l.width > width:
			t.Fatalf("%q is %d cells wide, says %d, of %d", got, cells(got), l.width, width)
		case cells(before) <= width && got != before:
			t.Fatalf("%q became %q although there is room", before, got)
		case cells(before) > width && width > 0 && !strings.HasSuffix(got, "…"):
			t.Fatalf("%q became %q, which does not say so", before, got)
		case !strings.HasPrefix(before, strings.TrimSuffix(got, "…")):
			t.Fatalf("%q is no beginning of %q", got, before)
		}
		var f line
		if f.field(before, width, normal, "…"); f.width != width {
			t.Fatalf("a field of %d cells has %d", width, f.width)
		}
		if f = (line{}); f.right(before, width, normal, "…").width != width {
			t.Fatalf("a field of %d cells has %d", width, f.width)
		}
	})
}

func bare(l line) string {
	var b strings.Builder
	for _, s := range l.spans {
		b.WriteString(s.text)
	}
	return b.String()
}

func TestWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zé界 ]{0,60}`).Draw(t, "text")
		width := rapid.IntRange(0, 20).Draw(t, "width")
		lines := wrap(text, width)
		for _, l := range lines {
			if cells(l) > width || l == "" {
				t.Fatalf("%q is a line of %d cells", l, width)
			}
		}
		if all := strings.Join(lines, ""); width > 1 && strings.ReplaceAll(all, " ", "") != strings.ReplaceAll(text, " ", "") {
			t.Fatalf("%q became %q", text, lines)
		}
	})
}

func TestPaint(t *testing.T) {
	var l line
	l.put("a", fine|bold).put("b", faint).put("ü界", accent|reverse).put("c", normal)
	for _, c := range []struct {
		painter painter
		want    string
	}{
		{painter{true, true}, "\x1b[1;32ma\x1b[m\x1b[2mb\x1b[m\x1b[7;36mü界\x1b[mc"},
		{painter{false, true}, "\x1b[1ma\x1b[m\x1b[2mb\x1b[m\x1b[7mü界\x1b[mc"},
		{painter{false, false}, "\x1b[1ma\x1b[m\x1b[2mb\x1b[m\x1b[7m???\x1b[mc"},
	} {
		var b strings.Builder
		if c.painter.paint(&b, l); b.String() != c.want {
			t.Errorf("%+v paints %q, want %q", c.painter, b.String(), c.want)
		}
	}
}

func TestDurations(t *testing.T) {
	for _, c := range []struct {
		d                     time.Duration
		brief, countdown, lag string
	}{
		{0, "0 s", "00:00", "<1 s"},
		{5 * time.Millisecond, "5 ms", "00:00", "5 ms"},
		{10 * time.Microsecond, "1 ms", "00:00", "1 ms"},
		{1234 * time.Millisecond, "1.2 s", "00:01", "1.2 s"},
		{30 * time.Second, "30 s", "00:30", "30 s"},
		{12345 * time.Millisecond, "12 s", "00:12", "12 s"},
		{-41 * time.Second, "-41 s", "-00:41", "-41 s"},
		{119 * time.Second, "119 s", "01:59", "119 s"},
		{61 * time.Minute, "61 min", "1:01:00", "61 min"},
		{26*time.Hour + 5*time.Second, "26 h", "26:00:05", "26 h"},
		{72 * time.Hour, "3 days", "3 days", "3 days"},
	} {
		if got := [3]string{brief(c.d), countdown(c.d), lagText(c.d)}; got != [3]string{c.brief, c.countdown, c.lag} {
			t.Errorf("%v is %q, want %q, %q and %q", c.d, got, c.brief, c.countdown, c.lag)
		}
	}
}

func TestRetell(t *testing.T) {
	now := time.Date(2026, 11, 5, 23, 30, 0, 0, time.UTC)
	utc, east := clock{now, time.UTC}, clock{now, time.FixedZone("", 5400)}
	for _, c := range []struct{ text, utc, east string }{
		{"due at 23:31:00Z, in 60 s", "due at 23:31:00, in 60 s", "due at 01:01:00, in 60 s"},
		{"since 22:00:00Z", "since 22:00:00", "since 2026-11-05 23:30:00"},
		{"on 2026-11-04 10:00:00Z", "on 2026-11-04 10:00:00", "on 2026-11-04 11:30:00"},
		{"at 99:99:99Z, id A12:34", "at 99:99:99Z, id A12:34", "at 99:99:99Z, id A12:34"},
	} {
		if got := [2]string{utc.retell(c.text), east.retell(c.text)}; got != [2]string{c.utc, c.east} {
			t.Errorf("%q becomes %q, want %q and %q", c.text, got, c.utc, c.east)
		}
	}
	if utc.name() != "UTC" || east.name() != "UTC+01:30" {
		t.Errorf("the zones are called %q and %q", utc.name(), east.name())
	}
}

// TestChart draws lanes of known runs.
func TestChart(t *testing.T) {
	const now = 1_000_000
	c := newChart(now, 60, 12)
	if c.cell != 30 || c.from != 999_660 { // 1,000,000 is in the cell that ends at 1,000,020
		t.Fatalf("the chart is %+v", c)
	}
	at := func(cell int64) int64 { return c.from + cell*30 }
	runs := []monitor.Run{
		{Tick: at(-2), Attempt: 1, Agent: "A", Began: at(-2), Ended: at(1) + 5, Result: record.OK, Over: true},
		{Tick: at(3), Attempt: 1, Agent: "B", Began: at(3), Ended: at(3) + 29, Result: record.Failed, Over: true},
		{Tick: at(5), Attempt: 1, Agent: "A", Began: at(5), Alive: at(6), Result: record.Lost, Over: true},
		{Tick: at(5), Attempt: 2, Agent: "B", Began: at(7), Ended: at(8) + 1, Result: record.OK, Over: true, Takeover: true},
		{Tick: at(9), Attempt: 1, Agent: "C", Began: at(9), Result: record.Skipped, Over: true},
		{Tick: at(10), Attempt: 1, Agent: "A", Began: at(10)},
		{Tick: at(20), Attempt: 1, Agent: "D", Began: at(20)},
	}
	looked := c.looked([]monitor.Span{{From: at(0), To: at(3)}, {From: at(5), To: now}, {From: at(-9), To: at(-5)}})
	lanes, more := c.lanes(runs, now, 3)
	var got []string
	for _, l := range lanes {
		got = append(got, l.agent+" "+bare(l.draw(&fancy, looked)))
	}
	want := []string{
		"A ■■·· ✖✖···▶▶",
		"B ···✖ ··↷■···",
		"C ···· ····□··",
	}
	if diff := cmp.Diff(want, got); diff != "" || more != 0 {
		t.Errorf("%d more, (-want +got):\n%s", more, diff)
	}
	if lanes, more = c.lanes(runs, now, 2); more != 1 || lanes[0].agent != "A" || lanes[1].agent != "C" {
		t.Errorf("of the latest two agents there are %v and %d more", lanes, more)
	}
	for every, want := range map[int64]int64{0: 1, 1: 1, 2: 1, 3: 2, 60: 30, 86400: 43200, 1 << 40: 86400} {
		if c := newChart(now, every, 10); c.cell != want {
			t.Errorf("ticks %d s apart have cells of %d s, want %d", every, c.cell, want)
		}
	}
}

func TestSpark(t *testing.T) {
	took := func(s int64, r record.Result) monitor.Run {
		return monitor.Run{Tick: 100, Attempt: 1, Agent: "A", Began: 100, Ended: 100 + s, Result: r, Over: true}
	}
	unseen := took(3, record.OK)
	unseen.Began = 0 // its end is known, so that it took 3 s at most
	none := monitor.Run{Tick: 100, Attempt: 1, Agent: "A", Result: record.OK, Over: true}
	f := facts{runs: []monitor.Run{took(1, record.OK), took(2, record.OK), took(2, record.Failed), took(2, record.OK), unseen, none, took(8, record.OK), {Tick: 200, Attempt: 1, Agent: "B", Began: 200}}}
	if got := bare(f.spark(&fancy, 10)); got != "  ▁▂✖▂▃·█▶" {
		t.Errorf("the run times are drawn %q", got)
	}
	if got := bare(f.spark(&simple, 3)); got != ".->" {
		t.Errorf("the latest three are drawn %q", got)
	}
	for want, r := range map[string]monitor.Run{"2 s": took(2, record.OK), "≤3 s": unseen, "": none, "<1 s": took(0, record.OK)} {
		if got := fancy.tookText(r); got != want {
			t.Errorf("%+v took %q, want %q", r, got, want)
		}
	}
}
