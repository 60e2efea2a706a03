package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/internal/web"
)

// own is an agent's own file that reads a list from elsewhere.
func own(t *testing.T, more string) *config.Config {
	t.Helper()
	c, err := config.Parse("own", []byte("version: 1\ndns: {provider: rfc2136, zone: example.com, server: ns1}\nnotify: {ops: {ntfy: {topic: abc}}}\n"+more))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func repeated(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "%d", fmt.Sprint(i)))
	}
	return b.String()
}

// TestListsThatAreTooMuch has nobody who can write the list have an agent do
// nothing else than read it: each of these is within 1 MiB.
func TestListsThatAreTooMuch(t *testing.T) {
	c := own(t, "jobs_from: { url: /tmp/x, allow: { files: [/dev/null] } }\n")
	steps := repeated(100, "      - {id: s%d, http: 'http://a.example/', if: 'job==\"x\"'}\n")
	long := strings.Repeat("x", 300_000)
	for name, text := range map[string]string{
		"jobs":                    "version: 1\ndefaults: {every: 60s, steps: [{http: 'http://a.example/'}]}\njobs:\n" + repeated(20_000, "  a%d: {}\n"),
		"steps of defaults":       "version: 1\ndefaults:\n    every: 60s\n    steps:\n" + steps + "jobs:\n" + repeated(1900, "  a%d: {}\n"),
		"aliases":                 "version: 1\njobs: {a: {every: 60s, steps: [{http: {url: &u 'http://a.example/', json: [" + strings.Repeat("*u, ", 50_000) + "]}}]}}\n",
		"headers of aliases":      "version: 1\njobs:\n  x: {every: 60s, steps: [{http: {url: 'http://a.example/', headers: &x {" + repeated(1000, "h%d: 'aaaaaaaaaaaaaaaaaaaaaaaa', ") + "}}}]}\n" + repeated(1000, "  a%d: {every: 60s, steps: [{http: {url: 'http://a.example/', headers: *x}}]}\n"),
		"a long expression":       "version: 1\njobs:\n  x: {every: 60s, steps: [{if: &x 'len(\"" + strings.Repeat("x", 3900) + "\") > 0', http: 'http://a.example/'}]}\n" + repeated(1900, "  a%d: {every: 60s, steps: [{if: *x, http: 'http://a.example/'}]}\n"),
		"mistakes":                "version: 1\njobs:\n" + repeated(20_000, "  a%d: {x: 1}\n"),
		"mistakes in a line":      "{version: 1, jobs: {" + repeated(20_000, "a%d: {x: 1}, ") + "}}",
		"one job's mistakes":      "{version: 1, jobs: {a: {every: 60s, steps: [{http: {url: 'http://a.example/', headers: {" + repeated(25_000, "'a %d': x, ") + "}}}]}}}",
		"a long key":              "version: 1\njobs:\n  b: {? &k " + long + " : 1}\n" + repeated(1900, "  a%d: {*k : 1}\n"),
		"a long name of a zone":   "version: 1\njobs:\n  b: {cron: '* * * * *', time_zone: &k " + long + "}\n",
		"a long record":           "version: 1\njobs:\n  b: {every: 60s, record: &k " + long + "}\n" + repeated(1900, "  a%d: {every: 60s, record: *k}\n"),
		"a long list of defaults": "version: 1\ndefaults: {every: 60s, steps: [{http: {url: 'http://a.example/', json: [" + repeated(9_000, "{a: %d, b: aaaaaaaaaaaaaaaaaaaaaaaaa}, ") + "]}}]}\njobs:\n" + repeated(1900, "  a%d: {}\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(text) > 1<<20 {
				t.Fatalf("%d bytes are refused anyway", len(text))
			}
			began := time.Now()
			_, err := c.Parse("list", []byte(text))
			var all config.Diagnostics
			if !errors.As(err, &all) || len(all) > 110 || len(all.Error()) > 500_000 {
				t.Errorf("%d mistakes: %.300v", len(all), err)
			}
			t.Logf("%v: %.150v", time.Since(began).Round(time.Millisecond), err)
		})
	}
}

// TestListOfSize reads a list of the size that there may be.
func TestListOfSize(t *testing.T) {
	c := own(t, "jobs_from: /tmp/x\n")
	text := "version: 1\ndefaults: { every: 60s, timeout: 5s, overlap: skip }\njobs:\n" + repeated(2000, `
  a%d:
    steps:
      - { id: api, http: { url: "https://a.example/%d", timeout: 5s, retries: 2 }, expect: status == 200 }
      - { alert: ops, if: len(steps.api.json.items) > 0, text: "{{ len(steps.api.json.items) }} items" }
    on_failure: { alert: ops, after: 3 }`)
	began := time.Now()
	jobs, err := c.Parse("list", []byte(text))
	if err != nil || len(jobs) != 2000 {
		t.Fatalf("%d jobs: %.500v", len(jobs), err)
	}
	t.Logf("%v", time.Since(began))
}

// TestListsShareARoom has the jobs of all lists share what memory there is for
// them, and those of the file have the rest.
func TestListsShareARoom(t *testing.T) {
	const jobs = "jobs: { %: { every: 60s, steps: [ { http: 'http://a.example/' } ] } }\n"
	c := own(t, "jobs_from: /tmp/x\n"+strings.ReplaceAll(jobs, "%", "a"))
	first, err := c.Parse("list", []byte("version: 1\n"+strings.ReplaceAll(jobs, "%", "b")))
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Parse("list", []byte("version: 1\n"+strings.ReplaceAll(jobs, "%", "c")))
	if err != nil {
		t.Fatal(err)
	}
	room := func(j config.Job) *web.Room { return j.Plan.Steps[0].HTTP.Client.Room() }
	if room(c.Jobs[0]) != nil || room(first[0]) == nil || room(first[0]) != room(second[0]) {
		t.Errorf("%p, %p, %p", room(c.Jobs[0]), room(first[0]), room(second[0]))
	}
}

// TestCredentialsOfTheService: what a service manager has handed to the agent is not
// for whoever can write a list elsewhere.
func TestCredentialsOfTheService(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", t.TempDir())
	c := own(t, "jobs_from: { url: /tmp/x, allow: { exec: true, env: [KEY], files: [/key] } }\n")
	_, err := c.Parse("list", []byte("version: 1\njobs: { a: { every: 60s, exec: [x], env: { KEY: \"${credential:key}\" } } }\n"))
	if err == nil || !strings.Contains(err.Error(), "a job from elsewhere may not have a credential") {
		t.Errorf("a list takes a credential: %v", err)
	}
}
