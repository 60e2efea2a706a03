package elect

import (
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/solotick/solotick/record"
)

// An explorer searches one config breadth first, so that the first violation it
// meets is one of the shortest.
type explorer struct {
	cfg           config
	policy, other Policy
	limits        [kinds]uint8

	seen  *set
	nodes []node
	fair  bool           // no more faults: for liveness
	live  map[hash]int64 // seconds from a state to the end of a new tick, without faults

	fired    [kinds]int
	decided  [64]int // by Reason
	premises map[string]int
	wait     int64 // the longest that was needed
	lively   int
	latest   int64 // second that was reached
	wandered int
	read     map[reader]record.Set
	stuck    []move
	spin     string // an agent waits for what has passed
	scratch  world
	way      []mark
	course   []move
	list     []move
	whole    bool // there are no more states
}

// A node remembers how a state was reached.
type node struct {
	from int32
	move move
}

// A found violation.
type violation struct {
	what  string
	moves []move
}

func newExplorer(cfg config) *explorer {
	x := &explorer{cfg: cfg, seen: newSet(), live: map[hash]int64{}, premises: map[string]int{}, read: map[reader]record.Set{}}
	x.policy = Policy{Schedule: grid(10), Lease: 3 * time.Second, Skew: time.Second, Timeout: 6 * time.Second, PollMin: 4 * time.Second, PollMax: 4 * time.Second, Attempts: 1, Takeovers: 2, CatchUpMost: 100}
	if cfg.policy != nil {
		cfg.policy(&x.policy)
	}
	x.other = x.policy
	if cfg.other != nil {
		cfg.other(&x.other)
	}
	for k, n := range cfg.limits {
		x.limits[k] = uint8(n)
	}
	return x
}

// A grid is a schedule of every so many seconds.
type grid int64

func (g grid) Next(t int64) int64 { return (t/int64(g) + 1) * int64(g) }
func (g grid) Prev(t int64) int64 { return t / int64(g) * int64(g) }

// search goes through every state, or the first upTo of them.
func (x *explorer) search(upTo int) *violation {
	var level, next, spare pile
	level.push(&spare, x.begin(), 0)
	x.nodes = append(x.nodes, node{from: -1})
	x.seen.add(x.hash(&level.at(0).w))
	var buf []move
	var w world
	for level.n > 0 {
		for n := range level.n {
			e := level.at(n)
			if bad := x.liveness(&e.w); bad != "" {
				return &violation{bad, x.path(e.id)}
			}
			buf = x.moves(&e.w, buf[:0])
			if x.spin != "" {
				return &violation{x.spin, x.path(e.id)}
			}
			for _, m := range buf {
				w = e.w
				if bad := x.apply(&w, m); bad != "" {
					return &violation{bad, append(x.path(e.id), m)}
				}
				if !x.seen.add(x.hash(&w)) {
					continue
				}
				x.latest = max(x.latest, w.now)
				next.push(&spare, &w, int32(len(x.nodes)))
				x.nodes = append(x.nodes, node{e.id, m})
			}
			if len(x.nodes) >= upTo {
				return nil
			}
		}
		spare.chunks = append(spare.chunks, level.chunks...)
		level, next = next, pile{}
	}
	x.whole = true
	return nil
}

// wander goes n long ways through the world by chance, far beyond what the
// search reaches step by step, and with faults at any time. Courses are the same
// on every call.
func (x *explorer) wander(n int) *violation {
	dice := rand.New(rand.NewPCG(1, uint64(n)))
	until := x.cfg.until
	x.cfg.until += 12
	defer func() { x.cfg.until = until }()
	var list, likely []move
	var course []move
	for range n {
		w := *x.begin()
		course = course[:0]
		rare := 2 + dice.IntN(30)    // how seldom faults are on this way,
		lasting := 1 + dice.IntN(30) // and how long they last
		for {
			list, likely = x.moves(&w, list[:0]), likely[:0]
			if x.spin != "" {
				return &violation{x.spin, course}
			}
			misfortune, relief := dice.IntN(rare) == 0, dice.IntN(lasting) == 0
			for _, m := range list {
				if m.kind.fault() == misfortune && (relief || !m.kind.relief()) {
					likely = append(likely, m)
				}
			}
			if len(likely) == 0 {
				likely = list
			}
			if len(likely) == 0 || len(course) == 1000 {
				break
			}
			m := likely[dice.IntN(len(likely))]
			course = append(course, m)
			if bad := x.apply(&w, m); bad != "" {
				return x.shorten(&violation{bad, course})
			}
			x.latest = max(x.latest, w.now)
			if x.seen.add(x.hash(&w)) {
				x.wandered++
			}
			if m.kind >= crash || misfortune {
				if bad := x.liveness(&w); bad != "" {
					return x.shorten(&violation{bad, course})
				}
			}
		}
	}
	return nil
}

// relief tells the moves that end a fault.
func (k kind) relief() bool {
	switch k {
	case start, delivered, lands, evaporates, thaw, back, unsealed, catchesUp:
		return true
	}
	return false
}

// shorten leaves moves out of a course for as long as the same property is violated.
func (x *explorer) shorten(v *violation) *violation {
	stuck := x.stuck
	for again := true; again; {
		again = false
		for i := len(v.moves) - 1; i >= 0; i-- {
			less := slices.Delete(slices.Clone(v.moves), i, i+1)
			what, n := x.replay(less)
			if what != "" && property(what) == property(v.what) {
				v, stuck, again = &violation{what, less[:n]}, x.stuck, true
				i = min(i, n)
			}
		}
	}
	x.stuck = stuck
	return v
}

// property is which one was violated.
func property(what string) string {
	for _, p := range properties {
		if strings.HasPrefix(what, p) {
			return p
		}
	}
	return what
}

// replay makes the moves in their order, as far as they can be made, and returns
// what was violated after how many.
func (x *explorer) replay(moves []move) (string, int) {
	w := x.begin()
	x.stuck, x.spin = nil, ""
	for i, m := range moves {
		if !slices.Contains(x.moves(w, nil), m) {
			return "", 0
		}
		if bad := first(x.spin, x.apply(w, m)); bad != "" {
			return bad, i + 1
		}
	}
	x.live = map[hash]int64{}
	return x.liveness(w), len(moves)
}

// A pile is a list of worlds that are large and many.
type pile struct {
	chunks []*[256]entry
	n      int
}

type entry struct {
	w  world
	id int32
}

func (p *pile) at(i int) *entry { return &p.chunks[i/256][i%256] }

func (p *pile) push(spare *pile, w *world, id int32) {
	if p.n == 256*len(p.chunks) {
		if n := len(spare.chunks); n > 0 {
			p.chunks, spare.chunks = append(p.chunks, spare.chunks[n-1]), spare.chunks[:n-1]
		} else {
			p.chunks = append(p.chunks, new([256]entry))
		}
	}
	e := p.at(p.n)
	e.w, e.id = *w, id
	p.n++
}

func (x *explorer) path(id int32) []move {
	var out []move
	for ; id > 0; id = x.nodes[id].from {
		out = append(out, x.nodes[id].move)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// liveness follows the one fault-free course from w until a new tick has ended,
// or a course that is known. Every state on it learns how long it takes.
func (x *explorer) liveness(w0 *world) string {
	if x.paused(w0) || x.cfg.expect != "" && x.cfg.expect != pLive {
		return ""
	}
	x.premises[x.lives()]++
	h := x.fairHash(w0)
	if r, ok := x.live[h]; ok {
		return x.inTime(r)
	}
	x.fair = true
	defer func() { x.fair = false }()
	x.scratch = *w0
	w := &x.scratch
	x.way, x.course = x.way[:0], x.course[:0]
	done, limit := w.ghost.done, w.now+x.cfg.settle
	rest := int64(0)
	for w.ghost.done == done {
		h := x.hash(w)
		if r, ok := x.live[h]; ok {
			rest = r
			break
		}
		x.way = append(x.way, mark{h, w.now})
		if w.now > limit || int64(len(x.way)) > 500+5*x.cfg.settle {
			x.stuck = slices.Clone(x.course)
			return fmt.Sprintf("%s: nothing ends within %d s; %s", x.lives(), x.cfg.settle, strings.TrimSpace(x.describe(w)))
		}
		x.list = x.moves(w, x.list[:0])
		if len(x.list) == 0 {
			return x.lives() + ": nothing can happen any more"
		}
		// In any order, by what looks like chance: h decides, so that a state that
		// is met again goes on alike. All but the passing of time comes to an end.
		m := x.list[h%hash(len(x.list))]
		for _, c := range x.list { // who was held back goes on first
			if c.kind == jobEnds || c.kind == thaw || c.kind == start || c.kind == back || c.kind == unsealed {
				m = c
				break
			}
		}
		x.course = append(x.course, m)
		if bad := x.apply(w, m); bad != "" {
			x.stuck = slices.Clone(x.course)
			return bad
		}
		if x.spin != "" {
			x.stuck = slices.Clone(x.course)
			return x.spin
		}
	}
	rest += w.now - w0.now
	for _, s := range x.way {
		x.live[s.h] = rest - (s.at - w0.now)
	}
	return x.inTime(rest)
}

func (x *explorer) inTime(rest int64) string {
	x.wait = max(x.wait, rest)
	if rest > x.cfg.settle {
		return fmt.Sprintf("%s: it takes %d s, want at most %d", x.lives(), rest, x.cfg.settle)
	}
	return ""
}

// fairHash is the hash of w as seen by the fault-free course, which does not
// know how many faults there were.
func (x *explorer) fairHash(w *world) hash {
	x.fair = true
	defer func() { x.fair = false }()
	return x.hash(w)
}

// A mark is a state on a course, and when.
type mark struct {
	h  hash
	at int64
}

func (x *explorer) paused(w *world) bool {
	if x.policy.Lock && w.reg.state == record.Present && !IsLock(w.reg.rec) {
		return true // it has become a job's
	}
	if w.reg.rec.Pause < 0 || w.reg.unreadable() && w.hist.rec.Pause < 0 {
		return true
	}
	for i := range w.actors { // a record that was deleted in a pause brings it back
		if w.reg.state != record.Present && w.actors[i].self.Last.Pause < 0 {
			return true
		}
	}
	for m := range w.mail { // what is on its way may write over the end of a pause
		if l := &w.mail[m]; l.used && (l.new.rec.Pause < 0 || l.put.rec.Pause < 0) {
			return true
		}
	}
	for i := range x.cfg.agents {
		able := w.reg.unreadable() && x.opens(i, w.hist) || x.opens(i, w.reg)
		if a := &w.actors[i]; able && (a.up && !a.self.Stopping || !a.up && int(a.lives) < x.cfg.restart+1 && a.lives < most) {
			return false
		}
	}
	return true // nobody is left who could
}

// report prints what was searched.
func (x *explorer) report(out io.Writer, took time.Duration) {
	whole := "all"
	if !x.whole {
		whole = "the first"
	}
	fmt.Fprintf(out, "%-26s %9s %7d states and %7d by chance, up to second %3d, %7d lead to the end of a tick (in at most %d s), %.1f s\n",
		x.cfg.name, whole, len(x.nodes), x.wandered, x.latest, x.lively, x.wait, took.Seconds())
}

// trace prints a violation as a story that can be replayed.
func (x *explorer) trace(out io.Writer, v *violation, how string) {
	fmt.Fprintf(out, "%s: %s %s\n", x.cfg.name, how, v.what)
	x.story(out, v.moves)
	if x.stuck != nil {
		fmt.Fprintln(out, "without further faults:")
		all := append(v.moves, x.stuck[:min(len(x.stuck), 60)]...)
		x.stuck = nil
		x.story(out, all)
	}
}

// story tells a course, move by move.
func (x *explorer) story(out io.Writer, moves []move) {
	w := x.begin()
	fmt.Fprintln(out, x.describe(w))
	for _, m := range moves {
		line := kindNames[m.kind]
		if i := int(m.agent); i < x.cfg.agents && w.actors[i].up && m.kind != advance && m.kind < deleted && m.kind != lands && m.kind != evaporates {
			a := &w.actors[i]
			line = a.self.ID + ": " + line
			if m.kind == step || m.kind >= lookStale && m.kind <= swapSlow || m.kind == runs {
				act := Decide(x.policyOf(i), &a.self, x.nowOf(w, i))
				line += fmt.Sprintf(" %v (%v)", act.Verb, act.Why)
				if act.Verb == Swap {
					line += " " + act.Next.String()
				}
			}
		}
		bad := x.apply(w, m)
		fmt.Fprintf(out, "%s   | %s %d %d\n%s\n", line, kindNames[m.kind], m.agent, m.arg, x.describe(w))
		if bad != "" {
			fmt.Fprintln(out, "  "+bad)
		}
	}
}

func counts(m map[string]int) []string {
	var out []string
	for k, n := range m {
		out = append(out, fmt.Sprintf("%10d  %s", n, k))
	}
	sort.Strings(out)
	return out
}

// A hash stands for a state: 64 bits, so that two of ten million states are
// taken for one with a chance of about one in 400,000.
type hash uint64

func newHash() hash { return 0x9e3779b97f4a7c15 }

func (h *hash) word(v uint64) {
	hi, lo := bits.Mul64(uint64(*h)^v, 0xa0761d6478bd642f)
	*h = hash(hi ^ lo ^ v<<1 ^ 0xe7037ed1a0b428db)
}

func (h *hash) int(v int64)         { h.word(uint64(v)) }
func (h *hash) dur(d time.Duration) { h.word(uint64(d)) }

func (h *hash) flags(bs ...bool) {
	v := uint64(0)
	for _, b := range bs {
		v <<= 1
		if b {
			v |= 1
		}
	}
	h.word(v | 1<<40)
}

// id is a name as seen by an agent order.
func (h *hash) id(id string, as *[most]uint8) {
	if id == "" {
		h.word(99)
		return
	}
	c := id[0] - 'A'
	if as != nil && c < most {
		c = as[c]
	}
	h.word(uint64(c)<<8 | uint64(len(id)))
	if len(id) > 1 {
		h.word(uint64(id[1]))
	}
}

func (h *hash) record(r *record.Record, as *[most]uint8) {
	h.id(r.ID, as)
	h.int(r.Timer)
	h.int(r.TimerOld)
	h.int(r.Seq)
	h.int(r.Until<<20 | r.Lease<<8 | int64(r.Try))
	last := uint64(0)
	if r.Last != "" {
		last = uint64(r.Last[0])<<8 | uint64(len(r.Last))
	}
	h.word(last | uint64(r.Pause)<<20)
	h.flags(r.Claimed)
}

func (h *hash) text(t *text, as *[most]uint8) {
	h.word(uint64(t.state))
	h.flags(t.foreign)
	if t.state == record.Present {
		h.record(&t.rec, as)
		h.sealing(t)
	}
}

func (h *hash) self(s *Self, as *[most]uint8) {
	h.flags(s.Stopping, s.Known, s.Away, s.MustLoad, s.View.Seen, s.View.Held, s.Claim.Reported, s.Claim.HasState, s.Open.Unsure, s.Open.Told, s.Open.Refused, s.Loose.Running, s.Loose.Cut)
	h.dur(s.StopBy)
	h.int(s.Born.Unix())
	v := &s.View
	if v.Seen {
		h.text(&text{state: v.State, rec: v.Record}, as)
		h.flags(v.Sum>>62&1 == 1)
		if v.State == record.Unopenable { // by now one of many
			h.word(v.Sum)
		}
		h.dur(v.First)
		h.dur(v.Last)
		h.dur(v.Loaded)
	}
	h.int(s.High)
	h.int(s.Shown)
	if s.Known {
		h.record(&s.Last, as)
	}
	c := &s.Claim
	h.word(uint64(c.Phase))
	if c.Phase != NoClaim {
		h.record(&c.Record, as)
		h.int(c.Fence)
		h.dur(c.From)
		h.dur(c.Began)
		h.int(c.Timer)
		h.int(c.BeganAt)
		h.word(uint64(len(c.Cut))<<8 | uint64(len(c.Result)))
	}
	o := &s.Open
	h.word(uint64(o.N) | uint64(o.Vain)<<8)
	for i := range o.N {
		h.record(&o.Texts[i].Record, as)
		h.dur(o.Texts[i].From)
		h.word(uint64(o.Texts[i].Why))
	}
	if o.N > 0 {
		h.word(o.OldSum)
		h.dur(o.Since)
		h.dur(o.Sent)
	}
	h.int(s.Loose.Tick)
	h.dur(s.Loose.Began)
	h.word(uint64(len(s.Loose.Result)))
	h.dur(s.LastLoad)
	h.dur(s.NextLook)
	h.int(int64(s.Fails)<<16 | int64(s.Stale)<<8 | int64(s.Wide))
	if s.Fails+s.Stale > 0 {
		h.dur(s.LastFail)
	}
	h.dur(s.DownSince)
	h.int(s.Reached.Unix())
	h.dur(s.Lag)
	h.dur(s.since)
	h.dur(s.blind)
	h.dur(s.looked)
	h.flags(s.asked)
	if s.Last.Claimed {
		h.dur(s.lastAt)
	}
	h.word(uint64(s.intent.why))
	h.dur(s.intent.since)
	h.flags(s.intent.sum == v.Sum)
}

// A list fills from its front.
func (h *hash) ticks(list *[8]int64) {
	for _, t := range list {
		if h.int(t); t == 0 {
			return
		}
	}
}

func (h *hash) claims(list *[8]claimed) {
	for _, c := range list {
		if h.int(c.tick<<16 | int64(c.tries)); c.tick == 0 {
			return
		}
	}
}

func (h *hash) actor(a *actor, as *[most]uint8) {
	h.flags(a.up, a.frozen, a.heard, a.stalled, a.job, a.loose, a.fails, a.skips, a.dead)
	h.int(int64(a.lives)<<8 | int64(a.landed&0xf))
	if !a.up {
		return
	}
	h.int(a.clock)
	h.int(a.told)
	h.self(&a.self, as)
	h.text(&a.snap, as)
	h.int(a.did.tick<<8 | int64(a.did.try))
	h.int(a.did.fence)
	h.flags(a.did.ok, a.did.skips)
	if a.stalled {
		h.record(&a.action.Next, as)
		h.int(a.weak.due<<8 | int64(a.weak.leg)<<4 | int64(a.weak.tries))
		h.int(a.weak.based)
		h.int(a.weak.sent)
		h.flags(a.weak.slow, a.weak.adopted)
	}
	h.int(a.weak.blind)
	if a.job {
		h.int(a.tick)
		h.int(a.fence)
		h.int(a.ends)
		h.int(a.deadline)
	}
}

// hash is of the state up to the names of the agents, where these are alike:
// agents are put in an order of their own content first.
func (x *explorer) hash(w *world) hash {
	var as [most]uint8
	var order [most]int
	var key [most]hash
	for i := range as {
		as[i], order[i] = uint8(i), i
	}
	if x.cfg.other == nil && x.cfg.offset == ([most]int64{}) && x.cfg.drift == ([most]int64{}) && x.policy.Spread == 0 && x.cfg.rings == nil {
		for i := range x.cfg.agents {
			blind := [most]uint8{1, 1, 1}
			blind[i] = 0
			key[i] = newHash()
			key[i].actor(&w.actors[i], &blind)
			key[i].text(&w.reg, &blind)
			key[i].word(uint64(w.ghost.loosely[i][0]))
		}
		o := order[:x.cfg.agents]
		sort.Slice(o, func(i, j int) bool { return key[o[i]] < key[o[j]] })
		for rank, i := range order {
			as[i] = uint8(rank)
		}
	}
	h := newHash()
	h.int(w.now)
	h.int(w.clock)
	h.int(w.wrote)
	h.text(&w.reg, &as)
	h.text(&w.hist, &as)
	if x.cfg.copies {
		h.text(&w.older, &as)
	}
	h.text(&w.dns, &as)
	for i := range w.mail {
		l := &w.mail[i]
		h.flags(l.used)
		if l.used {
			h.text(&l.old, &as)
			h.text(&l.new, &as)
			h.id(l.id, &as)
			h.int(l.until<<16 | int64(l.ballot)<<8 | int64(l.accepted))
			if l.ballot > 0 {
				h.text(&l.put, &as)
			}
		}
	}
	if x.cfg.class == timed {
		for i := range w.under {
			h.text(&w.under[i].old, &as)
			h.text(&w.under[i].new, &as)
		}
	}
	for _, i := range order[:x.cfg.agents] {
		h.actor(&w.actors[i], &as)
		h.word(uint64(w.ghost.loosely[i][0]))
		h.word(uint64(w.ghost.loosely[i][1]))
	}
	if !x.fair {
		for k, n := range w.used {
			if n > 0 {
				h.word(uint64(k)<<8 | uint64(n))
			}
		}
	}
	g := &w.ghost
	h.int(g.fence)
	h.int(g.seq)
	h.word(g.won)
	h.int(g.started)
	h.claims(&g.claims)
	h.claims(&g.ran)
	for _, l := range [...]*[8]int64{&g.ok, &g.worked, &g.begun, &g.alone, &g.skipped} {
		h.ticks(l)
	}
	h.int(g.ended)
	h.flags(g.hand, g.stepped, w.away)
	if g.hand {
		h.int(g.handAt)
	}
	h.word(uint64(g.done))
	return h
}

// A set of hashes, open addressed.
type set struct {
	slots []hash
	n     int
}

func newSet() *set { return &set{slots: make([]hash, 1<<16)} }

func (s *set) add(h hash) bool {
	if h == 0 {
		h = 1
	}
	if 2*s.n >= len(s.slots) {
		old := s.slots
		*s = set{slots: make([]hash, 2*len(old))}
		for _, h := range old {
			if h != 0 {
				s.add(h)
			}
		}
	}
	mask := uint64(len(s.slots) - 1)
	for i := uint64(h) & mask; ; i = (i + 1) & mask {
		switch s.slots[i] {
		case h:
			return false
		case 0:
			s.slots[i] = h
			s.n++
			return true
		}
	}
}
