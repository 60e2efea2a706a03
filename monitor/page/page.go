// Package page shows records to people: an overview, a page for each record with
// a lane for each agent, and a wall of tiles.
//
// [Handler] is all there is. It renders on the server, works without JavaScript,
// and loads nothing from elsewhere; a small script keeps what is shown up to date,
// told by a stream of server-sent events at /events. All links are relative, so
// that it can be behind any proxy and below any path.
//
// It draws what a [monitor.History] has seen and nothing else: where nobody
// looked, there is a gap. Texts from DNS and from agents are shown as texts. It
// changes nothing: its forms, if somebody wants them, are sent to a handler that is
// not in this package.
package page

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/solotick/solotick/monitor"
)

// A History is what the pages are made of; [monitor.History] is one.
type History interface {
	Items(now time.Time) []monitor.Item
	Item(name string, now time.Time) (monitor.Item, bool)
	Runs(name string, from, to int64) []monitor.Run
	Spans(name string, from, to int64) []monitor.Span
	Events(name string, before uint64, limit int) []monitor.Event
	Subscribe(buffer int) (updates <-chan monitor.Update, cancel func())
}

// A Config says what is shown, and how. History alone is needed.
type Config struct {
	History History
	// Base is the path below which everything is, as the browser sees it:
	// "/solotick"; empty: the root. Requests may arrive with it or, from a proxy
	// that takes it away, without.
	Base  string
	Title string // beside the name of the program: whose records these are
	// Version is shown at the foot of each page.
	Version string
	Now     func() time.Time // nil: time.Now
	// Admin says whether the one who asks may pause, resume and trigger, and gives
	// the token that the forms send back as csrf. It may set a cookie. The forms are
	// sent by POST to admin/pause, admin/resume and admin/trigger below Base, with
	// name, and of a pause also for and reason; admin/login is where somebody becomes
	// an operator. nil: no forms.
	Admin func(w http.ResponseWriter, r *http.Request) (csrf string, shown bool)
	// Streams is how many streams of events are open at most; 0: 256. Who gets none
	// asks again every few seconds.
	Streams int
}

// server answers all requests.
type server struct {
	Config
	pages   map[string]*template.Template
	assets  assets
	zones   zones
	streams chan struct{} // one for each open stream
}

// Handler returns a handler for GET and HEAD of /, /records/NAME, /wall, /events
// and /static/. A stream at /events ends with its request's context: whoever shuts
// a server down ends that first, as with [http.Server.BaseContext].
func Handler(cfg Config) http.Handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Streams == 0 {
		cfg.Streams = 256
	}
	cfg.Base = strings.TrimSuffix(cfg.Base, "/")
	s := &server{Config: cfg, pages: loadPages(), assets: loadAssets(), streams: make(chan struct{}, cfg.Streams)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.overview)
	mux.HandleFunc("GET /records/{name}", s.record)
	mux.HandleFunc("GET /wall", s.wall)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /static/{file}", s.assets.serve)
	mux.HandleFunc("/", s.elsewhere)
	return s.guarded(mux)
}

// policy keeps a browser from loading or running anything that is not from here,
// so that even a text which was not escaped could do nothing.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guarded takes the base path off, and sets the headers that every answer has.
func (s *server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		// With no-referrer a browser says of the forms that they come from nowhere, and
		// without TLS nothing else would tell that they come from here.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if s.Base != "" && r.URL.Path == s.Base {
			to := s.Base[strings.LastIndex(s.Base, "/")+1:] + "/"
			if r.URL.RawQuery != "" {
				to += "?" + r.URL.RawQuery
			}
			// Relative, since a proxy may have changed host and scheme.
			h.Set("Location", to)
			w.WriteHeader(http.StatusPermanentRedirect)
			return
		}
		if rest, ok := strings.CutPrefix(r.URL.Path, s.Base+"/"); ok && s.Base != "" {
			below := *r.URL
			below.Path, below.RawPath = "/"+rest, ""
			r = r.WithContext(r.Context())
			r.URL = &below
		}
		next.ServeHTTP(w, r)
	})
}

// A view is what every page has.
type view struct {
	Root     string // from this page to the base: "./" or "../"
	Path     string // below the base
	Title    string // of the browser's window
	Heading  string
	Icon     string // the favicon's file
	Whose    string
	Version  string
	Theme    string // light, dark or empty
	Clock    clock
	NowMS    int64
	Stream   string // what the page is told of: a record's name; empty: of all
	Refresh  int    // seconds between two reloads without JavaScript; 0: none
	Wall     bool
	Login    string // where operators log in and out, from the base; empty: nowhere
	Fragment bool
	Summary  string // one sentence, read out when it changes
}

// view returns what a page has in common with all others.
func (s *server) view(r *http.Request, root string) view {
	now := s.Now()
	v := view{
		Root: root, Path: strings.TrimPrefix(r.URL.Path, "/"), Whose: s.Title, Version: s.Version, Icon: "icon-fine.svg",
		Clock: s.clock(r, now), NowMS: now.UnixMilli(), Refresh: 15, Fragment: r.URL.Query().Has("fragment"),
	}
	if s.Admin != nil {
		v.Login = "admin/login?back=" + url.QueryEscape(s.Base+r.URL.Path)
	}
	if c, err := r.Cookie(cookieTheme); err == nil && (c.Value == "light" || c.Value == "dark") {
		v.Theme = c.Value
	}
	return v
}

// show renders a page, or what of it changes.
func (s *server) show(w http.ResponseWriter, r *http.Request, code int, name string, v view, data any) {
	var b bytes.Buffer
	t := "page"
	if v.Fragment {
		t = "main"
	}
	if err := s.pages[name].ExecuteTemplate(&b, t, data); err != nil {
		http.Error(w, fmt.Sprintf("this page could not be made: %v\nthe jobs go on without it; \"solotick status\" asks DNS itself", err), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	// A page with a token in it is not compressed: its length would tell of it.
	if h.Get("Set-Cookie") == "" && s.Admin == nil && b.Len() > 1400 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		var z bytes.Buffer
		zw, _ := gzip.NewWriterLevel(&z, gzip.BestSpeed) // the level is a good one
		_, _ = zw.Write(b.Bytes())                       // nor can writing to memory fail
		_ = zw.Close()
		b = z
	}
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // who has gone reads nothing
}

// elsewhere answers what is no page.
func (s *server) elsewhere(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this page is for reading only", http.StatusMethodNotAllowed)
		return
	}
	depth := strings.Count(strings.Trim(r.URL.Path, "/"), "/")
	if strings.HasSuffix(r.URL.Path, "/") {
		depth++
	}
	s.missing(w, r, "./"+strings.Repeat("../", depth), "")
}
