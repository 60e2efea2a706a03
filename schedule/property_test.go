package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adhocore/gronx"
	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"

	"github.com/solotick/solotick/schedule"
)

// Zones with transitions at night, at midnight, of half an hour, of a whole day,
// in both hemispheres, in the past and by rule, and zones without any.
var zones = []string{
	"UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/Havana", "America/Sao_Paulo",
	"America/Santiago", "America/Ciudad_Juarez", "America/Goose_Bay", "America/Nuuk", "America/Caracas", "Australia/Sydney", "Australia/Lord_Howe", "Asia/Kolkata",
	"Asia/Kathmandu", "Asia/Beirut", "Asia/Gaza", "Asia/Pyongyang", "Africa/Casablanca", "Africa/Cairo", "Africa/Juba",
	"Pacific/Apia", "Pacific/Kwajalein", "Pacific/Chatham", "Antarctica/Troll", "Antarctica/Casey", "America/Asuncion",
}

// A drawnCron is a random expression with the sets that it stands for, made
// together, so that nothing here has to parse.
type drawnCron struct {
	text    string
	values  [5][]int // as matched: Sunday is 0
	star    [5]bool  // is * or */n
	stepped [5]bool  // is */n
	sunday7 bool     // writes Sunday as 7
}

var limits = [5][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}}

// drawCron draws an expression. Restricted days are rare, so that most of them
// tick often.
func drawCron(t *rapid.T) drawnCron {
	c := drawnCron{}
	var words [5]string
	for i, limit := range limits {
		words[i] = c.drawField(t, i, limit[0], limit[1])
	}
	c.text = strings.Join(words[:], " ")
	return c
}

// drawSchedule draws an expression that matches at all.
func drawSchedule(t *rapid.T, loc *time.Location) (drawnCron, schedule.Schedule) {
	c := drawCron(t)
	s, err := schedule.Cron(c.text, loc)
	if err != nil && strings.Contains(err.Error(), "never") && !c.matchesSomeDay() {
		t.Skip("no such day")
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// matchesSomeDay looks at every day of a whole cycle of the calendar.
func (c *drawnCron) matchesSomeDay() bool {
	for day := time.Date(2000, 1, 1, c.values[1][0], c.values[0][0], 0, 0, time.UTC); day.Year() < 2400; day = day.AddDate(0, 0, 1) {
		if c.matches(day) {
			return true
		}
	}
	return false
}

func (c *drawnCron) drawField(t *rapid.T, i, lo, hi int) string {
	label := "field " + strconv.Itoa(i)
	kind := rapid.SampledFrom([]string{"*", "*/n", "list", "list"}).Draw(t, label)
	if i >= 2 {
		kind = rapid.SampledFrom([]string{"*", "*", "*", "*/n", "list"}).Draw(t, label)
	}
	add := func(from, to, step int) {
		for v := from; v <= to; v += step {
			if i == 4 {
				c.values[i] = append(c.values[i], v%7)
			} else {
				c.values[i] = append(c.values[i], v)
			}
		}
	}
	switch kind {
	case "*":
		c.star[i] = true
		add(lo, hi, 1)
		return "*"
	case "*/n":
		c.star[i], c.stepped[i] = true, true
		n := rapid.IntRange(1, hi-lo+1).Draw(t, label)
		add(lo, hi, n)
		return fmt.Sprintf("*/%d", n)
	}
	var terms []string
	for range rapid.IntRange(1, 3).Draw(t, label) {
		top := hi
		if i == 4 {
			top = 7
		}
		from := rapid.IntRange(lo, top).Draw(t, label)
		to := rapid.IntRange(from, top).Draw(t, label)
		step := rapid.IntRange(1, hi-lo+1).Draw(t, label)
		switch rapid.IntRange(0, 2).Draw(t, label) {
		case 0:
			add(from, from, 1)
			terms = append(terms, strconv.Itoa(from))
		case 1:
			add(from, to, 1)
			terms = append(terms, fmt.Sprintf("%d-%d", from, to))
		case 2:
			add(from, to, step)
			terms = append(terms, fmt.Sprintf("%d-%d/%d", from, to, step))
		}
	}
	word := strings.Join(terms, ",")
	c.sunday7 = i == 4 && strings.Contains(word, "7")
	return word
}

// matches tells whether the clock reading (of any zone, taken as it is) matches.
func (c *drawnCron) matches(at time.Time) bool {
	in := func(i, v int) bool { return slices.Contains(c.values[i], v) }
	dom, dow := in(2, at.Day()), in(4, int(at.Weekday()))
	days := dom && dow
	if !c.star[2] && !c.star[4] {
		days = dom || dow
	}
	return days && in(0, at.Minute()) && in(1, at.Hour()) && in(3, int(at.Month()))
}

// instants draws n instants from 1974 to 2110, every second one close to a
// change of the clock in loc.
func instants(t *rapid.T, loc *time.Location, n int) []int64 {
	// rapid prefers small numbers; here all years are as good.
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	first, last := unix(t, "1974-01-01T00:00:00Z"), unix(t, "2110-01-01T00:00:00Z")
	list := make([]int64, n)
	for i := range list {
		list[i] = first + rng.Int64N(last-first)
		if _, end := time.Unix(list[i], 0).In(loc).ZoneBounds(); i%2 == 1 && !end.IsZero() {
			list[i] = end.Unix() + rng.Int64N(2*86400) - 86400
		}
	}
	return list
}

// reading returns what the clock of loc shows at an instant, as if that were UTC.
func reading(at int64, loc *time.Location) int64 {
	_, offset := time.Unix(at, 0).In(loc).Zone()
	return at + int64(offset)
}

// bruteForce returns the ticks in (from, to] by looking at every minute, with the
// rule for days of change told the other way round than in the package: which
// local minutes are new, which are shown again, and which were left out.
func (c *drawnCron) bruteForce(loc *time.Location, from, to int64) []int64 {
	var ticks []int64
	elapsed := c.star[0] || c.star[1]
	shown := map[int64]bool{}
	const lead = 3 * 86400 // long enough to have seen what is shown again
	start := from - from%60 - lead
	before := reading(start, loc) - 60
	for at := start; at <= to; at += 60 {
		now := reading(at, loc)
		hit := false
		if elapsed {
			hit = c.matches(time.Unix(now, 0).UTC())
		}
		for m := min(before+60, now); m <= now && !elapsed; m += 60 {
			hit = hit || !shown[m] && c.matches(time.Unix(m, 0).UTC())
			shown[m] = true
		}
		if hit && at > from {
			ticks = append(ticks, at)
		}
		before = now
	}
	return ticks
}

func TestAgainstBruteForce(t *testing.T) {
	ticks, changes := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		loc := location(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		c, s := drawSchedule(t, loc)
		for _, from := range instants(t, loc, 4) {
			to := from + 2*86400
			if reading(to, loc)-to != reading(from, loc)-from {
				changes++
			}
			want := c.bruteForce(loc, from, to)
			ticks += len(want)
			show := func(at int64) string { return time.Unix(at, 0).In(loc).Format(time.RFC3339) }
			at := from
			for _, tick := range want {
				if got := s.Next(at); got != tick {
					t.Fatalf("%v: Next(%s) = %s, want %s", s, show(at), show(got), show(tick))
				}
				at = tick
			}
			if got := s.Next(at); got <= to {
				t.Fatalf("%v: Next(%s) = %s, where there is none", s, show(at), show(got))
			}
			for at := to; at > from; at -= 421 {
				for len(want) > 0 && want[len(want)-1] > at {
					want = want[:len(want)-1]
				}
				if got := s.Prev(at); len(want) > 0 && got != want[len(want)-1] || len(want) == 0 && got > from {
					t.Fatalf("%v: Prev(%s) = %s, want the last of %v", s, show(at), show(got), want)
				}
			}
		}
	})
	t.Logf("%d ticks, %d windows with a change of the clock", ticks, changes)
	if ticks < 1000 || changes < 20 {
		t.Errorf("too little tried: %d ticks, %d windows with a change of the clock", ticks, changes)
	}
}

// Next grows strictly, Prev is its inverse, and no tick hides between them: at
// any instant of any schedule.
func TestNextAndPrev(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc := location(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		_, s := drawSchedule(t, loc)
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			interval := time.Duration(rapid.Int64Range(1, 400*86400).Draw(t, "interval")) * time.Second
			var err error
			if s, err = schedule.Every(interval, schedule.Offset(rapid.String().Draw(t, "name"), interval)); err != nil {
				t.Fatal(err)
			}
		}
		for _, at := range instants(t, loc, 20) {
			prev, next := s.Prev(at), s.Next(at)
			if prev > at || next <= at {
				t.Fatalf("%v at %d: Prev %d, Next %d", s, at, prev, next)
			}
			for _, between := range []int64{prev, at, next - 1} {
				if between > 0 && (s.Prev(between) != prev || s.Next(between) != next) {
					t.Fatalf("%v at %d: Prev %d, Next %d, but at %d: %d, %d", s, at, prev, next, between, s.Prev(between), s.Next(between))
				}
			}
			if s.Prev(next) != next || prev > 0 && s.Next(prev-1) != prev {
				t.Fatalf("%v: Prev(%d) = %d, Next(%d) = %d", s, next, s.Prev(next), prev-1, s.Next(prev-1))
			}
		}
	})
}

// Two kept parsers agree where the clock never changes. Known differences:
//   - robfig/cron does not know 7 for Sunday, and takes */n for a restriction of a
//     day field, so that it means "either" where crontab(5), gronx and we mean
//     "both"; such expressions are not put to it;
//   - gronx agrees on all fields, but gives up some years ahead;
//   - where the clock changes, both skip local times that do not exist, and
//     robfig/cron runs twice what exists twice.
func TestAgainstOtherParsers(t *testing.T) {
	askedRobfig, askedGronx := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		loc := location(t, rapid.SampledFrom([]string{"UTC", "Asia/Kolkata", "Etc/GMT-14", "Etc/GMT+11"}).Draw(t, "zone"))
		c, s := drawSchedule(t, loc)
		at := time.Unix(instants(t, loc, 1)[0], 0).In(loc)
		got := time.Unix(s.Next(at.Unix()), 0).In(loc)
		if !c.sunday7 && !c.stepped[2] && !c.stepped[4] && got.Sub(at) < 4*365*24*time.Hour {
			askedRobfig++
			other, err := cron.ParseStandard(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if want := other.Next(at); !got.Equal(want) {
				t.Fatalf("%v after %v: got %v, robfig/cron says %v", s, at, got, want)
			}
		}
		if got.Sub(at) < 365*24*time.Hour {
			askedGronx++
			want, err := gronx.NextTickAfter(c.text, at, false)
			if err != nil {
				t.Fatalf("%v after %v: got %v, gronx fails: %v", s, at, got, err)
			}
			if !got.Equal(want) {
				t.Fatalf("%v after %v: got %v, gronx says %v", s, at, got, want)
			}
		}
	})
	t.Logf("asked robfig/cron %d times, gronx %d times", askedRobfig, askedGronx)
	if askedRobfig < 20 || askedGronx < 20 {
		t.Errorf("asked robfig/cron only %d times, gronx %d times", askedRobfig, askedGronx)
	}
}
