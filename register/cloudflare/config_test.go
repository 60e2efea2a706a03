package cloudflare

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
)

func TestConfig(t *testing.T) {
	good := func() Config {
		return Config{Zone: "Example.com.", Token: register.NewSecret(strings.Repeat("x", 40))}
	}
	for _, c := range []struct {
		name string
		make func(*Config)
		want string // of the error; empty: none
	}{
		{"the least", func(*Config) {}, ""},
		{"all", func(c *Config) {
			c.ZoneID, c.TTL, c.Rate, c.Burst, c.Timeout = strings.Repeat("0a", 16), 30*time.Second, 1, 1, time.Second
		}, ""},
		{"loopback", func(c *Config) { c.Endpoint = "http://127.0.0.1:8080/client/v4/" }, ""},
		{"no zone", func(c *Config) { c.Zone = "" }, "zone: "},
		{"a zone that is a path", func(c *Config) { c.Zone = "a/b" }, "zone: "},
		{"a name as the zone's id", func(c *Config) { c.ZoneID = "example.com" }, "zone id: "},
		{"no token", func(c *Config) { c.Token = register.Secret{} }, "token: there is none"},
		{"the global key", func(c *Config) { c.Token = register.NewSecret(strings.Repeat("0f", 18) + "1") }, "global API key"},
		{"the global key as it looks now", func(c *Config) { c.Token = register.NewSecret("cfk_" + strings.Repeat("x", 48)) }, "global API key"},
		{"a token with a line end", func(c *Config) { c.Token = register.NewSecret(strings.Repeat("x", 40) + "\n") }, "a line end"},
		{"automatic", func(c *Config) { c.TTL = time.Second }, "automatic"},
		{"a TTL too small", func(c *Config) { c.TTL = 29 * time.Second }, "a TTL of 29s"},
		{"a TTL too large", func(c *Config) { c.TTL = 24*time.Hour + time.Second }, "a TTL of 24h0m1s"},
		{"half a second", func(c *Config) { c.TTL = 60500 * time.Millisecond }, "whole seconds"},
		{"a timeout below zero", func(c *Config) { c.Timeout = -1 }, "a timeout of"},
		{"a rate below zero", func(c *Config) { c.Rate = -1 }, "below zero"},
		{"a burst below zero", func(c *Config) { c.Burst = -1 }, "below zero"},
		{"http elsewhere", func(c *Config) { c.Endpoint = "http://192.0.2.1/client/v4" }, "endpoint: "},
		{"a password in the endpoint", func(c *Config) { c.Endpoint = "https://user:password@example.com/" }, "endpoint: "},
		{"no endpoint", func(c *Config) { c.Endpoint = "://" }, "endpoint: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := good()
			c.make(&cfg)
			client, err := New(cfg)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want == "":
				client.Close()
			case err == nil || !strings.HasPrefix(err.Error(), "cloudflare: ") || !strings.Contains(err.Error(), c.want):
				t.Errorf("error %v, want one with %q", err, c.want)
			case !cfg.Token.IsZero() && strings.Contains(err.Error(), cfg.Token.Reveal()), strings.Contains(err.Error(), "password"):
				t.Errorf("error %v shows a secret", err)
			}
		})
	}
}

func TestNames(t *testing.T) {
	client := newTest(t, Config{Zone: "example.com", Token: register.NewSecret(strings.Repeat("x", 40))})
	label := strings.Repeat("x", 60) + "."
	for name, want := range map[string]string{
		"canary.example.com":                     "",
		"Canary.Example.COM.":                    "",
		"_x.y-z.example.com":                     "",
		"example.com":                            "",
		"example.org":                            "is not in the zone",
		"badexample.com":                         "is not in the zone",
		"*.example.com":                          "is no domain name",
		"bücher.example.com":                     "is no domain name",
		"a..example.com":                         "is no domain name",
		"":                                       "is no domain name",
		strings.Repeat(label, 4) + "example.com": "is too long",
	} {
		_, err := client.Register(name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	if n := client.Requests(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestTheTokenIsHidden(t *testing.T) {
	cfg := Config{Zone: "example.com", Token: register.NewSecret(strings.Repeat("x", 40))}
	client := newTest(t, cfg)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb+verb, cfg, client.token); strings.Contains(text, "xxx") {
			t.Errorf("%s shows the token", verb)
		}
	}
}

// TestRateByDefault: within any five minutes no more than Cloudflare allows.
func TestRateByDefault(t *testing.T) {
	if n := DefaultRate*300 + DefaultBurst; n > 1200 {
		t.Errorf("%v requests in five minutes", n)
	}
}

func TestTokenText(t *testing.T) {
	text := Token("jobs.example.com.")
	for _, want := range []string{"DNS    Edit", "Zone   Read", "Specific zone   jobs.example.com\n", "/user/tokens/verify", "a zone of their own"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}
