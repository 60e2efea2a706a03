package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/steps"
)

// ask asks a desk and returns the status and the text of its answer.
func ask(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestDesk(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk("TESTAGENT")
	ctx, end := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		d.serve(ctx, l, slog.New(slog.DiscardHandler))
	}()
	defer func() { end(); <-over }()
	defer http.DefaultClient.CloseIdleConnections()
	url := "http://" + l.Addr().String()

	if code, text := ask(t, url+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready before anything is in force: %d %s", code, text)
	}
	r := &reloader{path: "solotick.yaml", log: slog.New(slog.DiscardHandler), last: &config.Config{Hash: "abc"}, desk: d}
	r.fleet = &fleet{svc: &service{dns: config.DNS{Provider: "rfc2136", Zone: "example.com"}, class: register.Exact}}
	stop := make(chan struct{})
	turned := make(chan struct{})
	go func() { // the fleet's loop, while somebody asks
		defer close(turned)
		for {
			select {
			case <-stop:
				return
			default:
				r.well()
				r.tell()
			}
		}
	}()
	var status agentStatus
	for n := 0; n < 20 || len(status.Definitions) == 0 || status.Definitions[0].Good == nil; n++ {
		_, text := ask(t, url+"/status")
		if err := json.Unmarshal([]byte(text), &status); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	close(stop)
	<-turned
	if code, text := ask(t, url+"/readyz"); code != http.StatusOK {
		t.Errorf("not ready: %d %s", code, text)
	}

	if _, text := ask(t, url+"/metrics"); !strings.Contains(text, `solotick_register_info{class="exact",provider="rfc2136",zone="example.com"} 1`) {
		t.Errorf("no metric tells of the register:\n%s", text)
	}
	if want := (monitor.Register{Provider: "rfc2136", Zone: "example.com", Class: "exact"}); status.Register == nil || *status.Register != want {
		t.Errorf("status tells of the register: %v", status.Register)
	}

	// A list that is gone with the file's word of it leaves nothing behind.
	r.ill("a mistake", errors.New("no zone"))
	good := time.Now()
	d.define([]definition{{Source: "file", OK: true, Hash: "abc", Good: &good}, {Source: "jobs_from", Hash: "def", Good: &good}})
	if _, text := ask(t, url+"/metrics"); !strings.Contains(text, `solotick_config_last_reload_successful{source="jobs_from"} 0`) {
		t.Errorf("no metric tells of the list:\n%s", text)
	}
	r.tell()
	if _, text := ask(t, url+"/metrics"); strings.Contains(text, `source="jobs_from"`) || !strings.Contains(text, `solotick_config_last_reload_successful{source="file"} 0`) {
		t.Errorf("metrics of a list that is gone:\n%s", text)
	}
	if code, text := ask(t, url+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "no zone") {
		t.Errorf("ready: %d %s", code, text)
	}
	d.ran(&finished{member: member{Name: "j"}, steps: steps.Result{Steps: []steps.Report{
		{Kind: steps.KindAlert, Result: "ok", Told: true},
		{Kind: steps.KindAlert, Result: "ok"},
		{Kind: steps.KindAlert, Result: "ok", Err: errors.New("nobody could be told")},
		{Kind: steps.KindAlert, Result: "failed", Err: errors.New("no such name")},
		{Kind: steps.KindHTTP, Result: "failed", Err: errors.New("no answer")},
	}}})
	for _, want := range []string{`solotick_alerts_total{job="j",outcome="accepted"} 1`, `solotick_alerts_total{job="j",outcome="failed"} 1`} {
		if _, text := ask(t, url+"/metrics"); !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if code, _ := ask(t, url+"/livez"); code != http.StatusOK {
		t.Errorf("it does not live: %d", code)
	}
}
