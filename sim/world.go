package sim

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// A world is a scenario under way.
type world struct {
	s      *Scenario
	rnd    *rand.Rand
	now    time.Duration
	start  time.Duration // of the scenario, as Unix time
	queue  queue
	agents []agent

	shown   []version // what the register held and DNS shows, the latest last
	loads   bucket
	swaps   bucket
	outage  window
	dnsOut  window
	restart int // agents that the roll-out under way has still to replace

	letters []letter // swaps on their way
	free    []uint32 // places there
	tally   tally
}

// A version is what the register held from a moment on.
type version struct {
	texts   content
	at      time.Duration // when it was written
	visible time.Duration // when DNS shows it
}

// A content is a record, or nothing.
type content struct {
	state record.State
	rec   record.Record
	sum   uint64
}

// A window is the time that something lasts, and when it comes again.
type window struct {
	how         Repeated
	from, until time.Duration
}

// A letter is a swap on its way. It arrives although its sender may be gone.
type letter struct {
	old, new content
	agent    int32
	request  uint32 // that waits for what becomes of it; 0: none
}

func newWorld(s *Scenario) *world {
	w := &world{
		s: s, rnd: rand.New(rand.NewPCG(s.Seed, 0x501071c4)), start: time.Duration(s.Start.UnixNano()),
		agents: make([]agent, s.Agents), shown: []version{{}},
		loads: newBucket(s.Provider.Loads), swaps: newBucket(s.Provider.Swaps),
	}
	w.outage, w.dnsOut = w.window(s.Outages), w.window(s.DNSOut)
	w.tally.begin(s)
	for i := range w.agents {
		a := &w.agents[i]
		a.world, a.n = w, int32(i)
		if s.Members != nil {
			m := &s.Members[i]
			w.plan(m.Begin, a, begins, 0)
			if m.Stop > 0 {
				w.plan(m.Stop, a, stops, 0)
			}
			if m.Kill > 0 {
				w.plan(m.Kill, a, kills, 0)
			}
			continue
		}
		w.plan(time.Duration(w.rnd.Int64N(int64(s.Policy.PollMax))), a, begins, 0) // machines start at random
		w.again(a, pauses, s.Pauses)
		w.again(a, crashes, s.Crashes)
		w.again(a, steps, s.Clocks.Steps)
	}
	if s.Restarts.Every > 0 {
		w.plan(s.Restarts.after(w.rnd), &w.agents[0], restarts, 0)
	}
	return w
}

func (w *world) window(how Repeated) window {
	if how.Every == 0 {
		return window{from: -1, until: -1}
	}
	from := how.after(w.rnd)
	return window{how, from, from + how.Length.draw(w.rnd)}
}

// lasts tells whether it is within the window, at a moment that is not before the one
// asked for last.
func (w *world) lasts(v *window, at time.Duration) bool {
	for v.how.Every > 0 && at >= v.until {
		v.from = v.until + v.how.after(w.rnd)
		v.until = v.from + v.how.Length.draw(w.rnd)
	}
	return v.from <= at && at < v.until
}

// away tells whether the register answers nobody now.
func (w *world) away() bool {
	for _, span := range w.s.Away {
		if span.From <= w.now && w.now < span.Until {
			return true
		}
	}
	return w.lasts(&w.outage, w.now)
}

func (w *world) plan(in time.Duration, a *agent, k kind, arg uint32) {
	w.queue.plan(event{at: w.now + max(in, 0), agent: a.n, kind: k, arg: arg})
}

func (w *world) again(a *agent, k kind, how Repeated) {
	if how.Every > 0 {
		w.plan(how.after(w.rnd), a, k, 0)
	}
}

func (w *world) run() {
	for {
		e, ok := w.queue.next()
		if !ok || e.at >= w.s.For {
			break
		}
		w.now = e.at
		w.happens(e)
	}
	w.now = w.s.For
}

func (w *world) happens(e event) {
	a := &w.agents[e.agent]
	if e.kind <= ends && w.now < a.frozen { // a halted machine takes nothing in
		w.queue.plan(event{at: a.frozen, agent: e.agent, kind: e.kind, arg: e.arg})
		return
	}
	switch e.kind {
	case wake:
		if e.arg == a.wakes && a.up {
			a.decide()
		}
	case answers:
		a.answered(e.arg)
	case ends:
		a.runOver(e.arg)
	case guards:
		a.guard(e.arg)
	case reaches:
		w.arrives(e.arg)
	case begins:
		if e.arg == a.lives {
			a.begin()
		}
	case pauses:
		a.halted = a.lively()
		a.frozen = max(a.frozen, w.now+w.s.Pauses.Length.draw(w.rnd))
		w.again(a, pauses, w.s.Pauses)
	case crashes:
		a.vanish()
		w.plan(w.s.Crashes.Length.draw(w.rnd), a, begins, a.lives)
		w.again(a, crashes, w.s.Crashes)
	case restarts:
		w.rollOut(a)
	case stops:
		a.halt()
	case kills:
		a.vanish()
	case steps:
		a.offset = w.between(w.s.Clocks.Offset)
		w.again(a, steps, w.s.Clocks.Steps)
	}
}

// rollOut asks one agent to end, and the next one when that one is replaced.
func (w *world) rollOut(a *agent) {
	if w.restart == 0 {
		w.restart = len(w.agents)
	}
	w.restart--
	a.halt()
	gap := w.s.Restarts.Length.draw(w.rnd)
	if w.restart > 0 {
		w.plan(gap, &w.agents[(int(a.n)+1)%len(w.agents)], restarts, 0)
		return
	}
	w.plan(w.s.Restarts.after(w.rnd), &w.agents[(int(a.n)+1)%len(w.agents)], restarts, 0)
}

// between is a time of at most d on either side of zero.
func (w *world) between(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(w.rnd.Int64N(int64(2*d)+1)) - d
}

// unix is a moment of the world as the true time of day.
func (w *world) unix(at time.Duration) time.Time { return time.Unix(0, int64(w.start+at)) }

// post sends a swap on its way.
func (w *world) post(l letter, in time.Duration) {
	if n := len(w.free); n > 0 {
		i := w.free[n-1]
		w.free = w.free[:n-1]
		w.letters[i] = l
		w.plan(in, &w.agents[l.agent], reaches, i)
		return
	}
	w.letters = append(w.letters, l)
	w.plan(in, &w.agents[l.agent], reaches, uint32(len(w.letters)-1))
}

// arrives is a swap at the register.
func (w *world) arrives(i uint32) {
	l := w.letters[i]
	w.letters[i] = letter{}
	w.free = append(w.free, i)
	done := w.swap(l.old, l.new)
	a := &w.agents[l.agent]
	if waits := a.busy && a.requests == l.request; waits && !done && a.ask.out == elect.Done {
		a.ask.out = elect.Conflict
	}
}

// swap is the register's side of a swap.
func (w *world) swap(old, next content) bool {
	is := &w.shown[len(w.shown)-1]
	if is.texts != old {
		return false
	}
	visible := max(w.now+w.s.Provider.Publish.draw(w.rnd), is.visible)
	w.shown = append(w.shown, version{next, w.now, visible})
	w.tally.wrote(w, old, next)
	if len(w.shown) > 256 {
		w.shown = slices.Delete(w.shown, 0, w.firstNeeded())
	}
	return true
}

// firstNeeded is the first version that a question under way may still be answered
// with: none takes longer than an hour.
func (w *world) firstNeeded() int {
	i := sort.Search(len(w.shown), func(i int) bool { return w.shown[i].visible > w.now-time.Hour })
	return max(i-1, 0)
}

// heldAt is what the register held at a moment.
func (w *world) heldAt(at time.Duration) content {
	i := len(w.shown) - 1
	for i > 0 && w.shown[i].at > at {
		i--
	}
	return w.shown[i].texts
}

// shownAt is what the name servers showed at a moment.
func (w *world) shownAt(at time.Duration) content {
	i := len(w.shown) - 1
	for i > 0 && w.shown[i].visible > at {
		i--
	}
	return w.shown[i].texts
}

// present is a record as the register holds it.
func present(r record.Record) content {
	h := fnv.New64a()
	io.WriteString(h, r.String())
	return content{record.Present, r, h.Sum64()}
}

func (w *world) tell(a *agent, s Step) {
	s.At, s.Agent = w.now, a.self.ID
	w.tally.step(w, s)
	if w.s.Watch != nil {
		w.s.Watch(s)
	}
}

// told is the register's time of day, in whole seconds.
func (w *world) told(at time.Duration) time.Time {
	if w.s.Provider.Mute {
		return time.Time{}
	}
	return w.unix(at).Truncate(time.Second)
}
