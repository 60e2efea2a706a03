// Package schedule tells when the ticks of a job fall. Ticks belong to the
// schedule and not to an agent: every agent with the same schedule computes the
// same ticks, whatever machine, start time or version it has, because all of the
// arithmetic and the time zones are in this package.
//
// [Every] with [Offset] is the common case; [Cron] with [Location] is for ticks
// that follow a local clock. [Schedule.Next] and [Schedule.Prev] walk the ticks.
//
// The package knows nothing of what is missed or caught up: that is for package
// elect.
package schedule

import (
	"fmt"
	"hash/fnv"
	"time"
)

// MaxTick is the latest tick of any schedule, in epoch seconds: as far as a
// record can write one.
const MaxTick = 1<<53 - 1

// A Schedule tells when ticks fall. Ticks are whole UTC seconds after the epoch.
// The zero Schedule has no ticks at all.
type Schedule struct {
	interval, offset int64 // seconds, 0 <= offset < interval; 0, 0 unless by Every
	cron             *cron // nil unless by Cron
}

// Every returns the ticks at each multiple of interval since the epoch, plus
// offset. Both are whole seconds; the interval is at least one second and the
// offset not negative and less than the interval.
func Every(interval, offset time.Duration) (Schedule, error) {
	switch {
	case interval < time.Second || interval%time.Second != 0:
		return Schedule{}, fmt.Errorf("every %v: not a whole number of seconds, at least 1s", interval)
	case offset < 0 || offset >= interval || offset%time.Second != 0:
		return Schedule{}, fmt.Errorf("every %v: offset %v: not a whole number of seconds from 0s to under %v", interval, offset, interval)
	}
	return Schedule{interval: int64(interval / time.Second), offset: int64(offset / time.Second)}, nil
}

// Offset returns the offset that follows from a job's name, the same on every
// agent: FNV-1a 64 of the name, modulo the interval in whole seconds. It keeps a
// fleet of jobs from running all at :00. An interval under a second gives 0.
func Offset(name string, interval time.Duration) time.Duration {
	seconds := uint64(max(interval, 0) / time.Second)
	if seconds == 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	return time.Duration(h.Sum64()%seconds) * time.Second
}

// Next returns the first tick strictly after the given epoch second; 0: none.
func (s Schedule) Next(after int64) int64 {
	after = max(after, 0)
	var tick int64
	switch {
	case after >= MaxTick:
		return 0
	case s.interval > 0:
		tick = after + s.interval - floorMod(after-s.offset, s.interval)
	case s.cron != nil:
		tick = s.cron.next(after)
	}
	if tick > MaxTick {
		return 0
	}
	return tick
}

// Prev returns the latest tick at or before the given epoch second; 0: none.
func (s Schedule) Prev(at int64) int64 {
	at = min(at, MaxTick)
	var tick int64
	switch {
	case at <= 0:
		return 0
	case s.interval > 0:
		tick = at - floorMod(at-s.offset, s.interval)
	case s.cron != nil:
		tick = s.cron.prev(at)
	}
	return max(tick, 0)
}

// String returns the schedule for people: "every 1m0s, offset 17s" or
// "*/5 7-19 * * MON-FRI in Europe/Berlin". Schedules with equal texts have equal
// ticks.
func (s Schedule) String() string {
	switch {
	case s.interval > 0:
		return fmt.Sprintf("every %v, offset %v", time.Duration(s.interval)*time.Second, time.Duration(s.offset)*time.Second)
	case s.cron != nil:
		return fmt.Sprintf("%s in %v", s.cron.expr, s.cron.loc)
	}
	return "never"
}

// floorMod returns a modulo n in 0..n-1, also for a negative a.
func floorMod(a, n int64) int64 { return (a%n + n) % n }

// floorDiv returns a/n rounded down, also for a negative a.
func floorDiv(a, n int64) int64 { return (a - floorMod(a, n)) / n }
