package main

import (
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
)

// TestAccountIsNoSecret keeps what an endpoint may know its callers by out of the file
// in which a conformance run is remembered, and tells two such endpoints apart.
func TestAccountIsNoSecret(t *testing.T) {
	seen := map[string]string{}
	for _, url := range []string{
		"https://example.com", "https://example.com/", "https://example.com/sesame", "https://example.com/r?key=sesame", "https://example.com/r?key=sesame2",
		"https://example.org/r?key=sesame",
	} {
		got := account(config.DNS{Provider: "command", URL: url})
		if other := seen[got]; other != "" || strings.Contains(got, "sesame") || !strings.HasPrefix(got, url[:len("https://example.com")]) {
			t.Errorf("%s: %q, as %q", url, got, other)
		}
		seen[got] = url
	}
}
