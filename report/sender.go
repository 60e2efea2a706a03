package report

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/solotick/solotick/internal/outbox"
	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/register"
)

// A Config says where reports go, and how they prove who sends them.
type Config struct {
	URL   register.Secret // may hold what nobody else may know
	Token register.Secret // of a bearer; or
	Key   register.Secret // to sign with: see [SignatureHeader]

	Client *web.Client  // nil: one that follows no redirects, and uses the environment's proxy
	Log    *slog.Logger // nil: silent
	// Count is told what became of reports: accepted, refused or dropped. It is called
	// from any goroutine; nil: nobody is.
	Count func(outcome string, n int)
}

// What a Sender keeps, and how it sends.
const (
	mostWaiting = 1000 // reports, and 4 MiB of them
	atATime     = 4
	oneTry      = 10 * time.Second
)

// A Sender posts reports in the background. It keeps what it cannot post for as long
// as there is room, and tries again, ever more slowly; when there is none, the oldest
// is dropped. It is safe for concurrent use. A nil Sender sends nothing.
type Sender struct {
	cfg Config
	box *outbox.Box[message]
}

// A message is a report as it is sent.
type message struct {
	body []byte
	key  string
}

// NewSender makes a sender. It asks nobody anything yet.
func NewSender(c Config) (*Sender, error) {
	u, err := url.Parse(c.URL.Reveal())
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("report: want a URL that begins with https:// or http://")
	case c.Token.IsZero() == c.Key.IsZero():
		return nil, errors.New("report: want a token or a key to sign with, one of them")
	}
	if c.Client == nil {
		c.Client = web.New(web.Options{Redirects: web.Never, Timeout: oneTry, MaxBody: 64 << 10, Proxy: true})
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Count == nil {
		c.Count = func(string, int) {}
	}
	s := &Sender{cfg: c}
	s.box = outbox.New(outbox.Options[message]{
		Send: s.post, Size: func(m message) int { return len(m.body) }, Most: mostWaiting, Parallel: atATime,
		Note: func(o outbox.Outcome, n int, _ error) {
			if o != outbox.Failed {
				c.Count(string(o), n)
			}
		},
		Log: c.Log, What: "reports of runs", ToDo: "compare agent.report with what the server was told: its address, and the token or key",
	})
	return s, nil
}

// Send has a report posted, and never waits. What is longer than a report may be is
// cut.
func (s *Sender) Send(r Report) {
	if s == nil {
		return
	}
	r.Steps = slices.Clone(r.Steps)
	body, err := r.encode()
	if err != nil { // never, as long as agents make reports of runs
		s.cfg.Log.Warn("a run cannot be reported", "job", r.Job, "err", err)
		s.cfg.Count("dropped", 1)
		return
	}
	sum := sha256.Sum256([]byte(r.Key()))
	s.box.Add(message{body, hex.EncodeToString(sum[:16])})
}

// Close sends what waits once more, until ctx ends, and drops the rest.
func (s *Sender) Close(ctx context.Context) {
	if s == nil {
		return
	}
	s.box.Close(ctx)
	s.cfg.Client.Close()
}

// post posts one report.
func (s *Sender) post(ctx context.Context, all []message) error {
	m := all[0]
	h := http.Header{"Content-Type": {"application/json"}, KeyHeader: {m.key}}
	if s.cfg.Token.IsZero() {
		h.Set(SignatureHeader, Sign(s.cfg.Key, m.body, time.Now()))
	} else {
		h.Set("Authorization", "Bearer "+s.cfg.Token.Reveal())
	}
	resp, err := s.cfg.Client.Do(ctx, web.Request{Method: http.MethodPost, URL: s.cfg.URL.Reveal(), Header: h, Body: m.body})
	if errors.Is(err, web.ErrTooLarge) {
		return &outbox.Refused{Err: err} // whatever answers so is no server of reports
	}
	if err != nil {
		return err
	}
	return s.judge(resp)
}

// judge says what an answer means.
func (s *Sender) judge(resp *web.Response) error {
	if resp.Status >= 200 && resp.Status <= 299 {
		return nil
	}
	err := fmt.Errorf("%s answered %d", s.host(), resp.Status)
	if said := s.excerpt(resp.Body); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	switch resp.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
	default:
		if resp.Status < 500 {
			return &outbox.Refused{Err: err}
		}
	}
	after, _ := web.RetryAfter(resp.Header, time.Now())
	return &outbox.Later{Err: err, After: after}
}

// excerpt is the beginning of what a server said, without what it was sent.
func (s *Sender) excerpt(body []byte) string {
	text := string(body[:min(len(body), 4096)])
	for _, secret := range append(s.parts(), s.cfg.Token.Reveal(), s.cfg.Key.Reveal()) {
		if len(secret) > 3 {
			text = strings.ReplaceAll(text, secret, s.cfg.Token.String())
		}
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, head(text, 200))
	return strings.Join(strings.Fields(text), " ")
}

// parts are the URL, and all of it that a server may repeat and others may not know,
// the longest first: what stands behind the host, and who is said to ask.
func (s *Sender) parts() []string {
	all := []string{s.cfg.URL.Reveal()}
	u, err := url.Parse(s.cfg.URL.Reveal())
	if err != nil {
		return all
	}
	all = append(all, u.RequestURI(), u.RawQuery)
	for _, values := range u.Query() {
		for _, v := range values {
			all = append(all, v, url.QueryEscape(v))
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		all = append(all, u.User.String(), base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)), password)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return all
}

func (s *Sender) host() string {
	if u, err := url.Parse(s.cfg.URL.Reveal()); err == nil {
		return u.Host
	}
	return "the server"
}
