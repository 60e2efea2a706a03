package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
)

// TestDNSMistakes has mistakes that people make at a provider told so that they see
// what to write, and without what may be a secret.
func TestDNSMistakes(t *testing.T) {
	t.Setenv("ELSEWHERE", "https://robot:sesame@example.com/")
	for name, test := range map[string]struct{ dns, want string }{
		"another's key":           {"{provider: route53, zone: example.com, subscription: x}", "it is a key of azuredns; known here: provider"},
		"a key of nobody":         {"{provider: route53, zone: example.com, colour: x}", "hint: known here: provider"},
		"what others call it":     {"{provider: route53, zone: example.com, hosted_zone_id: x}", `did you mean "zone_id"?`},
		"a user in the API":       {"{provider: route53, zone: example.com, endpoint: 'https://robot:sesame@example.com/'}", "dns.endpoint: a URL with a user or a password in it"},
		"a user in clear":         {"{provider: route53, zone: example.com, endpoint: 'http://robot:sesame@example.com/'}", "dns.endpoint: a URL with a user or a password in it"},
		"a user from elsewhere":   {"{provider: command, zone: example.com, url: '${env:ELSEWHERE}'}", "dns.url: a URL with a user or a password in it"},
		"a secret as an argument": {"{provider: command, zone: example.com, command: [x, '${env:ELSEWHERE}']}", "the program finds it in the agent's environment"},
		"no program":              {"{provider: command, zone: example.com, command: []}", "hint: command: [program, argument, ...]"},
		"a path from home":        {"{provider: ocidns, zone: example.com, config_file: ~/.oci/config}", "write the path from the root"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("f.yaml", []byte("version: 1\ndns: "+test.dns+"\njobs: { canary: { every: 60s, exec: [x] } }\n"))
			if err == nil {
				t.Fatal("no mistake")
			}
			if text := err.Error(); !strings.Contains(text, test.want) || strings.Contains(text, "sesame") {
				t.Errorf("%s\nwithout %q, or with the secret", text, test.want)
			}
		})
	}
}

// TestInspectEndpoint shows of an endpoint from elsewhere only the host: its path may
// be all that proves who asks.
func TestInspectEndpoint(t *testing.T) {
	t.Setenv("ELSEWHERE", "sesame")
	file := filepath.Join(t.TempDir(), "f.yaml")
	text := "version: 1\ndns: { provider: command, zone: example.com, url: 'https://example.com/${env:ELSEWHERE}' }\njobs: { canary: { every: 60s, exec: [x] } }\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := config.Inspect(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Path == "dns.url" {
			if s.Value != "https://example.com/..." {
				t.Errorf("%q is shown", s.Value)
			}
			return
		}
	}
	t.Error("no dns.url")
}
