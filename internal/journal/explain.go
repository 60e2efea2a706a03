package journal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
)

// A Verdict is what became of a tick at one agent.
type Verdict string

// The verdicts.
const (
	DidRun    Verdict = "ran"
	DidNotRun Verdict = "did_not_run"
	Unknown   Verdict = "unknown" // its events do not tell
)

// A Cause is why, in one word. Of a tick that was run it is Claimed or Unarbitrated.
type Cause string

// The causes.
const (
	Claimed      Cause = "claimed"      // it claimed the tick
	Unarbitrated Cause = "unarbitrated" // it ran the tick without the register
	Elsewhere    Cause = "elsewhere"    // another agent had claimed it
	Conflict     Cause = "conflict"     // its claim was refused: somebody else's came first
	NotStarted   Cause = "not_started"  // it had claimed the tick, and did not begin
	Unreached    Cause = "unreached"    // it reached neither DNS nor the register, or could not write
	Paused       Cause = "paused"
	Passed       Cause = "passed"     // a write left the tick out
	Unseen       Cause = "unseen"     // somebody may have run it between two of its looks
	Busy         Cause = "busy"       // its run of an earlier tick was still going on
	Stopping     Cause = "stopping"   // it was told to end
	Unreadable   Cause = "unreadable" // the record was damaged, sealed or not there
	WaitsTurn    Cause = "waits"      // the tick is not due, or others go first
	BeforeLog    Cause = "before"     // its events begin after the tick
	AfterLog     Cause = "after"      // they end before it
	NothingTold  Cause = "not_told"   // none of them explains it
)

// A Judgement is what the events of one agent tell of a tick.
type Judgement struct {
	Agent   string    `json:"agent"`
	Verdict Verdict   `json:"verdict"`
	Cause   Cause     `json:"cause"`
	Text    string    `json:"text"`           // a sentence for people, about the agent
	Since   time.Time `json:"since,omitzero"` // of its first event
	Until   time.Time `json:"until,omitzero"` // and of its last
	Events  int       `json:"events"`         // that have to do with the tick
}

// Explain judges a tick by the entries of some agents, those of one job. now is the
// time by which a tick may not have come yet; once says that the job is run at most
// once, whose records do not tell how the tick that they name has ended.
func Explain(all []Entry, tick, now time.Time, once bool) []Judgement {
	var out []Judgement
	for _, one := range byAgent(all) {
		j := judge{all: one, about: around(one, tick), tick: tick, t: tick.Unix(), now: now, once: once, me: one[0].Agent}
		verdict, cause, text := j.judge()
		out = append(out, Judgement{
			Agent: j.me, Verdict: verdict, Cause: cause, Text: text, Since: one[0].Time, Until: one[len(one)-1].end(), Events: len(j.about),
		})
	}
	return out
}

// A judge has the events of one agent.
type judge struct {
	all, about []Entry
	tick       time.Time
	t          int64
	now        time.Time
	once       bool
	me         string
}

func (j *judge) judge() (Verdict, Cause, string) {
	if cause, text, ok := j.ran(); ok {
		return DidRun, cause, text
	}
	for _, row := range []func() (Cause, string, bool){j.wrote, j.saw, j.leftOut, j.waited, j.blind} {
		if cause, text, ok := row(); ok {
			return DidNotRun, cause, text
		}
	}
	first, last := j.all[0].Time, j.all[len(j.all)-1].end()
	switch {
	case j.tick.After(j.now):
		return DidNotRun, WaitsTurn, "the tick has not come yet"
	case first.After(j.tick):
		return Unknown, BeforeLog, fmt.Sprintf("its events begin at %s, after the tick: it was started later, or what came before is no longer kept", clock(first))
	case last.Before(j.tick):
		return Unknown, AfterLog, fmt.Sprintf("its events end at %s, before the tick: it has ended, or these were fetched too early", clock(last))
	}
	return Unknown, NothingTold, "none of its events explains it"
}

// ran tells of its runs of the tick.
func (j *judge) ran() (Cause, string, bool) {
	var runs []string
	cause := Claimed
	for i := range j.all {
		e := &j.all[i]
		if e.Did != Run || e.Tick.Unix() != j.t {
			continue
		}
		text := fmt.Sprintf("it ran it as attempt %d, fence %d, %s", e.Attempt, e.Fence, late(e.Time.Sub(j.tick)))
		if e.Unarbitrated {
			cause = Unarbitrated
			text = fmt.Sprintf("it ran it without the register, which it could not reach, %s; others may have run it too", late(e.Time.Sub(j.tick)))
		}
		if end := j.endOf(i); end != nil {
			text += fmt.Sprintf("; the run ended as %s after %s", end.Result, short(end.TookMS))
			if end.Error != "" {
				text += ": " + end.Error
			}
		} else {
			text += "; its end is not told: it is still running, or the agent was killed"
		}
		runs = append(runs, text)
	}
	if runs == nil {
		runs = j.ended()
	}
	return cause, strings.Join(runs, "; then "), runs != nil
}

// ended tells of runs of which only the end is told.
func (j *judge) ended() (runs []string) {
	for i := range j.all {
		switch e := &j.all[i]; {
		case e.Did == Ran && e.Tick.Unix() == j.t:
			return append(runs, fmt.Sprintf("it ran it; the run ended as %s after %s", e.Result, short(e.TookMS)))
		case e.Did == Swap && e.Outcome == elect.Done.String() && e.Seen != nil && e.Seen.ID == j.me && e.Seen.TimerOld == j.t && slices.Contains(reports, e.Why):
			return append(runs, "it ran it: at "+clock(e.Time)+" it wrote how that ended, "+e.Seen.Result)
		}
	}
	return nil
}

// What writes are for.
var (
	claims  = []string{elect.TickDue.String(), elect.ClaimLapsed.String()}
	reports = []string{elect.RunEnded.String(), elect.RunFailed.String()}
)

// endOf is the end of the run that begins at i.
func (j *judge) endOf(i int) *Entry {
	begin := &j.all[i]
	for k := i + 1; k < len(j.all); k++ {
		e := &j.all[k]
		if e.Did == Ran && e.Tick.Equal(begin.Tick) && e.Attempt == begin.Attempt && e.Unarbitrated == begin.Unarbitrated {
			return e
		}
	}
	return nil
}

// wrote tells what became of a claim of its own.
func (j *judge) wrote() (Cause, string, bool) {
	for i := len(j.about) - 1; i >= 0; i-- {
		e := &j.about[i]
		if e.Did != Swap || e.Seen == nil || e.Seen.ID != j.me || e.Seen.TimerOld != j.t || !slices.Contains(claims, e.Why) {
			continue
		}
		at := clock(e.Time)
		switch e.Outcome {
		case elect.Done.String():
			return NotStarted, fmt.Sprintf("it claimed the tick at %s and did not begin: too little of its lease was left, or it was told to end", at), true
		case elect.Conflict.String():
			if who := j.holder(); who != nil {
				return Conflict, fmt.Sprintf("its claim was refused at %s, as %s had claimed the tick first", at, who.Seen.ID), true
			}
			return Conflict, fmt.Sprintf("its claim was refused at %s, as the record had changed first", at), true
		case elect.Uncertain.String():
			return Unreached, fmt.Sprintf("its claim at %s had no answer, and it did not learn in time that it holds it: %s", at, e.Error), true
		default:
			return Unreached, fmt.Sprintf("it could not write its claim at %s: %s", at, e.Error), true
		}
	}
	return "", "", false
}

// holder is the first sight of somebody else's claim of the tick.
func (j *judge) holder() *Entry {
	for i := range j.about {
		if s := j.about[i].Seen; s != nil && j.about[i].Did != Swap && s.TimerOld == j.t && s.ID != j.me && s.ID != "" {
			return &j.about[i]
		}
	}
	return nil
}

// saw tells that somebody else had it.
func (j *judge) saw() (Cause, string, bool) {
	first := j.holder()
	if first == nil {
		return "", "", false
	}
	text := fmt.Sprintf("%s had claimed it: this agent saw that at %s", first.Seen.ID, clock(first.Time))
	last := first
	for i := range j.about {
		if s := j.about[i].Seen; s != nil && j.about[i].Did != Swap && s.TimerOld == j.t {
			last = &j.about[i]
		}
	}
	switch s := last.Seen; {
	case s.done() && s.Result != "" && !j.once:
		text += fmt.Sprintf(", and that it ended as %s", s.Result)
	case !s.Claimed && s.attempt() > 1:
		text += fmt.Sprintf(", and that it ended as %s, with a retry at %s", s.Result, clockOf(s.Timer))
	case s.ID != first.Seen.ID:
		text += fmt.Sprintf("; %s took it over", s.ID)
	}
	return Elsewhere, text, true
}

// leftOut tells that no claim of the tick was made at all.
func (j *judge) leftOut() (Cause, string, bool) {
	var before *Seen // the latest sight before
	for i := range j.about {
		e := &j.about[i]
		s := e.Seen
		if s == nil || s.none() || e.Did == Swap && e.Outcome != elect.Done.String() {
			continue
		}
		switch {
		case s.TimerOld > j.t && e.Passed > 0:
			return Passed, fmt.Sprintf("the claim of the tick of %s, its own or one that it took over, left this one out: of those that nobody ran in time the latest is run (catch_up)", clockOf(s.TimerOld)), true
		case s.TimerOld > j.t && before == nil:
			return "", "", false // it was not there
		case s.TimerOld > j.t:
			return Unseen, fmt.Sprintf("it did not see who ran it, if anybody did: when it looked again, at %s, %s had claimed the tick of %s", clock(e.Time), s.ID, clockOf(s.TimerOld)), true
		case s.Timer > j.t && s.done() && e.Passed > 0:
			return Passed, fmt.Sprintf("it skipped the tick at %s: %s", clock(e.Time), e.Why), true
		case s.Timer > j.t && s.TimerOld < j.t && before != nil && before.Timer <= j.t && !e.Time.Before(j.tick):
			return Passed, fmt.Sprintf("the tick was passed over: at %s the record went on to %s, and nobody had claimed this one", clock(e.Time), clockOf(s.Timer)), true
		}
		before = s
	}
	return "", "", false
}

// causes are what waits for some reasons mean.
var causes = map[string]struct {
	cause Cause
	text  string
}{
	elect.Paused.String():           {Paused, "an operator had paused the job"},
	elect.Sealed.String():           {Unreadable, "the record was sealed, and did not open with the keys of this agent"},
	elect.RecordDamaged.String():    {Unreadable, "the record was damaged, and is replaced only when it has stayed so for a lease"},
	elect.Running.String():          {Busy, "its run of an earlier tick was still going on"},
	elect.Left.String():             {Stopping, "it was told to end, and claims nothing more"},
	elect.RegisterAway.String():     {Unreached, "it did not reach its register"},
	elect.BackingOff.String():       {Unreached, "requests to its register or to DNS had failed, and it waited before the next"},
	elect.RunningElsewhere.String(): {Elsewhere, "the record showed somebody else's claim"},
	elect.TooLate.String():          {Passed, "it was too late for the tick"},
	elect.ClaimGone.String():        {Unreadable, "its own claim was gone from the record"},
}

// waited tells what it was waiting for when the tick was due.
func (j *judge) waited() (Cause, string, bool) {
	for i := len(j.about) - 1; i >= 0; i-- {
		e := &j.about[i]
		c, known := causes[e.Why]
		if e.Did != Wait || !known {
			continue
		}
		text := fmt.Sprintf("%s (since %s)", c.text, clock(e.Time))
		if c.cause == Unreached {
			if fault := j.fault(); fault != "" {
				text += ": " + fault
			}
		}
		if why := j.reason(); c.cause == Paused && why != "" {
			text += ": " + why
		}
		return c.cause, text, true
	}
	return "", "", false
}

// reason is the operator's, for a pause.
func (j *judge) reason() string {
	for i := range slices.Backward(j.about) {
		if s := j.about[i].Seen; s != nil && s.Pause != 0 {
			return s.Why
		}
	}
	return ""
}

// fault is the latest error of a request.
func (j *judge) fault() string {
	for i := range slices.Backward(j.about) {
		if e := &j.about[i]; e.Error != "" && (e.Did == Look || e.Did == Load || e.Did == Swap) {
			return e.Error
		}
	}
	return ""
}

// blind tells that it saw nothing, or nothing yet.
func (j *judge) blind() (Cause, string, bool) {
	sights, waits := 0, (*Entry)(nil)
	for i := range j.about {
		e := &j.about[i]
		switch {
		case e.end().Before(j.tick):
		case e.Seen != nil && e.Did != Swap:
			sights++
		}
		if e.Did == Wait {
			waits = e
		}
	}
	if fault := j.fault(); sights == 0 && fault != "" {
		return Unreached, "it saw nothing of the record: " + fault, true
	}
	if waits != nil && waits.Until.After(j.tick) && waits.Until.After(j.now) {
		return WaitsTurn, fmt.Sprintf("it waits until %s (%s): others go first", clock(waits.Until), waits.Why), true
	}
	return "", "", false
}

// late is how long after its tick something was.
func late(d time.Duration) string {
	switch d = d.Round(time.Millisecond); {
	case d < 0:
		return fmt.Sprintf("%s before the tick by its idea of the time", -d)
	default:
		return fmt.Sprintf("%s after the tick", d)
	}
}

func short(ms float64) string { return (time.Duration(ms) * time.Millisecond).String() }

// clock is a moment of a day, to the millisecond.
func clock(t time.Time) string { return t.UTC().Format("15:04:05.000Z") }

// clockOf is that of an epoch second.
func clockOf(sec int64) string { return time.Unix(sec, 0).UTC().Format("15:04:05Z") }
