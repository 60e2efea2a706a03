package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/internal/web"
)

// webhookTextLimit bounds the document; a receiver is seldom ready for more.
const webhookTextLimit = 64000

// A Webhook posts the document of [Message.MarshalJSON] to a URL. The receiver
// has taken a message when it answers 2xx. It can recognise a message that is
// sent twice by the header Solotick-Key, which is the message's key.
//
// With a secret, a request has the header
//
//	Solotick-Signature: t=1767323040,v1=5257a869e7...
//
// where t is the time of sending, in seconds since 1970, and v1 the HMAC-SHA256,
// in hexadecimal, of t as written, a dot, and the body as sent. A receiver
// computes it anew, compares in constant time, and refuses what is older than
// minutes.
type Webhook struct {
	URL    Secret
	Header map[string]Secret // in addition
	Secret Secret            // empty: not signed
	// Idempotent says that the receiver does nothing twice for one value of the
	// header Idempotency-Key. The message's key is then sent in that, and a
	// request whose answer was lost is sent again at once.
	Idempotent bool

	Client *web.Client // nil: one with two retries

	sender sender
}

// Check says what is wrong with the fields.
func (w *Webhook) Check() error {
	if err := checkURL("url", w.URL); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	for name, value := range w.Header {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
			return fmt.Errorf("webhook: %q is no name of a header", name)
		}
		if strings.ContainsAny(value.reveal(), "\r\n\x00") {
			return fmt.Errorf("webhook: the header %s has a line feed in it", name)
		}
	}
	return nil
}

// Notify implements [Notifier]. The ref is always empty.
func (w *Webhook) Notify(ctx context.Context, m *Message) (string, error) {
	if err := w.Check(); err != nil {
		return "", err
	}
	r, err := jsonRequest(w.URL.reveal(), m.Brief(webhookTextLimit))
	if err != nil {
		return "", fmt.Errorf("webhook: %w", err)
	}
	secrets := []Secret{w.URL, w.Secret}
	for name, value := range w.Header {
		r.Header.Set(name, value.reveal())
		secrets = append(secrets, value)
	}
	key := "Solotick-Key"
	if w.Idempotent {
		key = "Idempotency-Key" // for package web, that it may repeat it
	}
	r.Header.Set(key, oneLine(m.Key()))
	if !w.Secret.IsZero() {
		r.Header.Set("Solotick-Signature", signature(w.Secret, time.Now(), r.Body))
	}
	if _, err := send(ctx, w.sender.use(w.Client), r, secrets...); err != nil {
		return "", fmt.Errorf("webhook: %w", err)
	}
	return "", nil
}

func signature(secret Secret, now time.Time, body []byte) string {
	t := strconv.FormatInt(now.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, body))
}

func mac(secret Secret, t string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(secret.reveal()))
	h.Write([]byte(t + "."))
	h.Write(body)
	return h.Sum(nil)
}

// pingLimit is what healthchecks.io kept of a body in its earliest version; it
// keeps more now.
const pingLimit = 10000

// A Ping tells a monitor that waits to hear from a job, as healthchecks.io does:
// it requests URL when a condition has cleared, and FailURL when it fires or
// still does. For one that fired and cleared it requests both, and for a test
// URL.
type Ping struct {
	URL     Secret
	FailURL Secret // empty: URL with /fail added to its path
	Method  string // POST (also if empty), with the message as the body, or GET, with none

	Client *web.Client // nil: one with two retries

	sender sender
}

// Check says what is wrong with the fields.
func (p *Ping) Check() error {
	if err := checkURL("url", p.URL); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	if !p.FailURL.IsZero() {
		if err := checkURL("fail_url", p.FailURL); err != nil {
			return fmt.Errorf("ping: %w", err)
		}
	}
	if err := checkOneOf("method", p.Method, http.MethodPost, http.MethodGet); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// Notify implements [Notifier]. The ref is always empty.
func (p *Ping) Notify(ctx context.Context, m *Message) (string, error) {
	if err := p.Check(); err != nil {
		return "", err
	}
	fail, ok := p.failURL(), p.URL.reveal()
	var all []string
	switch m.Kind {
	case Firing, Reminder:
		all = []string{fail}
	case Passed:
		all = []string{fail, ok}
	default:
		all = []string{ok}
	}
	r := web.Request{Method: http.MethodGet}
	if p.Method != http.MethodGet {
		r.Method, r.Body = http.MethodPost, []byte(m.plain(pingLimit, octets))
		r.Header = http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	}
	for i, u := range all {
		r.URL = u
		if _, err := send(ctx, p.sender.use(p.Client), r, p.URL, p.FailURL); err != nil {
			return "", fmt.Errorf("ping: %w", halfway(err, i))
		}
	}
	return "", nil
}

func (p *Ping) failURL() string {
	if !p.FailURL.IsZero() {
		return p.FailURL.reveal()
	}
	before, query, has := strings.Cut(p.URL.reveal(), "?")
	u := strings.TrimSuffix(before, "/") + "/fail"
	if has {
		u += "?" + query
	}
	return u
}

// halfway makes an error uncertain if requests before it were taken.
func halfway(err error, done int) error {
	if done == 0 || errors.Is(err, ErrUncertain) {
		return err
	}
	return fail(err, true)
}
