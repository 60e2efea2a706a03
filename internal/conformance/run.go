package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/register"
)

// A run is one try of one register, and what is known of it so far.
type run struct {
	subject Subject
	opt     Options // with defaults
	asked   Options
	tellAll func(Result)
	report  *Report
	began   time.Time
	id      string // of this run, in each of its texts
	texted  int    // texts made so far

	own, reader, beside register.Register
	racers              []register.Register

	// at is what the scratch record holds as far as is known.
	at register.Snapshot
	// held are the sets of texts that it has held so far: what a stale view may
	// show.
	held map[string]bool
	// written are the texts that were sent and not denied: what DNS may show.
	written map[string]bool
	late    map[string]bool // creates that may land after a removal

	besideTexts []string // what the neighbour was given
	besideLost  string   // how it was found altered; empty: it was not

	base int64 // requests that were sent before

	reads  Reads
	took   []time.Duration // by swaps that were alone
	clock  clock
	usage  usage
	unsure bool // the outcome of a swap was unknown at some time
}

func newRun(s Subject, o Options, tell func(Result)) *run {
	now := time.Now()
	s.Zone = strings.TrimSuffix(s.Zone, ".")
	r := &run{
		subject: s, asked: o, tellAll: tell, began: now,
		id: strings.ToLower(rand.Text()[:8]), held: map[string]bool{}, written: map[string]bool{}, late: map[string]bool{},
		report: &Report{
			Schema: Schema, Provider: s.Provider, Class: s.Class, Zone: s.Zone, Name: s.Name,
			Version: o.Version, Began: now.UTC().Truncate(time.Second), Slow: s.Class == register.Timed,
		},
	}
	r.opt = o.filled(r.report.Slow)
	r.base = r.requests()
	return r
}

func (r *run) tell(check string, v Verdict, do, format string, args ...any) {
	result := Result{Check: check, Verdict: v, Text: fmt.Sprintf(format, args...), Do: do}
	r.report.Checks = append(r.report.Checks, result)
	if r.tellAll != nil {
		r.tellAll(result)
	}
}

// open makes the clients. Those of the racers are made when they are needed.
func (r *run) open() error {
	for _, name := range []string{r.subject.Name, r.subject.Neighbour} {
		if !strings.HasSuffix(strings.ToLower(name), "."+strings.ToLower(r.subject.Zone)) {
			return fmt.Errorf("conformance: %s is not below the zone %s", name, r.subject.Zone)
		}
	}
	var err error
	if r.own, err = r.subject.Open(r.subject.Name); err == nil {
		if r.reader, err = r.subject.Open(r.subject.Name); err == nil {
			r.beside, err = r.subject.Open(r.subject.Neighbour)
		}
	}
	return err
}

// text makes a text that was never there, of letters that every provider takes.
func (r *run) text() string {
	r.texted++
	return fmt.Sprintf("solotick-conformance.%s.%d", r.id, r.texted)
}

// limit is for one operation, should the client have none of its own.
func (r *run) limit() time.Duration {
	if r.report.Slow {
		return 5 * time.Minute
	}
	return time.Minute
}

// patience is for how long it is tried again what is known not to be done, and
// waited for a view that is stale.
const patience = time.Minute

// load asks what is there, again and again while there is no answer.
func (r *run) load(ctx context.Context, from register.Register) (register.Snapshot, error) {
	for wait := newWait(patience); ; {
		s, err := r.loadOnce(ctx, from)
		if err == nil || errors.Is(err, register.ErrRefused) || ctx.Err() != nil {
			return s, err
		}
		r.usage.failed(r.subject, err)
		if !wait.more(ctx) {
			return s, err
		}
	}
}

func (r *run) loadOnce(ctx context.Context, from register.Register) (register.Snapshot, error) {
	r.pace(ctx, 1)
	ctx, cancel := context.WithTimeout(ctx, r.limit())
	defer cancel()
	before, sent := r.requests(), time.Now()
	s, err := from.Load(ctx)
	if err != nil {
		return s, err
	}
	r.usage.loads.add(r.requests() - before)
	r.clock.note(sent, time.Now(), s.Time)
	return s, nil
}

// swap sends one swap and keeps account of it.
func (r *run) swap(ctx context.Context, with register.Register, old register.Snapshot, texts []string) (register.Snapshot, error) {
	r.pace(ctx, 1)
	ctx, cancel := context.WithTimeout(ctx, r.limit())
	defer cancel()
	before, sent := r.requests(), time.Now()
	s, err := with.Swap(ctx, old, texts)
	switch kindOf(err) {
	case done:
		r.usage.swaps.add(r.requests() - before)
		r.took = append(r.took, time.Since(sent))
		r.clock.note(sent, time.Now(), s.Time)
		r.may(texts)
	case unknown:
		r.unsure = true
		r.may(texts)
	case notSent:
		r.usage.failed(r.subject, err)
	}
	return s, err
}

// may notes texts that the register may hold now or later.
func (r *run) may(texts []string) {
	r.held[joined(texts)] = true
	for _, t := range texts {
		r.written[t] = true
	}
}

func (r *run) requests() int64 {
	if r.subject.Requests == nil {
		return 0
	}
	return r.subject.Requests()
}

// pace waits until so many operations more are within the rate.
func (r *run) pace(ctx context.Context, operations int) {
	s := r.subject
	if s.Rate <= 0 || s.Requests == nil {
		return
	}
	each := max(r.usage.swaps.each(), r.usage.loads.each(), 1)
	need := float64(r.requests()-r.base) + each*float64(operations) - float64(s.Burst)
	if wait := time.Duration(need/s.Rate*float64(time.Second)) - time.Since(r.began); wait > 0 {
		pause(ctx, wait)
	}
}

// A kind is what the error of a swap comes down to.
type kind int

const (
	done kind = iota
	conflict
	unknown // applied or not
	refused
	notSent // known not to be applied, and worth trying again
)

func kindOf(err error) kind {
	switch {
	case err == nil:
		return done
	case errors.Is(err, register.ErrConflict):
		return conflict
	case errors.Is(err, register.ErrUncertain):
		return unknown
	case errors.Is(err, register.ErrRefused):
		return refused
	}
	return notSent
}

// tries is how often a step is tried that nobody else is in the way of: for about
// half a minute, which is longer than most caches keep a record.
const tries = 13

// step makes texts what the scratch record holds, and does not end in doubt.
func (r *run) step(ctx context.Context, texts ...string) error {
	doubt := false
	wait := newWait(patience)
	var err error
	for range tries {
		var after register.Snapshot
		after, err = r.swap(ctx, r.own, r.at, texts)
		switch kindOf(err) {
		case done:
			r.at = after
			if !same(after.Texts, texts) {
				r.reads.OddResults++
				return r.reload(ctx)
			}
			return nil
		case unknown:
			doubt = true
		case refused:
			return err
		}
		if ctx.Err() != nil || kindOf(err) == notSent && !wait.more(ctx) {
			return err
		}
		now, loadErr := r.load(ctx, r.own)
		if loadErr != nil {
			return loadErr
		}
		r.at = now
		there := same(now.Texts, texts)
		if kindOf(err) == conflict && !doubt {
			r.reads.Refused++
			if there {
				r.reads.Denied++
			}
		}
		if there && kindOf(err) != notSent {
			return nil
		}
		if kindOf(err) == conflict && !wait.more(ctx) {
			return err
		}
	}
	return fmt.Errorf("not done in %d tries: %w", tries, err)
}

// shown asks another client what is there until that is no longer something of
// earlier, and counts how long it took.
func (r *run) shown(ctx context.Context, want []string) (register.Snapshot, error) {
	began := time.Now()
	wait := newWait(patience)
	for first := true; ; first = false {
		s, err := r.load(ctx, r.reader)
		if err != nil {
			return s, err
		}
		if first {
			r.reads.Loads++
		}
		if same(s.Texts, want) || !r.held[joined(s.Texts)] {
			if !first {
				r.reads.Longest = max(r.reads.Longest, Millis(time.Since(began)))
			}
			return s, nil
		}
		if first {
			r.reads.Stale++
		}
		if !wait.more(ctx) {
			r.reads.Never++
			return s, ctx.Err()
		}
	}
}

// reload has at be what the register holds.
func (r *run) reload(ctx context.Context) error {
	s, err := r.load(ctx, r.own)
	if err == nil {
		r.at = s
	}
	return err
}

// A wait is the pauses between tries: each twice as long as the one before.
type wait struct {
	next, longest time.Duration
	end           time.Time
}

func newWait(total time.Duration) *wait {
	return &wait{next: 50 * time.Millisecond, longest: 5 * time.Second, end: time.Now().Add(total)}
}

// more pauses; false: it is no use to go on.
func (w *wait) more(ctx context.Context) bool {
	if time.Now().Add(w.next).After(w.end) {
		return false
	}
	ok := pause(ctx, w.next)
	w.next = min(2*w.next, w.longest)
	return ok
}

func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// joined is texts as the set that they are, for comparison.
func joined(texts []string) string {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	return fmt.Sprintf("%q", texts)
}

func same(a, b []string) bool { return joined(a) == joined(b) }

// spread is the median and the longest.
func spread(all []time.Duration) (p50, longest Millis) {
	if len(all) == 0 {
		return 0, 0
	}
	all = slices.Sorted(slices.Values(all))
	return Millis(all[len(all)/2]), Millis(all[len(all)-1])
}

// finish judges the whole run: it has passed if nothing failed, and what has to be
// tried was.
func (r *run) finish() {
	tried := map[string]bool{}
	r.report.Passed = !r.report.Interrupted
	for _, c := range r.report.Checks {
		tried[c.Check] = c.Verdict != Skipped
		r.report.Passed = r.report.Passed && c.Verdict != Failed
	}
	for _, name := range []string{checkAccess, checkStale, checkDelete, checkSwaps, checkCreates, checkReads, checkLost, checkTexts, checkNeighbour, checkTime} {
		r.report.Passed = r.report.Passed && tried[name]
	}
	r.report.Took = Seconds(time.Since(r.began))
}
