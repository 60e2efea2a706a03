package elect

import (
	"time"

	"github.com/solotick/solotick/record"
)

// This file is what is explored of locks, and what is judged of them alone.

// locks are the worlds in which every agent wants one lock, all the time.
func locks(with func(string, func(*config))) {
	free := record.Record{ID: "Z", Seq: 99000, Last: record.OK, State: "s", EntryID: "e"}
	lock := func(p *Policy) { p.Lock, p.Schedule = true, noTicks{} }
	of := func(name string, change func(*config)) {
		with("lock"+name, func(c *config) {
			c.begin, c.policy, c.settle, c.until, c.part = free, lock, 30, 125, 2
			c.jobs = []job{{takes: 1}, {takes: forever}, {takes: 2, fails: true}}
			change(c)
		})
	}
	of("", func(c *config) {
		c.policy = func(p *Policy) {
			lock(p)
			p.Spread = time.Second
		}
		c.agents, c.faults = 3, 1
		c.limits = all(join(network, process, clocks, []kind{deleted, damaged, foreign, pause, pauseFor, resume, future, runs, away})...)
		c.limits[crash] = 2
		c.settle += 45
	})
	of(", network", func(c *config) {
		c.policy = func(p *Policy) {
			lock(p)
			p.KillGrace, p.Lease, p.Timeout = time.Second, 6*time.Second, 9*time.Second
		}
		c.faults, c.limits = 3, upTo(2, join(network, []kind{runs, crash, freeze, shutdown, away})...)
		c.settle += 60
	})
	of(", deleted", func(c *config) {
		c.policy = func(p *Policy) {
			lock(p)
			p.Lease = 2 * time.Second
		}
		c.faults, c.limits, c.jobs, c.restart, c.until = 2, all(freeze, deleted), []job{{takes: 2}}, 0, 119
		c.part = 0
	})
	tried := []kind{swapSlow, givesUp, swapStalls, swapUnreached, loadFails, copyBack, crash, freeze, shutdown, pause}
	of(", ballots", func(c *config) {
		c.class, c.copies, c.faults, c.limits = ballots, true, 2, upTo(2, tried...)
	})
	of(", timed", func(c *config) {
		c.class, c.lands, c.delay, c.settle, c.until = timed, 0, 1, 80, 145
		c.policy = func(p *Policy) {
			lock(p)
			p.Lease, p.SwapTime, p.Timeout = 6*time.Second, time.Second, 9*time.Second
		}
		c.faults, c.limits = 2, upTo(2, join(writes, process, []kind{pause, runs})...)
	})
	of(", by hand", func(c *config) {
		c.faults, c.limits = 3, upTo(2, deleted, damaged, rollback, sealed, pause, resume, freeze, crash, runs, swapLate, swapUnheard, shutdown)
		c.limits[deleted], c.limits[damaged] = 1, 1
	})
}

// lives is the property that a world does not come to rest.
func (x *explorer) lives() string {
	if x.policy.Lock {
		return pTaken
	}
	return pLive
}

// spared tells what may be done to a lock by hand once, however busy it is: its
// holder puts it back, and others wait for that. Not while somebody's attempt to
// create it may still land, or be made again, and not before everybody has seen that
// it was there: nothing looks the same before and after.
func (x *explorer) spared(w *world, k kind) bool {
	for i := range w.actors {
		s := &w.actors[i].self
		if s.Open.N > 0 && s.Open.OldState != record.Present || s.View.Seen && s.View.State != record.Present {
			return false
		}
	}
	for m := range w.mail {
		if l := &w.mail[m]; l.used && l.old.state != record.Present {
			return false
		}
	}
	return x.policy.Lock && (k == deleted || k == damaged) && w.used[deleted]+w.used[damaged] == 1
}

// lockWritten judges what an agent wrote that wants a lock.
func (x *explorer) lockWritten(w *world, old text, r record.Record, by int, late bool) string {
	o := old.rec
	bad := first(
		x.breaks(pJobs, old.state != record.Present || IsLock(o), "%s became %s", o, r),
		x.breaks(pTickless, IsLock(r) && r.Try == 0, "%s", r))
	if why := w.actors[by].action.Why; !late && (why == Renewal || why == ClaimGone) {
		bad = first(bad, x.breaks(pFreed, old.state != record.Present || o.Claimed && o.ID == r.ID, "%s became %s", o, r))
	}
	return bad
}

// lockTaken judges a claim of a lock.
func (x *explorer) lockTaken(w *world, p *Policy, o, r record.Record, by int, late bool) string {
	bad := ""
	for j := range w.actors {
		if a := &w.actors[j]; j != by && !w.ghost.hand {
			bad = first(bad, x.breaks(pAlone, !a.job || a.dead, "by %s, though %s holds it", r.ID, a.self.ID))
		}
	}
	if late || o.Claimed || w.faults != w.used[crash] {
		return bad
	}
	s, third := &w.actors[by].self, int64(p.Lease/3/time.Second)
	freed, latest := min(w.wrote, o.Seq/1000), third+int64(p.Spread/time.Second)+1+x.cfg.takes()
	switch born := s.Born.Unix(); {
	case born > freed+latest:
		bad = first(bad, x.breaks(pAtOnce, w.now <= born+x.cfg.takes(), "%s came at %d and took it at %d, free since %d", r.ID, born, w.now, freed))
	case o.ID == r.ID && o.Last != record.None:
		bad = first(bad, x.breaks(pTurns, w.now >= freed+third, "%s freed it at %d and took it at %d", r.ID, freed, w.now))
	}
	if s.Born.Unix() <= w.wrote && s.Wide == 0 {
		bad = first(bad, x.breaks(pSoon, w.now-w.wrote <= latest, "%d s after it was freed, want %d", w.now-w.wrote, latest))
	}
	return bad
}
