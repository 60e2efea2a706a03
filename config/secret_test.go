package config_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/source"
)

// TestMistakesShowNoSecret has files in which a secret stands where it should not,
// or comes from elsewhere to where it is of no use.
func TestMistakesShowNoSecret(t *testing.T) {
	const secret = "s3cr3t-0f-m1ne"
	t.Setenv("CONFIG_TEST_SECRET", secret)
	const head = "version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1 }\n"
	const jobs = "jobs: { a: { every: 60s, exec: [x] } }\n"
	for name, text := range map[string]string{
		"the state is in the record":         head + "jobs: { a: { every: 60s, steps: [ { set: \"${env:CONFIG_TEST_SECRET}\" } ] } }\n",
		"a password that begins like a path": head + "notify: { a: { email: { host: h, from: a@b.example, to: a@b.example, user: u, password: /" + secret + " } } }\n" + jobs,
		"a header that begins like a path":   head + "notify: { a: { webhook: { url: \"https://a.example/x\", headers: { X-Key: /" + secret + " }, nonsense: 1 } } }\n" + jobs,
		"a channel":                          head + "notify: { a: { slack: { token: \"${env:CONFIG_TEST_SECRET}\", channel: \"${env:CONFIG_TEST_SECRET}\", followup: update } } }\n" + jobs,
		"an address":                         head + "notify: { a: { email: { host: h, from: \"${env:CONFIG_TEST_SECRET}\", to: \"${env:CONFIG_TEST_SECRET}\" } } }\n" + jobs,
		"a password with a ${":               head + "notify: { a: { email: { host: h, from: a@b.example, to: a@b.example, user: u, password: \"" + secret + "${\" } } }\n" + jobs,
		"a token beside one from elsewhere":  head + "notify: { a: { slack: { token: \"" + secret + "${env:CONFIG_TEST_SECRET}\", channel: C, nonsense: 1 } } }\n" + jobs,
		"a header of a step":                 head + "jobs: { a: { every: 60s, steps: [ { http: { url: \"https://a.example/\", nonsense: 1, headers: { Authorization: \"Bearer " + secret + "\" } } } ] } }\n",
		"no YAML":                            head + "x:\n  api_key: " + secret + ": x\n",
		"no YAML, and a path":                head + "x:\n  password: /" + secret + ": x\n",
		"the list":                           head + "jobs_from: { url: \"https://a.example/${env:CONFIG_TEST_SECRET}#x\", endpoint: \"${env:CONFIG_TEST_SECRET}\" }\n",
	} {
		_, err := config.Parse("f", []byte(text))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMistakesAreText shows what somebody else has written on no terminal as it is.
func TestMistakesAreText(t *testing.T) {
	c := own(t, "jobs_from: /tmp/x\n")
	for _, text := range []string{
		`{version: 1, "\e]0;owned\a": 1, jobs: {"a\nb": {}, "\u009b2J": {"\u202e": 1}}}`,
		`{version: 1, jobs: {a: {every: "${env:\e[2J}", steps: [{http: "${file:a\nINFO faked}"}]}}}`,
		"{version: 1, jobs: {a: {'\u009b2J': 1}}}",
	} {
		_, err := c.Parse("list", []byte(text))
		var all config.Diagnostics
		if !errors.As(err, &all) {
			t.Fatalf("%s: %v", text, err)
		}
		if strings.ContainsFunc(all.Error(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) || strings.Contains(all.Error(), "\nINFO") {
			t.Errorf("%q", all.Error())
		}
		for _, d := range all {
			if strings.ContainsFunc(d.Path+d.Message+d.Hint, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%+v", d)
			}
		}
	}
}

// TestNameOfTheList has no secret of the list's address in what it is called.
func TestNameOfTheList(t *testing.T) {
	const secret = "s3cr3t/0f m1ne"
	t.Setenv("CONFIG_TEST_SECRET", secret)
	t.Setenv("CONFIG_TEST_PATH", "/"+secret+"/jobs.yaml")
	t.Setenv("CONFIG_TEST_WHOLE", "https://user:pass@127.0.0.1:1/s3cr3t/jobs.yaml?token=s3cr3t")
	for from, want := range map[string]string{
		"https://127.0.0.1:1/${env:CONFIG_TEST_SECRET}/jobs.yaml":   "https://127.0.0.1:1/***/jobs.yaml",
		"https://127.0.0.1:1/jobs.yaml?t=${env:CONFIG_TEST_SECRET}": "https://127.0.0.1:1/jobs.yaml",
		"https://127.0.0.1:1/a/jobs.yaml":                           "https://127.0.0.1:1/a/jobs.yaml",
		"${env:CONFIG_TEST_WHOLE}":                                  "https://127.0.0.1:1/***",
		"${env:CONFIG_TEST_PATH}":                                   "***",
	} {
		c, err := config.Parse("f", []byte("version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1 }\njobs_from: \""+from+"\"\n"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := source.New(c.From.Source)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Fetch(t.Context())
		if s.String() != want || err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s is %s, want %s: %v", from, s, want, err)
		}
		s.Close()
	}
}
