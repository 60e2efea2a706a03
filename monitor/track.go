package monitor

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/record"
)

// A track is what is known of one record. Its methods work out what happened
// between two looks, from nothing but the two records.
type track struct {
	target  Target
	seen    bool          // there was a look that somebody answered
	good    Sight         // the latest such look
	failed  Sight         // the latest look, if nobody answered it; else zero
	away    time.Time     // since when nobody answers, of failed
	rec     record.Record // of good
	cond    elect.Condition
	changed time.Time       // when the text of what cannot be read was seen to change; zero: never
	low     time.Time       // since when DNS shows less than rec; zero: it does not
	stale   map[string]bool // servers that were said to show what is too old

	runs   []Run  // in the order in which they were seen to begin; the one that goes on is the last
	left   uint64 // of them the one that went on when the file was left; 0: none did
	text   int    // bytes that agents have told of them
	spans  []Span
	events []Event // without IDs until the history gives them

	at    time.Time // of the look in progress
	fresh []Event   // of the look in progress
	dirty []uint64  // runs to be written
	next  func() uint64

	totals Totals
}

// see takes a look in.
func (t *track) see(s Sight, apart time.Duration) {
	t.at = s.Time
	if s.Err != nil {
		if t.failed.Err == nil {
			t.say(KindUnreachable, elect.LevelUnknown, "no server answers: %v", s.Err)
			t.away = s.Time
		}
		t.failed = s
		return
	}
	if t.failed.Err != nil {
		t.say(KindReachable, elect.LevelFine, "a server answers again, after %s", Distance(s.Time.Sub(t.away)))
		t.failed = Sight{}
	}
	t.span(s.Time.Unix(), apart)
	if t.behind(s) {
		return
	}
	before, first := t.good, !t.seen
	if s.Set.State == record.Unopenable && !first && !slices.Equal(s.Answer().Texts, before.Answer().Texts) {
		t.changed = s.Time
	}
	t.good, t.seen, t.rec = s, true, s.Set.Record
	if first {
		t.begin()
	} else {
		t.change(before)
	}
	t.servers()
	t.judge(s.Time)
}

// span notes when the record was looked at. Looks that are further apart than
// usual have a gap between them.
func (t *track) span(now int64, apart time.Duration) {
	if n := len(t.spans); n > 0 && now-t.spans[n-1].To <= int64(apart/time.Second) {
		t.spans[n-1].To = max(now, t.spans[n-1].To)
		return
	}
	t.spans = append(t.spans, Span{now, now})
	t.spans = t.spans[max(0, len(t.spans)-maxSpans):]
}

const (
	maxSpans = 200
	// How long DNS may show less than it did before that counts as a record which
	// went back: a server may trail, or an address may stand for several servers.
	trails = 2 * time.Minute
	// What is older than that by its own account does not come from a server that
	// trails.
	tooOld = 5 * time.Minute
	// Another server than the one that showed more may never have had it, for as long
	// as it takes to mend either of them.
	another = 10 * time.Minute
)

// behind says whether a look shows an older record than an earlier one, and is to
// be ignored.
func (t *track) behind(s Sight) bool {
	a, b := s.Set.Record, t.rec
	if !t.seen || s.Set.State != record.Present || t.good.Set.State != record.Present || a.Seq == 0 || a.Seq >= b.Seq {
		t.low = time.Time{}
		return false
	}
	if t.low.IsZero() {
		t.low = s.Time
	}
	since, trailing := s.Time.Sub(t.low), time.Duration(b.Seq-a.Seq)*time.Millisecond < tooOld
	if t.another(s) && since < another || since < trails && trailing {
		return true
	}
	t.low = time.Time{}
	t.say(KindRolledBack, elect.LevelBad, "the record went back by %s, from seq %d to %d: somebody restored it, or the zone; agents that saw the later one write above it",
		Distance(time.Duration(b.Seq-a.Seq)*time.Millisecond), b.Seq, a.Seq)
	return false
}

// another says that of the servers which showed the newest record none has answered.
func (t *track) another(s Sight) bool {
	for _, a := range t.good.Answers {
		if a.Err != nil || t.good.read(a.Texts).Record != t.rec {
			continue
		}
		if slices.ContainsFunc(s.Answers, func(b lookup.Answer) bool { return b.Err == nil && b.Server.Addr == a.Server.Addr }) {
			return false
		}
	}
	return true
}

// begin takes in the first record that is seen. When it was written is not known
// to be when a run ended.
func (t *track) begin() {
	r := t.rec
	switch {
	case t.good.Set.State != record.Present:
	case r.Claimed && t.goesOn(r):
		t.renewed(t.current())
	case r.Claimed:
		t.began(r, max(r.TimerOld, 0), false)
	case last(r) > 0:
		t.add(t.latest(r))
	}
	t.odd(record.Record{})
}

// latest is the latest run that an idle record tells of. At most once, what it says of
// an end is said of the run before.
func (t *track) latest(r record.Record) Run {
	run := Run{Tick: last(r), Attempt: ended(r), Agent: r.ID, Result: r.Last, Over: true}
	if t.target.Policy.AtMostOnce {
		run.Result = record.None
	}
	return run
}

// goesOn takes up the run that went on when the file was left, if it still does.
func (t *track) goesOn(r record.Record) bool {
	n := len(t.runs) - 1
	if n < 0 || t.left == 0 || t.runs[n].n != t.left {
		return false
	}
	cur := &t.runs[n]
	if cur.Tick != r.TimerOld || cur.Agent != r.ID || cur.Attempt != r.Attempt() {
		return false
	}
	cur.Over, cur.counted = false, false
	return true
}

// change takes in a record that differs from the one before.
func (t *track) change(before Sight) {
	a, b := t.rec, before.Set.Record
	was, is := before.Set.State, t.good.Set.State
	switch {
	case was != is:
		t.turn(was, is)
		if is == record.Present && a != b {
			t.resume(b)
		}
	case is != record.Present || a == b:
		return
	case a.Seq == 0:
		if b.Seq != 0 {
			t.say(KindForeign, elect.LevelBad, "something that is no agent of Solotick wrote the record, as %s, and nothing keeps it from overwriting a claim: stop it", quoted(a.ID))
		}
		if last(a) != last(b) {
			t.closeRun(record.None, 0)
			t.add(Run{Tick: last(a), Attempt: 1, Agent: a.ID, Over: true})
		}
	case a.Seq < b.Seq: // accepted by behind
		t.closeRun(record.None, 0)
		t.resume(b)
	case a.TimerOld > b.TimerOld:
		t.tick(before)
	case a.TimerOld < b.TimerOld:
		t.closeRun(record.None, 0)
		t.say(KindRepaired, elect.LevelDoubtful, "the latest tick went from %s back to %s: an agent set a record from the future right, or somebody reset it", clock(b.TimerOld), clock(a.TimerOld))
	default:
		t.same(b)
	}
	if is == record.Present && was == record.Present && a != b {
		t.operator(b)
	}
	t.odd(b)
}

// turn tells of a record that appeared, vanished, or can no longer be read.
func (t *track) turn(was, is record.State) {
	switch {
	case is == record.Absent:
		t.closeRun(record.None, 0)
		t.say(KindGone, elect.LevelBad, "the record is gone: somebody removed it; an agent writes it again")
	case t.forged():
		t.say(KindDamaged, elect.LevelBad, "%s", t.good.Health(t.at).Text)
	case is == record.Damaged:
		t.say(KindDamaged, elect.LevelBad, "the record can no longer be read; agents replace it once it stayed so for a lease")
	case is == record.Unopenable:
		t.say(KindDamaged, elect.LevelUnknown, "%s", t.good.Health(t.at).Text)
	case was == record.Absent:
		t.say(KindCreated, elect.LevelFine, "the record is there")
	default:
		t.say(KindRepaired, elect.LevelFine, "the record can be read again")
	}
}

// forged says whether somebody without a key wrote what is there.
func (t *track) forged() bool {
	p := t.good.protection()
	return p != nil && p.Tampered
}

// resume takes in a record that need not follow from the one before.
func (t *track) resume(b record.Record) {
	r := t.rec
	switch cur := t.current(); {
	case r.Claimed && cur != nil && cur.Tick == r.TimerOld && cur.Agent == r.ID && cur.Attempt == r.Attempt():
		t.renewed(cur)
	case r.Claimed:
		t.closeRun(record.None, 0)
		t.began(r, notBefore(b, r), false)
	case cur != nil:
		t.closeRun(record.None, 0)
	case last(r) > last(b):
		t.add(t.latest(r))
	}
}

// tick takes in the claim of another tick, or its end if the claim was not seen.
func (t *track) tick(before Sight) {
	a, b := t.rec, before.Set.Record
	// What was due when last looked at was left out only if somebody should have
	// claimed it by then, and that look would have shown it.
	unseen, passed := t.between(b, a, before.Time.Add(-elect.WorstTakeover(t.target.Policy)-before.mayTrail()).Unix())
	result := record.None
	if unseen+passed == 0 && a.Claimed && endedItself(b, a) {
		result = a.Last // of the run before, whose end was not seen
	}
	t.closeRun(result, 0)
	if unseen > 0 {
		t.say(KindUnseen, elect.LevelFine, "%s fell due between two looks, and what became of %s was not seen", ticks(unseen), themOrIt(unseen))
	}
	if passed > 0 {
		t.say(KindPassed, elect.LevelDoubtful, "%s left out: nobody ran %s when due, and catch_up has not made up for it", ticks(passed)+wasOrWere(passed), themOrIt(passed))
	}
	switch {
	case a.Claimed:
		t.began(a, notBefore(b, a), false)
	case t.target.Policy.AtMostOnce:
		t.add(Run{Tick: a.TimerOld, Attempt: 1, Agent: a.ID, Began: a.Seq / 1000, Fence: a.Seq, Over: true})
		t.say(KindBegan, elect.LevelFine, "%s runs the tick of %s, at most once", quoted(a.ID), clock(a.TimerOld))
	default:
		t.finished(b, ended(a), false)
	}
}

// endedItself says whether the run of claim b was ended by its own agent, if a is the
// claim of the next tick and says how the tick of b ended. Where another agent made
// that claim, it may have taken over before; but not within the lease.
func endedItself(b, a record.Record) bool {
	return a.ID == b.ID || time.Duration(a.Seq-b.Seq)*time.Millisecond < b.LeaseOr(15*time.Second)
}

// same takes in what became of the same tick.
func (t *track) same(b record.Record) {
	a, cur := t.rec, t.current()
	lock := a.Timer == 0 && a.TimerOld == 0
	switch {
	case b.Claimed && a.Claimed && a.ID == b.ID && a.Attempt() == b.Attempt():
		if cur != nil {
			t.renewed(cur)
		}
	case b.Claimed && a.Claimed:
		if a.Attempt() == b.Attempt() && !lock {
			t.say(KindDuplicate, elect.LevelBad, "%s and %s both claimed attempt %d at the tick of %s: the register does not keep what it promises, or somebody wrote by hand",
				quoted(b.ID), quoted(a.ID), a.Attempt(), clock(a.TimerOld))
		}
		result := record.None
		if a.Attempt() == b.Attempt()+1 {
			result = a.Last
		}
		t.closeRun(result, 0)
		t.began(a, notBefore(b, a), a.Last == record.Lost && a.Attempt() > b.Attempt())
	case b.Claimed:
		if cur == nil {
			t.finished(b, b.Attempt(), false)
			return
		}
		if a.ID != b.ID { // who ended it began between the two looks
			lost, how := t.target.Policy.Attempts == 1, record.None
			if lost { // nothing but that has a tick claimed again
				how = record.Lost
				t.tookOver(a, b.Attempt()+1)
			}
			t.closeRun(how, 0)
			t.finished(b, b.Attempt()+1, lost)
			return
		}
		t.closeRun(a.Last, a.Seq/1000)
		t.end(*cur)
	case a.Claimed:
		t.began(a, notBefore(b, a), b.Last == record.Lost && b.Attempt() > 1)
	case b.Attempt() > 1 && a.Try != b.Try && !a.Claimed:
		t.finished(b, b.Attempt(), b.Last == record.Lost)
	}
}

// operator tells of what a person did.
func (t *track) operator(b record.Record) {
	a := t.rec
	switch {
	case a.Pause == b.Pause:
	case a.Pause < 0:
		t.say(KindPaused, elect.LevelDoubtful, "paused until somebody resumes it%s", reason(a.Why))
	case a.Pause > 0:
		t.say(KindPaused, elect.LevelDoubtful, "paused until %s%s", clock(a.Pause), reason(a.Why))
	case b.Pause > 0 && b.Pause <= a.Seq/1000:
		t.say(KindResumed, elect.LevelFine, "the pause is over")
	default:
		t.say(KindResumed, elect.LevelFine, "resumed")
	}
	if a.TimerOld == b.TimerOld && !a.Claimed && !b.Claimed && a.Try == b.Try && a.Last == b.Last && a.Timer < b.Timer {
		if a.Timer <= a.Seq/1000+1 {
			t.say(KindTriggered, elect.LevelFine, "triggered: an agent runs it when it looks next")
		} else {
			t.say(KindRepaired, elect.LevelFine, "the next tick was set from %s to %s, as the schedule has it", clock(b.Timer), clock(a.Timer))
		}
	}
}

var idForm = regexp.MustCompile(`^[A-Z0-9]{0,12}[A-Z]{10}$`)

// odd tells of what no agent would write.
func (t *track) odd(b record.Record) {
	a, now := t.rec, t.at.Unix()
	if t.good.Set.State != record.Present {
		return
	}
	if a.ID != b.ID && a.ID != "" && !idForm.MatchString(a.ID) {
		t.say(KindForeign, elect.LevelDoubtful, "the id %s is none that an agent has: something else wrote the record", quoted(a.ID))
	}
	const ahead = 60 // seconds that this machine's clock may be behind
	switch {
	case a.TimerOld > now+ahead && a.TimerOld != b.TimerOld:
		t.say(KindFuture, elect.LevelBad, "the latest tick, %s, is in the future: a broken clock wrote it, or this machine's is behind", clock(a.TimerOld))
	case a.Seq/1000 > now+ahead && b.Seq/1000 <= now+ahead:
		t.say(KindFuture, elect.LevelDoubtful, "seq %d is %s ahead of this machine's clock", a.Seq, Distance(time.Duration(a.Seq/1000-now)*time.Second))
	}
}

// servers tells of those that show an older record for longer than their caches
// may.
func (t *track) servers() {
	s := t.good
	if s.Set.State != record.Present || s.Set.Record.Seq == 0 {
		return
	}
	var full time.Duration
	for _, a := range s.Answers {
		if a.Err == nil {
			full = max(full, a.TTL+a.Age)
		}
	}
	late := s.Time.Sub(time.Unix(s.Set.Record.Seq/1000, 0)) > full+30*time.Second
	for _, addr := range slices.Sorted(maps.Keys(t.stale)) {
		if !slices.ContainsFunc(s.Answers, func(a lookup.Answer) bool { return a.Server.Addr == addr }) {
			delete(t.stale, addr)
			t.fresh = append(t.fresh, Event{Kind: KindFresh, Level: elect.LevelFine, Server: addr, Text: addr + " is asked no more"})
		}
	}
	for _, a := range s.Answers {
		if a.Err != nil {
			continue
		}
		was := t.stale[a.Server.Addr]
		is := s.behind(a, s.read(a.Texts)) > 0
		switch {
		case is && late && !was:
			if t.stale == nil {
				t.stale = map[string]bool{}
			}
			t.stale[a.Server.Addr] = true
			t.fresh = append(t.fresh, Event{
				Kind: KindStale, Level: elect.LevelDoubtful, Server: a.Server.Addr,
				Text: fmt.Sprintf("%s still shows what was replaced %s ago, longer than its TTL allows", a.Server.Name, Distance(s.Time.Sub(time.Unix(s.Set.Record.Seq/1000, 0)))),
			})
		case !is && was:
			delete(t.stale, a.Server.Addr)
			t.fresh = append(t.fresh, Event{Kind: KindFresh, Level: elect.LevelFine, Server: a.Server.Addr, Text: a.Server.Name + " shows the newest record again"})
		}
	}
}

// judge tells if the condition is another one, unless all was and is fine.
func (t *track) judge(now time.Time) {
	if !t.seen || t.failed.Err != nil {
		return
	}
	st := t.good.Health(now)
	was := t.cond
	t.cond = st.Condition
	if was == st.Condition || was.Level() == elect.LevelFine && st.Condition.Level() == elect.LevelFine || was == "" && st.Condition.Level() == elect.LevelFine {
		return
	}
	t.fresh = append(t.fresh, Event{Time: now, Kind: KindCondition, Level: st.Condition.Level(), Agent: t.rec.ID, Tick: st.Last, Text: st.Condition.Words() + ": " + st.Text})
}

// say adds an event of this look. Long texts come from outside.
func (t *track) say(k Kind, l elect.Level, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "") + " ..."
	}
	t.fresh = append(t.fresh, Event{Time: t.at, Kind: k, Level: l, Agent: t.rec.ID, Tick: t.rec.TimerOld, Text: text})
}
