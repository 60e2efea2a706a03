package report

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/register"
)

// Header fields of a request with a report.
const (
	// SignatureHeader has the proof of a sender with a key:
	//
	//	Solotick-Signature: t=1767323040,v1=5257a869e7...
	//
	// where t is the time of sending in epoch seconds, and v1 the HMAC-SHA256, in
	// hexadecimal, of t as written, a dot, and the body as sent. There may be several
	// v1, by several keys.
	SignatureHeader = "Solotick-Signature"
	// KeyHeader is the same for a report that is sent twice.
	KeyHeader = "Idempotency-Key"
)

// The statuses of errors.
const (
	badRequest   = http.StatusBadRequest
	unauthorized = http.StatusUnauthorized
	forbidden    = http.StatusForbidden
	notAllowed   = http.StatusMethodNotAllowed
	tooLarge     = http.StatusRequestEntityTooLarge
	unsupported  = http.StatusUnsupportedMediaType
)

// An Error is why a report is not taken. Its text holds no secret, but may hold what
// the sender wrote.
type Error struct {
	Status int // of HTTP
	text   string
}

func (e *Error) Error() string { return e.text }

func fail(status int, format string, args ...any) error {
	return &Error{status, fmt.Sprintf(format, args...)}
}

// Status is the HTTP status to answer with: that of an [*Error], 200 if err is nil,
// and else 500. A 401 wants the header WWW-Authenticate: Bearer.
func Status(err error) int {
	var e *Error
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &e):
		return e.Status
	}
	return http.StatusInternalServerError
}

// An Auth says whom to believe. One of its ways is enough; with none nobody is.
// Several tokens or keys are for the time while they are changed.
type Auth struct {
	Tokens []register.Secret // Authorization: Bearer TOKEN
	Keys   []register.Secret // [SignatureHeader]
	// Passcode is what the agents of 2022 send in the body; it is no good for others.
	// Empty: they need what everybody needs.
	Passcode register.Secret
	// Window is how far a signature's time may be from this machine's, before and
	// after; 0: 5 min. A request can be replayed for as long, which does nothing to
	// who knows reports by their [Report.Key].
	Window time.Duration
}

// Read takes a report from a request. It reads no more than [MaxBody], and nothing
// of a body whose sender is not believed by a token. The error is an [*Error].
//
// A report by an agent of 2022 does not name its record: the name is then the query's
// record, as in /report?record=canary.example.com, and empty if there is none.
func Read(r *http.Request, a Auth) (Report, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return Report{}, fail(notAllowed, "%s: a report is sent by POST", r.Method)
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return Report{}, fail(unsupported, "want Content-Type: application/json")
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return Report{}, fail(unsupported, "Content-Encoding %.20q is not taken here", e)
	}
	proved, err := a.bearer(r)
	if err != nil {
		return Report{}, err
	}
	if r.ContentLength > MaxBody {
		return Report{}, fail(tooLarge, "a report has at most %d bytes", MaxBody)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return Report{}, fail(badRequest, "the body ended early")
	}
	if len(body) > MaxBody {
		return Report{}, fail(tooLarge, "a report has at most %d bytes", MaxBody)
	}
	if !proved && r.Header.Get(SignatureHeader) != "" {
		if err := a.Verify(r.Header.Get(SignatureHeader), body, time.Now()); err != nil {
			return Report{}, err
		}
		proved = true
	}
	if !proved && !a.passcode(body) {
		return Report{}, a.unproved()
	}
	rep, err := Parse(body)
	if err != nil {
		return Report{}, err
	}
	if name := r.URL.Query().Get("record"); rep.Original && name != "" {
		if len(name) > maxName || !dnsName.MatchString(name) {
			return Report{}, fail(badRequest, "the query's record is no DNS name")
		}
		rep.Record = strings.ToLower(strings.TrimSuffix(name, "."))
	}
	return rep, nil
}

// bearer says whether the request has one of the tokens.
func (a *Auth) bearer(r *http.Request) (bool, error) {
	head := r.Header.Get("Authorization")
	if head == "" || len(a.Tokens) == 0 {
		return false, nil
	}
	scheme, token, _ := strings.Cut(head, " ")
	if !strings.EqualFold(scheme, "Bearer") || !anyOf(a.Tokens, strings.TrimSpace(token)) {
		return false, fail(unauthorized, "the token is not the one that is known here")
	}
	return true, nil
}

// anyOf compares in a time that tells nothing of the secrets.
func anyOf(secrets []register.Secret, text string) bool {
	sum, found := sha256.Sum256([]byte(text)), 0
	for _, s := range secrets {
		want := sha256.Sum256([]byte(s.Reveal()))
		if !s.IsZero() {
			found |= subtle.ConstantTimeCompare(sum[:], want[:])
		}
	}
	return found == 1
}

// passcode says whether the body is one of an agent of 2022 with the right number.
func (a *Auth) passcode(body []byte) bool {
	if a.Passcode.IsZero() {
		return false
	}
	_, code, err := parseOriginal(body)
	return err == nil && anyOf([]register.Secret{a.Passcode}, code)
}

func (a *Auth) unproved() error {
	var ways []string
	if len(a.Tokens) > 0 {
		ways = append(ways, "a token (Authorization: Bearer)")
	}
	if len(a.Keys) > 0 {
		ways = append(ways, "a signature ("+SignatureHeader+")")
	}
	if !a.Passcode.IsZero() {
		ways = append(ways, "the passcode of sync-agents-over-dns")
	}
	if ways == nil {
		return fail(forbidden, "no reports are taken here: neither a token nor a key is known")
	}
	return fail(unauthorized, "nothing proves who sends this: want %s", strings.Join(ways, " or "))
}

// Verify checks the value of a [SignatureHeader] against the body as it came. The
// error is an [*Error].
func (a *Auth) Verify(header string, body []byte, now time.Time) error {
	if len(a.Keys) == 0 {
		return fail(unauthorized, "it is signed, and no key is known here")
	}
	var t string
	var given [][]byte
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch sum, err := hex.DecodeString(value); {
		case name == "t":
			t = value
		case name == "v1" && err == nil && len(given) < 10:
			given = append(given, sum)
		}
	}
	sec, err := strconv.ParseInt(t, 10, 64)
	if err != nil || len(given) == 0 {
		return fail(unauthorized, "%s: want t=SECONDS,v1=HMAC", SignatureHeader)
	}
	good := false
	for _, key := range a.Keys {
		if key.IsZero() {
			continue
		}
		want := mac(key, t, body)
		for _, sum := range given {
			good = hmac.Equal(want, sum) || good
		}
	}
	if !good {
		return fail(unauthorized, "the signature is not by a key that is known here, or the body was changed on its way")
	}
	window := cmp.Or(a.Window, 5*time.Minute)
	if w := int64(window / time.Second); sec < now.Unix()-w || sec > now.Unix()+w {
		return fail(unauthorized, "signed at %s, and here it is %s: more than %s apart. It is old, or one of the two clocks is wrong",
			time.Unix(min(max(sec, 0), maxTime.Unix()), 0).UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339), window)
	}
	return nil
}

// Sign is the value of a [SignatureHeader].
func Sign(key register.Secret, body []byte, now time.Time) string {
	t := strconv.FormatInt(now.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(key, t, body))
}

func mac(key register.Secret, t string, body []byte) []byte {
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	h.Write([]byte(t + "."))
	h.Write(body)
	return h.Sum(nil)
}
