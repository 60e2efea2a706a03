package ballot

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// What must hold in every state.
const (
	oneDecided   = "two versions were decided in slot %d: %s and %s"
	neverBack    = "a Load gave slot %d although %d was known before it began"
	wrongTexts   = "a Load gave %q in slot %d, and %q was decided"
	toldRefused  = "%q was decided, and its swap was told not to be applied"
	toldDone     = "a swap was told done in slot %d, but %q was decided"
	contradicted = "the records contradict each other"
	endless      = "an observer's Load does not end"
)

// noteWrite checks what a record says about the slot before.
func (x *explorer) noteWrite(w *world, a action) {
	x.decide(w, a.slip.slot-1, a.slip.prev)
}

// decide notes that somebody acts on a decision.
func (x *explorer) decide(w *world, slot uint64, id string) {
	switch was := w.ids[slot]; was {
	case "":
		w.ids[slot] = id
	case id:
	default:
		x.violate(oneDecided, slot, was, id)
	}
}

// told notes a version that somebody was given.
func (x *explorer) told(w *world, v version) {
	x.decide(w, v.slot, v.id)
	text := strings.Join(v.texts, "")
	if slices.Contains(w.refused, text) && text != "" {
		x.violate(toldRefused, text)
	}
	if v.slot > 0 {
		if was := w.texts[v.slot]; was != "" && was != text {
			x.violate(wrongTexts, text, v.slot, was)
		}
		w.texts[v.slot] = text
	}
}

// finished checks the outcome of an operation, and then what a Load of somebody
// else would give.
func (x *explorer) finished(w *world, i int, a action) {
	p := &w.procs[i]
	load := !p.op.swap
	x.ends[fmt.Sprint(map[bool]string{true: "load ", false: "swap "}[load], a.outcome)]++
	switch {
	case a.outcome == damaged:
		x.violate(contradicted)
	case load && a.outcome == done:
		if a.version.slot < p.floor {
			x.violate(neverBack, a.version.slot, p.floor)
		}
		x.told(w, a.version)
		w.floor = max(w.floor, a.version.slot)
		p.seen = a.version
	case load:
	case a.outcome == done:
		x.told(w, a.version)
		if text := strings.Join(a.version.texts, ""); text != p.text || a.version.slot != p.op.old.slot+1 {
			x.violate(toldDone, a.version.slot, text)
		}
		w.floor = max(w.floor, a.version.slot)
		p.seen = a.version
		w.plain = p.text // the public copy
	case a.outcome == conflict:
		w.refused = append(slices.Clone(w.refused), p.text)
		if p.op.sure { // else the slot is not known to the world
			w.floor = max(w.floor, p.op.old.slot+1)
		}
	case a.outcome == failed:
		w.refused = append(slices.Clone(w.refused), p.text)
	}
	x.observe(w)
}

// observe has somebody load who is alone in the world and meets no fault.
func (x *explorer) observe(w *world) {
	v := *w
	o := newLoad(self{spare: "z9"})
	a := o.start()
	for range 100 {
		switch a.verb {
		case list:
			a = o.listed(view{slips: v.records, plain: plainTexts(v.plain)})
			continue
		case write:
			v.put(a.label, a.slip)
			a = o.written()
			continue
		case pause:
			a = o.paused()
			continue
		}
		switch {
		case a.outcome != done:
			x.violate(contradicted)
		case a.version.slot < w.floor:
			x.violate(neverBack, a.version.slot, w.floor)
		}
		x.told(&v, a.version)
		return
	}
	x.violate(endless)
}

// A digest is what tells states apart.
type digest []byte

func (d *digest) num(n uint64) { *d = binary.AppendUvarint(*d, n) }

func (d *digest) str(s string) { *d = append(append(*d, s...), 0) }

func (d *digest) strs(all []string) {
	d.num(uint64(len(all)))
	for _, s := range all {
		d.str(s)
	}
}

func (d *digest) flag(f bool) {
	b := byte(0)
	if f {
		b = 1
	}
	*d = append(*d, b)
}

func (d *digest) slip(s *slip) {
	d.num(s.slot)
	d.num(s.mbal)
	d.num(s.bal)
	d.str(s.prev)
	d.str(s.id)
	d.strs(s.text)
	d.flag(s.bare)
	d.flag(s.ended)
}

func (d *digest) slips(all []owned) {
	d.num(uint64(len(all)))
	for i := range all {
		d.str(all[i].by)
		d.slip(&all[i].slip)
	}
}

func (d *digest) version(v *version) {
	d.num(v.slot)
	d.str(v.id)
	d.strs(v.texts)
}

func (d *digest) self(s *self) {
	d.str(s.label)
	d.str(s.spare)
	d.slip(&s.said)
}

func (d *digest) proc(p *proc) {
	d.flag(p.running)
	*d = append(*d, byte(p.life), byte(p.at), byte(p.act.verb), byte(p.act.round))
	d.self(&p.me)
	d.version(&p.seen)
	if !p.running {
		return
	}
	d.str(p.text)
	d.num(p.floor)
	d.str(p.cursor)
	d.slips(p.reading)
	o := &p.op
	d.self(&o.me)
	d.flag(o.swap)
	d.version(&o.old)
	d.flag(o.sure)
	d.str(o.mine)
	d.slip(&o.writing)
	d.flag(o.first)
	d.flag(o.yielding)
	d.slips(o.seen.slips)
	d.strs(o.seen.plain)
	d.flag(o.again)
	d.flag(o.unseen)
	*d = append(*d, byte(o.waited), byte(o.rounds))
}

// hash is a state in 64 bits.
func (x *explorer) hash(w *world) uint64 {
	d := digest(x.buf[:0])
	d.slips(w.records)
	if x.cfg.stale > 0 {
		d.slips(w.before)
	}
	d.str(w.plain)
	d.num(uint64(len(w.ghosts)))
	for i := range w.ghosts {
		d.str(w.ghosts[i].by)
		d.slip(&w.ghosts[i].slip)
	}
	for i := range w.ids {
		d.str(w.ids[i])
		d.str(w.texts[i])
	}
	d.num(w.floor)
	d.strs(w.refused)
	u := &w.used
	d = append(d, byte(u.crashes), byte(u.losses), byte(u.giveUps), byte(u.deletes), byte(u.stale))
	for i := range x.cfg.scripts {
		d.proc(&w.procs[i])
	}
	x.buf = d
	return maphash.Bytes(x.seed, d)
}

// explain is the way to a violation.
func (x *explorer) explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", x.cfg.name, x.broken)
	y := &explorer{cfg: x.cfg, seen: map[uint64]struct{}{}, ends: map[string]int{}}
	w := world{plain: x.cfg.plain, records: slices.Clone(x.cfg.begin)}
	w.ids[0], w.texts[0] = zeroID, x.cfg.plain
	for i := range x.cfg.scripts {
		y.boot(&w, i)
	}
	for _, m := range x.trace {
		what := ""
		if m.proc >= 0 {
			if p := &w.procs[m.proc]; p.running && p.act.verb == write {
				what = fmt.Sprintf(" %s: %v", p.act.label, p.act.slip)
			}
		}
		wasRunning := m.proc >= 0 && w.procs[m.proc].running
		var o op
		if wasRunning {
			o = w.procs[m.proc].op
		}
		y.apply(&w, m)
		fmt.Fprintf(&b, "  %d %s %d%s", m.proc, m.kind, m.arg, what)
		if wasRunning && !w.procs[m.proc].running {
			fmt.Fprintf(&b, "  -> ends (swap %v of slot %d, mine %q)", o.swap, o.old.slot, o.mine)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
