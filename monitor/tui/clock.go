package tui

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// A clock tells times in the zone that the reader has chosen.
type clock struct {
	now  time.Time
	zone *time.Location
}

// at is a moment: the time of day, with the date where that is not today's.
func (c clock) at(t time.Time) string {
	t = t.In(c.zone)
	if t.Format(time.DateOnly) == c.now.In(c.zone).Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

func (c clock) epoch(sec int64) string { return c.at(time.Unix(sec, 0)) }

// name is how the zone is called now. Where it has no name that is its offset.
func (c clock) name() string {
	name, _ := c.now.In(c.zone).Zone()
	if name == "" || strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
		return "UTC" + c.now.In(c.zone).Format("-07:00")
	}
	return name
}

var moment = regexp.MustCompile(`(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\dZ`)

// retell has the moments of a sentence, which are in UTC, in the reader's zone.
func (c clock) retell(text string) string {
	return moment.ReplaceAllStringFunc(text, func(m string) string {
		full := m
		if len(m) == len("15:04:05Z") {
			full = c.now.UTC().Format(time.DateOnly) + " " + m
		}
		t, err := time.Parse("2006-01-02 15:04:05Z", full)
		if err != nil {
			return m
		}
		return c.at(t)
	})
}

// countdown is a distance in time as a clock shows it, negative for what is over.
func countdown(d time.Duration) string {
	sign := ""
	d = d.Round(time.Second)
	if d < 0 {
		sign, d = "-", -d
	}
	s := int64(d / time.Second)
	switch {
	case s < 3600:
		return fmt.Sprintf("%s%02d:%02d", sign, s/60, s%60)
	case s < 48*3600:
		return fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%s%d days", sign, s/86400)
}

// brief is a duration in few characters: "0 s", "1.2 s", "45 s", "8 min", "3 h". What
// was seen in DNS is whole seconds, and is not told more exactly.
func brief(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + brief(-d)
	case d < time.Second && d > 0:
		return fmt.Sprintf("%d ms", max(d/time.Millisecond, 1))
	case d%time.Second == 0 && d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// fromNow says how far away a moment is, and on which side.
func (c clock) fromNow(t time.Time) string {
	d := t.Sub(c.now).Round(time.Second)
	if d < 0 {
		return brief(-d) + " ago"
	}
	return "in " + brief(d)
}

// lagText is how late a run began. DNS tells it in whole seconds.
func lagText(d time.Duration) string {
	if d == 0 {
		return "<1 s"
	}
	return brief(d)
}
