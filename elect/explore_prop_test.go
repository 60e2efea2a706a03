package elect

import (
	"fmt"
	"slices"
	"time"

	"github.com/solotick/solotick/record"
)

// The properties are those of protocol section 10. Each says what was violated
// in words; premises counts how often each was put to the test.
const (
	pFence    = "1: fences grow in the order of the claims"
	pOnce     = "1: one claim for a (tick, try)"
	pAgain    = "1: no claim is run twice"
	pSeq      = "seq grows over everything that was there"
	pEarly    = "no tick is claimed before its time"
	pNone     = "2: no tick is passed over in silence"
	pEnded    = "2: a tick ends only as it really ended"
	pRetry    = "2: a retry is of the tick that is pending"
	pPause    = "an operator's pause holds"
	pKeep     = "an agent keeps what an operator wrote"
	pFinished = "a tick reported ok or skipped is not run again"
	pOverlap  = "4: no two runs at a time"
	pOrder    = "runs start in the order of their fences"
	pTwice    = "at-most-once: no tick is run twice"
	pRoom     = "a run starts with a second and kill_grace of its window left"
	pTold     = "4: a holder tells its run to stop before the window ends"
	pCut      = "a run is cut as superseded only by a later claim"
	pLoose    = "8: no unarbitrated run beside a live claim, in a pause or of a tick known run"
	pSealed   = "9: what cannot be opened is not overwritten"
	pLive     = "2: from every state, without further faults, a new tick is run to its end in time"
	pPrompt   = "3: a tick whose incumbent lives is claimed in its second"
	pBetween  = "5: a tick whose incumbent died between ticks is claimed within head start and spread"
	pWrites   = "5: while nothing goes wrong no write is refused"
	pTries    = "2: attempts count up, to attempts and takeovers at most"
	pLower    = "5: a repair only lowers the timer"
	pTick     = "what is claimed is due by the record or the schedule"
	pReport   = "2: a holder reports what its run came to"
	pSkips    = "5: overlap skip: what fell due in a run is skipped"
	pReplaces = "5: overlap replace: a run ends when the next tick begins"
	pLeaves   = "5: an agent that ends leaves no claim of its own"
	pBack     = "no agent puts an older record over a newer one"
	pLossless = "2: no run is cut as lost while nothing is in its way"
	pSpin     = "nobody asks without end"
	pOver     = "3: a vanished holder's tick is taken over in time"
	pAlone    = "11: nobody takes a lock while it is held"
	pTaken    = "11: from every state, without further faults, a lock is taken by who wants it, and freed"
	pSoon     = "11: a lock that was freed is taken within a third of the lease and spread"
	pAtOnce   = "11: a lock that has been free for long is taken at once"
	pTurns    = "11: who held a lock last gives way to others"
	pFreed    = "11: a lock that was freed or taken is not claimed back"
	pTickless = "11: a lock has no ticks and no attempts"
	pJobs     = "11: the record of a job is left alone by who wants a lock"
)

var properties = []string{
	pFence, pOnce, pAgain, pSeq, pEarly, pNone, pEnded, pRetry, pPause, pKeep, pFinished, pOverlap, pOrder, pTwice, pRoom, pTold, pCut, pLoose, pSealed, pLive, pOver,
	pPrompt, pBetween, pWrites, pTries, pLower, pTick, pReport, pSkips, pReplaces, pLeaves, pBack, pLossless, pSpin, pAlone, pTaken, pSoon, pAtOnce, pTurns, pFreed, pTickless, pJobs,
}

// still is what holds even where a register does once what its class excludes.
var still = []string{pNone, pLive, pTries, pReport, pRoom, pTold, pSpin, pLeaves}

// breaks tells whether a property that was put to the test does not hold.
func (x *explorer) breaks(p string, holds bool, format string, args ...any) string {
	x.premises[p]++
	if holds || x.cfg.expect != "" && p != x.cfg.expect || x.cfg.still && !slices.Contains(still, p) {
		return ""
	}
	return p + ": " + fmt.Sprintf(format, args...)
}

func first(bad ...string) string {
	for _, b := range bad {
		if b != "" {
			return b
		}
	}
	return ""
}

// committed judges what an agent put into the register.
func (x *explorer) committed(w *world, old text, r record.Record, by int, late bool) string {
	g, o := &w.ghost, old.rec
	p := x.policyOf(by)
	if r.Claimed || o.Claimed {
		g.ended = w.now
	}
	bad := x.breaks(pSeq, r.Seq > o.Seq && (r.Seq > g.seq || w.used[rollback] > 0 || w.used[clockBack] > 0 || old.state != record.Present && w.used[deleted]+w.used[damaged]+w.used[sealed] > 0), "%d after %d, highest %d", r.Seq, o.Seq, g.seq)
	bad = first(bad, x.breaks(pSealed, old.state != record.Unopenable && x.opens(by, old), "%s", r))
	g.seq = max(g.seq, r.Seq)
	if old.state == record.Present {
		bad = first(bad,
			x.breaks(pKeep, r.Pause == o.Pause || o.Pause > 0, "pause %d became %d", o.Pause, r.Pause),
			x.breaks(pKeep, g.hand || r.State == o.State && r.EntryID == o.EntryID && r.Extra == o.Extra, "%s became %s", o, r),
			x.transition(w, p, o, r, by, late))
	}
	if old.state == record.Present && !g.stepped && !p.Lock {
		bad = first(bad, x.breaks(pBack, r.TimerOld > o.TimerOld || r.TimerOld == o.TimerOld && stage(r) >= stage(o), "%s was replaced by %s", o, r))
	}
	if p.AtMostOnce && old.state == record.Present {
		bad = first(bad, x.breaks(pTwice, !r.Claimed, "%s says that a run may be taken over", r))
	}
	if p.Lock {
		bad = first(bad, x.lockWritten(w, old, r, by, late))
	}
	tick := r.TimerOld
	isClaim := claims(o, r) || p.AtMostOnce && old.state == record.Present && !o.Claimed && tick != o.TimerOld && !g.stepped
	if isClaim {
		bad = first(bad, x.claimedNow(w, p, o, r, by, late))
	}
	if t := tick; t > 0 && attempt(r) == 1 && !g.stepped && x.cfg.other == nil {
		n := p.Schedule.Next(t)
		switch skew := int64(p.Skew / time.Second); {
		case r.Claimed:
		case old.state != record.Present && r.Last == record.Skipped: // what was there is not known
			n = p.Schedule.Next(max(t, w.now+w.clock+2*skew+int64(p.Lease/time.Second)))
		case !o.Claimed && o.TimerOld == t && r.Timer < o.Timer && w.used[farTimer] > 0: // repaired
			n = p.Schedule.Next(max(t, w.now+w.clock+3*skew+int64(p.Lease/time.Second)))
		case p.CatchUp == CatchUpNone && r.Last == record.Skipped:
			n = p.Schedule.Next(max(t, w.now+w.clock+skew))
		}
		if p.AtMostOnce && attempt(o) > 1 { // a retry left over is dropped, with what falls due meanwhile
			n = p.Schedule.Next(max(t, w.now+w.clock))
		}
		if o.Timer == r.Timer && o.TimerOld == t || old.state != record.Present && w.used[farTimer] > 0 { // as it was found
			n = max(n, r.Timer)
		}
		if p.Overlap == OverlapSkip && !r.Claimed {
			n = p.Schedule.Next(max(t, w.now))
		}
		bad = first(bad, x.breaks(pNone, r.Timer <= n, "after tick %d the record goes to %d, but %d lies between", t, r.Timer, n))
	}
	return bad
}

// claims tells a claim or a takeover from a renewal or a claim that was put back.
func claims(o, r record.Record) bool {
	return r.Claimed && (!o.Claimed || o.ID != r.ID || o.TimerOld != r.TimerOld || attempt(o) != attempt(r))
}

func (x *explorer) claimedNow(w *world, p *Policy, o, r record.Record, by int, late bool) string {
	g := &w.ghost
	// A rollback in the middle of a run is the one thing that can bring a fence back: a
	// register that does not keep what it acknowledged. The same text may also be sent
	// again, after it or after a deletion, and is then the same claim.
	again := r.Seq == g.fence && o == (record.Record{}) && w.used[deleted] > 1 && w.actors[by].self.Open.Vain > 0
	bad := first(
		x.breaks(pFence, r.Seq > g.fence || again || w.used[rollback] > 0 && (g.hand || r == w.hist.rec),
			"claim with fence %d after one with %d", r.Seq, g.fence),
		x.breaks(pPause, o.Pause == 0 || o.Pause > 0 && o.Pause <= w.now+w.clock+int64(p.Skew/time.Second) || g.stepped && o.Pause > 0 || w.actors[by].job && w.actors[by].tick == r.TimerOld, // a holder puts its claim back
			"claimed while paused"),
		x.breaks(pPause, r.Pause <= 0 || r.Pause > w.now+w.clock || o == (record.Record{}) || w.actors[by].job, "a pause that has ended stays"),
	)
	g.fence = max(g.fence, r.Seq)
	if p.Lock {
		bad = first(bad, x.lockTaken(w, p, o, r, by, late))
	}
	if !late {
		bad = first(bad, x.prompt(w, p, o, r, by))
	}
	if attempt(r) == 1 && !g.stepped && !g.hand && x.cfg.other == nil && !p.Lock {
		bad = first(bad, x.breaks(pTick, r.TimerOld > o.TimerOld && r.TimerOld >= o.Timer && (r.TimerOld == o.Timer || p.Schedule.Prev(r.TimerOld) == r.TimerOld),
			"tick %d was claimed where %d was due", r.TimerOld, o.Timer))
		if p.CatchUp != CatchUpAll && o != (record.Record{}) {
			latest := p.Schedule.Prev(min(w.now+w.clock, r.Seq/1000) - int64(p.Skew/time.Second))
			bad = first(bad, x.breaks(pTick, r.TimerOld >= latest, "tick %d was claimed, the latest is %d", r.TimerOld, latest))
		}
	}
	if o.Claimed && !late && w.faults == w.used[crash] && !x.cfg.stuck && w.actors[by].self.Born.Unix() <= w.wrote { // section 10: nothing else went wrong
		spread := p.Spread << w.actors[by].self.Wide
		bound := max(p.Lease/3, p.HeadStart+spread) + p.Lease + Margin(p.Lease) + spread + time.Second + second(x.cfg.lag)
		bound += second(x.cfg.takes())
		if x.cfg.drift != ([most]int64{}) {
			bound += bound/5 + time.Second // by a slow clock, in whole seconds
		}
		bad = first(bad, x.breaks(pOver, second(w.now-w.wrote) <= bound, "%d s after the last renewal, want %v", w.now-w.wrote, bound))
	}
	if !g.stepped {
		at := w.now + w.clock + int64(p.Skew/time.Second)
		bad = first(bad, x.breaks(pEarly, r.TimerOld <= at, "tick %d claimed at %d", r.TimerOld, w.now))
	}
	if !g.hand && !g.stepped && !p.Lock {
		bad = first(bad, x.breaks(pOnce, note(&g.claims, r.TimerOld, attempt(r)), "tick %d, attempt %d claimed again", r.TimerOld, attempt(r)))
	}
	return bad
}

// note adds an attempt of a tick to a list. It returns false if it was there.
func note(list *[8]claimed, tick int64, try int) bool {
	bit := uint16(1) << try
	for i := range list {
		c := &list[i]
		if c.tick != 0 && c.tick != tick {
			continue
		}
		had := c.tries&bit != 0
		c.tick, c.tries = tick, c.tries|bit
		return !had
	}
	return true
}

// prompt judges when an idle record was claimed.
func (x *explorer) prompt(w *world, p *Policy, o, r record.Record, by int) string {
	if o.Claimed || attempt(o) > 1 || o.Timer <= w.wrote || w.faults != w.used[crash] || p.NoAffinity || x.cfg.other != nil || x.cfg.offset != ([most]int64{}) {
		return ""
	}
	for i := range x.cfg.agents {
		if a := &w.actors[i]; a.up && a.self.ID == o.ID && w.used[crash] == 0 {
			return x.breaks(pPrompt, o.Timer <= w.now && w.now <= o.Timer+x.cfg.takes(), "tick %d was claimed at %d by %s, where %s lives", o.Timer, w.now, r.ID, o.ID)
		}
	}
	s := &w.actors[by].self
	if s.Born.Unix() > w.wrote || s.Wide > 0 || x.cfg.lag > 0 || x.cfg.stuck {
		return ""
	}
	seen := w.wrote + int64((p.Lease/3+time.Second-1)/time.Second) // by who watched the run
	return x.breaks(pBetween, w.now <= max(o.Timer, seen)+int64((p.HeadStart+p.Spread)/time.Second)+1+x.cfg.takes(), "tick %d was claimed at %d by %s", o.Timer, w.now, r.ID)
}

// transition judges the step from one record to the next.
func (x *explorer) transition(w *world, p *Policy, o, r record.Record, by int, late bool) string {
	g := &w.ghost
	if bad := x.counting(w, p, o, r, by, late); bad != "" {
		return bad
	}
	closes := o.Claimed && !r.Claimed && o.TimerOld == r.TimerOld && attempt(r) == 1
	if closes || p.AtMostOnce && !o.Claimed && r.TimerOld > o.TimerOld {
		g.done++
	}
	if p.Lock || g.hand || g.stepped || r.Last == record.Skipped && !r.Claimed && !o.Claimed {
		return ""
	}
	for i := range w.actors { // ran without the register: the record is put past that tick
		if has(g.loosely[i][:], r.TimerOld) && !r.Claimed && (o.TimerOld != r.TimerOld || has(g.alone[:], r.TimerOld)) {
			return ""
		}
	}
	switch {
	case closes:
		n := attempt(o)
		bad := x.breaks(pEnded, has(g.worked[:], r.TimerOld) || r.Last == record.OK && has(g.alone[:], r.TimerOld) || r.Last == record.Skipped && has(g.skipped[:], r.TimerOld) ||
			(r.Last == record.Failed || r.Last == record.Timeout) && n >= p.Attempts ||
			r.Last == record.Lost && n >= p.Runs() && w.faults > w.harmless() || p.AtMostOnce || r.Last == record.Replaced && p.Overlap == OverlapReplace,
			"tick %d, attempt %d is closed as %q", r.TimerOld, n, r.Last)
		if r.Last == record.OK || r.Last == record.Skipped {
			add(g.ok[:], r.TimerOld)
		}
		if p.Overlap == OverlapSkip && r.ID == o.ID {
			bad = first(bad, x.breaks(pSkips, r.Timer > min(w.now+w.clock, r.Seq/1000)-int64(p.Skew/time.Second), "%s", r))
		}
		return bad
	case o.Claimed && r.TimerOld != o.TimerOld:
		return x.breaks(pEnded, p.AtMostOnce, "the claim of tick %d gave way to tick %d", o.TimerOld, r.TimerOld)
	case o.Claimed || p.AtMostOnce:
		return ""
	case attempt(o) > 1:
		return x.breaks(pRetry, r.TimerOld == o.TimerOld && attempt(r) == attempt(o), "attempt %d of tick %d was pending, and became attempt %d of tick %d",
			attempt(o), o.TimerOld, attempt(r), r.TimerOld)
	case p.CatchUp == CatchUpAll && r.Claimed:
		return x.breaks(pNone, r.TimerOld == o.Timer, "catch_up all: tick %d was due, %d was claimed", o.Timer, r.TimerOld)
	}
	return ""
}

// harmless counts the faults that are no reason for a run to be lost.
func (w *world) harmless() uint8 {
	n := uint8(0)
	for _, k := range []kind{swapUnheard, swapTwice, runs, trigger, pause, pauseFor, resume, lookStale, lookFails, catchesUp, copyBack} {
		n += w.used[k]
	}
	return n
}

// started judges the start of a run.
func (x *explorer) started(w *world, i int) string {
	g, a := &w.ghost, &w.actors[i]
	others := 0
	for j := range w.actors {
		if j != i && w.actors[j].job && !w.actors[j].loose && !w.actors[j].dead {
			others++
		}
	}
	room := x.policyOf(i).KillGrace + time.Second
	bad := x.breaks(pRoom, second(a.deadline-x.elapsed(w, i)) >= room, "tick %d starts on %s at %d, its window ends at %d", a.tick, a.self.ID, w.now, a.deadline)
	if !g.hand && (!x.policy.AtMostOnce || !g.stepped) {
		bad = first(bad,
			x.breaks(pOverlap, others == 0, "tick %d starts on %s beside another run", a.tick, a.self.ID),
			x.breaks(pOrder, a.fence > g.started, "a run with fence %d starts after one with %d", a.fence, g.started))
	}
	if !g.hand && !g.stepped && !x.policy.Lock {
		bad = first(bad, x.breaks(pFinished, !has(g.ok[:], a.tick), "tick %d", a.tick))
		if x.policy.AtMostOnce {
			bad = first(bad, x.breaks(pTwice, !has(g.begun[:], a.tick), "tick %d", a.tick))
			add(g.begun[:], a.tick)
		}
		try := attempt(a.self.Claim.Record)
		bad = first(bad, x.breaks(pAgain, note(&g.ran, a.tick, try), "tick %d, attempt %d starts on %s", a.tick, try, a.self.ID))
		l := &a.self.Loose
		bad = first(bad, x.breaks(pFinished, l.Tick != a.tick || l.Running || l.Result != record.OK, "tick %d was already run here without the register", a.tick))
	}
	g.started = max(g.started, a.fence)
	return bad
}

func (x *explorer) startedLoose(w *world, i int) string {
	g, a := &w.ghost, &w.actors[i]
	v := a.self.View
	live := w.reg.state == record.Present && w.reg.rec.Claimed && w.reg.rec.TimerOld == a.tick && w.reg.rec == v.Record &&
		second(w.now-w.wrote) < v.Record.LeaseOr(x.policy.Lease)
	p := x.policyOf(i)
	now := w.now + w.clock
	shown := v.State == record.Present && v.Record.Pause >= 0 && v.Record.Pause <= now && (!v.Record.Claimed && v.Record.Timer <= a.tick ||
		v.Record.Claimed && second(x.elapsed(w, i)) >= v.First+v.Record.LeaseOr(p.Lease)+Margin(p.Lease))
	bad := first(
		x.breaks(pLoose, p.WithoutRegister == WithoutAlways || shown && v.Last > a.self.DownSince, "tick %d, though DNS showed %s", a.tick, v.Record),
		x.breaks(pLoose, w.away || a.self.Fails > 0, "tick %d, though the register was not asked", a.tick),
		x.breaks(pLoose, g.stepped || a.told < a.tick+int64(p.Skew/time.Second), "tick %d, and the register answered at %d", a.tick, a.told),
		x.breaks(pLoose, g.stepped || now >= a.tick+int64(p.OutageAfter/time.Second), "tick %d before the outage was long enough", a.tick),
		x.breaks(pLoose, g.stepped || a.self.Born.Unix() <= a.tick, "tick %d came before %s", a.tick, a.self.ID),
		x.breaks(pLoose, p.WithoutRegister != WithoutWait && !p.AtMostOnce, "tick %d", a.tick),
		x.breaks(pLoose, !has(g.loosely[i][:], a.tick), "tick %d is run twice by one process", a.tick),
		x.breaks(pLoose, g.hand || !live, "beside a live claim of tick %d", a.tick))
	add(g.loosely[i][:], a.tick)
	return bad
}

// counting judges the attempts of one tick, and what its holder says of them.
func (x *explorer) counting(w *world, p *Policy, o, r record.Record, by int, late bool) string {
	g := &w.ghost
	loosely := late && has(g.alone[:], r.TimerOld) // by a process that is gone
	for i := range w.actors {
		loosely = loosely || has(g.loosely[i][:], r.TimerOld)
	}
	if !o.Claimed && !r.Claimed && o.TimerOld == r.TimerOld && !loosely {
		lower := r.Timer <= o.Timer || p.CatchUp == CatchUpNone && r.Last == record.Skipped || p.AtMostOnce && attempt(o) > 1 || g.stepped
		if bad := x.breaks(pLower, lower, "%s became %s", o, r); bad != "" {
			return bad
		}
	}
	n := attempt(r)
	same := r.TimerOld == o.TimerOld
	ok := n == 1 && r.TimerOld >= o.TimerOld || same && n <= p.Runs() && (n == attempt(o) && (!o.Claimed || r.ID == o.ID) || o.Claimed && n == attempt(o)+1)
	if o.Claimed && !r.Claimed && same && n > 1 && (r.Last == record.Failed || r.Last == record.Timeout) {
		now := min(w.now+w.clock, r.Seq/1000) // when it was composed
		early := min(now+int64(BackOff(n-1)/time.Second), p.Schedule.Next(now))
		ok = ok && n <= p.Attempts && (g.stepped || r.Timer >= early && r.Timer <= p.Schedule.Next(now))
	}
	if o.Claimed && !r.Claimed && same && n > 1 {
		ok = ok && r.Last != record.OK && r.Last != record.Skipped && r.Last != record.Replaced
	}
	if o.Claimed && !r.Claimed && same && n > 1 && r.Last == record.Lost {
		ok = ok && (g.stepped || r.Timer <= w.now+w.clock+int64(p.Skew/time.Second))
	}
	bad := x.breaks(pTries, ok || g.stepped || g.hand, "%s became %s", o, r)
	a := &w.actors[by]
	if !late && a.up && o.ID == a.self.ID && o.Claimed && !r.Claimed && same && r.ID == o.ID && !g.hand && !loosely {
		told := r.Last == record.OK || r.Last == record.Failed || r.Last == record.Timeout || r.Last == record.Skipped
		told = told && !(p.Lock && a.self.Claim.Phase == Ready && r.Last == o.Last) // given back, as it was taken
		bad = first(bad, x.breaks(pReport, !told || a.did.tick == o.TimerOld && a.did.try == attempt(o), "%s says %q of attempt %d of tick %d", r.ID, r.Last, attempt(o), o.TimerOld))
	}
	if d := a.did; !late && a.up && o.ID == a.self.ID && r.ID == o.ID && o.Claimed && !r.Claimed && same && d.tick == o.TimerOld && d.try == attempt(o) && d.fence == a.self.Claim.Fence && !loosely {
		right := (r.Last == record.OK) == d.ok && (r.Last != record.Skipped || d.skips) && (r.Last != record.Failed || !d.skips)
		bad = first(bad, x.breaks(pReport, right, "%s says %q of tick %d", r.ID, r.Last, d.tick))
	}
	return bad
}
