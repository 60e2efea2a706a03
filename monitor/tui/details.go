package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// detailsPage is all that is known of the selected record.
func (m *model) detailsPage() []line {
	item := m.order.selected()
	if item == nil {
		return []line{m.nothing()}
	}
	g := m.glyphs
	tone := toneOf(item.State.Level())
	var head line
	head.put(" "+g.sign(item.State.Level())+" "+stateWord(item.State, badness(item)), tone|bold).put("  "+title(item), bold)
	lines := []line{head}
	lines = append(lines, m.sentence(item, 6)...)
	lines = append(lines, line{})
	lines = append(lines, m.summary(item)...)
	section := func(name, right string, body []line) {
		if len(body) > 0 {
			lines = append(lines, line{}, m.heading(name, right))
			lines = append(lines, body...)
		}
	}
	section("who ran when", m.legend(), m.chart(item, 12, m.width))
	section("record", "", m.recordLines(item))
	section("who sees what", "", m.serverLines(item))
	section("latest runs", "", m.runLines(item, 20))
	var happened []line
	for _, e := range m.history.Events(item.Name, 0, 100) {
		happened = append(happened, m.eventLine(e, 0))
	}
	section("events", "", happened)
	return lines
}

// legend explains the marks of the lanes.
func (m *model) legend() string {
	w := m.glyphs.lane
	return w.ok + " ok  " + w.bad + " failed or lost  " + w.takeover + " took over  " + w.running + " runs"
}

// factName is how wide the name of a fact is.
const factName = 12

// fact is a line that names something and tells it.
func (m *model) fact(name, text string, s style) line {
	var l line
	return *l.put(" ", normal).field(name, factName, faint, "").put(text, s)
}

// summary is the latest run, the next one, and what usually happens.
func (m *model) summary(item *monitor.Item) []line {
	g, k, f := m.glyphs, m.clock(), m.known(*item)
	var lines []line
	if item.LastTick != nil {
		text := k.at(*item.LastTick) + ", " + k.fromNow(*item.LastTick)
		if item.ID != "" {
			text += ", by " + item.ID
		}
		l := m.fact("last run", text, normal)
		if last, tone := m.lastField(item, f); last != "" {
			l.put("  "+last, tone)
		}
		lines = append(lines, l)
	}
	if item.Next != nil {
		l := m.fact("next run", k.at(*item.Next)+", "+k.fromNow(*item.Next)+"  ", normal)
		l.join(bar(g, *item, m.now, 20))
		if after := item.NextLate(); after != nil {
			l.put("  late after "+k.at(*after), faint)
		}
		lines = append(lines, l)
	}
	if len(f.runs) > 0 {
		l := m.fact("run times", "", normal)
		lines = append(lines, *l.join(f.spark(g, min(m.width-factName-4, 60, len(f.runs)))))
	}
	if f.lags > 0 {
		text := fmt.Sprintf("median %s%sp99 %s%slongest %s, of %s", lagText(f.median), g.dot, lagText(f.p99), g.dot, lagText(f.worst), plural(f.lags, "first attempt"))
		lines = append(lines, m.fact("start lag", text, normal))
	}
	return lines
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

// recordLines are the record as it is in DNS, or key by key.
func (m *model) recordLines(item *monitor.Item) []line {
	if item.Raw == "" {
		return nil
	}
	if m.raw {
		var lines []line
		text := plain(item.Raw)
		for text != "" {
			h := head(text, m.width-2)
			var l line
			lines = append(lines, *l.put(" "+h, normal))
			text = text[len(h):]
		}
		return lines
	}
	r, err := record.Parse(cmp.Or(item.Opened, item.Raw))
	if err != nil {
		return []line{m.fact("", err.Error(), bad)}
	}
	return m.keysOf(r)
}

// keysOf is a record key by key, as docs/protocol.md section 3 explains them.
func (m *model) keysOf(r record.Record) []line {
	c := m.clock()
	var lines []line
	for _, k := range monitor.Keys(r) {
		meaning := k.Meaning
		if k.At != 0 {
			meaning = c.epoch(k.At) + ", " + c.fromNow(time.Unix(k.At, 0)) + ": " + meaning
		}
		var l line
		l.put(" ", normal).field(k.Name, 10, faint, m.glyphs.more).put(k.Value, normal).to(26).put(meaning, faint)
		lines = append(lines, l)
	}
	return lines
}

// serverLines are what each server shows, one line each.
func (m *model) serverLines(item *monitor.Item) []line {
	k := m.clock()
	name := 8
	for _, s := range item.Servers {
		name = max(name, min(cells(plain(s.Name)), 40))
	}
	var lines []line
	for _, s := range item.Servers {
		text, tone := m.standing(s)
		var l line
		l.put(" ", normal).field(s.Name, name, normal, m.glyphs.more).put("  ", normal).field(text, 18, tone, m.glyphs.more).put("  ", normal)
		var more []string
		switch {
		case s.Error != "":
			more = []string{s.Error}
		default:
			if s.Next != nil {
				more = append(more, "next "+k.at(*s.Next))
			}
			if s.ID != "" {
				more = append(more, "by "+s.ID)
			}
			if s.Age > 0 {
				more = append(more, fmt.Sprintf("in its cache for %s", brief(time.Duration(s.Age)*time.Second)))
			}
			more = append(more, fmt.Sprintf("%.0f ms", s.TookMS))
		}
		if s.Addr != s.Name {
			more = append(more, s.Addr)
		}
		lines = append(lines, *l.put(strings.Join(more, m.glyphs.dot), faint))
	}
	return lines
}

// runLines are the latest runs, the newest first, below what their columns are.
func (m *model) runLines(item *monitor.Item, most int) []line {
	g, k, f := m.glyphs, m.clock(), m.known(*item)
	if len(f.runs) == 0 {
		return nil
	}
	runs := f.runs[max(0, len(f.runs)-most):]
	name, when := 10, 8
	for _, r := range runs {
		name, when = max(name, min(cells(plain(r.Agent)), 22)), max(when, len(k.epoch(r.Tick)))
	}
	row := func(tick, try, agent, lag, took, result, note string, s, tone style) line {
		var l line
		l.put(" ", normal).field(tick, when, s, g.more).right(try, 5, s, "").put("  ", normal).field(agent, name, s, g.more)
		l.right(lag, 8, s, "").right(took, 8, s, "").put("  ", normal).field(result, 10, tone, g.more)
		return *l.put("  "+note, faint)
	}
	lines := []line{row("TICK", "TRY", "AGENT", "LAG", "TOOK", "RESULT", "", faint, faint)}
	for _, r := range slices.Backward(runs) {
		lag := ""
		if d, ok := r.Lag(); ok {
			lag = lagText(d)
		}
		result := string(r.Result)
		switch {
		case !r.Over:
			result = "runs"
		case result == "":
			result = "not seen"
		}
		lines = append(lines, row(k.epoch(r.Tick), strconv.Itoa(r.Attempt), r.Agent, lag, g.tookText(r), g.markOf(r)+" "+result, noteOf(r), normal, toneOfRun(r)))
	}
	return lines
}

// noteOf is what is special about a run.
func noteOf(r monitor.Run) string {
	var all []string
	if r.Takeover {
		all = append(all, "took over")
	}
	if d := r.Detail; d != nil {
		if d.Unarbitrated {
			all = append(all, "without the register")
		}
		if d.Code != nil && *d.Code != 0 {
			all = append(all, fmt.Sprintf("exit code %d", *d.Code))
		}
		if d.Error != "" {
			all = append(all, d.Error)
		}
	}
	return strings.Join(all, ", ")
}

// eventsPage is what happened, the newest first.
func (m *model) eventsPage() []line {
	about := m.about()
	name := 0
	what := "what happened"
	if about != "" {
		what += " to " + about
	} else {
		for _, e := range m.log[:min(len(m.log), 500)] {
			name = max(name, min(cells(plain(nameOf(e))), m.width*3/10))
		}
	}
	if m.order.filter != "" {
		what += fmt.Sprintf(", with %q", m.order.filter)
	}
	lines := []line{m.heading(what, thousands(len(m.log)))}
	for _, e := range m.log {
		lines = append(lines, m.eventLine(e, name))
	}
	if len(m.log) == 0 {
		var l line
		lines = append(lines, *l.put(" nothing yet", faint))
	}
	return lines
}

// helpPage explains keys and signs.
func (m *model) helpPage() []line {
	g, w := m.glyphs, m.glyphs.lane
	lines := []line{m.heading("keys", "")}
	explain := func(sign, text string, s style) {
		for i, t := range wrap(text, m.width-10) {
			if i > 0 {
				sign = ""
			}
			var l line
			lines = append(lines, *l.put(" ", normal).field(sign, 7, s, "").put("  "+t, normal))
		}
	}
	for _, k := range keys {
		explain(k.label(g), k.about, accent|bold)
	}
	lines = append(lines, line{}, m.heading("records", ""))
	explain(g.sign(0), "fine: on time, running, a lock that is held or free", fine)
	explain(g.sign(1), "somebody should have a look: late, retrying, paused", doubtful)
	explain(g.sign(2), "bad: missed, failing, damaged", bad)
	explain(g.sign(3), "not known: no record, a sealed one, or no server answers", faint)
	lines = append(lines, line{}, m.heading("runs", ""))
	explain(w.ok, "ok", fine)
	explain(w.bad, "failed, timed out, or lost with its agent", bad)
	explain(w.takeover, "taken over from an agent that lost it", fine)
	explain(w.running, "under way", accent)
	explain(w.other, "skipped, replaced, or its end was not seen", doubtful)
	explain(w.looked, "somebody looked and nothing ran; where there is nothing at all, nobody looked", faint)
	lines = append(lines, line{})
	for _, t := range wrap("All of this is from DNS alone, to the second, since this view was opened. What fell between two looks is not known, and not guessed.", m.width-2) {
		var l line
		lines = append(lines, *l.put(" "+t, faint))
	}
	return lines
}
