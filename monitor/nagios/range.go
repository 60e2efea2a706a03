package nagios

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Range is a threshold: it alerts if a value is outside of it, or inside if it
// was written with @. The zero Range never alerts.
type Range struct {
	set        bool
	inside     bool
	start, end float64
}

// ParseRange reads a range in the form of the Monitoring Plugins:
//
//	10       alerts below 0 and above 10
//	10:      alerts below 10
//	~:10     alerts above 10
//	10:20    alerts below 10 and above 20
//	@10:20   alerts from 10 to 20, both included
//
// Numbers are decimal, without an exponent or a unit.
func ParseRange(text string) (Range, error) {
	fail := func(format string, args ...any) (Range, error) {
		return Range{}, fmt.Errorf("range %q: %s; want one such as 10, 10:, ~:10, 10:20 or @10:20", text, fmt.Sprintf(format, args...))
	}
	r := Range{set: true, end: math.Inf(1)}
	bounds, inside := strings.CutPrefix(text, "@")
	r.inside = inside
	start, end, two := strings.Cut(bounds, ":")
	if !two {
		start, end = "", start
	}
	if start == "" && end == "" {
		return fail("no number in it")
	}
	var err error
	switch start {
	case "":
	case "~":
		r.start = math.Inf(-1)
	default:
		if r.start, err = number(start); err != nil {
			return fail("%v", err)
		}
	}
	if end != "" {
		if r.end, err = number(end); err != nil {
			return fail("%v", err)
		}
	}
	if r.start > r.end {
		return fail("it begins at %s and ends at %s", decimal(r.start), decimal(r.end))
	}
	return r, nil
}

// number reads digits, perhaps with a sign before and a fraction behind them.
func number(text string) (float64, error) {
	whole, fraction, dot := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if !digits(whole) || dot && !digits(fraction) {
		return 0, fmt.Errorf("%q is no number", text)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errors.New("a number that is too great")
	}
	return n + 0, nil // no negative zero
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// decimal is a number as plugins write it: never with an exponent.
func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// Alerts says whether the value is one that the range is there to tell of.
func (r Range) Alerts(v float64) bool {
	outside := v < r.start || v > r.end
	return r.set && outside != r.inside
}

// IsZero says whether the range is the one that never alerts.
func (r Range) IsZero() bool { return !r.set }

// String is the shortest text of the range; empty for the zero Range.
func (r Range) String() string {
	if !r.set {
		return ""
	}
	var b strings.Builder
	if r.inside {
		b.WriteByte('@')
	}
	above := math.IsInf(r.end, 1)
	switch {
	case math.IsInf(r.start, -1):
		b.WriteString("~:")
	case r.start != 0 || above:
		b.WriteString(decimal(r.start) + ":")
	}
	if !above {
		b.WriteString(decimal(r.end))
	}
	return b.String()
}

// Thresholds are the ranges of one measure.
type Thresholds struct{ Warn, Crit Range }

// ParseThresholds reads one or two ranges with a comma between them, of which
// either may be missing: "10,20", "10", ",20".
func ParseThresholds(text string) (Thresholds, error) {
	var t Thresholds
	var err error
	warn, crit, two := strings.Cut(text, ",")
	if warn == "" && crit == "" {
		return t, errors.New("no range in it: want WARNING,CRITICAL, of which one may be missing")
	}
	if warn != "" {
		if t.Warn, err = ParseRange(warn); err != nil {
			return Thresholds{}, err
		}
	}
	if two && crit != "" {
		if t.Crit, err = ParseRange(crit); err != nil {
			return Thresholds{}, err
		}
	}
	return t, nil
}

// judge is what the ranges say of a value.
func (t Thresholds) judge(v float64) State {
	switch {
	case t.Crit.Alerts(v):
		return Critical
	case t.Warn.Alerts(v):
		return Warning
	}
	return OK
}
