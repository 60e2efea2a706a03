package solotick

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/solotick/solotick/register"
)

// A way leads from a node to the register.
type way struct {
	n   *node
	reg register.Register
}

// arriving is the context of copies that were on their way.
type arriving struct{}

// land lets the copies of swaps that the node sent arrive now.
func (n *node) land() []error {
	return n.reg.Land(context.WithValue(context.Background(), arriving{}, true))
}

// half of a round trip; a dead process's requests go nowhere.
func (n *node) half(ctx context.Context) error {
	if ctx.Value(arriving{}) != nil {
		return nil
	}
	if n.isDead() {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(n.how().rtt / 2):
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (v way) Load(ctx context.Context) (register.Snapshot, error) {
	if away := v.n.how().away; away != nil && away() {
		<-ctx.Done()
		return register.Snapshot{}, ctx.Err()
	}
	if err := v.n.half(ctx); err != nil {
		return register.Snapshot{}, err
	}
	s, err := v.reg.Load(ctx)
	if err := v.n.half(ctx); err != nil {
		return register.Snapshot{}, err
	}
	return s, err
}

func (v way) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	how := v.n.how()
	if how.swap != nil {
		how.swap(texts)
	}
	if how.away != nil && how.away() {
		time.Sleep(how.rtt)
		return register.Snapshot{}, errors.New("no way to the register")
	}
	if err := v.n.half(ctx); err != nil {
		return register.Snapshot{}, fmt.Errorf("%w: %w", register.ErrUncertain, err)
	}
	if how.stuck {
		return register.Snapshot{}, register.ErrConflict
	}
	s, err := v.reg.Swap(ctx, old, texts)
	if err == nil {
		v.n.w.changed()
	}
	select {
	case <-time.After(how.slow):
	case <-ctx.Done():
		return register.Snapshot{}, fmt.Errorf("%w: %w", register.ErrUncertain, ctx.Err())
	}
	if err := v.n.half(ctx); err != nil {
		return register.Snapshot{}, fmt.Errorf("%w: %w", register.ErrUncertain, err)
	}
	return s, err
}

// A resolver is DNS: it trails the register, tells a wrong time, which nobody is
// to believe, and swaps nothing.
type resolver struct{ n *node }

func (v resolver) Load(ctx context.Context) (register.Snapshot, error) {
	if err := v.n.half(ctx); err != nil {
		return register.Snapshot{}, err
	}
	w, lag := v.n.w, v.n.how().lag
	w.mu.Lock()
	s := register.Snapshot{Time: time.Now().Add(time.Hour)}
	for _, p := range w.past {
		if p.at <= w.now()-lag {
			s.Texts = slices.Clone(p.texts)
		}
	}
	w.past = w.past[max(0, len(w.past)-1000):]
	w.mu.Unlock()
	return s, v.n.half(ctx)
}

func (v resolver) Swap(context.Context, register.Snapshot, []string) (register.Snapshot, error) {
	panic("nobody swaps in DNS")
}

type locked struct{ n *node }

func (l locked) Write(p []byte) (int, error) {
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	return l.n.log.Write(p)
}

// clocks are those of one machine. They follow the bubble's time until they
// are set, stepped or frozen.
type clocks struct {
	mu     sync.Mutex
	start  time.Time
	wallBy time.Duration // by which the wall clock is ahead
	monoBy time.Duration
	frozen chan struct{} // not nil: whoever reads a clock waits: the machine stands still
	then   bool          // freeze after the next reading
	last   time.Duration
	reads  int
}

func newClocks() *clocks { return &clocks{start: time.Now()} }

func (c *clocks) await() {
	c.mu.Lock()
	frozen := c.frozen
	c.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

func (c *clocks) elapsed() time.Duration {
	c.await()
	c.mu.Lock()
	defer c.mu.Unlock()
	e := time.Since(c.start) + c.monoBy
	if c.reads++; e != c.last {
		c.last, c.reads = e, 0
	}
	if c.reads > 10000 {
		panic("an agent turns in circles without waiting")
	}
	return e
}

func (c *clocks) wall() time.Time {
	c.await()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.then {
		c.then, c.frozen = false, make(chan struct{})
	}
	return time.Now().Add(c.wallBy)
}

// step moves the two clocks on by so much at once.
func (c *clocks) step(mono, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.monoBy, c.wallBy = c.monoBy+mono, c.wallBy+wall
}

// freeze stops the machine. After a suspend the monotonic clock of some systems
// has stood still for all the while that it lasted; thaw takes that off.
func (c *clocks) freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = make(chan struct{})
}

// freezeSoon does so between the next reading of the clocks and the one after it.
func (c *clocks) freezeSoon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.then = true
}

func (c *clocks) thaw(stood time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.monoBy -= stood
	if c.frozen != nil {
		close(c.frozen)
		c.frozen = nil
	}
}
