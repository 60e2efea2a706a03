package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/trace"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/report"
)

// A hub takes reports and traces.
type hub struct {
	*httptest.Server
	mu      sync.Mutex
	reports []report.Report
	spans   []hubSpan
	errs    []error
}

type hubSpan struct {
	TraceID      string `json:"traceId"`
	SpanID       string `json:"spanId"`
	ParentSpanID string `json:"parentSpanId"`
	Name         string `json:"name"`
	Attributes   []struct {
		Key   string                     `json:"key"`
		Value map[string]json.RawMessage `json:"value"`
	} `json:"attributes"`
	Status struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"status"`
}

// attr is the JSON of an attribute's value.
func (s *hubSpan) attr(key string) string {
	for _, a := range s.Attributes {
		for kind, v := range a.Value {
			if a.Key == key {
				return kind + " " + string(v)
			}
		}
	}
	return ""
}

func newHub(t *testing.T, a report.Auth) *hub {
	t.Helper()
	h := new(hub)
	mux := http.NewServeMux()
	mux.HandleFunc("/report", func(w http.ResponseWriter, r *http.Request) {
		rep, err := report.Read(r, a)
		h.mu.Lock()
		defer h.mu.Unlock()
		if err != nil {
			h.errs = append(h.errs, err)
			http.Error(w, err.Error(), report.Status(err))
			return
		}
		h.reports = append(h.reports, rep)
	})
	mux.HandleFunc("/v1/traces", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			ResourceSpans []struct {
				ScopeSpans []struct {
					Spans []hubSpan `json:"spans"`
				} `json:"scopeSpans"`
			} `json:"resourceSpans"`
		}
		err := json.NewDecoder(r.Body).Decode(&body)
		h.mu.Lock()
		defer h.mu.Unlock()
		if err != nil {
			h.errs = append(h.errs, err)
		}
		for _, rs := range body.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				h.spans = append(h.spans, ss.Spans...)
			}
		}
		fmt.Fprint(w, "{}")
	})
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

// of are the reports of a job, and all spans.
func (h *hub) of(job string) (reports []report.Report, spans []hubSpan) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.reports {
		if r.Job == job {
			reports = append(reports, r)
		}
	}
	return reports, slices.Clone(h.spans)
}

// TestOutlets: what happens in runs is told, whole and without secrets, and what a
// command finds in its environment belongs to the span of its step.
func TestOutlets(t *testing.T) {
	h := newHub(t, report.Auth{Keys: []register.Secret{register.NewSecret("h-m-a-c-key")}})
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", h.URL)
	t.Setenv("OTEL_SERVICE_NAME", "jobs")
	t.Setenv("TEST_HMAC", "h-m-a-c-key")
	t.Setenv("TEST_TOKEN", "s3cr3t token")
	dir := t.TempDir()
	text := "version: 1\n" + zoneServer(t) + fmt.Sprintf(`agent: { id: WEB, grace: 1s, report: { url: %q, hmac: "${env:TEST_HMAC}" } }
defaults: { every: 2s, lease: 6s, kill_grace: 1s, skew: 100ms, head_start: 100ms, spread: 100ms, poll: 1s, output: quiet }
jobs:
  steps:
    attempts: 2
    env: { TOKEN: "${env:TEST_TOKEN}" }
    steps:
      - { id: first, exec: [sh, -c, "echo $TRACEPARENT >>%s/parents"] }
      - { id: never, if: "false", exec: ["true"] }
      - { id: last, exec: [sh, -c, "echo said $TOKEN and $TEST_HMAC and $TEST_TSIG; exit 3"] }
      - { id: beyond, exec: ["true"] }
  plain:
    exec: [sh, -c, "echo $TRACEPARENT >>%s/plain; head -c 20000 /dev/zero | tr '\\0' x; echo; echo the end"]
`, h.URL+"/report", dir, dir)
	c := enlist(t, "WEBAGENT", text)
	await(t, "two attempts at one tick, and a run of the other job", func() bool {
		all, _ := h.of("steps")
		plain, _ := h.of("plain")
		return len(all) > 1 && all[1].Attempt == 2 && len(plain) > 0
	})
	c.leave() // sends what waits
	all, spans := h.of("steps")
	if len(h.errs) > 0 {
		t.Fatal(h.errs)
	}
	first, second := all[0], all[1]
	id := trace.IDOf("steps.t.test", first.Tick)
	if first.Record != "steps.t.test" || first.Result != record.Failed || *first.Code != 3 || first.Agent != "WEBAGENT" || first.Attempt != 1 || first.Fence == 0 || first.Unarbitrated ||
		!first.Tick.Equal(second.Tick) || second.Fence <= first.Fence || first.TraceID != id.String() || second.TraceID != first.TraceID ||
		!first.Next.Equal(first.Tick.Add(2*time.Second)) || first.TookMS <= 0 || first.Ended.Before(first.Began) || first.Error != "step last: sh: ended with code 3" {
		t.Errorf("the reports are\n%+v\n%+v", first, second)
	}
	if first.Output != "said *** and *** and ***\n" {
		t.Errorf("the output is %q", first.Output)
	}
	var steps []string
	for _, s := range first.Steps {
		steps = append(steps, s.ID+" "+s.Kind+" "+s.Result)
	}
	if got := strings.Join(steps, ", "); got != "first exec ok, never exec skipped, last exec failed" {
		t.Errorf("the steps are %s", got)
	}
	plain, _ := h.of("plain")
	if p := plain[0]; p.Result != record.OK || *p.Code != 0 || len(p.Steps) != 1 || !strings.HasSuffix(p.Output, "xxx\nthe end\n") || len(p.Output) > report.MaxOutput || !strings.HasPrefix(p.Output, "[... ") {
		p.Output = fmt.Sprintf("%d bytes: %.50q ... %q", len(p.Output), p.Output, p.Output[max(0, len(p.Output)-20):])
		t.Errorf("a plain job is told as %+v", p)
	}
	checkSpans(t, dir, spans, first, second)
	if strings.Contains(c.log.String(), "s3cr3t") || !strings.Contains(c.log.String(), "said *** and *** and ***") {
		t.Error("the log tells a secret, or not what a quiet command printed")
	}
	if n := c.value("reports_total", "outcome", "accepted"); n != float64(len(h.reports)) {
		t.Errorf("%d reports arrived, %v were counted", len(h.reports), n)
	}
}

// checkSpans looks for the spans of two attempts, and for the parents of commands
// among them.
func checkSpans(t *testing.T, dir string, spans []hubSpan, attempts ...report.Report) {
	t.Helper()
	byID := map[string]hubSpan{}
	for _, s := range spans {
		if _, twice := byID[s.SpanID]; twice {
			t.Errorf("two spans have the id %s", s.SpanID)
		}
		byID[s.SpanID] = s
	}
	runs := 0
	for _, s := range spans {
		if s.TraceID != attempts[0].TraceID || s.ParentSpanID != "" {
			continue
		}
		runs++
		for key, want := range map[string]string{
			"faas.trigger": `stringValue "timer"`, "process.exit.code": `intValue "3"`, "solotick.job": `stringValue "steps"`,
			"solotick.tick": fmt.Sprintf(`intValue "%d"`, attempts[0].Tick.Unix()), "solotick.result": `stringValue "failed"`, "solotick.unarbitrated": "boolValue false",
		} {
			if got := s.attr(key); got != want {
				t.Errorf("%s of a run is %s, want %s", key, got, want)
			}
		}
		if s.Name != "steps" || s.Status.Code != 2 || !strings.Contains(s.Status.Message, "ended with code 3") {
			t.Errorf("a run is %+v", s)
		}
	}
	if runs != 2 {
		t.Errorf("%d spans of two attempts", runs)
	}
	for file, name := range map[string]string{"parents": "exec first", "plain": "plain"} {
		lines, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(lines), "\n")
		m := regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-01$`).FindStringSubmatch(first)
		if m == nil {
			t.Errorf("TRACEPARENT is %q", first)
			continue
		}
		s, known := byID[m[2]]
		if !known || s.TraceID != m[1] || s.Name != name {
			t.Errorf("the parent of a command is %+v, want the span of %s", s, name)
		}
		if parent := byID[s.ParentSpanID]; file == "parents" && parent.Name != "steps" {
			t.Errorf("the parent of a step is %+v", parent)
		}
	}
}

// TestNoOutlets: without a collector a command has a parent all the same, which says
// that nobody took note of it; and output stays here where the file says so.
func TestNoOutlets(t *testing.T) {
	h := newHub(t, report.Auth{Tokens: []register.Secret{register.NewSecret("tooken")}})
	t.Setenv("TEST_TOKEN", "tooken")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://nothing")
	dir := t.TempDir()
	text := "version: 1\n" + zoneServer(t) + fmt.Sprintf(`agent: { grace: 1s, report: { url: %q, token: "${env:TEST_TOKEN}", output: false } }
jobs:
  plain: { every: 1s, lease: 6s, kill_grace: 1s, skew: 100ms, head_start: 100ms, spread: 100ms, exec: [sh, -c, "echo $TRACEPARENT | tee -a %s/plain"] }
`, h.URL+"/report", dir)
	c := enlist(t, "AGENT", text)
	await(t, "a report", func() bool { all, _ := h.of("plain"); return len(all) > 0 })
	c.leave()
	all, _ := h.of("plain")
	if all[0].Output != "" || all[0].Result != record.OK {
		t.Errorf("told: %+v", all[0])
	}
	lines, err := os.ReadFile(filepath.Join(dir, "plain"))
	if err != nil || !regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-00\n`).Match(lines) {
		t.Errorf("TRACEPARENT is %q (%v)", lines, err)
	}
	if !strings.Contains(c.log.String(), "no traces are sent") {
		t.Error("the log does not tell of an endpoint that is none")
	}
}
