package main

import (
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/register/rfc2136"
)

// TestAccountIsNoSecret keeps what an endpoint may know its callers by out of the file
// in which a conformance run is remembered, and tells two such endpoints apart.
func TestAccountIsNoSecret(t *testing.T) {
	seen := map[string]string{}
	for _, url := range []string{
		"https://example.com", "https://example.com/", "https://example.com/sesame", "https://example.com/r?key=sesame", "https://example.com/r?key=sesame2",
		"https://example.org/r?key=sesame",
	} {
		got := (&service{dns: config.DNS{Provider: "command", URL: url}}).account()
		if other := seen[got]; other != "" || strings.Contains(got, "sesame") || !strings.HasPrefix(got, url[:len("https://example.com")]) {
			t.Errorf("%s: %q, as %q", url, got, other)
		}
		seen[got] = url
	}
}

// TestAccountOfAKey: what was found by one key is not told of another one.
func TestAccountOfAKey(t *testing.T) {
	by := func(name, secret string) string {
		s := &service{dns: config.DNS{Provider: "rfc2136", Server: "ns1"}, key: rfc2136.Key{Name: name, Secret: rfc2136.Secret(secret)}}
		return s.account()
	}
	if one := by("one.", "sesame"); one == by("two.", "sesame") || one != by("one.", "renewed") || strings.Contains(one, "sesame") {
		t.Errorf("%q, %q, %q", one, by("two.", "sesame"), by("one.", "renewed"))
	}
}
