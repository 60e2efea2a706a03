package tui

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// checkFrame wants a screen that a terminal of that size shows as it is meant:
// nothing beyond its edges, and nothing that moves the cursor.
func checkFrame(t *testing.T, v *view) {
	t.Helper()
	lines := strings.Split(v.screen(), "\n")
	if len(lines) > v.height {
		t.Errorf("%dx%d: %d lines", v.width, v.height, len(lines))
	}
	for i, l := range lines {
		bare := sgr.ReplaceAllString(l, "")
		for _, r := range bare {
			if !unicode.IsGraphic(r) {
				t.Errorf("%dx%d: line %d has %U: %q", v.width, v.height, i, r, bare)
			}
			if !v.painter.unicode && r > unicode.MaxASCII {
				t.Errorf("%dx%d: line %d is not ASCII: %q", v.width, v.height, i, bare)
			}
		}
		if a, b := ansi.StringWidth(bare), ansi.StringWidthWc(bare); a > v.width || b > v.width || a != b {
			t.Errorf("%dx%d: line %d is %d cells wide, or %d: %q", v.width, v.height, i, a, b, bare)
		}
		if !v.painter.colour && strings.ContainsAny(strings.Join(sgr.FindAllString(l, -1), ""), "345689") {
			t.Errorf("line %d is coloured: %q", i, l)
		}
	}
}

// hostile has what somebody might write into DNS to get at a terminal.
func hostile() *world {
	evil := "\x1b[2J\x1b]0;x\a\r\n\t\u202e\u200d\ufe0f日本語e\u0301👩\u200d👩\u200d👧🇩🇪\u1100\u1161\u0d4ex\x00" + string([]byte{0xff, 0x9b})
	long := strings.Repeat("界", 80)
	w := newWorld(
		&job{name: "evil.example.com", job: "böse\x1b[31m" + long, rec: record.Record{
			ID: evil, Timer: begin.Unix() + 20, TimerOld: begin.Unix() - 40, Seq: begin.Unix() * 1000, Last: record.Result(evil[:8]), Pause: -1, Why: evil, State: evil,
			Extra: `"k":"\u001b[2J"`,
		}, resolvers: []lookup.Answer{{Server: lookup.Server{Name: evil, Addr: evil}, Err: errors.New(evil + long)}}},
		&job{name: strings.Repeat("a.", 120) + "example.com", rec: record.Record{ID: long, Timer: 1 << 52, TimerOld: begin.Unix(), Seq: 1<<53 - 1, Claimed: true, Until: -5, Lease: 900, Try: 1 << 30}},
		&job{name: "mute.example.com", err: errors.New("lookup: " + evil)},
		&job{name: "canary.example.com", every: 60, agents: []string{first, evil}, takes: seconds(2), ends: always(record.OK, nil)},
	)
	w.live(5*time.Minute, 1)
	return w
}

// TestAnySize goes through all screens at sizes of all kinds, with texts that are
// meant to do harm.
func TestAnySize(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	names := []string{"up", "down", "enter", "r", "t", "/", "s", "e", "?", "esc", "pgdown", "end", "home", "j", "k", "G", "a", "界", "backspace"}
	for _, w := range []*world{shared(), hostile(), newWorld()} {
		for range 10 {
			v := w.view(1+rng.IntN(170), 1+rng.IntN(50), Config{Unicode: rng.IntN(3) > 0, Color: rng.IntN(2) > 0})
			if rng.IntN(4) == 0 {
				v.send(tea.WindowSizeMsg{Width: leastWidth, Height: leastHeight})
			}
			for range 15 {
				v.press(names[rng.IntN(len(names))])
				if rng.IntN(6) == 0 {
					v.send(tea.WindowSizeMsg{Width: 1 + rng.IntN(170), Height: 1 + rng.IntN(50)})
				}
				checkFrame(t, v)
			}
			if t.Failed() {
				return
			}
		}
	}
}

// TestFooter presses every key that the footer shows, on every screen and at the
// least width, and wants each of them to do something.
func TestFooter(t *testing.T) {
	w := shared()
	for _, path := range [][]string{nil, {"enter"}, {"e"}, {"?"}, {"r", "t", "s"}, {"enter", "e"}, {"e", "?"}} {
		for _, c := range []Config{{Unicode: true}, {}} {
			probe := w.view(leastWidth, leastHeight, c).press(path...)
			lines := strings.Split(sgr.ReplaceAllString(probe.screen(), ""), "\n")
			footer := lines[len(lines)-1]
			shown := 0
			for _, k := range keys {
				if k.word(probe.model) == "" {
					continue
				}
				shown++
				if !strings.Contains(" "+footer+" ", " "+k.label(probe.glyphs)+" ") {
					t.Errorf("after %q: %q is not in the footer %q", path, k.label(probe.glyphs), footer)
				}
				names := []string{k.name}
				if k.name == "" {
					names = []string{"down", "j"}
				}
				for _, name := range names {
					v := w.view(leastWidth, leastHeight, c).press(path...)
					before := v.screen()
					cmd := v.send(keyPress(name))
					if quits := cmd != nil && isQuit(cmd()); !quits && v.screen() == before || quits != (name == "q") {
						t.Errorf("after %q: %q says it does %q, and does nothing", path, name, k.word(v.model))
					}
				}
			}
			if len(path) == 0 && shown != 9 {
				t.Errorf("the list shows %d keys, want ↑↓ and 8 others", shown)
			}
		}
	}
}

func isQuit(msg tea.Msg) bool { _, ok := msg.(tea.QuitMsg); return ok }

// TestWayBack goes somewhere and comes back to the same screen.
func TestWayBack(t *testing.T) {
	w := shared()
	for _, keys := range [][]string{
		{"enter", "enter"},
		{"enter", "esc"},
		{"e", "e"},
		{"e", "enter"},
		{"?", "?"},
		{"enter", "e", "?", "esc", "esc", "esc"},
		{"r", "r"},
		{"t", "t"},
		{"s", "s"},
		{"/", "x", "esc"},
		{"/", "x", "enter", "esc"},
		{"down", "up"},
		{"end", "home"},
		{"pgdown", "pgup"},
		{"j", "k"},
		{"/", "enter"},
		{"/", "x", "backspace", "enter"},
		{"/", "a", "b", "ctrl+u", "enter"},
		{"/", "q", "?", "esc"},
		{"x"},
		{"esc"},
	} {
		v := w.view(100, 25, Config{Unicode: true})
		before := v.screen()
		if after := v.press(keys...).screen(); after != before {
			t.Errorf("%q do not lead back:\n%s", keys, after)
		}
	}
}

func TestSuspend(t *testing.T) {
	v := shared().view(80, 24, Config{})
	if _, ok := v.send(keyPress("ctrl+z"))().(tea.SuspendMsg); !ok {
		t.Error("Ctrl-Z does not suspend")
	}
	v.press("/")
	if cmd := v.send(keyPress("ctrl+c")); cmd == nil || !isQuit(cmd()) {
		t.Error("Ctrl-C does not quit while the filter is edited")
	}
	if v.press("q"); v.order.filter != "q" {
		t.Errorf("the filter is %q, want q", v.order.filter)
	}
}

// TestSelection stays with its record when the order changes.
func TestSelection(t *testing.T) {
	w := example()
	v := w.view(100, 25, Config{Unicode: true})
	selected := func() string { return v.order.selected().Name }
	if got := selected(); got != "backup.example.com" {
		t.Errorf("%s is selected at first, want the worst", got)
	}
	v.press("down", "down", "down", "down", "down")
	if got := selected(); got != "canary.example.com" {
		t.Fatalf("%s is selected", got)
	}
	v.press("s", "s", "/", "c", "a", "n", "enter", "esc")
	if got := selected(); got != "canary.example.com" {
		t.Errorf("%s is selected after sorting and filtering", got)
	}
	v.press("/", "b", "a", "c", "k", "enter")
	if got := selected(); got != "backup.example.com" {
		t.Errorf("%s is selected although the filter does not show it", got)
	}
	v.press("esc", "end")
	at := v.order.at()
	for _, j := range w.jobs { // all is well again
		j.stops = time.Time{}
		j.rec = record.Record{ID: first, Timer: w.now.Unix() + 60, TimerOld: w.now.Unix() - 1, Seq: j.rec.Seq + 1000_000, Last: record.OK}
		w.history.See(j.sight(w.now))
		v.send(seenMsg{{Name: j.name}})
	}
	if got := selected(); got != "report.example.com" || v.order.at() != at {
		t.Errorf("%s is selected, at %d; want report at %d", got, v.order.at(), at)
	}
	if !strings.Contains(v.screen(), "7 on time") {
		t.Errorf("not all is well:\n%s", v.screen())
	}
}

// TestTime passes: countdowns run, and what becomes late says so without a look.
func TestTime(t *testing.T) {
	w := newWorld(&job{name: "canary.example.com", every: 60, agents: []string{first}, takes: seconds(2), ends: always(record.OK, nil), stops: begin.Add(5 * time.Minute)})
	w.live(5*time.Minute-10*time.Second, 1)
	v := w.view(100, 20, Config{Unicode: true})
	for _, c := range []struct {
		pass time.Duration
		want []string
	}{
		{0, []string{" 00:10 ", "● ON TIME", "1 on time"}},
		{time.Second, []string{" 00:09 "}},
		{14 * time.Second, []string{" -00:05 "}},
		{30 * time.Second, []string{" -00:35 ", "▲ LATE", "1 late"}},
		{60 * time.Second, []string{"✖ MISSED", "1 missed"}},
	} {
		w.now = w.now.Add(c.pass)
		v.send(tickMsg(w.now))
		for _, want := range c.want {
			if !strings.Contains(v.screen(), want) {
				t.Errorf("at %v nothing says %q:\n%s", w.now, want, v.screen())
			}
		}
	}
}

// TestSeen has looks change what is shown: those that come in, and those that were
// lost.
func TestSeen(t *testing.T) {
	j := &job{name: "canary.example.com", every: 60, agents: []string{first, second}, takes: seconds(2), ends: always(record.OK, nil)}
	w := newWorld(j)
	updates, cancel := w.history.Subscribe(1)
	defer cancel()
	c := Config{History: w.history, Unicode: true}
	m := newModel(c, updates, nil, w.now)
	v := &view{m, w}
	v.send(tea.WindowSizeMsg{Width: 100, Height: 24})
	if !strings.Contains(v.screen(), "ASKING") {
		t.Errorf("not looked at yet, and this is shown:\n%s", v.screen())
	}
	w.history.See(j.sight(w.now))
	v.send(m.listen())
	if !strings.Contains(v.screen(), "1 absent") {
		t.Errorf("looked at, and this is shown:\n%s", v.screen())
	}
	w.live(130*time.Second, 1) // more than the buffer takes
	v.send(tickMsg(w.now))
	v.send(m.listen())
	w.live(1*time.Second, 1)
	v.send(m.listen()) // and is told now that some were lost
	for _, want := range []string{first + "  ", second + "  ", "the run of 09:31:00 by " + second + ": ok"} {
		if !strings.Contains(sgr.ReplaceAllString(v.screen(), ""), want) {
			t.Errorf("nothing says %q:\n%s", want, v.screen())
		}
	}
}

// TestEventsStand: who reads old events is not moved by new ones.
func TestEventsStand(t *testing.T) {
	w := example()
	v := w.view(100, 15, Config{Unicode: true}).press("e", "down", "down")
	middle := func() string { return strings.Join(strings.Split(v.screen(), "\n")[1:14], "\n") }
	before := middle()
	w.live(2*time.Minute, 1)
	for _, j := range w.jobs {
		v.send(seenMsg{{Name: j.name}})
	}
	if got := middle(); got != before {
		t.Errorf("new events moved the page:\n%s\nit was\n%s", got, before)
	}
	if v.press("home"); middle() == before || !strings.Contains(v.screen(), "10:02:") {
		t.Errorf("at the top the new ones are not shown:\n%s", v.screen())
	}
	v.press("/")
	v.send(tea.PasteMsg{Content: "took\nover"})
	v.press("enter")
	if got := strings.Count(sgr.ReplaceAllString(v.screen(), ""), "▲ canary"); got != 1 {
		t.Errorf("%d events pass the filter, want the takeover:\n%s", got, v.screen())
	}
}

// many is a history of so many records that were looked at once.
func many(n int) *world {
	w := &world{history: monitor.NewHistory(monitor.Limits{}), now: begin}
	var targets []monitor.Target
	for i := range n {
		j := &job{name: fmt.Sprintf("job%05d.example.com", i), rec: record.Record{
			ID: first, Timer: begin.Unix() + 30, TimerOld: begin.Unix() - 30, Seq: begin.Unix() * 1000, Last: record.OK,
		}}
		if i%1000 == 7 {
			j.rec.Last = record.Failed
		}
		targets, w.jobs = append(targets, monitor.Target{Name: j.name}), append(w.jobs, j)
	}
	w.history.Watch(targets...)
	for _, j := range w.jobs {
		w.history.See(j.sight(begin))
	}
	return w
}

// TestMany records: only what is on the screen is worked out, and going through
// them takes no time that anybody notices.
func TestMany(t *testing.T) {
	w := many(10_000)
	v := w.view(120, 40, Config{Unicode: true})
	for _, want := range []string{"✖ 10 failing", "● 9,990 on time", "1 of 10,000"} {
		if !strings.Contains(v.screen(), want) {
			t.Errorf("nothing says %q:\n%s", want, v.screen())
		}
	}
	clear(v.facts)
	v.press("down")
	if len(v.facts) > 40 {
		t.Errorf("the runs of %d records were read for a screen of 40 lines", len(v.facts))
	}
	best := time.Hour
	for range 3 {
		start := time.Now()
		for range 5 {
			v.press("pgdown")
		}
		best = min(best, time.Since(start)/5)
	}
	if best > 250*time.Millisecond { // 1 ms where nothing else runs
		t.Errorf("a page takes %v", best)
	}
	if v.press("end"); !strings.Contains(v.screen(), "10,000 of 10,000") {
		t.Errorf("the end is not shown:\n%s", v.screen())
	}
	// Time passes for those on the screen at once, and for the others in the
	// background.
	w.now = w.now.Add(10 * time.Minute).Truncate(5 * time.Second)
	v.send(tickMsg(w.now))
	if !v.reloading {
		t.Error("not all records are judged again")
	}
	v.send(itemsMsg(w.history.Items(w.now)))
	if !strings.Contains(v.screen(), "10,000 missed") || v.reloading {
		t.Errorf("not all are missed:\n%s", v.screen())
	}
}

func BenchmarkSeen(b *testing.B) {
	w := many(10_000)
	v := w.view(120, 40, Config{Unicode: true})
	for i := 0; b.Loop(); i++ {
		v.send(seenMsg{{Name: w.jobs[i%len(w.jobs)].name}})
	}
}

func BenchmarkPage(b *testing.B) {
	w := many(10_000)
	v := w.view(120, 40, Config{Unicode: true})
	for b.Loop() {
		v.press("pgdown")
	}
}

func BenchmarkSort(b *testing.B) {
	w := many(10_000)
	v := w.view(120, 40, Config{Unicode: true})
	for b.Loop() {
		v.press("s")
	}
}

// TestLapsed: a run whose holder fell silent is not said to go on.
func TestLapsed(t *testing.T) {
	w := newWorld(&job{name: "canary.example.com", every: 60, agents: []string{first}, takes: seconds(30), ends: always(record.OK, nil), stops: begin.Add(4*time.Minute + 5*time.Second)})
	w.live(4*time.Minute+10*time.Second, 1)
	v := w.view(100, 40, Config{Unicode: true})
	if !strings.Contains(v.screen(), "runs 10 s") || !strings.Contains(v.screen(), "▶") {
		t.Errorf("nothing says that it runs:\n%s", v.screen())
	}
	w.now = w.now.Add(5 * time.Minute)
	v.send(tickMsg(w.now))
	s := v.press("enter").screen()
	if !strings.Contains(s, "lapsed") || strings.Contains(s, "runs 3") || strings.Contains(s, "▶·") || strings.Contains(s, "▶▶") {
		t.Errorf("it says that it goes on:\n%s", s)
	}
}

// TestNotice: what went wrong elsewhere is said for a while.
func TestNotice(t *testing.T) {
	w := shared()
	notices := make(chan string, 1)
	v := w.view(80, 24, Config{Notices: notices})
	notices <- "nobody could be told \x1b[2J: no route to ops"
	v.send(v.hear())
	if !strings.Contains(v.screen(), "! nobody could be told ?[2J: no route to ops") {
		t.Errorf("nobody says it:\n%s", v.screen())
	}
	checkFrame(t, v)
	v.send(tickMsg(w.now.Add(noticeTime)))
	if !strings.Contains(v.screen(), "nobody could be told") {
		t.Errorf("it is gone at once:\n%s", v.screen())
	}
	v.send(tickMsg(w.now.Add(noticeTime + time.Second)))
	if strings.Contains(v.screen(), "nobody could be told") {
		t.Errorf("it stands for ever:\n%s", v.screen())
	}
}
