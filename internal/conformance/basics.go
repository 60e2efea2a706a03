package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/solotick/solotick/register"
)

// access sees whether the scratch record can be read and written at all, and gives
// the neighbour what it is to keep.
func (r *run) access(ctx context.Context) error {
	for _, there := range r.places() {
		s, err := r.loadOnce(ctx, there.register)
		if err != nil {
			return err
		}
		if len(s.Texts) > 0 {
			return fmt.Errorf("conformance: there is something at %s, whose name is new: %q: is it the answer of a wildcard?", there.name, s.Texts[0])
		}
	}
	r.held[joined(nil)] = true
	began, text := time.Now(), r.text()
	if err := r.step(ctx, text); err != nil {
		return err
	}
	took := time.Since(began)
	s, err := r.shown(ctx, []string{text})
	if err != nil {
		return err
	}
	if !same(s.Texts, []string{text}) {
		return fmt.Errorf("conformance: %q was written to %s, and another client reads %s", text, r.subject.Name, short(s.Texts))
	}
	r.tell(checkAccess, Passed, "", "%s was created in %s, and another client sees it", r.subject.Name, Millis(took))
	if took >= slowSwap && !r.report.Slow {
		r.report.Slow = true
		r.opt = r.asked.filled(true)
	}
	if r.report.Slow {
		r.tell(checkPace, Advice, "", "a swap takes %s: %d rounds of swaps and %d of creates with %d clients, fewer than elsewhere", Millis(took), r.opt.Swaps, r.opt.Creates, r.opt.Racers)
	}
	return r.settleBeside(ctx)
}

// settleBeside writes the neighbour.
func (r *run) settleBeside(ctx context.Context) error {
	r.besideTexts = []string{r.text(), r.text()}
	for wait := newWait(patience); ; {
		_, err := r.swap(ctx, r.beside, register.Snapshot{}, r.besideTexts)
		if err == nil || kindOf(err) == refused {
			return err
		}
		if s, loadErr := r.load(ctx, r.beside); loadErr == nil && kindOf(err) != notSent && same(s.Texts, r.besideTexts) {
			return nil
		}
		if !wait.more(ctx) {
			return err
		}
	}
}

// lookBeside sees whether a check has left the neighbour alone.
func (r *run) lookBeside(ctx context.Context, check string) {
	if r.besideLost != "" || r.besideTexts == nil {
		return
	}
	s, err := r.load(ctx, r.beside)
	if err != nil || same(s.Texts, r.besideTexts) {
		return
	}
	r.besideLost = fmt.Sprintf("after %q the neighbour %s held %q, in place of %q", check, r.subject.Neighbour, s.Texts, r.besideTexts)
}

func (r *run) neighbour(ctx context.Context) error {
	if _, err := r.load(ctx, r.beside); err != nil { // lookBeside passes over errors
		return err
	}
	if r.besideLost != "" {
		r.tell(checkNeighbour, Failed, "", "%s", r.besideLost)
		return nil
	}
	r.tell(checkNeighbour, Passed, "", "the two values at %s are as they were", r.subject.Neighbour)
	return nil
}

// stale tries what must be refused: swaps of what was there before, and creates.
func (r *run) stale(ctx context.Context) error {
	first := r.at
	if err := r.step(ctx, r.text()); err != nil {
		return err
	}
	nothing := register.Snapshot{}
	for _, try := range []struct {
		what  string
		old   register.Snapshot
		texts []string
	}{
		{"a swap of an older record", first, []string{r.text()}},
		{"a swap of an older record to what is there", first, r.at.Texts},
		{"the removal of an older record", first, nil},
		{"a create over a record", nothing, []string{r.text()}},
		{"a create over a record, of the same text", nothing, r.at.Texts},
	} {
		accepted, err := r.mustConflict(ctx, try.old, try.texts)
		if err != nil {
			return err
		}
		if accepted != "" {
			r.tell(checkStale, Failed, doCompare, "%s %s", try.what, accepted)
			return r.reload(ctx)
		}
	}
	r.tell(checkStale, Passed, "", "swaps and a removal of an older record, and creates over a record, are refused and change nothing")
	return nil
}

// doCompare is what to do about a register that does not compare.
const doCompare = "do not use it for Solotick: two agents can both believe that they have a tick; see docs/protocol.md section 4 for what does compare"

// mustConflict sends a swap that has to be refused, and says what happened in its
// place.
func (r *run) mustConflict(ctx context.Context, old register.Snapshot, texts []string) (string, error) {
	want := r.at.Texts
	var err error
	for wait := newWait(patience); ; {
		_, err = r.swap(ctx, r.own, old, texts)
		k := kindOf(err)
		if k == done {
			return "was accepted", nil
		}
		if k == refused || ctx.Err() != nil {
			return "", err
		}
		if k == conflict {
			break
		}
		if !wait.more(ctx) {
			return "", err
		}
	}
	s, err := r.shown(ctx, want)
	if err == nil && !same(s.Texts, want) {
		return "was refused, and applied all the same", nil
	}
	return "", err
}

// deletes removes the record and makes it again.
func (r *run) deletes(ctx context.Context) error {
	before := r.at
	if err := r.step(ctx); err != nil {
		return err
	}
	s, err := r.shown(ctx, nil)
	if err != nil {
		return err
	}
	if len(s.Texts) > 0 {
		r.tell(checkDelete, Failed, "", "the record was removed, and still holds %s", short(s.Texts))
		return r.reload(ctx)
	}
	for _, what := range []string{"the swap", "the removal"} {
		texts := []string{r.text()}
		if what == "the removal" {
			texts = nil
		}
		accepted, err := r.mustConflict(ctx, before, texts)
		if err != nil {
			return err
		}
		if accepted != "" {
			r.tell(checkDelete, Failed, doCompare, "%s of a record that had been removed %s", what, accepted)
			return r.reload(ctx)
		}
	}
	want := []string{r.text()}
	if err := r.step(ctx, want...); err != nil {
		return err
	}
	if s, err = r.shown(ctx, want); err != nil {
		return err
	}
	if !same(s.Texts, want) {
		r.tell(checkDelete, Failed, "", "the record was removed and made again with %q, and holds %q", want, s.Texts)
		return r.reload(ctx)
	}
	r.tell(checkDelete, Passed, "", "a record is removed, then a swap of it is refused, and it can be made again")
	return nil
}

// chain swaps again and again, each time from what another client has read or from
// the result of the swap before, and has the other client look each time.
func (r *run) chain(ctx context.Context) error {
	var odd string
	for i := range r.opt.Chain {
		want := []string{r.text()}
		if err := r.step(ctx, want...); err != nil {
			return err
		}
		s, err := r.shown(ctx, want)
		if err != nil {
			return err
		}
		if !same(s.Texts, want) {
			r.reads.Wrong++
			odd = fmt.Sprintf("%q was acknowledged, and another client read %q", want, s.Texts)
			if err := r.reload(ctx); err != nil {
				return err
			}
		} else if i%2 == 1 {
			r.at = s
		}
	}
	r.reads.P50, r.reads.Max = spread(r.took)
	reads := r.reads
	r.report.Reads = &reads
	r.tellReads(odd)
	return nil
}

func (r *run) tellReads(odd string) {
	n := r.reads
	speed := fmt.Sprintf("a swap usually takes %s, at most %s", n.P50, n.Max)
	switch {
	case odd != "":
		r.tell(checkReads, Failed, "", "%s", odd)
	case n.Never > 0:
		r.tell(checkReads, Failed, doOneServer, "after %d of %d acknowledged swaps another client did not see them within %s", n.Never, n.Loads, patience)
	case n.Stale > 0:
		r.tell(checkReads, Failed, doOneServer, "%d of %d times another client did not see the swap that had just been acknowledged, the longest time for %s", n.Stale, n.Loads, n.Longest)
	case n.OddResults > 0:
		r.tell(checkReads, Failed, "", "%d swaps returned something else than what they had written", n.OddResults)
	case n.Denied > 0:
		r.tell(checkReads, Failed, "", "%d swaps were refused, and applied all the same", n.Denied)
	case n.Refused > 0:
		r.tell(checkReads, Advice, doOneServer, "what was acknowledged is what another client reads, %d times of %d; but %d swaps conflicted although nobody else wrote; %s", n.Loads, n.Loads, n.Refused, speed)
	default:
		r.tell(checkReads, Passed, "", "what was acknowledged is what another client reads next, %d times of %d; %s", n.Loads, n.Loads, speed)
	}
}

// cleanUp removes what this run has written, also after it was interrupted.
func (r *run) cleanUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(patience, 2*r.limit()))
	defer cancel()
	const do = "remove the TXT records there by hand; agents do not look at them"
	left := func(name string, err error) string {
		r.report.Leftovers = append(r.report.Leftovers, Leftover{name, err.Error()})
		return fmt.Sprintf("%s (%v)", name, err)
	}
	var records []string
	for _, there := range r.places() {
		if !there.touched {
			continue
		}
		if err := r.remove(ctx, there); err != nil {
			records = append(records, left(there.name, err))
		}
	}
	ours := ""
	if r.subject.Leave != nil && len(r.written) > 0 {
		if err := r.subject.Leave(ctx); err != nil {
			ours = left(Label+"."+r.subject.Zone, err)
		}
	}
	switch {
	case records != nil:
		r.tell(checkCleanUp, Failed, do, "may be left over: %s", strings.Join(records, "; "))
	case ours != "":
		r.tell(checkCleanUp, Advice, do, "the records are removed again, but for something below %s", ours)
	case len(r.written) == 0:
		r.tell(checkCleanUp, Passed, "", "nothing was written")
	default:
		r.tell(checkCleanUp, Passed, "", "everything that was written is removed again")
	}
}

// A place is a name with a client of it.
type place struct {
	name     string
	register register.Register
	touched  bool // this run may have written to it: what is there is its own
}

func (r *run) places() []place {
	return []place{
		{r.subject.Name, r.own, len(r.written) > 0},
		{r.subject.Neighbour, r.beside, r.besideTexts != nil},
	}
}

// remove empties a record. Where the outcome of a swap was unknown it looks again
// after a while: a create may still be on its way.
func (r *run) remove(ctx context.Context, there place) error {
	again := r.unsure && there.name == r.subject.Name
	for wait := newWait(patience); ; {
		s, err := r.loadOnce(ctx, there.register)
		if err == nil && len(s.Texts) == 0 {
			if !again {
				return nil
			}
			again = false
			pause(ctx, 2*time.Second)
			continue
		}
		if err == nil {
			if _, err = r.swap(ctx, there.register, s, nil); err == nil {
				err = fmt.Errorf("it was removed, and still held %s", short(s.Texts))
			}
		}
		if errors.Is(err, register.ErrRefused) || !wait.more(ctx) {
			return err
		}
	}
}
