package config_test

import (
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
)

func TestReportKeys(t *testing.T) {
	t.Setenv("CONFIG_TEST_TOKEN", "t0k3n")
	t.Setenv("CONFIG_TEST_EMPTY", "")
	const token = `token: "${env:CONFIG_TEST_TOKEN}"`
	for _, tt := range []struct{ agent, says string }{
		{`report: { url: "https://s.example/r", ` + token + ` }`, ""},
		{`report: { url: "https://s.example/r", hmac: "${env:CONFIG_TEST_TOKEN}", output: false }`, ""},
		{`report: { url: "http://127.0.0.1:8080/r", ` + token + ` }`, ""},
		{`report: { url: "http://s.example/r", hmac: "${env:CONFIG_TEST_TOKEN}" }, events: /var/log/solotick.events`, ""},
		{`report: { url: "http://s.example/r", ` + token + ` }`, "is not for a token: anybody on the way could read it"},
		{`report: { url: "https://s.example/r" }`, "nothing proves who sends the reports"},
		{`report: { url: "https://s.example/r", ` + token + `, hmac: "${env:CONFIG_TEST_TOKEN}" }`, "token and hmac are both given"},
		{`report: { url: "https://s.example/r", token: t0k3n }`, "a secret does not belong into this file"},
		{`report: { url: "https://s.example/r", token: "${env:CONFIG_TEST_EMPTY}" }`, "the token is empty"},
		{`report: { url: "https://s.example/r", hmac: "${env:CONFIG_TEST_EMPTY}" }`, "the key is empty"},
		{`report: { url: "s.example/r", ` + token + ` }`, "is no URL that begins with https://"},
		{`report: { ` + token + ` }`, `"url" is missing`},
		{`report: https://s.example/r`, "want a mapping"},
		{`report: { url: "https://s.example/r", ` + token + `, otput: false }`, `did you mean "output"?`},
		{`reports: {}`, `did you mean "report"?`},
		{`events: events.log`, "write the path from the root"},
	} {
		c, err := config.Parse("f", []byte("version: 1\ndns: { provider: rfc2136, zone: example.com, server: ns1 }\nagent: { "+tt.agent+" }\njobs: { a: { every: 60s, exec: [x] } }\n"))
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s: %v", tt.agent, err)
		case tt.says == "":
			if r := c.Agent.Report; r.Token.IsZero() == r.HMAC.IsZero() || r.Output == strings.Contains(tt.agent, "output: false") {
				t.Errorf("%s: output %v", tt.agent, r.Output)
			}
		case err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "t0k3n"):
			t.Errorf("%s: %v, want ...%s...", tt.agent, err, tt.says)
		}
	}
}
