package report_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A receiver takes reports as a server does, and checks each.
type receiver struct {
	*httptest.Server
	auth report.Auth

	mu     sync.Mutex
	status []int // to answer with before anything is taken
	hang   chan struct{}
	said   string
	got    map[string]report.Report // by key
	asked  int
	errs   []error
	keys   map[string]string // the Idempotency-Key of each
}

func newReceiver(t *testing.T, a report.Auth) *receiver {
	t.Helper()
	r := &receiver{auth: a, got: map[string]report.Report{}, keys: map[string]string{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if hang := r.hang; hang != nil {
		r.mu.Unlock()
		select {
		case <-hang:
		case <-req.Context().Done():
		}
		r.mu.Lock()
	}
	rep, err := report.Read(req, r.auth)
	if len(r.status) > 0 {
		s := r.status[0]
		r.status = r.status[1:]
		http.Error(w, r.said, s)
		return
	}
	if err != nil {
		r.errs = append(r.errs, err)
		http.Error(w, err.Error(), report.Status(err))
		return
	}
	if before, ok := r.keys[rep.Key()]; ok && before != req.Header.Get(report.KeyHeader) {
		r.errs = append(r.errs, fmt.Errorf("one report has two keys"))
	}
	r.keys[rep.Key()] = req.Header.Get(report.KeyHeader)
	r.got[rep.Key()] = rep
	w.WriteHeader(http.StatusNoContent)
}

// A tally counts outcomes, and keeps the log.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
	log    bytes.Buffer
}

func (c *tally) count(outcome string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[outcome] += n
}

func (c *tally) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(p)
}

func (c *tally) read() (map[string]int, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := map[string]int{}
	for k, v := range c.counts {
		counts[k] = v
	}
	return counts, c.log.String()
}

func newSender(t *testing.T, url string, c report.Config) (*report.Sender, *tally) {
	t.Helper()
	y := &tally{counts: map[string]int{}}
	c.URL, c.Count, c.Log = register.NewSecret(url), y.count, slog.New(slog.NewTextHandler(y, nil))
	s, err := report.NewSender(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(s, time.Second) })
	return s, y
}

func end(s *report.Sender, patience time.Duration) time.Duration {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.Close(ctx)
	return time.Since(began)
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for by := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(by) {
			t.Fatal("not within 20 s: " + what)
		}
	}
}

// TestSender: what is sent arrives whole, whatever proves who sends it.
func TestSender(t *testing.T) {
	for name, tt := range map[string]struct {
		auth report.Auth
		cfg  report.Config
	}{
		"token": {report.Auth{Tokens: secrets("tooken")}, report.Config{Token: register.NewSecret("tooken")}},
		"key":   {report.Auth{Keys: secrets("keey")}, report.Config{Key: register.NewSecret("keey")}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, tt.auth)
			s, y := newSender(t, r.URL+"/report", tt.cfg)
			const n = 50
			for i := range n {
				one := full()
				one.Tick = one.Tick.Add(time.Duration(i) * time.Second)
				one.Output = strings.Repeat("<\x00>", 5000)
				for len(one.Steps) < report.MaxSteps {
					one.Steps = append(one.Steps, report.Step{ID: "x", Kind: "set", Result: "ok", Note: strings.Repeat("\x00", 999)})
				}
				s.Send(one)
			}
			if took := end(s, 20*time.Second); took > 19*time.Second {
				t.Errorf("the end took %v", took)
			}
			if len(r.got) != n || len(r.errs) > 0 {
				t.Errorf("%d reports arrived, and %v", len(r.got), r.errs)
			}
			for _, got := range r.got {
				if got.Record != "canary.example.com" || got.Result != record.Failed || *got.Code != 3 || !strings.HasSuffix(got.Output, "<\x00>") {
					t.Errorf("got %+v", got)
				}
			}
			if counts, log := y.read(); counts["accepted"] != n || len(counts) != 1 || log != "" {
				t.Errorf("counted %v, and logged %s", counts, log)
			}
		})
	}
}

// TestSenderTriesAgain: a server that is away for a while gets everything, once, and
// the log tells of it once.
func TestSenderTriesAgain(t *testing.T) {
	r := newReceiver(t, report.Auth{Tokens: secrets("tooken")})
	r.status, r.said = []int{503, 429}, "not now, tooken"
	s, y := newSender(t, r.URL, report.Config{Token: register.NewSecret("tooken")})
	s.Send(full())
	await(t, "the report", func() bool { counts, _ := y.read(); return counts["accepted"] == 1 })
	counts, log := y.read()
	if diff := cmp.Diff(map[string]int{"accepted": 1}, counts); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	if strings.Count(log, "cannot be delivered") != 1 || strings.Count(log, "delivered again") != 1 || !strings.Contains(log, "answered 503: not now, ***") || strings.Contains(log, "tooken") {
		t.Errorf("logged:\n%s", log)
	}
	if r.asked != 3 {
		t.Errorf("asked %d times", r.asked)
	}
}

// TestSenderRefused: what is refused is not sent again, and said once.
func TestSenderRefused(t *testing.T) {
	r := newReceiver(t, report.Auth{Tokens: secrets("another")})
	s, y := newSender(t, r.URL, report.Config{Token: register.NewSecret("tooken")})
	for i := range 5 {
		one := full()
		one.Attempt = 1 + i
		s.Send(one)
	}
	await(t, "refusals", func() bool { counts, _ := y.read(); return counts["refused"] == 5 })
	_, log := y.read()
	if r.asked != 5 || strings.Count(log, "refused") != 1 || !strings.Contains(log, "compare agent.report with what the server was told") {
		t.Errorf("asked %d times; logged:\n%s", r.asked, log)
	}
}

// TestSenderEcho: a server that repeats what it was sent puts nothing of that into the
// log which others may not know.
func TestSenderEcho(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintln(w, r.RequestURI, r.Header, r.URL.Query(), "and that is why")
	}))
	defer server.Close()
	u := strings.Replace(server.URL, "//", "//some%21one:pla%2Fnted@", 1) + "/in/pla%20nted?key=pl%61nted&x=planted+too#no"
	s, y := newSender(t, u, report.Config{Token: register.NewSecret("planted-token")})
	s.Send(full())
	await(t, "a refusal", func() bool { counts, _ := y.read(); return counts["refused"] == 1 })
	_, log := y.read()
	for _, secret := range []string{"nted", "some!one", base64.StdEncoding.EncodeToString([]byte("some!one:pla/nted"))} {
		if strings.Contains(log, secret) {
			t.Errorf("%q was logged:\n%s", secret, log)
		}
	}
	if !strings.Contains(log, "answered 403: ***") {
		t.Errorf("logged:\n%s", log)
	}
}

// TestSenderEndsInTime: a server that hangs does not keep the program, and what is
// lost is told.
func TestSenderEndsInTime(t *testing.T) {
	r := newReceiver(t, report.Auth{Tokens: secrets("tooken")})
	hang := make(chan struct{})
	r.hang = hang
	defer close(hang)
	s, y := newSender(t, r.URL, report.Config{Token: register.NewSecret("tooken")})
	began := time.Now()
	for range 2000 {
		s.Send(full())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it kept the runs for %v", took)
	}
	if took := end(s, 300*time.Millisecond); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
	counts, log := y.read()
	if counts["dropped"] != 2000 || !strings.Contains(log, "dropped=2000") {
		t.Errorf("counted %v, logged:\n%s", counts, log)
	}
}

// TestSenderNobody: nobody listens.
func TestSenderNobody(t *testing.T) {
	r := newReceiver(t, report.Auth{})
	url := r.URL
	r.Close()
	s, y := newSender(t, url+"/secret-path?secret=query", report.Config{Key: register.NewSecret("keey")})
	s.Send(full())
	await(t, "a line of the log", func() bool { _, log := y.read(); return strings.Contains(log, "connection refused") })
	if _, log := y.read(); strings.Contains(log, "secret") {
		t.Errorf("logged:\n%s", log)
	}
}

func TestNewSender(t *testing.T) {
	one := register.NewSecret("x")
	for _, c := range []report.Config{
		{URL: register.NewSecret("ftp://a"), Token: one},
		{URL: register.NewSecret("no url"), Token: one},
		{URL: register.NewSecret("https://a.example")},
		{URL: register.NewSecret("https://a.example"), Token: one, Key: one},
	} {
		if _, err := report.NewSender(c); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
	var none *report.Sender
	none.Send(full())
	none.Close(t.Context())
}
