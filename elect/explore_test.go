package elect

import (
	"fmt"
	"time"

	"github.com/solotick/solotick/record"
)

// This file is the world that the explorer searches: a register, a network and
// a few agents, each of which is the real Decide with the real notes of Self.
// Nothing here knows a row of the protocol. Time is whole seconds; an agent acts
// as soon as Decide wants it to unless a fault holds it back, in every order
// that the agents can act in.

const (
	most = 3 // agents
	mail = 3 // swaps that may still land
)

// A config is one bounded search: a policy, how the world begins, and which
// faults may happen how often.
type config struct {
	name    string
	policy  func(*Policy)
	other   func(*Policy) // the policy of agent 0 alone: a schedule changed on one agent only
	agents  int
	begin   record.Record // zero: absent
	from    int64
	until   int64
	faults  int          // of all kinds together
	limits  map[kind]int // of one kind; absent: none
	jobs    []job        // how a run may go; the first costs nothing
	offset  [most]int64  // what each agent's idea of now is off by, in seconds
	noDNS   bool
	kept    bool        // agents are there from the beginning with the record in view; those who follow them know nothing
	restart int         // how many processes may follow a crashed one
	grace   int64       // that a shutdown gives to a run, in seconds
	lag     int64       // seconds by which DNS may trail the register
	stuck   bool        // DNS shows something new only by a move that is counted as a fault
	drift   [most]int64 // each agent's monotonic clock gains one second in so many; negative: loses
	deaf    bool        // jobs take no order to stop: their guard kills them
	untold  bool        // the register tells no time
	settle  int64
	part    int // so many of the long ways by chance are left out, for one that is gone; 0: none

	class   class     // of the register
	lands   int64     // timed: seconds from reading to the end of writing, at most
	delay   int64     // timed: seconds from the write to the read that confirms it
	copies  bool      // DNS shows copies, of which an older one may come after a newer one
	rings   [][]uint8 // the keys of each agent, by number: the first one writes; nil: nothing is sealed
	expect  string    // the one property that is judged, and must be found violated
	still   bool      // only what holds all the same is judged
	wrongly bool      // a Load does what it must not: see weaker
}

// A job is how one run goes by itself.
type job struct {
	takes int64 // seconds; forever: until it is stopped
	fails bool
	skips bool // there was nothing to do
}

const forever = 1 << 30

// A kind is a kind of move.
type kind uint8

// The moves. The first three are no faults.
const (
	advance kind = iota
	step         // an agent does what Decide says
	jobEnds
	start // of a process, in the place of one that crashed

	lookStale // DNS shows the record before
	lookFails
	loadFails
	swapLost       // never lands, nobody knows
	swapUnheard    // lands, reply lost
	swapLate       // may land at any time later, reply lost
	swapTwice      // lands, and a copy may land later
	swapUnreached  // never sent, and known so
	swapForNothing // refused although nothing had changed: a server that cannot store
	swapStalls     // composed, sent later: a freeze in between, or a slow network
	swapSlow       // lands at once, answered later
	delivered      // what stalled is sent, lands and is answered
	lands          // a late swap or copy
	evaporates     // a late swap that never comes
	runs           // a run goes as job number arg says
	crash
	freeze
	thaw
	shutdown
	deleted  // by hand
	damaged  // by hand
	rollback // by hand
	future   // written by an agent with a broken clock
	farTimer // the same, before its first claim
	clockOn  // the register's clock steps forward
	clockBack
	away // the register cannot be reached; DNS can
	back
	sealed    // by hand: a text that nobody here can open
	movedIn   // by hand: the record of another name, sealed with a key that is known here
	unsealed  // and the one before again
	foreign   // a stranger's value comes to stand beside the record, or goes
	catchesUp // DNS shows what the register holds now
	pause
	pauseFor // three seconds
	resume
	trigger
	copyBack // DNS goes back to an older copy, until the next write
	givesUp  // a swap of several steps ends before its last
	stale    // a step of a ballot is taken by a list that does not show the others
	kinds
)

var kindNames = [kinds]string{
	"advance", "step", "job ends", "start", "stale look", "look fails", "load fails", "swap lost", "reply lost", "swap lands late",
	"swap duplicated", "swap not sent", "swap refused for nothing", "swap stalls", "swap answered late", "swap goes on", "swap on its way lands", "swap on its way never lands", "run goes otherwise", "crash", "freeze",
	"thaw", "shutdown", "record deleted", "record damaged", "record rolled back", "record from the future", "timer in the far future", "register clock steps on",
	"register clock steps back", "register away", "register back", "record sealed", "record of another name", "record unsealed", "foreign value", "DNS catches up", "pause", "pause with an end", "resume", "trigger",
	"older copy", "swap given up", "stale list",
}

// A move is one transition of the world.
type move struct {
	kind  kind
	agent uint8
	arg   uint8
}

// A text is what the register holds.
type text struct {
	state   record.State
	rec     record.Record
	foreign bool // and another's value beside it

	key   uint8 // that it is sealed with; 0: none
	moved bool  // it was sealed for another name
}

func (t text) sum() uint64 {
	beside := uint64(0)
	if t.foreign {
		beside = 1 << 62
	}
	if t.state != record.Present {
		return uint64(t.state) | beside
	}
	h := newHash()
	h.record(&t.rec, nil)
	h.sealing(&t)
	return uint64(h)>>2 | 1<<63 | beside
}

// A letter is a swap on its way.
type letter struct {
	used     bool
	old, new text
	by       uint8
	id       string

	until    int64 // timed: when it has landed at the latest; 0: at any time
	ballot   uint8 // the highest that its writer began; 0: it is no proposal
	accepted uint8 // the ballot at which its writer accepted new; 0: none
	author   uint8 // whose text new is
	put      text  // what it puts forward in its latest ballot
	putBy    uint8
}

// An actor is the place of one agent.
type actor struct {
	up     bool
	frozen bool
	lives  uint8 // processes so far
	self   Self
	clock  int64 // the register's clock against true time, as last heard
	heard  bool
	told   int64 // when the register last answered
	snap   text  // what the register last showed it: what its swaps are against
	acts   uint8 // at this instant; not part of the state

	stalled bool // action is composed and not sent, or
	landed  int8 // already applied (1) or refused (-1), and not answered
	action  Action
	weak    weak

	job      bool // a child lives
	loose    bool
	tick     int64
	fence    int64
	ends     int64 // when it ends by itself
	fails    bool
	skips    bool
	deadline int64 // when its guard kills it
	dead     bool  // killed by its guard; the agent does not know yet
	did      did
}

// A did is how the latest run of a process ended, for the properties.
type did struct {
	tick  int64
	fence int64
	try   int
	ok    bool
	skips bool
}

// A world is one state of everything. It is copied for each move.
type world struct {
	now    int64
	clock  int64 // the register's clock against true time
	reg    text
	hist   text // what it held before
	older  text // and before that
	dns    text // what DNS shows, where it trails
	wrote  int64
	away   bool
	mail   [mail]letter
	under  [2]landing // timed: the latest
	actors [most]actor
	used   [kinds]uint8
	faults uint8
	ghost  ghost
}

// A ghost is what only the properties know.
type ghost struct {
	fence   int64          // of the latest claim
	seq     int64          // highest ever
	won     uint64         // timed: the latest text that was confirmed
	started int64          // highest fence of a run
	claims  [8]claimed     // (tick, try) that were claimed
	ran     [8]claimed     // that were run
	ok      [8]int64       // ticks that ended ok, by report
	worked  [8]int64       // ticks whose job ended ok
	skipped [8]int64       // ticks whose job had nothing to do
	alone   [8]int64       // ticks whose unarbitrated run ended ok
	begun   [8]int64       // ticks that were started, under at-most-once
	loosely [most][2]int64 // ticks that a process ran unarbitrated
	ended   int64          // when a claim or a run was last there
	hand    bool           // by hand in a run or soon after: section 10 promises little, for a while
	handAt  int64          // and when
	stepped bool           // the register's clock stepped, or a record came from the future
	done    uint8          // ticks finished
}

type claimed struct {
	tick  int64
	tries uint16
}

func second(n int64) time.Duration { return time.Duration(n) * time.Second }

// nowOf is what agent i's clocks say.
func (x *explorer) nowOf(w *world, i int) Now {
	a := &w.actors[i]
	t := w.now + x.cfg.offset[i]
	if a.heard {
		t += a.clock
	}
	e := second(x.elapsed(w, i))
	return Now{Time: time.Unix(t, 0), Told: a.heard && !x.cfg.untold, Elapsed: e, Held: e}
}

// elapsed is agent i's monotonic clock, in seconds.
func (x *explorer) elapsed(w *world, i int) int64 {
	if n := x.cfg.drift[i]; n != 0 {
		return w.now + (w.now-x.cfg.from)/n
	}
	return w.now
}

func (x *explorer) policyOf(i int) *Policy {
	if i == 0 && x.cfg.other != nil {
		return &x.other
	}
	return &x.policy
}

// hears is an answer of the register at agent i.
func (w *world) hears(i int) {
	w.actors[i].heard, w.actors[i].clock, w.actors[i].told = true, w.clock, w.now
}

// begin is the first world.
func (x *explorer) begin() *world {
	w := &world{now: x.cfg.from, wrote: x.cfg.from - 1}
	if x.cfg.begin != (record.Record{}) {
		w.reg = text{state: record.Present, rec: x.cfg.begin, key: x.writes(0)}
		w.hist = w.reg
		w.ghost.seq = x.cfg.begin.Seq
		w.dns = w.reg
	}
	for i := range x.cfg.agents {
		x.boot(w, i)
	}
	return w
}

var letters = [most][4]string{{"A", "A1", "A2", "A3"}, {"B", "B1", "B2", "B3"}, {"C", "C1", "C2", "C3"}}

func (x *explorer) boot(w *world, i int) {
	a := actor{up: true, lives: w.actors[i].lives}
	a.self.ID = letters[i][a.lives]
	w.actors[i] = a
	w.ghost.loosely[i] = [2]int64{}
	n := x.nowOf(w, i)
	w.actors[i].self.Born = n.Time
	w.actors[i].self.NextLook = n.Elapsed + x.policyOf(i).PollMax
	if x.cfg.kept && a.lives == 0 {
		x.load(w, i)
	}
}

func (x *explorer) load(w *world, i int) {
	w.hears(i)
	w.actors[i].snap = w.reg
	x.see(w, i, w.reg, true)
}

func (x *explorer) see(w *world, i int, t text, fromLoad bool) {
	n := x.nowOf(w, i)
	s := &w.actors[i].self
	s.NextLook = n.Elapsed + x.policyOf(i).PollMax
	defer func() {
		if a := &w.actors[i]; a.job && !a.loose {
			a.deadline = x.deadline(w, i)
		}
	}()
	state, rec := x.opened(i, t)
	s.See(n, Sight{State: state, Record: rec, Sum: t.sum(), FromLoad: fromLoad, Sent: n.Elapsed, Got: n.Elapsed})
}

// may tells whether a fault of this kind may still happen.
func (x *explorer) may(w *world, k kind) bool {
	return !x.fair && x.limits[k] > w.used[k] && int(w.faults) < x.cfg.faults
}

// moves lists what can happen next.
func (x *explorer) moves(w *world, out []move) []move {
	quiet := true // nobody has anything to do at this instant
	add := func(k kind, i, arg int) { out = append(out, move{k, uint8(i), uint8(arg)}) }
	fault := func(k kind, i, arg int) {
		if x.may(w, k) {
			add(k, i, arg)
		}
	}
	for i := range x.cfg.agents {
		a := &w.actors[i]
		if !a.up {
			if int(a.lives) < x.cfg.restart+1 && a.lives < most {
				add(start, i, 0)
				if x.fair {
					quiet = false
				}
			}
			continue
		}
		if a.frozen {
			add(thaw, i, 0)
			fault(crash, i, 0)
			if x.fair {
				quiet = false
			}
			continue
		}
		quiet = x.agentMoves(w, i, add, fault) && quiet
	}
	for m := range w.mail {
		switch l := &w.mail[m]; {
		case !l.used || l.ballot > 0:
		case l.until > 0:
			add(lands, m, 0)
			quiet = quiet && w.now < l.until
		default:
			if !x.fair {
				add(lands, m, 0)
			}
			add(evaporates, m, 0)
		}
	}
	x.worldMoves(w, fault, func(k kind) { add(k, 0, 0) })
	if x.cfg.copies && !x.fair {
		for n, t := range [2]text{w.hist, w.older} {
			if t.state == record.Present && t != w.dns {
				fault(copyBack, 0, n)
			}
		}
	}
	if w.dns != w.reg && (x.cfg.lag > 0 || x.cfg.stuck) {
		switch {
		case x.cfg.lag > 0:
			add(catchesUp, 0, 0)
			quiet = quiet && w.now < w.wrote+x.cfg.lag
		default:
			fault(catchesUp, 0, 0)
		}
	}
	quiet = quiet && !(x.fair && (w.away || w.reg.unreadable()))
	if quiet && (w.now < x.cfg.until || x.fair) {
		add(advance, 0, 0)
	}
	return out
}

// agentMoves is what agent i can do; it returns whether time may pass.
func (x *explorer) agentMoves(w *world, i int, add, fault func(kind, int, int)) bool {
	a := &w.actors[i]
	quiet := true
	if a.job && (a.dead || w.now >= a.ends) {
		add(jobEnds, i, 0)
		quiet = false
	}
	fault(crash, i, 0)
	fault(freeze, i, 0)
	if !a.self.Stopping {
		fault(shutdown, i, 0)
	}
	act := Decide(x.policyOf(i), &a.self, x.nowOf(w, i))
	if a.stalled {
		if act.Verb == Stop {
			add(step, i, 0)
		}
		return x.stalledMoves(w, i, add, fault) && quiet && act.Verb != Stop
	}
	if act.Verb == Wait {
		if act.At <= second(x.elapsed(w, i)) && x.spin == "" {
			x.spin = fmt.Sprintf("%s: %s waits for %v at %d (%v)", pSpin, a.self.ID, act.At, w.now, act.Why)
		}
		return quiet
	}
	if !x.fair {
		x.decided[act.Why]++
	}
	add(step, i, 0)
	switch act.Verb {
	case Look:
		fault(lookStale, i, 0)
		fault(lookFails, i, 0)
	case Load:
		fault(loadFails, i, 0)
	case Swap:
		if w.away {
			break
		}
		for k := swapLost; k <= swapSlow; k++ {
			fault(k, i, 0)
		}
	case Run:
		for n := 1; n < len(x.cfg.jobs); n++ {
			fault(runs, i, n)
		}
	}
	return false
}

// worldMoves is what operators and misfortune can do to the record.
func (x *explorer) worldMoves(w *world, fault func(kind, int, int), free func(kind)) {
	here := w.reg.state == record.Present && !w.reg.moved
	later := w.now > w.wrote // a rollback by more than a second
	if here && later {
		fault(deleted, 0, 0)
		fault(damaged, 0, 0)
		fault(future, 0, 0)
		fault(farTimer, 0, 0)
		if w.hist != w.reg && w.hist.state == record.Present {
			fault(rollback, 0, 0)
		}
	}
	fault(clockOn, 0, 0)
	fault(clockBack, 0, 0)
	if here && later {
		fault(sealed, 0, 0)
		if w.reg.key > 0 {
			fault(movedIn, 0, 0)
		}
		fault(foreign, 0, 0)
	}
	if w.reg.unreadable() {
		free(unsealed)
	}
	if w.away {
		free(back)
	} else {
		fault(away, 0, 0)
	}
	if here {
		if w.reg.rec.Pause == 0 {
			fault(pause, 0, 0)
			fault(pauseFor, 0, 0)
		} else {
			fault(resume, 0, 0)
		}
		fault(trigger, 0, 0)
	}
}
