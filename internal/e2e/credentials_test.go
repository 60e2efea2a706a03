package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/register/cloudtest"
)

// TestPlantedCredentials has an agent and commands meet, at the API of each provider,
// what can go wrong there, and a credential that is refused; and looks for credentials
// in all that they write.
func TestPlantedCredentials(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) wrongs{
		"azuredns": azureDNS, "clouddns": cloudDNS, "cloudflare": cloudflare, "ocidns": ociDNS, "route53": route53,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := open(t)
			c := prepare(t, &at.place, "planted")
			c.configure("agent: { events: " + c.path("events") + " }\njobs:\n" + jobText("planted", "exec: [\"true\"]", "without_register: wait"))
			w := &secretWorld{cluster: c, plants: credentials(t, &at.place)}
			ran := func(n int) {
				c.await("runs", time.Minute, func() bool { return w.ran() >= n })
			}
			c.start()
			ran(1)
			at.Limit(1e6, 1e6, time.Second)
			at.OnWrites(cloudtest.LoseReply, cloudtest.Throttle, cloudtest.DoneError, cloudtest.LoseRequest, cloudtest.Unavailable)
			at.OnReads(cloudtest.Pass, cloudtest.Unavailable, cloudtest.Throttle)
			ran(w.ran() + 2)
			commands := []string{"config show", "pause planted", "record get planted", "validate --explain", "status --json", "run --dry-run"}
			for i, line := range commands {
				w.command(fmt.Sprintf("printed-%02d", i), append(strings.Fields(line), "-c", c.path("solotick.yaml"))...)
			}
			w.spoil()
			for i, line := range commands {
				w.command(fmt.Sprintf("printed-wrong-%02d", i), append(strings.Fields(line), "-c", c.path("solotick.yaml"))...)
			}
			w.dump(c.agents[0])
			for path, text := range texts(t, c.dir, "key") {
				w.plants.check(t, filepath.Base(path), text)
			}
			t.Logf("%d credentials", len(w.plants))
		})
	}
}

// credentials are those that a place's agents have: what is in files and variables.
func credentials(t *testing.T, at *place) plants {
	t.Helper()
	p := plants{}
	for _, path := range credentialFiles(at) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("PRIVATE KEY")) {
			p[fmt.Sprint(len(p))] = strings.TrimSpace(string(text))
			continue
		}
		for _, line := range regexp.MustCompile(`[A-Za-z0-9+/]{60}`).FindAllString(string(text), -1) {
			p[fmt.Sprint(len(p))] = line
		}
	}
	for _, kv := range at.env {
		if name, value, _ := strings.Cut(kv, "="); strings.Contains(name, "SECRET") || strings.Contains(name, "TOKEN") && !strings.Contains(name, "FILE") {
			p[name] = value
		}
	}
	if len(p) == 0 {
		t.Fatalf("no credentials among %q and %q", at.dns, at.env)
	}
	return p
}

// credentialFiles are the files that dns: names, and the key beside that of Oracle.
func credentialFiles(at *place) (all []string) {
	for _, line := range at.dns {
		if _, rest, ok := strings.Cut(line, "${file:"); ok {
			path, _, _ := strings.Cut(rest, "}")
			all = append(all, path)
		}
		if path, ok := strings.CutPrefix(line, "config_file: "); ok {
			keys, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.pem"))
			all = append(all, keys...)
		}
	}
	return all
}

// spoil has every credential be another one than the provider knows.
func (w *secretWorld) spoil() {
	w.t.Helper()
	for i, kv := range w.env {
		if name, value, _ := strings.Cut(kv, "="); strings.Contains(name, "SECRET") {
			w.plants["wrong "+name] = "wrong-" + value
			w.env[i] = name + "=wrong-" + value
		}
	}
	for _, path := range credentialFiles(w.at) {
		text, err := os.ReadFile(path)
		if err == nil && !bytes.Contains(text, []byte("PRIVATE KEY")) {
			w.plants["wrong "+filepath.Base(path)] = "wrong-" + strings.TrimSpace(string(text))
			err = os.WriteFile(path, append([]byte("wrong-"), text...), 0o600)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}
