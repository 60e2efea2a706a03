package tui

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// columns say which parts of a row have room, and how wide they are; 0: none.
type columns struct {
	name, next, bar, last, agent, spark, lag int
}

// columnsFor fits the columns to a width. The name comes first; what is left out
// first is what says least about whether all is well.
func columnsFor(width, name, agent int) columns {
	c := columns{name: min(max(name, 8), width*3/10), next: 8}
	room := width - rowStart - c.name - 2 - c.next
	take := func(col *int, n int) {
		if room >= n+2 {
			*col, room = n, room-n-2
		}
	}
	take(&c.last, 12)
	take(&c.spark, 8)
	take(&c.bar, 6)
	take(&c.agent, min(agent, 22))
	take(&c.lag, 7)
	grow := func(col *int, most int) {
		if more := min(room, most-*col); *col > 0 && more > 0 {
			*col, room = *col+more, room-more
		}
	}
	grow(&c.bar, 10)
	grow(&c.spark, 24)
	grow(&c.bar, 24)
	grow(&c.spark, 60)
	return c
}

// rowStart is the mark, the sign and the word before a name.
const rowStart = 2 + 2 + 8 + 2

// listScreen is the list of records, and below it the selected one.
func (m *model) listScreen(room int) []line {
	below := m.panelRoom(room)
	above := room - below
	heads := above > 5
	if heads {
		above--
	}
	m.order.fit(above)
	var lines []line
	if heads {
		lines = append(lines, m.columnHeads())
	}
	lines = append(lines, m.rows()...)
	if len(m.order.shown) == 0 {
		lines = append(lines, m.nothing())
	}
	for len(lines) < room-below {
		lines = append(lines, line{})
	}
	return append(lines, m.panel(below)...)
}

// panelRoom is how many lines the selected record has: what the list leaves, and
// half of the screen at least.
func (m *model) panelRoom(room int) int {
	if m.order.selected() == nil {
		return 0
	}
	want := max(len(m.order.shown)+2, 3)
	return min(max(room-want, room*55/100), room-3)
}

func (m *model) nothing() line {
	var l line
	if m.order.filter == "" {
		return *l.put("  no records", faint)
	}
	return *l.put(fmt.Sprintf("  none of %s records has %q in its name, job, agent or state", thousands(len(m.order.items)), m.order.filter), faint)
}

// cols are the columns for what is on the screen now.
func (m *model) cols() columns {
	name, agent := len("RECORD"), 10
	for _, i := range m.order.visible() {
		item := &m.order.items[i]
		name, agent = max(name, cells(plain(label(item)))), max(agent, cells(plain(item.ID)))
	}
	return columnsFor(m.width, name, agent)
}

func (m *model) columnHeads() line {
	c, g := m.cols(), m.glyphs
	var l line
	l.put("  ", normal).field("STATE", rowStart-2, faint, g.more)
	what := "RECORD"
	if m.order.filter != "" {
		what = fmt.Sprintf("%d of %s with %q", len(m.order.shown), thousands(len(m.order.items)), m.order.filter)
	}
	l.field(what, c.name, faint, g.more)
	l.put("  ", normal).right("NEXT", c.next, faint, g.more)
	head := func(text string, width int) {
		if width > 0 {
			l.put("  ", normal).field(text, width, faint, g.more)
		}
	}
	head("", c.bar)
	head("LAST", c.last)
	head("AGENT", c.agent)
	if c.spark > 0 {
		runs := "RUN TIMES"
		if c.spark < len(runs) {
			runs = "RUNS"
		}
		l.put("  ", normal).right(runs, c.spark, faint, g.more)
	}
	if c.lag > 0 {
		l.put("  ", normal).right("LAG P99", c.lag, faint, g.more)
	}
	return l
}

// rows are the records that are on the screen.
func (m *model) rows() []line {
	c := m.cols()
	var lines []line
	for _, i := range m.order.visible() {
		lines = append(lines, m.row(&m.order.items[i], c))
	}
	return lines
}

func (m *model) row(item *monitor.Item, c columns) line {
	g, f := m.glyphs, m.known(*item)
	tone, level := toneOf(item.State.Level()), item.State.Level()
	chosen := item.Name == m.order.name
	var l line
	name := normal
	if chosen {
		l.put(g.mark+" ", accent|bold)
		name = bold
	} else {
		l.put("  ", normal)
	}
	l.put(g.sign(level)+" ", tone).field(stateWord(item.State, badness(item)), 8, tone, g.more).put("  ", normal)
	l.field(label(item), c.name, name, g.more).put("  ", normal)
	l.join(m.nextField(item, c.next))
	if c.bar > 0 {
		l.put("  ", normal).join(bar(g, *item, m.now, c.bar))
	}
	if c.last > 0 {
		text, tone := m.lastField(item, f)
		l.put("  ", normal).field(text, c.last, tone, g.more)
	}
	if c.agent > 0 {
		l.put("  ", normal).field(item.ID, c.agent, faint, g.more)
	}
	if c.spark > 0 {
		l.put("  ", normal).join(f.spark(g, c.spark))
	}
	if c.lag > 0 && f.lags > 0 {
		l.put("  ", normal).right(lagText(f.p99), c.lag, normal, g.more)
	}
	return l
}

// nextField counts down to the next run, and up from one that should have begun.
func (m *model) nextField(item *monitor.Item, width int) line {
	var l line
	if item.Next == nil {
		return *l.right("", width, normal, "")
	}
	d := item.Next.Sub(m.now)
	tone := normal
	if d < 0 {
		tone = toneOf(item.State.Level())
	}
	return *l.right(countdown(d), width, tone, m.glyphs.more)
}

// lastField is how the latest run ended, or for how long one has been under way.
func (m *model) lastField(item *monitor.Item, f *facts) (string, style) {
	r, ok := f.latest()
	switch {
	case f.lapsed:
		return "lapsed", toneOf(item.State.Level())
	case ok && !r.Over && item.Claimed:
		return "runs " + brief(max(m.now.Sub(time.Unix(r.At(), 0)), 0).Truncate(time.Second)), accent
	case item.Last == record.None:
		return "", normal
	}
	text := string(item.Last)
	if took := m.glyphs.tookText(r); ok && took != "" && r.Result == item.Last {
		text += " " + took
	}
	return text, toneOfRun(monitor.Run{Result: item.Last, Over: true})
}

// panel is the selected record below the list.
func (m *model) panel(room int) []line {
	item := m.order.selected()
	if item == nil || room < 1 {
		return nil
	}
	where := ""
	if n := len(m.order.shown); n > m.order.room {
		where = thousands(m.order.at()+1) + " of " + thousands(n)
	}
	lines := []line{m.heading(title(item), where)}
	most := 2
	if room < 7 {
		most = 1
	}
	lines = append(lines, m.sentence(item, most)...)
	tail := []line{m.recordLine(item), m.serversLine(item)}
	news := m.history.Events(item.Name, 0, 50)
	left := room - len(lines) - len(tail)
	lines = append(lines, m.chart(item, min(max(left-min(len(news), 3), 1), 7), m.width)...)
	lines = append(lines, tail...)
	for _, e := range news[:max(0, min(len(news), room-len(lines)))] {
		lines = append(lines, m.eventLine(e, 0))
	}
	return lines[:min(len(lines), room)]
}

func title(item *monitor.Item) string {
	if item.Job != "" {
		return item.Job + " (" + item.Name + ")"
	}
	return item.Name
}

// sentence says what the record amounts to, and what is odd about it, in about so
// many lines.
func (m *model) sentence(item *monitor.Item, most int) []line {
	text := item.Text
	if item.Error != "" {
		text += ": " + item.Error
	}
	texts := wrap(m.clock().retell(text), m.width-2)
	if len(texts) > most {
		texts = texts[:most]
		texts[most-1] += m.glyphs.more
	}
	var lines []line
	for _, t := range texts {
		var l line
		lines = append(lines, *l.put(" "+t, normal))
	}
	for _, n := range item.Notes[:min(len(item.Notes), max(most-len(lines), most/2))] {
		var l line
		lines = append(lines, *l.put(" "+m.glyphs.sign(1)+" ", doubtful).put(m.clock().retell(n), normal).cut(m.width, m.glyphs.more))
	}
	return lines
}

// chart is who ran when, in so many lines at most: a lane for each agent, and the
// time below them.
func (m *model) chart(item *monitor.Item, room, width int) []line {
	f, now := m.known(*item), m.now.Unix()
	name := 10
	for _, r := range f.runs {
		name = max(name, min(cells(plain(r.Agent)), 22))
	}
	c := newChart(now, f.every, max(width-name-4, 10))
	most := room - 1
	lanes, more := c.lanes(f.runs, now, max(most, 1))
	if len(lanes) == 0 || room < 1 {
		return nil
	}
	looked := c.looked(m.history.Spans(item.Name, c.from, now))
	var lines []line
	for _, one := range lanes {
		var l line
		style := normal
		if one.agent == item.ID {
			style = bold
		}
		l.put(" ", normal).field(one.agent, name, style, m.glyphs.more).put("  ", normal)
		lines = append(lines, *l.join(one.draw(m.glyphs, looked)))
	}
	if most < 1 {
		return lines
	}
	var l line
	text := ""
	if more > 0 {
		text = fmt.Sprintf("and %d more", more)
	}
	l.put(" ", normal).field(text, name, faint, m.glyphs.more).put("  ", normal)
	return append(lines, *l.join(c.axis(m.clock())))
}

// recordLine is the record, raw or decoded.
func (m *model) recordLine(item *monitor.Item) line {
	g := m.glyphs
	var l, right line
	l.put(" record  ", faint)
	if item.Raw == "" {
		return *l.put("none that can be read", faint)
	}
	right.put(fmt.Sprintf("  %d bytes%sTTL %s", item.Bytes, g.dot, brief(time.Duration(item.TTL*float64(time.Second)))), faint)
	text := item.Raw
	if !m.raw {
		text = strings.Join(m.decoded(cmp.Or(item.Opened, item.Raw)), g.dot)
	}
	l.put(text, normal).cut(m.width-right.width-1, g.more)
	return *l.to(m.width - right.width - 1).join(right)
}

// decoded is a record in few words.
func (m *model) decoded(raw string) []string {
	r, err := record.Parse(raw)
	if err != nil {
		return []string{err.Error()}
	}
	k := m.clock()
	all := []string{"id " + r.ID, "timer " + k.epoch(r.Timer), "timerold " + k.epoch(r.TimerOld)}
	if r.Claimed {
		all = append(all, "until "+k.epoch(r.Until))
	}
	if r.Try > 0 {
		all = append(all, fmt.Sprintf("try %d", r.Try))
	}
	if r.Last != record.None {
		all = append(all, "last "+string(r.Last))
	}
	switch {
	case r.Pause < 0:
		all = append(all, "paused")
	case r.Pause > 0:
		all = append(all, "pause until "+k.epoch(r.Pause))
	}
	if r.Why != "" {
		all = append(all, "why "+r.Why)
	}
	if r.State != "" {
		all = append(all, "state "+r.State)
	}
	return append(all, fmt.Sprintf("seq %d", r.Seq))
}

// serversLine is what each server shows.
func (m *model) serversLine(item *monitor.Item) line {
	var l line
	l.put(" seen by ", faint)
	for i, s := range item.Servers {
		if i > 0 {
			l.put("   ", normal)
		}
		text, tone := m.standing(s)
		l.put(s.Name+" ", normal).put(text, tone)
	}
	if len(item.Servers) == 0 {
		l.put("nobody yet", faint)
	}
	return *l.cut(m.width, m.glyphs.more)
}

// standing is how current a server is.
func (m *model) standing(s monitor.Server) (string, style) {
	g := m.glyphs
	switch {
	case s.Error != "":
		return g.sign(2) + " no answer", bad
	case s.Newest && !s.Authority:
		return fmt.Sprintf("%s TTL %.0f s", g.yes, s.TTL), fine
	case s.Newest:
		return g.yes, fine
	case s.Behind > 0:
		return fmt.Sprintf("%s %s behind", g.sign(1), brief(time.Duration(s.Behind)*time.Second)), doubtful
	}
	return g.sign(1) + " " + s.State, doubtful
}

// nameOf is what the record of an event is called.
func nameOf(e monitor.Event) string {
	if e.Job != "" {
		return e.Job
	}
	return e.Name
}

// eventLine is one thing that happened; with a name column if that has a width.
func (m *model) eventLine(e monitor.Event, name int) line {
	g, k := m.glyphs, m.clock()
	var l line
	l.put(" "+k.at(e.Time), faint).put(" "+g.sign(e.Level)+" ", toneOf(e.Level))
	if name > 0 {
		l.field(nameOf(e), name, bold, g.more).put("  ", normal)
	}
	return *l.put(k.retell(e.Text), normal).cut(m.width, g.more)
}
