package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// golden wants a page to be what the program says; -update rewrites it.
func golden(t *testing.T, file, text string) {
	t.Helper()
	file = "../../docs/reference/" + file
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), text); diff != "" {
		t.Errorf("%s (-written +program; go test ./cmd/solotick -run TestReference -update rewrites it):\n%s", file, diff)
	}
}

// notTried says of commands why their examples are not run: see internal/doctest.
var notTried = map[string]string{
	"solotick completion":  "needs sudo, and zsh",
	"solotick history":     "needs an observer that has looked for days",
	"solotick install k8s": "needs a cluster",
	"solotick explain":     "needs what agents elsewhere remember; the guide asks one that is there",
}

// endsWith are other codes with which examples end where nobody is asked.
var endsWith = map[string]string{
	"solotick record reset":  "0 2",  // without --yes and without a terminal
	"solotick elect":         "0 22", // curl, where another machine leads
	"solotick health":        "0 69", // of what is not running
	"solotick keygen policy": "0 2",  // of a file for a server that has keys in place of policies
}

// TestReference keeps the pages of commands and exit codes what the program says.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\n<!-- Generated from the commands themselves: go test ./cmd/solotick -run TestReference -update -->\n\n")
	b.WriteString("What `solotick COMMAND --help` says. How commands end: [exit codes](exit-codes.md).\n\n")
	a := &app{env: os.Getenv, stdout: &b, stderr: &b}
	root := a.rootCommand()
	eachCommand(root, func(c *cobra.Command) {
		name := c.CommandPath()
		fmt.Fprintf(&b, "- [%s](#%s): %s\n", name, strings.ReplaceAll(name, " ", "-"), escaped(c.Short))
	})
	eachCommand(root, func(c *cobra.Command) { describe(&b, c) })
	b.WriteString("\n## Of all commands\n")
	flags(&b, root.PersistentFlags())
	golden(t, "commands.md", b.String())

	b.Reset()
	b.WriteString("# Exit codes\n\n<!-- Generated from the table of cmd/solotick: go test ./cmd/solotick -run TestReference -update -->\n\n")
	b.WriteString("| code | |\n| --- | --- |\n")
	for _, e := range exitMeanings {
		fmt.Fprintf(&b, "| %d | %s |\n", e.code, e.means)
	}
	b.WriteString("\n" + exitBesides)
	golden(t, "exit-codes.md", b.String())
}

// TestExitMeanings wants every code to have one.
func TestExitMeanings(t *testing.T) {
	source, err := os.ReadFile("failure.go")
	if err != nil {
		t.Fatal(err)
	}
	var named, told []string
	for _, m := range regexp.MustCompile(`(?m)^\texit[A-Z]\w+ += (\d+)`).FindAllStringSubmatch(string(source), -1) {
		named = append(named, m[1])
	}
	for _, e := range exitMeanings {
		told = append(told, strconv.Itoa(e.code))
	}
	if diff := cmp.Diff(named, told); diff != "" || len(named) < 7 {
		t.Errorf("(-constants +meanings):\n%s", diff)
	}
}

// eachCommand visits the commands that do something, in the order of the help.
func eachCommand(c *cobra.Command, do func(*cobra.Command)) {
	for _, child := range c.Commands() {
		if !child.IsAvailableCommand() {
			continue
		}
		if !child.HasSubCommands() {
			do(child)
		}
		eachCommand(child, do)
	}
}

// crontab are the lines of examples that are none of a shell.
var crontab = regexp.MustCompile(`(?m)^[*0-9].* solotick .*\n`)

func describe(b *strings.Builder, c *cobra.Command) {
	c.InitDefaultHelpFlag()
	fmt.Fprintf(b, "\n## %s\n\n", c.CommandPath())
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	b.WriteString(paragraphs(long) + "\n")
	fmt.Fprintf(b, "\n`%s`\n", c.UseLine())
	if c.Example != "" {
		b.WriteString("\n")
		lines := strings.ReplaceAll("\n"+c.Example, "\n  ", "\n")[1:] + "\n"
		cron := crontab.FindAllString(lines, -1)
		if lines = crontab.ReplaceAllString(lines, ""); lines == "" {
			lines, cron = strings.Join(cron, ""), nil
		}
		if why := notTried[c.CommandPath()]; why != "" {
			fmt.Fprintf(b, "<!-- not run: %s -->\n", why)
		}
		if codes := endsWith[c.CommandPath()]; codes != "" {
			fmt.Fprintf(b, "<!-- exits: %s -->\n", codes)
		}
		b.WriteString("```sh\n" + lines + "```\n")
		if cron != nil {
			b.WriteString("\n```cron\n" + strings.Join(cron, "") + "```\n")
		}
	}
	flags(b, c.LocalFlags())
}

// paragraphs is a help text as Markdown: what is indented in it is shown as it is.
func paragraphs(text string) string {
	var all []string
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(part, " ") || strings.Contains(part, "\n  ") {
			var lines []string
			for line := range strings.Lines(part) {
				lines = append(lines, escaped(strings.TrimSpace(line)))
			}
			part = strings.Join(lines, "  \n")
		} else {
			part = escaped(part)
		}
		all = append(all, part)
	}
	return strings.Join(all, "\n\n")
}

var marks = regexp.MustCompile(`[*_<>|\x60\[\]]`)

// escaped keeps Markdown from reading a text as anything but text.
func escaped(text string) string { return marks.ReplaceAllString(text, `\$0`) }

func flags(b *strings.Builder, set *pflag.FlagSet) {
	head := "\n| flag | default | |\n| --- | --- | --- |\n"
	set.SortFlags = false
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || f.Name == "color" && set.Lookup("help") != nil {
			return
		}
		word, text := pflag.UnquoteUsage(f)
		name := "`--" + f.Name + strings.TrimRight(" "+word, " ") + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		def := f.DefValue
		if def == "false" || def == "[]" || def == "0" || def == "0s" || def == "" {
			def = ""
		} else {
			def = "`" + def + "`"
		}
		fmt.Fprintf(b, "%s| %s | %s | %s |\n", head, name, def, escaped(text))
		head = ""
	})
}
