package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLibrarySnippets keeps each piece of Go in docs/library.md a piece of a file
// that is compiled and run as a test, line for line.
func TestLibrarySnippets(t *testing.T) {
	var sources []string
	for _, f := range []string{
		"example_test.go", "example_use_test.go", "examples/library/main.go", "ready/example_test.go", "fence/example_test.go",
		"fence/httpfence/example_test.go", "adapter/gocron/example_test.go", "adapter/cron/example_test.go", "adapter/leaselock/example_test.go",
	} {
		data, err := os.ReadFile(filepath.Join(top, f))
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, squeezed(string(data)))
	}
	page, err := os.ReadFile(filepath.Join(top, "docs/library.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 5 {
		t.Fatalf("docs/library.md has %d pieces of Go", len(blocks))
	}
next:
	for _, b := range blocks {
		for _, s := range sources {
			if strings.Contains(s, squeezed(b[1])) {
				continue next
			}
		}
		t.Errorf("no example has this piece of docs/library.md:\n%s", b[1])
	}
}

// squeezed is a text without indentation, alignment and empty lines.
func squeezed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 {
			b.WriteString(strings.Join(words, " ") + "\n")
		}
	}
	return b.String()
}
