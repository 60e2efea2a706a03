package notify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/solotick/solotick/internal/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	tick  = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	since = tick.Add(-4 * time.Minute)
)

// message is one that fires, for the first time.
func message(change ...func(*Message)) *Message {
	m := &Message{
		Kind: Firing, Severity: Critical, Job: "canary", Alert: "ops", Title: "3 failed backups", Text: "db1\ndb2 & <db3>",
		Tick: tick, Attempt: 1, Fence: 1767323040000, Agent: "MAWDAHDOQH", Since: since,
	}
	for _, c := range change {
		c(m)
	}
	return m
}

func of(k Kind) func(*Message)          { return func(m *Message) { m.Kind = k } }
func texted(s string) func(*Message)    { return func(m *Message) { m.Text = s } }
func following(r string) func(*Message) { return func(m *Message) { m.Ref = r } }
func doubted(m *Message)                { m.Doubt = true }
func second(m *Message)                 { m.Attempt = 2 }

// tries returns a client that repeats a request so often at most. It is closed
// with the test.
func tries(t *testing.T, again int) *web.Client {
	t.Helper()
	c := web.New(web.Options{Timeout: 10 * time.Second, Redirects: web.Never, Retries: again})
	t.Cleanup(c.Close)
	return c
}

// A recorder keeps requests, and answers them.
type recorder struct {
	*httptest.Server
	mu   sync.Mutex
	seen []seen
}

type seen struct {
	Method, Path string
	Header       http.Header
	Body         string
}

// record answers every request by answer; nil: 200.
func record(t *testing.T, answer http.HandlerFunc) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body := new(strings.Builder)
		if _, err := copyBody(body, req); err != nil {
			return
		}
		r.mu.Lock()
		r.seen = append(r.seen, seen{req.Method, req.URL.RequestURI(), req.Header, body.String()})
		r.mu.Unlock()
		if answer != nil {
			answer(w, req)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// all are the requests so far.
func (r *recorder) all() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

// one is the only request, and its body as JSON.
func (r *recorder) one(t *testing.T) (seen, map[string]any) {
	t.Helper()
	all := r.all()
	if len(all) != 1 {
		t.Fatalf("%d requests, want 1", len(all))
	}
	return all[0], object(t, all[0].Body)
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("no JSON object: %v: %.200s", err, text)
	}
	return o
}

func TestKey(t *testing.T) {
	if got, want := message().Key(), "canary/ops/firing/2026-01-02T03:04:00Z"; got != want {
		t.Errorf("key %q, want %q", got, want)
	}
}

func TestHeadline(t *testing.T) {
	for _, tt := range []struct {
		m    *Message
		want string
	}{
		{message(), "✖ Firing (critical): 3 failed backups"},
		{message(of(Reminder), func(m *Message) { m.Severity = Warning }), "▲ Still firing (warning): 3 failed backups"},
		{message(of(Reminder), func(m *Message) { m.Worse = true }), "✖ Worse (critical): 3 failed backups"},
		{message(of(Cleared)), "✔ Cleared: 3 failed backups"},
		{message(of(Passed), func(m *Message) { m.Severity = Info }), "● Fired and cleared (info): 3 failed backups"},
		{message(of(Test)), "● Test: 3 failed backups"},
		{message(func(m *Message) { m.Title = " a\r\n b\x00\xff " }), "✖ Firing (critical): a b\uFFFD"},
		{message(func(m *Message) { m.Title = "" }), "✖ Firing (critical): canary/ops"},
		{message(func(m *Message) { m.Title, m.Job = "", "" }), "✖ Firing (critical): ops"},
		{message(func(m *Message) { m.Title = strings.Repeat("ü", 300) }), "✖ Firing (critical): " + strings.Repeat("ü", 210) + "… (90 more characters)"},
	} {
		if got := tt.m.headline(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestObserved: what no run tells has no tick, and may be about no single job.
func TestObserved(t *testing.T) {
	seen := func(m *Message) {
		*m = Message{Kind: Firing, Job: m.Job, Alert: "late", Title: m.Title, Tick: m.Tick, Since: m.Since, Observed: true}
	}
	for _, tt := range []struct {
		m    *Message
		want string
	}{
		{message(seen), "job canary · alert late · seen 2026-01-02T03:04:00Z · since 2026-01-02T03:00:00Z"},
		{message(seen, func(m *Message) { m.Job = "" }), "alert late · seen 2026-01-02T03:04:00Z · since 2026-01-02T03:00:00Z"},
	} {
		if got := strings.Join(tt.m.facts(), " · "); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestPlain(t *testing.T) {
	m := message(second, doubted, func(m *Message) { m.Unarbitrated = true })
	want := `✖ Firing (critical): 3 failed backups
db1
db2 & <db3>

job canary · alert ops · tick 2026-01-02T03:04:00Z · since 2026-01-02T03:00:00Z · agent MAWDAHDOQH · fence 1767323040000 · attempt 2
Sent before, and its answer was lost: this may be a double.
Run without the register: other agents may post this too.
Attempt 2 at this tick: an earlier one may have posted this already.`
	if diff := cmp.Diff(want, m.plain(10000, runes)); diff != "" {
		t.Error(diff)
	}
}

// TestPlainIsBounded never writes more than what a service takes, and never half
// a character.
func TestPlainIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 200, -1)
		m := message(func(m *Message) {
			m.Title, m.Text = text.Draw(t, "title"), strings.Repeat(text.Draw(t, "text"), rapid.IntRange(0, 50).Draw(t, "times"))
			m.Job, m.Alert, m.Agent = text.Draw(t, "job"), text.Draw(t, "alert"), text.Draw(t, "agent")
			m.Doubt = true
		})
		costs := map[string]func(rune) int{"runes": runes, "octets": octets, "utf16s": utf16s, "jsonLen": jsonLen, "slackLen": slackLen}
		cost := costs[rapid.SampledFrom([]string{"runes", "octets", "utf16s", "jsonLen", "slackLen"}).Draw(t, "cost")]
		limit := rapid.IntRange(200, 5000).Draw(t, "limit")
		got := m.plain(limit, cost)
		if n := total(got, cost); n > limit {
			t.Fatalf("%d, and %d is the limit: %q", n, limit, got)
		}
		if strings.ToValidUTF8(got, "") != got {
			t.Fatalf("not UTF-8: %q", got)
		}
	})
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		text  string
		limit int
		want  string
	}{
		{strings.Repeat("x", 100), 100, strings.Repeat("x", 100)},
		{strings.Repeat("x", 101), 100, strings.Repeat("x", 60) + "… (41 more characters)"},
		{strings.Repeat("x", 100), 30, strings.Repeat("x", 30)}, // no room for a note
		{"", 10, ""},
	} {
		if got := cut(tt.text, tt.limit, runes); got != tt.want {
			t.Errorf("cut(%d, %d): %q, want %q", len(tt.text), tt.limit, got, tt.want)
		}
	}
}

// TestJSONLen is what encoding/json writes.
func TestJSONLen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := clean(rapid.String().Draw(t, "text"))
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := total(s, jsonLen), len(written)-2; got < want {
			t.Fatalf("%q: %d, and it takes %d", s, got, want)
		}
	})
}

// TestMillion sends a million octets of anything in every way: nothing fails,
// and little is sent.
func TestMillion(t *testing.T) {
	text := strings.Repeat("a\x00\xff<&>\"\\\n😀é\u202e@everyone ", 1<<20/32)
	for name, notifier := range overHTTP {
		t.Run(name, func(t *testing.T) {
			r := record(t, func(w http.ResponseWriter, _ *http.Request) { answerAsSlack(w) })
			if _, err := notifier(r.URL, tries(t, 0)).Notify(t.Context(), message(texted(text), func(m *Message) { m.Title = text })); err != nil {
				t.Fatal(err)
			}
			for _, s := range r.all() {
				if len(s.Body) > 500000 || name == "teams" && len(s.Body) > 20000 {
					t.Errorf("%d octets were sent", len(s.Body))
				}
			}
		})
	}
}

// overHTTP makes each notifier that speaks HTTP by a client that is given to it,
// for a server that takes all.
var overHTTP = map[string]func(url string, c *web.Client) Notifier{
	"slack": func(url string, c *web.Client) Notifier {
		return &Slack{Token: NewSecret(plantedToken), Channel: "C024BE91L", URL: url + "/api", Client: c}
	},
	"slack webhook": func(url string, c *web.Client) Notifier {
		return &Slack{Webhook: NewSecret(url + plantedPath), Client: c}
	},
	"webhook": func(url string, c *web.Client) Notifier {
		return &Webhook{URL: NewSecret(url + plantedPath), Secret: NewSecret(plantedToken), Header: map[string]Secret{"Authorization": NewSecret(plantedHeader)}, Client: c}
	},
	"teams": func(url string, c *web.Client) Notifier { return &Teams{URL: NewSecret(url + plantedPath), Client: c} },
	"discord": func(url string, c *web.Client) Notifier {
		return &Discord{URL: NewSecret(url + plantedPath), Client: c}
	},
	"ntfy": func(url string, c *web.Client) Notifier {
		return &Ntfy{URL: url, Topic: NewSecret(plantedTopic), Token: NewSecret(plantedToken), Client: c}
	},
	"pagerduty": func(url string, c *web.Client) Notifier {
		return &PagerDuty{RoutingKey: NewSecret(plantedToken), URL: url, Client: c}
	},
	"ping": func(url string, c *web.Client) Notifier { return &Ping{URL: NewSecret(url + plantedPath), Client: c} },
}

func answerAsSlack(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Write([]byte(`{"ok":true,"ts":"1767323040.000100"}`))
}

// TestOutcome is the contract of a Notifier, for each that speaks HTTP: what may
// have been delivered is uncertain, nothing else is, and nothing that may have
// been delivered is sent again.
func TestOutcome(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, tt := range map[string]struct {
		answer    http.HandlerFunc
		uncertain bool
		requests  int
	}{
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true, 1},
		"half of one": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("{"))
		}, true, 1},
		"too much":     {func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 2<<20)) }, true, 1},
		"500":          {status(500), true, 1},
		"503":          {status(503), true, 1},
		"400":          {status(400), false, 1},
		"404":          {status(404), false, 1},
		"301":          {status(301), false, 1},
		"429, at last": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "0"); w.WriteHeader(429) }, false, 3},
	} {
		for service, notifier := range overHTTP {
			t.Run(name+"/"+service, func(t *testing.T) {
				t.Parallel()
				r := record(t, tt.answer)
				ref, err := notifier(r.URL, tries(t, 2)).Notify(t.Context(), message())
				if err == nil || errors.Is(err, ErrUncertain) != tt.uncertain || ref != "" {
					t.Errorf("ref %q, error %v; uncertain should be %t", ref, err, tt.uncertain)
				}
				if n := len(r.all()); n != tt.requests {
					t.Errorf("%d requests, want %d", n, tt.requests)
				}
			})
		}
	}
}

// TestDeadline ends with the context, and does not know what became of the
// message.
func TestDeadline(t *testing.T) {
	for service, notifier := range overHTTP {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := record(t, func(_ http.ResponseWriter, req *http.Request) {
				cancel()
				<-req.Context().Done()
			})
			_, err := notifier(r.URL, tries(t, 2)).Notify(ctx, message())
			if !errors.Is(err, ErrUncertain) || !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want one that is uncertain and canceled", err)
			}
		})
	}
}

// TestNobodyThere knows that nothing was delivered, and tries again.
func TestNobodyThere(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for service, notifier := range overHTTP {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			_, err := notifier(gone.URL, tries(t, 0)).Notify(t.Context(), message())
			if err == nil || errors.Is(err, ErrUncertain) {
				t.Errorf("error %v, want one that is not uncertain", err)
			}
		})
	}
}

// TestOwnClient is what a notifier uses to which none is given.
func TestOwnClient(t *testing.T) {
	busy := true
	r := record(t, func(w http.ResponseWriter, _ *http.Request) {
		if busy {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		busy = false
	})
	n := &Ping{URL: NewSecret(r.URL)}
	defer func() { n.sender.use(nil).Close() }()
	if _, err := n.Notify(t.Context(), message(of(Cleared))); err != nil || len(r.all()) != 2 {
		t.Errorf("%d requests, error %v", len(r.all()), err)
	}
}
