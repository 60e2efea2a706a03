package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/config"
)

// TestInspect compares what is in force by the right files of testdata with what
// it was.
func TestInspect(t *testing.T) {
	environment(t)
	for name, file := range map[string]string{"full": "full.yaml", "steps": "steps.yaml", "origins": "inspect/origins.yaml"} {
		all, err := config.Inspect(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		seen := make(map[string]bool)
		for _, s := range all {
			fmt.Fprintf(&b, "%s = %q (%s)\n", s.Path, s.Value, s.From)
			if seen[s.Path] {
				t.Errorf("%s: %s is told twice", name, s.Path)
			}
			seen[s.Path] = true
		}
		golden := filepath.Join("testdata", "inspect", name+".txt")
		if *rewrite {
			if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	var all config.Diagnostics
	if _, err := config.Inspect("testdata/rules.yaml"); !errors.As(err, &all) {
		t.Errorf("a wrong file: %v", err)
	}
	if _, err := config.Inspect("testdata/none.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// planted is a file with a secret in every place that may have one.
const planted = `version: 1
dns: { provider: rfc2136, zone: example.com, server: ns1, tsig: "hmac-sha256:agents:${env:PLANT_TSIG}" }
agent: { grace: "${env:PLANT_NOT:-8s}", report: { url: "https://${env:PLANT_REPORTUSER}@serve.example.com/${env:PLANT_REPORTPATH}", token: "${env:PLANT_REPORTTOKEN}" } }
notify:
  a: { slack: { webhook: "https://hooks.example.com/${env:PLANT_WEBHOOK}" } }
  b: { slack: { token: "xoxb-${env:PLANT_TOKEN}", channel: C0123456789 } }
  c: { webhook: { url: "https://${env:PLANT_USER}@hooks.example.com/x?${env:PLANT_QUERY}", headers: { X-Key: "${env:PLANT_HEADER}" }, secret: "${env:PLANT_HMAC}", tls: { cert: "${env:PLANT_CERT}", key: "${env:PLANT_KEY}" } } }
  d: { email: { host: mail.example.com, from: a@example.com, to: b@example.com, user: u, password: "${env:PLANT_PASSWORD}", tls: { cert: "${env:PLANT_CERT}", key: "${env:PLANT_KEY}" } } }
  e: { teams: { url: "https://teams.example.com/${env:PLANT_TEAMS}" } }
  f: { ntfy: { topic: "${env:PLANT_TOPIC}", token: "${env:PLANT_NTFY}" } }
  g: { pagerduty: { routing_key: "${env:PLANT_PAGER}" } }
  h: { ping: { url: "https://hc.example.com/${env:PLANT_PING}", fail_url: "${env:PLANT_FAIL}" } }
  i: { exec: { command: [x], env: { A: "${env:PLANT_NOTIFIER}" } } }
  j: { url: "telegram://${env:PLANT_TELEGRAM}@telegram?chats=1" }
jobs_from:
  url: "https://${env:PLANT_FROMUSER}@example.com/jobs?sig=${env:PLANT_FROMQUERY}"
  headers: { Authorization: "Bearer ${env:PLANT_FROMHEADER}" }
  tls: { cert: "${env:PLANT_CERT}", key: "${env:PLANT_KEY}" }
defaults:
  env: { TOKEN: "${env:PLANT_ENV}" }
jobs:
  plain: { every: 60s, exec: [x] }
  stepped:
    every: 60s
    steps:
      - http: "https://api.example.com/v1?key=${env:PLANT_SHORT}"
      - id: post
        http:
          url: "https://u:${env:PLANT_URLPASS}@api.example.com/${env:PLANT_PATH}?t=${env:PLANT_URLQUERY}"
          headers: { Authorization: "Bearer ${env:PLANT_STEPHEADER}" }
          json: { a: ["${env:PLANT_JSON}"] }
          tls: { cert: "${env:PLANT_CERT}", key: "${env:PLANT_KEY}" }
      - http: { url: "https://api.example.com", form: { a: "${env:PLANT_FORM}" } }
      - http: { url: "https://api.example.com", body: "x ${env:PLANT_BODY}" }
      - exec: [x]
        env: { A: "${env:PLANT_STEPENV} {{ tick }}" }
      - alert: a
        if: tick > 0
        title: "${env:PLANT_TITLE}"
        text: "${env:PLANT_TEXT}"
        clear: "${env:PLANT_CLEAR}"
    on_failure: { alert: b, text: "${env:PLANT_FAILURE}" }
`

// plants sets every variable of the file, and returns what may not be seen.
func plants(t *testing.T) (secrets map[string]string) {
	t.Helper()
	secrets = make(map[string]string)
	for part := range strings.SplitSeq(planted, "${env:PLANT_") {
		if name, _, ok := strings.Cut(part, "}"); ok && name == strings.ToUpper(name) && !strings.ContainsAny(name, " \n{") {
			secrets[name] = "sEcReT" + name
			t.Setenv("PLANT_"+name, secrets[name])
		}
	}
	if len(secrets) < 30 {
		t.Fatalf("only %d secrets", len(secrets))
	}
	cert, key := config.Certificate(t)
	t.Setenv("PLANT_CERT", cert)
	t.Setenv("PLANT_KEY", key)
	t.Setenv("PLANT_FAIL", "https://hc.example.com/"+secrets["FAIL"])
	delete(secrets, "CERT") // everybody is shown it
	secrets["KEY"] = strings.Split(key, "\n")[1]
	return secrets
}

func noSecret(t *testing.T, what, text string, secrets map[string]string) {
	t.Helper()
	for name, s := range secrets {
		for _, form := range []string{s, fmt.Sprintf("%x", s), fmt.Sprintf("%v", []byte(s))} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows the secret %s", what, name)
			}
		}
	}
}

// TestPlantedSecrets looks for secrets in all that shows a configuration.
func TestPlantedSecrets(t *testing.T) {
	secrets := plants(t)
	path := filepath.Join(t.TempDir(), "solotick.yaml")
	if err := os.WriteFile(path, []byte(planted), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]any{"config": c, "*config": *c, "jobs": c.Jobs, "dns": c.DNS, "from": c.From, "*from": *c.From, "source": c.From.Source}
	for i, j := range c.Jobs {
		shown[fmt.Sprint("job ", i)], shown[fmt.Sprint("plan ", i)], shown[fmt.Sprint("*plan ", i)] = j, j.Plan, j.Plan.Steps
		for k := range j.Plan.Steps {
			shown[fmt.Sprint("step ", i, k)], shown[fmt.Sprint("http ", i, k)] = j.Plan.Steps[k], j.Plan.Steps[k].HTTP
		}
	}
	for _, n := range c.Notify {
		shown["notifier "+n.Name], shown["notifier's "+n.Name] = n, n.Notifier
	}
	shown["agent"], shown["report"], shown["*report"] = c.Agent, c.Agent.Report, *c.Agent.Report
	for name, secret := range secrets {
		if !slices.ContainsFunc(c.Secrets(), func(s string) bool { return strings.Contains(s, secret) }) {
			t.Errorf("%s is not among the secrets of the file", name)
		}
	}
	if slices.Contains(c.Secrets(), "8s") {
		t.Error("a duration is among the secrets of the file")
	}
	for what, v := range shown {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			noSecret(t, what+" by "+verb, fmt.Sprintf(verb, v), secrets)
		}
		text, err := json.Marshal(v)
		noSecret(t, what+" as JSON", string(text)+fmt.Sprint(err), secrets)
		var b strings.Builder
		for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
			slog.New(h).Info("x", "v", v)
		}
		noSecret(t, what+" in a log", b.String(), secrets)
	}
	all, err := config.Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	noSecret(t, "Inspect", fmt.Sprintf("%+v", all), secrets)
	for name := range secrets {
		told := false
		for _, s := range all {
			told = told || strings.Contains(s.From, "env PLANT_"+name)
		}
		if !told {
			t.Errorf("Inspect does not tell where %s came from", name)
		}
	}
}

// TestPlantedMistakes has each secret be something that cannot be used, and the
// file be wrong in other places, and looks for secrets in the errors.
func TestPlantedMistakes(t *testing.T) {
	secrets := plants(t)
	refused := 0
	for name, secret := range secrets {
		for _, bad := range []string{"", "\r\n", " %zz ", "://", "/"} {
			t.Run(fmt.Sprintf("%s %q", name, bad), func(t *testing.T) {
				t.Setenv("PLANT_"+name, bad+secret+bad)
				_, err := config.Parse("f", []byte(planted))
				if err != nil {
					refused++
					noSecret(t, "the error", err.Error(), secrets)
				}
			})
		}
	}
	if refused < 20 {
		t.Errorf("only %d files were refused", refused)
	}
	for from, to := range map[string]string{
		"version: 1": "version: 2", "every: 60s": "every: ${env:PLANT_ENV}", "exec: [x]": "exec: ${env:PLANT_ENV}", "tick > 0": "tick > \"${env:PLANT_ENV}\"",
		"{{ tick }}": "{{ tikc }}", "zone: example.com": "zone: ${env:PLANT_ENV}", "server: ns1": "server: ${env:PLANT_ENV}:x", "json: {": "json: { b: \"{{\",",
		"from: a@example.com": "from: ${env:PLANT_ENV}", "to: b@example.com": "to: [\"${env:PLANT_ENV}\"]", "channel: C0123456789": "channel: \"${env:PLANT_ENV}\", followup: update",
		"host: mail": "host: \"${env:PLANT_ENV} \", x: mail", "topic: \"": "topic: \" ", "method: POST": "x", "rfc2136": "${env:PLANT_ENV}",
		"https://example.com/jobs?": "ftp://${env:PLANT_ENV}/", "  tls: {": "  sha256: \"${env:PLANT_ENV}\"\n  tls: {", "jobs_from:": "jobs_from: { url: \"${env:PLANT_ENV}\" }\nx:",
		"headers: { X-Key": "headers: { \"X Key\"", "telegram://": "nowhere://", "telegram?chats=1": "telegram",
	} {
		_, err := config.Parse("f", []byte(strings.ReplaceAll(planted, from, to)))
		if err != nil {
			noSecret(t, "with "+to+" the error", err.Error(), secrets)
		} else if from != "telegram?chats=1" && from != "method: POST" && from != "https://example.com/jobs?" {
			t.Errorf("%s is no mistake", to)
		}
	}
}
