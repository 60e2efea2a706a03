package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// An Admin lets operators change records. What they may do is what Change does.
type Admin struct {
	// Token proves an operator: at least 16 bytes. It is the bearer of requests of
	// programs, and what a person logs in with.
	Token string
	// Change carries a wish out and says in one sentence what was done. The error may
	// be a [*Problem].
	Change func(ctx context.Context, w Wish) (string, error)
}

// A Wish is what an operator wants.
type Wish struct {
	Verb   string // pause, resume or trigger
	Name   string // of the record
	For    time.Duration
	Reason string
}

// The verbs.
const (
	Pause   = "pause"
	Resume  = "resume"
	Trigger = "trigger"
)

var verbs = []string{Pause, Resume, Trigger}

const (
	leastToken  = 16
	mostForm    = 8 << 10
	mostReason  = 40               // as the record has it
	changeTime  = 50 * time.Second // which is more than a change by hand takes
	mostChanges = 4                // at once
)

// A desk is where operators' wishes arrive.
type desk struct {
	Admin
	sessions sessions
	slots    chan struct{}
	origin   *http.CrossOriginProtection
	tries    rates // of tokens that were wrong
	path     string
}

func newDesk(a *Admin, base string) (*desk, error) {
	switch {
	case len(a.Token) < leastToken:
		return nil, fmt.Errorf("the operators' token has %d bytes: want at least %d", len(a.Token), leastToken)
	case a.Change == nil:
		return nil, errors.New("operators cannot be allowed what nobody carries out")
	}
	return &desk{
		Admin: *a, slots: make(chan struct{}, mostChanges), origin: http.NewCrossOriginProtection(),
		tries: rates{every: 5 * time.Second, burst: 5}, path: base + "/",
	}, nil
}

// A changeDocument tells a program what was done.
type changeDocument struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Verb   string `json:"verb"`
	Text   string `json:"text"`
}

// change serves programs: POST /api/v1/records/{name}/VERB with the token as bearer.
func (a *API) change(verb string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !a.bearer(w, r) {
			return
		}
		item, ok := a.named(w, r)
		if !ok {
			return
		}
		wish, err := wishOfJSON(w, r)
		if err != nil {
			refuse(w, r, err.Error())
			return
		}
		wish.Verb, wish.Name = verb, item.Name
		text, err := a.carryOut(r, wish, "token")
		if err != nil {
			problemOf(err, http.StatusBadGateway).write(w, r)
			return
		}
		writeJSON(w, r, http.StatusOK, "application/json", changeDocument{ChangeSchema, item.Name, verb, text})
	}
}

// bearer says whether a request has the operators' token, and answers if it has not.
func (a *API) bearer(w http.ResponseWriter, r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if h := r.Header.Get(TokenHeader); h != "" {
		scheme, token = "bearer", h
	}
	err := a.admin.prove(r, strings.EqualFold(scheme, "bearer"), strings.TrimSpace(token))
	if err == nil {
		return true
	}
	a.denied(r, err)
	if err.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="solotick"`)
	}
	err.write(w, r)
	return false
}

// TokenHeader has the operators' token, where Authorization is needed for the
// password of a reader.
const TokenHeader = "Solotick-Token"

// denied notes who was not believed.
func (a *API) denied(r *http.Request, err error) {
	a.cfg.Log.Warn("operator refused", append(from(r), "path", bounded(r.URL.Path, 200), "err", err)...)
}

// from says where a request comes from, for the log. What a proxy says of it is
// what anybody could have written.
func from(r *http.Request) []any {
	all := []any{"remote", remoteOf(r)}
	if by := r.Header.Get("X-Forwarded-For"); by != "" {
		all = append(all, "forwarded_for", bounded(by, 200))
	}
	return all
}

// prove says whether somebody who gives a token is an operator.
func (d *desk) prove(r *http.Request, given bool, token string) *Problem {
	const means = "nothing was changed"
	if !given {
		return &Problem{Status: http.StatusUnauthorized, Detail: "this needs the operators' token", Means: means, Do: "send it: Authorization: Bearer TOKEN, or " + TokenHeader + ": TOKEN"}
	}
	if d.tries.wait(remoteOf(r), time.Now()) > 0 {
		return &Problem{Status: http.StatusTooManyRequests, Detail: "too many wrong tokens from one address", Means: means, Do: "try again in a minute"}
	}
	if same(token, d.Token) {
		return nil
	}
	d.tries.take(remoteOf(r), time.Now())
	return &Problem{Status: http.StatusUnauthorized, Detail: "that is not the operators' token", Means: means, Do: "it is in the file that solotick serve --admin-token-file names"}
}

// wishOfJSON reads the body of a program's request, which may be empty.
func wishOfJSON(w http.ResponseWriter, r *http.Request) (Wish, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostForm))
	if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
		return Wish{}, fmt.Errorf("the body has more than %d bytes", tooLong.Limit)
	}
	if err != nil {
		return Wish{}, errors.New("the body ended early")
	}
	if len(body) == 0 {
		return Wish{}, nil
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return Wish{}, errors.New("want Content-Type: application/json")
	}
	var in struct {
		For    string `json:"for"`
		Reason string `json:"reason"`
	}
	// A word that is not known may have been a limit, so it is not passed over.
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil || d.More() {
		return Wish{}, errors.New(`the body is no JSON object of the form {"for": "2h", "reason": "..."}`)
	}
	return wishOf(in.For, in.Reason)
}

func wishOf(howLong, reason string) (Wish, error) {
	wish := Wish{Reason: reason}
	if len(reason) > mostReason {
		return Wish{}, fmt.Errorf("the reason has %d bytes: want at most %d, since it goes into the record", len(reason), mostReason)
	}
	if howLong = strings.TrimSpace(howLong); howLong == "" {
		return wish, nil
	}
	var err error
	if wish.For, err = time.ParseDuration(howLong); err != nil || wish.For < time.Second {
		return Wish{}, fmt.Errorf("for %q: want a time of at least 1s, such as 90m or 48h; nothing: until somebody resumes it", bounded(howLong, 40))
	}
	return wish, nil
}

// carryOut has a wish carried out, and notes who wished it.
func (a *API) carryOut(r *http.Request, wish Wish, who string) (string, error) {
	d := a.admin
	// Who has gone meanwhile does not leave a write behind of which nobody knows
	// whether it was done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), changeTime)
	defer cancel()
	attrs := append([]any{"verb", wish.Verb, "record", wish.Name, "by", who}, from(r)...)
	if wish.For > 0 {
		attrs = append(attrs, "for", wish.For)
	}
	if wish.Reason != "" {
		attrs = append(attrs, "reason", bounded(wish.Reason, 200))
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return "", &Problem{Status: http.StatusServiceUnavailable, Detail: "too many changes are under way", Means: "nothing was changed", Do: "try again in a minute"}
	}
	text, err := d.Change(ctx, wish)
	if err != nil {
		a.cfg.Log.Warn("operator's wish was not carried out", append(attrs, "err", err)...)
		return "", err
	}
	a.cfg.Log.Info("operator's wish was carried out", append(attrs, "done", text)...)
	return text, nil
}

// form serves people: POST /admin/VERB of a form on a page.
func (a *API) form(verb string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, form, ok := a.ofSession(w, r)
		if !ok {
			return
		}
		wish, err := wishOf(form.Get("for"), form.Get("reason"))
		if err != nil {
			a.fail(w, r, refusal(err.Error()))
			return
		}
		item, ok := a.find(form.Get("name"))
		if !ok {
			a.fail(w, r, unknown(form.Get("name")))
			return
		}
		wish.Verb, wish.Name = verb, item.Name
		text, err := a.carryOut(r, wish, "session "+who)
		if err != nil {
			a.fail(w, r, problemOf(err, http.StatusBadGateway))
			return
		}
		if asksForPage(r) {
			back := form.Get("back")
			if back == "" {
				back = a.admin.path + "records/" + url.PathEscape(item.Name)
			}
			http.Redirect(w, r, a.admin.back(back), http.StatusSeeOther)
			return
		}
		writeJSON(w, r, http.StatusOK, "application/json", changeDocument{ChangeSchema, item.Name, verb, text})
	}
}

// ofSession reads the form of somebody who has logged in, and answers if nobody has
// or if it is not known that a page of this program has sent it.
func (a *API) ofSession(w http.ResponseWriter, r *http.Request) (who string, form url.Values, ok bool) {
	const means = "nothing was changed"
	if err := a.admin.origin.Check(r); err != nil {
		p := &Problem{Status: http.StatusForbidden, Detail: "this form comes from a page of another site", Means: means, Do: "use the page here; a proxy in between has to pass the Host header on"}
		a.denied(r, p)
		a.fail(w, r, p)
		return "", nil, false
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	if err := r.ParseForm(); err != nil {
		a.fail(w, r, refusal("this is no form, or too long a one"))
		return "", nil, false
	}
	s, found := a.admin.sessions.of(r, time.Now())
	switch {
	case !found:
		a.fail(w, r, &Problem{Status: http.StatusUnauthorized, Detail: "nobody is logged in, or that was too long ago", Means: means, Do: "log in", link: a.admin.path + "admin/login"})
		return "", nil, false
	case !same(r.PostForm.Get("csrf"), s.csrf):
		p := &Problem{Status: http.StatusForbidden, Detail: "this form is not of this session", Means: means, Do: "load the page again, and send it once more"}
		a.denied(r, p)
		a.fail(w, r, p)
		return "", nil, false
	}
	return s.id, r.PostForm, true
}

// back is where a person goes after a form: to a path of this site, or to the first
// page.
func (d *desk) back(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, d.path) || strings.ContainsAny(path, "\\\r\n") || strings.HasPrefix(path, "//") {
		return d.path
	}
	return u.String()
}

// later says in a header when to try again.
func later(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
}
