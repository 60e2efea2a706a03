package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// An api is the HTTP API that jobs ask. A job asks /check, which says whether
// something is wrong, at its begin, and /end at its end, so that the cluster's
// file of runs holds what the command of other jobs writes there.
type api struct {
	c      *cluster
	server *httptest.Server

	mu    sync.Mutex
	wrong bool
	hits  []hit // in order
	holds map[string]chan hit
}

// A hit is one question.
type hit struct {
	path    string
	job     string
	version string // of the definition that asks
	tick    int64
	attempt int
	agent   string
	wrong   bool // what was answered
	at      time.Time
	body    map[string]any
}

// whoAsks is the query by which a step says whose it is.
const whoAsks = "job={{ job }}&tick={{ tick }}&attempt={{ attempt }}&fence={{ fence }}&agent={{ agent }}"

// newAPI starts the API of a cluster that has no agents yet, so that these end
// before it.
func newAPI(t *testing.T, c *cluster) *api {
	t.Helper()
	a := &api{c: c, holds: map[string]chan hit{}}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

// step is a step that asks for path, with more of its query and more lines.
func (a *api) step(path, query string, lines ...string) string {
	text := fmt.Sprintf("- http: %q", a.server.URL+path+"?"+whoAsks+query)
	for _, line := range lines {
		text += "\n  " + line
	}
	return text
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	h := hit{path: r.URL.Path, job: q.Get("job"), version: q.Get("v"), agent: q.Get("agent"), at: time.Now()}
	h.tick, _ = strconv.ParseInt(q.Get("tick"), 10, 64)
	h.attempt, _ = strconv.Atoi(q.Get("attempt"))
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&h.body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	h, held, err := a.note(h, q.Get("fence"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if held != nil {
		held <- h
		<-r.Context().Done()
		return
	}
	if to := q.Get("to"); to != "" {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"wrong": %v}`, h.wrong)
}

// note keeps a hit, writes it to the cluster's runs, and takes the hold that
// befalls it.
func (a *api) note(h hit, fence string) (hit, chan hit, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h.wrong = a.wrong
	a.hits = append(a.hits, h)
	held := a.holds[h.path]
	delete(a.holds, h.path)
	if h.job != a.c.job {
		return h, held, nil
	}
	f, err := os.OpenFile(a.c.path("runs"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return h, held, err
	}
	defer f.Close()
	what := map[string]string{"/check": "begin", "/end": "end"}[h.path]
	if what == "" {
		what = "alive"
	}
	_, err = fmt.Fprintf(f, "%d %d %s %s %d.%d.%s %s %d\n", h.tick, h.attempt, fence, what, h.tick, h.attempt, h.agent, h.agent, h.at.UnixNano())
	return h, held, err
}

// set has the API say from now on that something is wrong, or that nothing is.
func (a *api) set(wrong bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wrong = wrong
}

// hold has the next question for path wait until whoever asks is gone, and
// returns what gives it.
func (a *api) hold(path string) <-chan hit {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holds[path] = make(chan hit, 1)
	return a.holds[path]
}

// asked are the hits of a job, by all or by those that ok picks.
func (a *api) asked(job string, ok func(hit) bool) []hit {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(a.hits), func(h hit) bool { return h.job != job || ok != nil && !ok(h) })
}

func at(path string) func(hit) bool { return func(h hit) bool { return h.path == path } }

// A told is what a message tells.
type told struct {
	kind string
	tick int64
}

// changes are the messages that the answers of the API call for: one for each
// change from one tick to the next. What counts is the last attempt at a tick.
func (a *api) changes(job string) (all []told) {
	last := map[int64]hit{}
	var ticks []int64
	for _, h := range a.asked(job, at("/check")) {
		if _, again := last[h.tick]; !again {
			ticks = append(ticks, h.tick)
		}
		last[h.tick] = h
	}
	slices.Sort(ticks)
	was := false
	for _, tick := range ticks {
		if is := last[tick].wrong; is != was {
			all = append(all, told{map[bool]string{true: "firing", false: "cleared"}[is], tick})
			was = is
		}
	}
	return all
}

// receive waits for what a channel gives.
func receive[T any](t *testing.T, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(interval + takeover + 30*time.Second):
		t.Fatalf("%s: it does not come", what)
	}
	return v
}
