package nagios

import (
	"strings"
	"unicode"
)

// A Metric is one measure of a record, as performance data have it.
type Metric struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit,omitempty"`     // s, or none: a number
	Warn   string  `json:"warning,omitempty"`  // the range; absent: none
	Crit   string  `json:"critical,omitempty"` // as Warn
	State  State   `json:"state"`              // what the ranges say of the value
	signed bool    // it may be below 0
}

// The measures. Seconds are whole, and what is printed is what is judged.
const (
	late      = "late"       // seconds for which a run has been due, or a lapsed claim waits for a takeover
	overdue   = "overdue"    // ticks that should have begun and have not
	sinceLast = "since_last" // seconds since the latest tick that was claimed
	untilNext = "until_next" // seconds to when the next run is expected; negative: it is due
	behind    = "behind"     // seconds that the server which is furthest behind shows the record behind the newest
	took      = "time"       // seconds that the answer took
)

// String is the metric as performance data: late=217s;90;180;0.
func (m Metric) String() string { return m.labelled("") }

// labelled is String with a prefix before its name.
func (m Metric) labelled(prefix string) string {
	least := "0"
	if m.signed {
		least = ""
	}
	text := strings.Join([]string{decimal(m.Value) + m.Unit, m.Warn, m.Crit, least}, ";")
	return label(prefix+m.Name) + "=" + strings.TrimRight(text, ";")
}

// label makes a text fit to be a label: = and ' stand for themselves in
// performance data, and white space would need quotes, which not all readers know.
func label(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '=' || r == '\'' || r == '|' || r == ';' || unicode.IsSpace(r) || !unicode.IsGraphic(r) {
			return '_'
		}
		return r
	}, text)
}

// plain makes a text that may come from outside fit for a line of output: a
// vertical bar would begin performance data, and a line end another line.
func plain(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '|':
			return '/'
		case !unicode.IsGraphic(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
