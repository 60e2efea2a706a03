package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
)

// cookieName is the cookie of a session.
const cookieName = "solotick_session"

const (
	sessionTime  = 12 * time.Hour
	mostSessions = 64
)

// A session is that of a person who has given the token.
type session struct {
	id   string // for the log; no secret
	csrf string // which only a page that was made for this session has
	ends time.Time
}

// sessions are all of them, by the hash of what is in the cookie.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]session
}

// begin makes a session and returns what its cookie holds.
func (s *sessions) begin(now time.Time) (secret string, _ session) {
	one := session{id: rand.Text()[:8], csrf: rand.Text(), ends: now.Add(sessionTime)}
	secret = rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[[sha256.Size]byte]session{}
	}
	for len(s.all) >= mostSessions {
		var first [sha256.Size]byte
		ends := time.Time{}
		for key, other := range s.all {
			if ends.IsZero() || other.ends.Before(ends) {
				first, ends = key, other.ends
			}
		}
		delete(s.all, first)
	}
	s.all[sha256.Sum256([]byte(secret))] = one
	return secret, one
}

// of finds the session of a request.
func (s *sessions) of(r *http.Request, now time.Time) (session, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return session{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(c.Value))
	one, ok := s.all[key]
	if ok && now.After(one.ends) {
		delete(s.all, key)
		ok = false
	}
	return one, ok
}

// end drops the session of a request.
func (s *sessions) end(r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, sha256.Sum256([]byte(c.Value)))
	}
}

// Session says whether a request is of an operator who has logged in, and which
// text the forms of a page that is made for it must have as csrf.
func (a *API) Session(r *http.Request) (csrf string, ok bool) {
	if a.admin == nil {
		return "", false
	}
	s, ok := a.admin.sessions.of(r, time.Now())
	return s.csrf, ok
}

// same compares secrets in a time that tells nothing of them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// toLogin sends who asks for no page in particular to the one that there is.
func (a *API) toLogin(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, a.admin.path+"admin/login", http.StatusSeeOther)
}

// loginForm serves the form for the token.
func (a *API) loginForm(w http.ResponseWriter, r *http.Request) {
	s, _ := a.admin.sessions.of(r, time.Now())
	f := a.frame(r, "operators")
	writePage(w, http.StatusOK, loginPage, loginOnPage{f, a.admin.path, a.admin.back(r.URL.Query().Get("back")), s.csrf})
}

// login begins a session with the token.
func (a *API) login(w http.ResponseWriter, r *http.Request) {
	if err := a.admin.origin.Check(r); err != nil {
		a.fail(w, r, &Problem{Status: http.StatusForbidden, Detail: "this form comes from a page of another site", Means: "nobody was logged in", Do: "use the page here; a proxy in between has to pass the Host header on"})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	if err := r.ParseForm(); err != nil {
		a.fail(w, r, refusal("this is no form, or too long a one"))
		return
	}
	if p := a.admin.prove(r, true, r.PostForm.Get("token")); p != nil {
		p.Means = "nobody was logged in"
		if p.Status == http.StatusUnauthorized && asksForPage(r) {
			p.Do, p.link = "try again", a.admin.path+"admin/login"
		}
		a.denied(r, p)
		a.fail(w, r, p)
		return
	}
	secret, s := a.admin.sessions.begin(time.Now())
	http.SetCookie(w, a.cookie(r, secret, int(sessionTime/time.Second)))
	a.cfg.Log.Info("operator logged in", append([]any{"session", s.id}, from(r)...)...)
	http.Redirect(w, r, a.admin.back(r.PostForm.Get("back")), http.StatusSeeOther)
}

// logout ends a session.
func (a *API) logout(w http.ResponseWriter, r *http.Request) {
	who, form, ok := a.ofSession(w, r)
	if !ok {
		return
	}
	a.admin.sessions.end(r)
	http.SetCookie(w, a.cookie(r, "", -1))
	a.cfg.Log.Info("operator logged out", append([]any{"session", who}, from(r)...)...)
	http.Redirect(w, r, a.admin.back(form.Get("back")), http.StatusSeeOther)
}

// cookie is kept from scripts, from other sites, and from plain HTTP where the
// reader came by TLS.
func (a *API) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: value, Path: a.admin.path, MaxAge: age,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https", HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}
