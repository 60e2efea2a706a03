//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSecretFiles: whoever else may read or change a file with a secret is told of;
// what everybody may read is no secret.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("solotick.yaml", `version: 1
dns: { provider: rfc2136, zone: example.com, server: ns1, tsig: "${file:`+write("tsig", "key:c2VjcmV0", 0o644)+`}" }
agent: { report: { url: "https://a.example/", token: "${file:`+write("token", "0123456789abcdef", 0o644)+`}" } }
notify:
  group: { slack: { webhook: "https://a.example/${file:`+write("group", "x", 0o640)+`}" } }
  write: { ntfy: { topic: abc, token: "${file:`+write("write", "0123456789abcdef", 0o602)+`}" } }
  good: { ntfy: { topic: abc, token: "${file:`+write("good", "0123456789abcdef", 0o600)+`}" } }
  read: { ntfy: { topic: abc, token: "${file:`+write("read", "0123456789abcdef", 0o400)+`}" } }
jobs:
  canary:
    every: 60s
    exec: [x]
    env: { A: "${file:`+write("env", "x", 0o604)+`}", B: "${file:`+write("certificate", "-----BEGIN CERTIFICATE-----\n", 0o644)+`}", C: "${file:`+write("both", "-----BEGIN CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\n", 0o644)+`}", D: "${file:`+write("sign", "# solotick-verify-x\nsolotick-sign-x\n", 0o644)+`}" }
`, 0o644)
	var told []string
	for _, w := range openFiles(secretFiles(file)) {
		path := strings.Fields(w)[2]
		if !strings.HasSuffix(w, "chmod 600 "+strings.TrimSuffix(path, ",")) {
			t.Errorf("%s: it does not say what helps", w)
		}
		told = append(told, filepath.Base(strings.TrimSuffix(path, ",")))
	}
	if diff := cmp.Diff([]string{"token", "group", "write", "env", "both", "sign"}, told); diff != "" {
		t.Errorf("files told of (-want +got):\n%s", diff)
	}
	if told := openFiles([]string{filepath.Join(dir, "nothing")}); told != nil {
		t.Errorf("a file that is not there: %q", told)
	}
}
