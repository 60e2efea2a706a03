package tui

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/solotick/solotick/elect"
)

// The least terminal that a view has room on.
const leastWidth, leastHeight = 60, 12

// frame draws the screen: as many lines as there are, none wider than it is.
func (m *model) frame() string {
	var lines []line
	switch {
	case m.width < 1 || m.height < 1:
		return "" // nobody has said yet
	case m.width < leastWidth || m.height < leastHeight:
		lines = m.tooSmall()
	case m.screen == list:
		lines = m.listScreen(m.height - 2)
	case m.screen == events:
		lines = m.scrolled(m.eventsPage, m.height-2)
	case m.screen == help:
		lines = m.scrolled(m.helpPage, m.height-2)
	default:
		lines = m.scrolled(m.detailsPage, m.height-2)
	}
	if m.width >= leastWidth && m.height >= leastHeight {
		lines = append([]line{m.header()}, lines...)
		for len(lines) < m.height-1 {
			lines = append(lines, line{})
		}
		lines = append(lines[:m.height-1], m.footer())
	}
	var b strings.Builder
	for i := range lines[:min(len(lines), m.height)] {
		if i > 0 {
			b.WriteByte('\n')
		}
		m.painter.paint(&b, *lines[i].cut(m.width, m.glyphs.more))
	}
	return b.String()
}

func (m *model) tooSmall() []line {
	text := fmt.Sprintf("too small: want %dx%d, have %dx%d. q quits", leastWidth, leastHeight, m.width, m.height)
	var lines []line
	for _, t := range wrap(text, m.width) {
		var l line
		lines = append(lines, *l.put(t, normal))
	}
	return lines
}

// header tells how many records are how, and the time.
func (m *model) header() line {
	g, k := m.glyphs, m.clock()
	var right line
	right.put(k.name()+" ", faint).put(m.now.In(k.zone).Format("15:04:05"), bold)
	var l line
	l.put(" solotick watch", accent|bold)
	room := m.width - right.width - 2
	if m.notice != "" {
		l.put("   ", normal).put(g.sign(elect.LevelDoubtful)+" "+m.notice, doubtful)
	} else {
		tallies, filter := m.tallies(true), line{}
		if m.order.filter != "" && !m.filtering {
			filter.put("  / ", accent|bold).put(m.order.filter, bold)
		}
		if l.width+tallies.width+filter.width > room {
			tallies = m.tallies(false)
		}
		l.join(tallies).join(filter)
	}
	l.cut(room, g.more)
	return *l.to(m.width - right.width - 1).join(right)
}

// tallies are how many records are how, in words or by signs alone, which there are
// few enough of for any screen.
func (m *model) tallies(words bool) line {
	g := m.glyphs
	var l line
	if words {
		for _, t := range m.order.tallies() {
			level := t.state.Level()
			l.put("  "+g.sign(level)+" "+thousands(t.n)+" "+strings.ToLower(stateWord(t.state, t.badness)), toneOf(level))
		}
		return l
	}
	var n [len(g.signs)]int
	for _, t := range m.order.tallies() {
		n[min(int(t.state.Level()), len(n)-1)] += t.n
	}
	for _, level := range []elect.Level{elect.LevelBad, elect.LevelUnknown, elect.LevelDoubtful, elect.LevelFine} {
		if n[level] > 0 {
			l.put("  "+g.sign(level)+" "+thousands(n[level]), toneOf(level))
		}
	}
	return l
}

// stateWord is a condition as the list has it, of at most 8 letters.
func stateWord(c elect.Condition, badness int) string {
	switch {
	case c != "":
		return strings.ToUpper(c.Words())
	case badness == 3:
		return "ASKING"
	}
	return "UNKNOWN"
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// footer shows what the keys do now.
func (m *model) footer() line {
	g := m.glyphs
	if m.filtering {
		var l line
		l.put(" / ", accent|bold).put(m.order.filter, bold).put(g.caret, accent)
		var tail line
		m.hint(&tail, g.enter, "keep", "  ")
		m.hint(&tail, "esc", "clear", "  ")
		l.cut(m.width-tail.width-2, g.more)
		return *l.to(m.width - tail.width - 1).join(tail)
	}
	for _, form := range []struct {
		short bool
		apart string
	}{{false, "   "}, {false, "  "}, {true, "  "}, {true, " "}} {
		var l line
		for _, k := range keys {
			w := k.word(m)
			if w == "" {
				continue
			}
			if s, ok := short[w]; ok && form.short {
				w = s
			}
			m.hint(&l, k.label(g), w, form.apart)
		}
		if l.width <= m.width || form.short && form.apart == " " {
			return l
		}
	}
	return line{}
}

func (k *key) label(g *glyphs) string {
	if k.shown != nil {
		return k.shown(g)
	}
	return k.name
}

// hint appends a key and what it does.
func (m *model) hint(l *line, key, what, apart string) {
	if l.width > 0 {
		l.put(apart, normal)
	} else if apart != " " {
		l.put(" ", normal)
	}
	l.put(key, accent|bold)
	if what != "" {
		l.put(" "+what, faint)
	}
}

// heading is a rule with a title in it, and perhaps more at its right.
func (m *model) heading(title, right string) line {
	g := m.glyphs
	var l line
	l.put(strings.Repeat(g.rule, 2)+" ", faint).put(title, bold).put(" ", normal)
	tail := 0
	if right != "" {
		tail = cells(plain(right)) + 2 + 2
	}
	l.cut(m.width-tail-1, g.more)
	if n := m.width - l.width - tail; n > 0 {
		l.put(strings.Repeat(g.rule, n), faint)
	}
	if right != "" {
		l.put(" "+right+" "+strings.Repeat(g.rule, 2), faint)
	}
	return l
}

// scrolled is the part of a page that has room.
func (m *model) scrolled(page func() []line, room int) []line {
	lines := page()
	m.length, m.room = len(lines), room
	m.scroll = max(min(m.scroll, m.length-m.room), 0)
	end := min(m.scroll+room, len(lines))
	return lines[m.scroll:end]
}
