package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// A period is a number with a word, in the ways that people write it.
var (
	bare   = regexp.MustCompile(`^\d+$`)
	period = regexp.MustCompile(`^(\d+)\s*([a-zA-Z]+)$`)
)

// parseDuration reads 500ms, 60s, 5m, 1h30m.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err == nil && d < 0:
		return 0, problem{"is negative", ""}
	case err == nil && (text == "0" || text == "+0" || text[0] == '+' || text[0] == '-'):
	case err == nil:
		return d, nil
	}
	return 0, problem{"is not a duration", durationHint(text)}
}

func durationHint(text string) string {
	general := "a duration is a number with its unit: 500ms, 60s, 5m, 1h30m"
	if bare.MatchString(text) {
		return fmt.Sprintf("a unit is missing: %ss?", text)
	}
	m := period.FindStringSubmatch(text)
	if m == nil {
		return general
	}
	var unit time.Duration
	switch word := strings.ToLower(m[2]); {
	case strings.HasPrefix("milliseconds", word) && len(word) > 2, word == "msec", word == "msecs":
		unit = time.Millisecond
	case strings.HasPrefix("seconds", word), word == "secs":
		unit = time.Second
	case strings.HasPrefix("minutes", word), word == "mins":
		unit = time.Minute
	case strings.HasPrefix("hours", word), word == "hr", word == "hrs":
		unit = time.Hour
	case strings.HasPrefix("days", word):
		unit = 24 * time.Hour
	case strings.HasPrefix("weeks", word):
		unit = 7 * 24 * time.Hour
	default:
		return general
	}
	n, err := time.ParseDuration(m[1] + "h") // the number alone, bounded
	if err != nil || n/time.Hour > 10_000 {
		return general
	}
	return "write " + short(n/time.Hour*unit)
}

// short writes a duration as a file would: 1m, not 1m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
