package monitor

import (
	"fmt"
	"strconv"
	"time"
)

// clock is an epoch second for people.
func clock(sec int64) string {
	if sec < 0 || sec > latest {
		return strconv.FormatInt(sec, 10)
	}
	return time.Unix(sec, 0).UTC().Format("2006-01-02 15:04:05Z")
}

// Distance is a distance in time for people, its sign left out: 90 s, 5 min, 3 h 20 min.
func Distance(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d/time.Minute%60)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// quoted makes an id that comes from outside safe to stand in a sentence.
func quoted(id string) string {
	if idForm.MatchString(id) {
		return id
	}
	if len(id) > 40 {
		id = id[:40] + "..."
	}
	return strconv.QuoteToASCII(id)
}

func reason(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func ticks(n int) string {
	if n == 1 {
		return "1 tick"
	}
	if n >= 1000 {
		return "1000 ticks or more"
	}
	return strconv.Itoa(n) + " ticks"
}

func wasOrWere(n int) string {
	if n == 1 {
		return " was"
	}
	return " were"
}

func themOrIt(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
