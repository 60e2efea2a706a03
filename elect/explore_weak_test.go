package elect

import (
	"time"

	"github.com/solotick/solotick/record"
)

// This file is the registers that are weaker than exact, as agents see them: a
// swap takes several steps, and others act between any two of them.
//
// Ballots: who wants to swap announces a ballot above all that it sees, accepts a
// text in it (the one that was accepted at the highest ballot, else its own), and
// has decided if nobody announced a higher one meanwhile. Whoever loads finishes
// what was accepted. A swap that is given up after its text was accepted may be
// decided by anybody, later.
//
// Timed: who wants to swap reads, writes over whatever is there by then, waits,
// and reads again: it has won if its text is still there. A text that is shown
// meanwhile may never have won.

// A class is what a register promises (see the package register).
type class uint8

const (
	exact class = iota
	ballots
	timed
)

// A leg is how far a swap of several steps has come.
type leg uint8

const (
	composed leg = iota
	sent         // timed: not known to have landed
	settling     // timed: to be read again
	announced
	accepted
)

// A weak is a swap of several steps under way.
type weak struct {
	leg     leg
	tries   uint8 // ballots begun
	adopted bool  // another's text is put forward
	slow    bool  // the next step takes its time
	sent    int64 // timed: when it was read and written
	due     int64 // timed: when it is read again
	based   int64 // when what it replaces was written
	blind   int64 // timed: until when a Load tells nothing
}

// A landing is a write that took effect.
type landing struct {
	old, new text // old is what its author had read
	by       uint8
}

// takes is how long a swap takes, in seconds.
func (c *config) takes() int64 { return c.lands + c.delay }

func (x *explorer) weakSwap(w *world, i int, k kind) string {
	a := &w.actors[i]
	a.stalled, a.weak = true, weak{sent: w.now, based: w.wrote, blind: a.weak.blind}
	switch {
	case w.reg != a.snap:
		x.answered(w, i, false)
		return ""
	case x.cfg.class == ballots:
		x.announce(w, i)
		return ""
	}
	a.weak.leg = sent
	l := letter{used: true, old: a.snap, new: a.wants(), by: uint8(i), id: a.self.ID, until: w.now + x.cfg.lands}
	switch k {
	case swapLost:
		a.settles(w.now + x.cfg.takes())
		return ""
	case swapUnheard:
		a.settles(w.now + x.cfg.takes())
	case swapLate: // the one that breaks what is assumed
		l.until = 0
	case swapTwice:
		w.post(l)
	}
	if !w.post(l) {
		a.gone(x.nowOf(w, i), Unreached)
	}
	return ""
}

// wants is the text that an agent tries to put into the register.
func (a *actor) wants() text {
	return text{state: record.Present, rec: a.action.Next, foreign: a.snap.foreign}
}

func (a *actor) settles(due int64) { a.weak.leg, a.weak.due = settling, due }

// gone is a swap that ends without an answer that tells how.
func (a *actor) gone(n Now, out Outcome) {
	a.stalled, a.landed = false, 0
	a.self.Swapped(n, a.action, out, 0)
	a.action, a.weak = Action{}, weak{blind: a.weak.blind}
}

func (x *explorer) answered(w *world, i int, ok bool) {
	a := &w.actors[i]
	a.stalled, a.landed, a.weak = false, 0, weak{blind: a.weak.blind}
	x.answer(w, i, ok)
}

func (w *world) post(l letter) bool {
	for m := range w.mail {
		if !w.mail[m].used {
			w.mail[m] = l
			return true
		}
	}
	return false
}

// stalledMoves is what may become of a swap that is under way. It returns whether
// time may pass before.
func (x *explorer) stalledMoves(w *world, i int, add, fault func(kind, int, int)) bool {
	a := &w.actors[i]
	switch a.weak.leg {
	case composed:
		add(delivered, i, 0)
		return !x.fair
	case sent:
		fault(givesUp, i, 0)
		return true
	case settling:
		fault(givesUp, i, 0)
		if w.now < a.weak.due {
			return true
		}
		add(delivered, i, 0)
		fault(loadFails, i, 0)
		return false
	}
	add(delivered, i, 0)
	if a.weak.slow {
		return !x.fair
	}
	fault(swapSlow, i, 0)
	fault(givesUp, i, 0)
	if a.weak.leg == announced {
		fault(givesUp, i, 1)
	} else {
		fault(stale, i, 0)
	}
	return false
}

// deliverWeak is the next step of a swap.
func (x *explorer) deliverWeak(w *world, i int) string {
	a := &w.actors[i]
	a.weak.slow = false
	switch {
	case a.weak.leg == composed && w.away: // it could not even be read
		a.gone(x.nowOf(w, i), Unreached)
		return ""
	case w.away:
		return x.giveUp(w, i, 0)
	case a.weak.leg == composed:
		return x.weakSwap(w, i, step)
	case a.weak.leg == settling:
		return x.confirm(w, i)
	}
	return x.ballot(w, i, false)
}

// confirm reads again what was written.
func (x *explorer) confirm(w *world, i int) string {
	a := &w.actors[i]
	ok, bad := w.reg == a.wants(), ""
	if sum := w.reg.sum(); ok && sum != w.ghost.won { // not also by another, who wrote the very same
		wrote := w.wrote
		w.wrote = a.weak.based
		for _, l := range w.under {
			// Its author may never know that it has won, as this was built on it.
			if s := l.new.sum(); l.new == a.snap && s != w.ghost.won {
				w.ghost.won = s
				bad = x.committed(w, l.old, l.new.rec, int(l.by), true)
			}
		}
		w.ghost.won = sum
		bad = first(bad, x.committed(w, a.snap, a.action.Next, i, false))
		w.wrote = wrote
	}
	x.answered(w, i, ok)
	return bad
}

// land is a write that takes effect, over whatever is there.
func (x *explorer) land(w *world, l letter) {
	x.put(w, l.new)
	w.under[1], w.under[0] = w.under[0], landing{l.old, l.new, l.by}
	if a := &w.actors[l.by]; a.waits(l) {
		a.settles(w.now + x.cfg.delay)
	}
}

// vanishes is a write that never takes effect.
func (x *explorer) vanishes(w *world, l letter) {
	if a := &w.actors[l.by]; a.waits(l) {
		a.settles(max(w.now, a.weak.sent+x.cfg.takes()))
	}
}

func (a *actor) waits(l letter) bool {
	return a.stalled && a.weak.leg == sent && a.self.ID == l.id && a.action.Next == l.new.rec
}

// giveUp is a swap that ends before its last step. With arg, what was sent last
// has been written all the same.
func (x *explorer) giveUp(w *world, i int, arg uint8) string {
	a := &w.actors[i]
	if x.cfg.class == timed {
		if !x.cfg.wrongly {
			a.weak.blind = a.weak.sent + x.cfg.takes()
		}
		a.gone(x.nowOf(w, i), Uncertain)
		return ""
	}
	out := Unreached // nothing was accepted
	if l := w.own(a); l != nil {
		if arg > 0 {
			l.accepts()
		}
		l.id = "" // nobody writes it any more
		if l.accepted > 0 {
			out = Uncertain
		} else {
			*l = letter{}
		}
	} else {
		out = Uncertain
	}
	a.gone(x.nowOf(w, i), out)
	return ""
}

// own is what an agent has written of the ballots under way.
func (w *world) own(a *actor) *letter {
	for m := range w.mail {
		if l := &w.mail[m]; l.ballot > 0 && l.id == a.self.ID {
			return l
		}
	}
	return nil
}

func (l *letter) accepts() { l.accepted, l.new, l.author = l.ballot, l.put, l.putBy }

// announce begins a ballot above all others.
func (x *explorer) announce(w *world, i int) {
	a := &w.actors[i]
	w.sweep()
	l := w.own(a)
	if l == nil {
		if !w.post(letter{used: true, old: a.snap, by: uint8(i), id: a.self.ID, ballot: 1}) {
			a.gone(x.nowOf(w, i), Unreached)
			return
		}
		l = w.own(a)
	}
	l.put, l.putBy = a.wants(), uint8(i)
	high := uint8(0)
	for m := range w.mail {
		o := &w.mail[m]
		if o != l {
			l.ballot = max(l.ballot, o.ballot+1)
		}
		if o.accepted > high {
			high, l.put, l.putBy = o.accepted, o.new, o.author
		}
	}
	a.weak.leg, a.weak.adopted = announced, l.put != a.wants()
	a.weak.tries++
}

// sweep removes what is left behind and changes nothing: whose writer is gone, and
// what was not accepted at the highest ballot.
func (w *world) sweep() {
	high := uint8(0)
	for m := range w.mail {
		high = max(high, w.mail[m].accepted)
	}
	for m := range w.mail {
		l := &w.mail[m]
		if a := &w.actors[l.by]; l.ballot > 0 && (l.accepted == 0 || l.accepted < high) && (!a.stalled || a.self.ID != l.id) {
			*l = letter{}
		}
	}
}

// ballot is the next step of one. A stale list shows nothing of what the others
// have done meanwhile.
func (x *explorer) ballot(w *world, i int, stale bool) string {
	a := &w.actors[i]
	l := w.own(a)
	switch {
	case l == nil && stale && !a.weak.adopted:
		bad := x.committed(w, a.snap, a.action.Next, i, false)
		x.put(w, a.wants())
		x.answered(w, i, true)
		return bad
	case l == nil: // the others have ended it
		if a.landed > 0 && w.reg != a.wants() {
			a.gone(x.nowOf(w, i), Uncertain) // and went on: nobody can tell
			return ""
		}
		x.answered(w, i, a.landed > 0)
		return ""
	case a.weak.leg == announced:
		l.accepts()
		a.weak.leg = accepted
		return ""
	}
	for m := range w.mail {
		if w.mail[m].ballot <= l.ballot || stale {
			continue
		}
		if a.weak.tries > 2 {
			return x.giveUp(w, i, 0)
		}
		x.announce(w, i)
		return ""
	}
	won := l.new == a.wants()
	bad := x.decides(w, *l, i)
	x.answered(w, i, won)
	return bad
}

func (x *explorer) decides(w *world, l letter, by int) string {
	bad := x.committed(w, l.old, l.new.rec, int(l.author), int(l.author) != by)
	x.put(w, l.new)
	return bad
}

// finish is what a Load does about a text that was accepted: its author may hold
// it for decided.
func (x *explorer) finish(w *world) string {
	var best *letter
	for m := range w.mail {
		if l := &w.mail[m]; l.accepted > 0 && (best == nil || l.accepted > best.accepted) {
			best = l
		}
	}
	if best == nil {
		return ""
	}
	return x.decides(w, *best, most)
}

// pending tells whether a text is accepted and not decided.
func (w *world) pending() bool {
	for m := range w.mail {
		if w.mail[m].accepted > 0 {
			return true
		}
	}
	return false
}

// closes ends the ballots about the text before t.
func (w *world) closes(t text) {
	for m := range w.mail {
		l := &w.mail[m]
		if l.ballot == 0 {
			continue
		}
		if a := &w.actors[l.by]; a.stalled && a.weak.leg >= announced && a.self.ID == l.id {
			a.landed = -1
			if t == a.wants() {
				a.landed = 1
			}
		}
		*l = letter{}
	}
}

// weaker is what is explored of them. A configuration that expects a violation
// goes without one thing that the class assumes or needs, and shows what comes of it.
func weaker(with func(name string, change func(*config))) {
	tried := []kind{swapSlow, givesUp, swapStalls, swapUnreached, loadFails, copyBack}
	ballot := func(c *config) { c.class, c.copies = ballots, true }
	with("ballots", func(c *config) {
		ballot(c)
		c.faults, c.limits = 2, upTo(2, join(tried, process)...)
	})
	with("ballots, anything", func(c *config) {
		ballot(c)
		c.policy = func(p *Policy) { p.Attempts = 2 }
		c.agents, c.faults, c.limits = 3, 2, upTo(2, join(tried, process, wishes, []kind{runs, lookStale, lookFails, deleted})...)
		c.jobs = []job{{takes: 1}, {takes: forever}, {takes: 0, fails: true}}
	})
	with("ballots, register away", func(c *config) {
		ballot(c)
		c.policy = func(p *Policy) { p.OutageAfter = 2 * time.Second }
		c.faults, c.limits, c.until = 3, upTo(2, away, crash, givesUp, copyBack), 133
	})
	with("ballots, at-most-once", func(c *config) {
		ballot(c)
		c.policy = func(p *Policy) { p.AtMostOnce = true }
		c.faults, c.limits = 2, upTo(2, join(tried, process, []kind{runs, pause})...)
		c.jobs = []job{{takes: 1}, {takes: forever}}
	})
	with("ballots, lists that trail", func(c *config) {
		ballot(c)
		c.expect, c.faults, c.limits = pAgain, 1, all(stale)
	})
	with("ballots, lists that trail, still", func(c *config) {
		ballot(c)
		c.still, c.faults, c.limits = true, 2, upTo(2, stale, crash)
	})
	with("ballots, Loads that finish nothing", func(c *config) {
		ballot(c)
		c.wrongly = true
		c.expect, c.faults, c.limits, c.restart = pLive, 1, all(crash), 0
	})
	with("timed", func(c *config) {
		timely(c, 1, 2, 0)
		c.faults, c.limits = 2, upTo(2, join(writes, process)...)
	})
	with("timed, 3 agents", func(c *config) {
		timely(c, 0, 1, 0)
		c.agents, c.faults, c.limits = 3, 2, upTo(2, join(writes, process)...)
	})
	with("timed, long runs", func(c *config) {
		timely(c, 1, 2, 1)
		c.jobs, c.until = []job{{takes: forever}}, 190
		c.faults, c.limits = 1, all(trigger, pauseFor, swapUnheard, swapTwice)
	})
	with("timed, anything", func(c *config) {
		timely(c, 0, 1, 1)
		c.jobs = []job{{takes: 1}, {takes: 0, fails: true}, {takes: forever}, {takes: 9}}
		c.faults, c.limits = 2, upTo(2, join(writes, process, wishes, []kind{runs, lookStale, lookFails, away, deleted})...)
	})
	with("timed, at-most-once", func(c *config) {
		timely(c, 0, 1, 0)
		policy := c.policy
		c.policy = func(p *Policy) { policy(p); p.AtMostOnce = true }
		c.faults, c.limits = 2, upTo(2, join(writes, process, []kind{runs, pause})...)
		c.jobs = []job{{takes: 1}, {takes: forever}}
	})
	with("timed, one write late", func(c *config) {
		timely(c, 1, 2, 0)
		c.expect, c.faults, c.limits = pAgain, 1, all(swapLate)
		c.jobs = []job{{takes: 4}}
	})
	with("timed, one write late, still", func(c *config) {
		timely(c, 1, 2, 0)
		c.still, c.faults, c.limits = true, 2, upTo(2, swapLate, crash)
		c.jobs = []job{{takes: 4}}
	})
	with("timed, a delay no longer than a write", func(c *config) {
		timely(c, 1, 1, 0)
		c.expect = pAgain
	})
	with("timed, texts believed before they are confirmed", func(c *config) {
		timely(c, 1, 2, 0)
		c.wrongly = true
		c.expect, c.faults, c.limits = pAgain, 1, all(givesUp)
	})
	with("timed, a lease too short", func(c *config) {
		timely(c, 1, 2, 1)
		policy := c.policy
		c.policy = func(p *Policy) { policy(p); p.Lease = second(2*c.takes() + 1) }
		c.expect, c.jobs = pLossless, []job{{takes: forever}}
	})
}

// writes is what may happen to a write of the timed class that keeps to its time.
var writes = []kind{swapLost, swapUnheard, swapTwice, swapUnreached, swapForNothing, swapStalls, givesUp, loadFails}

// timely is a timed register, and a lease that is enough for it.
func timely(c *config, lands, delay, grace int64) {
	c.class, c.lands, c.delay = timed, lands, delay
	c.begin.Timer, c.begin.TimerOld = 120, 100
	c.from, c.until, c.settle = 119, 161, 80
	c.policy = func(p *Policy) {
		p.Schedule, p.KillGrace, p.Lease = grid(20), second(grace), second(3*(c.takes()+grace+1))
		p.SwapTime, p.Timeout = second(c.takes()), 2*p.Lease
	}
}
