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
		a.self.Stopping, a.self.StopBy = true, second(w.now)
	case delivered:
		return x.deliver(w, i)
	case lands:
		l := w.mail[i]
		w.mail[i] = letter{}
		_, bad := x.cas(w, l.old, l.new, int(l.by), true)
		return bad
	case evaporates:
		w.mail[i] = letter{}
	case deleted, damaged, rollback, future, farTimer, clockOn, clockBack, away, back, sealed, unsealed, pause, resume, trigger:
		x.hand(w, m.kind)
	default:
		return x.step(w, i, m)
	}
	return ""
}

// fault tells the moves that are counted from those that only end one.
func (k kind) fault() bool {
	switch k {
	case delivered, lands, evaporates, thaw, back, unsealed:
		return false
	}
	return k >= lookStale
}

func (x *explorer) advance(w *world) string {
	w.now++
	for i := range w.actors {
		a := &w.actors[i]
		if a.job && !a.dead && !a.loose && w.now >= a.deadline {
			a.dead = true
			told := !a.up || a.frozen || a.self.Claim.Cut != "" || Decide(x.policyOf(i), &a.self, x.nowOf(w, i)).Verb == Stop
			if bad := x.breaks(pTold, told, "%s ran tick %d until %d", a.self.ID, a.tick, a.deadline); bad != "" {
				return bad
			}
		}
	}
	if w.busy() {
		w.ghost.ended = w.now
	}
	return ""
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
	if a.fails || a.dead {
		res = record.Failed
	}
	loose, tick := a.loose, a.tick
	a.job, a.dead = false, false
	w.ghost.ended = w.now
	if loose {
		a.self.LooseEnded(res)
		return ""
	}
	if res == record.OK {
		add(w.ghost.worked[:], tick)
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
}

func has(list []int64, v int64) bool {
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
	case resume:
		r = Resume(r, now)
	case trigger:
		r, _, _ = Trigger(&x.policy, r, now)
	case future:
		r.Timer, r.TimerOld, r.Seq = w.now+5000, w.now+4000, max(r.Seq+1, now.Unix()*1000)
		w.ghost.stepped = true
	case farTimer:
		r.Timer, r.Seq = w.now+5000, max(r.Seq+1, now.Unix()*1000)
		w.ghost.stepped = true
	}
	switch k {
	case pause, resume, trigger:
		w.put(text{record.Present, r})
		w.ghost.seq = max(w.ghost.seq, r.Seq)
		return
	}
	if l := x.policy.Lease; w.busy() || second(w.now-w.ghost.ended) <= l+Margin(l)+x.policy.PollMax {
		w.ghost.hand = true
	}
	switch k {
	case deleted:
		w.put(text{state: record.Absent})
	case damaged:
		w.put(text{state: record.Damaged})
	case future, farTimer:
		w.put(text{record.Present, r})
		w.ghost.seq = max(w.ghost.seq, r.Seq)
	case sealed:
		w.put(text{state: record.Unopenable})
	case rollback, unsealed:
		w.reg, w.hist = w.hist, was
		w.wrote = w.now
	}
}

func (w *world) put(t text) { w.hist, w.reg, w.wrote = w.reg, t, w.now }

// step lets agent i do what Decide says, with the misfortune of m.
func (x *explorer) step(w *world, i int, m move) string {
	a := &w.actors[i]
	p, n := x.policyOf(i), x.nowOf(w, i)
	act := Decide(p, &a.self, n)
	a.self.Took(act)
	switch act.Verb {
	case End:
		*a = actor{lives: a.lives}
	case Look:
		t := w.reg
		switch {
		case m.kind == lookFails:
			a.self.LookFailed(n)
			a.self.NextLook = n.Elapsed + p.PollMax
			return ""
		case m.kind == lookStale:
			t = w.hist
		case x.cfg.noDNS && w.away:
			a.self.LoadFailed(n, Unreached)
			a.self.NextLook = n.Elapsed + p.PollMax
			return ""
		case x.cfg.noDNS:
			x.load(w, i)
			return ""
		}
		x.see(w, i, t, false)
	case Load:
		if m.kind == loadFails || w.away {
			a.self.LoadFailed(n, Unreached)
			return ""
		}
		x.load(w, i)
	case Swap:
		return x.swap(w, i, m.kind, act)
	case Run:
		return x.run(w, i, m, act)
	case Stop:
		a.self.Cutting(act)
		if !a.job {
			return "a run was stopped that was not there"
		}
		if !w.ghost.hand && !w.ghost.stepped {
			r, c := a.self.View.Record, a.self.Claim.Record
			if bad := x.breaks(pCut, act.Why != Newer || r.TimerOld > c.TimerOld || stage(r) > stage(c), "tick %d of %s", a.tick, a.self.ID); bad != "" {
				return bad
			}
		}
		// Told to stop, it takes all of its grace and dies of the guard or at the end of it.
		a.ends, a.fails = min(a.ends, w.now+int64(p.KillGrace/time.Second)), a.fails || w.now < a.ends
	}
	return ""
}

func (x *explorer) swap(w *world, i int, k kind, act Action) string {
	a := &w.actors[i]
	n := x.nowOf(w, i)
	if act.Next.Seq <= 0 || act.Next.Seq > 1<<53-1 || len(act.Next.String()) > 255 {
		return "a record was written that does not fit: " + act.Next.String()
	}
	old := text{a.self.View.State, a.self.View.Record}
	a.self.Sending(x.policyOf(i), n, act)
	next := text{record.Present, act.Next}
	a.action = act
	if w.away {
		k = swapUnreached
	}
	post := func() {
		for m := range w.mail {
			if !w.mail[m].used {
				w.mail[m] = letter{true, old, next, uint8(i), a.self.ID}
				return
			}
		}
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
	old := text{a.self.View.State, a.self.View.Record}
	ok, bad := x.cas(w, old, text{record.Present, a.action.Next}, i, false)
	x.answer(w, i, ok)
	return bad
}

func (x *explorer) answer(w *world, i int, ok bool) {
	a := &w.actors[i]
	out := Conflict
	if ok {
		out = Done
	}
	w.hears(i)
	n := x.nowOf(w, i)
	a.self.Swapped(n, a.action, out, text{record.Present, a.action.Next}.sum())
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
	w.put(next)
	return true, bad
}

func (x *explorer) run(w *world, i int, m move, act Action) string {
	a := &w.actors[i]
	a.self.Starting(x.nowOf(w, i), act)
	j := x.cfg.jobs[0]
	if m.kind == runs {
		j = x.cfg.jobs[m.arg]
	}
	a.job, a.loose, a.tick, a.fails, a.dead = true, act.Loose, act.Tick, j.fails, false
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
