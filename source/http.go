package source

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/solotick/solotick/internal/web"
)

// minBody is room for a signature, and for what a server says about an error,
// where a text may be only small.
const minBody = 1 << 20

// A getter sends GET requests and makes readings of the answers.
type getter struct {
	client *web.Client
	max    int64
}

func newGetter(o Options, r web.Redirects) getter {
	return getter{max: o.MaxSize, client: web.New(web.Options{
		Reach: o.Reach, TLS: o.TLS, Redirects: r, Timeout: o.Timeout,
		MaxBody: max(o.MaxSize, minBody), Retries: 1, Proxy: o.Proxy,
	})}
}

func (g *getter) close() { g.client.Close() }

// get sends one request, and words what keeps an answer from coming.
func (g *getter) get(ctx context.Context, u *url.URL, h http.Header) (*web.Response, error) {
	resp, err := g.client.Do(ctx, web.Request{URL: u.String(), Header: h})
	switch {
	case err == nil && ctx.Err() != nil:
		// A server that is told of the end of the connection while it sends may
		// end the body in good order, and that may still arrive: half a text.
		return nil, ctx.Err()
	case err == nil:
		return resp, nil
	case errors.Is(err, web.ErrTooLarge):
		return nil, tooLarge(g.max)
	case errors.Is(err, web.ErrUncertain):
		// Of no matter: what is only read may be read again.
		if all, ok := err.(interface{ Unwrap() []error }); ok {
			return nil, fmt.Errorf("%s: %w", u.Host, all.Unwrap()[0])
		}
	}
	return nil, err
}

// condition asks for the text only if it is another than the one described.
func (v validator) condition(h http.Header) {
	if v.etag != "" {
		h.Set("If-None-Match", v.etag)
	} else if v.modified != "" {
		h.Set("If-Modified-Since", v.modified)
	}
}

// reading makes a reading of an answer.
func (g *getter) reading(resp *web.Response, since validator) (reading, error) {
	switch {
	case resp.Status == http.StatusNotModified && since != validator{}:
		return reading{unchanged: true}, nil
	case resp.Status != http.StatusOK:
		return reading{}, refused(resp, "")
	case int64(len(resp.Body)) > g.max:
		return reading{}, tooLarge(g.max)
	}
	v := validator{etag: resp.Header.Get("ETag")}
	// Two texts may have the same second in Last-Modified as long as that second
	// has not passed: RFC 9110 section 8.8.2.2.
	modified, err := http.ParseTime(resp.Header.Get("Last-Modified"))
	if date, dateErr := http.ParseTime(resp.Header.Get("Date")); err == nil && dateErr == nil && date.Sub(modified) > time.Second {
		v.modified = resp.Header.Get("Last-Modified")
	}
	return reading{text: resp.Body, validator: v}, nil
}

// refused makes an error of a status, and of what the service said about it.
func refused(resp *web.Response, said string) error {
	status := strings.TrimSpace(fmt.Sprintf("%d %s", resp.Status, http.StatusText(resp.Status)))
	if said != "" {
		status += ": " + said
	}
	switch resp.Status {
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: %s", ErrNotFound, status)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: %s", ErrDenied, status)
	}
	return errors.New(status)
}

// A complaint is the body of an error of S3, Google Cloud Storage (XML API) and
// Azure Blob Storage alike.
type complaint struct {
	Code    string
	Message string
	Details string // Google: who lacks which permission
	Region  string // S3: where the bucket is
}

func complained(resp *web.Response) complaint {
	var c complaint
	if xml.Unmarshal(resp.Body, &c) != nil {
		return complaint{}
	}
	return c
}

// sentence is what a complaint says, unless it repeats a secret of the request.
func (c complaint) sentence(u *url.URL, h http.Header) string {
	text := c.Code
	if message := cmp.Or(c.Details, c.Message); message != "" {
		text = strings.TrimPrefix(text+": "+message, ": ")
	}
	for _, secret := range secrets(u, h) {
		if strings.Contains(text, secret) {
			return ""
		}
	}
	return line(text)
}

// secrets are the parts of a request that must not be shown: what its query says,
// and the headers by which it proves who it is from.
func secrets(u *url.URL, h http.Header) []string {
	var all []string
	for _, values := range u.Query() {
		for _, v := range values {
			all = append(all, v, url.QueryEscape(v))
		}
	}
	for _, name := range []string{"Authorization", "X-Amz-Security-Token"} {
		for _, v := range h.Values(name) {
			all = append(all, strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' || r == '=' })...)
		}
	}
	var long []string
	for _, s := range all {
		if len(s) > 20 { // shorter ones are dates, methods and the like
			long = append(long, s)
		}
	}
	return long
}

// line makes one line of at most 300 characters, without the queries of URLs, of
// what a service or a library says.
func line(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	for i, w := range words {
		if before, _, ok := strings.Cut(w, "?"); ok && strings.Contains(before, "://") {
			words[i] = before + "?..."
		}
	}
	runes := []rune(strings.Join(words, " "))
	if len(runes) > 300 {
		runes = append(runes[:300], []rune("...")...)
	}
	return string(runes)
}

// A site is a text on a web server.
type site struct {
	getter
	url    *url.URL
	header http.Header
}

func (s *site) String() string { return bare(s.url) }

func (s *site) read(ctx context.Context, suffix string, since validator) (reading, error) {
	h := s.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Cache-Control", "no-cache") // an agent must not lag behind the others because of a cache in between
	since.condition(h)
	u := *s.url
	u.Path += suffix
	if u.RawPath != "" {
		u.RawPath += suffix
	}
	resp, err := s.get(ctx, &u, h)
	if err != nil {
		return reading{}, err
	}
	return s.reading(resp, since)
}
