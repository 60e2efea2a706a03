package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/solotick/solotick/register"
)

// Limits are what a service allows one account.
type Limits struct {
	Rate  float64 // requests a second, over time; 0: no limit
	Burst int     // requests at once; 0: one
}

// A Budget spreads the requests of everything in this process that shares one
// account. Others share it too, of whom nothing is known: each refusal halves the
// part of the limits that is used, and it grows back within a minute, so that all
// together come to what the service allows. It is safe for concurrent use.
type Budget struct {
	limits  Limits
	limiter *rate.Limiter
	sent    atomic.Int64

	mu    sync.Mutex
	until time.Time // nothing is sent before
	part  float64   // of the limits that is used
	grown time.Time // when part was last reckoned
}

// leastPart is what is used of the limits at least, growth is by how much the part
// grows in a second, and most is what is used at most: who takes all of a limit
// leaves somebody else who asks at the same moments nothing at all.
const (
	leastPart = 1.0 / 32
	growth    = 1.0 / 60
	most      = 0.95
)

// NewBudget returns a budget that is full.
func NewBudget(l Limits) *Budget {
	limit := rate.Limit(l.Rate)
	if l.Rate == 0 {
		limit = rate.Inf
	}
	l.Burst = max(l.Burst, 1)
	return &Budget{limits: l, limiter: rate.NewLimiter(limit*most, l.Burst), part: most}
}

// What the errors of Wait begin with.
var errNotSent = errors.New("not sent")

// Wait waits until a request may be sent, and takes it off the budget. An error
// means that it must not be: ctx ended, or would before its turn, in which case
// the error comes at once.
func (b *Budget) Wait(ctx context.Context) error {
	for {
		if err := await(ctx, b.blocked); err != nil {
			return err
		}
		b.grow()
		if err := b.limiter.Wait(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return fmt.Errorf("%w: %w", errNotSent, cause)
			}
			return fmt.Errorf("%w: %w", errNotSent, overLimit("no room in time within the rate that the service allows this account"))
		}
		if b.blocked() <= 0 { // the service may have said so meanwhile
			b.sent.Add(1)
			return nil
		}
	}
}

// Try takes a request off the budget if it may be sent now and nobody waits.
func (b *Budget) Try() bool {
	if b.blocked() > 0 {
		return false
	}
	b.grow()
	if !b.limiter.Allow() {
		return false
	}
	b.sent.Add(1)
	return true
}

// blocked is how long nothing may be sent.
func (b *Budget) blocked() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Until(b.until)
}

// longest is for how long a service is asked nothing at most, whatever it says: a
// time that is a mistake, or that something in between has made up, must not be one
// for which nobody runs.
const longest = 15 * time.Minute

// Throttled says that the service has refused a request as one too many, and for
// how long it wants none; 0: it did not say, and a second is taken. It returns for
// how long nothing is sent, a quarter of an hour at most.
func (b *Budget) Throttled(after time.Duration) time.Duration {
	if after <= 0 {
		after = time.Second
	}
	after = min(after, longest)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if !now.Before(b.until) { // else it is one of several that were under way
		b.use(max(b.part/2, leastPart), now.Add(after))
	}
	if until := now.Add(after); until.After(b.until) {
		b.until = until
	}
	return after
}

// grow uses more of the limits again.
func (b *Budget) grow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.part < most && now.After(b.grown) {
		b.use(min(b.part+growth*now.Sub(b.grown).Seconds(), most), now)
	}
}

// use uses a part of the limits. The caller holds mu.
func (b *Budget) use(part float64, at time.Time) {
	b.part, b.grown = part, at
	if b.limits.Rate > 0 {
		b.limiter.SetLimit(rate.Limit(b.limits.Rate * part))
		b.limiter.SetBurst(max(int(float64(b.limits.Burst)*part), 1))
	}
}

// Sent is how many requests were taken off the budget so far.
func (b *Budget) Sent() int64 { return b.sent.Load() }

// await waits until left says that nothing is left of a time, which may grow
// meanwhile. It does not wait if ctx ends before that.
func await(ctx context.Context, left func() time.Duration) error {
	for {
		pause := left()
		if pause <= 0 {
			return nil
		}
		if err := inTime(ctx, pause); err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", errNotSent, context.Cause(ctx))
		}
	}
}

// inTime is the error if ctx ends before a pause does.
func inTime(ctx context.Context, pause time.Duration) error {
	if end, ok := ctx.Deadline(); ok && pause > 0 && time.Until(end) < pause {
		return fmt.Errorf("%w: %w", errNotSent, overLimit("the service wants no request for another "+pause.Round(time.Millisecond).String()))
	}
	return nil
}

// An overLimit is why a request was not sent: it would have been one too many.
type overLimit string

func (e overLimit) Error() string { return string(e) }

// Is makes it a register.ErrThrottled.
func (e overLimit) Is(target error) bool { return target == register.ErrThrottled }
