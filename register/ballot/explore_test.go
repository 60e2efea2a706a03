package ballot

import (
	"flag"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// This file and the next are the world that the explorer searches: a zone of
// records that are read and written one by one, and a few processes, each of which
// is the real op with the real self. Nothing here knows a rule of the algorithm.

const mostProcs = 3

var (
	exploreStates = flag.Int("explore.states", usualStates, "end each search after so many states; 0: never")
	exploreFirst  = flag.Bool("explore.first", false, "end with the first violation")
)

// A search is one bounded configuration.
type search struct {
	name    string
	scripts []string // of each process: L loads, S swaps what it saw last, l loads alone, C cleans up, E ends its record
	begin   []owned  // what is there at first
	plain   string   // and at the name itself
	crashes int      // processes that may end in the middle, and are followed by another with the same script
	losses  int      // writes of unknown outcome, which may land at any time later or never
	giveUps int      // ops whose time may be up at any point
	rounds  int      // pauses after which the time is up in any case
	deletes int      // records of incarnations that write no more, deleted by others
	stale   int      // reads of a record that show what it said before
	atomic  bool     // lists are atomic, for the sake of more else
	wrong   string   // a property that is expected to be broken
}

// A move is one step of the world.
type move struct {
	kind string
	proc int
	arg  int
}

// A proc is a process.
type proc struct {
	up      bool
	life    int
	at      int // in its script
	me      self
	op      op
	act     action
	running bool
	text    string  // that its swap writes
	seen    version // what its last Load or swap gave
	floor   uint64  // the highest slot that was told to anybody when its op began
	reading []owned // so far in the list under way
	cursor  string  // the label that was read last
}

// A ghost is a write that may land later.
type ghost struct {
	by   string
	slip slip
}

// A world is one state of everything. Its slices are never changed in place.
type world struct {
	records []owned
	before  []owned // what each record said before
	plain   string
	procs   [mostProcs]proc
	ghosts  []ghost
	ids     [8]string // what was decided, by slot
	texts   [8]string
	floor   uint64
	refused []string // texts of swaps that were told not to be applied
	used    struct{ crashes, losses, giveUps, deletes, stale int }
}

// An explorer searches one configuration.
type explorer struct {
	cfg    search
	seed   maphash.Seed
	seen   map[uint64]struct{}
	path   []move
	worlds []*world // one for each depth
	buf    []byte
	broken string // the property that was violated first
	trace  []move
	ends   map[string]int
	full   bool
}

func explore(cfg search) *explorer {
	x := &explorer{cfg: cfg, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}, ends: map[string]int{}}
	w := world{plain: cfg.plain}
	w.records = slices.Clone(cfg.begin)
	w.ids[0], w.texts[0] = zeroID, cfg.plain
	for i := range cfg.scripts {
		x.boot(&w, i)
	}
	x.visit(&w)
	return x
}

func (x *explorer) boot(w *world, i int) {
	life := w.procs[i].life
	label := func(n int) string { return fmt.Sprintf("%c%d", 'a'+(i+n)%mostProcs, 10*life+n) } // neither older nor younger ones are always the greater
	w.procs[i] = proc{up: true, life: life + 1, me: self{spare: label(0)}}
}

// visit searches everything that can follow.
func (x *explorer) visit(w *world) {
	if x.broken != "" || x.full {
		return
	}
	h := x.hash(w)
	if _, ok := x.seen[h]; ok {
		return
	}
	x.seen[h] = struct{}{}
	if *exploreStates > 0 && len(x.seen) >= *exploreStates {
		x.full = true
		return
	}
	depth := len(x.path)
	if depth == len(x.worlds) {
		x.worlds = append(x.worlds, new(world))
	}
	for _, m := range x.moves(w) {
		next := x.worlds[depth]
		*next = *w
		x.path = append(x.path, m)
		x.apply(next, m)
		if x.broken == "" {
			x.visit(next)
		}
		x.path = x.path[:len(x.path)-1]
		if x.broken != "" || x.full {
			return
		}
	}
}

// violate notes the first violation.
func (x *explorer) violate(property string, args ...any) {
	if x.broken == "" {
		x.broken = fmt.Sprintf(property, args...)
		x.trace = slices.Clone(x.path)
	}
}

// moves lists what can happen next.
func (x *explorer) moves(w *world) []move {
	var out []move
	add := func(kind string, i, arg int) { out = append(out, move{kind, i, arg}) }
	for i := range x.cfg.scripts {
		p := &w.procs[i]
		if !p.up {
			continue
		}
		if !p.running {
			if p.at < len(x.cfg.scripts[i]) {
				add("next", i, 0)
			}
			continue
		}
		switch p.act.verb {
		case list:
			add("read", i, 0)
			if w.used.stale < x.cfg.stale {
				add("read stale", i, 0)
			}
		case write:
			add("write", i, 0)
			if w.used.losses < x.cfg.losses {
				add("write lost", i, 0)
			}
		case pause:
			if p.act.round < x.cfg.rounds {
				add("go on", i, 0)
			}
		}
		if p.act.verb == pause && p.act.round >= x.cfg.rounds || w.used.giveUps < x.cfg.giveUps {
			add("time is up", i, 0)
		}
		if w.used.crashes < x.cfg.crashes {
			add("crash", i, 0)
		}
	}
	for g := range w.ghosts {
		add("ghost lands", -1, g)
	}
	if w.used.deletes < x.cfg.deletes {
		all := view{slips: w.records}
		for n := range all.expendable(func(label string) bool { return !w.live(label) }) {
			add("delete", -1, n)
		}
	}
	return out
}

// live says whether an incarnation is one of a process that may still write.
func (w *world) live(label string) bool {
	for i := range w.procs {
		if p := &w.procs[i]; p.up && (p.me.label == label || p.running && p.op.me.label == label) {
			return true
		}
	}
	return false
}

// apply makes a move.
func (x *explorer) apply(w *world, m move) {
	switch m.kind {
	case "ghost lands":
		g := w.ghosts[m.arg]
		w.ghosts = slices.Delete(slices.Clone(w.ghosts), m.arg, m.arg+1)
		w.put(g.by, g.slip)
		return
	case "delete":
		all := view{slips: w.records}
		label := all.expendable(func(label string) bool { return !w.live(label) })[m.arg]
		w.used.deletes++
		w.records = slices.DeleteFunc(slices.Clone(w.records), func(o owned) bool { return o.by == label })
		return
	}
	p := &w.procs[m.proc]
	switch m.kind {
	case "next":
		x.next(w, m.proc)
	case "read":
		x.read(w, m.proc, w.records)
	case "read stale":
		w.used.stale++
		x.read(w, m.proc, w.before)
	case "write":
		x.noteWrite(w, p.act)
		w.put(p.act.label, p.act.slip)
		x.follow(w, m.proc, p.op.written())
	case "write lost":
		w.used.losses++
		w.ghosts = append(slices.Clone(w.ghosts), ghost{p.act.label, p.act.slip})
		p.op.me.spare = fmt.Sprintf("%c%d", p.act.label[0], 10*p.life+w.used.losses)
		x.follow(w, m.proc, p.op.lost())
	case "go on":
		x.follow(w, m.proc, p.op.paused())
	case "time is up":
		if p.act.verb == write {
			w.used.giveUps++
			x.follow(w, m.proc, p.op.unsent())
			return
		}
		if p.act.verb != pause {
			w.used.giveUps++
		}
		x.follow(w, m.proc, p.op.giveUp())
	case "crash":
		w.used.crashes++
		x.boot(w, m.proc)
	}
}

func (w *world) put(label string, s slip) {
	i, ok := slices.BinarySearchFunc(w.records, label, func(o owned, l string) int { return strings.Compare(o.by, l) })
	w.records = slices.Clone(w.records)
	if !ok {
		w.records = slices.Insert(w.records, i, owned{label, s})
		return
	}
	was := w.records[i]
	w.before = append(slices.DeleteFunc(slices.Clone(w.before), func(o owned) bool { return o.by == label }), was)
	slices.SortFunc(w.before, func(a, b owned) int { return strings.Compare(a.by, b.by) })
	w.records[i] = owned{label, s}
}

// next begins the next operation of a script together with its first step, as
// nothing can tell an operation that has done nothing from one that has not begun.
func (x *explorer) next(w *world, i int) {
	p := &w.procs[i]
	what := x.cfg.scripts[i][p.at]
	p.floor = w.floor
	p.at++
	switch what {
	case 'L':
		p.op = newLoad(p.me)
	case 'S':
		p.text = fmt.Sprintf("%d%d%d", i, p.life, p.at)
		p.op = newSwap(p.me, p.seen, []string{p.text})
	case 'E':
		if p.me.label != "" { // a last write, and then nothing
			s := p.me.said
			s.ended = true
			w.put(p.me.label, s)
			p.me.retire()
		}
		return
	}
	p.running = true
	x.follow(w, i, p.op.start())
}

// follow takes what an op says to do.
func (x *explorer) follow(w *world, i int, a action) {
	p := &w.procs[i]
	p.act = a
	p.reading, p.cursor = nil, ""
	if a.verb == write {
		return
	}
	if a.verb != end {
		return
	}
	x.finished(w, i, a)
	p.me, p.running = p.op.me, false
	if p.me.label == "" && p.me.spare == "" {
		panic("no name for another incarnation")
	}
	p.op, p.act, p.text = op{}, action{}, ""
}

// read is one step of a list: the record with the next label, or all
// where lists are atomic. Process 1 reads from the end.
func (x *explorer) read(w *world, i int, from []owned) {
	p := &w.procs[i]
	all := w.records
	if x.cfg.atomic {
		v := view{slips: all, plain: plainTexts(w.plain)}
		a := p.op.listed(v)
		if a.verb == list { // to compare with: the next one shows the same
			a = p.op.listed(v)
		}
		x.follow(w, i, a)
		return
	}
	n := -1
	for k, o := range all {
		after := p.cursor == "" || o.by > p.cursor
		if i == 1 {
			after = p.cursor == "" || o.by < p.cursor
		}
		if after && (n < 0 || i == 1) {
			n = k
		}
	}
	if n >= 0 {
		o := all[n]
		if j := slices.IndexFunc(from, func(f owned) bool { return f.by == o.by }); j >= 0 {
			o = from[j]
		}
		p.reading, p.cursor = append(slices.Clone(p.reading), o), o.by
		last := n == len(all)-1
		if i == 1 {
			last = n == 0
		}
		if !last {
			return
		}
	}
	v := view{slips: slices.Clone(p.reading), plain: plainTexts(w.plain)}
	slices.SortFunc(v.slips, func(a, b owned) int { return strings.Compare(a.by, b.by) })
	x.follow(w, i, p.op.listed(v))
}

func plainTexts(plain string) []string {
	if plain == "" {
		return nil
	}
	return []string{plain}
}
