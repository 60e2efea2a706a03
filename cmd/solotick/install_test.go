package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/deploy"
	"github.com/solotick/solotick/internal/platformtest"
)

// install runs a command below install, and wants it to end with code.
func install(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := run(t.Context(), append([]string{"install"}, args...), strings.NewReader(""), &out, &errs); got != code {
		t.Fatalf("install %q: exit code %d, want %d\n%s", args, got, code, errs.String())
	}
	return out.String(), errs.String()
}

// odd are names of folders and files that a careless quoting would tear apart.
var odd = []string{
	"plain", "two words", "100%", "%n%%i", "$HOME", "${HOME}", "a$$b", `double"quote`, "single'quote", `back\slash`, `x\x41\n`, "ümlaut-日本", "semi;colon", "#hash", "-dash", "a: b", "[x]*?", "{a,b}", "~tilde", "&ref", "!bang", "true", "`id`",
}

// outlined is a file that takes something from everywhere.
const outlined = `version: 1
agent: { listen: ":${env:PORT:-8080}", grace: 30s }
dns: { provider: rfc2136, zone: example.com, server: "${env:INSTALL_SERVER}", tsig: %q }
defaults: { kill_grace: 4s, lease: 20s }
jobs:
  canary: { every: 60s, timeout: 40s, exec: [x] }
`

func outlinedFile(t *testing.T, name, tsig string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name, name+".yaml")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, fmt.Appendf(nil, outlined, tsig), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// within is a name as it can stand within ${...}.
func within(name string) string { return strings.NewReplacer("}", "", "${", "$").Replace(name) }

// TestInstallSystemd: whatever the file and its secrets are called, systemd reads of the
// unit just these names.
func TestInstallSystemd(t *testing.T) {
	for _, name := range odd {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, inner := outlinedFile(t, name, "${file:/etc/"+within(name)+"/the "+within(name)+".key}"), within(name)
			unit, steps := install(t, 0, "systemd", "-c", file)
			u := platformtest.ReadUnit(t, "solotick.service", unit)
			for i, word := range u.Command {
				u.Command[i] = strings.ReplaceAll(word, "$$", "$")
			}
			if len(u.Command) != 4 || !slices.Equal(u.Command[1:], []string{"run", "-c", file}) {
				t.Errorf("systemd reads the command %q, want the file %q", u.Command, file)
			}
			key := credentialName("the " + inner + ".key")
			for _, want := range []string{
				"\nLoadCredential=" + key + ":/etc/" + strings.ReplaceAll(inner, "%", "%%") + "/the " + strings.ReplaceAll(inner, "%", "%%") + ".key\n",
				"\nTimeoutStopSec=42s\n",
			} {
				if !strings.Contains(unit, want) {
					t.Errorf("the unit has no line %q:\n%s", want, unit)
				}
			}
			if want := "EnvironmentFile: " + quoteGlob.Replace(filepath.Join(filepath.Dir(file), "solotick.env")) + "\n"; !strings.Contains(u.Dump, want) {
				t.Errorf("systemd does not read %q", want)
			}
			for _, want := range []string{"${credential:" + key + "}", "INSTALL_SERVER=...", "A run of canary may take 40 s", "systemctl enable --now solotick"} {
				if !strings.Contains(steps, want) {
					t.Errorf("the steps do not tell %q:\n%s", want, steps)
				}
			}
			if strings.Contains(unit, "prints this") || !strings.HasPrefix(unit, "# An agent as a service: solotick install systemd -c FILE filled this in.\n") {
				t.Errorf("it does not say that it is filled in: %.100s", unit)
			}
			if strings.Contains(steps, "PORT=") {
				t.Errorf("what has a default is asked for:\n%s", steps)
			}
		})
	}
}

// TestInstallCF: whatever the file and the service are called, the manifest and the shell
// behind it have just these names.
func TestInstallCF(t *testing.T) {
	for _, name := range odd {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := within(name)
			file := outlinedFile(t, name, "${vcap:"+service+".dns.key}")
			text, steps := install(t, 0, "cf", "-c", file)
			if strings.Contains(text, "prints this") {
				t.Errorf("it does not say that it is filled in: %.300s", text)
			}
			app := platformtest.ReadManifest(t, text).Applications[0]
			if !slices.Equal(app.Services, []string{service}) {
				t.Errorf("services %q, want %q", app.Services, service)
			}
			p := app.Processes[0]
			if p.Type != "web" || p.Health != "http" || p.Endpoint != "/livez" {
				t.Errorf("agent.listen has the platform's port, and the process is %+v", p)
			}
			words, ok := strings.CutPrefix(p.Command, "exec ./solotick ")
			out, err := exec.Command("sh", "-c", `set -- `+words+`; printf '%s' "$#:$3"`).Output()
			if want := "3:" + filepath.Base(file); err != nil || !ok || string(out) != want {
				t.Errorf("the command %q has the arguments %q, %v; want %q", p.Command, out, err, want)
			}
			for _, want := range []string{"cf create-user-provided-service " + plain(quoteShell(service)) + " -p dns ", "cf set-env solotick INSTALL_SERVER", "agent.grace is 30 s", "--process web"} {
				if !strings.Contains(steps, want) {
					t.Errorf("the steps do not tell %q:\n%s", want, steps)
				}
			}
		})
	}
}

// TestInstallCFWithoutService: who takes nothing of a service gets none bound, and no
// words about it.
func TestInstallCFWithoutService(t *testing.T) {
	file := filepath.Join(t.TempDir(), "solotick.yaml")
	if err := os.WriteFile(file, []byte("version: 1\ndns: { provider: cloudflare, zone: example.com, token: \"${env:INSTALL_TOKEN}\" }\njobs: { a: { every: 60s, exec: [x] } }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, steps := install(t, 0, "cf", "-c", file)
	app := platformtest.ReadManifest(t, text).Applications[0]
	if len(app.Services) > 0 || strings.Contains(text, "ervice") || app.Processes[0].Type != "worker" || app.Processes[0].Health != "process" {
		t.Errorf("the manifest is\n%s", text)
	}
	for _, want := range []string{"cf set-env solotick INSTALL_TOKEN", "A run of a may take as long as it likes", "--process worker"} {
		if !strings.Contains(steps, want) {
			t.Errorf("the steps do not tell %q:\n%s", want, steps)
		}
	}
}

// TestInstallRefuses what would be another unit or manifest than the one meant.
func TestInstallRefuses(t *testing.T) {
	for _, tt := range []struct {
		tsig, command, want string
		code                int
	}{
		{"${file:/etc/x\nExecStartPre=/bin/evil}", "systemd", "no unit can name", 78},
		{`${file:/etc/x\}`, "systemd", "no unit can name", 78},
		{"${credential:a b}", "systemd", "${credential:a_b}", 78},
		{"${vcap:a.b}", "systemd", "is for Cloud Foundry", 78},
	} {
		_, said := install(t, tt.code, tt.command, "-c", outlinedFile(t, "x", tt.tsig))
		if !strings.Contains(said, tt.want) {
			t.Errorf("%s of %q: %s", tt.command, tt.tsig, said)
		}
	}
	for _, name := range []string{"((x))", "a\nb"} {
		file := outlinedFile(t, name, "${env:KEY}")
		if _, said := install(t, 2, "cf", "-c", file); !strings.Contains(said, "-c ") {
			t.Errorf("cf of %q: %s", name, said)
		}
	}
}

// TestInstallFiles: nothing is written over, and without a file the template is printed.
func TestInstallFiles(t *testing.T) {
	for command, want := range map[string]struct{ text, name string }{
		"systemd": {deploy.Unit, "solotick.service"}, "cf": {deploy.Manifest, "manifest.yml"},
	} {
		text, _ := install(t, 0, command)
		if text != want.text {
			t.Errorf("%s prints\n%s", command, text)
		}
		dir := t.TempDir()
		printed, said := install(t, 0, command, "-o", dir)
		made, err := os.ReadFile(filepath.Join(dir, want.name))
		if err != nil || string(made) != want.text || printed != "" || !strings.Contains(said, want.name+" is made") {
			t.Errorf("%s -o: %v, printed %q, said %s", command, err, printed, said)
		}
		if _, said := install(t, 1, command, "-o", dir); !strings.Contains(said, "is left as it is") {
			t.Errorf("%s -o, again: %s", command, said)
		}
	}
	two := strings.Replace(outlined, "tsig: %q", "tsig: \"${file:/a/key}\"", 1) + "notify: { ops: { slack: { webhook: \"${file:/b/key}\" } }, us: { slack: { webhook: \"${file:/a/key}\" } } }\n"
	file := filepath.Join(t.TempDir(), "two.yaml")
	if err := os.WriteFile(file, []byte(two), 0o600); err != nil {
		t.Fatal(err)
	}
	if unit, _ := install(t, 0, "systemd", "-c", file); !strings.Contains(unit, "\nLoadCredential=key:/a/key\nLoadCredential=key-2:/b/key\n#") {
		t.Errorf("two files of one name:\n%s", unit)
	}
}

// TestPlatformPages: what the pages have people copy is what is tested, and the file of
// the app for Cloud Foundry is one.
func TestPlatformPages(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	without := func(text string) (kept string) { // comments
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), "#")
			if line = strings.TrimRight(line, " "); line != "" {
				kept += line + "\n"
			}
		}
		return kept
	}
	block := func(page, language string) string {
		t.Helper()
		_, text, ok := strings.Cut(read("docs/platforms/"+page), "```"+language+"\n")
		text, _, closed := strings.Cut(text, "```\n")
		if !ok || !closed {
			t.Fatalf("%s has no block of %s", page, language)
		}
		return text
	}
	if tab := without(read("deploy/cron/solotick")); block("cron.md", "cron") != tab {
		t.Errorf("the page about cron does not have\n%s", tab)
	}
	app := read("deploy/cloudfoundry/solotick.yaml")
	if without(block("cloudfoundry.md", "yaml")) != without(app) {
		t.Errorf("the page about Cloud Foundry does not have\n%s", app)
	}
	t.Setenv("PORT", "8080")
	t.Setenv("VCAP_SERVICES", `{"user-provided": [{"name": "solotick", "credentials": {"tsig": "hmac-sha256:solotick:c29sb3RpY2s="}}]}`)
	if c, err := config.Parse("solotick.yaml", []byte(app)); err != nil || c.Agent.Listen != ":8080" {
		t.Errorf("the app's file: %v", err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", t.TempDir())
	if err := os.WriteFile(filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), "solotick.key"), []byte("key \"solotick\" {\n\talgorithm hmac-sha256;\n\tsecret \"c29sb3RpY2s=\";\n};\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Parse("solotick.yaml", []byte(block("systemd.md", "yaml"))); err != nil {
		t.Errorf("the file on the page about systemd: %v", err)
	}
	for _, drop := range strings.Split(read("docs/platforms/systemd.md"), "```ini\n")[1:] {
		text, _, _ := strings.Cut(drop, "```\n")
		platformtest.ReadUnit(t, "solotick.service", deploy.Unit+text)
	}
}
