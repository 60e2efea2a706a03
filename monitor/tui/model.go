package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/solotick/solotick/monitor"
)

// A screen is what is shown.
type screen uint8

const (
	list screen = iota
	details
	events
	help
)

// A model is the state of the view. Clock, keys and looks come in as messages, so
// that tests need no terminal; each of them draws the frame anew.
type model struct {
	history *monitor.History
	updates <-chan monitor.Update
	done    <-chan struct{}
	glyphs  *glyphs
	painter painter
	local   *time.Location
	order   order
	facts   map[string]*facts // of what was drawn; by name

	width, height int
	now           time.Time
	utc           bool
	raw           bool
	screen        screen
	path          []screen // that led here
	scroll        int      // of the screens that are longer than the terminal
	room          int      // lines that the latest frame had for what scrolls
	length        int      // lines that there were
	log           []monitor.Event
	top           uint64 // the newest event that is shown, while the reader has scrolled
	filtering     bool   // the keys go to the filter
	reloading     bool
	notices       <-chan string
	notice        string // the latest of them, for a while
	until         time.Time
	drawn         string // the frame
}

// What comes in beside keys and sizes.
type (
	tickMsg   time.Time // a second has passed
	seenMsg   []monitor.Update
	itemsMsg  []monitor.Item // all records, judged again
	noticeMsg string
)

func newModel(c Config, updates <-chan monitor.Update, done <-chan struct{}, now time.Time) *model {
	m := &model{
		history: c.History, updates: updates, done: done, local: c.Local, now: now, utc: true, notices: c.Notices,
		glyphs: &simple, painter: painter{c.Color, c.Unicode}, facts: map[string]*facts{},
	}
	if c.Unicode {
		m.glyphs = &fancy
	}
	if m.local == nil {
		m.local = time.Local
	}
	m.order.worst = true
	m.order.set(c.History.Items(now))
	return m
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return tea.Batch(m.second, m.listen, m.hear) }

// second waits for the next whole second.
func (m *model) second() tea.Msg {
	now := time.Now()
	timer := time.NewTimer(now.Truncate(time.Second).Add(time.Second).Sub(now))
	defer timer.Stop()
	select {
	case t := <-timer.C:
		return tickMsg(t)
	case <-m.done:
		return nil
	}
}

const (
	// together is how long looks are collected before the screen changes, so that ten
	// thousand records do not redraw it a hundred times a second.
	together = 150 * time.Millisecond
	atOnce   = 2000
)

// listen waits for looks.
func (m *model) listen() tea.Msg {
	var all seenMsg
	select {
	case u := <-m.updates:
		all = append(all, u)
	case <-m.done:
		return nil
	}
	end := time.NewTimer(together)
	defer end.Stop()
	for len(all) < atOnce {
		select {
		case u := <-m.updates:
			all = append(all, u)
		case <-end.C:
			return all
		case <-m.done:
			return nil
		}
	}
	return all
}

// noticeTime is how long a notice stands.
const noticeTime = 20 * time.Second

// hear waits for a notice.
func (m *model) hear() tea.Msg {
	select {
	case text := <-m.notices:
		return noticeMsg(text)
	case <-m.done:
		return nil
	}
}

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var next tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tickMsg:
		m.now = time.Time(msg)
		if m.now.After(m.until) {
			m.notice = ""
		}
		next = tea.Batch(m.second, m.pass())
	case seenMsg:
		m.seen(msg)
		next = m.listen
	case itemsMsg:
		m.reloading = false
		m.order.set(msg)
	case noticeMsg:
		m.notice, m.until = string(msg), m.now.Add(noticeTime)
		next = m.hear
	case tea.PasteMsg:
		if m.filtering {
			m.filter(m.order.filter + msg.Content)
		}
	case tea.KeyPressMsg:
		next = m.press(msg)
	default:
		return m, nil
	}
	if m.screen == events {
		m.readLog()
	}
	m.drawn = m.frame()
	return m, next
}

// fewItems are judged again every second; of more, those that are on the screen
// are, and all of them every fifth second.
const fewItems = 300

// pass takes in that time has passed, which alone changes what records amount to.
func (m *model) pass() tea.Cmd {
	if len(m.order.items) <= fewItems {
		m.order.set(m.history.Items(m.now))
		return nil
	}
	moved := false
	for _, i := range m.order.visible() {
		moved = m.judge(m.order.items[i].Name) || moved
	}
	if moved {
		m.order.sort()
	}
	if m.reloading || m.now.Unix()%5 != 0 {
		return nil
	}
	m.reloading = true
	h, now := m.history, m.now
	return func() tea.Msg { return itemsMsg(h.Items(now)) }
}

// seen takes in looks.
func (m *model) seen(all seenMsg) {
	for _, u := range all {
		if u.Lost {
			m.order.set(m.history.Items(m.now))
			clear(m.facts)
			return
		}
	}
	moved := false
	for _, u := range all {
		delete(m.facts, u.Name)
		moved = m.judge(u.Name) || moved
	}
	if moved {
		m.order.sort()
	}
}

// judge takes one record in anew, and says whether it stands elsewhere now.
func (m *model) judge(name string) (moved bool) {
	item, ok := m.history.Item(name, m.now)
	return ok && m.order.put(item)
}

// known are the facts of a record.
func (m *model) known(item monitor.Item) *facts {
	f := m.facts[item.Name]
	if f == nil || f.lapsed != lapsed(item) {
		if len(m.facts) > 2000 {
			clear(m.facts)
		}
		f = factsOf(m.history, item, m.now.Unix())
		m.facts[item.Name] = f
	}
	return f
}

// clock tells times as the reader wants them.
func (m *model) clock() clock {
	if m.utc {
		return clock{m.now, time.UTC}
	}
	return clock{m.now, m.local}
}

// readLog takes the events that are shown. What comes in while the reader has
// scrolled does not move what is read.
func (m *model) readLog() {
	before := uint64(0)
	if m.scroll > 0 {
		before = m.top + 1
	}
	const most = 2000
	all := m.history.Events(m.about(), before, most)
	m.log = m.log[:0]
	for _, e := range all {
		if m.order.matches(e.Name, e.Job, e.Agent, e.Text) {
			m.log = append(m.log, e)
		}
	}
	if len(m.log) > 0 {
		m.top = m.log[0].ID
	}
}

// about is the record whose events are shown; empty: of all.
func (m *model) about() string {
	if n := len(m.path); m.screen == events && n > 0 && m.path[n-1] == details {
		return m.order.name
	}
	return ""
}

// View implements tea.Model.
func (m *model) View() tea.View {
	v := tea.NewView(m.drawn)
	v.AltScreen = true
	v.DisableBracketedPasteMode = !m.filtering
	return v
}
