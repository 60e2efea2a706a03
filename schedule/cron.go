package schedule

import (
	"math"
	"math/bits"
	"time"
)

// A cron is a parsed cron expression. Its fields are sets of bits, bit n for
// the value n.
//
// "Local" numbers below are a reading of the zone's clock, as if it were UTC:
// seconds, minutes or days since 1970-01-01 00:00.
type cron struct {
	expr                          string
	loc                           *time.Location
	minute, hour, dom, month, dow uint64
	either                        bool // day of month and day of week are both restricted: one of them suffices
	elapsed                       bool // follows elapsed time, not fixed local times
}

const (
	day = 24 * 60 * 60

	// A zone's clock is never as far as this from UTC, in seconds: POSIX allows
	// less than 25 hours, and none has used more than 16.
	maxOffset = 25 * 60 * 60

	// An expression that matches at all does so again within 40 years: a 29
	// February on one weekday, across a century without a leap year.
	horizonMonths = 41 * 12
)

// next returns the first tick after an epoch second, or more than MaxTick.
//
// A fixed local time L ticks at the first instant at which the zone's clock
// shows L or later. This is the instant of L itself, of its first occurrence if
// it has two, and the end of the gap if it has none. An instant at which a clock
// never showed that late before thus ends the search for all L up to there.
func (c *cron) next(after int64) int64 {
	if !c.elapsed {
		return c.first(60 * c.nextMinute(floorDiv(c.latest(after), 60)+1))
	}
	for t := after + 1; t <= MaxTick; {
		_, end, offset := c.segment(t)
		if tick := 60*c.nextMinute(-floorDiv(-t-offset, 60)) - offset; tick < end {
			return tick
		}
		t = end
	}
	return math.MaxInt64
}

// prev returns the latest tick at or before an epoch second, or less than 1.
func (c *cron) prev(at int64) int64 {
	if !c.elapsed {
		return c.first(60 * c.prevMinute(floorDiv(c.latest(at), 60)))
	}
	for t := at; t > 0; {
		start, _, offset := c.segment(t)
		if tick := 60*c.prevMinute(floorDiv(t+offset, 60)) - offset; tick >= start {
			return tick
		}
		t = start - 1
	}
	return 0
}

// first returns the first instant at which the zone's clock shows the given
// local second or later.
func (c *cron) first(local int64) int64 {
	for t := local - maxOffset; ; {
		_, end, offset := c.segment(t)
		if t = max(t, local-offset); t < end {
			return t
		}
		t = end
	}
}

// latest returns the latest local second that the zone's clock has shown up to
// the given instant. It is behind that while the clock repeats an hour.
func (c *cron) latest(t int64) int64 {
	start, _, offset := c.segment(t)
	latest := t + offset
	for oldest := t - 2*maxOffset; start > oldest; {
		t = start - 1
		start, _, offset = c.segment(t)
		latest = max(latest, t+offset)
	}
	return latest
}

// segment returns an interval of instants around t, start included and end not,
// in which the zone's clock is offset seconds ahead of UTC. Neighbouring
// segments may have the same offset.
func (c *cron) segment(t int64) (start, end, offset int64) {
	start, end, offset = bounds(c.loc, t)
	// In the year of a zone's last recorded transition, package time may tell a
	// start before it (America/Ciudad_Juarez 2022). Walk from there to t.
	for start > math.MinInt64 {
		_, next, _ := bounds(c.loc, start)
		if next > t {
			break
		}
		start = next
	}
	return start, end, offset
}

// bounds is [time.Time.ZoneBounds] in epoch seconds.
func bounds(loc *time.Location, t int64) (start, end, offset int64) {
	at := time.Unix(t, 0).In(loc)
	_, seconds := at.Zone()
	from, to := at.ZoneBounds()
	start, end = math.MinInt64, math.MaxInt64
	if !from.IsZero() {
		start = from.Unix()
	}
	if !to.IsZero() {
		end = to.Unix()
	}
	if end <= t {
		// Package time takes every year for 365 days long. On the 366th nothing
		// changes any more before midnight UTC.
		end = (floorDiv(t, day) + 1) * day
	}
	return start, end, int64(seconds)
}

// nextMinute returns the first matching local minute at or after m.
func (c *cron) nextMinute(m int64) int64 {
	d, clock := floorDiv(m, 24*60), int(floorMod(m, 24*60))
	if c.nextDay(d) == d {
		hour := clock / 60
		if minutes := c.minute >> (clock % 60) << (clock % 60); c.hour>>hour&1 != 0 && minutes != 0 {
			return d*24*60 + int64(hour*60+bits.TrailingZeros64(minutes))
		}
		if hours := c.hour >> (hour + 1) << (hour + 1); hours != 0 {
			return d*24*60 + int64(bits.TrailingZeros64(hours)*60+bits.TrailingZeros64(c.minute))
		}
		d++
	}
	return c.nextDay(d)*24*60 + int64(bits.TrailingZeros64(c.hour)*60+bits.TrailingZeros64(c.minute))
}

// prevMinute returns the latest matching local minute at or before m.
func (c *cron) prevMinute(m int64) int64 {
	d, clock := floorDiv(m, 24*60), int(floorMod(m, 24*60))
	if c.prevDay(d) == d {
		hour := clock / 60
		if minutes := c.minute & (2<<(clock%60) - 1); c.hour>>hour&1 != 0 && minutes != 0 {
			return d*24*60 + int64(hour*60+bits.Len64(minutes)-1)
		}
		if hours := c.hour & (1<<hour - 1); hours != 0 {
			return d*24*60 + int64((bits.Len64(hours)-1)*60+bits.Len64(c.minute)-1)
		}
		d--
	}
	return c.prevDay(d)*24*60 + int64((bits.Len64(c.hour)-1)*60+bits.Len64(c.minute)-1)
}

// nextDay returns the first matching local day at or after d; noDay: none.
func (c *cron) nextDay(d int64) int64 {
	year, month, dom := civil(d)
	for range horizonMonths {
		if days := c.days(year, month) >> dom << dom; days != 0 {
			return dayOf(year, month, bits.TrailingZeros64(days))
		}
		if month++; month > time.December {
			year, month = year+1, time.January
		}
		dom = 1
	}
	return noDay
}

// prevDay returns the latest matching local day at or before d; -noDay: none.
func (c *cron) prevDay(d int64) int64 {
	year, month, dom := civil(d)
	for range horizonMonths {
		if days := c.days(year, month) & (2<<dom - 1); days != 0 {
			return dayOf(year, month, bits.Len64(days)-1)
		}
		if month--; month < time.January {
			year, month = year-1, time.December
		}
		dom = 31
	}
	return -noDay
}

// noDay is a day beyond every tick, far enough from overflowing in seconds.
const noDay = math.MaxInt64 / (4 * day)

// days returns the matching days of a month.
func (c *cron) days(year int, month time.Month) uint64 {
	if c.month>>month&1 == 0 {
		return 0
	}
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	length := first.AddDate(0, 1, -1).Day()
	// The week that begins with the weekday of the 1st, five times over, with
	// the 1st at bit 1.
	week := (c.dow>>first.Weekday() | c.dow<<(7-first.Weekday())) & (1<<7 - 1)
	dow := week * (1 | 1<<7 | 1<<14 | 1<<21 | 1<<28) << 1
	days := c.dom & dow
	if c.either {
		days = c.dom | dow
	}
	return days & (2<<length - 1)
}

func civil(d int64) (int, time.Month, int) { return time.Unix(d*day, 0).UTC().Date() }

func dayOf(year int, month time.Month, dom int) int64 {
	return time.Date(year, month, dom, 0, 0, 0, 0, time.UTC).Unix() / day
}
