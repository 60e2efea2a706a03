// Package report is what an agent tells of one run: what the record in DNS has no
// room for, such as how long it took, how its command ended and what it printed.
//
// An agent hands each [Report] to a [Sender], which posts it in the background and
// never makes a run or the end of the program wait. Who receives reports calls
// [Read] with the request: it proves who sent it, bounds what is taken in, and
// returns a Report that has been checked, or an [Error] with an HTTP status. Read
// also understands what the agents of 2022 (sync-agents-over-dns) posted.
//
// Reports are for people. Nothing depends on them: one may be lost, arrive twice
// ([Report.Key]) or late, and none is asked for when it is decided who runs a tick.
// The package keeps nothing, and serves nothing.
//
// Everything in a report comes from another machine. It is bounded, but not safe to
// show: who shows it escapes it.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/solotick/solotick/record"
)

// Schema is the version of a report's JSON: docs/solotick-report.schema.json.
const Schema = "solotick.report/v1"

// The most that a report has, in bytes. [Report.Clip] cuts what is longer.
const (
	MaxBody   = 128 << 10 // all of it, as JSON
	MaxOutput = 4 << 10
	MaxError  = 1 << 10
	MaxNote   = 200
	MaxSteps  = 101 // those of a job, and on_failure

	maxName  = 253
	maxShort = 64
)

// A Report tells of one run. Its JSON is what is sent.
type Report struct {
	Schema string `json:"schema"` // [Schema]; empty: [Original]
	// Record is the name of the job's record, in small letters and without the last
	// dot: what tells jobs apart. Empty only if the sender is Original.
	Record  string    `json:"record"`
	Job     string    `json:"job,omitempty"`
	Tick    time.Time `json:"tick"`
	Next    time.Time `json:"next,omitzero"` // the tick after it, if the sender knows one
	Attempt int       `json:"attempt"`       // from 1
	Fence   int64     `json:"fence,omitempty"`
	Agent   string    `json:"agent"`
	Began   time.Time `json:"began,omitzero"` // by the register's time
	Ended   time.Time `json:"ended,omitzero"`
	TookMS  float64   `json:"took_ms"`
	LagMS   float64   `json:"lag_ms"` // how long after its tick it began
	// Result is how it ended: ok, failed, timeout, lost, replaced or skipped, as in
	// the record. Empty: the sender does not tell.
	Result record.Result `json:"result,omitempty"`
	// Code is the exit code of the latest command, 128 and the number of a signal
	// that ended it, or -1 if its end was not seen; nil: there was no command.
	Code   *int   `json:"code,omitempty"`
	Error  string `json:"error,omitempty"`
	Output string `json:"output,omitempty"` // the end of what the latest command printed
	Steps  []Step `json:"steps,omitempty"`
	// Unarbitrated: the register was away, and others may have run the tick too.
	Unarbitrated bool   `json:"unarbitrated,omitempty"`
	TraceID      string `json:"trace_id,omitempty"` // 32 hexadecimal digits

	// Original says that one of the agents of 2022 sent it: it has Agent, Tick and
	// Next alone.
	Original bool `json:"-"`
}

// A Step is how one step of a run ended.
type Step struct {
	ID     string  `json:"id"`     // as the file calls it, or its number
	Kind   string  `json:"kind"`   // http, exec, alert or set
	Result string  `json:"result"` // ok, failed, timeout or skipped
	TookMS float64 `json:"took_ms"`
	Note   string  `json:"note,omitempty"`
}

// Millis is a duration as reports have it: to the microsecond.
func Millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Key is the same for a report that arrives twice, and for no other run.
func (r *Report) Key() string {
	return strings.Join([]string{
		r.Record, r.Job, strconv.FormatInt(r.Tick.Unix(), 10), strconv.Itoa(r.Attempt),
		strconv.FormatInt(r.Fence, 10), r.Agent, strconv.FormatBool(r.Unarbitrated),
	}, " ")
}

// Clip cuts what is longer than a report may have: of the output the beginning, of
// everything else the end. Times are UTC afterwards, to the millisecond.
func (r *Report) Clip() {
	r.Schema = Schema
	for _, t := range []*time.Time{&r.Tick, &r.Next, &r.Began, &r.Ended} {
		if !t.IsZero() {
			*t = t.UTC().Truncate(time.Millisecond)
		}
	}
	r.Error = head(r.Error, MaxError)
	r.Output = tail(r.Output, MaxOutput)
	r.Steps = r.Steps[:min(len(r.Steps), MaxSteps)]
	for i := range r.Steps {
		r.Steps[i].Note = head(r.Steps[i].Note, MaxNote)
	}
}

// encode is the report as it is sent. What is left out of one that JSON makes too
// long is what is most easily done without.
func (r *Report) encode() ([]byte, error) {
	r.Clip()
	for _, less := range []func(){func() {}, func() { r.Steps = nil }, func() { r.Output, r.Error = "", "" }} {
		less()
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(r); err != nil {
			return nil, err
		}
		if b.Len() <= MaxBody {
			return bytes.TrimSpace(b.Bytes()), r.Check()
		}
	}
	return nil, errors.New("it is too long")
}

const cutMark = "..."

// head is the beginning of a text.
func head(text string, most int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= most {
		return text
	}
	end := most - len(cutMark)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cutMark
}

// tail is the end of a text, with a line about what is missing.
func tail(text string, most int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= most {
		return text
	}
	const notice = "[... what came before is left out ...]\n"
	from := len(text) - (most - len(notice))
	for from < len(text) && !utf8.RuneStart(text[from]) {
		from++
	}
	return notice + text[from:]
}

// Parse reads the JSON of a report, or of what the agents of 2022 posted, and
// checks it. The error is an [*Error].
func Parse(body []byte) (Report, error) {
	if len(body) > MaxBody {
		return Report{}, fail(tooLarge, "a report has at most %d bytes", MaxBody)
	}
	var kind struct {
		Schema *string `json:"schema"`
	}
	if err := json.Unmarshal(body, &kind); err != nil {
		return Report{}, fail(badRequest, "want a JSON object: %s", reason(err))
	}
	switch {
	case kind.Schema == nil:
		r, _, err := parseOriginal(body)
		return r, err
	case *kind.Schema != Schema:
		return Report{}, fail(badRequest, "schema %.40q is not known here, which knows %s", *kind.Schema, Schema)
	}
	var r Report
	if err := json.Unmarshal(body, &r); err != nil {
		return Report{}, fail(badRequest, "%s", reason(err))
	}
	if err := r.Check(); err != nil {
		return Report{}, fail(badRequest, "%s", err)
	}
	r.Record = strings.ToLower(strings.TrimSuffix(r.Record, "."))
	for _, t := range []*time.Time{&r.Tick, &r.Next, &r.Began, &r.Ended} {
		*t = t.UTC()
	}
	return r, nil
}

// reason is what is wrong with JSON, in words that tell nothing of Go.
func reason(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var moment *time.ParseError
	switch {
	case errors.As(err, &moment):
		return fmt.Sprintf("%.60q is no time as in 2026-01-02T15:04:05Z", moment.Value)
	case errors.As(err, &syntax):
		return fmt.Sprintf("not JSON, at byte %d", syntax.Offset)
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Sprintf("%s cannot be a %s", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return "got a " + kind.Value
	}
	return "a value is not what it has to be"
}

var (
	dnsName  = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.?$`)
	agentID  = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)
	traceID  = regexp.MustCompile(`^[0-9a-f]{32}$`)
	maxTime  = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	results  = []record.Result{record.None, record.OK, record.Failed, record.Timeout, record.Lost, record.Replaced, record.Skipped}
	outcomes = []string{"ok", "failed", "timeout", "skipped"}
)

// Check says what no report can have.
func (r *Report) Check() error {
	var errs []error
	bad := func(is bool, format string, args ...any) {
		if is && len(errs) < 5 {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	number := func(f float64) bool { return f-f == 0 && f >= -1e12 && f <= 1e12 }
	bad(!r.Original && (r.Record == "" || len(r.Record) > maxName || !dnsName.MatchString(r.Record)), "record %.60q is no DNS name", r.Record)
	bad(len(r.Job) > maxShort, "job is longer than %d bytes", maxShort)
	bad(!agentID.MatchString(r.Agent), "agent %.60q is no id of an agent", r.Agent)
	bad(r.Tick.Unix() <= 0 || r.Tick.After(maxTime) || r.Tick.Nanosecond() != 0, "tick is no whole second after 1970")
	for _, t := range []time.Time{r.Next, r.Began, r.Ended} {
		bad(!t.IsZero() && (t.Unix() <= 0 || t.After(maxTime)), "a time is not after 1970")
	}
	bad(r.Attempt < 1 || r.Attempt > math.MaxInt32, "attempt %d: they are counted from 1", r.Attempt)
	bad(r.Fence < 0 || r.Fence > 1<<53-1, "fence %d: want 0 to 2^53-1", r.Fence)
	bad(!number(r.TookMS) || r.TookMS < 0, "took_ms: want 0 or more")
	bad(!number(r.LagMS), "lag_ms is out of all bounds")
	bad(!slices.Contains(results, r.Result), "result %.20q is none", r.Result)
	bad(r.Code != nil && (*r.Code < -1 || int64(*r.Code) > math.MaxUint32), "code is none")
	bad(len(r.Error) > MaxError, "error is longer than %d bytes", MaxError)
	bad(len(r.Output) > MaxOutput, "output is longer than %d bytes", MaxOutput)
	bad(r.TraceID != "" && !traceID.MatchString(r.TraceID), "trace_id: want 32 hexadecimal digits")
	bad(len(r.Steps) > MaxSteps, "more than %d steps", MaxSteps)
	for i := range r.Steps[:min(len(r.Steps), MaxSteps)] {
		s := &r.Steps[i]
		bad(s.ID == "" || len(s.ID) > maxShort || len(s.Kind) > maxShort, "step %d: id and kind have from 1 to %d bytes", i+1, maxShort)
		bad(!slices.Contains(outcomes, s.Result), "step %d: result %.20q is none", i+1, s.Result)
		bad(!number(s.TookMS) || s.TookMS < 0, "step %d: took_ms: want 0 or more", i+1)
		bad(len(s.Note) > MaxNote, "step %d: note is longer than %d bytes", i+1, MaxNote)
	}
	return errors.Join(errs...)
}
