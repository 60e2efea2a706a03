package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

// TestLoadToLook has a machine without the secrets know which records there are.
func TestLoadToLook(t *testing.T) {
	const whole = `version: 1
dns: { provider: rfc2136, zone: example.com, server: ns1.example.com, tsig: "${file:/nowhere/key}" }
notify:
  ops: { slack: { webhook: "${env:SOLOTICK_NOWHERE}" } }
seal: { keys: ["${file:/nowhere/seal}"] }
jobs:
  canary:
    every: 30s
    record: other.example.com
    steps:
      - http: { url: "https://api.example.com/", headers: { Authorization: "Bearer ${env:SOLOTICK_NOWHERE}" } }
      - alert: ops
        if: "true"
        text: it is
    on_failure: { alert: ops }
  nightly: { cron: "0 3 * * *", exec: [backup], env: { TOKEN: "${env:SOLOTICK_NOWHERE}" } }
`
	file := filepath.Join(t.TempDir(), "solotick.yaml")
	load := func(text string) (*config.Config, error) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.LoadToLook(file)
	}
	c, err := load(whole)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Jobs) != 2 || c.Jobs[0].Record != "other.example.com" || c.Jobs[0].Every != 30*time.Second || c.Jobs[1].Cron != "0 3 * * *" || c.DNS.Server == "" || !c.Ring.Sealed || c.Ring.Signed || !c.Absent {
		t.Errorf("%+v", c)
	}
	read := func(c *config.Config, value string) record.Set {
		return record.ReadAs(c.Ring.Form("other.example.com"), []string{value}, 0)
	}
	const plain = `{"id":"A","timer":60,"timerold":0,"seq":1000}`
	signed := (&seal.Ring{Sign: seal.NewSigningKey([32]byte{1})}).Form("other.example.com").Close(plain)
	sealed := (&seal.Ring{Seal: []seal.Key{seal.NewKey([32]byte{1})}}).Form("other.example.com").Close(plain)
	if got := read(c, plain).State; got != record.Damaged {
		t.Errorf("a plain record where all are sealed is %v", got)
	}
	if got := read(c, sealed); got.State != record.Unopenable || got.Protection.Sealed == "" {
		t.Errorf("a sealed record is %v, %+v", got.State, got.Protection)
	}
	c, err = load(strings.Replace(whole, `seal: { keys: ["${file:/nowhere/seal}"] }`, `sign: { key: "${file:/nowhere/sign}" }`, 1))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(c, plain).State; got != record.Damaged {
		t.Errorf("an unsigned record where all are signed is %v", got)
	}
	if got := read(c, signed); got.State != record.Present || !got.Protection.Signed || got.Protection.Signer != "" {
		t.Errorf("a signed record is %v, %+v", got.State, got.Protection)
	}
	if _, err := load(whole); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file); err == nil {
		t.Error("it can be run without its secrets")
	}
	for old, new := range map[string]string{
		"every: 30s":             "evry: 30s",
		"every: 30":              "every: ${env:SOLOTICK_NOWHERE}",
		"zone: example.com":      `zone: "${env:SOLOTICK_NOWHERE}"`,
		"other.example.com":      "${env:SOLOTICK_NOWHERE}.example.com",
		"\"${file:/nowhere/key}": "\"${nowhere:key}",
	} {
		var all config.Diagnostics
		if _, err := load(strings.Replace(whole, old, new, 1)); !errors.As(err, &all) || len(all) == 0 {
			t.Errorf("%s: %v", new, err)
		}
	}
}
