package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/solotick/solotick/config"
)

var variable = regexp.MustCompile(`SOLOTICK_[A-Z_]+`)

const someJobs = "version: 1\ndns: {tsig: '${file:/nobody/may/read/this}'}\nnotify:\n  ops: {}\n  phone: {}\njobs:\n  canary: {}\n  cleanup: {}\n"

// TestComplete asks the program what the scripts of all shells ask it.
func TestComplete(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("solotick.yaml", []byte(someJobs), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("other.yaml", []byte("jobs: {nightly: {}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("broken.yaml", []byte("jobs: {nightly"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ line, want string }{
		{"trigger |", "canary cleanup :4"},
		{"trigger canary |", "cleanup :4"},
		{"pause |", "canary cleanup :4"},
		{"resume c|", "canary cleanup :4"},
		{"status -c other.yaml |", "nightly :4"},
		{"status -c broken.yaml |", ":4"},
		{"status -c nowhere.yaml |", ":4"},
		{"check --config other.yaml |", "nightly :4"},
		{"explain |", "canary cleanup :4"},
		{"record get |", "canary cleanup :4"},
		{"record reset |", "canary cleanup :4"},
		{"config show |", "canary cleanup :4"},
		{"notify test |", "ops phone :4"},
		{"run --job |", "canary cleanup :4"},
		{"run --color=|", "auto always never :4"},
		{"run --log-format |", "auto text json :4"},
		{"run -c |", "yaml yml :8"},
		{"validate |", "yaml yml :8"},
		{"watch --notify |", "ops phone :4"},
		{"keygen tsig --algorithm |", "hmac-sha256 hmac-sha384 hmac-sha512 :4"},
		{"keygen tsig --for |", "bind knot powerdns solotick all :4"},
		{"exec --without-register |", "dns always wait :4"},
		{"exec --every |", ":4"},
		{"exec -- |", ":0"},
		{"zone serve --data |", ":0"},
		{"completion |", "bash zsh fish powershell :4"},
		{"version |", ":4"},
		{"explain --tick |", "latest :4"},
		{"check --paused |", "ok warning critical :4"},
		{"simulate --provider |", "rfc2136 route53 clouddns azuredns cloudflare :4"},
		{"manual record |", "get reset :4"},
	} {
		words, _ := strings.CutSuffix(tt.line, "|")
		a := testApp()
		a.env = func(string) string { return "" }
		root := a.rootCommand()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(new(bytes.Buffer))
		root.SetArgs(append([]string{cobra.ShellCompNoDescRequestCmd}, strings.Split(words, " ")...))
		if err := root.Execute(); err != nil {
			t.Errorf("%s: %v", tt.line, err)
		}
		if got := strings.Join(strings.Fields(out.String()), " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.line, got, tt.want)
		}
	}
}

// TestCompleteTable has the words that completion offers compared with those that
// there are.
func TestCompleteTable(t *testing.T) {
	t.Parallel()
	root := testApp().rootCommand()
	flags := make(map[string]bool)
	var paths []string
	for _, c := range commandsOf(root) {
		path := strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "solotick"), " ")
		paths = append(paths, path)
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { flags[f.Name], flags[path+" "+f.Name] = true, true })
	}
	for _, f := range append(completed(), flagFiles...) {
		if !flags[f] {
			t.Errorf("no command has the flag %s", f)
		}
	}
	for _, path := range append(slices.Clone(takeJobs), takeCommands...) {
		if !slices.Contains(paths, path) {
			t.Errorf("there is no command %s", path)
		}
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]struct {
				AnyOf []struct{ Enum []string }
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for _, j := range jobFlags {
		one := schema.Defs["job"].Properties[j.key].AnyOf
		if len(one) == 0 || len(one[0].Enum) == 0 {
			continue
		}
		words := flagWords[flagOf(j.key)]
		if words == nil {
			words = flagWords["exec "+flagOf(j.key)]
		}
		if diff := cmp.Diff(one[0].Enum, words); diff != "" {
			t.Errorf("--%s: the file takes other words than completion offers: %s", flagOf(j.key), diff)
		}
	}
}

// TestShells has real shells complete, with the scripts that solotick completion
// prints. There is no PowerShell in Debian: of its script only the form is looked at.
func TestShells(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "solotick.yaml"), []byte(someJobs), 0o600); err != nil {
		t.Fatal(err)
	}
	// The test's own program is solotick, by the name that it is called by.
	if err := os.Symlink(program, filepath.Join(dir, "solotick")); err != nil {
		t.Fatal(err)
	}
	scripts := make(map[string]string)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var text bytes.Buffer
		a := testApp()
		a.stdout = &text
		root := a.rootCommand()
		root.SetArgs([]string{"completion", shell})
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		scripts[shell] = text.String()
		if err := os.WriteFile(filepath.Join(dir, "_solotick."+shell), text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for shell, script := range map[string]string{"bash": bashAsks, "zsh": zshAsks, "fish": fishAsks} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			for _, tt := range []struct{ line, want string }{
				{"solotick trig", "trigger"},
				{"solotick trigger ca", "canary"},
				{"solotick run --log-f", "--log-format"},
				{"solotick run --color al", "always"},
				{"solotick notify test ph", "phone"},
				{"solotick record re", "reset"},
			} {
				argv := []string{"-c", script, shell, tt.line}
				if shell == "zsh" {
					argv = append([]string{"-f"}, argv...)
				}
				if shell == "fish" {
					argv = []string{"--no-config", "-c", script, tt.line}
				}
				c := exec.Command(shell, argv...)
				c.Dir = dir
				c.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8", "TERM=dumb"}
				out, err := c.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", tt.line, err, out)
				}
				if fields := strings.Fields(string(out)); len(fields) == 0 || fields[0] != tt.want {
					t.Errorf("%s: got %q, want %s", tt.line, out, tt.want)
				}
			}
		})
	}
	for _, want := range []string{"Register-ArgumentCompleter -CommandName 'solotick' -ScriptBlock", "__complete", "SOLOTICK_ACTIVE_HELP"} {
		if !strings.Contains(scripts["powershell"], want) {
			t.Errorf("the script for PowerShell does not have %s", want)
		}
	}
	if open, shut := strings.Count(scripts["powershell"], "{"), strings.Count(scripts["powershell"], "}"); open != shut {
		t.Errorf("the script for PowerShell opens %d braces and shuts %d", open, shut)
	}
}

// Each of these prints what the shell completes the line $1 to.
const (
	bashAsks = `
. /usr/share/bash-completion/bash_completion
. ./_solotick.bash
compopt() { :; } # works only when a key was pressed
COMP_LINE=$1 COMP_POINT=${#1}
read -ra COMP_WORDS <<<"$1"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
__start_solotick
printf '%s\n' "${COMPREPLY[@]}"`

	fishAsks = `
source ./_solotick.fish
complete --do-complete $argv[1]`

	// zsh completes only at a terminal, which its own module makes.
	zshAsks = `
zmodload zsh/zpty
cat >.zshrc <<'END'
PS1='% '
unset zle_bracketed_paste
fpath=(. $fpath)
autoload -Uz compinit && compinit -u
source ./_solotick.zsh
tab() { zle complete-word; print -r -- "<<<$BUFFER>>>"; exit }
zle -N tab
bindkey '^I' tab
END
ZDOTDIR=$PWD zpty z 'zsh -i'
zpty -w -n z "$1"$'\t'
zpty -r -m z out '*<<<*>>>*'
line=${${out##*<<<}%%>>>*}
print -r -- ${${(z)line}[-1]}`
)
