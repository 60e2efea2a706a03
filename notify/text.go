package notify

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// titleLimit is for one line; every service shows more.
const titleLimit = 250

// word says what kind of message it is: never by colour alone.
func (m *Message) word() string {
	switch m.Kind {
	case Firing:
		return "Firing"
	case Reminder:
		if m.Worse {
			return "Worse"
		}
		return "Still firing"
	case Cleared:
		return "Cleared"
	case Passed:
		return "Fired and cleared"
	case Test:
		return "Test"
	}
	return clean(string(m.Kind))
}

// sign is one character that says the same.
func (m *Message) sign() string {
	switch {
	case m.Kind == Cleared:
		return "✔"
	case m.Kind == Test, m.Severity == Info:
		return "●"
	case m.Severity == Warning:
		return "▲"
	}
	return "✖"
}

// title is the title in one line, or what the message is about if it has none.
func (m *Message) title() string {
	t := cut(oneLine(m.Title), titleLimit, runes)
	if t == "" {
		t = strings.TrimPrefix(oneLine(m.Job+"/"+m.Alert), "/")
	}
	return t
}

// Brief is the message with a title of one line, and a text of at most so many
// characters, both without control characters but line feeds and tabs.
func (m *Message) Brief(limit int) *Message {
	short := *m
	short.Title, short.Text = m.title(), cut(clean(m.Text), limit, runes)
	return &short
}

// with is the message with its title and its text changed.
func (m *Message) with(change func(string) string) *Message {
	changed := *m
	changed.Title, changed.Text = change(m.Title), change(m.Text)
	return &changed
}

// unlinked has no words stand for a link to somewhere else, as [words](link) does
// where a service knows Markdown. What is put in has no width.
func unlinked(s string) string { return strings.ReplaceAll(s, "](", "]\u200b(") }

// A call is how people are mentioned in one service or another.
var (
	callAt    = regexp.MustCompile(`(^|[^\w.%+-])@`)
	callAngle = regexp.MustCompile(`(?i)<(!|@|users/|at\b)`)
)

// uncalled mentions nobody, and is unlinked.
func uncalled(s string) string {
	s = callAngle.ReplaceAllString(s, "<\u200b$1")
	return unlinked(callAt.ReplaceAllString(s, "$1@\u200b"))
}

// headline is the first line that people read.
func (m *Message) headline() string {
	what := m.word()
	if m.Severity != "" && m.Kind != Cleared && m.Kind != Test {
		what += " (" + oneLine(string(m.Severity)) + ")"
	}
	return m.sign() + " " + what + ": " + m.title()
}

// facts say where the message comes from. Each is short.
func (m *Message) facts() []string {
	name := func(s string) string { return cut(oneLine(s), 200, runes) }
	var all []string
	if m.Job != "" {
		all = append(all, "job "+name(m.Job))
	}
	all = append(all, "alert "+name(m.Alert))
	switch {
	case m.Tick.IsZero():
	case m.Observed:
		all = append(all, "seen "+rfc3339(m.Tick))
	default:
		all = append(all, "tick "+rfc3339(m.Tick))
	}
	if !m.Since.IsZero() && !m.Since.Equal(m.Tick) {
		all = append(all, "since "+rfc3339(m.Since))
	}
	if m.Agent != "" {
		all = append(all, "agent "+name(m.Agent))
	}
	if m.Fence != 0 {
		all = append(all, "fence "+strconv.FormatInt(m.Fence, 10))
	}
	if m.Attempt > 0 {
		all = append(all, "attempt "+strconv.Itoa(m.Attempt))
	}
	return all
}

// remarks are sentences about what the reader must not rely on.
func (m *Message) remarks() []string {
	var all []string
	if m.Doubt {
		all = append(all, "Sent before, and its answer was lost: this may be a double.")
	}
	if m.Unarbitrated {
		all = append(all, "Run without the register: other agents may post this too.")
	}
	if m.Attempt > 1 {
		all = append(all, fmt.Sprintf("Attempt %d at this tick: an earlier one may have posted this already.", m.Attempt))
	}
	return all
}

// plain is the whole message as plain text, with at most limit of what cost
// counts.
func (m *Message) plain(limit int, cost func(rune) int) string {
	tail := "\n\n" + strings.Join(m.facts(), " · ")
	for _, r := range m.remarks() {
		tail += "\n" + r
	}
	tail = cut(tail, limit/2, cost)
	head := m.headline()
	if text := clean(m.Text); text != "" {
		head += "\n" + text
	}
	return cut(head, limit-total(tail, cost), cost) + tail
}

// rfc3339 is a time in UTC.
func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// clean makes a text valid UTF-8 with no control characters but line feeds and
// tabs.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\r', r == '\u2028', r == '\u2029':
			return '\n'
		case r != '\n' && r != '\t' && unicode.IsControl(r):
			return -1
		}
		return r
	}, s))
}

// oneLine is a clean text in one line.
func oneLine(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// What services count.
func runes(rune) int    { return 1 }
func octets(r rune) int { return utf8.RuneLen(r) }
func utf16s(r rune) int { return 1 + min(1, int(r)>>16) } // UTF-16 units: never fewer than characters
func jsonLen(r rune) int { // octets in JSON as encoding/json writes it
	switch {
	case r == '"' || r == '\\' || r == '\n' || r == '\t':
		return 2
	case r < ' ' || r == '<' || r == '>' || r == '&':
		return 6
	}
	return utf8.RuneLen(r)
}

// noteRoom is what the note about a cut takes at most.
const noteRoom = 40

// cut shortens a valid text so that it costs no more than the limit, and says so
// in the text. A limit that has no room for the note cuts without one.
func cut(s string, limit int, cost func(rune) int) string {
	sum, end := 0, -1 // end: where the text ends if there has to be a note
	for i, r := range s {
		if end < 0 && sum+cost(r) > limit-noteRoom {
			end = i
		}
		if sum += cost(r); sum > limit {
			break
		}
	}
	switch {
	case sum <= limit:
		return s
	case limit < 2*noteRoom:
		return cutBare(s, limit, cost)
	}
	return s[:end] + fmt.Sprintf("… (%d more characters)", utf8.RuneCountInString(s[end:]))
}

func cutBare(s string, limit int, cost func(rune) int) string {
	sum := 0
	for i, r := range s {
		if sum += cost(r); sum > limit {
			return s[:i]
		}
	}
	return s
}

func total(s string, cost func(rune) int) int {
	sum := 0
	for _, r := range s {
		sum += cost(r)
	}
	return sum
}

// MarshalJSON writes the document that [Webhook] posts:
//
//	{
//	  "schema":       "solotick.notify/v1",
//	  "key":          "canary/ops/firing/2026-01-02T03:04:00Z",  as Key returns it
//	  "kind":         "firing",     firing, reminder, cleared, passed or test
//	  "severity":     "critical",   info, warning, error or critical
//	  "job":          "canary",
//	  "alert":        "ops",
//	  "title":        "3 failed backups",
//	  "text":         "db1\ndb2\ndb3",
//	  "tick":         "2026-01-02T03:04:00Z",
//	  "since":        "2026-01-02T03:00:00Z",  absent: not known
//	  "attempt":      1,
//	  "fence":        1795413939000,           0: unarbitrated
//	  "agent":        "MAWDAHDOQH",
//	  "doubt":        false,
//	  "unarbitrated": false,
//	  "observed":     true,         absent: told by a run; else by who watches the record, and tick is when
//	  "worse":        true          absent: it is not, or is no reminder
//	}
//
// Times are RFC 3339 in UTC. Fields may be added; none changes its meaning.
func (m *Message) MarshalJSON() ([]byte, error) {
	since := ""
	if !m.Since.IsZero() {
		since = rfc3339(m.Since)
	}
	return json.Marshal(struct {
		Schema       string   `json:"schema"`
		Key          string   `json:"key"`
		Kind         Kind     `json:"kind"`
		Severity     Severity `json:"severity"`
		Job          string   `json:"job"`
		Alert        string   `json:"alert"`
		Title        string   `json:"title"`
		Text         string   `json:"text"`
		Tick         string   `json:"tick"`
		Since        string   `json:"since,omitempty"`
		Attempt      int      `json:"attempt"`
		Fence        int64    `json:"fence"`
		Agent        string   `json:"agent"`
		Doubt        bool     `json:"doubt"`
		Unarbitrated bool     `json:"unarbitrated"`
		Observed     bool     `json:"observed,omitempty"`
		Worse        bool     `json:"worse,omitempty"`
	}{
		"solotick.notify/v1", m.Key(), m.Kind, m.Severity, m.Job, m.Alert, m.Title, m.Text,
		rfc3339(m.Tick), since, m.Attempt, m.Fence, m.Agent, m.Doubt, m.Unarbitrated,
		m.Observed, m.Worse,
	})
}
