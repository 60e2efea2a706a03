package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

// An explained is what follows from the file for one job.
type explained struct {
	Job              string      `json:"job"`
	Record           string      `json:"record"`
	Schedule         string      `json:"schedule"`
	Ticks            []time.Time `json:"ticks"` // the next three
	TicksPerDay      float64     `json:"ticks_per_day"`
	WritesPerDay     float64     `json:"writes_per_day"`         // of all agents together, without retries and renewals
	QuestionsPerDay  float64     `json:"questions_per_day"`      // of each agent, at most
	WorstTakeover    float64     `json:"worst_takeover_seconds"` // 0: nobody is taken over
	Protection       string      `json:"protection,omitempty"`   // sealed, signed, or both
	RecordBytes      int         `json:"record_bytes"`           // idle
	RecordBytesClaim int         `json:"record_bytes_claimed"`   // the longest that an agent writes, without a state
	RecordStrings    int         `json:"record_strings"`         // of 255 bytes that this takes
	Guarantee        string      `json:"guarantee"`
	Elsewhere        bool        `json:"elsewhere"` // it is of the list that jobs_from: names

	Steps          []explainedStep `json:"steps"`
	AlertBytes     int             `json:"alert_state_bytes"` // of the record's state that its alerts may need
	StateBytesLeft int             `json:"state_bytes_left"`  // for set: and SOLOTICK_STATE; 0 for at-most-once, which has no state
	Told           []namedNotifier `json:"told"`

	Notes []string `json:"notes"`
}

// explainJob works out what follows for a job, with agents whose id has a prefix
// of so many bytes, and keys.
func explainJob(j config.Job, known []namedNotifier, prefix int, keys *seal.Ring, now time.Time) explained {
	p := policyOf(j)
	e := explained{Job: j.Name, Record: j.Record, Schedule: j.Schedule.String(), Guarantee: j.Guarantee, Notes: notes(j, p, now)}
	e.explainPlan(j.Plan, known)
	for t := j.Schedule.Next(now.Unix()); t != 0 && len(e.Ticks) < 3; t = j.Schedule.Next(t) {
		e.Ticks = append(e.Ticks, time.Unix(t, 0).UTC())
	}
	e.TicksPerDay = ticksPerDay(p.Schedule, now)
	e.WritesPerDay = 2 * e.TicksPerDay
	if p.AtMostOnce {
		e.WritesPerDay = e.TicksPerDay
	} else {
		e.WorstTakeover = elect.WorstTakeover(p).Seconds()
	}
	e.QuestionsPerDay = 86400/p.PollMin.Seconds() + e.TicksPerDay
	r := record.Record{
		ID:    strings.Repeat("A", 10+prefix),
		Timer: now.Unix(), TimerOld: now.Unix(), Seq: now.UnixMilli(), Last: record.OK,
	}
	e.Protection = protects(keys)
	none := record.ReadAs(keys.Form(j.Record), nil, 0)
	written := func(r record.Record) int { return len(none.With(r)[0]) }
	e.RecordBytes = written(r)
	r.Claimed, r.Until, r.Lease, r.Last = true, r.Timer, int64(p.Lease/time.Second), record.Replaced
	if p.Runs() > 1 {
		r.Try = p.Runs()
	}
	if !p.AtMostOnce {
		e.RecordBytesClaim = written(r)
	}
	e.RecordStrings = (max(e.RecordBytes, e.RecordBytesClaim) + 254) / 255
	return e
}

// ticksPerDay is the mean over the next four weeks; of a dense schedule, over
// the next day.
func ticksPerDay(s elect.Schedule, now time.Time) float64 {
	from := now.Unix()
	n := 0
	for t := s.Next(from); t != 0 && t <= from+28*86400; t = s.Next(t) {
		if t > from+86400 && n > 1000 {
			return float64(n)
		}
		n++
	}
	return float64(n) / 28
}

// notes are where a tick may run late, twice or not at all.
func notes(j config.Job, p elect.Policy, now time.Time) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	next := p.Schedule.Next(now.Unix())
	interval := time.Duration(p.Schedule.Next(next)-next) * time.Second
	if p.AtMostOnce {
		add("no tick runs twice; one is lost if its agent dies during the run, or does not learn in time that it may run")
		add("a run is ended %s before the next tick", seconds(p.Skew))
		return out
	}
	add("a tick runs twice if its agent dies, or cannot report, after the work and before its claim lapses: make the work idempotent by SOLOTICK_TICK")
	switch {
	case p.WithoutRegister == elect.WithoutWait:
		add("no run starts while the register cannot be reached (without_register: wait)")
	case p.WithoutRegister == elect.WithoutAlways:
		add("while the register cannot be reached, every agent that sees nobody run a tick runs it, also without DNS (without_register: always)")
	default:
		add("while the register cannot be reached but DNS answers, several agents may run one tick (without_register: dns)")
	}
	switch worst := elect.WorstTakeover(p); {
	case interval > 0 && interval < worst:
		add("ticks are %s apart, a takeover may need %s: ticks that fall due meanwhile follow catch_up: %s", seconds(interval), seconds(worst), j.CatchUp)
	}
	switch {
	case p.Timeout == 0:
		add("no timeout: a run that hangs keeps the job for as long as its agent lives")
	case interval > 0 && p.Timeout > interval:
		add("the timeout, %s, is longer than the %s between ticks; what falls due meanwhile: overlap: %s", seconds(p.Timeout), seconds(interval), j.Overlap)
	}
	if p.Attempts > 1 {
		add("a failed run is tried %d times in all, the second %s after the first; other agents than the one that failed see that up to %s later",
			p.Attempts, seconds(elect.BackOff(1)), seconds(p.PollMax))
	}
	return out
}

func (e explained) write(b *strings.Builder, p elect.Policy, now time.Time) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(b, "  %-10s %s\n", what, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(b, "\n%s%s\n", e.Job, map[bool]string{true: ", of the list elsewhere"}[e.Elsewhere])
	line("schedule", "%s", e.Schedule)
	var ticks []string
	for _, t := range e.Ticks {
		ticks = append(ticks, moment(t.Unix(), now))
	}
	line("ticks", "%s ... %s a day", strings.Join(ticks, "  "), count(e.TicksPerDay))
	if e.RecordBytesClaim > 0 {
		line("record", "%s", e.size())
		line("takeover", "at most %s after the last renewal of an agent that vanished, round trips and DNS lag not counted:", seconds(elect.WorstTakeover(p)))
		line("", "max(lease/3, head_start+spread) %s + lease %s + margin %s + spread %s",
			seconds(max(p.Lease/3, p.HeadStart+p.Spread)), seconds(p.Lease), seconds(elect.Margin(p.Lease)), seconds(p.Spread))
		line("writes", "%s a day by all agents together, and one more for each %s of a longer run", count(e.WritesPerDay), seconds(p.Lease/3))
	} else {
		line("record", "%s", e.size())
		line("takeover", "none: at most once")
		line("writes", "%s a day by all agents together", count(e.WritesPerDay))
	}
	e.writePlan(line)
	line("questions", "at most %s a day by each agent, to DNS", count(e.QuestionsPerDay))
	for i, n := range e.Notes {
		line([]string{"notes", ""}[min(i, 1)], "- %s", n)
	}
}

// size tells how long the record is.
func (e explained) size() string {
	claimed, state := fmt.Sprintf(" idle, %d claimed", e.RecordBytesClaim), "; a state adds up to 105"
	if e.RecordBytesClaim == 0 { // at most once
		claimed, state = "", ""
	}
	if e.Protection == "" {
		return fmt.Sprintf("%s, %d bytes%s%s; 255 fit into one string", e.Record, e.RecordBytes, claimed, state)
	}
	if state != "" {
		state = "; a state may take one more"
	}
	return fmt.Sprintf("%s, %s, %d bytes%s: %d string%s of 255%s", e.Record, e.Protection, e.RecordBytes, claimed, e.RecordStrings, plural(e.RecordStrings), state)
}

// protects tells how keys guard what is written.
func protects(r *seal.Ring) string {
	var words []string
	if !r.Sign.Zero() && r.Unsigned != seal.Write {
		words = append(words, "signed")
	}
	if len(r.Seal) > 0 && r.Plain != seal.Write {
		words = append(words, "sealed")
	}
	return strings.Join(words, " and ")
}

// seconds is a duration for people, in whole or tenth seconds.
func seconds(d time.Duration) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
}

// count is a number a day for people.
func count(n float64) string {
	if n >= 10 || n == float64(int(n)) {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.2f", n)
}
