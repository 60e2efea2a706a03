package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/steps"
)

// printed is what a command prints, which has to end well.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr); code != exitOK {
		t.Fatalf("solotick %s: exit code %d: %s", strings.Join(args, " "), code, stderr.String())
	}
	return stdout.String()
}

// keyAt makes a file that may be a key's.
func keyAt(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.key")
	if err := os.WriteFile(path, []byte("agent:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOriginalsRequest has the job of a moved deployment send its request, and
// compares it with what the original sends: requests.post(URL, json={"name":
// agent.id, "timer": agent.timer, "timerold": agent.timerold, "passcode":
// 1641466583}, headers={"Content-Type": "application/json; charset=utf-8"}), where
// timer was just set to the next tick and timerold to the one that fell due.
func TestOriginalsRequest(t *testing.T) {
	type sent struct{ method, path, kind, body string }
	var got []sent
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, sent{r.Method, r.URL.Path, strings.Join(r.Header["Content-Type"], "|"), string(body)})
	}))
	defer server.Close()
	for name, value := range map[string]string{"SUBDOMAIN": "canary", "DOMAIN": "example.com", "URL": server.URL + "/runs", "PASSCODE": "1641466583", "CLOUDFLARE_TOKEN": "cl0udfl4re"} {
		t.Setenv(name, value)
	}
	const timer = 1642500093
	text := printed(t, "init", "--from-env", "--timer", fmt.Sprint(timer), "--tsig", keyAt(t))
	for _, secret := range []string{"1641466583", "cl0udfl4re"} {
		if strings.Contains(text, secret) {
			t.Errorf("the file shows %s", secret)
		}
	}
	c, err := config.Parse("solotick.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	j := c.Jobs[0]
	if j.Name != "canary" || j.Record != "canary.example.com" || j.Every != time.Minute || c.DNS.TTL != time.Minute {
		t.Errorf("%s at %s every %s, TTL %s", j.Name, j.Record, j.Every, c.DNS.TTL)
	}
	if next := j.Schedule.Next(timer - 1); next != timer {
		t.Errorf("the first tick is %d, want the record's timer %d", next, timer)
	}
	next := j.Schedule.Next(timer)
	_, err = j.Plan.Do(context.Background(), steps.Run{
		Job: j.Name, Record: j.Record, Agent: "VDNDNQNWQY", Tick: time.Unix(timer, 0), Next: time.Unix(next, 0), Attempt: 1, Attempts: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []sent{{
		http.MethodPost, "/runs", "application/json; charset=utf-8",
		`{"name": "VDNDNQNWQY", "timer": 1642500153, "timerold": 1642500093, "passcode": 1641466583}`,
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sent{})); diff != "" {
		t.Errorf("(-original +ours):\n%s", diff)
	}
}

// TestInitIsRight has every first file be one that an agent takes.
func TestInitIsRight(t *testing.T) {
	t.Setenv("SLACK_WEBHOOK", "https://hooks.slack.com/services/T0/B0/x")
	t.Setenv("PASSCODE", "not a number")
	key := keyAt(t)
	ini := filepath.Join(t.TempDir(), "config.ini")
	const original = "; a comment\n[Default]\n\nSUBDOMAIN: Old.Name\nDOMAIN = Example.COM\nUSEDNSRESOLVER: True  # as in the example\nCLOUDFLARE_TOKEN: cl0udfl4re\nurl = https://example.com/a{{b}}?key=s3cret\n[Other]\nDOMAIN: example.org\n"
	if err := os.WriteFile(ini, []byte(original), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("URL", "https://example.com/runs?key=s3cret")
	for _, tt := range []struct{ args, record string }{
		{"", "canary.example.com"},
		{"--zone Jobs.Example.org. --job 1_2-3 --server [::1]:5300 --provider rfc2136", "1_2-3.jobs.example.org"},
		{"--job true --zone 12.34", "true.12.34"},
		{"--from " + ini, "old.name.example.com"},
		{"--from " + ini + " --zone jobs.example.com --job canary", "old.name.jobs.example.com"},
		{"--from " + ini + " --zone name.example.com", "old.name.example.com"},
		{"--from " + ini + " --job old --zone name.example.com --timer 1642500120", "old.name.example.com"},
	} {
		text := printed(t, append([]string{"init", "--tsig", key}, strings.Fields(tt.args)...)...)
		if !strings.HasPrefix(text, "# yaml-language-server: $schema=./solotick.schema.json\n") {
			t.Errorf("%s: no schema in the first line:\n%s", tt.args, text)
		}
		c, err := config.Parse("solotick.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v\n%s", tt.args, err, text)
			continue
		}
		if got := c.Jobs[0].Record; got != tt.record {
			t.Errorf("%s: the record %s, want %s", tt.args, got, tt.record)
		}
		if strings.Contains(text, "cl0udfl4re") || strings.Contains(text, "s3cret") {
			t.Errorf("%s: it shows a secret:\n%s", tt.args, text)
		}
	}
}

func TestParseINI(t *testing.T) {
	for text, want := range map[string]string{
		"[Default]\na: b = c\n":   "map[a:b = c]",
		"[Default]\nA=b:c\r\n":    "map[a:b:c]",
		"\ufeff[DEFAULT]\na:\n":   "map[a:]",
		"# x\n[Other]\na: b\n":    "map[]",
		"[Default]\na: b\n  c\n":  "line 3 is indented, and would continue the one before",
		"[Default]\nnothing\n":    "line 2 is neither a section nor name: value",
		"[Default\na: b\n":        "line 1 is neither a section nor name: value",
		"[Default]\n: b\n":        "line 2 is neither a section nor name: value",
		"[Default]\na: ${x} %y\n": "map[a:${x} %y]",
	} {
		values, err := parseINI(text)
		got := fmt.Sprint(values)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestInitOfEveryProvider has the first file of each provider be right once its
// variables are set, and open the provider.
func TestInitOfEveryProvider(t *testing.T) {
	t.Setenv("SLACK_WEBHOOK", "https://hooks.slack.com/services/T0/B0/x")
	t.Setenv("OVH_APPLICATION_SECRET", "s3cret")
	t.Setenv("OVH_CONSUMER_KEY", "s3cret")
	for _, name := range config.Providers() {
		t.Setenv(strings.ToUpper(name)+"_TOKEN", "t0k3n")
		text := printed(t, "init", "--provider", name, "--tsig", keyAt(t))
		c, err := config.Parse("solotick.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		s, err := openService(c.DNS)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if weak := strings.Contains(text, "accept_weaker"); weak != s.class.Weaker() {
			t.Errorf("%s is of class %s, and its file says of accepting it: %v", name, s.class, weak)
		}
		if _, err := s.register("canary.example.com"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
