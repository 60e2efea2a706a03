package ballot

import (
	"slices"
	"strconv"
)

// This file is the algorithm, without clock, network and chance: an op is one Load
// or Swap under way, which is told what happened and says what to do next. The
// driver and the explorer of the tests do what it says.
//
// It is Paxos over records that each have one writer (E. Gafni and L. Lamport,
// "Disk Paxos", 2003; G. Chockler and D. Malkhi, "Active Disk Paxos", 2002, for
// processes that nobody knows beforehand), once for each version of the register.

// A verb is what an op wants done next.
type verb int

const (
	list  verb = iota // read the zone
	write             // put action.slip into the record of action.label
	pause             // wait a while that is up to chance, longer each time
	end               // there is an outcome
)

// An outcome is how an op ends.
type outcome int

const (
	done      outcome = iota // a Load knows the version, or the swap was decided
	conflict                 // another version was decided in the slot
	uncertain                // the swap may be decided yet
	failed                   // nothing is known, and the swap was not and will not be applied
	damaged                  // as failed: the slips contradict each other
)

func (o outcome) String() string {
	return [...]string{"done", "conflict", "uncertain", "failed", "damaged"}[o]
}

// An action is what an op wants.
type action struct {
	verb    verb
	label   string // of the incarnation that writes
	slip    slip
	round   int // of a pause: how many there were before
	outcome outcome
	version version // of a Load, or of a swap that is done
}

// A self is what a register keeps of its own incarnation between two ops. Losing it
// is always safe.
type self struct {
	label string // empty: there is none
	spare string // the name of the next one
	said  slip   // what its record holds
}

// retire ends the incarnation: nothing is ever written to its record again, so that
// a write of unknown outcome, landing at any time, changes a record of nobody.
func (s *self) retire() { s.label, s.said = "", slip{} }

// patience is how often a Load or a swap looks again before it begins a ballot
// against one that is under way.
const (
	patienceOfLoad = 3
	patienceOfSwap = 1
)

// An op is one Load or Swap.
type op struct {
	me self

	swap bool
	old  version // what the swap compares with; without texts: whatever is absent
	next []string
	sure bool   // old is the version of a slot, and not just any that is absent
	mine string // the id under which next was proposed; empty: it never was

	writing  slip
	first    bool // what is written is the first to propose next
	yielding bool // what is written settles another's version, and then the swap conflicts
	seen     view // by the reading before
	again    bool // seen is to be compared with
	unseen   bool // the latest list did not show what was written
	waited   int  // pauses since the last ballot
	rounds   int  // pauses in all
}

func newLoad(me self) op { return op{me: me} }

// newSwap is a swap of old, which a Load or a swap gave.
func newSwap(me self, old version, next []string) op {
	return op{me: me, swap: true, old: old, next: next, sure: old.slot > 0}
}

// start is what to do first. A swap of a version that is known begins its ballot at
// once: what others have written is read after that in any case.
func (o *op) start() action {
	if o.swap && o.sure {
		if said := o.me.said; said.slot > o.old.slot+1 || said.slot == o.old.slot+1 && said.bal > 0 {
			return o.finish(conflict, version{}) // something was accepted in that slot, as we know ourselves
		}
		return o.begin(o.old.slot+1, 0, o.old)
	}
	return o.look()
}

// look reads until two lists agree.
func (o *op) look() action {
	o.again = false
	return action{verb: list}
}

// listed is told what a list showed.
//
// Two lists in a row that show the same are what was there at any moment T between
// them, although each of them is read record by record: an incarnation's record
// was read once before and once after T, never says the same twice, and so said
// this at T. A record that neither shows was not there at T, as none comes back
// once it has gone. A list that leaves something out since it comes in pages, from
// which others vanish meanwhile, is called shaky, and agrees with none.
func (o *op) listed(v view) action {
	if o.me.label != "" && o.me.said.slot > 0 {
		s, ok := v.of(o.me.label)
		if o.unseen = !ok || !s.equal(o.me.said); o.unseen {
			o.again = false
			return o.pause() // the list is behind what was acknowledged
		}
	}
	if !o.again || v.shaky || !v.equal(o.seen) {
		o.seen, o.again = v, true
		return action{verb: list}
	}
	o.again = false
	return o.judge(v, stand(v))
}

func (o *op) judge(v view, st standing) action {
	if st.verdict == broken {
		return o.finish(damaged, version{})
	}
	if !o.swap {
		if now, ok := st.current(); ok {
			return o.finish(done, now)
		}
		return o.push(st, patienceOfLoad)
	}
	if !o.sure {
		now, ok := st.current()
		switch {
		case !ok:
			return o.push(st, patienceOfSwap)
		case o.old.absent() != now.absent(), !now.absent() && (now.slot > 0 || !slices.Equal(now.texts, o.old.texts)):
			return o.finish(conflict, version{})
		case o.old.absent() && len(o.next) == 0:
			// A version of its own would have others conflict, who create.
			return o.finish(done, now)
		}
		o.old, o.sure = now, true
	}
	return o.judgeSwap(v, st)
}

// judgeSwap goes on with a swap of a version that is known.
func (o *op) judgeSwap(v view, st standing) action {
	slot := o.old.slot + 1
	switch {
	case st.slot > slot:
		return o.overtaken(v, slot)
	case st.slot < slot:
		return o.begin(slot, 0, o.old)
	case st.prev.id != o.old.id, st.verdict == open && slot == 1 && !slices.Equal(v.plain, o.old.texts):
		return o.finish(conflict, version{}) // not the version that was read
	}
	now, ok := st.current()
	switch {
	case ok && now.slot == slot && o.mine != "" && now.id == o.mine:
		return o.finish(done, now)
	case ok && now.slot == slot:
		return o.finish(conflict, version{})
	case st.verdict == torn && o.mine != "":
		return o.push(st, patienceOfSwap)
	case st.verdict == torn && o.leads(st):
		// Our ballot hides that the lead may be decided: settle it.
		o.yielding = true
		return o.accept(st.lead)
	case st.verdict == torn:
		return o.finish(conflict, version{})
	case o.leads(st):
		o.mine, o.first = o.me.label+"-"+strconv.FormatUint(o.me.said.mbal, 36), true
		return o.accept(version{slot: slot, id: o.mine, texts: o.next})
	}
	return o.contend(st, patienceOfSwap, o.old)
}

// overtaken is a swap whose slot lies below the highest.
func (o *op) overtaken(v view, slot uint64) action {
	if o.mine == "" {
		return o.finish(conflict, version{})
	}
	switch id, ok := v.outcomeOf(slot); {
	case !ok:
		return o.finish(uncertain, version{})
	case id == o.mine:
		return o.finish(done, version{slot: slot, id: o.mine, texts: o.next})
	}
	return o.finish(conflict, version{})
}

// push has the highest slot decided, by a ballot that proposes what was accepted in
// the highest one.
func (o *op) push(st standing, patience int) action {
	if o.leads(st) {
		return o.accept(st.lead)
	}
	return o.contend(st, patience, st.prev)
}

// contend waits for whoever has a ballot under way, and then begins one above it.
func (o *op) contend(st standing, patience int, prev version) action {
	if st.top != (rank{}) && o.waited < patience {
		return o.pause()
	}
	return o.begin(st.slot, st.top.n, prev)
}

func (o *op) pause() action {
	o.waited++
	o.rounds++
	return action{verb: pause, round: o.rounds - 1}
}

// paused is told that the pause is over.
func (o *op) paused() action { return o.look() }

// leads says whether the highest ballot begun is ours.
func (o *op) leads(st standing) bool {
	return o.me.label != "" && o.me.said.slot == st.slot && st.top == rank{o.me.said.mbal, o.me.label}
}

// begin begins a ballot in a slot, above the number that was seen. What was accepted
// by us stays accepted.
func (o *op) begin(slot, seen uint64, prev version) action {
	o.waited = 0
	if o.me.label == "" {
		o.me.label, o.me.said = o.me.spare, slip{}
	}
	s := slip{slot: slot, mbal: seen + 1, prev: prev.id}
	if was := o.me.said; was.slot == slot {
		s.mbal = max(seen, was.mbal) + 1
		s.bal, s.id, s.text, s.bare = was.bal, was.id, was.text, was.bare
	} else if slot > 1 {
		s.text, s.bare = prev.texts, prev.texts == nil && !o.knows(prev)
	}
	return o.put(s)
}

// knows says whether the texts of the version before are known: those of a swap
// are, and those of a slot in which something was accepted may be nowhere.
func (o *op) knows(prev version) bool { return o.swap && o.sure && prev.slot == o.old.slot }

// accept accepts a version in the ballot that was begun.
func (o *op) accept(v version) action {
	s := o.me.said
	s.bal, s.id, s.text, s.bare = s.mbal, v.id, v.texts, false
	return o.put(s)
}

func (o *op) put(s slip) action {
	o.writing = s
	return action{verb: write, label: o.me.label, slip: s}
}

// written is told that the write was acknowledged.
func (o *op) written() action {
	o.me.said, o.first = o.writing, false
	if o.yielding {
		return o.finish(conflict, version{})
	}
	return o.look()
}

// unsent is told that the write was not sent, and that the time is up.
func (o *op) unsent() action {
	if o.first {
		o.mine = ""
	}
	return o.giveUp()
}

// lost is told that the write has an unknown outcome.
func (o *op) lost() action {
	o.me.retire()
	if o.yielding {
		return o.finish(conflict, version{})
	}
	return o.giveUp()
}

// giveUp ends the op where it is: the time is up, or a list failed.
func (o *op) giveUp() action {
	if o.unseen {
		o.me.retire() // its record was deleted by somebody
	}
	if o.mine != "" {
		return o.finish(uncertain, version{})
	}
	return o.finish(failed, version{})
}

func (o *op) finish(how outcome, v version) action {
	return action{verb: end, outcome: how, version: v}
}
