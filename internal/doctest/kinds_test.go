package doctest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/docs"
)

// kinds are what blocks are checked by, after their languages or what their mark says
// that they are for. Commands are not among them: see TestPages.
var kinds = map[string]func(*testing.T, block) error{
	"yaml": checkYAML, "json": checkJSON, "jsonl": checkJSON, "go": checkGo, "text": checkText,
	"named": checkNamed, "knot": checkKnot, "pdns": checkPowerDNS, "lua": checkLua, "zone": checkZone,
	"nginx": checkNginx, "apache": checkApache, "caddy": checkCaddy, "ini": checkSystemd, "cron": checkCron,
	"prometheus": checkPrometheus, "alertmanager": checkAlertmanager, "mermaid": checkMermaid,
}

// check fails for a block that is not what it says that it is.
func (b block) check(t *testing.T) error {
	kind := b.lang
	if b.mark.check != "" {
		kind = b.mark.check
	}
	check := kinds[kind]
	if check == nil {
		return fmt.Errorf("a block of %q: nothing is known of that; give it another language, or a mark", kind)
	}
	return check(t, b)
}

// files are what solotick reads: words for what stands at a top, and within a job.
var (
	fileKeys    = []string{"version", "dns", "agent", "notify", "jobs_from", "defaults", "jobs", "seal", "sign"}
	taken       = regexp.MustCompile(`\$\{(env|file|vcap|credential):([^}]*)\}`)
	standInRest = map[string]string{
		"dns":  "dns: { provider: rfc2136, zone: example.com, server: ns1.example.com }\n",
		"jobs": "jobs: { canary: { every: 60s, exec: [\"true\"] } }\n",
	}
	standInNotify = "notify: { ops: { webhook: { url: https://hooks.example.com/x } }, hc: { ping: { url: https://hc-ping.com/x } } }\n"
)

func checkYAML(t *testing.T, b block) error {
	var top map[string]yaml.Node
	if err := yaml.Unmarshal([]byte(b.text), &top); err != nil {
		return err
	}
	text := dedented(b.text)
	whole, _ := top["version"]
	switch {
	case whole.Kind != 0 && only(top, fileKeys):
	case only(top, fileKeys):
		text = "version: 1\n" + text
		for key, rest := range standInRest {
			if _, has := top[key]; !has {
				text += rest
			}
		}
	case only(top, []string{"steps", "on_failure"}):
		text = "version: 1\n" + standInRest["dns"] + standInNotify + "jobs:\n  canary:\n    every: 60s\n" + indented(text, "    ")
	case b.mark.file != "":
		return nil // of another program, which is run with it
	default:
		return errors.New("it is no configuration of solotick, nor a part of one: say by a mark what checks it")
	}
	_, err := config.Parse(b.String(), []byte(standIn(t, text)))
	return err
}

func only(top map[string]yaml.Node, keys []string) bool {
	for key := range top {
		if !slices.Contains(keys, key) {
			return false
		}
	}
	return len(top) > 0
}

// dedented is a text without the spaces that every line begins with.
func dedented(text string) string {
	by := text[:len(text)-len(strings.TrimLeft(text, " "))]
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, by) && strings.TrimSpace(line) != "" {
			return text
		}
	}
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n"+by, "\n"), by)
}

func indented(text, by string) string {
	var all strings.Builder
	for line := range strings.Lines(text) {
		all.WriteString(by + line)
	}
	return all.String()
}

// standIn puts files of the test in the place of what a configuration takes from the
// environment and from files.
func standIn(t *testing.T, text string) string {
	dir := t.TempDir()
	return taken.ReplaceAllStringFunc(text, func(whole string) string {
		m := taken.FindStringSubmatch(whole)
		name, value, given := strings.Cut(m[2], ":-")
		if !given {
			value = standInFor(name)
		}
		path := filepath.Join(dir, regexp.MustCompile(`\W`).ReplaceAllString(name, "_"))
		if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		return "${file:" + path + "}"
	})
}

// made are keys that only the program can make, by the names that pages have for their
// files.
var made = map[string]string{}

// makeKeys makes them in a folder.
func makeKeys(dir string) error {
	for _, kind := range []string{"seal", "sign"} {
		file := filepath.Join(dir, "solotick-"+kind+".key")
		out, err := exec.Command(program, "keygen", kind, "-o", file).Output()
		if err != nil {
			return fmt.Errorf("keygen %s: %w", kind, err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		made[filepath.Base(file)] = string(text)
		if kind == "sign" {
			made["solotick-verify.key"] = string(out)
		}
	}
	return nil
}

// standInFor is a value that fits what its name says.
func standInFor(name string) string {
	switch base := filepath.Base(name); {
	case made[base] != "":
		return made[base]
	case base == "solotick.key":
		return firstKey
	case strings.Contains(name, "SHOUTRRR"):
		return "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=@channel"
	case strings.Contains(name, "URL"), strings.Contains(name, "WEBHOOK"):
		return "https://hooks.example.com/x"
	}
	return "x0xb-1-2-c29sb3RpY2s"
}

func checkJSON(_ *testing.T, b block) error {
	d := json.NewDecoder(strings.NewReader(b.text))
	for {
		var document any
		switch err := d.Decode(&document); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if object, ok := document.(map[string]any); ok {
			if name, ok := object["schema"].(string); ok {
				if err := valid(name, document); err != nil {
					return err
				}
			}
		}
	}
}

// valid has a document be what it says of itself that it is.
func valid(name string, document any) error {
	name, version, _ := strings.Cut(strings.TrimPrefix(name, "solotick."), "/")
	text, ok := docs.Schema(name)
	if !ok || version != "v1" {
		return fmt.Errorf("there is no schema of %s/%s", name, version)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", parsed); err != nil {
		return err
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		return err
	}
	return schema.Validate(document)
}

// goFiles is the text of every Go file of the module, each line without what is around
// it.
var goFiles = func() string {
	var all strings.Builder
	filepath.WalkDir(top, func(path string, _ os.DirEntry, _ error) error {
		if filepath.Ext(path) == ".go" {
			text, _ := os.ReadFile(path)
			all.WriteString("\n" + trimmed(string(text)))
		}
		return nil
	})
	return all.String()
}()

func trimmed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// checkGo wants a program to be vetted, and a part of one to stand in a file of the
// module, which is.
func checkGo(t *testing.T, b block) error {
	if _, err := parser.ParseFile(token.NewFileSet(), "", b.text, 0); err != nil {
		if !strings.Contains(goFiles, "\n"+trimmed(b.text)+"\n") {
			return errors.New("no file of the module has these lines, so nothing compiles them")
		}
		return nil
	}
	dir, err := os.MkdirTemp(".", "program")
	if err != nil {
		return err
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "program.go"), []byte(b.text), 0o600); err != nil {
		return err
	}
	return tool("go", "vet", "./"+dir)
}

// checkText wants a text to be what a command printed, or to have a reason to stand
// there.
func checkText(*testing.T, block) error {
	return errors.New("nothing holds this text: let it be the output of the block before, or say why not")
}

// tool runs a program that judges a file.
func tool(name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			return err
		}
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// kept is a block as a file.
func (b block) kept(t *testing.T, name, text string) string {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func checkCron(_ *testing.T, b block) error {
	for line := range strings.Lines(b.text) {
		command, err := b.cronCommand(line)
		if err != nil {
			return err
		}
		if err := errors.Join(syntax(command), words(command)); err != nil {
			return err
		}
	}
	return nil
}

var cronLine = regexp.MustCompile(`^((\S+ ){5}|@[a-z]+ )(.*)\n$`)

// cronCommand is what a line of a crontab has done: nothing, for a variable. In a file
// of /etc/cron.d a user stands before it.
func (b block) cronCommand(line string) (string, error) {
	if regexp.MustCompile(`^[A-Z]+=`).MatchString(line) || strings.HasPrefix(line, "#") {
		return "", nil
	}
	m := cronLine.FindStringSubmatch(line)
	if m == nil {
		return "", fmt.Errorf("no line of a crontab: %s", line)
	}
	if strings.Contains(strings.ReplaceAll(m[3], `\%`, ""), "%") {
		return "", fmt.Errorf("cron takes %% for the end of a line: %s", line)
	}
	if b.mark.check == "cron.d" {
		_, command, _ := strings.Cut(m[3], " ")
		return command, nil
	}
	return m[3], nil
}
