package trace

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/solotick/solotick/internal/outbox"
	"github.com/solotick/solotick/internal/web"
)

// How spans are sent.
const (
	mostSpans = 2048 // that wait
	batch     = 256
	linger    = 2 * time.Second
)

// An Exporter sends spans in the background. It drops what it cannot send. A nil
// Exporter sends nothing.
type Exporter struct {
	set     *settings
	version string
	client  *web.Client
	log     *slog.Logger
	box     *outbox.Box[Span]
}

// A Config is what an exporter is made of.
type Config struct {
	Getenv  func(string) string
	Version string // of this program
	Agent   string // identifies this process
	Log     *slog.Logger
}

// New makes an exporter as the environment has it: nil if it names no collector. An
// error says what of it cannot be used, and then nothing is sent.
func New(c Config) (*Exporter, error) {
	set, err := fromEnvironment(c.Getenv)
	if err != nil || set == nil {
		return nil, err
	}
	own := []Attr{{"service.version", c.Version}, {"service.instance.id", c.Agent}}
	for _, a := range own {
		if !slices.ContainsFunc(set.attrs, func(b Attr) bool { return a.Key == b.Key }) {
			set.attrs = append(set.attrs, a)
		}
	}
	e := &Exporter{set: set, version: c.Version, log: c.Log}
	e.client = web.New(web.Options{Redirects: web.Never, Timeout: set.timeout, MaxBody: 64 << 10, TLS: set.tls, Proxy: true})
	e.box = outbox.New(outbox.Options[Span]{
		Send: e.post, Most: mostSpans, Batch: batch, Linger: linger, Tries: 6,
		Log: c.Log, What: "traces of runs", ToDo: "see whether OTEL_EXPORTER_OTLP_ENDPOINT is a collector that takes OTLP by HTTP, and OTEL_EXPORTER_OTLP_HEADERS what it wants",
	})
	return e, nil
}

// Add has spans sent, and never waits.
func (e *Exporter) Add(spans ...Span) {
	if e == nil {
		return
	}
	for _, s := range spans {
		e.box.Add(s)
	}
}

// Host is where spans go, without what may be secret.
func (e *Exporter) Host() string {
	if u, err := url.Parse(e.set.url); err == nil {
		return u.Scheme + "://" + u.Host
	}
	return "the collector"
}

// Close sends what waits once more, until ctx ends, and drops the rest.
func (e *Exporter) Close(ctx context.Context) {
	if e == nil {
		return
	}
	e.box.Close(ctx)
	e.client.Close()
}

// post sends a batch: OTLP section OTLP/HTTP.
func (e *Exporter) post(ctx context.Context, spans []Span) error {
	body, err := encode(e.set.attrs, e.version, spans)
	if err != nil {
		return &outbox.Refused{Err: err}
	}
	h := e.set.header.Clone()
	h.Set("Content-Type", "application/json")
	if h.Get("User-Agent") == "" {
		h.Set("User-Agent", "solotick-otlp/"+e.version)
	}
	if e.set.gzip {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(body) // a buffer takes everything
		_ = w.Close()
		body = b.Bytes()
		h.Set("Content-Encoding", "gzip")
	}
	resp, err := e.client.Do(ctx, web.Request{Method: http.MethodPost, URL: e.set.url, Header: h, Body: body})
	switch {
	case errors.Is(err, web.ErrTooLarge):
		return &outbox.Refused{Err: err}
	case err != nil:
		return err
	}
	return e.judge(resp)
}

// judge says what an answer means.
func (e *Exporter) judge(resp *web.Response) error {
	switch resp.Status {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		if n, why := rejected(resp.Body); n > 0 {
			return &outbox.Refused{Err: fmt.Errorf("%s took all but %d spans: %s", e.Host(), n, plain(why))}
		}
		return nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		after, _ := web.RetryAfter(resp.Header, time.Now())
		return &outbox.Later{Err: errors.New(e.Host() + " answered " + strconv.Itoa(resp.Status)), After: after}
	}
	return &outbox.Refused{Err: errors.New(e.Host() + " answered " + strconv.Itoa(resp.Status))}
}

// plain is the beginning of what a collector said, in one line.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, text[:min(len(text), 200)])
	return strings.Join(strings.Fields(text), " ")
}
