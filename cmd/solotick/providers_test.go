package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
)

// TestExamplesOfProviders opens the provider of every example, and has beside each
// file what "keygen policy" says of it.
func TestExamplesOfProviders(t *testing.T) {
	files, err := filepath.Glob("../../examples/providers/*/solotick.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			for _, name := range []string{strings.ToUpper(filepath.Base(dir)) + "_TOKEN", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY"} {
				t.Setenv(name, "t0k3n")
			}
			t.Chdir(dir)
			c, err := config.Load("solotick.yaml")
			if err != nil {
				t.Fatal(err)
			}
			seen[c.DNS.Provider] = true
			s, err := openService(c.DNS)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.register(c.Jobs[0].Record); err != nil {
				t.Error(err)
			}
			if err := new(app).mayStart(s, false); err != nil {
				t.Error(err)
			}
			if policies := besides(t, "policy.json", "policy.txt", "role.yaml", "role.sh", "token.txt"); len(policies) == 1 {
				if got := printed(t, "keygen", "policy", "-c", "solotick.yaml"); got != policies[0] {
					t.Errorf("the policy beside it is\n%s\nand keygen policy prints\n%s", policies[0], got)
				}
			} else if c.DNS.Provider != "command" {
				t.Errorf("%d policies beside it", len(policies))
			}
		})
	}
	for _, p := range config.Providers() {
		if p != "rfc2136" && !seen[p] {
			t.Errorf("no example of %s", p)
		}
	}
}

// TestProvidersInText opens every register that docs/providers.md shows.
func TestProvidersInText(t *testing.T) {
	for _, name := range []string{"CLOUDFLARE_TOKEN", "REGISTER_TOKEN", "DIGITALOCEAN_TOKEN"} {
		t.Setenv(name, "t0k3n")
	}
	text, err := os.ReadFile("../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```yaml\n(dns: ?.*?)^```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 8 {
		t.Fatalf("%d registers are shown", len(blocks))
	}
	for _, block := range blocks {
		c, err := config.Parse("docs/providers.md", []byte("version: 1\n"+block[1]+"jobs: { canary: { every: 60s, exec: [x] } }\n"))
		if err != nil {
			t.Errorf("%s%v", block[1], err)
			continue
		}
		if _, err := openService(c.DNS); err != nil {
			t.Errorf("%s%v", block[1], err)
		}
	}
}

// besides are the texts of those files that are there.
func besides(t *testing.T, names ...string) (texts []string) {
	t.Helper()
	for _, n := range names {
		text, err := os.ReadFile(n)
		switch {
		case err == nil:
			texts = append(texts, string(text))
		case !os.IsNotExist(err):
			t.Fatal(err)
		}
	}
	return texts
}
