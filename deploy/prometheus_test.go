package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// A ruleFile is what these tests read of a file of rules.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

// A testFile is what these tests read of the rules' own tests.
type testFile struct {
	Tests []struct {
		AlertRuleTest []struct {
			Alertname string      `yaml:"alertname"`
			ExpAlerts []yaml.Node `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode(t *testing.T, path string, to any) {
	t.Helper()
	if err := yaml.Unmarshal(read(t, path), to); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// promtool runs it. That it is missing is a failure: tools/needs installs it.
func promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
}

func TestPromtool(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check", "rules", "solotick.rules.yml"},
		{"check", "config", "prometheus.yml"},
		{"test", "rules", "solotick.test.yml"},
	} {
		t.Run(args[0]+" "+args[1], func(t *testing.T) {
			t.Parallel()
			promtool(t, "prometheus", args...)
		})
	}
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var f ruleFile
	decode(t, "prometheus/solotick.rules.yml", &f)
	for _, g := range f.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("%d rules: the file is not what it was", len(all))
	}
	return all
}

// TestRules wants of every alert that people can do something with it, and a test
// in which it fires and one in which it does not.
func TestRules(t *testing.T) {
	var tests testFile
	decode(t, "prometheus/solotick.test.yml", &tests)
	fires, silent := map[string]int{}, map[string]int{}
	for _, one := range tests.Tests {
		for _, c := range one.AlertRuleTest {
			if len(c.ExpAlerts) > 0 {
				fires[c.Alertname]++
			} else {
				silent[c.Alertname]++
			}
		}
	}
	manual := string(read(t, "../docs/prometheus.md"))
	seen := map[string]bool{}
	for _, r := range rules(t) {
		if !strings.HasPrefix(r.Alert, "Solotick") || seen[r.Alert] {
			t.Errorf("%q: want a name of its own that begins with Solotick", r.Alert)
		}
		seen[r.Alert] = true
		switch r.Labels["severity"] {
		case "info", "warning", "critical":
		default:
			t.Errorf("%s: severity is %q", r.Alert, r.Labels["severity"])
		}
		for _, key := range []string{"summary", "description"} {
			if r.Annotations[key] == "" {
				t.Errorf("%s has no %s", r.Alert, key)
			}
		}
		anchor := "docs/prometheus.md#" + strings.ToLower(r.Alert)
		if !strings.HasSuffix(r.Annotations["runbook_url"], anchor) {
			t.Errorf("%s: its runbook is %q, want %s", r.Alert, r.Annotations["runbook_url"], anchor)
		}
		if !strings.Contains(manual, "\n### "+r.Alert+"\n") {
			t.Errorf("docs/prometheus.md has no heading for %s", r.Alert)
		}
		if fires[r.Alert] == 0 || silent[r.Alert] == 0 {
			t.Errorf("%s: %d tests in which it fires and %d in which it does not, want both", r.Alert, fires[r.Alert], silent[r.Alert])
		}
	}
	for line := range strings.Lines(manual) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "### Solotick"); ok && !seen["Solotick"+name] {
			t.Errorf("docs/prometheus.md has a heading for Solotick%s, which is no alert", name)
		}
	}
}

// parses wants expressions that Prometheus understands.
func parses(t *testing.T, exprs []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("groups:\n  - name: expressions\n    rules:\n")
	for i, e := range exprs {
		fmt.Fprintf(&b, "      - record: e%d\n        expr: %q\n", i, e)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "e.yml"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, dir, "check", "rules", "e.yml")
}
