// Package batch joins what many jobs ask of one service at about the same time
// into few requests, within what the service allows an account.
//
// A [Batcher] takes members, and sends those that have come together as one
// request: swaps as one transaction, reads as one list. It waits for no others:
// members join while an earlier request is under way or the [Budget] has no room,
// so one that comes alone leaves at once.
//
// Each member gets an outcome of its own. A transaction that was not applied
// because of some of its members is sent again without them, which is no retry: it
// is known that nothing of it was applied. One whose outcome is unknown makes
// every member uncertain, and is never sent again.
//
// It knows nothing of records, DNS or HTTP.
package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Options say how a Batcher sends.
type Options[M, R any] struct {
	// Send sends members as one request, and returns a result for each. An error
	// is that of all of them, but for [Blame] and [Again].
	Send func(ctx context.Context, members []M) ([]R, error)
	// Fits says whether one more member can go along with others; nil: any
	// number can. One alone always fits.
	Fits func(members []M, next M) bool
	// Budget is waited for before each request; nil: there is no limit.
	Budget *Budget
	// Timeout bounds one request, whatever becomes of those who asked for it.
	Timeout time.Duration
	// Unknown is what a member is told whose context ends while its request is
	// under way.
	Unknown error
	// Parallel is how many requests may be under way at a time, 0: one. A second
	// one is sent only if the first is slow (see Slow).
	Parallel int
	// Slow is after how long a request under way no longer keeps others waiting;
	// 0: a second.
	Slow time.Duration
	// Tries is how often members are sent that were known not to be applied; 0: 8.
	Tries int
}

// A Blame is the error of a transaction of which nothing was applied, with whose
// fault it was.
type Blame struct {
	Err error
	// Members are the indices of those whose fault it was, who get Err; nil: it is
	// not known, and the members are sent again in two halves to find out.
	Members []int
}

func (b *Blame) Error() string { return b.Err.Error() }

func (b *Blame) Unwrap() error { return b.Err }

// An Again is the error of a request of which nothing was done, and which is sent
// again after a pause as long as its members' time allows: too many requests, or
// another change under way.
type Again struct {
	Err   error
	After time.Duration
}

func (a *Again) Error() string { return a.Err.Error() }

func (a *Again) Unwrap() error { return a.Err }

// A Batcher sends members together. It is safe for concurrent use, and has
// nothing to close: its goroutines end when nobody waits.
type Batcher[M, R any] struct {
	opt  Options[M, R]
	room chan struct{} // one place for each request under way

	mu      sync.Mutex
	waiting []*ticket[M, R]
	running bool      // a dispatcher is
	pause   time.Time // nothing is sent before
}

// A ticket is a member who waits. The batcher's mu guards all but the first two.
type ticket[M, R any] struct {
	ctx    context.Context
	member M

	tries  int
	most   int           // members that it may be sent with, itself included; 0: any number
	sent   bool          // its request is under way
	over   bool          // it has an outcome, or nobody waits for it
	done   chan struct{} // closed when it has an outcome
	result R
	err    error
}

// New returns a Batcher.
func New[M, R any](o Options[M, R]) *Batcher[M, R] {
	o.Parallel = max(o.Parallel, 1)
	o.Slow = cmp.Or(o.Slow, time.Second)
	o.Tries = cmp.Or(o.Tries, 8)
	return &Batcher[M, R]{opt: o, room: make(chan struct{}, o.Parallel)}
}

// Do sends a member, with others or alone, and returns its outcome. If ctx ends
// before it was sent, the error is the context's; if it ends after that, it wraps
// Options.Unknown too.
func (b *Batcher[M, R]) Do(ctx context.Context, member M) (R, error) {
	t := &ticket[M, R]{ctx: ctx, member: member, done: make(chan struct{})}
	var none R
	if ctx.Err() != nil {
		return none, fmt.Errorf("%w: %w", errNotSent, context.Cause(ctx))
	}
	b.mu.Lock()
	b.waiting = append(b.waiting, t)
	if !b.running {
		b.running = true
		go b.dispatch()
	}
	b.mu.Unlock()
	select {
	case <-t.done:
		return t.result, t.err
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case t.over:
		return t.result, t.err
	case t.sent:
		t.over = true
		return none, fmt.Errorf("%w: %w", b.opt.Unknown, context.Cause(ctx))
	}
	t.over = true
	return none, fmt.Errorf("%w: %w", errNotSent, context.Cause(ctx))
}

// dispatch sends until nobody waits. A request that is slow keeps others waiting
// no longer than Slow, as far as there is room.
func (b *Batcher[M, R]) dispatch() {
	for b.rest() {
		b.room <- struct{}{}
		members := b.take()
		if len(members) == 0 {
			<-b.room
			continue
		}
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			b.send(members)
			<-b.room
		}()
		slow := time.NewTimer(b.opt.Slow)
		select {
		case <-answered:
		case <-slow.C:
		}
		slow.Stop()
	}
}

// rest waits until the next request may be sent; false: nobody wants one.
func (b *Batcher[M, R]) rest() bool {
	for {
		ctx, cancel, pause, some := b.patience()
		if !some {
			return false
		}
		err := sleep(ctx, pause)
		if err == nil && b.opt.Budget != nil {
			err = b.opt.Budget.Wait(ctx)
		}
		cancel()
		if err == nil {
			return true
		}
		b.giveUp(ctx, err)
	}
}

// patience is a context that ends when the last of those who wait has no more
// time, and how long nothing is to be sent.
func (b *Batcher[M, R]) patience() (context.Context, context.CancelFunc, time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = slices.DeleteFunc(b.waiting, func(t *ticket[M, R]) bool { return t.over })
	if len(b.waiting) == 0 {
		b.running = false
		return nil, nil, 0, false
	}
	var last time.Time
	for _, t := range b.waiting {
		end, ok := t.ctx.Deadline()
		if !ok {
			return context.Background(), func() {}, time.Until(b.pause), true
		}
		if end.After(last) {
			last = end
		}
	}
	ctx, cancel := context.WithDeadline(context.Background(), last)
	return ctx, cancel, time.Until(b.pause), true
}

// giveUp tells all who have no more time than ctx had that nothing was sent.
func (b *Batcher[M, R]) giveUp(ctx context.Context, err error) {
	last, bounded := ctx.Deadline()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.waiting {
		if end, ok := t.ctx.Deadline(); ok && (!bounded || !end.After(last)) {
			b.end(t, *new(R), err)
		}
	}
}

// end gives a member its outcome. The caller holds mu.
func (b *Batcher[M, R]) end(t *ticket[M, R], r R, err error) {
	if !t.over {
		t.over, t.result, t.err = true, r, err
		close(t.done)
	}
}

// take takes as many of those who wait as go into one request.
func (b *Batcher[M, R]) take() []*ticket[M, R] {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*ticket[M, R]
	var members []M
	most := 0
	for i, t := range b.waiting {
		if t.over {
			continue
		}
		limit := most
		if t.most > 0 && (limit == 0 || t.most < limit) {
			limit = t.most
		}
		if len(all) > 0 && (limit > 0 && len(all) >= limit || b.opt.Fits != nil && !b.opt.Fits(members, t.member)) {
			b.waiting = slices.Clone(b.waiting[i:])
			return all
		}
		most = limit
		t.sent = true
		all, members = append(all, t), append(members, t.member)
	}
	b.waiting = nil
	return all
}

// send sends one request and deals out what comes of it.
func (b *Batcher[M, R]) send(tickets []*ticket[M, R]) {
	members := make([]M, len(tickets))
	for i, t := range tickets {
		members[i] = t.member
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.opt.Timeout)
	results, err := b.opt.Send(ctx, members)
	cancel()

	b.mu.Lock()
	defer b.mu.Unlock()
	var blame *Blame
	var again *Again
	switch {
	case err == nil:
		for i, t := range tickets {
			b.end(t, results[i], nil)
		}
	case errors.As(err, &blame):
		b.blame(tickets, blame)
	case errors.As(err, &again):
		b.again(tickets, again)
	default:
		for _, t := range tickets {
			b.end(t, *new(R), err)
		}
	}
}

// blame ends the members whose fault it was, and has the others sent again. The
// caller holds mu.
func (b *Batcher[M, R]) blame(tickets []*ticket[M, R], blame *Blame) {
	var others []*ticket[M, R]
	for i, t := range tickets {
		if len(tickets) == 1 || slices.Contains(blame.Members, i) {
			b.end(t, *new(R), blame.Err)
			continue
		}
		if len(blame.Members) == 0 {
			t.most = (len(tickets) + 1) / 2
		}
		others = append(others, t)
	}
	b.requeue(others)
}

// again has members sent again after a pause. The caller holds mu.
func (b *Batcher[M, R]) again(tickets []*ticket[M, R], a *Again) {
	var others []*ticket[M, R]
	for _, t := range tickets {
		if t.tries++; t.tries >= b.opt.Tries {
			b.end(t, *new(R), a.Err)
			continue
		}
		others = append(others, t)
	}
	if until := time.Now().Add(a.After); until.After(b.pause) {
		b.pause = until
	}
	b.requeue(others)
}

// requeue puts members in front of those who wait. The caller holds mu.
func (b *Batcher[M, R]) requeue(tickets []*ticket[M, R]) {
	for _, t := range tickets {
		t.sent = false
	}
	b.waiting = append(tickets, b.waiting...)
	if len(b.waiting) > 0 && !b.running {
		b.running = true
		go b.dispatch()
	}
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, pause time.Duration) error {
	if pause <= 0 {
		return nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNotSent, context.Cause(ctx))
	}
}
