package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/report"
)

// TestServeReports has serve take reports in each of the three ways, and refuse those
// of strangers; and an agent run a job whose report arrives with what DNS cannot tell.
func TestServeReports(t *testing.T) {
	t.Parallel()
	g := newGrounds(t)
	const key, token, passcode = "correct-horse-battery-key", "correct-horse-battery-token", "4711"
	var log logBuffer
	at, stop := g.serve(&log, "--every", "1s", "--reports-key-file", g.write("key", key), "--reports-token-file", g.write("token", token), "--reports-passcode-file", g.write("passcode", passcode))
	defer stop()
	to := at + "/api/v1/reports"
	r := &reader{t: t, client: http.DefaultClient, url: at}

	now := time.Now().UTC().Truncate(time.Second)
	for i, c := range []report.Config{{Key: register.NewSecret(key)}, {Token: register.NewSecret(token)}} {
		c.URL = register.NewSecret(to)
		s, err := report.NewSender(c)
		if err != nil {
			t.Fatal(err)
		}
		s.Send(report.Report{
			Schema: report.Schema, Record: "canary.t.test", Job: "canary", Tick: now.Add(time.Duration(i-9) * time.Hour), Attempt: 1, Agent: "SENDER", Began: now, Ended: now, TookMS: 1234, Result: "ok",
			Output: fmt.Sprintf("report %d has arrived", i), Steps: []report.Step{{ID: "first", Kind: "exec", Result: "ok", TookMS: 1200}},
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		s.Close(ctx)
		cancel()
	}
	original := func(query, code string) int {
		body := fmt.Sprintf(`{"name":"OLDTIMER","timer":%d,"timerold":%d,"passcode":%s}`, now.Unix()+60, now.Unix()-3*3600, code)
		status, _ := r.ask("POST", "/api/v1/reports"+query, body, "Content-Type", "application/json")
		return status
	}
	if a, b := original("", passcode), original("?record="+url.QueryEscape("canary.t.test"), passcode); a >= 300 || b >= 300 {
		t.Errorf("reports of the original are answered with %d and %d", a, b)
	}
	if a, b := original("", "4712"), original("?record=other.t.test", passcode); a != http.StatusUnauthorized || b < 400 {
		t.Errorf("with a wrong passcode %d, of a record that is not watched %d", a, b)
	}

	// An agent, whose command says something.
	file, err := os.ReadFile(g.file)
	if err != nil {
		t.Fatal(err)
	}
	agents := strings.Replace(string(file), "jobs:\n  canary: { every: 1h, exec: [\"true\"] }", "agent: { report: { url: \""+to+"\", hmac: \"${file:"+g.dir+"/key}\" } }\njobs:\n  canary: { every: 2s, lease: 6s, kill_grace: 1s, exec: [echo, \"an agent has run it\"] }", 1)
	ctx, end := context.WithCancel(t.Context())
	over := make(chan int, 1)
	go func() {
		over <- run(ctx, []string{"run", "-c", g.write("agents.yaml", agents)}, strings.NewReader(""), io.Discard, &log)
	}()
	want := []string{"report 0 has arrived", "report 1 has arrived", `"took_ms":1234`, `"id":"first"`, "OLDTIMER", "an agent has run it"}
	for until := time.Now().Add(40 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		_, text := r.ask("GET", "/api/v1/records/canary/runs", "")
		text = strings.ReplaceAll(text, `": `, `":`)
		missing := want[:0:0]
		for _, w := range want {
			if !strings.Contains(text, w) {
				missing = append(missing, w)
			}
		}
		if len(missing) == 0 {
			break
		}
		if time.Now().After(until) {
			t.Errorf("not told: %q\n%s\n%s", missing, text, log.String())
			break
		}
	}
	end()
	if code := <-over; code != 0 {
		t.Errorf("the agent ends with %d\n%s", code, log.String())
	}
}
