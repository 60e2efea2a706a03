package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/schedule"
	"github.com/solotick/solotick/seal"
)

const agentA = "VDNDNQNWQY"

// minute is a schedule whose latest tick was at least ten seconds ago.
func minute(t testing.TB, now time.Time) elect.Policy {
	t.Helper()
	every, err := schedule.Every(time.Minute, time.Duration((now.Unix()-20)%60)*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return elect.Policy{Schedule: every}
}

// see has a history look at a record through one server.
func see(h *monitor.History, target monitor.Target, when time.Time, texts ...string) {
	a := lookup.Answer{
		Name: target.Name, Server: lookup.Server{Name: "ns1.example.com", Addr: "192.0.2.1:53"},
		Status: lookup.Found, Texts: texts, TTL: time.Minute, Authoritative: true, Latency: 1500 * time.Microsecond,
	}
	s := monitor.Sight{Target: target, Time: when, Answers: []lookup.Answer{a}, Set: record.Read(texts, when.Unix())}
	if len(texts) == 0 {
		s.Answers[0].Status = lookup.NoName
	}
	h.See(s)
}

// seeGuarded has a history look at a record that agents with some keys wrote, with
// those of the observer.
func seeGuarded(h *monitor.History, name string, when time.Time, agents, observer *seal.Ring) {
	target := monitor.Target{Name: name, Ring: observer}
	h.Watch(target)
	texts := []string{agents.Form(name).Close(ended(when, agentA, record.OK))}
	s := monitor.Sight{Target: target, Time: when, Answers: []lookup.Answer{{
		Name: name, Server: lookup.Server{Name: "ns1.example.com", Addr: "192.0.2.1:53"}, Status: lookup.Found, Texts: texts, TTL: time.Minute, Authoritative: true,
	}}}
	if s.Set = record.Read(texts, when.Unix()); observer != nil {
		s.Set = record.ReadAs(observer.Form(name), texts, when.Unix())
	}
	h.See(s)
}

// fail has a history look at a record that nobody answers for.
func fail(h *monitor.History, target monitor.Target, when time.Time, err error) {
	h.See(monitor.Sight{Target: target, Time: when, Best: -1, Err: err})
}

// running and ended are the records of a run of the latest tick.
func running(now time.Time, id string) string {
	tick := now.Unix() - 20
	return record.Record{ID: id, Timer: tick + 60, TimerOld: tick, Seq: tick*1000 + 500, Claimed: true, Until: tick + 15, Lease: 15, Last: record.OK}.String()
}

func ended(now time.Time, id string, last record.Result) string {
	tick := now.Unix() - 20
	return record.Record{ID: id, Timer: tick + 60, TimerOld: tick, Seq: (tick + 3) * 1000, Last: last}.String()
}

// watched is a history of five records: one that is on time, one that fails, one
// that is not there, one that DNS does not tell of, and one that nobody has looked
// at.
func watched(t testing.TB) *monitor.History {
	t.Helper()
	now := time.Now()
	h := monitor.NewHistory(monitor.Limits{})
	target := func(job string) monitor.Target {
		return monitor.Target{Name: job + ".example.com", Job: job, Policy: minute(t, now)}
	}
	for _, job := range []string{"canary", "nightly", "gone", "silent", "new"} {
		h.Watch(target(job))
	}
	see(h, target("canary"), now.Add(-18*time.Second), running(now, agentA))
	see(h, target("canary"), now.Add(-10*time.Second), ended(now, agentA, record.OK))
	see(h, target("nightly"), now.Add(-18*time.Second), running(now, agentA))
	see(h, target("nightly"), now.Add(-10*time.Second), ended(now, agentA, record.Failed))
	see(h, target("gone"), now.Add(-5*time.Second))
	fail(h, target("silent"), now.Add(-5*time.Second), lookup.ErrTimeout)
	return h
}

// serve makes an API of a config.
func serve(t testing.TB, cfg Config) *API {
	t.Helper()
	if cfg.History == nil {
		cfg.History = watched(t)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// An asking is a request of a test.
type asking struct {
	method, path string
	header       map[string]string
	body         string
}

// ask has a request answered.
func ask(t testing.TB, h http.Handler, q asking) *http.Response {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodGet
	}
	r := httptest.NewRequest(q.method, q.path, strings.NewReader(q.body))
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// get asks for a path and returns the status and the text of the answer.
func get200(t testing.TB, h http.Handler, path string) string {
	t.Helper()
	status, text := read(t, ask(t, h, asking{path: path}))
	if status != http.StatusOK {
		t.Fatalf("%s: %d: %s", path, status, text)
	}
	return text
}

func read(t testing.TB, resp *http.Response) (int, string) {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

// document asks for a path and reads the JSON of the answer.
func document[T any](t testing.TB, h http.Handler, path string) T {
	t.Helper()
	var doc T
	if text := get200(t, h, path); json.Unmarshal([]byte(text), &doc) != nil {
		t.Fatalf("%s: no JSON of this form: %s", path, text)
	}
	return doc
}

// problem reads an answer that is one.
func problem(t testing.TB, resp *http.Response) Problem {
	t.Helper()
	var p Problem
	status, text := read(t, resp)
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.Status != status || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d %s is no problem: %s", status, resp.Header.Get("Content-Type"), text)
	}
	return p
}

func logger(w *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestNew(t *testing.T) {
	h := monitor.NewHistory(monitor.Limits{})
	change := &Admin{Token: "0123456789abcdef"}
	for want, cfg := range map[string]Config{
		"there is no history":    {},
		`base path "solotick"`:   {History: h, Base: "solotick"},
		`base path "/solotick/"`: {History: h, Base: "/solotick/"},
		`base path "/a//b"`:      {History: h, Base: "/a//b"},
		`base path "/a/../b"`:    {History: h, Base: "/a/../b"},
		`base path "/{x}"`:       {History: h, Base: "/{x}"},
		"has 5 bytes":            {History: h, Admin: &Admin{Token: "short"}},
		"nobody carries out":     {History: h, Admin: change},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// TestReadOnly has every path refuse whatever is no question, and say what it takes.
func TestReadOnly(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the page") })
	for _, base := range []string{"", "/solotick"} {
		a := serve(t, Config{Base: base, Page: page})
		for _, path := range []string{
			"/", "/job/canary", "/api/v1/records", "/api/v1/records/canary.example.com", "/api/v1/records/canary.example.com/runs", "/api/v1/records/canary/events",
			"/api/v1/events", "/api/v1/openapi.json", "/status.json", "/metrics", "/probe", "/badge/canary.svg", "/livez", "/readyz", "/api/v1/nothing", "/admin/", "/admin/login",
			"/admin/pause", "/api/v1/records/canary.example.com/pause", "/api/v1/records/canary.example.com/trigger",
		} {
			for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"} {
				resp := ask(t, a, asking{method: method, path: base + path})
				if p := problem(t, resp); p.Status != http.StatusMethodNotAllowed || p.Means != "nothing was changed" || !strings.Contains(resp.Header.Get("Allow"), "OPTIONS") {
					t.Errorf("%s %s: %+v, Allow: %s", method, base+path, p, resp.Header.Get("Allow"))
				}
			}
			if resp := ask(t, a, asking{method: http.MethodOptions, path: base + path}); resp.StatusCode != http.StatusNoContent || resp.Header.Get("Allow") == "" {
				t.Errorf("OPTIONS %s: %d", path, resp.StatusCode)
			}
		}
		if text := get200(t, a, base+"/job/canary"); text != "the page" {
			t.Errorf("the page: %s", text)
		}
		if status, text := read(t, ask(t, a, asking{method: http.MethodHead, path: base + "/api/v1/records"})); status != http.StatusOK || text != "" {
			t.Errorf("HEAD: %d %q", status, text)
		}
	}
}

// TestBase has everything below the base, and beside it for a proxy that takes it
// away.
func TestBase(t *testing.T) {
	a := serve(t, Config{Base: "/solotick"})
	for _, path := range []string{"/solotick/livez", "/livez", "/solotick/api/v1/records/canary", "/api/v1/records/canary"} {
		get200(t, a, path)
	}
	if p := problem(t, ask(t, a, asking{path: "/solotick/nothing"})); p.Status != http.StatusNotFound {
		t.Errorf("%+v", p)
	}
	if resp := ask(t, a, asking{path: "/solotick"}); resp.Header.Get("Location") != "/solotick/" {
		t.Errorf("%d to %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	for _, path := range []string{"/solotick/../metrics", "/solotick/..%2fmetrics", "/solotick/%2e%2e/metrics", "//example.net/..", "/solotick/%2e%2e//example.net", "/solotick//api/v1/records"} {
		resp := ask(t, a, asking{path: path})
		if to := resp.Header.Get("Location"); resp.StatusCode == http.StatusOK || strings.HasPrefix(to, "//") || strings.Contains(to, "://") || strings.Contains(to, "..") {
			t.Errorf("%s: %d to %s", path, resp.StatusCode, to)
		}
	}
}

// TestHeaders has every answer tell browsers to be careful.
func TestHeaders(t *testing.T) {
	a := serve(t, Config{})
	for _, path := range []string{"/api/v1/records", "/badge/canary.svg", "/nothing", "/metrics", "/livez"} {
		h := ask(t, a, asking{path: path}).Header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Content-Security-Policy": "default-src 'none'",
		} {
			if got := h.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %s: %q", path, name, got)
			}
		}
		if strings.HasPrefix(path, "/badge") != (h.Get("Cache-Control") == "max-age=15") {
			t.Errorf("%s: Cache-Control: %s", path, h.Get("Cache-Control"))
		}
	}
}
