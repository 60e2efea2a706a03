package doctest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The top of the module.
const top = "../.."

// A block is one piece of code of a page.
type block struct {
	page string // from the top
	line int    // of its first fence
	lang string // the first word after it
	text string
	mark mark
}

// A mark is what the comments before a block say.
type mark struct {
	notRun string // why nobody can run it here
	heldBy string // PACKAGE TEST: another test that has it
	file   string // it is this file, for the commands that follow
	check  string // what it is for, where the language does not tell
	exits  string // with which codes its commands may end
	output bool   // it is what the command before it prints,
	exact  bool   // and to the letter, as it follows from what does not change
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

var (
	opens   = regexp.MustCompile("^( *)(```+)(.*)$")
	comment = regexp.MustCompile(`^ *<!-- (.*) -->$`)
)

// pages are the texts for people that may have code in them.
func pages(t *testing.T) (names []string) {
	t.Helper()
	names = []string{"README.md", "CONTRIBUTING.md", "SECURITY.md"}
	for _, dir := range []string{"docs", "examples", "deploy"} {
		err := filepath.WalkDir(filepath.Join(top, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".md" {
				name, _ := filepath.Rel(top, path)
				names = append(names, filepath.ToSlash(name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// read are all blocks of a page.
func read(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, page))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := split(page, string(text))
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// split finds the blocks in a page's text.
func split(page, text string) (blocks []block, err error) {
	var open *block
	var indent, fence string
	var m mark
	for i, line := range strings.Split(text, "\n") {
		switch f := opens.FindStringSubmatch(line); {
		case open != nil && strings.TrimSpace(line) == fence:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		case f != nil:
			lang, _, _ := strings.Cut(strings.TrimSpace(f[3]), " ")
			open, indent, fence = &block{page: page, line: i + 1, lang: lang, mark: m}, f[1], f[2]
			m = mark{}
		case strings.TrimSpace(line) == "": // a mark may stand apart
		default:
			c := comment.FindStringSubmatch(line)
			if c == nil {
				if m != (mark{}) {
					return nil, fmt.Errorf("%s:%d: the mark before it belongs to no block", page, i+1)
				}
			} else if err := m.read(c[1]); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", page, i+1, err)
			}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%v: the block has no end", open)
	}
	return blocks, nil
}

// read takes what one comment says. Comments that are no marks are for people.
func (m *mark) read(text string) error {
	if text == "output" || text == "output exactly" {
		m.output, m.exact = true, text != "output"
		return nil
	}
	what, value, ok := strings.Cut(text, ":")
	to := map[string]*string{"not run": &m.notRun, "held by": &m.heldBy, "file": &m.file, "check": &m.check, "exits": &m.exits}[what]
	if to == nil {
		return nil
	}
	if value = strings.TrimSpace(value); !ok || value == "" {
		return fmt.Errorf("the mark %q says nothing", what)
	}
	*to = value
	return nil
}

// TestSplit finds blocks, their languages and marks.
func TestSplit(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll("words\n\n<!-- not run: a reason -->\n\n'''sh\nls\n'''\n- item\n  <!-- file: a.yaml -->\n  <!-- exits: 1 -->\n  '''yaml title\n  a:\n    b\n\n  '''\n<!-- output -->\n''''text\n'''\n''''\n", "'", "`")
	got, err := split("p", text)
	want := []block{
		{page: "p", line: 5, lang: "sh", text: "ls\n", mark: mark{notRun: "a reason"}},
		{page: "p", line: 11, lang: "yaml", text: "a:\n  b\n\n", mark: mark{file: "a.yaml", exits: "1"}},
		{page: "p", line: 17, lang: "text", text: "```\n", mark: mark{output: true}},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	for name, text := range map[string]string{
		"no end": "```sh\nls\n", "no block": "<!-- output -->\nwords\n", "no reason": "<!-- not run: -->\n```sh\n```\n",
	} {
		if got, err := split("p", text); err == nil {
			t.Errorf("%s: no error, but %v", name, got)
		}
	}
}
