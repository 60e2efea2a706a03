// Package web is the HTTP client of everything that Solotick sends by itself:
// steps, notifications, and the job list from elsewhere.
//
// It differs from net/http in what it refuses. An address is checked when the
// connection is made, after the name was resolved, so that no name can be made
// to mean another address later ([Reach]). A body that is too large is an error
// and not a shorter body. A redirect never leads from https to http, and takes
// no header of the request's own to another host. A request is sent again only
// where that cannot do a thing twice ([Options.Retries]).
//
// Errors name the method and the host, and neither path nor query, which often
// hold a secret.
package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// ErrUncertain says that a request may have been received although no answer
// came: what it asks for was done or not.
var ErrUncertain = errors.New("it may have been received all the same")

// ErrTooLarge says that a body is longer than Options.MaxBody.
var ErrTooLarge = errors.New("the answer is larger than allowed")

// Redirects says what to do about an answer that points elsewhere.
type Redirects int

// The policies for redirects.
const (
	Follow   Redirects = iota // at most 10, to the same host with all headers, to others without the request's own
	SameHost                  // only to the same scheme, host and port; another is an error
	Never                     // such an answer is returned as it is
)

// Options are what a client is made of. The zero Options are a good client for
// addresses that this machine's own file names.
type Options struct {
	Reach     Reach
	TLS       *tls.Config   // nil: the system's roots, TLS 1.2 and later
	Redirects Redirects     // of GET and HEAD; what is said with another method is never repeated elsewhere
	Timeout   time.Duration // of one try, redirects included; 0: 30 s
	MaxBody   int64         // bytes of an answer, after decompression; 0: 1 MiB
	// Retries is how often a request is sent again at most: if no connection
	// came about or the answer was 429 in any case; if the answer was 502, 503
	// or 504 or was lost only where the method is idempotent (RFC 9110 section
	// 9.2.2) or the request has an Idempotency-Key. Between two tries a client
	// waits, by chance from half to one and a half of 0.5 s, 1 s, 2 s ... 10 s,
	// or for as long as Retry-After says.
	Retries int
	// Proxy uses HTTPS_PROXY, HTTP_PROXY and NO_PROXY. What a proxy can reach is
	// then up to it: Reach judges the proxy's own address.
	Proxy bool
}

// A Client sends requests. It is safe for concurrent use.
type Client struct {
	opt  Options
	http *http.Client
}

// A Request is one request. Its URL must be http or https.
type Request struct {
	Method string // empty: GET
	URL    string
	Header http.Header // User-Agent is added
	Body   []byte
}

// A Response is a whole answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Took   time.Duration // of the last try, to the end of the body
	Tries  int
}

// New makes a client.
func New(o Options) *Client {
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.MaxBody = cmp.Or(o.MaxBody, 1<<20)
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, ControlContext: o.Reach.control}
	t := &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSClientConfig: o.TLS,
		TLSHandshakeTimeout: 10 * time.Second, MaxIdleConns: 10, MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if o.Proxy {
		t.Proxy = http.ProxyFromEnvironment
	}
	c := &Client{opt: o}
	c.http = &http.Client{Transport: t, CheckRedirect: c.redirect}
	return c
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do sends a request and returns the answer, whatever its status. An error means
// that there is none: it wraps [ErrUncertain] if the request may have been
// received, [ErrRefusedAddress] or [ErrTooLarge] for what was refused here, and
// the context's error where that ended it.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	method := cmp.Or(r.Method, http.MethodGet)
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("%s: not a URL", method) // url.Error quotes it
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s: want a URL that begins with https:// or http://", method)
	}
	where := method + " " + u.Scheme + "://" + u.Host
	wait := &backoff.ExponentialBackOff{InitialInterval: 500 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 10 * time.Second}
	wait.Reset()
	for try := 1; ; try++ {
		resp, sent, err := c.once(ctx, method, u, r)
		if err == nil {
			resp.Tries = try
		}
		pause, again := c.again(method, r, resp, sent, err, wait)
		if again && try <= c.opt.Retries && ctx.Err() == nil {
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > pause {
				select {
				case <-time.After(pause):
					continue
				case <-ctx.Done():
				}
			}
		}
		switch {
		case err == nil:
			return resp, nil
		case sent && !errors.Is(err, ErrTooLarge):
			return nil, fmt.Errorf("%s: %w; %w", where, bare(err), ErrUncertain)
		}
		return nil, fmt.Errorf("%s: %w", where, bare(err))
	}
}

// bare takes the URL out of an error of net/http.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// idempotent are the methods that may be repeated: RFC 9110 section 9.2.2.
var idempotent = []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete}

// again says whether the request may be sent again, and after how long.
func (c *Client) again(method string, r Request, resp *Response, sent bool, err error, wait *backoff.ExponentialBackOff) (time.Duration, bool) {
	safe := slices.Contains(idempotent, method) || r.Header.Get("Idempotency-Key") != ""
	switch {
	case errors.Is(err, ErrRefusedAddress), errors.Is(err, ErrTooLarge), errors.Is(err, errRedirect):
		return 0, false
	case err != nil && (!sent || safe):
		return wait.NextBackOff(), true
	case err != nil:
		return 0, false
	}
	switch resp.Status {
	case http.StatusTooManyRequests:
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if !safe {
			return 0, false
		}
	default:
		return 0, false
	}
	if after, ok := RetryAfter(resp.Header, time.Now()); ok {
		return after, true
	}
	return wait.NextBackOff(), true
}

// RetryAfter reads the header of that name: seconds or a date (RFC 9110 section
// 10.2.3).
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now)), true
	}
	return 0, false
}

// once sends a request once. sent says that it may have been received.
func (c *Client) once(ctx context.Context, method string, u *url.URL, r Request) (_ *Response, sent bool, _ error) {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	var body io.Reader
	if r.Body != nil {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, false, bare(err)
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "solotick")
	}
	began := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, wrote.Load(), err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, c.opt.MaxBody+1))
	if err != nil {
		return nil, true, fmt.Errorf("status %d, and then: %w", resp.StatusCode, err)
	}
	if int64(len(data)) > c.opt.MaxBody {
		return nil, true, fmt.Errorf("status %d: %w (%d bytes)", resp.StatusCode, ErrTooLarge, c.opt.MaxBody)
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: data, Took: time.Since(began)}, true, nil
}

var errRedirect = errors.New("redirected")

// redirect decides about one redirect.
func (c *Client) redirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	same := next.URL.Scheme == first.URL.Scheme && strings.EqualFold(next.URL.Host, first.URL.Host)
	switch {
	case c.opt.Redirects == Never || first.Method != http.MethodGet && first.Method != http.MethodHead:
		return http.ErrUseLastResponse
	case len(via) >= 10:
		return fmt.Errorf("%w 10 times", errRedirect)
	case next.URL.Scheme != "https" && next.URL.Scheme != "http":
		return fmt.Errorf("%w to %s", errRedirect, next.URL.Scheme)
	case via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme == "http":
		return fmt.Errorf("%w from https to http (%s)", errRedirect, next.URL.Host)
	case c.opt.Redirects == SameHost && !same:
		return fmt.Errorf("%w to another host (%s)", errRedirect, next.URL.Host)
	}
	if !same {
		for name := range next.Header {
			switch name {
			case "Accept", "Accept-Language", "User-Agent", "Referer":
			default:
				next.Header.Del(name)
			}
		}
		next.Header.Del("Referer") // its query may hold a secret
	}
	return nil
}
