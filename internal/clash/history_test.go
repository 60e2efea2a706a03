package clash

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// window is about how many operations are judged together: what porcupine needs grows
// with the square of them.
const window = 1000

// An order is the sequence of texts that a register held.
type order struct {
	texts []string
	at    map[string]int
}

// judge tells what no order of the operations explains, or "". Each text is written
// over one other text only, as seq grows, so that the swaps that were applied say in which
// order. It remains to be shown that this order agrees with the times of all operations
// and with every answer. The history is cut where all that belongs before a text had
// begun before anything that belongs after it ended, which takes nothing away: if
// porcupine finds an order for each piece, one after the other is an order of the whole.
func judge(history []op) string {
	ops := settle(history)
	o, bad := ordered(ops)
	if bad != "" {
		return bad
	}
	from, since := 0, time.Duration(-1)
	cuts := o.cuts(ops)
	pieces := make([][]op, len(cuts))
	for _, p := range ops {
		if p.out == conflict {
			continue // these belong to no one text
		}
		i, _ := slices.BinarySearchFunc(cuts, o.at[p.text], func(c cut, v int) int { return cmp.Compare(c.version, v) })
		pieces[i] = append(pieces[i], p)
	}
	for i, c := range cuts {
		piece := pieces[i]
		for _, p := range ops {
			// One against a text that the piece does not know holds anywhere in it.
			if v := o.at[p.old]; p.out == conflict && p.call <= c.at && p.ret > since && from <= v && v <= c.version && o.within(p, cuts) {
				piece = append(piece, p)
			}
		}
		for j := range piece {
			piece[j].call, piece[j].ret = max(piece[j].call, since), min(piece[j].ret, c.at)
		}
		if bad := explain(o.texts[from], piece); bad != "" {
			return fmt.Sprintf("texts %d to %d: %s", from, c.version, bad)
		}
		from, since = c.version, c.at
	}
	return ""
}

// settle leaves out what was not applied. An uncertain swap whose text was never shown
// was not, or was in vain: who wrote over it must have read it. One whose text was shown was applied
// before that, if it was.
func settle(history []op) []op {
	shown := map[string]time.Duration{}
	for _, p := range history {
		if first, ok := shown[p.text]; p.load && p.out == done && (!ok || p.ret < first) {
			shown[p.text] = p.ret
		}
	}
	var ops []op
	for _, p := range history {
		switch first, ok := shown[p.text]; {
		case p.out == nothing, p.out == uncertain && !ok:
			continue
		case p.out == uncertain && first < p.call: // it was there before: sent again, in vain
			continue
		case p.out == uncertain:
			p.ret = first
		}
		ops = append(ops, p)
	}
	return ops
}

// ordered follows the swaps from the first text to the last.
func ordered(ops []op) (o order, bad string) {
	next, made := map[string]string{}, map[string]bool{}
	for _, p := range ops {
		if p.load || p.out == conflict {
			continue
		}
		if n, ok := next[p.old]; ok && n != p.text {
			return o, fmt.Sprintf("%s was replaced by %s and by %s", p.old, n, p.text)
		}
		next[p.old], made[p.text] = p.text, true
	}
	o.at = map[string]int{}
	for _, p := range ops {
		if !p.load && p.out != conflict && !made[p.old] {
			if len(o.texts) > 0 && o.texts[0] != p.old {
				return o, fmt.Sprintf("%s and %s were there first", o.texts[0], p.old)
			}
			o.texts = []string{p.old}
		}
	}
	if len(o.texts) == 0 {
		return o, "nothing was swapped"
	}
	for text, ok := o.texts[0], true; ok; text, ok = next[text] {
		if _, again := o.at[text]; again {
			return o, fmt.Sprintf("%s was there twice", text)
		}
		if o.at[text] = len(o.at); len(o.at) > 1 {
			o.texts = append(o.texts, text)
		}
	}
	for _, p := range ops {
		if _, ok := o.at[p.text]; !ok && p.out != conflict {
			return o, fmt.Sprintf("nobody wrote %s", p.text)
		}
		if _, ok := o.at[p.old]; !ok && p.out == conflict {
			return o, fmt.Sprintf("nobody wrote %s, which was to be replaced", p.old)
		}
	}
	return o, ""
}

// A cut is a moment between a text and the next one.
type cut struct {
	version int
	at      time.Duration
}

// cuts divides the history. The last cut is its end.
func (o *order) cuts(ops []op) []cut {
	n := len(o.texts)
	latest, earliest, size := make([]time.Duration, n), make([]time.Duration, n+1), make([]int, n)
	for i := range earliest {
		earliest[i] = open
	}
	for _, p := range ops {
		if p.out == conflict {
			size[o.at[p.old]]++
			continue
		}
		v := o.at[p.text]
		latest[v], earliest[v] = max(latest[v], p.call), min(earliest[v], p.ret)
		size[v]++
	}
	for v := 1; v < n; v++ {
		latest[v] = max(latest[v], latest[v-1])
	}
	for v := n - 1; v >= 0; v-- {
		earliest[v] = min(earliest[v], earliest[v+1])
	}
	unfit := make([]bool, n) // a conflict may lie on either side
	for _, p := range ops {
		if v := o.at[p.old]; p.out == conflict && p.call <= latest[v] && p.ret > latest[v] {
			unfit[v] = true
		}
	}
	var cuts []cut
	sum := 0
	for v := range n - 1 {
		if sum += size[v]; sum >= window && latest[v] < earliest[v+1] && !unfit[v] {
			cuts, sum = append(cuts, cut{v, latest[v]}), 0
		}
	}
	return append(cuts, cut{n - 1, open})
}

// within tells whether a conflict lies in pieces alone in which the text was there: in
// another one it holds by itself.
func (o *order) within(p op, cuts []cut) bool {
	v := o.at[p.old]
	i, _ := slices.BinarySearchFunc(cuts, v, func(c cut, v int) int { return cmp.Compare(c.version, v) })
	if i > 0 && p.call <= cuts[i-1].at && !(cuts[i-1].version == v) {
		return false
	}
	last := i // the text is the first one of the next piece, too
	if cuts[i].version == v && i+1 < len(cuts) {
		last = i + 1
	}
	return p.ret <= cuts[last].at
}

// explain asks porcupine.
func explain(first string, ops []op) string {
	history := make([]porcupine.Operation, len(ops))
	for i, p := range ops {
		history[i] = porcupine.Operation{ClientId: i, Input: p, Call: int64(p.call), Output: p.out, Return: int64(p.ret)}
	}
	model := (&porcupine.NondeterministicModel{
		Init:  func() []any { return []any{first} },
		Step:  held,
		Equal: func(a, b any) bool { return a == b },
	}).ToModel()
	switch porcupine.CheckOperationsTimeout(model, history, time.Minute) {
	case porcupine.Illegal:
		return fmt.Sprintf("no order of %d operations explains what was answered", len(ops))
	case porcupine.Unknown:
		return fmt.Sprintf("%d operations: not decided within a minute", len(ops))
	}
	return ""
}

// held is what a register that held one text may hold after an operation: none, if it
// would have answered something else.
func held(state, input, _ any) []any {
	is, p := state.(string), input.(op)
	same := is == p.old
	switch {
	case p.load && is == p.text, p.out == conflict && !same, p.out == uncertain && !same:
		return []any{is}
	case p.load, p.out == conflict, !same:
		return nil
	case p.out == uncertain:
		return []any{is, p.text}
	}
	return []any{p.text}
}
