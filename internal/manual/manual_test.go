package manual_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/solotick/solotick/internal/manual"
)

var edition = manual.Edition{Version: "1.2.3", Date: time.Date(2026, 11, 26, 23, 30, 0, 0, time.FixedZone("", -3600))}

// tree has in it whatever roff could take for something else.
func tree() *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: `A "tool" \ of - all`, Long: "First.\n\n.SH is no macro\n'nor is this\n\n  kept \\fB as -it- is\n\n  and ~ ^ ` ' too\n\nLast µ.", Run: func(*cobra.Command, []string) {}}
	root.PersistentFlags().String("color", "auto", "of all: a or b")
	c := &cobra.Command{Use: "do NAME", Short: "Do it", Example: "  tool do x\n  tool do 'y' | sh", Run: func(*cobra.Command, []string) {}}
	c.Flags().StringP("config", "c", "", "the `FILE`\nof it")
	c.Flags().StringSlice("of", []string{"a", "b"}, "words")
	c.Flags().Bool("secret", false, "")
	_ = c.Flags().MarkHidden("secret")
	hidden := &cobra.Command{Use: "hidden", Hidden: true, Run: func(*cobra.Command, []string) {}}
	root.AddCommand(c, hidden, &cobra.Command{Use: "topic", Short: "Of interest", Long: "It is."})
	return root
}

func TestCommands(t *testing.T) {
	t.Parallel()
	pages := manual.Commands(tree(), edition)
	var files []string
	for _, p := range pages {
		files = append(files, p.File())
		lint(t, p)
	}
	if diff := cmp.Diff([]string{"tool.1", "tool-do.1", "tool-topic.7"}, files); diff != "" {
		t.Fatal(diff)
	}
	for _, want := range []string{
		`tool - A "tool" \ of - all`, "DESCRIPTION", ".SH is no macro 'nor is this", "kept \\fB as -it- is\n", "and ~ ^ ` ' too", "Last µ.",
		"COMMANDS", "tool-do(1)\n", "--color string\n", "(default auto)", "SEE ALSO", "tool-topic(7)", "2026-11-27", "solotick 1.2.3",
	} {
		if shown := show(t, pages[0]); !strings.Contains(shown, want) {
			t.Errorf("tool.1 does not say %q:\n%s", want, shown)
		}
	}
	shown := show(t, pages[1])
	for _, want := range []string{"tool do NAME", "-c, --config FILE\n", "(default a,b)", "tool do 'y' | sh", "tool(1)", "tool.yaml(5)"} {
		if !strings.Contains(shown, want) {
			t.Errorf("tool-do.1 does not say %q:\n%s", want, shown)
		}
	}
	if strings.Contains(shown, "secret") || strings.Contains(shown, "hidden") {
		t.Errorf("tool-do.1 shows what is hidden:\n%s", shown)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	const schema = `{"description": "All.", "required": ["b"], "properties": {
		"b": {"$ref": "#/$defs/thing", "description": "a thing"},
		"a": {"description": "how", "default": "x", "anyOf": [{"enum": ["x", "y"]}, {"type": "string", "pattern": "(^|[^$])\\$\\{(env"}]},
		"more": {"type": "object", "additionalProperties": {"$ref": "#/$defs/thing"}},
		"none": {"type": "object", "additionalProperties": false},
		"many": {"type": "array", "items": {"type": "integer"}},
		"on": {"type": ["boolean", "string"]},
		"long": {"type": "string", "patternErrorMessage": "a duration is"}},
		"$defs": {"thing": {"properties": {"again": {"$ref": "#/$defs/thing"}, "text": {"$ref": "#/$defs/text"}}}, "text": {"type": "string"}}}`
	page, err := manual.File("tool.yaml", "the file", []byte(schema), []string{"tool(1)"}, edition)
	if err != nil {
		t.Fatal(err)
	}
	lint(t, page)
	shown := show(t, page)
	for _, want := range []string{
		"TOOL.YAML(5)", "b (see thing)\n", "a thing; required", "a (x, y)\n", "how (default x)", "more (names, each with see thing)", "none (names, each with anything)",
		"many (list of number)", "on (true, false)", "long (duration)", "\nthing\n", "again (see thing)", "text (text)",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page does not say %q:\n%s", want, shown)
		}
	}
	for _, bad := range []string{"", "[]", `{"properties": {"a": {"$ref": "#/$defs/gone"}}}`} {
		if _, err := manual.File("tool.yaml", "the file", []byte(bad), nil, edition); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestNoDate(t *testing.T) {
	t.Parallel()
	page := manual.Topic("tool-topic", 7, "Of interest", "It is.", nil, manual.Edition{})
	if got, _, _ := bytes.Cut(page.Text, []byte("\n")); string(got) != `.TH "TOOL\-TOPIC" "7" "" "solotick" "Solotick"` {
		t.Errorf("%s", got)
	}
}

// lint has both programs that show manual pages look for mistakes.
func lint(t *testing.T, p manual.Page) {
	t.Helper()
	for _, argv := range [][]string{{"mandoc", "-T", "lint", "-W", "warning"}, {"groff", "-man", "-ww", "-T", "utf8", "-z"}} {
		c := exec.Command(argv[0], argv[1:]...)
		c.Stdin = bytes.NewReader(p.Text)
		if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %s: %v\n%s", p.File(), argv[0], err, out)
		}
	}
}

func show(t *testing.T, p manual.Page) string {
	t.Helper()
	c := exec.Command("mandoc", "-T", "utf8", "-O", "width=100")
	c.Stdin = bytes.NewReader(p.Text)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var plain []rune // without what overstrikes for bold and underlined
	for _, r := range string(out) {
		if r == '\b' {
			plain = plain[:len(plain)-1]
			continue
		}
		plain = append(plain, r)
	}
	return string(plain)
}
