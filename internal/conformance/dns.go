package conformance

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// propagation writes and looks at what DNS shows until it shows that.
func (r *run) propagation(ctx context.Context) error {
	if r.subject.Look == nil {
		r.tell(checkDNS, Skipped, "", "DNS is not looked at")
		return nil
	}
	p := &Propagation{}
	r.report.DNS = p
	w := &watcher{run: r, p: p}
	// The record has come and gone, and held several values: what outsiders see is
	// counted from when they see the first write here.
	if err := r.step(ctx, r.text()); err != nil {
		return err
	}
	shown, err := w.until(ctx, r.at.Texts)
	if err != nil {
		return err
	}
	for i := 0; shown && i < r.opt.Writes; i++ {
		w.counts = true
		if err := r.step(ctx, r.text()); err != nil {
			return err
		}
		p.Writes++
		began := time.Now()
		if shown, err = w.until(ctx, r.at.Texts); err != nil {
			return err
		}
		if shown {
			p.Shown++
			w.lags = append(w.lags, time.Since(began))
		}
	}
	p.P50, p.Max = spread(w.lags)
	r.tellDNS(w)
	return nil
}

// A watcher looks at the record by DNS.
type watcher struct {
	*run
	p      *Propagation
	counts bool // there was a value all the time
	lags   []time.Duration
	odd    string // an answer that nobody had written
	failed error  // of the latest look
}

// until looks until DNS shows texts; false: it did not in time.
func (w *watcher) until(ctx context.Context, want []string) (bool, error) {
	end := time.Now().Add(w.opt.DNSWait)
	for next := 20 * time.Millisecond; ; next = min(2*next, time.Second) {
		texts, err := w.look(ctx)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err == nil && same(texts, want) {
			return true, nil
		}
		if time.Now().Add(next).After(end) {
			return false, nil
		}
		if !pause(ctx, next) {
			return false, ctx.Err()
		}
	}
}

func (w *watcher) look(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	texts, err := w.subject.Look(ctx, w.subject.Name)
	w.p.Looks++
	if err != nil {
		w.p.Failed++
		w.failed = err
		return nil, err
	}
	if i := slices.IndexFunc(texts, func(t string) bool { return !w.written[t] }); i >= 0 {
		w.p.Unknown++
		w.odd = texts[i]
	}
	if w.counts && len(texts) == 0 {
		w.p.None++
	}
	if w.counts && len(texts) > 1 {
		w.p.Several++
	}
	return texts, nil
}

func (r *run) tellDNS(w *watcher) {
	p := w.p
	switch {
	case p.Unknown > 0:
		r.tell(checkDNS, Failed, "see who else answers for the zone", "DNS showed what nobody had written: %q", w.odd)
		return
	case p.Looks == p.Failed:
		r.tell(checkDNS, Advice, "agents then ask the register itself, which costs more", "DNS does not answer: %v", w.failed)
		return
	case p.Shown < p.Writes || p.Writes == 0:
		r.tell(checkDNS, Advice, "set head_start above the usual lag, and see whether the zone is delegated to this service", "a write was not shown by DNS within %s", w.opt.DNSWait)
		return
	}
	found := fmt.Sprintf("%d writes were shown after %s, at most %s", p.Writes, p.P50, p.Max)
	if p.None+p.Several > 0 {
		r.tell(checkDNS, Passed, "", "%s; meanwhile %d of %d looks showed no value and %d several, which agents take for a lag", found, p.None, p.Looks, p.Several)
		return
	}
	r.tell(checkDNS, Passed, "", "%s; in %d looks there was never no value, nor several", found, p.Looks)
}
