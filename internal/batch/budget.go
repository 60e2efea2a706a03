package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Limits are what a service allows one account.
type Limits struct {
	Rate  float64 // requests a second, over time; 0: no limit
	Burst int     // requests at once
}

// A Budget spreads the requests of everything in this process that shares one
// account. It is safe for concurrent use.
type Budget struct {
	limiter *rate.Limiter
	sent    atomic.Int64

	mu    sync.Mutex
	until time.Time // nothing is sent before
}

// NewBudget returns a budget that is full.
func NewBudget(l Limits) *Budget {
	limit := rate.Limit(l.Rate)
	if l.Rate == 0 {
		limit = rate.Inf
	}
	return &Budget{limiter: rate.NewLimiter(limit, max(l.Burst, 1))}
}

// errNotSent is the beginning of every error of Wait.
var errNotSent = errors.New("not sent")

// Wait waits until a request may be sent, and takes it off the budget. An error
// means that it must not be: ctx ended, or would before its turn.
func (b *Budget) Wait(ctx context.Context) error {
	for {
		pause := b.blocked()
		if pause <= 0 {
			break
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < pause {
			return fmt.Errorf("%w: the service has said to send nothing for another %s", errNotSent, pause.Round(time.Second))
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", errNotSent, context.Cause(ctx))
		}
	}
	if err := b.limiter.Wait(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("%w: over the rate that the service allows this account: %w", errNotSent, err)
	}
	b.sent.Add(1)
	return nil
}

// blocked is how long nothing may be sent.
func (b *Budget) blocked() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Until(b.until)
}

// Throttled says that the service has refused a request as one too many, and for
// how long it wants none; 0: it did not say, and a second is taken.
func (b *Budget) Throttled(after time.Duration) {
	if after <= 0 {
		after = time.Second
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := time.Now().Add(after); until.After(b.until) {
		b.until = until
	}
}

// Sent is how many requests were taken off the budget so far.
func (b *Budget) Sent() int64 { return b.sent.Load() }
