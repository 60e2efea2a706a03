// Package api serves what a [monitor.History] knows over HTTP: JSON with a
// description of it, metrics, badges, and probes that ask DNS at once. It takes
// reports of agents in, and hands an operator's wishes on, if it is told how.
//
// In the common case make an API with [New] and give it to a server:
//
//	a, err := api.New(api.Config{History: history, Eyes: eyes})
//	err = http.Serve(listener, a)
//
// It only reads unless [Config.Receive] or [Config.Admin] is set, and every other
// request that would change something is refused. It keeps nothing itself but
// sessions of operators: what is shown is worked out of the history when somebody
// asks.
//
// It looks at no record by itself, opens no port and knows neither TLS nor
// passwords of readers, which are its server's. What it shows comes from DNS and
// from agents: it is escaped for what it is written into, and bounded.
package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/solotick/solotick/monitor"
)

// A Config says what is served. Only History is needed.
type Config struct {
	History  *monitor.History
	Observer *monitor.Observer // whose questions are counted; nil: nobody asks any
	Eyes     *monitor.Eyes     // that /probe looks through; nil: there is no /probe
	Register *monitor.Register // where a file says that the records are; nil: not known

	// Base is the path below which everything is, as the browser sees it: "/solotick";
	// empty: the root. Requests may arrive with it or, from a proxy that takes it away,
	// without.
	Base    string
	Title   string // of status.json; empty: solotick
	Version string
	// Page serves every other path below Base; nil: nothing does.
	Page http.Handler
	// Style is where Page has the style sheet that operators' pages use as well, from
	// Base: "static/page.css"; empty: they are plain.
	Style string

	Resolvers   []string // that /probe?resolver= may name
	AnyResolver bool     // it may name every other, too
	// Records is how many records /metrics has series of their own for: with more,
	// none of them has. 0: 2,000; below 0: however many there are.
	Records int

	// Receive reads a report of an agent from a request, and proves who sent it. The
	// error may be a [*Problem]. Nil: reports are not taken.
	Receive func(*http.Request) (name string, run monitor.Run, err error)
	// Admin lets operators change records; nil: nobody may.
	Admin *Admin

	Log *slog.Logger // nil: silent
}

// DefaultRecords is how many records have series of their own in /metrics by default.
const DefaultRecords = 2000

// An API is an HTTP handler. It is safe for concurrent use.
type API struct {
	cfg     Config
	started time.Time
	handler http.Handler
	metrics http.Handler
	prober  *prober
	admin   *desk

	reports     *prometheus.CounterVec
	reportRates rates

	mu   sync.Mutex
	last *view
}

// New makes an API.
func New(cfg Config) (*API, error) {
	if cfg.History == nil {
		return nil, errors.New("api: there is no history to show")
	}
	if err := CheckBase(cfg.Base); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Title == "" {
		cfg.Title = "solotick"
	}
	if cfg.Records == 0 {
		cfg.Records = DefaultRecords
	}
	a := &API{cfg: cfg, started: time.Now(), reportRates: rates{every: 10 * time.Millisecond, burst: 1000}}
	a.metrics = a.newMetrics()
	var err error
	if a.prober, err = newProber(cfg); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if cfg.Admin != nil {
		if a.admin, err = newDesk(cfg.Admin, cfg.Base); err != nil {
			return nil, fmt.Errorf("api: %w", err)
		}
	}
	a.handler = a.routes()
	return a, nil
}

// CheckBase says what is wrong with a [Config.Base].
func CheckBase(base string) error {
	if base == "" {
		return nil
	}
	ok := strings.HasPrefix(base, "/") && !strings.HasSuffix(base, "/")
	for part := range strings.SplitSeq(strings.TrimPrefix(base, "/"), "/") {
		ok = ok && part != "" && strings.Trim(part, ".") != ""
	}
	for _, r := range base {
		ok = ok && (r == '/' || r == '-' || r == '_' || r == '.' || r == '~' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}
	if !ok {
		return fmt.Errorf("base path %q: want one such as /solotick, without a slash at its end", base)
	}
	return nil
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	a.handler.ServeHTTP(w, r)
}

// A route is a path and what may be done there, by method.
type route struct {
	path string
	do   map[string]http.HandlerFunc
}

func get(f http.HandlerFunc) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{http.MethodGet: f}
}

// routes serves all paths.
func (a *API) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range a.paths() {
		h := a.methods(r.do)
		mux.Handle(r.path, h)
		if a.cfg.Base != "" {
			mux.Handle(a.cfg.Base+r.path, h)
		}
	}
	return mux
}

// paths are all of them, those that are refused for lack of a setting included: it
// is said why.
func (a *API) paths() []route {
	post := func(f http.HandlerFunc, on bool) map[string]http.HandlerFunc {
		if !on {
			return nil
		}
		return map[string]http.HandlerFunc{http.MethodPost: f}
	}
	all := []route{
		{"/api/v1/records", get(a.records)},
		{"/api/v1/records/{name}", get(a.record)},
		{"/api/v1/records/{name}/runs", get(a.runs)},
		{"/api/v1/records/{name}/events", get(a.events)},
		{"/api/v1/events", get(a.events)},
		{"/api/v1/openapi.json", get(openAPI)},
		{"/api/v1/reports", map[string]http.HandlerFunc{http.MethodPost: a.report}},
		{"/api/", get(notFound)},
		{"/status.json", get(a.summary)},
		{"/metrics", get(a.metrics.ServeHTTP)},
		{"/probe", get(a.probe)},
		{"/badge/{file}", get(a.badge)},
		{"/livez", get(a.livez)},
		{"/readyz", get(a.readyz)},
		{"/admin/", get(notFound)},
	}
	for _, verb := range verbs {
		all = append(all, route{"/api/v1/records/{name}/" + verb, post(a.change(verb), a.admin != nil)}, route{"/admin/" + verb, post(a.form(verb), a.admin != nil)})
	}
	if a.admin != nil {
		all = append(all, route{"/admin/{$}", get(a.toLogin)}, route{"/admin/login", map[string]http.HandlerFunc{http.MethodGet: a.loginForm, http.MethodPost: a.login}}, route{"/admin/logout", post(a.logout, true)})
	}
	page := notFound
	if a.cfg.Page != nil {
		page = a.cfg.Page.ServeHTTP
	}
	return append(all, route{"/", get(page)})
}

// methods serves what a path has, and says of everything else that it has it not.
func (a *API) methods(do map[string]http.HandlerFunc) http.Handler {
	allowed := []string{http.MethodOptions}
	if do[http.MethodGet] != nil {
		allowed = append(allowed, http.MethodGet, http.MethodHead)
	}
	if do[http.MethodPost] != nil {
		allowed = append(allowed, http.MethodPost)
	}
	allow := strings.Join(allowed, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		switch f := do[method]; {
		case f != nil:
			f(w, r)
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", allow)
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", allow)
			p := &Problem{Status: http.StatusMethodNotAllowed, Detail: "this path cannot be asked to do that", Means: "nothing was changed"}
			if a.admin == nil {
				p.Do = "it only shows: solotick serve --admin lets operators pause, resume and trigger jobs"
			}
			p.write(w, r)
		}
	})
}

func notFound(w http.ResponseWriter, r *http.Request) {
	(&Problem{Status: http.StatusNotFound, Detail: "there is nothing at this path", Do: "what there is: api/v1/openapi.json"}).write(w, r)
}
