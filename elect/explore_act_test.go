package elect

import (
	"fmt"
	"time"

	"github.com/solotick/solotick/record"
)

// apply makes one move. It returns what was violated, or "".
func (x *explorer) apply(w *world, m move) string {
	if m.kind.fault() {
		w.faults++
		w.used[m.kind]++
	}
	if !x.fair {
		x.fired[m.kind]++
	}
	i := int(m.agent)
	a := &w.actors[i%most]
	if a.stalled && m.kind == loadFails {
		return x.giveUp(w, i, 0)
	}
	if a.stalled && m.kind == swapSlow {
		a.weak.slow = true
		return ""
	}
	switch m.kind {
	case advance:
		return x.advance(w)
	case jobEnds:
		return x.jobEnds(w, i)
	case start:
		a.lives++
		x.boot(w, i)
	case crash:
		// The guard kills the child with its agent; only a kernel can keep it.
		*a = actor{lives: a.lives}
	case freeze:
		a.frozen = true
	case thaw:
		a.frozen = false
	case shutdown:
		a.self.Stopping, a.self.StopBy = true, second(x.elapsed(w, i)+x.cfg.grace)
	case delivered:
		return x.deliver(w, i)
	case givesUp:
		return x.giveUp(w, i, m.arg)
	case stale:
		return x.ballot(w, i, true)
	case copyBack:
		w.dns = w.hist
		if m.arg > 0 {
			w.dns = w.older
		}
	case lands:
		l := w.mail[i]
		w.mail[i] = letter{}
		if x.cfg.class == timed {
			x.land(w, l)
			return ""
		}
		_, bad := x.cas(w, l.old, l.new, int(l.by), true)
		return bad
	case evaporates:
		x.vanishes(w, w.mail[i])
		w.mail[i] = letter{}
	case catchesUp:
		w.dns = w.reg
	case deleted, damaged, rollback, future, farTimer, clockOn, clockBack, away, back, sealed, movedIn, unsealed, foreign, pause, pauseFor, resume, trigger:
		x.hand(w, m.kind)
	default:
		return x.step(w, i, m)
	}
	return ""
}

// actsMost is how often an agent may act at one instant: more is a loop that
// does not end before time passes.
const actsMost = 14

// fault tells the moves that are counted from those that only end one.
func (k kind) fault() bool {
	switch k {
	case delivered, lands, evaporates, thaw, back, unsealed:
		return false
	}
	return k >= lookStale
}

func (x *explorer) advance(w *world) string {
	for i := range x.cfg.agents {
		if a := &w.actors[i]; a.up && !a.frozen && !a.stalled { // what it waits for, it remembers
			a.self.Took(Decide(x.policyOf(i), &a.self, x.nowOf(w, i)))
		}
		w.actors[i].acts = 0
	}
	w.now++
	for i := range w.actors {
		a := &w.actors[i]
		if p := x.policyOf(i); a.job && !a.loose && !a.frozen && p.Overlap == OverlapReplace && !p.AtMostOnce && a.self.Claim.Cut == "" {
			next := p.Schedule.Next(max(a.tick, a.self.Claim.BeganAt))
			if bad := x.breaks(pReplaces, x.nowOf(w, i).Time.Unix() <= next, "%s still runs tick %d at %d", a.self.ID, a.tick, w.now); bad != "" {
				return bad
			}
		}
		if a.job && !a.dead && !a.loose && x.elapsed(w, i) >= a.deadline {
			a.dead = true
			told := a.frozen || a.self.Claim.Cut != "" || x.policyOf(i).KillGrace == 0 && Decide(x.policyOf(i), &a.self, x.nowOf(w, i)).Verb == Stop
			if bad := x.breaks(pTold, told, "%s ran tick %d until %d", a.self.ID, a.tick, a.deadline); bad != "" {
				return bad
			}
		}
	}
	if w.busy() {
		w.ghost.ended = w.now
	}
	if g := &w.ghost; g.hand && w.now > g.handAt+x.aftermath() {
		g.hand = false
		g.claims, g.ran, g.ok, g.begun = [8]claimed{}, [8]claimed{}, [8]int64{}, [8]int64{} // of before
	}
	return ""
}

// unreported tells whether a run is still to be reported, by a frozen agent at
// last: its tick is not over.
func (w *world) unreported() bool {
	for i := range w.actors {
		if a := &w.actors[i]; a.up && a.self.pending() {
			return true
		}
	}
	return false
}

// aftermath is for how long something done by hand in a run may show, in
// seconds: those who saw what was there watch it for a lease, and so do those who
// see what came of that, until the next tick is over.
func (x *explorer) aftermath() int64 {
	l := x.policy.Lease
	if x.policy.Lock { // no tick has everybody look at the register itself
		return int64((l + Margin(l) + LoadEvery) / time.Second)
	}
	return int64((2*(l+Margin(l))+x.policy.PollMax)/time.Second) + x.policy.Schedule.Next(0)
}

// busy tells whether a claim or a run is there.
func (w *world) busy() bool {
	for i := range w.actors {
		if w.actors[i].job {
			return true
		}
	}
	return w.reg.state == record.Present && w.reg.rec.Claimed
}

func (x *explorer) jobEnds(w *world, i int) string {
	a := &w.actors[i]
	res := record.OK
	switch {
	case a.fails || a.dead:
		res = record.Failed
	case a.skips:
		res = record.Skipped
	}
	loose, tick := a.loose, a.tick
	a.job, a.dead = false, false
	w.ghost.ended = w.now
	if !loose {
		a.did = did{tick, a.fence, attempt(a.self.Claim.Record), res == record.OK, res == record.Skipped}
	}
	if loose {
		if res == record.OK {
			add(w.ghost.alone[:], tick)
		}
		a.self.LooseEnded(res)
		return ""
	}
	switch res {
	case record.OK:
		add(w.ghost.worked[:], tick)
	case record.Skipped:
		add(w.ghost.skipped[:], tick)
	}
	a.self.RunEnded(res, "", false)
	return ""
}

func add(list []int64, v int64) {
	for i := range list {
		if list[i] == v {
			return
		}
		if list[i] == 0 {
			list[i] = v
			return
		}
	}
	copy(list, list[1:]) // the oldest will hardly come back
	list[len(list)-1] = v
}

func has(list []int64, v int64) bool {
	if v == 0 { // no tick: a lock
		return false
	}
	for i := range list {
		if list[i] == v {
			return true
		}
	}
	return false
}

// hand is what people and broken machines do to the register.
func (x *explorer) hand(w *world, k kind) {
	now := time.Unix(w.now+w.clock, 0)
	r := w.reg.rec
	was := w.reg
	switch k {
	case clockOn:
		w.clock += 7
		w.ghost.stepped = true
		return
	case clockBack:
		w.clock -= 7
		w.ghost.stepped = true
		return
	case away, back:
		w.away = k == away
		return
	case pause:
		r, _ = Pause(r, time.Time{}, "", now)
	case pauseFor:
		r, _ = Pause(r, now.Add(3*time.Second), "", now)
	case resume:
		r = Resume(r, now)
	case trigger:
		r, _, _ = Trigger(&x.policy, r, now)
	case future:
		r.Timer, r.TimerOld, r.Seq = w.now+5000, w.now+4000, max(r.Seq+1, now.Unix()*1000)
		w.ghost.stepped = true
	case farTimer:
		r.Timer, r.Seq = w.now+5000, max(r.Seq+1, now.Unix()*1000)
		x.put(w, text{state: record.Present, rec: r, foreign: was.foreign, key: was.key})
		x.wrote(w, r)
		return
	}
	switch k {
	case pause, pauseFor, resume, trigger:
		x.put(w, text{state: record.Present, rec: r, foreign: was.foreign, key: was.key})
		x.wrote(w, r)
		return
	case foreign:
		was.foreign = !was.foreign
		x.put(w, was)
		return
	}
	if l := x.policy.Lease; !x.spared(w, k) && (w.busy() || w.unreported() || k == rollback && w.hist.rec.Claimed || second(w.now-w.ghost.ended) <= l+Margin(l)+x.policy.PollMax) {
		w.ghost.hand, w.ghost.handAt = true, w.now
	}
	switch k {
	case deleted:
		x.put(w, text{state: record.Absent})
	case damaged:
		x.put(w, text{state: record.Damaged})
	case future:
		x.put(w, text{state: record.Present, rec: r, foreign: was.foreign, key: was.key})
		x.wrote(w, r)
	case sealed:
		x.put(w, text{state: record.Unopenable})
	case movedIn: // due at once, and older than nothing
		r.ID, r.Timer, r.Seq = "Z", w.now, max(r.Seq+1, now.Unix()*1000)
		x.put(w, text{state: record.Present, rec: r, key: was.key, moved: true})
	case rollback, unsealed:
		w.reg, w.hist = w.hist, was
		w.wrote = w.now
	}
}

// wrote notes what somebody else wrote, unless it may still be written over.
func (x *explorer) wrote(w *world, r record.Record) {
	if x.cfg.class != timed {
		w.ghost.seq = max(w.ghost.seq, r.Seq)
	}
}

func (x *explorer) put(w *world, t text) {
	w.older, w.hist, w.reg, w.wrote = w.hist, w.reg, t, w.now
	if x.cfg.copies {
		w.dns = t
	}
	w.closes(t)
}

// step lets agent i do what Decide says, with the misfortune of m.
func (x *explorer) step(w *world, i int, m move) string {
	a := &w.actors[i]
	p, n := x.policyOf(i), x.nowOf(w, i)
	act := Decide(p, &a.self, n)
	a.self.Took(act)
	a.acts++
	if bad := x.breaks(pSpin, a.acts <= actsMost, "%s acted %d times at %d, at last %v (%v)", a.self.ID, a.acts, w.now, act.Verb, act.Why); bad != "" {
		return bad
	}
	switch act.Verb {
	case End:
		if !w.away && !w.ghost.hand {
			mine := w.reg.state == record.Present && a.self.mine(w.reg.rec) && a.self.Claim.Phase != NoClaim
			if s := &a.self; p.Lock { // whose claims are all alike: of one that it cannot know it is free
				mine = mine && (s.pending() || s.open(p, n) && !s.Open.Told && s.Fails < 2)
			}
			if bad := x.breaks(pLeaves, !mine || n.Elapsed >= a.self.StopBy+p.Lease, "%s leaves %s", a.self.ID, w.reg.rec); bad != "" {
				return bad
			}
		}
		*a = actor{lives: a.lives}
	case Look:
		t := w.reg
		if x.cfg.lag > 0 || x.cfg.stuck || x.cfg.copies {
			t = w.dns
		}
		switch {
		case m.kind == lookFails:
			a.self.LookFailed(n)
			a.self.NextLook = n.Elapsed + p.PollMax
			return ""
		case m.kind == lookStale:
			t = w.hist
		case x.cfg.noDNS && w.away:
			a.self.NextLook = n.Elapsed + p.PollMax
			a.self.LookFailed(n)
			a.self.LoadFailed(n, Unreached)
			return ""
		case x.cfg.noDNS:
			bad := x.finish(w)
			x.load(w, i)
			return bad
		}
		x.see(w, i, t, false)
	case Load:
		if m.kind == loadFails || w.away || w.now < a.weak.blind || x.cfg.class == ballots && x.cfg.wrongly && w.pending() {
			a.self.LoadFailed(n, Unreached)
			return ""
		}
		bad := x.finish(w)
		x.load(w, i)
		return bad
	case Swap:
		return x.swap(w, i, m.kind, act)
	case Run:
		return x.run(w, i, m, act)
	case Stop:
		if bad := x.breaks(pLossless, act.Result != record.Lost || act.Why == Newer || act.Loose || w.ghost.hand || w.faults > w.harmless() || p.AtMostOnce, "%s: %v", a.self.ID, act.Why); bad != "" {
			return bad
		}
		a.self.Cutting(act)
		if !a.job {
			return "a run was stopped that was not there"
		}
		if !w.ghost.hand && !w.ghost.stepped {
			r, c := a.self.View.Record, a.self.Claim.Record
			if bad := x.breaks(pCut, act.Why != Newer || r.TimerOld > c.TimerOld || stage(r) > stage(c) || p.Lock && r.ID != c.ID, "tick %d of %s", a.tick, a.self.ID); bad != "" {
				return bad
			}
		}
		// Told to stop, it takes all of its grace and dies of the guard or at the end of it.
		if !x.cfg.deaf {
			a.ends, a.fails = min(a.ends, w.now+int64(p.KillGrace/time.Second)), a.fails || w.now < a.ends
		}
	}
	return ""
}

func (x *explorer) swap(w *world, i int, k kind, act Action) string {
	a := &w.actors[i]
	n := x.nowOf(w, i)
	if act.Next.Seq <= 0 || act.Next.Seq > 1<<53-1 || len(act.Next.String()) > 255 {
		return "a record was written that does not fit: " + act.Next.String()
	}
	old := a.snap
	if state, rec := x.opened(i, old); !act.Again && (state != a.self.View.State || rec != a.self.View.Record) {
		return "a swap was decided against what the register did not show: " + act.Next.String()
	}
	a.self.Sending(x.policyOf(i), n, act)
	next := x.written(i, act.Next, old)
	a.action = act
	if w.away {
		k = swapUnreached
	}
	post := func() {
		for m := range w.mail {
			if !w.mail[m].used {
				w.mail[m] = letter{used: true, old: old, new: next, by: uint8(i), id: a.self.ID}
				return
			}
		}
	}
	if x.cfg.class != exact && k != swapUnreached && k != swapForNothing && k != swapStalls {
		return x.weakSwap(w, i, k)
	}
	switch k {
	case swapLost:
		a.self.Swapped(n, act, Uncertain, 0)
	case swapUnreached:
		a.self.Swapped(n, act, Unreached, 0)
	case swapUnheard:
		_, bad := x.cas(w, old, next, i, false)
		a.self.Swapped(n, act, Uncertain, 0)
		return bad
	case swapLate:
		post()
		a.self.Swapped(n, act, Uncertain, 0)
	case swapForNothing:
		x.answer(w, i, false)
		return ""
	case swapStalls:
		a.stalled = true
		return ""
	case swapSlow:
		ok, bad := x.cas(w, old, next, i, false)
		a.stalled, a.landed = true, -1
		if ok {
			a.landed = 1
		}
		return bad
	default:
		ok, bad := x.cas(w, old, next, i, false)
		if p := x.policyOf(i); w.faults == 0 && p.HeadStart > 0 && old.state == record.Present && x.cfg.other == nil && x.cfg.lag == 0 {
			bad = first(bad, x.breaks(pWrites, ok, "%s tried %s", a.self.ID, act.Next))
		}
		if k == swapTwice {
			post()
		}
		x.answer(w, i, ok)
		return bad
	}
	a.action = Action{}
	return ""
}

// deliver sends what stalled.
func (x *explorer) deliver(w *world, i int) string {
	a := &w.actors[i]
	if x.cfg.class != exact {
		return x.deliverWeak(w, i)
	}
	a.stalled = false
	if ok := a.landed; ok != 0 {
		a.landed = 0
		x.answer(w, i, ok > 0)
		return ""
	}
	if w.away {
		a.self.Swapped(x.nowOf(w, i), a.action, Uncertain, 0)
		a.action = Action{}
		return ""
	}
	ok, bad := x.cas(w, a.snap, x.written(i, a.action.Next, a.snap), i, false)
	x.answer(w, i, ok)
	return bad
}

func (x *explorer) answer(w *world, i int, ok bool) {
	a := &w.actors[i]
	out := Conflict
	if ok {
		out = Done
		a.snap = x.written(i, a.action.Next, a.snap)
	}
	w.hears(i)
	n := x.nowOf(w, i)
	a.self.Swapped(n, a.action, out, x.written(i, a.action.Next, a.snap).sum())
	a.action = Action{}
	if a.job && !a.loose {
		a.deadline = x.deadline(w, i)
	}
}

// deadline is when the guard of agent i's child kills it.
func (x *explorer) deadline(w *world, i int) int64 {
	d := WindowEnd(x.policyOf(i), &w.actors[i].self, x.nowOf(w, i))
	return int64((d + time.Second - 1) / time.Second)
}

// cas is the register's swap.
func (x *explorer) cas(w *world, old, next text, by int, late bool) (bool, string) {
	if w.reg != old {
		return false, ""
	}
	bad := x.committed(w, old, next.rec, by, late)
	x.put(w, next)
	return true, bad
}

func (x *explorer) run(w *world, i int, m move, act Action) string {
	a := &w.actors[i]
	if a.job {
		return "a run was started beside a run of the same agent"
	}
	a.self.Starting(x.nowOf(w, i), act)
	j := x.cfg.jobs[0]
	if m.kind == runs {
		j = x.cfg.jobs[m.arg]
	}
	a.job, a.loose, a.tick, a.fails, a.dead = true, act.Loose, act.Tick, j.fails, false
	a.skips = j.skips
	a.ends = w.now + j.takes
	if act.Loose {
		return x.startedLoose(w, i)
	}
	a.fence = a.self.Claim.Fence
	a.deadline = x.deadline(w, i)
	return x.started(w, i)
}

// describe is the world in one line, for traces.
func (x *explorer) describe(w *world) string {
	s := fmt.Sprintf("  t=%d register=", w.now)
	if w.reg.state == record.Present {
		s += w.reg.rec.String()
		if w.reg.key > 0 {
			s += fmt.Sprintf(" (sealed with key %d)", w.reg.key)
		}
	} else {
		s += w.reg.state.String()
	}
	for i := range x.cfg.agents {
		if a := &w.actors[i]; a.job {
			s += fmt.Sprintf(" [%s runs %d]", a.self.ID, a.tick)
		}
	}
	return s
}
