package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestShown finds every test that the pages of explanation name, in the file that the
// sentence links to where it links to one.
func TestShown(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("explanation/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, "comparison.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		files := ""
		for _, m := range regexp.MustCompile(`\]\(([^)]*_test\.go)\)`).FindAllStringSubmatch(string(text), -1) {
			source, err := os.ReadFile(filepath.Join(filepath.Dir(page), m[1]))
			if err != nil {
				t.Errorf("%s: %v", page, err)
			}
			files += string(source)
		}
		for _, m := range regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllStringSubmatch(string(text), -1) {
			found++
			if !strings.Contains(files, "func "+m[1]+"(") {
				t.Errorf("%s: %s is in none of the files that it links to", page, m[1])
			}
		}
	}
	if found < 15 {
		t.Errorf("%d tests are named: the test has lost its way", found)
	}
}
