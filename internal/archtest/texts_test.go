package archtest

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The words that no file may hold. They are put together here so that this file
// does not hold them either.
var forbidden = regexp.MustCompile(strings.Join([]string{
	`\bTO` + `DO\b`, `\bFIX` + `ME\b`, `\bXX` + `X\b`, // leave it out, or do it
	`/ho` + `me/[a-z]`, `/Us` + `ers/[a-z]`, `/ro` + `ot/`, `[A-Z]:\\Us` + `ers\\`, `/wo` + `rk/`, // somebody's machine
}, "|"))

// TestWords keeps notes to oneself and paths of somebody's machine out of the
// module.
func TestWords(t *testing.T) {
	walk(t, func(name string) {
		data, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(data, 0) >= 0 {
			return // no text
		}
		for i, line := range strings.Split(string(data), "\n") {
			if word := forbidden.FindString(line); word != "" {
				t.Errorf("%s:%d: %q", name, i+1, word)
			}
		}
	})
}

var (
	fence   = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*?)\s*$`)
)

// TestLinks checks that what the texts for people point at is there: files, and
// headings within them.
func TestLinks(t *testing.T) {
	found := 0
	walk(t, func(name string) {
		if path.Ext(name) != ".md" {
			return
		}
		text := prose(t, name)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			file, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(top, target)); err != nil {
				t.Errorf("%s points at %s, which is not there", name, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(prose(t, target)), anchor) {
				t.Errorf("%s points at %s: %s has no such heading", name, m[1], target)
			}
		}
	})
	if found == 0 {
		t.Error("found no link in any text")
	}
}

// prose is a Markdown file without its code.
func prose(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return fence.ReplaceAllString(string(data), "")
}

// anchors are the names by which a Markdown text's headings are linked to: small
// letters, digits, - and _, with - for a space.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', 'a' <= r && r <= 'z', '0' <= r && r <= '9':
				return r
			}
			return -1
		}, strings.ToLower(m[1])))
	}
	return all
}
