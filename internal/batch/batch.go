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
// It knows nothing of records, DNS or HTTP, and of registers only what one request too many is called, and puts nobody before others: who
// came first is sent first.
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
	// is that of all of them, but for [Blame], [Again] and [Partly]. A panic is an
	// error, and that of an unknown outcome. It ends when its context does,
	// whatever has become of those who asked.
	Send func(ctx context.Context, members []M) ([]R, error)
	// Fits says whether one more member can go along with others, and is quick;
	// nil: any number can. One alone always fits.
	Fits func(members []M, next M) bool
	// Budget is waited for before each request; nil: there is no limit.
	Budget *Budget
	// Timeout bounds one request; 0: 10 s.
	Timeout time.Duration
	// Unknown is what a member is told whose context ends while its request is
	// under way; nil: only that the context ended.
	Unknown error
	// Parallel is how many requests may be under way at a time, 0: one. A second
	// one is sent only if the first is slow.
	Parallel int
	// Slow is after how long a request under way no longer keeps others waiting,
	// if Parallel allows it; 0: half a second.
	Slow time.Duration
	// Tries is how often a member is sent at most if the service says Again, 0: 8.
	Tries int
}

// A Blame is the error of a transaction of which nothing was applied, with whose
// fault it was.
type Blame struct {
	Err error
	// Members are the indices of those whose fault it was, who get Err. None: it
	// is not known, and the members are sent again in two halves to find out.
	Members []int
}

func (b *Blame) Error() string { return b.Err.Error() }

func (b *Blame) Unwrap() error { return b.Err }

// An Again is the error of a request of which nothing was done, and which is sent
// again after a pause as long as its members' time allows: too many requests, or
// another change under way.
type Again struct {
	Err error
	// After is how long nothing is sent, a quarter of an hour at most; 0: 200 ms, and
	// twice as long after each further one, up to 5 s.
	After time.Duration
}

func (a *Again) Error() string { return a.Err.Error() }

func (a *Again) Unwrap() error { return a.Err }

// A Partly is no error: a request has served some of its members, who get their
// results, and the others are sent again with those who have come meanwhile.
type Partly struct {
	Left []int // the indices of the others, of whom at least one is missing here
}

func (p *Partly) Error() string { return fmt.Sprintf("%d left", len(p.Left)) }

// A Batcher sends members together. It is safe for concurrent use, and has
// nothing to close: its goroutines end soon after nobody waits.
type Batcher[M, R any] struct {
	opt  Options[M, R]
	room chan struct{} // one place for each request under way

	mu      sync.Mutex
	waiting []*ticket[M, R]    // in the order in which they are sent
	running bool               // a dispatcher is
	leave   context.CancelFunc // ends what the dispatcher waits for; nil: it does not wait
	pause   time.Time          // nothing is sent before
}

// A ticket is a member who waits, whose request is under way, or who has an
// outcome. The batcher's mu guards what is below.
type ticket[M, R any] struct {
	ctx    context.Context
	member M
	done   chan struct{} // closed when it has an outcome

	over   bool
	result R
	err    error
	most   int   // members that it may be sent with, itself included; 0: any number
	tries  int   // that ended in Again
	again  error // the latest one's
}

// New returns a Batcher.
func New[M, R any](o Options[M, R]) *Batcher[M, R] {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.Slow = cmp.Or(o.Slow, 500*time.Millisecond)
	o.Tries = cmp.Or(o.Tries, 8)
	return &Batcher[M, R]{opt: o, room: make(chan struct{}, max(o.Parallel, 1))}
}

// Do sends a member, with others or alone, and returns its outcome. If ctx ends
// while it is not sent, or known not to be applied, the error wraps the context's
// and it is not sent any more; if it ends while its request is under way, the
// error wraps Options.Unknown too.
func (b *Batcher[M, R]) Do(ctx context.Context, member M) (R, error) {
	t := &ticket[M, R]{ctx: ctx, member: member, done: make(chan struct{})}
	b.enter(t)
	select {
	case <-t.done:
	case <-ctx.Done():
		b.forsake(t)
	}
	return t.result, t.err
}

// enter puts a member behind those who wait.
func (b *Batcher[M, R]) enter(t *ticket[M, R]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.hopeless(t)
	if t.ctx.Err() != nil {
		err = t.unsent()
	}
	if err != nil {
		t.end(err)
		return
	}
	b.queue(append(b.waiting, t))
}

// hopeless is the error if the time of a member is over before anything may be
// sent. The caller holds mu.
func (b *Batcher[M, R]) hopeless(t *ticket[M, R]) error {
	if err := inTime(t.ctx, time.Until(b.pause)); err != nil {
		return err
	}
	if b.opt.Budget != nil {
		return inTime(t.ctx, b.opt.Budget.blocked())
	}
	return nil
}

// forsake is for a member whose context has ended.
func (b *Batcher[M, R]) forsake(t *ticket[M, R]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, t)
	switch {
	case i >= 0:
		b.waiting = slices.Delete(b.waiting, i, i+1)
		if len(b.waiting) == 0 && b.leave != nil {
			b.leave()
		}
		t.end(t.unsent())
	case b.opt.Unknown == nil:
		t.end(context.Cause(t.ctx))
	default:
		t.end(fmt.Errorf("%w: %w", b.opt.Unknown, context.Cause(t.ctx)))
	}
}

// queue sets who waits. The caller holds mu.
func (b *Batcher[M, R]) queue(tickets []*ticket[M, R]) {
	b.waiting = tickets
	if len(tickets) > 0 && !b.running {
		b.running = true
		go b.dispatch()
	}
}

// dispatch sends until nobody waits. A request under way keeps others waiting, so
// that they go together; one that is slow no longer does.
func (b *Batcher[M, R]) dispatch() {
	for {
		ctx := b.wanted()
		if ctx == nil {
			return
		}
		if !b.turn(ctx) {
			continue
		}
		tickets := b.take()
		if len(tickets) == 0 {
			<-b.room
			continue
		}
		answered := make(chan struct{})
		go func() {
			b.deal(tickets)
			<-b.room
			close(answered)
		}()
		slow := time.NewTimer(b.opt.Slow)
		select {
		case <-answered:
		case <-slow.C:
		}
		slow.Stop()
	}
}

// wanted is a context that ends when nobody waits any more; nil: nobody does.
func (b *Batcher[M, R]) wanted() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.running = false
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.leave = cancel
	return ctx
}

// turn waits until a request may be sent, and takes a place in the room for it;
// false: ctx ended first.
func (b *Batcher[M, R]) turn(ctx context.Context) bool {
	select {
	case b.room <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	err := await(ctx, b.resting)
	if err == nil && b.opt.Budget != nil {
		err = b.opt.Budget.Wait(ctx)
	}
	if err != nil {
		<-b.room
	}
	return err == nil
}

// resting is how long nothing is to be sent.
func (b *Batcher[M, R]) resting() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Until(b.pause)
}

// take takes as many of those who wait as go into one request.
func (b *Batcher[M, R]) take() []*ticket[M, R] {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leave()
	b.leave = nil
	var tickets []*ticket[M, R]
	var members []M
	most := 0
	for len(b.waiting) > 0 {
		t := b.waiting[0]
		if t.ctx.Err() != nil {
			t.end(t.unsent())
			b.waiting = b.waiting[1:]
			continue
		}
		if t.most > 0 && (most == 0 || t.most < most) {
			most = t.most
		}
		if n := len(tickets); n > 0 && (most > 0 && n >= most || b.opt.Fits != nil && !b.opt.Fits(members, t.member)) {
			break
		}
		tickets, members, b.waiting = append(tickets, t), append(members, t.member), b.waiting[1:]
	}
	b.waiting = slices.Clone(b.waiting) // what was taken is not kept
	return tickets
}

// deal sends one request and deals out what comes of it.
func (b *Batcher[M, R]) deal(tickets []*ticket[M, R]) {
	results, err := b.send(tickets)
	b.mu.Lock()
	defer b.mu.Unlock()
	var blame *Blame
	var again *Again
	var partly *Partly
	switch {
	case errors.As(err, &partly):
		b.partly(tickets, results, partly)
	case errors.As(err, &blame):
		b.blame(tickets, blame)
	case errors.As(err, &again):
		b.again(tickets, again)
	case err == nil:
		b.partly(tickets, results, &Partly{})
	default:
		for _, t := range tickets {
			t.end(err)
		}
	}
}

func (b *Batcher[M, R]) send(tickets []*ticket[M, R]) (results []R, err error) {
	members := make([]M, len(tickets))
	for i, t := range tickets {
		members[i] = t.member
	}
	defer func() {
		if p := recover(); p != nil {
			err = b.broken(fmt.Errorf("the request panicked: %v", p))
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), b.opt.Timeout)
	defer cancel()
	results, err = b.opt.Send(ctx, members)
	var partly *Partly
	switch some := errors.As(err, &partly); {
	case (some || err == nil) && len(results) != len(members):
		err = b.broken(fmt.Errorf("%d results for %d members", len(results), len(members)))
	case some && len(partly.Left) >= len(members):
		err = b.broken(errors.New("no member was served"))
	}
	return results, err
}

// broken is the error of a request of which only Send could know what became.
func (b *Batcher[M, R]) broken(err error) error {
	if b.opt.Unknown == nil {
		return err
	}
	return fmt.Errorf("%w: %w", b.opt.Unknown, err)
}

// partly ends the members who were served, and has the others sent again. The
// caller holds mu.
func (b *Batcher[M, R]) partly(tickets []*ticket[M, R], results []R, p *Partly) {
	var others []*ticket[M, R]
	for i, t := range tickets {
		if slices.Contains(p.Left, i) {
			others = append(others, t)
			continue
		}
		if !t.over {
			t.result = results[i]
		}
		t.end(nil)
	}
	b.requeue(others)
}

// blame ends the members whose fault it was, and has the others sent again. The
// caller holds mu.
func (b *Batcher[M, R]) blame(tickets []*ticket[M, R], blame *Blame) {
	half := (len(tickets) + 1) / 2
	known := slices.ContainsFunc(blame.Members, func(i int) bool { return i >= 0 && i < len(tickets) })
	var others []*ticket[M, R]
	for i, t := range tickets {
		switch {
		case len(tickets) == 1, slices.Contains(blame.Members, i):
			t.end(blame.Err)
			continue
		case !known:
			t.most = half
		}
		others = append(others, t)
	}
	b.requeue(others)
}

// again has members sent again after a pause, unless they were sent often enough
// or their time is over before. The caller holds mu.
func (b *Batcher[M, R]) again(tickets []*ticket[M, R], a *Again) {
	tries := 0
	for _, t := range tickets {
		t.tries++
		t.again = a.Err
		tries = max(tries, t.tries)
	}
	pause := min(a.After, longest)
	if pause <= 0 {
		pause = min(firstPause<<min(tries-1, 10), lastPause)
	}
	if until := time.Now().Add(pause); until.After(b.pause) {
		b.pause = until
	}
	var others []*ticket[M, R]
	for _, t := range tickets {
		if t.tries >= b.opt.Tries || b.hopeless(t) != nil {
			t.end(a.Err)
			continue
		}
		others = append(others, t)
	}
	b.requeue(others)
}

// The pauses after an Again that names none.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
)

// requeue puts members in front of those who wait. The caller holds mu.
func (b *Batcher[M, R]) requeue(tickets []*ticket[M, R]) {
	tickets = slices.DeleteFunc(tickets, func(t *ticket[M, R]) bool { return t.over })
	b.queue(append(tickets, b.waiting...))
}

// end gives a member its outcome, unless it has one. The caller holds mu.
func (t *ticket[M, R]) end(err error) {
	if !t.over {
		t.over, t.err = true, err
		close(t.done)
	}
}

// unsent is the error of a member whose context ended while it was not sent, or
// known not to be applied.
func (t *ticket[M, R]) unsent() error {
	if t.again != nil {
		return fmt.Errorf("%w, and then %w", t.again, context.Cause(t.ctx))
	}
	return fmt.Errorf("%w: %w", errNotSent, context.Cause(t.ctx))
}
