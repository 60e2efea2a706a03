package web

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A fate is what became of one try.
type fate int

const (
	answered fate = iota // there is an answer, though it may be one that is refused here
	refused              // refused before anything was sent, and will be again
	unsent               // nothing was sent
	doubtful             // it may have been received, or was and not dealt with
)

// patience is how long a client waits between two tries if nothing else ends it.
const patience = time.Minute

// safe are the methods that ask for nothing to be done: RFC 9110 section 9.2.1.
var safe = []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace}

// repeatable says whether a request that was received may be sent again: RFC 9110
// section 9.2.2.
func repeatable(method string, h http.Header) bool {
	return slices.Contains(safe, method) || method == http.MethodPut || method == http.MethodDelete ||
		h.Get("Idempotency-Key") != ""
}

// again says whether the request may be sent again, and after how long.
func again(method string, r Request, resp *Response, f fate, err error, wait *backoff.ExponentialBackOff) (time.Duration, bool) {
	if err != nil {
		return wait.NextBackOff(), f == unsent || f == doubtful && repeatable(method, canonical(r.Header))
	}
	if resp.Status != http.StatusTooManyRequests && (f != doubtful || !repeatable(method, canonical(r.Header))) {
		return 0, false
	}
	after, _ := RetryAfter(resp.Header, time.Now())
	return max(after, wait.NextBackOff()), true
}

// fateOf says whether a server that answered so may have done what was asked
// after all.
func fateOf(status int) fate {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return doubtful
	}
	return answered
}

func (c *Client) backOff() *backoff.ExponentialBackOff {
	b := &backoff.ExponentialBackOff{InitialInterval: c.first, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 20 * c.first}
	b.Reset()
	return b
}

// sleep waits, if that is worth it: false means that the context has ended or
// would have.
func sleep(ctx context.Context, pause time.Duration) bool {
	deadline, ok := ctx.Deadline()
	if ok && time.Until(deadline) <= pause || !ok && pause > patience {
		return false
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// RetryAfter reads the header of that name: seconds or a date (RFC 9110 section
// 10.2.3). A date is taken as the server's clock has it, if the answer says how
// that stands, and else by now. What is longer than 68 years counts as that.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := h.Get("Retry-After")
	n, err := strconv.ParseUint(v, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(n, math.MaxInt32)) * time.Second, true
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return min(max(0, t.Sub(now)), math.MaxInt32*time.Second), true
}
