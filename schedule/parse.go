package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Cron returns the ticks of a cron expression on the clock of loc, which comes
// from [Location], so that every agent has the same; nil is UTC.
//
// The expression is five fields, as in crontab(5): minute 0-59, hour 0-23, day
// of month 1-31, month 1-12 or JAN-DEC, day of week 0-7 (0 and 7 are Sunday) or
// SUN-SAT. A field is *, a number or name, a range a-b, with a step */n, a-b/n or
// a/n (from a to the end), or a list of these. @hourly, @daily, @midnight,
// @weekly, @monthly, @yearly and @annually are short for five fields.
//
// If neither day field is * or */n, a day that matches one of them matches; else
// it has to match both.
//
// A local time that does not exist ticks at the first instant after the gap, and
// one that exists twice ticks the first time. But where the minute or the hour
// field is * or */n, ticks follow elapsed time: they fall whenever the clock
// shows a matching time, in a repeated hour again and in a gap not at all.
//
// An expression that never matches is an error.
func Cron(expr string, loc *time.Location) (Schedule, error) {
	c, err := parseCron(expr, loc)
	if err != nil {
		return Schedule{}, fmt.Errorf("cron %q: %w", expr, err)
	}
	return Schedule{cron: c}, nil
}

// A field is one of the five columns of an expression.
type field struct {
	name     string
	min, max int
	names    string // of the values from min on, three letters each
	unit     string // to advise on, as in "every: 90m"
}

var (
	minuteField = field{name: "minute", max: 59, unit: "m"}
	hourField   = field{name: "hour", max: 23, unit: "h"}
	domField    = field{name: "day of month", min: 1, max: 31}
	monthField  = field{name: "month", min: 1, max: 12, names: "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"}
	dowField    = field{name: "day of week", max: 7, names: "SUNMONTUEWEDTHUFRISAT"}
)

func parseCron(expr string, loc *time.Location) (*cron, error) {
	if loc == time.Local {
		return nil, errors.New("the zone of one machine is not that of all agents: use one by name, such as Europe/Berlin")
	}
	if loc == nil {
		loc = time.UTC
	}
	text, err := expand(expr)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(text)
	if len(words) != 5 {
		return nil, countError(words)
	}
	c := &cron{expr: strings.Join(strings.Fields(expr), " "), loc: loc}
	column := 0
	var star [5]bool
	for i, f := range []struct {
		field
		set *uint64
	}{{minuteField, &c.minute}, {hourField, &c.hour}, {domField, &c.dom}, {monthField, &c.month}, {dowField, &c.dow}} {
		column += strings.Index(text[column:], words[i])
		if *f.set, err = f.parse(words[i], column+1); err != nil {
			return nil, fmt.Errorf("field %d (%s), %w", i+1, f.name, err)
		}
		column += len(words[i])
		star[i] = words[i][0] == '*' && !strings.Contains(words[i], ",")
	}
	c.dow = (c.dow | c.dow>>7) & (1<<7 - 1)
	c.elapsed = star[0] || star[1]
	c.either = !star[2] && !star[4]
	if c.nextDay(0) == noDay {
		return nil, fmt.Errorf("never: no such day of month (%s) in that month (%s)", words[2], words[3])
	}
	return c, nil
}

// expand puts five fields in the place of an @ word.
func expand(expr string) (string, error) {
	word := strings.TrimSpace(expr)
	if strings.HasPrefix(word, "TZ=") || strings.HasPrefix(word, "CRON_TZ=") {
		return "", errors.New("a zone in the expression is not supported: set time_zone")
	}
	if !strings.HasPrefix(word, "@") {
		return expr, nil
	}
	switch strings.ToLower(word) {
	case "@hourly":
		return "0 * * * *", nil
	case "@daily", "@midnight":
		return "0 0 * * *", nil
	case "@weekly":
		return "0 0 * * 0", nil
	case "@monthly":
		return "0 0 1 * *", nil
	case "@yearly", "@annually":
		return "0 0 1 1 *", nil
	}
	if interval, ok := strings.CutPrefix(strings.ToLower(word), "@every "); ok {
		return "", fmt.Errorf("@every is not supported: write every: %s instead of cron", strings.TrimSpace(interval))
	}
	return "", errors.New("unknown word: use @hourly, @daily, @midnight, @weekly, @monthly, @yearly or @annually")
}

func countError(words []string) error {
	const want = "want 5 fields: minute, hour, day of month, month, day of week"
	switch len(words) {
	case 0:
		return errors.New("empty: " + want)
	case 6:
		return errors.New("6 fields: there is no field for seconds or years; " + want)
	}
	return fmt.Errorf("%d fields: %s", len(words), want)
}

// parse returns the set that word stands for. column is where it begins in the
// expression, from 1.
func (f field) parse(word string, column int) (uint64, error) {
	var set uint64
	for term := range strings.SplitSeq(word, ",") {
		bits, err := f.term(term)
		if err != nil {
			return 0, fmt.Errorf("column %d: %w", column, err)
		}
		set |= bits
		column += len(term) + 1
	}
	return set, nil
}

// term returns the set of one range with an optional step.
func (f field) term(term string) (uint64, error) {
	span, stepText, stepped := strings.Cut(term, "/")
	fromText, toText, ranged := strings.Cut(span, "-")
	from, to := f.min, f.max
	if f.max == 7 {
		to = 6 // Sunday once
	}
	open := to
	var err error
	switch {
	case span == "*":
	case span == "?":
		return 0, errors.New("? is not supported: write *")
	default:
		if from, err = f.value(fromText); err != nil {
			return 0, err
		}
		to = from
		if ranged {
			if to, err = f.value(toText); err != nil {
				return 0, err
			}
			if to == 0 && from > 0 && f.max == 7 {
				to = 7 // FRI-SUN
			}
			if to < from {
				return 0, fmt.Errorf("%s goes backwards: write %s-%d,%d-%s", span, fromText, open, f.min, toText)
			}
		} else if stepped {
			to = max(to, open)
		}
	}
	step := 1
	if stepped {
		if step, err = f.step(stepText); err != nil {
			return 0, err
		}
	}
	var set uint64
	for v := from; v <= to; v += step {
		set |= 1 << v
	}
	return set, nil
}

// value returns the number or name in text.
func (f field) value(text string) (int, error) {
	if i := strings.Index(f.names, strings.ToUpper(text)); len(text) == 3 && i >= 0 && i%3 == 0 {
		return f.min + i/3, nil
	}
	v, err := strconv.ParseUint(text, 10, 64)
	switch {
	case text == "":
		return 0, errors.New("a value is missing")
	case errors.Is(err, strconv.ErrSyntax) && f.names != "":
		return 0, fmt.Errorf("%q is neither a number in %d-%d nor one of %s", text, f.min, f.max, f.spelled())
	case errors.Is(err, strconv.ErrSyntax):
		return 0, fmt.Errorf("%q is no number in %d-%d", text, f.min, f.max)
	case err != nil || v < uint64(f.min) || v > uint64(f.max):
		return 0, fmt.Errorf("%s is not in %d-%d", text, f.min, f.max)
	}
	return int(v), nil
}

func (f field) spelled() string {
	return f.names[:3] + ".." + f.names[len(f.names)-3:]
}

// step returns the n of /n. One that exceeds the whole field would not do what
// it says: */90 minutes is every hour.
func (f field) step(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	most := f.max - f.min + 1
	if f.max == 7 {
		most = 7
	}
	switch {
	case err == nil && n >= 1 && n <= uint64(most):
		return int(n), nil
	case err == nil && n > uint64(most) && f.unit != "":
		return 0, fmt.Errorf("step /%s is not in 1-%d: write every: %s%s instead of cron", text, most, text, f.unit)
	}
	return 0, fmt.Errorf("step /%s is not in 1-%d", text, most)
}
