// Package web is the HTTP client of everything that Solotick sends by itself:
// steps, notifications, and the job list from elsewhere.
//
// It differs from net/http in what it refuses. An address is checked when the
// connection is made, after the name was resolved, so that no name can be made
// to mean another address later ([Reach]). A body that is too large is an error
// and not a shorter body. A redirect never leads from https to http, and takes
// neither headers nor a client certificate to another host. A request is sent
// again only where that cannot do a thing twice ([Options]).
//
// In the common case call [New] once and [Client.With] for each use: clients that
// share connections cost next to nothing. The package keeps no cookies, and reads
// no answer piece by piece.
//
// Errors name the method, the host and what a network says. They hold neither
// path nor query, which often are secrets, and quote nothing of an answer, which
// may repeat them.
package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// ErrUncertain says that a request may have been received although no answer
// came: what it asks for was done or not.
var ErrUncertain = errors.New("it may have been received all the same")

// ErrTooLarge says that a body is longer than Options.MaxBody.
var ErrTooLarge = errors.New("the answer is larger than allowed")

// ErrTimeout says that Options.Timeout was over, and not the time that the
// context gives.
var ErrTimeout = errors.New("no whole answer in time")

// Redirects says what to do about an answer that points elsewhere.
type Redirects int

// The policies for redirects. A host is another one if the scheme or the port is.
const (
	// Follow follows at most 9. From the first that leads to another host on, no
	// header goes along but Accept, Accept-Language and User-Agent, and neither
	// does a client certificate; not even back to the host that was asked first,
	// whom the other one would then have told what to do in our name.
	Follow   Redirects = iota
	SameHost           // as Follow, but another host is an error
	Never              // such an answer is returned as it is
)

// Options are what a client is made of. The zero Options are a good client for
// addresses that this machine's own file names.
type Options struct {
	Reach     Reach
	TLS       *tls.Config   // nil: the system's roots; never below TLS 1.2; see [TLS]
	Redirects Redirects     // of GET and HEAD without a body; what else is said is never repeated elsewhere
	Timeout   time.Duration // of one try, redirects included; 0: 30 s
	MaxBody   int64         // bytes of an answer, after decompression; 0: 1 MiB
	Room      *Room         // which the answers share with those of other clients; nil: as much as they need
	// Retries is how often a request is sent again at most: if no connection
	// came about or the answer was 429 in any case; if the answer was 502, 503
	// or 504 or was lost only where the method is idempotent (RFC 9110 section
	// 9.2.2) or the request has an Idempotency-Key. Between two tries a client
	// waits, by chance from half to one and a half of 0.5 s, 1 s, 2 s ... 10 s,
	// or for as long as Retry-After says, if that is longer. Where the context
	// ends before that, or has no end and the wait were over a minute, the last
	// outcome is returned at once.
	Retries int
	// Proxy uses HTTPS_PROXY, HTTP_PROXY and NO_PROXY. What a proxy can reach is
	// then up to it: Reach judges the proxy's own address, and the address in a
	// URL that has one.
	Proxy bool
}

// A Client sends requests. It is safe for concurrent use.
//
// What a safe method asks for (RFC 9110 section 9.2.1) may use a connection that
// an earlier request has left, for 30 s. Everything else has a connection of its
// own, by HTTP/1.1: net/http repeats a request by itself where a server has
// closed a connection or reset a stream, and never one that is the first on its
// connection. It also spares a POST the doubt whether a server that hung up had
// still read it.
type Client struct {
	opt   Options
	pool  *pool
	first time.Duration // the mean of the first pause between two tries
}

// A Request is one request. Its URL must be http or https; a user and a password
// in it are sent as Basic authentication.
type Request struct {
	Method string // empty: GET
	URL    string
	Header http.Header // User-Agent is added; Host is sent in place of the URL's host
	Body   []byte
}

// A Response is a whole answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Took   time.Duration // of the last try, redirects included, to the end of the body
	Tries  int
	Taken  int64 // bytes of Options.Room, which are the caller's to give back
}

// New makes a client. It holds nothing open before its first request.
func New(o Options) *Client { return client(o, newPool(o)) }

// With makes a client that shares c's connections, and so its Reach, TLS and
// Proxy, whatever o says of these. The other options are those of o.
func (c *Client) With(o Options) *Client { return client(o, c.pool) }

func client(o Options, p *pool) *Client {
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.MaxBody = cmp.Or(o.MaxBody, 1<<20)
	return &Client{opt: o, pool: p, first: 500 * time.Millisecond}
}

// Room is that of the client's options.
func (c *Client) Room() *Room { return c.opt.Room }

// Close closes idle connections, also those of clients that share them. Requests
// may be sent all the same.
func (c *Client) Close() { c.pool.close() }

// Do sends a request and returns the answer, whatever its status. An error means
// that there is none: it wraps [ErrUncertain] if the request may have been
// received, in any try, [ErrRefusedAddress], [ErrTooLarge] or [ErrNoRoom] for what
// was refused here, [ErrTimeout] if a try took too long, and the context's error where that
// ended it.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	method := cmp.Or(r.Method, http.MethodGet)
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("%s: not a URL", method) // url.Error quotes it
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%s: want a URL that begins with https:// or http:// and a host", method)
	}
	wait := c.backOff()
	doubt := false
	for try := 1; ; try++ {
		resp, fate, err := c.once(ctx, method, u, r)
		pause, again := again(method, r, resp, fate, err, wait)
		if again && try <= c.opt.Retries && sleep(ctx, pause) {
			doubt = doubt || fate == doubtful
			if resp != nil {
				c.opt.Room.Give(resp.Taken)
			}
			continue
		}
		if err == nil {
			resp.Tries = try
			return resp, nil
		}
		if try > 1 {
			err = fmt.Errorf("%w (try %d)", err, try)
		}
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w, and then %w", err, ctx.Err())
		}
		where := method + " " + u.Scheme + "://" + u.Host
		if (doubt || fate == doubtful) && fate != answered {
			return nil, fmt.Errorf("%s: %w; %w", where, err, ErrUncertain)
		}
		return nil, fmt.Errorf("%s: %w", where, err)
	}
}
