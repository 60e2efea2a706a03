package conformance

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/register"
)

// Schema names the form of a Report as JSON.
const Schema = "solotick.conformance/v1"

// A Verdict is how one check went.
type Verdict string

// The verdicts, in the words of doctor.
const (
	Passed  Verdict = "ok"
	Advice  Verdict = "advice" // it works, and somebody should know this
	Failed  Verdict = "failed"
	Skipped Verdict = "skipped"
)

// A Result is what one check has found.
type Result struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"result"`
	Text    string  `json:"text"`
	Do      string  `json:"to_do,omitempty"` // what to do about it, if it is known
}

// A Report is all that a run has found. Its parts are nil where it did not come so
// far.
type Report struct {
	Schema      string         `json:"schema"`
	Provider    string         `json:"provider"`
	Class       register.Class `json:"class"`
	Zone        string         `json:"zone,omitempty"`
	Name        string         `json:"name,omitempty"` // of the scratch record
	Version     string         `json:"version,omitempty"`
	Began       time.Time      `json:"began"`
	Took        Seconds        `json:"took_seconds"`
	Passed      bool           `json:"passed"`
	Interrupted bool           `json:"interrupted"`
	Slow        bool           `json:"slow"` // so that less was tried than usual
	Checks      []Result       `json:"checks"`

	Swaps     *Race        `json:"swaps,omitempty"`
	Creates   *Race        `json:"creates,omitempty"`
	Reads     *Reads       `json:"reads,omitempty"`
	Lost      *Lost        `json:"lost_replies,omitempty"`
	Texts     []Text       `json:"texts,omitempty"`
	DNS       *Propagation `json:"dns,omitempty"`
	Time      *Time        `json:"time,omitempty"`
	Rate      *Rate        `json:"rate,omitempty"`
	Leftovers []Leftover   `json:"left_over,omitempty"`

	stopped string // the check in which nothing more could be tried
	err     error  // why
}

// Err is why a run could not go on; nil: it came to its end.
func (r Report) Err() error { return r.err }

// Conclusive says whether a run has found out anything about the register that is
// worth remembering: it has passed, or failed for another reason than that it could
// not go on.
func (r Report) Conclusive() bool {
	return r.Passed || slices.ContainsFunc(r.Checks, func(c Result) bool {
		return c.Verdict == Failed && c.Check != r.stopped && c.Check != checkCleanUp
	})
}

// A Race is rounds in each of which several clients swapped one record. The first
// six are numbers of rounds and add up to Rounds.
type Race struct {
	OneWinner      int `json:"one_winner"`
	NoWinner       int `json:"no_winner"`       // all were refused, and nothing was applied
	SeveralWinners int `json:"several_winners"` // more than one was applied
	Denied         int `json:"denied"`          // one was applied, and its client was told that it was not
	Vanished       int `json:"vanished"`        // one was acknowledged, and not to be found then
	NotHeld        int `json:"not_held"`        // fewer than two took part, such as after too many requests

	Rounds           int    `json:"rounds"`
	Racers           int    `json:"racers"`
	Conflicts        int    `json:"conflicts"`         // swaps, as the following
	Uncertain        int    `json:"uncertain"`         // of which nothing was known before reading
	UncertainApplied int    `json:"uncertain_applied"` // of those
	NotSent          int    `json:"not_sent"`
	P50              Millis `json:"p50_ms"` // of a swap in the middle of others
	Max              Millis `json:"max_ms"`
}

// Reads is how acknowledged swaps were seen by another client.
type Reads struct {
	Loads   int    `json:"loads"`
	Stale   int    `json:"stale"` // that showed what was there before
	Longest Millis `json:"longest_ms"`
	Never   int    `json:"never"` // swaps that were not shown for as long as it was waited
	Wrong   int    `json:"wrong"` // that showed what nobody had written
	// OddResults are swaps that returned something else than what a Load gives.
	OddResults int    `json:"odd_results"`
	Refused    int    `json:"refused"`     // swaps that conflicted although nobody else wrote
	Denied     int    `json:"denied"`      // of these, that were applied
	P50        Millis `json:"swap_p50_ms"` // of a swap by itself
	Max        Millis `json:"swap_max_ms"`
}

// Lost is how swaps ended whose caller gave up in the middle.
type Lost struct {
	Cuts      int `json:"cuts"`
	Done      int `json:"done"` // it was too late to give up
	NotSent   int `json:"not_sent"`
	Uncertain int `json:"uncertain"`
	Applied   int `json:"applied"` // of the uncertain ones
	Late      int `json:"late"`    // of these, after somebody had already looked
	Wrong     int `json:"wrong"`   // ended in something that must not be
}

// A Text is one text and whether it came back as it was.
type Text struct {
	What      string `json:"what"`
	Essential bool   `json:"essential"` // agents write such texts
	OK        bool   `json:"ok"`
	Found     string `json:"found,omitempty"` // what became of it
}

// Propagation is how writes got into DNS.
type Propagation struct {
	Writes  int    `json:"writes"`
	Shown   int    `json:"shown"`
	P50     Millis `json:"p50_ms"` // from the acknowledgement until a look showed it
	Max     Millis `json:"max_ms"`
	Looks   int    `json:"looks"`
	Failed  int    `json:"looks_failed"`
	None    int    `json:"looks_without_value"` // although there was one all the time
	Several int    `json:"looks_with_several_values"`
	Unknown int    `json:"looks_with_unwritten_value"`
}

// Time is what the register tells of the time.
type Time struct {
	Present      bool    `json:"present"`
	WholeSeconds bool    `json:"whole_seconds"`
	Offset       float64 `json:"offset_seconds"` // of this machine's clock: positive is ahead
	Spread       float64 `json:"spread_seconds"` // by which the register's answers disagree
	Samples      int     `json:"samples"`
}

// Rate is what it costs.
type Rate struct {
	Sent      int64   `json:"requests_sent"` // in the whole run so far
	PerSwap   float64 `json:"per_swap"`
	PerLoad   float64 `json:"per_load"`
	Throttled int     `json:"throttled"` // operations
	NotSent   int     `json:"not_sent"`  // throttled and others, known not to be applied
	// Hour is an estimate for one job every minute with three agents: two swaps a
	// tick, and from each agent a Load every ten minutes.
	Hour float64 `json:"requests_per_hour"`
}

// A Leftover is a record that could not be removed.
type Leftover struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Millis is a duration that is a number of milliseconds in JSON.
type Millis time.Duration

// MarshalJSON returns milliseconds, to a tenth.
func (m Millis) MarshalJSON() ([]byte, error) {
	return json.Marshal(math.Round(time.Duration(m).Seconds()*1e4) / 10)
}

func (m Millis) String() string {
	d := time.Duration(m)
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
}

// Seconds is a duration that is a number of seconds in JSON.
type Seconds time.Duration

// MarshalJSON returns seconds, to a tenth.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(math.Round(time.Duration(s).Seconds()*10) / 10)
}

// WithoutZone is the report with another name in the place of the zone's, wherever
// it stands.
func (r Report) WithoutZone() Report {
	if r.Zone == "" {
		return r
	}
	zone := regexp.MustCompile("(?i)" + regexp.QuoteMeta(r.Zone))
	hide := func(s string) string { return zone.ReplaceAllLiteralString(s, "zone.example") }
	r.Zone, r.Name = hide(r.Zone), hide(r.Name)
	r.Checks = slices.Clone(r.Checks)
	for i, c := range r.Checks {
		r.Checks[i].Text, r.Checks[i].Do = hide(c.Text), hide(c.Do)
	}
	r.Texts = slices.Clone(r.Texts)
	for i, t := range r.Texts {
		r.Texts[i].Found = hide(t.Found)
	}
	r.Leftovers = slices.Clone(r.Leftovers)
	for i, l := range r.Leftovers {
		r.Leftovers[i] = Leftover{hide(l.Name), hide(l.Why)}
	}
	return r
}

// Outcome is the report in a few words.
func (r Report) Outcome() string {
	switch {
	case r.Passed:
		return "passed"
	case r.Interrupted:
		return "interrupted"
	case r.Conclusive():
		return "failed"
	}
	return "not finished"
}

// Text is the report for people, on lines of any length.
func (r Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "conformance of %s (class %s) in %s: %s\n", r.Provider, r.Class, r.Zone, r.Outcome())
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-7s %-12s %s\n", c.Verdict, c.Check, c.Text)
		if c.Do != "" {
			fmt.Fprintf(&b, "%21sto do: %s\n", "", c.Do)
		}
	}
	b.WriteString(r.footer())
	return b.String()
}

// Markdown is the report to be pasted into an issue.
func (r Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### Conformance of `%s` (class %s): %s\n\n| check | result | found |\n| --- | --- | --- |\n", r.Provider, r.Class, r.Outcome())
	for _, c := range r.Checks {
		text := cell(c.Text)
		if c.Do != "" {
			text += "<br>to do: " + cell(c.Do)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Check, c.Verdict, text)
	}
	fmt.Fprintf(&b, "\n%s", cell(r.footer()))
	return b.String() + "\n"
}

func (r Report) footer() string {
	version := r.Version
	if version == "" {
		version = "solotick"
	}
	return fmt.Sprintf("%s, %s, %.0f s, scratch record %s\n", version, r.Began.UTC().Format(time.RFC3339), time.Duration(r.Took).Seconds(), r.Name)
}

var markup = strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "\r", "", "\n", " ")

// cell is a text that Markdown takes for nothing but a text.
func cell(text string) string { return markup.Replace(strings.TrimSpace(text)) }
