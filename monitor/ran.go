package monitor

import (
	"slices"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// The runs of a track.

// current is the latest run if it still goes on.
func (t *track) current() *Run {
	if n := len(t.runs); n > 0 && !t.runs[n-1].Over {
		return &t.runs[n-1]
	}
	return nil
}

func (t *track) closeRun(result record.Result, at int64) {
	if cur := t.current(); cur != nil {
		cur.Over, cur.Result, cur.Ended = true, result, at
		t.dirty = append(t.dirty, cur.n)
	}
}

// add notes a run. One that was told of before is not noted again.
func (t *track) add(r Run) *Run {
	if r.Tick != 0 {
		if old := t.find(r.Tick, r.Attempt, r.Agent); old != nil {
			old.Began, old.Fence, old.Ended = orElse(old.Began, r.Began), orElse(old.Fence, r.Fence), orElse(old.Ended, r.Ended)
			old.Alive = max(old.Alive, r.Alive)
			old.Over, old.Takeover = old.Over || r.Over, old.Takeover || r.Takeover
			if r.Result != record.None {
				old.Result = r.Result
			}
			t.dirty = append(t.dirty, old.n)
			return old
		}
	}
	r.n = t.next()
	t.runs = append(t.runs, r)
	t.dirty = append(t.dirty, r.n)
	return &t.runs[len(t.runs)-1]
}

func orElse(v, other int64) int64 {
	if v == 0 {
		return other
	}
	return v
}

func (t *track) find(tick int64, attempt int, agent string) *Run {
	for i, r := range slices.Backward(t.runs) {
		if r.Tick == tick && r.Attempt == attempt && r.Agent == agent {
			return &t.runs[i]
		}
		if r.Tick < tick-7*24*3600 {
			break
		}
	}
	return nil
}

// notBefore is a moment before which claim a cannot have been made, if b was there
// before it.
func notBefore(b, a record.Record) int64 {
	not := max(a.TimerOld, b.Seq/1000)
	if !b.Claimed && b.Timer <= a.Seq/1000 {
		not = max(not, b.Timer)
	}
	return not
}

// began notes a claim that is seen for the first time. not is a moment before
// which it cannot have been made: a claim is renewed after a third of its lease at
// the earliest, so that what was written sooner is the claim itself.
func (t *track) began(a record.Record, not int64, takeover bool) {
	wrote := a.Seq / 1000
	r := Run{Tick: a.TimerOld, Attempt: a.Attempt(), Agent: a.ID, Alive: wrote, Takeover: takeover}
	if wrote-not < int64(a.LeaseOr(15*time.Second)/time.Second)/3 {
		r.Began, r.Fence = wrote, a.Seq
	}
	t.add(r)
	what := tickOf(a)
	switch {
	case takeover:
		t.tookOver(a, a.Attempt())
	case a.TimerOld == 0:
		t.say(KindBegan, elect.LevelFine, "%s holds the lock", quoted(a.ID))
	case a.Attempt() > 1:
		t.say(KindBegan, elect.LevelFine, "%s runs %s, attempt %d", quoted(a.ID), what, a.Attempt())
	default:
		t.say(KindBegan, elect.LevelFine, "%s runs %s", quoted(a.ID), what)
	}
}

func tickOf(r record.Record) string {
	if r.TimerOld == 0 {
		return "the lock"
	}
	return "the tick of " + clock(r.TimerOld)
}

func (t *track) tookOver(a record.Record, attempt int) {
	t.say(KindTakeover, elect.LevelDoubtful, "%s took over %s, attempt %d: the agent before it vanished, or could not go on", quoted(a.ID), tickOf(a), attempt)
}

func (t *track) renewed(cur *Run) {
	cur.Alive = max(cur.Alive, t.rec.Seq/1000)
	t.dirty = append(t.dirty, cur.n)
}

// finished notes a run of which nothing but the end was seen. When the report was
// written is known if nobody has written after it.
func (t *track) finished(b record.Record, attempt int, takeover bool) {
	a := t.rec
	r := Run{Tick: a.TimerOld, Attempt: attempt, Agent: a.ID, Result: a.Last, Over: true, Takeover: takeover}
	if a.Pause == b.Pause && a.Why == b.Why {
		r.Ended = a.Seq / 1000
	}
	t.end(*t.add(r))
}

// end tells of a run that is over.
func (t *track) end(r Run) {
	level := elect.LevelFine
	switch r.Result {
	case record.Failed, record.Timeout, record.Lost:
		level = elect.LevelDoubtful
	}
	what := "the run of " + clock(r.Tick)
	if r.Tick == 0 {
		did := "gave the lock back"
		if r.Result == record.Lost {
			did = "lost the lock"
		}
		t.say(KindEnded, level, "%s %s", quoted(r.Agent), did)
		return
	}
	how := string(r.Result)
	if r.Result == record.None {
		how = "an end that the record does not tell"
	}
	t.say(KindEnded, level, "%s by %s: %s", what, quoted(r.Agent), how)
}

// between counts the ticks between those of two records, those that fell due since the look before,
// and those that had been due by then.
func (t *track) between(b, a record.Record, looked int64) (unseen, passed int) {
	const most = 1000
	from, to := b.TimerOld, a.TimerOld
	if from == 0 {
		return 0, 0
	}
	count := func(tick int64) {
		if tick > looked {
			unseen++
		} else {
			passed++
		}
	}
	if s := t.target.Policy.Schedule; s != nil {
		for tick := s.Next(from); tick != 0 && tick < to && unseen+passed < most; tick = s.Next(tick) {
			count(tick)
		}
		return unseen, passed
	}
	// Without a schedule it is the longer one of two distances: a retry, or a run that
	// somebody triggered, is nearer to the next tick than ticks are to each other.
	every := max(a.Timer-a.TimerOld, b.Timer-b.TimerOld)
	if every < 10 {
		return 0, 0 // the record does not tell the interval
	}
	for tick := to - every; tick > from+every/2 && unseen+passed < most; tick -= every {
		count(tick)
	}
	return unseen, passed
}

// last is the latest tick of a record, which one of the agents of 2022 does not
// tell exactly.
func last(r record.Record) int64 {
	return elect.Health(elect.Policy{}, time.Unix(r.Timer, 0), elect.View{State: record.Present, Record: r}).Last
}

// ended is the attempt that an idle record reports.
func ended(r record.Record) int {
	if r.Try > 1 {
		return r.Try - 1
	}
	return r.Attempt()
}

// tell takes in a run that DNS did not show.
func (t *track) tell(r Run) {
	t.at = time.Now()
	goesOn := t.current() != nil
	t.add(r)
	if n := len(t.runs); goesOn && n > 1 && t.runs[n-1].Over {
		t.runs[n-1], t.runs[n-2] = t.runs[n-2], t.runs[n-1]
	}
	t.say(KindReported, elect.LevelFine, "%s tells of its run of %s: %s", quoted(r.Agent), clock(r.Tick), r.Result)
	t.fresh[len(t.fresh)-1].Tick, t.fresh[len(t.fresh)-1].Agent = r.Tick, r.Agent
}
