package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// once sends a request once, and to where it is redirected.
func (c *Client) once(ctx context.Context, method string, u *url.URL, r Request) (*Response, fate, error) {
	try, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	began := time.Now()
	resp, f, err := c.exchange(try, method, u, r)
	if err == nil && try.Err() != nil {
		// A server that sees the connection end may end the body in good order,
		// and that may still arrive: half an answer, and nothing to tell it by.
		c.opt.Room.Give(resp.Taken)
		f, err = doubtful, try.Err()
	}
	switch {
	case err == nil:
		resp.Took = time.Since(began)
		return resp, fateOf(resp.Status), nil
	case f == answered:
	case ctx.Err() != nil:
		err = ctx.Err() // in whose place net/http has the context's cause
	case try.Err() != nil:
		err = fmt.Errorf("%w (%s)", ErrTimeout, c.opt.Timeout)
	}
	return nil, f, err
}

// exchange sends a request, follows redirects and reads the answer.
func (c *Client) exchange(ctx context.Context, method string, u *url.URL, r Request) (*Response, fate, error) {
	h := header(r.Header, u)
	host := h.Get("Host")
	h.Del("Host")
	for k, hops := kindFor(method), 0; ; hops++ {
		req, err := request(ctx, method, u, r.Body)
		if err != nil {
			return nil, refused, err
		}
		req.Header = h
		if host != "" {
			req.Host = host
		}
		resp, f, err := c.send(req, k)
		if err != nil {
			if hops > 0 {
				err = fmt.Errorf("redirected to %s://%s: %w", u.Scheme, u.Host, err)
			}
			return nil, f, err
		}
		next, err := c.redirect(req, resp, r, hops)
		if err != nil {
			resp.Body.Close()
			return nil, answered, fmt.Errorf("status %d: %w", resp.StatusCode, err)
		}
		if next == nil {
			return c.read(ctx, resp)
		}
		io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
		resp.Body.Close()
		if !sameHost(next, u) {
			k, h, host = stranger, harmless(h), ""
		}
		u = next
	}
}

// request makes one without headers: net/http sends no user and password of a URL
// unless told so.
func request(ctx context.Context, method string, u *url.URL, body []byte) (*http.Request, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), reader)
	if err != nil {
		return nil, errors.New("the method or the URL is not one of HTTP")
	}
	return req, nil
}

// send sends a request and waits for the head of its answer.
func (c *Client) send(req *http.Request, k kind) (*http.Response, fate, error) {
	if a, err := netip.ParseAddr(req.URL.Hostname()); err == nil {
		if err := c.pool.reach.Check(a); err != nil {
			return nil, refused, err
		}
	}
	// Whether net/http has written something can be known only from when it had
	// a connection: what it writes is buffered.
	var asked, connected atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	resp, err := c.pool.transport(k).RoundTrip(req.WithContext(ctx))
	if err == nil {
		return resp, answered, nil
	}
	var cert *tls.CertificateVerificationError
	switch {
	case connected.Load():
		return nil, doubtful, plain(err)
	case !asked.Load(), errors.Is(err, ErrRefusedAddress), errors.As(err, &cert):
		return nil, refused, plain(err)
	}
	return nil, unsent, plain(err)
}

// read reads the whole body of an answer.
func (c *Client) read(ctx context.Context, resp *http.Response) (_ *Response, _ fate, err error) {
	defer resp.Body.Close()
	in := &roomReader{ctx: ctx, r: io.LimitReader(resp.Body, c.opt.MaxBody+1), room: c.opt.Room}
	defer func() {
		if err != nil {
			c.opt.Room.Give(in.taken)
		}
	}()
	data, err := io.ReadAll(in)
	if errors.Is(err, ErrNoRoom) {
		return nil, answered, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	if err != nil {
		return nil, doubtful, fmt.Errorf("status %d, and then: %w", resp.StatusCode, plain(err))
	}
	if int64(len(data)) > c.opt.MaxBody {
		return nil, answered, fmt.Errorf("status %d: %w (%d bytes)", resp.StatusCode, ErrTooLarge, c.opt.MaxBody)
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: data, Taken: in.taken}, answered, nil
}

// header returns the headers of the first request.
func header(h http.Header, u *url.URL) http.Header {
	all := canonical(h)
	if all.Get("User-Agent") == "" {
		all.Set("User-Agent", "solotick")
	}
	if u.User != nil && all.Get("Authorization") == "" {
		password, _ := u.User.Password()
		r := http.Request{Header: all}
		r.SetBasicAuth(u.User.Username(), password)
	}
	return all
}

// canonical returns a copy whose names are written as net/http looks them up.
func canonical(h http.Header) http.Header {
	all := make(http.Header, len(h)+1)
	for name, values := range h {
		name = http.CanonicalHeaderKey(name)
		all[name] = append(all[name], values...)
	}
	return all
}

// harmless returns the headers that may go to a host that they were not meant
// for.
func harmless(h http.Header) http.Header {
	few := http.Header{}
	for _, name := range []string{"Accept", "Accept-Language", "User-Agent"} {
		if values := h[name]; values != nil {
			few[name] = values
		}
	}
	return few
}

func kindFor(method string) kind {
	if slices.Contains(safe, method) {
		return shared
	}
	return single
}

// sameHost says whether two URLs have one origin (RFC 6454).
func sameHost(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

var errRedirect = errors.New("redirected")

// redirect returns where an answer points; nil: the answer is the answer.
func (c *Client) redirect(req *http.Request, resp *http.Response, r Request, hops int) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	where := resp.Header.Get("Location")
	if where == "" || c.opt.Redirects == Never || r.Body != nil || req.Method != http.MethodGet && req.Method != http.MethodHead {
		return nil, nil
	}
	next, err := req.URL.Parse(where)
	switch {
	case err != nil, next.Scheme != "https" && next.Scheme != "http", next.Hostname() == "":
		return nil, fmt.Errorf("%w to what is no address of http or https", errRedirect)
	case req.URL.Scheme == "https" && next.Scheme == "http":
		return nil, fmt.Errorf("%w from https to http (%s)", errRedirect, next.Host)
	case c.opt.Redirects == SameHost && !sameHost(next, req.URL):
		return nil, fmt.Errorf("%w to another host (%s://%s)", errRedirect, next.Scheme, next.Host)
	case hops+1 > maxHops:
		return nil, fmt.Errorf("%w more than %d times", errRedirect, maxHops)
	}
	return next, nil
}

const maxHops = 9
