package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/monitor"
)

// receive believes whoever names a record in a header, and takes the latest tick
// for the one that is told of.
func receive(r *http.Request) (string, monitor.Run, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return "", monitor.Run{}, err
	}
	switch name := r.Header.Get("Name"); name {
	case "":
		return "", monitor.Run{}, &Problem{Status: http.StatusUnauthorized, Detail: "nothing proves who sends this"}
	case "garbage":
		return "", monitor.Run{}, errors.New("this is no report")
	default:
		return name, monitor.Run{Tick: time.Now().Unix() - 140, Attempt: 1, Agent: agentA, Result: "ok", Detail: &monitor.Detail{Began: time.Now(), TookMS: 1234, Output: "done"}}, nil
	}
}

func TestReports(t *testing.T) {
	a := serve(t, Config{Receive: receive})
	post := func(name, body string) *http.Response {
		return ask(t, a, asking{"POST", "/api/v1/reports", map[string]string{"Name": name}, body})
	}
	for _, name := range []string{"canary.example.com", "canary"} {
		if resp := post(name, "{}"); resp.StatusCode != http.StatusNoContent {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	told := false
	for _, r := range document[monitor.Runs](t, a, "/api/v1/records/canary/runs").Runs {
		told = told || r.Detail != nil && r.Detail.TookMS == 1234
	}
	if !told {
		t.Error("what was told is not shown")
	}
	if resp := post("", "{}"); problem(t, resp).Status != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("without proof: %d %v", resp.StatusCode, resp.Header)
	}
	if p := problem(t, post("garbage", "{}")); p.Status != http.StatusBadRequest || p.Detail != "this is no report" || p.Means == "" {
		t.Errorf("garbage: %+v", p)
	}
	if p := problem(t, post("none.example.com", "{}")); p.Status != http.StatusNotFound || !strings.Contains(p.Do, "serve") {
		t.Errorf("of a record that is not watched: %+v", p)
	}
	if p := problem(t, post("canary", strings.Repeat("x", mostReport+1))); p.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("too long: %+v", p)
	}
	metrics := get200(t, a, "/metrics")
	for outcome, n := range map[string]int{"accepted": 2, "refused": 3, "dropped": 1} {
		if want := fmt.Sprintf("solotick_reports_total{outcome=%q} %d\n", outcome, n); !strings.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
	if p := problem(t, ask(t, serve(t, Config{}), asking{method: "POST", path: "/api/v1/reports"})); p.Status != http.StatusNotFound || !strings.Contains(p.Detail, "reports of agents are not taken here") {
		t.Errorf("where none are taken: %+v", p)
	}
}

// TestReportRate keeps one address from sending ever more.
func TestReportRate(t *testing.T) {
	a := serve(t, Config{Receive: receive})
	refused := 0
	for range a.reportRates.burst + 200 { // who proves nothing takes nothing away from who does
		ask(t, a, asking{method: "POST", path: "/api/v1/reports"})
	}
	if resp := ask(t, a, asking{"POST", "/api/v1/reports", map[string]string{"Name": "canary"}, ""}); resp.StatusCode != http.StatusNoContent {
		t.Errorf("behind many that prove nothing: %d", resp.StatusCode)
	}
	for range a.reportRates.burst + 200 {
		resp := ask(t, a, asking{"POST", "/api/v1/reports", map[string]string{"Name": "canary"}, ""})
		if resp.StatusCode == http.StatusTooManyRequests {
			refused++
			if resp.Header.Get("Retry-After") == "" {
				t.Error("it is not said when to try again")
			}
		}
	}
	if refused == 0 {
		t.Error("all were taken")
	}
}

func TestRates(t *testing.T) {
	l := &rates{every: time.Second, burst: 3}
	begin := time.Unix(1_800_000_000, 0)
	for i := range 3 {
		if wait := l.take("a", begin); wait != 0 {
			t.Errorf("%d: wait %v", i, wait)
		}
	}
	if wait := l.take("a", begin); wait != time.Second {
		t.Errorf("wait %v", wait)
	}
	if wait := l.take("b", begin); wait != 0 {
		t.Errorf("another address: wait %v", wait)
	}
	if wait := l.wait("a", begin.Add(500*time.Millisecond)); wait != 500*time.Millisecond {
		t.Errorf("wait %v", wait)
	}
	if wait := l.take("a", begin.Add(time.Second)); wait != 0 {
		t.Errorf("a second later: wait %v", wait)
	}
	for i := range 3 * mostRemotes {
		l.take(fmt.Sprint(i), begin)
		if len(l.full) > mostRemotes {
			t.Fatalf("%d addresses are remembered", len(l.full))
		}
	}
}
