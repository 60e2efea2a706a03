package nagios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/monitor"
)

// unknownName is what stands before everything that a plugin says.
const unknownName = "SOLOTICK"

// Report is the output for all results, and the worst state of them. Its first
// line, with the performance data, is what the monitoring system shows; of several
// records each has a line after it. From verbose 1 on the lines after it tell all
// that is known.
func Report(results []Result, verbose int) (text string, worst State) {
	if len(results) == 0 {
		return Failure("there is no record to check"), Unknown
	}
	worst, first := summary(results)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s - %s", unknownName, worst, first)
	var data []string
	for _, r := range results {
		prefix := ""
		if len(results) > 1 {
			prefix = r.who() + "_"
		}
		for _, m := range r.Metrics {
			data = append(data, m.labelled(prefix))
		}
	}
	if len(data) > 0 {
		b.WriteString(" | " + strings.Join(data, " "))
	}
	b.WriteByte('\n')
	for _, r := range results {
		if len(results) > 1 {
			fmt.Fprintf(&b, "[%s] %s %s\n", r.State, plain(r.who()), plain(r.Text))
		}
		if verbose > 0 {
			for _, line := range r.long() {
				b.WriteString("  " + plain(line) + "\n")
			}
		}
	}
	return b.String(), worst
}

// summary is the worst state, and the sentence that says so.
func summary(results []Result) (worst State, text string) {
	var which Result
	count := map[State]int{}
	for _, r := range results {
		count[r.State]++
		if worse := Worse(worst, r.State); worse != worst {
			worst, which = worse, r
		}
	}
	text = plain(which.who()) + " " + plain(which.Text)
	if len(results) == 1 {
		return worst, text
	}
	var counts []string
	for i := len(severity) - 1; i > 0; i-- {
		if n := count[severity[i]]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, string(severity[i])))
		}
	}
	return worst, fmt.Sprintf("%d records: %s; %s", len(results), strings.Join(counts, ", "), text)
}

// Failure is the output if there is nothing to judge: the command line is wrong, or
// something went wrong here.
func Failure(why string) string {
	return unknownName + " " + Unknown.String() + " - " + plain(strings.TrimSpace(why)) + "\n"
}

// who is the job's name, or else the record's.
func (r Result) who() string {
	if r.Item.Job != "" {
		return r.Item.Job
	}
	return r.Item.Name
}

// long is all that is known of a record, a line each.
func (r Result) long() []string {
	item := r.Item
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if item.Job != "" {
		add("record: %s", item.Name)
	}
	if item.LastTick != nil {
		add("last run: %s by %s%s", when(*item.LastTick), item.ID, result(item))
	}
	if item.Next != nil {
		text := "next run: " + when(*item.Next)
		if after := item.NextLate(); after != nil {
			text += ", late after " + when(*after)
		}
		add("%s", text)
	}
	if item.Raw != "" {
		add("text: %s", item.Raw)
	}
	if item.Protection != nil {
		add("protection: %s", item.Protection.Words())
	}
	for _, s := range item.Servers {
		add("seen by %s: %s", s.Addr, seen(s))
	}
	for _, n := range item.Notes {
		if !ofServer(n, item.Servers) {
			add("note: %s", n)
		}
	}
	return all
}

// ofServer says whether a note is about a server that does not show the newest record,
// which that one's own line tells.
func ofServer(note string, servers []monitor.Server) bool {
	return slices.ContainsFunc(servers, func(s monitor.Server) bool { return !s.Newest && strings.Contains(note, s.Addr) })
}

func result(item monitor.Item) string {
	if item.Last == "" {
		return ""
	}
	return ", the latest result is " + string(item.Last)
}

// seen is what a server shows, in a few words.
func seen(s monitor.Server) string {
	if s.Error != "" {
		return "no answer: " + s.Error
	}
	text := s.State
	switch {
	case s.Newest:
		text += ", the newest"
	case s.Behind > 0:
		text += fmt.Sprintf(", %.0f s behind", s.Behind)
	default:
		text += ", something else than the newest"
	}
	if s.Authority {
		return text + fmt.Sprintf(", authoritative, TTL %.0f s", s.TTL)
	}
	text += fmt.Sprintf(", a cache, for %.0f s more", s.TTL)
	if s.Age > 0 {
		text += fmt.Sprintf(", %.0f s old", s.Age)
	}
	return text
}

func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Schema names the form of a [Document].
const Schema = "solotick.check/v1"

// A Document is what "check --json" prints.
type Document struct {
	Schema  string    `json:"schema"`
	Time    time.Time `json:"time"`
	State   State     `json:"state"`
	Code    int       `json:"code"` // the exit code
	Text    string    `json:"text"`
	Records []Checked `json:"records"`
}

// Checked is one record of a [Document].
type Checked struct {
	Name    string           `json:"name"`
	Job     string           `json:"job,omitempty"`
	State   State            `json:"state"`
	Text    string           `json:"text"`
	Health  string           `json:"health,omitempty"` // as elect.Health has it; absent if DNS could not be asked
	AsOf    time.Time        `json:"as_of"`            // the moment that all this is true of
	Old     float64          `json:"old_seconds"`      // for how long before the look that was, at most
	Metrics []Metric         `json:"metrics"`
	Servers []monitor.Server `json:"servers"`
}

// NewDocument is the results of a check as JSON. now is when the records were looked
// at.
func NewDocument(results []Result, now time.Time) Document {
	worst, text := Unknown, "there is no record to check"
	if len(results) > 0 {
		worst, text = summary(results)
	}
	d := Document{Schema: Schema, Time: now.UTC().Truncate(time.Millisecond), State: worst, Code: worst.Code(), Text: text, Records: []Checked{}}
	for _, r := range results {
		d.Records = append(d.Records, Checked{
			Name: r.Item.Name, Job: r.Item.Job, State: r.State, Text: r.Text, Health: string(r.Item.State), AsOf: r.AsOf.UTC().Truncate(time.Millisecond),
			Old: whole(r.Old), Metrics: append([]Metric{}, r.Metrics...), Servers: append([]monitor.Server{}, r.Item.Servers...),
		})
	}
	return d
}
