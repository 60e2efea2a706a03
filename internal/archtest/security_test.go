package archtest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThreats has every row of the threat model name the test that tries it, or say
// that it is a limit; and each test that is named be there.
func TestThreats(t *testing.T) {
	text := prose(t, "docs/security.md")
	named := regexp.MustCompile("\\[`([^`]+)`\\]\\(\\.\\./([^)]+)\\)")
	rows := 0
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], " ---") || strings.TrimSpace(cells[1]) == "threat" {
			continue
		}
		rows++
		tests := named.FindAllStringSubmatch(cells[3], -1)
		if len(tests) == 0 && !strings.Contains(cells[2], "**Limit**") {
			t.Errorf("the row %q names no test, and no limit", strings.TrimSpace(cells[1]))
		}
		for _, m := range tests {
			if !isTest(t, m[1], m[2]) {
				t.Errorf("the row %q names %s of %s, which is not there", strings.TrimSpace(cells[1]), m[1], m[2])
			}
		}
	}
	if rows < 40 {
		t.Errorf("%d rows: the table has lost its way", rows)
	}
}

// isTest says whether a file has a test of that name, or is the script of that name.
func isTest(t *testing.T, name, file string) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(top, file))
	switch {
	case err != nil:
		return false
	case path.Ext(file) == ".txt":
		return path.Base(file) == name+".txt"
	}
	return regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(name) + `\((t \*testing\.T|f \*testing\.F)\)`).Match(data)
}
