package ballot

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"

	"github.com/solotick/solotick/register"
)

// record is the register of one name.
type record struct {
	client *Client
	name   string // absolute, without the last dot
	turn   chan struct{}

	// All below belongs to whoever has the turn.
	me       self
	writer   string                // the incarnation that wrote last
	wrote    time.Duration         // when it last sent a write
	finished []string              // own incarnations that are over, all writes acknowledged
	watched  map[string]unchanging // the incarnations of others
	texts    []string              // those of versions, to know a copy that is behind
	trip     time.Duration         // how long a list took lately
	copyErr  error                 // of the latest try to write the copy
}

// An unchanging slip is one that was seen to say the same since then.
type unchanging struct {
	slip  slip
	since time.Duration
}

func (r *record) fail(op string, err error) error {
	return fmt.Errorf("ballot: %s %s at %s: %w", op, r.name, r.client.cfg.Service, err)
}

// take waits for the turn. The caller gives it back.
func (r *record) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Load reads the zone until two lists agree. Where a swap has left open what was
// decided, it has it decided, by writing a record of its own.
func (r *record) Load(ctx context.Context) (register.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, r.client.cfg.Timeout)
	defer cancel()
	if err := r.take(ctx); err != nil {
		return register.Snapshot{}, r.fail("load", err)
	}
	defer func() { <-r.turn }()
	a, rd, err := r.run(ctx, newLoad(r.ready()))
	if a.outcome != done {
		return register.Snapshot{}, r.fail("load", r.explain(a.outcome, err))
	}
	r.remember(a.version.texts)
	r.tidy(ctx, rd, nil)
	return snapshot(a.version), nil
}

// Swap implements register.Register.
func (r *record) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	var was version
	if len(old.Texts) > 0 {
		var err error
		if was, err = parseTag(old.Tag); err != nil {
			return register.Snapshot{}, r.fail("swap", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, r.client.cfg.Timeout)
	defer cancel()
	if err := r.take(ctx); err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	defer func() { <-r.turn }()
	r.remember(was.texts)
	a, rd, err := r.run(ctx, newSwap(r.ready(), was, canonical(texts)))
	switch a.outcome {
	case done:
		r.remember(a.version.texts)
		r.tidy(ctx, rd, &a.version)
		return snapshot(a.version), nil
	case conflict:
		r.tidy(ctx, rd, nil)
		return register.Snapshot{}, r.fail("swap", register.ErrConflict)
	}
	return register.Snapshot{}, r.fail("swap", r.explain(a.outcome, err))
}

func snapshot(v version) register.Snapshot {
	return register.Snapshot{Texts: slices.Clone(v.texts), Tag: v.tag()}
}

var (
	errOvertaken = errors.New("others have swapped since, and it is no longer shown what was decided before them")
	errHistory   = errors.New("the records contradict each other: somebody has changed or deleted some by hand")
	errTooLong   = errors.New("the texts are too long for one TXT value of the service")
	errIdle      = errors.New("this process stood still for too long")
	errSilent    = errors.New("the module reports neither an error nor a record")
)

// explain is the error of an outcome that is none of the good ones.
func (r *record) explain(how outcome, err error) error {
	d := (*damage)(nil)
	switch {
	case how == uncertain && err == nil:
		err = errOvertaken
	case how == damaged:
		err = &register.Problem{Err: errHistory, Do: "stop all agents, delete every name below _b." + r.name + " and start them again: they begin with the copy at the name"}
	case errors.As(err, &d):
		err = &register.Problem{Err: err, Do: "if no newer version of the agent writes there, delete the TXT records at " + d.name}
	case how == failed:
		err = r.client.problem(r.client.redact(err))
	default:
		err = r.client.redact(err)
	}
	if how == uncertain {
		return fmt.Errorf("%w: %w", register.ErrUncertain, err)
	}
	return err
}

// ready is this process's self before an operation: with the name of another
// incarnation, and without one that has been idle for so long that others may take
// it for ended.
func (r *record) ready() self {
	if r.me.label != "" && r.client.elapsed()-r.wrote > idleOwner {
		r.finished = append(r.finished, r.me.label)
		r.me.retire()
	}
	if r.me.spare == "" || r.me.spare == r.writer {
		r.me.spare = newLabel() // no name is ever used again
	}
	return r.me
}

// newLabel is the name of an incarnation: 40 random bits.
func newLabel() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// run drives an op to its end. The error is why it ended where it did, if there is
// something to say; the reading is the latest.
func (r *record) run(ctx context.Context, o op) (action, *reading, error) {
	var last *reading
	var why error
	a := o.start()
	for a.verb != end {
		switch a.verb {
		case list:
			rd, err := r.timedRead(ctx, last)
			if err != nil {
				why, a = err, o.giveUp()
				continue
			}
			last = rd
			a = o.listed(rd.view)
		case write:
			sent, err := r.put(ctx, a)
			switch {
			case err == nil:
				a = o.written()
			case sent:
				why, a = err, o.lost()
			default:
				why, a = err, o.unsent()
			}
		case pause:
			if err := r.rest(ctx, a.round); err != nil {
				why, a = err, o.giveUp()
				continue
			}
			a = o.paused()
		}
	}
	r.me = o.me
	return a, last, why
}

func (r *record) timedRead(ctx context.Context, before *reading) (*reading, error) {
	start := time.Now()
	rd, err := r.read(ctx, before)
	r.trip = time.Since(start)
	return rd, err
}

// rest waits for others to get on: by chance, longer each time, and in proportion to
// how long the service takes to answer.
func (r *record) rest(ctx context.Context, round int) error {
	most := min(max(4*r.trip, 5*time.Millisecond)<<min(round, 5), 3*time.Second)
	timer := time.NewTimer(mathrand.N(most))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// put writes a slip into this process's own record. Once it was sent, any error
// leaves open whether and when it takes effect: a module makes several requests of
// a call, and some send one again by themselves.
func (r *record) put(ctx context.Context, a action) (sent bool, err error) {
	c := r.client
	text := a.slip.String()
	if most := c.cfg.Traits.MaxText; most > 0 && len(text) > most {
		return false, fmt.Errorf("%w: %d octets, and %s takes %d", errTooLong, len(text), c.cfg.Service, most)
	}
	if err := ctx.Err(); err != nil {
		return false, context.Cause(ctx)
	}
	now := c.elapsed()
	if a.label == r.writer && now-r.wrote > idleOwner {
		return true, errIdle // suspended in the middle: as lost, so that it ends
	}
	r.writer, r.wrote = a.label, now
	records := []libdns.Record{c.txt(a.label+below+r.name, text)}
	c.sent.Add(1)
	var back []libdns.Record
	if c.cfg.Traits.Replaces {
		back, err = c.cfg.Provider.SetRecords(ctx, c.zone+".", records)
	} else {
		back, err = c.cfg.Provider.AppendRecords(ctx, c.zone+".", records)
	}
	if err == nil && len(back) == 0 {
		err = errSilent
	}
	return true, err
}

// remember keeps the texts of a version, to know them again at the name.
func (r *record) remember(texts []string) {
	const most = 64
	for _, text := range texts {
		if !slices.Contains(r.texts, text) {
			r.texts = append(r.texts, text)
		}
	}
	r.texts = r.texts[max(0, len(r.texts)-most):]
}

// watch notes which incarnations of others do not change. The clock is this
// process's own.
func (r *record) watch(v view) {
	now := r.client.elapsed()
	watched := map[string]unchanging{}
	for _, o := range v.slips {
		if was, ok := r.watched[o.by]; ok && was.slip.equal(o.slip) {
			watched[o.by] = was
		} else {
			watched[o.by] = unchanging{o.slip, now}
		}
	}
	r.watched = watched
}

// idle says whether nobody writes an incarnation's record any more.
func (r *record) idle(label string) bool {
	if label == r.me.label {
		return false
	}
	w, ok := r.watched[label]
	return slices.Contains(r.finished, label) || ok && r.client.elapsed()-w.since > idleOther
}

// leave ends this process's incarnation.
func (r *record) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.client.cfg.Timeout)
	defer cancel()
	if err := r.take(ctx); err != nil {
		return err
	}
	defer func() { <-r.turn }()
	me := r.ready()
	if me.label == "" && len(r.finished) == 0 {
		return nil
	}
	if me.label != "" {
		last := me.said
		last.ended = true
		sent, err := r.put(ctx, action{label: me.label, slip: last})
		if !sent && err != nil {
			return r.client.redact(err)
		}
		r.me.retire()
		if err != nil {
			return r.client.redact(err)
		}
		r.finished = append(r.finished, me.label)
	}
	rd, err := r.read(ctx, nil)
	if err != nil {
		return r.client.redact(err)
	}
	r.tidy(ctx, rd, nil)
	return nil
}
