package config_test

import (
	"testing"
	"time"

	"github.com/solotick/solotick/config"
)

// TestStepTimeout: timeout of a step is of all of it, timeout of http: of one try.
func TestStepTimeout(t *testing.T) {
	c, err := config.Parse("x.yaml", []byte(`version: 1
dns: { provider: rfc2136, zone: t.test, server: 127.0.0.1, tsig: "${env:TESTKEY:-k:c29sb3RpY2s=}" }
jobs:
  a:
    every: 60s
    steps:
      - http: { url: "https://a.example", timeout: 5s, retries: 3 }
        timeout: 12s
      - exec: [true]
        timeout: 7s
`))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Jobs[0].Plan.Steps
	if got := s[0].Timeout; got != 12*time.Second {
		t.Errorf("a request: %v, want 12s", got)
	}
	if got := s[1].Command.Timeout; got != 7*time.Second {
		t.Errorf("a command: %v, want 7s", got)
	}
}
