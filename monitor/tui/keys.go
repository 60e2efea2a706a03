package tui

import (
	"slices"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// A key is what one key does. The footer, the help and what is done are all taken
// from here, so that none of them can say another thing.
type key struct {
	name  string               // as the terminal tells it; empty: several
	shown func(*glyphs) string // how it is shown; nil: its name
	word  func(*model) string  // what it does now; empty: nothing
	do    func(*model) tea.Cmd
	about string // for the help
}

// keys are all that the footer shows.
var keys = []key{
	{
		shown: func(g *glyphs) string { return g.arrow }, word: (*model).arrows,
		about: "select a record, or scroll; so do j and k, page up and down, home and end",
	},
	{
		name: "enter", shown: func(g *glyphs) string { return g.enter }, word: (*model).way, do: (*model).enter,
		about: "all about the selected record; and back, as esc does",
	},
	{
		name: "r", word: on((*model).otherForm, list, details), do: func(m *model) tea.Cmd { m.raw = !m.raw; return nil },
		about: "the record as it stands in DNS, or what it says",
	},
	{
		name: "t", word: on((*model).otherZone, list, details, events), do: func(m *model) tea.Cmd { m.utc = !m.utc; return nil },
		about: "times in UTC, or in the time zone of this machine",
	},
	{
		name: "/", word: on(word("filter"), list, events), do: func(m *model) tea.Cmd { m.filtering = true; return nil },
		about: "show only what has a text in its name, job, agent or state; esc ends that",
	},
	{
		name: "s", word: on((*model).otherOrder, list), do: (*model).turn,
		about: "the worst records first, or by name",
	},
	{
		name: "e", word: on(toggle(events, "events"), list, details, events), do: func(m *model) tea.Cmd { return m.toggle(events) },
		about: "what happened to all records; from the details, to that one",
	},
	{
		name: "?", word: toggle(help, "help"), do: func(m *model) tea.Cmd { return m.toggle(help) },
		about: "this page",
	},
	{
		name: "q", word: word("quit"), do: func(*model) tea.Cmd { return tea.Quit },
		about: "end; Ctrl-Z suspends",
	},
}

// short are the words for a narrow terminal. The arrows speak for themselves.
var short = map[string]string{
	"select": "", "scroll": "", "details": "open", "decoded": "keys", "local time": "local",
	"filter": "find", "by name": "name", "worst first": "worst", "events": "log",
}

func word(w string) func(*model) string { return func(*model) string { return w } }

// toggle is the word of a key that shows a screen, and leaves it.
func toggle(s screen, w string) func(*model) string {
	return func(m *model) string {
		if m.screen == s {
			return "back"
		}
		return w
	}
}

// on is a word that holds on some screens only.
func on(w func(*model) string, screens ...screen) func(*model) string {
	return func(m *model) string {
		if slices.Contains(screens, m.screen) {
			return w(m)
		}
		return ""
	}
}

func (m *model) arrows() string {
	if m.screen == list {
		return "select"
	}
	return "scroll"
}

// way is where enter leads.
func (m *model) way() string {
	switch {
	case m.screen != list:
		return "back"
	case m.order.selected() != nil:
		return "details"
	}
	return ""
}

func (m *model) otherForm() string {
	switch {
	case m.order.selected() == nil:
		return ""
	case m.raw:
		return "decoded"
	}
	return "raw"
}

func (m *model) otherOrder() string {
	if m.order.worst {
		return "by name"
	}
	return "worst first"
}

func (m *model) otherZone() string {
	if m.utc {
		return "local time"
	}
	return "UTC"
}

// press does what a key says.
func (m *model) press(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	switch {
	case name == "ctrl+z":
		return tea.Suspend
	case name == "ctrl+c":
		return tea.Quit
	case name == "ctrl+l":
		return tea.ClearScreen
	case m.filtering:
		m.edit(k)
		return nil
	case name == "esc":
		m.back()
		return nil
	case name == "alt+esc": // twice, in quick succession
		m.back()
		m.back()
		return nil
	}
	if m.steer(name) {
		return nil
	}
	for _, one := range keys {
		if one.name == name && one.word(m) != "" {
			return one.do(m)
		}
	}
	return nil
}

// steer moves the selection or the page, if the key is for that.
func (m *model) steer(name string) bool {
	page := max(m.order.room-1, 1)
	if m.screen != list {
		page = max(m.room-1, 1)
	}
	by := 0
	switch name {
	case "up", "k":
		by = -1
	case "down", "j":
		by = 1
	case "pgup", "ctrl+b":
		by = -page
	case "pgdown", "ctrl+f", "space":
		by = page
	case "home", "g":
		by = -m.length - len(m.order.shown)
	case "end", "G", "shift+g":
		by = m.length + len(m.order.shown)
	default:
		return false
	}
	if m.screen == list {
		m.order.move(by)
		return true
	}
	m.scroll = max(min(m.scroll+by, m.length-m.room), 0)
	return true
}

// edit changes the filter.
func (m *model) edit(k tea.KeyPressMsg) {
	f := m.order.filter
	switch name := k.String(); {
	case name == "enter":
		m.filtering = false
	case name == "esc":
		m.filtering = false
		m.filter("")
	case name == "backspace":
		_, size := utf8.DecodeLastRuneInString(f)
		m.filter(f[:len(f)-size])
	case name == "ctrl+u":
		m.filter("")
	case name == "up" || name == "down":
		m.steer(name)
	case k.Text != "":
		m.filter(f + k.Text)
	}
}

// longestFilter is as long as a name in DNS can be.
const longestFilter = 253

func (m *model) filter(text string) {
	text = plain(strings.Join(strings.Split(text, "\n"), " "))
	if len(text) > longestFilter {
		return
	}
	m.order.filter = text
	m.scroll = 0
	m.order.sort()
}

func (m *model) enter() tea.Cmd {
	if m.screen != list {
		m.back()
		return nil
	}
	m.order.chosen = true
	m.open(details)
	return nil
}

// toggle shows a screen, or leaves it.
func (m *model) toggle(s screen) tea.Cmd {
	if m.screen == s {
		m.back()
		return nil
	}
	m.open(s)
	return nil
}

// open shows another screen, from its top.
func (m *model) open(s screen) {
	m.path = append(m.path, m.screen)
	m.screen, m.scroll = s, 0
}

// back goes to where the screen was opened from; on the list it clears the filter.
func (m *model) back() {
	n := len(m.path) - 1
	if n < 0 {
		m.filter("")
		return
	}
	m.screen, m.path, m.scroll = m.path[n], m.path[:n], 0
}

func (m *model) turn() tea.Cmd {
	m.order.worst = !m.order.worst
	m.order.sort()
	return nil
}
