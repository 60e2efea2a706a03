package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/solotick/solotick/internal/web"
)

// A failure is an error whose text holds no secret and which wraps no other's
// text: only what callers ask for.
type failure struct {
	text string
	is   []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.is }

// fail makes a failure of an error that others wrote.
func fail(err error, uncertain bool, secrets ...Secret) error {
	f := &failure{text: scrub(err.Error(), secrets...)}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, web.ErrRefusedAddress} {
		if errors.Is(err, known) {
			f.is = append(f.is, known)
		}
	}
	if uncertain {
		f.is = append(f.is, ErrUncertain)
		if !strings.Contains(f.text, "all the same") { // package web says so too
			f.text += ": " + ErrUncertain.Error()
		}
	}
	return f
}

// A sender is a client that is made when it is first needed.
type sender struct {
	once sync.Once
	own  *web.Client
}

// use returns the given client or else one of its own, which repeats only what
// was surely not taken.
func (s *sender) use(given *web.Client) *web.Client {
	if given != nil {
		return given
	}
	s.once.Do(func() { s.own = web.New(web.Options{Redirects: web.Never, Retries: 2}) })
	return s.own
}

// do sends a request. The error is uncertain where the request may have been
// received, although the answer could not be read.
func do(ctx context.Context, c *web.Client, r web.Request, secrets ...Secret) (*web.Response, error) {
	resp, err := c.Do(ctx, r)
	if err != nil {
		return nil, fail(err, errors.Is(err, web.ErrUncertain) || errors.Is(err, web.ErrTooLarge), secrets...)
	}
	return resp, nil
}

// send sends a request to a service that says by the status alone whether it
// has taken a message: it has if the answer is 2xx, it has not if it is 3xx or
// 4xx, and nothing is known if the service failed.
func send(ctx context.Context, c *web.Client, r web.Request, secrets ...Secret) (*web.Response, error) {
	resp, err := do(ctx, c, r, secrets...)
	if err != nil {
		return nil, err
	}
	if err := refusal(r.URL, resp, secrets...); err != nil {
		return nil, err
	}
	return resp, nil
}

// refusal is the error for an answer that is not 2xx.
func refusal(rawURL string, resp *web.Response, secrets ...Secret) error {
	if resp.Status >= 200 && resp.Status <= 299 {
		return nil
	}
	text := fmt.Sprintf("%s answered %d", hostOf(rawURL), resp.Status)
	switch {
	case resp.Status == http.StatusTooManyRequests:
		text += ": too many messages"
		if wait, ok := web.RetryAfter(resp.Header, time.Now()); ok {
			text += fmt.Sprintf(", and none for another %s", wait.Round(time.Second))
		}
	case resp.Status >= 300 && resp.Status <= 399:
		text += ": it is elsewhere, and a message is not sent after it: correct the URL"
	}
	if said := excerpt(resp.Body, secrets...); said != "" {
		text += ": " + said
	}
	return fail(errors.New(text), resp.Status >= 500, secrets...)
}

// excerpt is the beginning of what a service said, in one line.
func excerpt(body []byte, secrets ...Secret) string {
	return cutBare(oneLine(scrub(string(body), secrets...)), 300, runes)
}

// hostOf is what of a URL may be shown.
func hostOf(rawURL string) string {
	if u, err := url.Parse(rawURL); err == nil && u.Host != "" {
		return u.Host
	}
	return "the service"
}

// jsonRequest is a POST of a JSON document.
func jsonRequest(rawURL string, document any) (web.Request, error) {
	body, err := json.Marshal(document)
	if err != nil {
		return web.Request{}, fmt.Errorf("write the message as JSON: %w", err)
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json; charset=utf-8")
	return web.Request{Method: http.MethodPost, URL: rawURL, Header: h, Body: body}, nil
}

// post sends a JSON document to a service that answers by status.
func post(ctx context.Context, c *web.Client, service, rawURL string, document any, secrets ...Secret) (*web.Response, error) {
	r, err := jsonRequest(rawURL, document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", service, err)
	}
	resp, err := send(ctx, c, r, secrets...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", service, err)
	}
	return resp, nil
}

// checkURL says what is wrong with a URL, without showing it.
func checkURL(name string, rawURL Secret) error {
	u, err := url.Parse(rawURL.reveal())
	switch {
	case rawURL.IsZero():
		return fmt.Errorf("%s is missing", name)
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%s: want a URL that begins with https:// or http://", name)
	}
	return nil
}

// checkOneOf says that a value is none of those that there are; the first is the
// default.
func checkOneOf(name, value string, all ...string) error {
	for _, v := range all {
		if cmp.Or(value, all[0]) == v {
			return nil
		}
	}
	return fmt.Errorf("%s is %q: want %s", name, value, strings.Join(all, ", "))
}
