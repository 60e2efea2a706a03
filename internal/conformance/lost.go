package conformance

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/solotick/solotick/register"
)

// cuts gives swaps up in the middle, each at another moment, as an agent does whose
// network ends, and then has to find one of two truths: it was applied, or it was
// not and never will be once another swap of the same record was.
func (r *run) cuts(ctx context.Context) error {
	lost := &Lost{}
	r.report.Lost = lost
	usual, _ := spread(r.took)
	var odd string
	for i := range r.opt.Cuts {
		// From the beginning of a swap until a little after its usual end.
		moment := time.Duration(float64(usual) * 1.25 * (float64(i) + 0.5) / float64(r.opt.Cuts))
		what, err := r.cut(ctx, lost, moment)
		if err != nil {
			return err
		}
		lost.Cuts++
		if what != "" {
			lost.Wrong++
			odd = fmt.Sprintf("a swap given up after %s: %s", Millis(moment), what)
		}
	}
	found := fmt.Sprintf("of %d swaps given up in the middle %d were done, %d were not sent, and %d uncertain: of these %d were applied, %d of them late",
		lost.Cuts, lost.Done, lost.NotSent, lost.Uncertain, lost.Applied, lost.Late)
	switch {
	case lost.Wrong > 0:
		r.tell(checkLost, Failed, "", "%s (and %d of %d went wrong in all)", odd, lost.Wrong, lost.Cuts)
	case lost.Uncertain == 0:
		r.tell(checkLost, Passed, "", "%s; none was cut at a moment that leaves a doubt", found)
	default:
		r.tell(checkLost, Passed, "", "%s; none was applied twice, and no record could be swapped twice", found)
	}
	return nil
}

// cut gives up one swap. It returns what must not be.
func (r *run) cut(ctx context.Context, lost *Lost, moment time.Duration) (string, error) {
	r.pace(ctx, 1)
	old, text := r.at, r.text()
	given, giveUp := context.WithCancel(ctx)
	r.written[text] = true
	var waiting sync.WaitGroup
	waiting.Go(func() {
		pause(given, moment)
		giveUp()
	})
	_, told := r.own.Swap(given, old, []string{text})
	giveUp()
	waiting.Wait()
	if ctx.Err() != nil {
		r.unsure = true
		return "", ctx.Err()
	}
	switch kindOf(told) {
	case done:
		lost.Done++
		return r.cutDone(ctx, old, text)
	case conflict:
		return "it conflicted, although nobody else wrote", r.reload(ctx)
	case refused:
		return "", told
	case unknown:
		lost.Uncertain++
		r.unsure = true
	case notSent:
		lost.NotSent++
	}
	return r.cutOpen(ctx, lost, old, text, kindOf(told))
}

// cutDone is for a swap that was acknowledged before it was given up.
func (r *run) cutDone(ctx context.Context, old register.Snapshot, text string) (string, error) {
	r.may([]string{text})
	s, err := r.shown(ctx, []string{text})
	if err != nil {
		return "", err
	}
	if !same(s.Texts, []string{text}) {
		return fmt.Sprintf("it was acknowledged, and the record holds %q", s.Texts), r.reload(ctx)
	}
	r.at = s
	return r.never(ctx, old)
}

// cutOpen is for a swap of which nothing is known, or that it was not applied.
func (r *run) cutOpen(ctx context.Context, lost *Lost, old register.Snapshot, text string, told kind) (string, error) {
	seen, err := r.load(ctx, r.reader)
	if err != nil {
		return "", err
	}
	again := r.text()
	var settled register.Snapshot
	for wait := newWait(patience); ; {
		settled, err = r.swap(ctx, r.own, old, []string{again})
		if k := kindOf(err); k == done || k == conflict {
			break
		} else if k == refused || ctx.Err() != nil || !wait.more(ctx) {
			return "", err
		}
	}
	if err == nil {
		r.at = settled
		if same(seen.Texts, []string{text}) {
			return "it was applied, and the record that it had replaced was swapped once more", nil
		}
		return r.never(ctx, old)
	}
	// Refused: so it was applied, or the other was by an earlier copy.
	r.may([]string{text})
	s, err := r.load(ctx, r.own)
	for wait := newWait(patience); err == nil && same(s.Texts, old.Texts) && wait.more(ctx); {
		s, err = r.load(ctx, r.own)
	}
	if err != nil {
		return "", err
	}
	r.at = s
	switch applied := same(s.Texts, []string{text}); {
	case applied && told == notSent:
		return "it was said not to be sent, and was applied", nil
	case applied:
		lost.Applied++
		if !same(seen.Texts, []string{text}) {
			lost.Late++
		}
	case !same(s.Texts, []string{again}):
		return fmt.Sprintf("the record holds neither what it held before nor what was swapped in, but %q", s.Texts), nil
	}
	return r.never(ctx, old)
}

// never sees to it that a record that was replaced cannot be swapped again.
func (r *run) never(ctx context.Context, old register.Snapshot) (string, error) {
	accepted, err := r.mustConflict(ctx, old, []string{r.text()})
	if err != nil || accepted == "" {
		return "", err
	}
	return "afterwards another swap of the record before it " + accepted, r.reload(ctx)
}
