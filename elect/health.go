package elect

import (
	"fmt"
	"strings"
	"time"

	"github.com/solotick/solotick/record"
)

// A Condition is what a record amounts to when it is seen from outside, in the
// words of health checks. Its text is what JSON and metrics show; Words is for
// people.
type Condition string

// The conditions.
const (
	HealthOnTime   Condition = "on_time"
	HealthRunning  Condition = "running"
	HealthRetrying Condition = "retrying" // the latest run failed or was lost, another attempt is due
	HealthFailing  Condition = "failing"  // the latest tick ended without success, the next one is not due yet
	HealthLate     Condition = "late"     // a run should have begun, or a lapsed claim should have been taken over
	HealthMissed   Condition = "missed"   // late, and by now another tick is overdue too
	HealthPaused   Condition = "paused"
	HealthAbsent   Condition = "absent" // no record
	HealthDamaged  Condition = "damaged"
	HealthSealed   Condition = "sealed" // cannot be read without its key
	HealthHeld     Condition = "held"   // a lock: somebody has it
	HealthFree     Condition = "free"   // a lock: nobody has it
)

// Words is the condition for people: "on time".
func (c Condition) Words() string { return strings.ReplaceAll(string(c), "_", " ") }

// A Level is how bad a condition is.
type Level uint8

// The levels.
const (
	LevelFine     Level = iota // nothing to do
	LevelDoubtful              // somebody should have a look
	LevelBad                   // the job does not do its work
	LevelUnknown               // the record does not tell
)

// Level is how bad c is.
func (c Condition) Level() Level {
	switch c {
	case HealthOnTime, HealthRunning, HealthHeld, HealthFree:
		return LevelFine
	case HealthLate, HealthRetrying, HealthPaused:
		return LevelDoubtful
	case HealthMissed, HealthFailing, HealthDamaged:
		return LevelBad
	}
	return LevelUnknown
}

// A Status is one judgement of one record. Times are epoch seconds, 0 where
// there is none.
type Status struct {
	Condition Condition
	Last      int64  // the latest tick that was claimed; of an original record about when it ran
	Next      int64  // when the next claim, retry or takeover is expected, the end of a pause considered; 0: not known
	LateAfter int64  // when it counts as late: the run at Next, or the claim on Last while there is one
	Overdue   int    // ticks that should have begun and have not, at most 1000
	Original  bool   // written by the agents of 2022, which wrote no seq and kept to no grid
	Text      string // one sentence for people, without the name of the job
}

// WorstTakeover is how long after a vanished holder's last renewal its tick is
// taken over at the latest (protocol section 10.3), where the way to the
// register and the lag of DNS take no time beyond SwapTime.
func WorstTakeover(p Policy) time.Duration {
	p.Fill()
	return max(p.Lease/3, p.HeadStart+p.Spread) + p.Lease + Margin(p.Lease) + p.Spread + p.SwapTime
}

// What the agents of 2022 did: they looked every 50 to 60 s, ran when timer had
// passed, and set timer about 71 s ahead.
const (
	originalAhead = 71
	originalLook  = 75 * time.Second // one look, and a TTL that an observer may trail
	originalCycle = 130              // seconds from run to run, at most
)

// transit is what round trips and DNS may add before an observer sees a claim.
const transit = 5 * time.Second

// A judge has the record and what it is judged by.
type judge struct {
	p   Policy
	now time.Time
	r   record.Record
	st  Status
}

// Health judges what was read at a job's name; of v only State and Record count.
// It trusts now, the observer's clock, and knows nothing but this one record:
// that nobody is late does not mean that every agent lives.
//
// A Policy with a Schedule judges by that. A zero Policy judges by the record
// alone: the times of the defaults, and the distance of the latest two ticks in
// the place of the schedule.
func Health(p Policy, now time.Time, v View) Status {
	p.Fill()
	j := judge{p: p, now: now, r: v.Record}
	switch v.State {
	case record.Absent:
		j.say(HealthAbsent, "there is no record: no agent has started yet, or somebody removed it; the first agent to look creates one")
	case record.Damaged:
		j.say(HealthDamaged, "there is a value that is meant as a record and cannot be read; agents replace it once it stayed so for a lease")
	case record.Unopenable:
		j.say(HealthSealed, "the record is sealed: without its key nothing but its existence can be told")
	default:
		j.present()
	}
	return j.st
}

func (j *judge) say(c Condition, format string, args ...any) {
	j.st.Condition, j.st.Text = c, fmt.Sprintf(format, args...)
}

func (j *judge) present() {
	r, st := j.r, &j.st
	st.Original = r.Seq == 0 && !r.Claimed && r.Timer > 0
	st.Last = r.TimerOld
	switch {
	case (j.p.Schedule == nil || j.p.Lock) && IsLock(r):
		j.lock()
	case r.TimerOld > j.now.Add(j.p.Skew+transit).Unix() && !st.Original:
		st.Next = r.Timer
		j.say(HealthLate, "the latest tick, %s, is in the future: a broken clock wrote it, or this machine's clock is behind", j.when(r.TimerOld))
	case r.Claimed:
		j.claimed()
	case j.isPaused():
		j.st.Next = j.resumes()
		j.say(HealthPaused, "%s", j.pause())
	default:
		j.idle()
	}
}

func (j *judge) lock() {
	switch {
	case j.r.Claimed && !j.lapsed():
		j.say(HealthHeld, "a lock held by %s, and by nobody else before about %s", j.r.ID, j.when(j.until()))
	case j.isPaused():
		j.st.Next = j.resumes()
		j.say(HealthPaused, "a lock that nobody holds; %s", j.pause())
	default:
		j.say(HealthFree, "a lock that nobody holds")
	}
}

func (j *judge) until() int64 { return Until(&j.p, j.now, j.r) }

// Until is the epoch second at which a claim lapses if it is not renewed, for
// people and monitors: as it says, but not later than its lease after it was
// written, which its seq tells.
func Until(p *Policy, now time.Time, r record.Record) int64 {
	written := r.Seq / 1000
	if end := written + int64(r.LeaseOr(p.Lease)/time.Second); written <= now.Unix() && end < r.Until && written > 0 {
		return end
	}
	return r.Until
}

// takeover is when a claim that is no longer renewed counts as late.
func (j *judge) takeover() int64 {
	p := j.p
	p.Lease = j.r.LeaseOr(j.p.Lease)
	return unix(j.until()).Add(WorstTakeover(p) - p.Lease + transit).Unix()
}

// lapsed goes by until, which is for people: an observer that looks once has
// nothing else.
func (j *judge) lapsed() bool { return j.now.Unix() > j.takeover() }

func (j *judge) claimed() {
	r, st := j.r, &j.st
	st.LateAfter = j.takeover()
	st.Next = r.Timer
	attempt := ""
	if r.Attempt() > 1 {
		attempt = fmt.Sprintf(", attempt %d", r.Attempt())
	}
	if j.isPaused() {
		st.Next = j.resumes()
	}
	if !j.lapsed() {
		then := ""
		if j.isPaused() {
			then = "; then " + j.pause()
		}
		j.say(HealthRunning, "%s runs the tick of %s%s%s", r.ID, j.when(r.TimerOld), attempt, then)
		return
	}
	st.Overdue = j.overdue(r.TimerOld, j.now.Unix()-(st.LateAfter-j.until()))
	j.late("the claim of %s on the tick of %s%s lapsed at about %s and nobody took over: no agent lives, or none reaches the register",
		r.ID, j.when(r.TimerOld), attempt, j.when(j.until()))
}

func (j *judge) isPaused() bool { return j.r.Pause < 0 || j.r.Pause > j.now.Unix() }

// resumes is when the next claim is expected although a pause is on.
func (j *judge) resumes() int64 {
	if j.r.Pause < 0 {
		return 0
	}
	return max(j.r.Pause, j.r.Timer)
}

// pause is the pause in words.
func (j *judge) pause() string {
	why := ""
	if j.r.Why != "" {
		why = ": " + j.r.Why
	}
	if j.r.Pause < 0 {
		return "paused until somebody resumes it" + why
	}
	return fmt.Sprintf("paused until %s%s", j.when(j.r.Pause), why)
}

func (j *judge) idle() {
	r, st := j.r, &j.st
	grace := WorstTakeover(j.p) + transit
	if r.Attempt() > 1 {
		grace += j.p.PollMax // only the agent that wrote it knows at once
	}
	if st.Original {
		grace = originalLook
		st.Last = max(r.TimerOld, r.Timer-originalAhead)
	}
	st.Next = max(r.Timer, r.Pause)
	from := st.Next
	if written := r.Seq / 1000; from <= written && written <= j.now.Unix() {
		// Due when it was written: a trigger or the end of a pause, which agents
		// see when they look next.
		from = written
		grace += j.p.PollMax
	}
	st.LateAfter = from + int64(grace/time.Second)
	switch now := j.now.Unix(); {
	case now > st.LateAfter:
		st.Overdue = j.overdue(from, now-int64(grace/time.Second))
		j.late("the run due at %s has not begun, %s late: no agent lives, or none reaches the register",
			j.when(st.Next), ago(j.now.Sub(unix(st.Next))))
	case r.Attempt() > 1:
		j.say(HealthRetrying, "the tick of %s %s; attempt %d is due %s", j.when(r.TimerOld), ended(r.Last), r.Attempt(), j.due())
	case j.beyond():
		j.say(HealthLate, "the record says not before %s, which is beyond the schedule; an agent that lives repairs that", j.when(r.Timer))
	case r.Last == record.Failed || r.Last == record.Timeout || r.Last == record.Lost:
		j.say(HealthFailing, "%s %s; the next is due %s", j.latest(), ended(r.Last), j.due())
	case st.Last != 0 && r.Last == record.Skipped && !j.p.AtMostOnce:
		j.say(HealthOnTime, "there was nothing to do for the tick of %s, or those after it were skipped; the next is due %s", j.when(r.TimerOld), j.due())
	case st.Last == 0:
		j.say(HealthOnTime, "no run yet; the first is due %s", j.due())
	case st.Original:
		j.say(HealthOnTime, "the latest run was at about %s; the next is due %s, by an agent of 2022", j.when(st.Last), j.due())
	default:
		j.say(HealthOnTime, "%s %s; the next is due %s", j.latest(), ended(r.Last), j.due())
	}
}

// latest is the run that last speaks of. Under at-most-once a run is not
// reported before the next claim of the same agent.
func (j *judge) latest() string {
	if j.p.AtMostOnce {
		return fmt.Sprintf("the tick of %s was begun, and the run of %s before that", j.when(j.r.TimerOld), j.r.ID)
	}
	return fmt.Sprintf("the latest run, of %s,", j.when(j.r.TimerOld))
}

// beyond says that the record waits for longer than the schedule, as the row
// that repairs it has it.
func (j *judge) beyond() bool {
	if j.p.Schedule == nil {
		return false
	}
	limit := j.p.Schedule.Next(max(j.now.Add(j.p.Lease+2*j.p.Skew).Unix(), j.r.TimerOld))
	return limit != 0 && j.r.Timer > limit && j.r.Pause == 0
}

func (j *judge) late(format string, args ...any) {
	j.say(HealthLate, format, args...)
	if j.st.Overdue > 1 {
		j.st.Condition = HealthMissed
		more := ""
		if j.st.Overdue >= overdueMost {
			more = " or more"
		}
		j.st.Text += fmt.Sprintf("; %d%s ticks are overdue", j.st.Overdue, more)
	}
}

// overdueMost is where overdue stops to count.
const overdueMost = 1000

// overdue counts from and the ticks after it, until to.
func (j *judge) overdue(from, to int64) int {
	if s := j.p.Schedule; s != nil {
		n := 1
		for t := s.Next(from); t != 0 && t <= to && n < overdueMost; t = s.Next(t) {
			n++
		}
		return n
	}
	every := j.r.Timer - j.r.TimerOld
	switch {
	case j.st.Original:
		every = originalCycle
	case j.r.TimerOld == 0, every <= 0, j.r.Attempt() > 1 && !j.r.Claimed:
		every = 3600 // the record does not tell; by then somebody should have a look
	}
	return int(min(1+max(to-from, 0)/every, overdueMost))
}

func ended(r record.Result) string {
	switch r {
	case record.None:
		return "began, and the record does not tell how it ended"
	case record.OK:
		return "was ok"
	case record.Failed:
		return "failed"
	case record.Timeout:
		return "ran into its timeout"
	case record.Lost:
		return "was lost with its agent"
	case record.Replaced:
		return "was ended for a newer tick"
	case record.Skipped:
		return "was skipped"
	}
	return "ended as " + string(r)
}

// due is when the next run is expected: "at 10:01:33Z, in 30 s".
func (j *judge) due() string {
	d := unix(j.st.Next).Sub(j.now)
	if d <= 0 {
		return "now, since " + j.when(j.st.Next)
	}
	return "at " + j.when(j.st.Next) + ", in " + ago(d)
}

// when is a moment for people, with the date only on another day than now's.
func (j *judge) when(sec int64) string {
	t := unix(sec).UTC()
	if t.Format(time.DateOnly) == j.now.UTC().Format(time.DateOnly) {
		return t.Format("15:04:05Z")
	}
	return t.Format("2006-01-02 15:04:05Z")
}

// ago is a distance in time for people, in the two greatest units that matter.
func ago(d time.Duration) string {
	s := int64(d.Abs() / time.Second)
	switch {
	case s < 120:
		return fmt.Sprintf("%d s", s)
	case s < 2*3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	case s < 2*86400:
		return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
	}
	return fmt.Sprintf("%d days %d h", s/86400, s/3600%24)
}
