package trace

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var tick = time.Unix(1795759527, 0).UTC()

// TestIDs: a trace follows from record and tick, a span from what it is told, and
// nothing else makes the same.
func TestIDs(t *testing.T) {
	id := IDOf("canary.example.com", tick)
	// Agents of different versions make one trace: this must never change.
	if got := id.String(); got != "8c15ef34c499ec0749b1c2eee2ce6ccb" {
		t.Errorf("the trace of a tick is %s now", got)
	}
	seen := map[string]bool{id.String(): true}
	for _, other := range []ID{IDOf("canary.example.com", tick.Add(time.Second)), IDOf("other.example.com", tick), IDOf("", time.Time{})} {
		if seen[other.String()] {
			t.Errorf("%s is the trace of two ticks", other)
		}
		seen[other.String()] = true
	}
	spans := map[SpanID]bool{{}: true}
	for _, words := range [][]any{{}, {"A"}, {"A", 1}, {"A", "1"}, {"A1"}, {"A", int64(1795413939001)}, {"A", int64(1795413939002)}, {true}} {
		if s := id.Span(words...); spans[s] {
			t.Errorf("%v names a span that is named already", words)
		} else {
			spans[s] = true
		}
	}
	if IDOf("a", tick).Span("A") == IDOf("b", tick).Span("A") {
		t.Error("two traces have one span")
	}
}

// TestParent: what a child gets is a traceparent of W3C Trace Context.
func TestParent(t *testing.T) {
	valid := regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$`)
	for _, exported := range []bool{true, false} {
		id := IDOf("canary.example.com", tick)
		p := Parent(id, id.Span("A"), exported)
		if !valid.MatchString(p) || strings.Contains(p, strings.Repeat("0", 16)) {
			t.Errorf("%q", p)
		}
		if strings.HasSuffix(p, "1") != exported {
			t.Errorf("%q, exported: %v", p, exported)
		}
	}
}

// A collector takes traces as the specification of OTLP has it, and finds fault with
// whatever it does not know.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	status []int  // to answer with first
	answer string // in place of {}
	heads  []http.Header
	got    []wireSpan
	res    map[string]string
	errs   []string
}

// What a collector decodes: fields that it does not know are mistakes, and so are
// numbers in the place of texts.
type wireRequest struct {
	ResourceSpans []struct {
		Resource struct {
			Attributes []wireAttr `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []struct {
			Scope struct{ Name, Version string } `json:"scope"`
			Spans []wireSpan                     `json:"spans"`
		} `json:"scopeSpans"`
	} `json:"resourceSpans"`
}

type wireSpan struct {
	TraceID      string     `json:"traceId"`
	SpanID       string     `json:"spanId"`
	ParentSpanID string     `json:"parentSpanId"`
	Flags        uint32     `json:"flags"`
	Name         string     `json:"name"`
	Kind         int        `json:"kind"`
	Start        string     `json:"startTimeUnixNano"`
	End          string     `json:"endTimeUnixNano"`
	Attributes   []wireAttr `json:"attributes"`
	Status       struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"status"`
}

type wireAttr struct {
	Key   string `json:"key"`
	Value struct {
		String *string  `json:"stringValue"`
		Bool   *bool    `json:"boolValue"`
		Int    *string  `json:"intValue"`
		Double *float64 `json:"doubleValue"`
	} `json:"value"`
}

func (a wireAttr) text() (string, error) {
	v := a.Value
	switch {
	case v.String != nil && v.Bool == nil && v.Int == nil && v.Double == nil:
		return *v.String, nil
	case v.Bool != nil && v.String == nil && v.Int == nil && v.Double == nil:
		return strconv.FormatBool(*v.Bool), nil
	case v.Int != nil && v.String == nil && v.Bool == nil && v.Double == nil:
		_, err := strconv.ParseInt(*v.Int, 10, 64)
		return *v.Int, err
	case v.Double != nil && v.String == nil && v.Bool == nil && v.Int == nil:
		return fmt.Sprint(*v.Double), nil
	}
	return "", fmt.Errorf("%s has not one value", a.Key)
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{res: map[string]string{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

var (
	hexID   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	hexSpan = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fault := func(format string, args ...any) { c.errs = append(c.errs, fmt.Sprintf(format, args...)) }
	c.heads = append(c.heads, r.Header)
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/v1/traces") {
		fault("%s %s", r.Method, r.URL.Path)
	}
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		fault("Content-Type %q", got)
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			fault("gzip: %v", err)
			return
		}
		body = z
	}
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	var req wireRequest
	if err := d.Decode(&req); err != nil {
		fault("%v", err)
	}
	if len(c.status) > 0 {
		w.WriteHeader(c.status[0])
		c.status = c.status[1:]
		return
	}
	for _, rs := range req.ResourceSpans {
		for _, a := range rs.Resource.Attributes {
			text, err := a.text()
			if err != nil {
				fault("%v", err)
			}
			c.res[a.Key] = text
		}
		for _, ss := range rs.ScopeSpans {
			if ss.Scope.Name == "" {
				fault("a scope without a name")
			}
			for _, s := range ss.Spans {
				start, err1 := strconv.ParseUint(s.Start, 10, 64)
				stop, err2 := strconv.ParseUint(s.End, 10, 64)
				if err1 != nil || err2 != nil || stop < start || !hexID.MatchString(s.TraceID) || !hexSpan.MatchString(s.SpanID) ||
					s.ParentSpanID != "" && !hexSpan.MatchString(s.ParentSpanID) || s.Kind < 1 || s.Kind > 5 || s.Status.Code < 0 || s.Status.Code > 2 || s.Name == "" {
					fault("a span that is none: %+v", s)
				}
				for _, a := range s.Attributes {
					if _, err := a.text(); err != nil {
						fault("%v", err)
					}
				}
				c.got = append(c.got, s)
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if c.answer == "" {
		c.answer = "{}"
	}
	io.WriteString(w, c.answer)
}

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func exporter(t *testing.T, log io.Writer, pairs ...string) *Exporter {
	t.Helper()
	e, err := New(Config{Getenv: env(pairs...), Version: "v1", Agent: "AGENT", Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil || e == nil {
		t.Fatalf("%v, %v", e, err)
	}
	return e
}

func end(e *Exporter) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	e.Close(ctx)
}

func sample() []Span {
	id := IDOf("canary.example.com", tick)
	run, step := id.Span("A", 1), id.Span("A", 1, "step", 0)
	return []Span{
		{
			Trace: id, ID: run, Name: "canary", Kind: Server, Start: tick, End: tick.Add(time.Second), Failed: true, Message: "ended with code 3",
			Attrs: []Attr{{"faas.trigger", "timer"}, {"process.exit.code", 3}, {"solotick.fence", int64(1) << 52}, {"solotick.unarbitrated", false}, {"solotick.lag", 0.25}, {"odd", struct{}{}}},
		},
		{Trace: id, ID: step, Parent: run, Name: "step 1", Kind: Internal, Start: tick, End: tick.Add(time.Second)},
	}
}

// TestExport: a collector gets what was told, as OTLP has it.
func TestExport(t *testing.T) {
	for name, more := range map[string][]string{
		"plain": nil,
		"gzip":  {"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t)
			var log bytes.Buffer
			e := exporter(t, &log, append([]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT", c.URL + "/otlp/", "OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, X-Other=2",
				"OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=prod,service.name=other,zone=a%2Cb", "OTEL_SERVICE_NAME", "jobs",
			}, more...)...)
			e.Add(sample()...)
			end(e)
			if len(c.errs) > 0 || log.Len() > 0 {
				t.Fatalf("%v\n%s", c.errs, &log)
			}
			if len(c.heads) != 1 || c.heads[0].Get("Api-Key") != "a b" || c.heads[0].Get("X-Other") != "2" {
				t.Errorf("asked with %v", c.heads)
			}
			if diff := cmp.Diff(map[string]string{
				"service.name": "jobs", "deployment.environment": "prod", "zone": "a,b", "service.version": "v1", "service.instance.id": "AGENT",
			}, c.res); diff != "" {
				t.Errorf("the resource (-want +got):\n%s", diff)
			}
			if len(c.got) != 2 {
				t.Fatalf("%d spans", len(c.got))
			}
			run, step := c.got[0], c.got[1]
			if run.Name != "canary" || run.Start != "1795759527000000000" || run.End != "1795759528000000000" || run.ParentSpanID != "" || run.Kind != 2 || run.Status.Code != 2 || run.Status.Message != "ended with code 3" || run.Flags != 1 {
				t.Errorf("%+v", run)
			}
			if step.ParentSpanID != run.SpanID || step.TraceID != run.TraceID || step.Status.Code != 0 || step.Kind != 1 {
				t.Errorf("%+v", step)
			}
			got := map[string]string{}
			for _, a := range run.Attributes {
				got[a.Key], _ = a.text()
			}
			if diff := cmp.Diff(map[string]string{
				"faas.trigger": "timer", "process.exit.code": "3", "solotick.fence": "4503599627370496", "solotick.unarbitrated": "false", "solotick.lag": "0.25",
			}, got); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestExportAgain: a collector that is away for a while gets all of it, together.
func TestExportAgain(t *testing.T) {
	c := newCollector(t)
	c.status = []int{503}
	var log bytes.Buffer
	e := exporter(t, &log, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", c.URL+"/v1/traces")
	e.Add(sample()...)
	for by := time.Now().Add(20 * time.Second); time.Now().Before(by); time.Sleep(5 * time.Millisecond) {
		c.mu.Lock()
		n := len(c.got)
		c.mu.Unlock()
		if n == 2 {
			break
		}
	}
	end(e)
	if len(c.got) != 2 || len(c.errs) > 0 || len(c.heads) != 2 {
		t.Errorf("%d spans by %d requests, %v", len(c.got), len(c.heads), c.errs)
	}
}

// TestExportRefused: what is refused is not sent again, and is said once.
func TestExportRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		answer string
		says   string
	}{
		"status":  {400, "", "answered 400"},
		"partial": {0, `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too\nold"}}`, "all but 1 spans: too old"},
		"number":  {0, `{"partialSuccess":{"rejectedSpans":2}}`, "all but 2 spans"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t)
			if c.answer = tt.answer; tt.status != 0 {
				c.status = []int{tt.status, tt.status}
			}
			var log bytes.Buffer
			e := exporter(t, &log, "OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
			e.Add(sample()...)
			end(e)
			if len(c.heads) != 1 || strings.Count(log.String(), "WARN") != 1 || !strings.Contains(log.String(), tt.says) {
				t.Errorf("%d requests; logged:\n%s", len(c.heads), &log)
			}
		})
	}
}

// TestOff: where nobody asks for traces there is no exporter, and all of it may be
// called.
func TestOff(t *testing.T) {
	const to = "http://127.0.0.1:1"
	for _, pairs := range [][]string{
		nil,
		{"OTEL_EXPORTER_OTLP_ENDPOINT", ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", to, "OTEL_SDK_DISABLED", "TRUE"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", to, "OTEL_TRACES_EXPORTER", "none"},
	} {
		e, err := New(Config{Getenv: env(pairs...)})
		if e != nil || err != nil {
			t.Errorf("%v: %v, %v", pairs, e, err)
		}
		e.Add(sample()...)
		e.Close(t.Context())
	}
}

// TestMistakes: what cannot be used is said, without what may be secret.
func TestMistakes(t *testing.T) {
	const to = "https://collector.example"
	for _, tt := range []struct{ name, value, says string }{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "no URL"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://secret", "no URL"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "only http/json"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf", "only http/json"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "secret", "want key=value"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=secret%zz", "encodes nothing"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a b=secret", "cannot be a header field"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0a", "cannot be a header field"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "want milliseconds"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "br", "only gzip"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file", "OTEL_EXPORTER_OTLP_CERTIFICATE: open"},
		{"OTEL_TRACES_EXPORTER", "zipkin", "only otlp and none"},
		{"OTEL_RESOURCE_ATTRIBUTES", "secret", "want key=value"},
	} {
		_, err := New(Config{Getenv: env("OTEL_EXPORTER_OTLP_ENDPOINT", to, tt.name, tt.value)})
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s=%s: %v, want ...%s...", tt.name, tt.value, err, tt.says)
		}
	}
}

// TestCertificate: a collector whose authority the environment names is believed.
func TestCertificate(t *testing.T) {
	c := &collector{res: map[string]string{}}
	c.Server = httptest.NewTLSServer(c)
	defer c.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	e := exporter(t, &log, "OTEL_EXPORTER_OTLP_ENDPOINT", c.URL, "OTEL_EXPORTER_OTLP_CERTIFICATE", file)
	e.Add(sample()...)
	end(e)
	if len(c.got) != 2 || len(c.errs) > 0 {
		t.Errorf("%d spans, %v; logged:\n%s", len(c.got), c.errs, &log)
	}
}
