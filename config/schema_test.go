package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/solotick/solotick/config"
)

// TestSchemaFiles keeps the schemas that are shipped those that the table makes.
func TestSchemaFiles(t *testing.T) {
	for file, text := range map[string][]byte{"solotick.schema.json": config.Schema(), "solotick-jobs.schema.json": config.JobsSchema()} {
		path := filepath.Join("..", "docs", file)
		if *rewrite {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		shipped, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(shipped), string(text)); diff != "" {
			t.Errorf("docs/%s is not what the table says: go test ./config -rewrite (-shipped +table):\n%s", file, diff)
		}
	}
}

// compiled is a schema, checked against that of its draft.
func compiled(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// judgeText is what a schema says of a text, as an editor would have it judged.
func judgeText(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	v, err := config.Plain(text)
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// TestSchemaOfFiles has the schema judge all files of testdata. Those that the
// decoder takes it takes too.
func TestSchemaOfFiles(t *testing.T) {
	environment(t)
	schema := compiled(t, config.Schema())
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, refused := config.Parse(file, data)
		err = judgeText(t, schema, data)
		switch {
		case refused == nil && err != nil:
			t.Errorf("%s is right, and the schema refuses it: %v", file, err)
		case refused == nil:
			taken++
		case err == nil:
			t.Errorf("%s is wrong, and the schema takes it", file)
		}
	}
	if taken < 2 {
		t.Errorf("%d right files in testdata", taken)
	}
}

// TestSchemaAlone has the schema and the decoder judge one thing at a time.
func TestSchemaAlone(t *testing.T) {
	environment(t)
	t.Setenv("CONFIG_TEST_DURATION", "40s")
	schema := compiled(t, config.Schema())
	const top = "version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1 }\n"
	inJob := func(text string) string { return top + "jobs: { a: { every: 60s, " + text + " } }\n" }
	inStep := func(text string) string { return inJob("steps: [ { " + text + " } ]") }
	inNotify := func(text string) string {
		return top + "notify: { ops: { " + text + " } }\njobs: { a: { every: 60s, exec: [x] } }\n"
	}
	for _, tt := range []struct {
		text string
		good bool
	}{
		{inJob("exec: [x]"), true},
		{inJob("exec: [5, true, 1.5, x y]"), true},
		{inJob(`exec: ["$HOME", "${HOME}", "$${env:HOME}"]`), true},
		{inJob(`exec: ["${env:HOME}"]`), false},
		{inJob("exec: []"), false},
		{inJob(`exec: [""]`), false},
		{inJob("exec: [[x]]"), false},
		{inJob("exec: x y, shell: true"), true},
		{inJob("exec: x y, shell: false"), false},
		{inJob("exec: [x], shell: true"), false},
		{inJob("exec: [x], steps: [{ exec: [x] }]"), false},
		{inJob("exec: [x], cron: '* * * * *'"), false},
		{inJob("exec: [x], timeout: '${env:CONFIG_TEST_DURATION}'"), true},
		{inJob("exec: [x], timeout: '${env:CONFIG_TEST_NONE:-1m}5s'"), true},
		{inJob("exec: [x], timeout: 1h2.5m.5s3ms4us5µs6ns"), true},
		{inJob("exec: [x], timeout: -0s"), false},
		{inJob("exec: [x], timeout: 0"), false},
		{inJob("exec: [x], timeout: 60"), false},
		{inJob("exec: [x], timeout: 1d"), false},
		{inJob("exec: [x], timeout: 1m 30s"), false},
		{inJob("exec: [x], timeout: '$${env:CONFIG_TEST_DURATION}'"), false},
		{inJob("exec: [x], attempts: '2'"), true},
		{inJob("exec: [x], attempts: '${env:CONFIG_TEST_NONE:-2}'"), true},
		{inJob("exec: [x], attempts: 0"), false},
		{inJob("exec: [x], attempts: 2.5"), false},
		{inJob("exec: [x], attempts: '2.5'"), false},
		{inJob("exec: [x], attempts: [2]"), false},
		{inJob("exec: [x], shell: 'false'"), true},
		{inJob("exec: [x], shell: no"), false},
		{inJob("exec: [x], dir: 5"), true},
		{inJob("exec: [x], dir: '$${x} $5 $$ ${env:CONFIG_TEST_NONE:-}$'"), true},
		{inJob("exec: [x], dir: '${HOME}'"), false},
		{inJob("exec: [x], dir: '${env:HOME'"), false},
		{inJob("exec: [x], dir: "), false},
		{inJob("exec: [x], overlap: skip"), true},
		{inJob("exec: [x], overlap: '${env:CONFIG_TEST_NONE:-skip}'"), true},
		{inJob("exec: [x], overlap: skips"), false},
		{inJob("exec: [x], env: { A_1: 5, B: '' }"), true},
		{inJob("exec: [x], env: { 1A: 5 }"), false},
		{inJob("exec: [x], env: { SOLOTICK_JOB: x }"), false},
		{inJob("exec: [x], env: { A: [x] }"), false},
		{inJob("exec: [x], env: [A]"), false},
		{inJob("exec: [x], evry: 5s"), false},
		{inJob("exec: [x], record: A-b_c.example.com."), true},
		{inJob("exec: [x], record: -a.example.com"), false},
		{strings.Replace(inJob("exec: [x]"), " a:", " A:", 1), false},
		{strings.Replace(inJob("exec: [x]"), " a:", " a-:", 1), false},
		{strings.Replace(inJob("exec: [x]"), " a:", " a-1_:", 1), true},
		{inStep("http: https://example.com"), true},
		{inStep("http: '${env:CONFIG_TEST_URL}'"), true},
		{inStep("http: '{{ job }}'"), true},
		{inStep("http: ftp://example.com"), false},
		{inStep("http: ''"), false},
		{inStep("http: [https://example.com]"), false},
		{inStep("http: { url: https://example.com, json: }"), true},
		{inStep("http: { url: https://example.com, json: { a: [1, null, { b: '{{ tick }}' }] } }"), true},
		{inStep("http: { url: https://example.com, json: {}, body: x }"), false},
		{inStep("http: { url: https://example.com, form: {}, body: x }"), false},
		{inStep("http: { url: https://example.com, form: {}, json: x }"), false},
		{inStep("http: { url: https://example.com, method: GET, body: x }"), false},
		{inStep("http: { url: https://example.com, method: POST, body: x }"), true},
		{inStep("http: { url: https://example.com, method: get }"), false},
		{inStep("http: { url: https://example.com, headers: { a b: x } }"), false},
		{inStep("http: { url: https://example.com, tls: { key: x } }"), false},
		{inStep("http: { timeout: 5s }"), false},
		{inStep("http: https://example.com, exec: [x]"), false},
		{inStep("http: https://example.com, text: x"), false},
		{inStep("http: https://example.com, id: Check"), false},
		{inStep("http: https://example.com, if: true"), true},
		{inStep("http: https://example.com, if: ' '"), false},
		{inStep("http: https://example.com, if: 'job == \"${env:HOME}\"'"), false},
		{inStep("set: 5"), true},
		{inStep("set: x, expect: true"), false},
		{inStep("id: x"), false},
		{inStep("alert: ops"), false},
		{inJob("steps: []"), false},
		{inJob("steps: { exec: [x] }"), false},
		{inNotify("slack: { webhook: '${env:CONFIG_TEST_URL}' }"), true},
		{inNotify("slack: { webhook: https://hooks.example.com/x }"), false},
		{inNotify("slack: { token: '${env:CONFIG_TEST_TOKEN}', channel: C012 }"), true},
		{inNotify("slack: { token: '${env:CONFIG_TEST_TOKEN}' }"), false},
		{inNotify("slack: { token: '${env:CONFIG_TEST_TOKEN}', webhook: '${env:CONFIG_TEST_URL}' }"), false},
		{inNotify("slack: {}"), false},
		{inNotify(""), false},
		{inNotify("exec: [x], ping: { url: https://example.com }"), false},
		{inNotify("exec: [x]"), true},
		{inNotify("exec: { command: [x], timeout: 5s }"), true},
		{inNotify("exec: { command: x y, shell: true }"), true},
		{inNotify("exec: { command: x y }"), false},
		{inNotify("exec: { shell: true }"), false},
		{inNotify("email: { host: h, from: a@example.com, to: b@example.com }"), true},
		{inNotify("email: { host: h, from: a@example.com }"), false},
		{inNotify("email: { host: h, from: a@example.com, to: [b@example.com], password: '${env:CONFIG_TEST_TOKEN}' }"), false},
		{inNotify("ntfy: { topic: a/b }"), false},
		{inNotify("url: telegram://x"), false},
		{strings.Replace(inNotify("exec: [x]"), "ops", "Ops", 1), false},
		{top, false},
		{top + "jobs: {}\n", false},
		{top + "jobs_from: https://example.com/jobs.yaml\n", true},
		{top + "jobs_from: { url: s3://bucket/key, allow: { exec: true, private: 10.0.0.0/8 } }\n", true},
		{top + "jobs_from: { url: bucket/key }\n", false},
		{top + "jobs_from: { allow: {} }\n", false},
		{strings.Replace(inJob("exec: [x]"), "version: 1", "version: 2", 1), false},
		{strings.Replace(inJob("exec: [x]"), "version: 1\n", "", 1), false},
		{strings.Replace(inJob("exec: [x]"), "server", "tsig: name:secret, server", 1), false},
		{strings.Replace(inJob("exec: [x]"), "server", "tsig: '${env:CONFIG_TEST_KEY}', server", 1), true},
		{"5\n", false},
		{"- 5\n", false},
	} {
		_, refused := config.Parse("f", []byte(tt.text))
		err := judgeText(t, schema, []byte(tt.text))
		if (refused == nil) != tt.good || (err == nil) != tt.good {
			t.Errorf("good is %v for\n%s\tthe decoder says %v\n\tthe schema says %v", tt.good, tt.text, refused, err)
		}
	}
}

// A list of jobs from elsewhere has a schema of its own.
func TestJobsSchema(t *testing.T) {
	base, err := config.Parse("f", fmt.Appendf(nil, "version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1 }\njobs_from: { url: /etc/jobs.yaml, allow: { exec: true } }\n"))
	if err != nil {
		t.Fatal(err)
	}
	schema := compiled(t, config.JobsSchema())
	for text, good := range map[string]bool{
		"version: 1\njobs: {}\n": true,
		"version: 1\ndefaults: { every: 60s }\njobs: { a: { exec: [x] } }\n": true,
		"version: 1\n":                       false,
		"jobs: {}\n":                         false,
		"version: 1\njobs: {}\nnotify: {}\n": false,
		"version: 1\njobs: {}\ndns: {}\n":    false,
		"version: 1\ndefaults: { record: x.example.com }\njobs: {}\n":             false,
		"version: 1\njobs: { a: { every: 60s, exec: [x], retries: 5 } }\n":        false,
		"version: 1\njobs: { a: { every: 60s, steps: [{ http: https://x }] } }\n": true,
	} {
		_, refused := base.Parse("list", []byte(text))
		err := judgeText(t, schema, []byte(text))
		if (refused == nil) != good || (err == nil) != good {
			t.Errorf("good is %v for\n%s\tthe decoder says %v\n\tthe schema says %v", good, text, refused, err)
		}
		var all config.Diagnostics
		if refused != nil && !errors.As(refused, &all) {
			t.Errorf("%T", refused)
		}
	}
}

// TestReference keeps the page of all keys what the table says.
func TestReference(t *testing.T) {
	const file = "../docs/reference/configuration.md"
	text := config.Reference()
	if *rewrite {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), text); diff != "" {
		t.Errorf("%s is not what the table says: go test ./config -rewrite (-written +table):\n%s", file, diff)
	}
}
