// Package outbox sends things in the background, for whoever must not wait: a run
// that has something to tell goes on, whatever becomes of what it tells.
//
// In the common case make a [Box] with [New], hand it things with [Box.Add], which
// never blocks, and end with [Box.Close], which takes no longer than its context
// allows. What cannot be sent is sent again, ever more slowly. A box that is full
// drops the oldest: what happens now is worth more than what happened an hour ago.
//
// It keeps nothing on disk, promises nobody that anything arrives, and knows neither
// HTTP nor what it sends: the function that sends says whether it is worth to try again.
package outbox

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A Refused is the error of a Send whose things are not to be sent again.
type Refused struct{ Err error }

func (r *Refused) Error() string { return r.Err.Error() }

func (r *Refused) Unwrap() error { return r.Err }

// A Later is the error of a Send that says when to try again at the earliest.
type Later struct {
	Err   error
	After time.Duration // a quarter of an hour at most
}

func (l *Later) Error() string { return l.Err.Error() }

func (l *Later) Unwrap() error { return l.Err }

// An Outcome is what became of things.
type Outcome string

// The outcomes. All but Failed are final.
const (
	Accepted Outcome = "accepted"
	Rejected Outcome = "refused"
	Dropped  Outcome = "dropped" // there was no room or no time, or it failed too often
	Failed   Outcome = "failed"  // is sent again
)

// Options say how a Box sends.
type Options[T any] struct {
	// Send sends things. A nil error means that all were taken, a [Refused] that they
	// are not to be sent again, and any other that they are.
	Send func(ctx context.Context, things []T) error
	// Size is how many bytes of MostBytes a thing takes; nil: none.
	Size      func(T) int
	Most      int           // things that wait, at most; 0: 1000
	MostBytes int           // of them all; 0: 4 MiB
	Batch     int           // things in one Send at most; 0: one
	Linger    time.Duration // how long the first thing of a batch waits for others
	Parallel  int           // Sends under way at a time; 0: one
	Tries     int           // how often a thing is sent at most; 0: 20
	// Note is told of every outcome, from any goroutine; nil: nobody is. The error is
	// why, if it is not Accepted.
	Note func(o Outcome, n int, err error)

	Log  *slog.Logger // says what people have to know, each thing once; nil: silent
	What string       // the things, in the log
	ToDo string       // what to do when they are refused
}

// The pauses after failures in a row, before chance makes them from half as long to
// half as long again.
const (
	firstPause   = time.Second
	longestPause = time.Minute
	latestLater  = 15 * time.Minute
)

// Why things were dropped.
var (
	errFull   = errors.New("there is no room for more")
	errClosed = errors.New("the program ends")
)

// A Box sends things. It is safe for concurrent use, and has goroutines only while
// something waits.
type Box[T any] struct {
	opt     Options[T]
	ctx     context.Context
	cancel  context.CancelFunc
	closing chan struct{} // closed when nothing more is taken
	more    chan struct{} // a batch is full

	mu      sync.Mutex
	queue   []entry[T] // in the order of their arrival
	bytes   int
	number  int64
	workers int
	idle    chan struct{} // closed when the last worker has ended; nil: nobody waits for that
	closed  bool
	fails   int       // in a row
	pause   time.Time // nothing is sent before

	telling sync.Mutex      // guards what follows; not taken together with mu
	failing bool            // the log has it
	said    map[string]bool // refusals that the log has
	lost    int             // things that were dropped, of which the log has not told the number
}

// An entry is a thing that waits.
type entry[T any] struct {
	thing T
	size  int
	seq   int64 // its place in the queue
	since time.Time
	tries int // that failed
}

// New returns an empty box.
func New[T any](o Options[T]) *Box[T] {
	o.Most, o.MostBytes = cmp.Or(o.Most, 1000), cmp.Or(o.MostBytes, 4<<20)
	o.Batch, o.Parallel, o.Tries = max(o.Batch, 1), max(o.Parallel, 1), cmp.Or(o.Tries, 20)
	if o.Size == nil {
		o.Size = func(T) int { return 0 }
	}
	if o.Note == nil {
		o.Note = func(Outcome, int, error) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Box[T]{opt: o, said: make(map[string]bool), closing: make(chan struct{}), more: make(chan struct{}, 1)}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Add has a thing sent, and does not wait for it.
func (b *Box[T]) Add(thing T) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		b.note(Dropped, 1, errClosed)
		return
	}
	b.number++
	e := entry[T]{thing: thing, size: b.opt.Size(thing), seq: b.number, since: time.Now()}
	b.queue = append(b.queue, e)
	b.bytes += e.size
	dropped := b.trim()
	if b.workers < min(b.opt.Parallel, len(b.queue)) {
		b.workers++
		go b.work()
	}
	if len(b.queue) >= b.opt.Batch {
		select {
		case b.more <- struct{}{}:
		default:
		}
	}
	b.mu.Unlock()
	if dropped > 0 {
		b.note(Dropped, dropped, errFull)
	}
}

// trim drops the oldest things until the others fit, and says how many.
func (b *Box[T]) trim() (n int) {
	for len(b.queue) > b.opt.Most || b.bytes > b.opt.MostBytes && len(b.queue) > 0 {
		b.bytes -= b.queue[0].size
		b.queue = slices.Delete(b.queue, 0, 1)
		n++
	}
	return n
}

// work sends until nothing waits.
func (b *Box[T]) work() {
	for {
		things, wait := b.take()
		switch {
		case len(things) > 0:
			b.send(things)
		case wait > 0:
			b.sleep(wait)
		default:
			return
		}
	}
}

// take takes what is to be sent now, or tells how long there is nothing. If neither,
// the worker is no longer counted.
func (b *Box[T]) take() (things []entry[T], wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 || b.ctx.Err() != nil {
		if b.workers--; b.workers == 0 && b.idle != nil {
			close(b.idle)
			b.idle = nil
		}
		return nil, 0
	}
	if !b.closed {
		now := time.Now()
		wait = b.pause.Sub(now)
		if len(b.queue) < b.opt.Batch {
			wait = max(wait, b.queue[0].since.Add(b.opt.Linger).Sub(now))
		}
		if wait > 0 {
			return nil, wait
		}
	}
	// What failed goes behind what did not: one thing that nobody takes must not
	// keep all others.
	least := slices.MinFunc(b.queue, func(x, y entry[T]) int { return cmp.Compare(x.tries, y.tries) }).tries
	b.queue = slices.DeleteFunc(b.queue, func(e entry[T]) bool {
		if e.tries != least || len(things) == b.opt.Batch {
			return false
		}
		things = append(things, e)
		b.bytes -= e.size
		return true
	})
	return things, 0
}

func (b *Box[T]) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-b.more:
		if b.paused() { // more of them does not help
			select {
			case <-t.C:
			case <-b.closing:
			}
		}
	case <-b.closing:
	}
}

func (b *Box[T]) paused() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Before(b.pause)
}

// send sends things, and puts back what is to be sent again.
func (b *Box[T]) send(entries []entry[T]) {
	things := make([]T, len(entries))
	for i := range entries {
		things[i] = entries[i].thing
	}
	err := b.opt.Send(b.ctx, things)
	var refused *Refused
	switch {
	case err == nil, errors.As(err, &refused):
		b.mu.Lock()
		b.fails, b.pause = 0, time.Time{}
		b.mu.Unlock()
		outcome := Accepted
		if err != nil {
			outcome = Rejected
		}
		b.note(outcome, len(things), err)
		return
	}
	again, dropped := b.putBack(entries, err)
	if again > 0 {
		b.note(Failed, again, err)
	}
	if dropped > 0 {
		b.note(Dropped, dropped, err)
	}
}

// putBack has things sent again, after a pause, where that makes sense.
func (b *Box[T]) putBack(entries []entry[T], err error) (again, dropped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, len(entries)
	}
	pause := min(firstPause<<min(b.fails, 10), longestPause)
	pause = pause/2 + rand.N(pause)
	var later *Later
	if errors.As(err, &later) {
		pause = max(pause, min(later.After, latestLater))
	}
	if until := time.Now().Add(pause); until.After(b.pause) {
		if !time.Now().Before(b.pause) { // else several were under way when it began to fail
			b.fails++
		}
		b.pause = until
	}
	for _, e := range entries {
		if e.tries++; e.tries >= b.opt.Tries {
			dropped++
			continue
		}
		b.queue = append(b.queue, e)
		b.bytes += e.size
		again++
	}
	slices.SortFunc(b.queue, func(x, y entry[T]) int { return cmp.Compare(x.seq, y.seq) })
	n := b.trim()
	return max(again-n, 0), dropped + n
}

// Close takes nothing more, sends what waits once more without a pause, and drops
// what is left when ctx ends. It returns when nothing is under way any more.
func (b *Box[T]) Close(ctx context.Context) {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.closing)
	}
	idle := b.idle
	if b.workers > 0 && idle == nil {
		idle = make(chan struct{})
		b.idle = idle
	}
	b.mu.Unlock()
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			b.cancel()
			<-idle
		}
	}
	b.cancel()
	b.mu.Lock()
	left := len(b.queue)
	b.queue, b.bytes = nil, 0
	b.mu.Unlock()
	if left > 0 {
		b.note(Dropped, left, errClosed)
	}
	b.telling.Lock()
	defer b.telling.Unlock()
	if b.lost > 0 {
		b.opt.Log.Warn(b.opt.What+": not all were delivered", "dropped", b.lost)
		b.lost = 0
	}
}

// note tells of an outcome.
func (b *Box[T]) note(o Outcome, n int, err error) {
	b.opt.Note(o, n, err)
	b.telling.Lock()
	defer b.telling.Unlock()
	log, what := b.opt.Log, b.opt.What
	switch o {
	case Accepted:
		clear(b.said)
		if b.failing {
			log.Info(what+" are delivered again", "dropped", b.lost)
			b.failing, b.lost = false, 0
		}
	case Failed:
		if !b.failing {
			log.Warn(what+" cannot be delivered; the jobs go on, and it is tried again", "err", err)
		}
		b.failing = true
	case Rejected:
		if text := err.Error(); !b.said[text] && len(b.said) < 10 {
			b.said[text] = true
			log.Warn(what+": refused, and not sent again; the jobs go on", "err", err, "to_do", b.opt.ToDo)
		}
	case Dropped:
		if b.lost == 0 && !b.isClosed() {
			log.Warn(what+": the oldest are dropped", "err", err)
		}
		b.lost += n
	}
}

func (b *Box[T]) isClosed() bool {
	select {
	case <-b.closing:
		return true
	default:
		return false
	}
}
