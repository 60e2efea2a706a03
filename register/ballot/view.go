package ballot

import (
	"cmp"
	"slices"
)

// A rank orders the ballots of a slot: by their number, and those of one number
// by who began them, so that no two are equal.
type rank struct {
	n  uint64
	by string
}

func (a rank) above(b rank) bool { return a.n > b.n || a.n == b.n && a.by > b.by }

// An owned slip is that of the incarnation with this label.
type owned struct {
	by string
	slip
}

// A view is what one reading of the zone showed of a register.
type view struct {
	slips []owned  // by label
	plain []string // the texts at the name itself, sorted
	// shaky says that something vanished from the zone since the reading before,
	// so that a list which comes in pages may have left something else out.
	shaky bool
}

func (v view) equal(w view) bool {
	same := func(a, b owned) bool { return a.by == b.by && a.slip.equal(b.slip) }
	if len(v.slips) == 0 && !slices.Equal(v.plain, w.plain) {
		return false // version 0 is what they say
	}
	return slices.EqualFunc(v.slips, w.slips, same)
}

func (v view) of(label string) (slip, bool) {
	i, ok := slices.BinarySearchFunc(v.slips, label, func(o owned, label string) int { return cmp.Compare(o.by, label) })
	if !ok {
		return slip{}, false
	}
	return v.slips[i].slip, true
}

// A verdict is what is known of the highest slot.
type verdict int

const (
	open    verdict = iota // nothing was accepted: nothing is decided
	torn                   // something was accepted, and a ballot that began before may still miss it
	decided                // the lead is decided
	broken                 // the slips contradict each other
)

// A standing is what a view says about the highest slot in it.
type standing struct {
	slot    uint64 // 0: there are no slips
	top     rank   // the highest ballot begun
	best    rank   // the highest ballot in which something was accepted
	lead    version
	prev    version // decided in the slot before
	verdict verdict
}

// stand judges a view, which must be what was there at one moment.
//
// Why "decided" holds: the lead was accepted in the ballot best, and no ballot above
// it had begun at that moment. Whoever begins one later reads after that, so it
// finds the lead, or something of a ballot still higher, and by induction the same
// version; it may propose nothing else. Whoever has a ballot below best reads once
// more after accepting, finds best or a higher one begun, and so never takes its
// own for decided.
func stand(v view) standing {
	var st standing
	told := false // what prev is
	for _, o := range v.slips {
		st.slot = max(st.slot, o.slot)
	}
	st.prev = version{id: zeroID, texts: v.plain}
	if st.slot > 1 {
		st.prev = version{slot: st.slot - 1}
	}
	for _, o := range v.slips {
		if o.slot != st.slot {
			continue
		}
		if st.prev.id == "" {
			st.prev.id = o.prev
		}
		if st.prev.id != o.prev {
			st.verdict = broken
			return st
		}
		if r := (rank{o.mbal, o.by}); r.above(st.top) {
			st.top = r
		}
		switch r := (rank{o.bal, o.by}); {
		case o.bal > 0 && r.above(st.best):
			st.best, st.lead = r, version{o.slot, o.id, o.text}
		case o.bal == 0 && !o.bare && st.slot > 1:
			st.prev.texts, told = o.text, true
		}
	}
	switch {
	case st.best == rank{} && !told && st.slot > 1:
		st.verdict = broken // somebody saw a version that is gone
	case st.best == rank{}:
		st.verdict = open
	case st.top == st.best:
		st.verdict = decided
	default:
		st.verdict = torn
	}
	return st
}

// current is the version that holds, if that is known.
func (st standing) current() (version, bool) {
	switch st.verdict {
	case open:
		return st.prev, true
	case decided:
		return st.lead, true
	}
	return version{}, false
}

// outcomeOf is the id of what was decided in a slot below the highest, as the slips
// of the slot after it say.
func (v view) outcomeOf(slot uint64) (string, bool) {
	for _, o := range v.slips {
		if o.slot == slot+1 {
			return o.prev, true
		}
	}
	return "", false
}

// expendable are the labels of the records that may be deleted: their owners write
// nothing more, as they say themselves or as idle knows, and a higher slot is there.
// The records of the highest slot stay, whoever wrote them: they are the register.
func (v view) expendable(idle func(label string) bool) []string {
	var labels []string
	highest := stand(v).slot
	for _, o := range v.slips {
		if o.slot < highest && (o.ended || idle(o.by)) {
			labels = append(labels, o.by)
		}
	}
	return labels
}
