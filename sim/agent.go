package sim

import (
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// An agent is one machine and the process on it: what solotick.Agent does about what
// Decide says, with requests that take their time.
type agent struct {
	world *world
	n     int32

	up     bool
	lives  uint32        // processes so far
	halted time.Duration // its machine was, last
	frozen time.Duration // and until then
	offset time.Duration // of the wall clock
	drift  float64       // of both clocks

	self   elect.Self
	clock  elect.Clock
	held   content       // what the register last showed: what a swap is against
	began  time.Duration // on Elapsed
	wakes  uint32
	cached struct { // by the resolver of the machine
		texts content
		until time.Duration
	}
	waits struct {
		is  bool
		why elect.Reason
		sum uint64
	}

	patience elect.Patience
	busy     bool
	requests uint32
	ask      request
	runs     [2]running // the one with a claim, and the unarbitrated one
}

// A request is what an agent waits for.
type request struct {
	act   elect.Action
	look  bool          // it asks DNS
	sent  time.Duration // on Elapsed
	there time.Duration // when it has its effect
	out   elect.Outcome
	next  content // of a swap
}

// A running is a run in progress.
type running struct {
	is      bool
	loose   bool
	n       uint32 // among the agent's runs
	ended   uint32 // how often its end was planned anew
	tick    int64
	why     elect.Reason
	attempt int
	fence   int64
	res     record.Result
	until   time.Duration // on Elapsed: its guard kills it then
	dead    bool          // it did, and the agent does not know yet
}

// elapsed is the agent's monotonic clock.
func (a *agent) elapsed() time.Duration {
	return a.world.now + time.Duration(float64(a.world.now)*a.drift)
}

// until is how long of the world's time passes until the clock shows e.
func (a *agent) until(e time.Duration) time.Duration {
	left := e - a.elapsed()
	return left - time.Duration(float64(left)*a.drift)
}

func (a *agent) clocks() elect.Now {
	e := a.elapsed()
	n := elect.Now{Elapsed: e, Held: e}
	n.Time, n.Told, _ = a.clock.Time(e, time.Unix(0, int64(a.world.start+e+a.offset)))
	return n
}

// begin starts a process.
func (a *agent) begin() {
	w := a.world
	a.up, a.busy, a.frozen = true, false, 0
	a.lives++
	if a.lives == 1 {
		a.offset = w.between(w.s.Clocks.Offset)
		a.drift = float64(w.between(time.Duration(w.s.Clocks.Drift*1000))) / 1e9
	}
	a.self, a.clock, a.held = elect.Self{}, elect.Clock{}, content{}
	if w.s.Members != nil {
		a.self.ID = w.s.Members[a.n].ID
	} else {
		a.self.ID = w.id()
	}
	a.waits.is = false
	a.runs = [2]running{}
	now := a.clocks()
	a.began, a.self.Born = now.Elapsed, now.Time
	a.self.NextLook = now.Elapsed + a.poll()
	a.decide()
}

// id draws what NewID does.
func (w *world) id() string {
	var b [10]byte
	for i := range b {
		b[i] = 'A' + byte(w.rnd.IntN(26))
	}
	return string(b[:])
}

func (a *agent) poll() time.Duration {
	p := &a.world.s.Policy
	if p.PollMin == p.PollMax {
		return p.PollMin
	}
	return p.PollMin + time.Duration(a.world.rnd.Int64N(int64(p.PollMax-p.PollMin)+1))
}

// lively is the last moment at which the machine was not halted.
func (a *agent) lively() time.Duration {
	if a.world.now < a.frozen {
		return a.halted
	}
	return a.world.now
}

// vanish ends the process at once, and its job with it, as its guard does.
func (a *agent) vanish() {
	if !a.up {
		return
	}
	w := a.world
	w.tally.vanished(w, a)
	gone := Step{Verb: elect.End, Killed: true}
	if !a.runs[0].is && !a.runs[1].is {
		w.tell(a, gone)
	}
	for i := range a.runs {
		if r := &a.runs[i]; r.is {
			gone.Tick, gone.Attempt, gone.Loose = r.tick, r.attempt, r.loose
			w.tell(a, gone)
		}
	}
	a.up, a.busy = false, false
	a.requests++ // what is under way is answered to nobody
	a.wakes++
	a.runs = [2]running{}
}

// halt asks the process to end.
func (a *agent) halt() {
	if !a.up || a.self.Stopping {
		return
	}
	a.self.Stopping = true
	a.self.StopBy = a.elapsed() + 8*time.Second
	if a.world.now >= a.frozen {
		a.decide()
	}
}

// decide acts until there is something to wait for.
func (a *agent) decide() {
	p := &a.world.s.Policy
	for a.up {
		if a.busy && a.idle() { // all that could be decided is to wait
			a.wakes++
			return
		}
		now := a.clocks()
		act := elect.Decide(p, &a.self, now)
		if a.busy && act.Verb == elect.End && a.ask.act.Verb != elect.Swap {
			a.busy = false
			a.requests++
		}
		if a.busy && act.Verb != elect.Stop {
			a.sleep(elect.NextStop(p, &a.self, now))
			return
		}
		a.self.Took(act)
		switch act.Verb {
		case elect.Wait:
			if w := &a.waits; !w.is || w.why != act.Why || w.sum != a.self.View.Sum {
				w.is, w.why, w.sum = true, act.Why, a.self.View.Sum
				a.world.tell(a, Step{Verb: elect.Wait, Why: act.Why})
			}
			a.sleep(act.At)
			return
		case elect.End:
			a.up = false
			a.wakes++
			if a.world.s.Members == nil {
				a.world.plan(a.world.s.Restarts.Length.draw(a.world.rnd), a, begins, a.lives)
			}
			return
		case elect.Look, elect.Load:
			a.read(act, now)
		case elect.Swap:
			a.swap(act, now)
		case elect.Run:
			a.start(act, now)
		case elect.Stop:
			a.stop(act)
		}
	}
}

// idle tells whether there is nothing that could be stopped or ended.
func (a *agent) idle() bool {
	return !a.runs[0].is && !a.runs[1].is && !a.self.Stopping
}

// sleep has the agent decide again when its clock shows that, and after an hour at the
// latest. An answer that is under way wakes it anyhow.
func (a *agent) sleep(until time.Duration) {
	a.wakes++
	in := min(a.until(until), time.Hour)
	if in == time.Hour && a.busy {
		return
	}
	a.world.plan(max(in, 1), a, wake, a.wakes)
}

// send has the request under way be answered after took, or given up.
func (a *agent) send(act elect.Action, now elect.Now, took time.Duration, silent bool) *request {
	w := a.world
	a.busy = true
	a.requests++
	a.ask = request{act: act, look: act.Verb == elect.Look, sent: now.Elapsed, there: w.now + took/2, out: elect.Done}
	if patience := a.patience.For(&w.s.Policy, &a.self, now, act.Verb, a.runs[0].is); silent || took > patience {
		took = patience
		a.ask.out = elect.Unreached
		if act.Verb == elect.Swap {
			a.ask.out = elect.Uncertain
		}
	}
	w.plan(took, a, answers, a.requests)
	return &a.ask
}

// read is a Load or a look. What it shows is found when the answer comes.
func (a *agent) read(act elect.Action, now elect.Now) {
	w, p := a.world, &a.world.s.Provider
	if act.Verb == elect.Look {
		w.tally.Looks++
		lost := w.lasts(&w.dnsOut, w.now) || chance(w.rnd, p.LookFails)
		a.send(act, now, p.Look.draw(w.rnd), lost)
		return
	}
	w.tally.Loads++
	took := p.Load.draw(w.rnd)
	r := a.send(act, now, took, w.away() || chance(w.rnd, p.LoadFails))
	if r.out == elect.Done && !w.loads.take(w.now) {
		w.tally.Throttled++
		r.out = elect.Unreached
	}
}

// swap sends a swap. Its effect is an event of its own, since others may come first.
func (a *agent) swap(act elect.Action, now elect.Now) {
	w, p := a.world, &a.world.s.Provider
	a.self.Sending(&w.s.Policy, now, act)
	w.tally.Swaps.Sent++
	took := p.Swap.draw(w.rnd)
	limit := &w.swaps
	if p.Shared {
		limit = &w.loads
	}
	next := present(act.Next)
	var r *request
	switch {
	case w.away(): // it refuses connections
		r = a.send(act, now, took, false)
		r.out = elect.Unreached
	case !limit.take(w.now):
		w.tally.Throttled++
		r = a.send(act, now, took, false)
		r.out = elect.Unreached
	case chance(w.rnd, p.LostRequest):
		r = a.send(act, now, took, true)
	case chance(w.rnd, p.Late):
		r = a.send(act, now, took, true)
		w.post(letter{old: a.held, new: next, agent: a.n}, p.LateBy.draw(w.rnd))
	default:
		r = a.send(act, now, took, chance(w.rnd, p.LostReply))
		w.post(letter{old: a.held, new: next, agent: a.n, request: a.requests}, took/2)
	}
	r.next = next
}

// answered notes what came back.
func (a *agent) answered(n uint32) {
	if n != a.requests || !a.busy || !a.up {
		return
	}
	a.busy = false
	r := &a.ask
	switch {
	case r.act.Verb == elect.Swap:
		a.swapped(r)
	case r.look:
		a.looked(r)
	default:
		a.loaded(r)
	}
	a.decide()
}

func (a *agent) looked(r *request) {
	now := a.clocks()
	a.self.NextLook = now.Elapsed + a.poll()
	if r.out != elect.Done {
		a.self.LookFailed(now)
	} else {
		c := a.resolved(r.there)
		a.self.See(now, elect.Sight{State: c.state, Record: c.rec, Sum: c.sum, Sent: r.sent, Got: now.Elapsed})
	}
	a.world.tell(a, Step{Verb: elect.Look, Why: r.act.Why, Outcome: r.out})
}

// resolved is what DNS answers at a moment, as far as the agent's resolver asks it.
func (a *agent) resolved(at time.Duration) content {
	if a.world.s.Cache == 0 {
		return a.world.shownAt(at)
	}
	if at >= a.cached.until {
		a.cached.texts, a.cached.until = a.world.shownAt(at), at+a.world.s.Cache
	}
	return a.cached.texts
}

func (a *agent) loaded(r *request) {
	if r.out != elect.Done {
		a.self.LoadFailed(a.clocks(), r.out)
	} else {
		a.hear(r)
		now := a.clocks()
		a.patience.Took(now.Elapsed - r.sent)
		a.self.NextLook = now.Elapsed + a.poll()
		c := a.world.heldAt(r.there)
		a.held = c
		a.self.See(now, elect.Sight{State: c.state, Record: c.rec, Sum: c.sum, FromLoad: true, Sent: r.sent, Got: now.Elapsed})
		a.renewed()
	}
	a.world.tell(a, Step{Verb: elect.Load, Why: r.act.Why, Outcome: r.out})
}

// hear takes in the register's time.
func (a *agent) hear(r *request) {
	before := a.clocks().Told
	a.clock.Hear(a.world.told(r.there), r.sent, a.elapsed())
	if now := a.clocks(); now.Told && !before {
		a.self.Born = now.Time.Add(a.began - now.Elapsed)
	}
}

func (a *agent) swapped(r *request) {
	if r.out == elect.Done {
		a.hear(r)
		a.held = r.next
	}
	a.self.Swapped(a.clocks(), r.act, r.out, r.next.sum)
	a.renewed()
	a.world.tally.swapped(r.out)
	a.world.tell(a, Step{Verb: elect.Swap, Why: r.act.Why, Outcome: r.out})
}

// start begins a run.
func (a *agent) start(act elect.Action, now elect.Now) {
	w := a.world
	a.self.Starting(now, act)
	r := &a.runs[0]
	if act.Loose {
		r = &a.runs[1]
	}
	*r = running{is: true, loose: act.Loose, n: r.n + 1, tick: act.Tick, why: act.Why, attempt: 1, res: record.OK}
	if !act.Loose {
		r.attempt, r.fence = a.self.Claim.Record.Attempt(), a.self.Claim.Fence
	}
	if chance(w.rnd, w.s.Job.Fails) {
		r.res = record.Failed
	}
	w.tell(a, Step{Verb: elect.Run, Why: act.Why, Tick: r.tick, Attempt: r.attempt, Loose: r.loose})
	w.plan(w.s.Job.Takes.draw(w.rnd), a, ends, r.arg(a))
	if !r.loose {
		a.renewed()
		w.plan(a.until(r.until), a, guards, r.arg(a))
	}
}

// renewed tells the guard for how long the run may go on.
func (a *agent) renewed() {
	if r := &a.runs[0]; r.is {
		r.until = elect.WindowEnd(&a.world.s.Policy, &a.self, a.clocks())
	}
}

// guard ends a run whose time is over, also while the agent is halted.
func (a *agent) guard(arg uint32) {
	r := &a.runs[0]
	if !a.up || !r.is || r.dead || r.n&0xff != arg>>4&0xff || a.lives<<12 != arg&^0xfff {
		return
	}
	if left := a.until(r.until); left > 0 {
		a.world.plan(left, a, guards, arg)
		return
	}
	r.dead, r.res = true, record.Failed
	a.world.tally.over(false)
	a.world.tell(a, Step{Verb: elect.Stop, Killed: true, Tick: r.tick, Attempt: r.attempt, Result: record.Lost})
	r.ended++
	a.world.plan(0, a, ends, r.arg(a))
}

// arg names a run among all that its agent ever had.
func (r *running) arg(a *agent) uint32 {
	arg := a.lives<<12 | (r.n&0xff<<3|r.ended&7)<<1
	if r.loose {
		arg |= 1
	}
	return arg
}

// stop orders a run to end.
func (a *agent) stop(act elect.Action) {
	a.self.Cutting(act)
	r := &a.runs[0]
	if act.Loose {
		r = &a.runs[1]
	}
	a.world.tell(a, Step{Verb: elect.Stop, Why: act.Why, Tick: r.tick, Attempt: r.attempt, Loose: r.loose})
	r.ended++ // the end that was planned is void
	if !r.dead {
		r.res = record.Failed
	}
	grace := min(a.world.s.Job.Grace.draw(a.world.rnd), a.world.s.Policy.KillGrace)
	a.world.plan(grace, a, ends, r.arg(a))
}

// runOver notes the end of a run.
func (a *agent) runOver(arg uint32) {
	r := &a.runs[arg&1]
	if !a.up || !r.is || r.arg(a) != arg {
		return
	}
	r.is = false
	if !r.dead {
		a.world.tally.over(r.loose)
	}
	s := Step{Verb: elect.Run, Why: r.why, Tick: r.tick, Attempt: r.attempt, Ended: true, Loose: r.loose, Result: r.res}
	if r.loose {
		a.self.LooseEnded(r.res)
	} else {
		a.self.RunEnded(r.res, "", false)
		s.Result = a.self.Claim.Result
	}
	a.world.tell(a, s)
	a.decide()
}
