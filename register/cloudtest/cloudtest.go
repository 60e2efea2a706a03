// Package cloudtest has the APIs of DNS providers, as servers for tests: what a
// client of Route 53, Cloud DNS, Azure DNS or Cloudflare asks is answered as the
// vendor documents it, with the vendor's rules for transactions, texts and errors,
// from memory and on loopback.
//
// In the common case a test makes one server and points its client there:
//
//	fake := cloudtest.NewRoute53(t)
//	zone := fake.AddZone("example.com")
//
// Every server takes orders to go wrong by its [API]: replies and requests are
// lost, writes land later, lists are stale, requests are refused as too many. None
// of them is the vendor's own, and none was compared with it: each says what of it
// is documented, what others have observed, and what is assumed.
package cloudtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// A Fault is what happens to one request.
type Fault int

// The faults.
const (
	Pass        Fault = iota
	LoseReply         // it is dealt with, and the connection ends without an answer
	LoseRequest       // the connection ends, and nothing was done
	Late              // as LoseRequest, but it is dealt with when Land is called
	ServerError       // 500, and nothing was done
	DoneError         // 500 although it was done
	Unavailable       // 503, and nothing was done
	Throttle          // refused as one too many, in the vendor's words
	Hang              // no answer until the client gives up, and nothing was done
)

// An API is what the servers of this package have in common. Its methods are safe
// for concurrent use.
type API struct {
	// URL is where the server listens, on loopback.
	URL string

	server  *httptest.Server
	serve   http.Handler                      // the vendor's part
	writes  func(*http.Request) bool          // whether a request changes something
	tooMany func(http.ResponseWriter, string) // refuses a request as one too many, with the seconds to wait

	mu         sync.Mutex
	onWrites   []Fault
	onReads    []Fault
	retryAfter time.Duration
	limiter    *rate.Limiter
	delay      time.Duration
	late       []func()
	nRead      int
	nWrite     int
	refused    int
}

// start begins to listen; the server ends with the test.
func (a *API) start(t testing.TB) {
	a.server = httptest.NewServer(a)
	a.URL = a.server.URL
	t.Cleanup(func() {
		a.server.CloseClientConnections()
		a.server.Close()
	})
}

// OnWrites adds faults to the script of the requests that change something: each
// is for one request, and after the last all is well.
func (a *API) OnWrites(faults ...Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.onWrites = append(a.onWrites, faults...)
}

// OnReads does the same for requests that change nothing.
func (a *API) OnReads(faults ...Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.onReads = append(a.onReads, faults...)
}

// Limit refuses requests over a rate, as the vendor does: so many a second over
// time, and so many at once. After one that was refused, RetryAfter is how long
// the server says to wait, 0: it does not say.
func (a *API) Limit(perSecond float64, burst int, retryAfter time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limiter, a.retryAfter = rate.NewLimiter(rate.Limit(perSecond), burst), retryAfter
}

// Delay has every request take so long.
func (a *API) Delay(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delay = d
}

// Land has every late write take effect now, in the order in which they were sent.
func (a *API) Land() {
	a.mu.Lock()
	late := a.late
	a.late = nil
	a.mu.Unlock()
	for _, do := range late {
		do()
	}
}

// Count tells how many requests were dealt with so far, and how many were refused
// as too many.
func (a *API) Count() (reads, writes, refused int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.nRead, a.nWrite, a.refused
}

// fault takes the next fault for a request.
func (a *API) fault(r *http.Request) (Fault, time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	script, n := &a.onReads, &a.nRead
	if a.writes(r) {
		script, n = &a.onWrites, &a.nWrite
	}
	if a.limiter != nil && !a.limiter.Allow() {
		a.refused++
		return Throttle, a.delay
	}
	f := Pass
	if len(*script) > 0 {
		f, *script = (*script)[0], (*script)[1:]
	}
	if f == Throttle {
		a.refused++
	} else {
		*n++
	}
	return f, a.delay
}

// ServeHTTP answers a request, as where a test has virtual time and no network. A
// connection that ends is a panic of http.ErrAbortHandler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	f, delay := a.fault(r)
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch f {
	case Pass:
		a.serve.ServeHTTP(w, body(r))
	case LoseReply:
		a.serve.ServeHTTP(httptest.NewRecorder(), body(r))
		panic(http.ErrAbortHandler)
	case Late:
		again := body(r.Clone(context.WithoutCancel(r.Context())))
		a.mu.Lock()
		a.late = append(a.late, func() { a.serve.ServeHTTP(httptest.NewRecorder(), again) })
		a.mu.Unlock()
		panic(http.ErrAbortHandler)
	case LoseRequest:
		panic(http.ErrAbortHandler)
	case Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case DoneError:
		a.serve.ServeHTTP(httptest.NewRecorder(), body(r))
		http.Error(w, "internal error", http.StatusInternalServerError)
	case ServerError:
		http.Error(w, "internal error", http.StatusInternalServerError)
	case Unavailable:
		http.Error(w, "unavailable", http.StatusServiceUnavailable)
	case Throttle:
		a.mu.Lock()
		after := ""
		if a.retryAfter > 0 {
			after = strconv.Itoa(int(a.retryAfter.Seconds()))
		}
		a.mu.Unlock()
		a.tooMany(w, after)
	}
}
