package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func testApp() *app {
	return &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, env: func(string) string { return "" }}
}

// commandsOf are all commands that are not hidden.
func commandsOf(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() {
			all = append(all, commandsOf(below)...)
		}
	}
	return all
}

// TestManual writes all pages as solotick manual -o does, and has both programs that
// show manual pages look for mistakes in them.
func TestManual(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := testApp()
	a.env = func(name string) string {
		return map[string]string{"SOURCE_DATE_EPOCH": "1764187200"}[name]
	}
	root := a.rootCommand()
	root.SetArgs([]string{"manual", "-o", dir})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "man?", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no pages")
	}
	for _, argv := range [][]string{{"mandoc", "-T", "lint", "-W", "warning"}, {"groff", "-man", "-ww", "-T", "utf8", "-z"}} {
		if out, err := exec.Command(argv[0], append(argv[1:], files...)...).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", argv[0], err, out)
		}
	}
	for _, c := range commandsOf(root) {
		name := filepath.Join(dir, "man1", strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
		page := rendered(t, name)
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(page, "--"+f.Name) {
				t.Errorf("%s does not have --%s", name, f.Name)
			}
		})
		for line := range strings.Lines(c.Example) {
			if !strings.Contains(page, strings.TrimSpace(line)) {
				t.Errorf("%s does not have the example %s", name, line)
			}
		}
		if !strings.Contains(page, "2025-11-26") {
			t.Errorf("%s has another date", name)
		}
	}
	for _, want := range []string{"solotick.yaml.5", "solotick-record.5", "solotick-exit-codes.7", "solotick-environment.7", "solotick-expressions.7", "solotick-files.7"} {
		if !slices.Contains(files, filepath.Join(dir, "man"+want[len(want)-1:], want)) {
			t.Errorf("there is no %s", want)
		}
	}
	if page := rendered(t, filepath.Join(dir, "man5", "solotick.yaml.5")); !strings.Contains(page, "start_deadline (duration)") || !strings.Contains(page, "guarantee (at-least-once, at-most-once)") {
		t.Errorf("solotick.yaml.5 tells nothing of a job:\n%s", page)
	}
}

// rendered is a page as it is shown, without bold and underlined letters.
func rendered(t *testing.T, name string) string {
	t.Helper()
	mandoc := exec.Command("mandoc", "-T", "utf8", "-O", "width=250", name)
	out, err := mandoc.Output()
	if err != nil {
		t.Fatal(name, err)
	}
	var plain []rune
	for _, r := range string(out) {
		if r == '\b' {
			plain = plain[:len(plain)-1]
			continue
		}
		plain = append(plain, r)
	}
	return string(plain)
}

// TestTopics has what topics say of codes, keys and names compared with what there is.
func TestTopics(t *testing.T) {
	t.Parallel()
	root := testApp().rootCommand()
	for _, topic := range []string{"exit-codes", "environment", "expressions", "files"} {
		var shown bytes.Buffer
		root.SetOut(&shown)
		root.SetArgs([]string{"help", topic})
		if err := root.Execute(); err != nil || !strings.Contains(shown.String(), "\n  ") {
			t.Errorf("help %s: %v\n%s", topic, err, &shown)
		}
	}
	commands, err := os.ReadFile("../../steps/command.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range variable.FindAllString(string(commands), -1) {
		if !strings.Contains(environmentTopic, name) {
			t.Errorf("the topic environment does not tell of %s", name)
		}
	}
	for line := range strings.Lines(environmentTopic) {
		if name := variable.FindString(line); strings.HasPrefix(line, "  "+name) && name != "" && name != "SOLOTICK_CONFIG" && !bytes.Contains(commands, []byte(name)) {
			t.Errorf("the topic environment tells of %s, which no command gets", name)
		}
	}
	for _, place := range configPlaces {
		if !strings.Contains(filesTopic, place) {
			t.Errorf("the topic files does not tell of %s", place)
		}
	}
}

// TestTopicExpressions has the examples of the topic checked as a file would be.
func TestTopicExpressions(t *testing.T) {
	t.Parallel()
	line := func(key string) string {
		for l := range strings.Lines(expressionsTopic) {
			if text, ok := strings.CutPrefix(l, "  "+key+": "); ok {
				return strings.TrimSpace(text)
			}
		}
		t.Fatalf("the topic has no example of %s:", key)
		return ""
	}
	file := filepath.Join(t.TempDir(), "solotick.yaml")
	text := "version: 1\ndns: {provider: route53, zone: example.com}\n" +
		"notify: {ops: {exec: [/bin/true]}}\njobs:\n  canary:\n    every: 60s\n    steps:\n" +
		"      - id: backups\n        http: https://api.example.com/\n        expect: " + line("expect") + "\n" +
		"      - alert: ops\n        if: " + line("if") + "\n        text: " + line("text") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"validate", file}, strings.NewReader(""), &out, &out); code != exitOK {
		t.Errorf("%d\n%s\n%s", code, &out, text)
	}
}

// TestManualNowhere: pages that cannot be written are an error with a way out.
func TestManualNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"manual", "-o", file}, strings.NewReader(""), io.Discard, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "cannot write the pages: mkdir "+file) || !strings.Contains(stderr.String(), "to do:   name a folder") {
		t.Errorf("code %d: %s", code, stderr.String())
	}
}
