package nagios_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/solotick/solotick/monitor/nagios"
)

// The form of a plugin's output: what Nagios, Icinga and readers of performance
// data take, and no more.
var (
	firstLine = regexp.MustCompile(`^SOLOTICK (OK|WARNING|CRITICAL|UNKNOWN) - ([^|]+?)(?: \| ([^|]+))?$`)
	datum     = regexp.MustCompile(`^[^\s='|;]+=-?[0-9]+(\.[0-9]+)?s?(;` + rangeForm + `?(;` + rangeForm + `?(;(-?[0-9]+)?)?)?)?$`)
)

const rangeForm = `(@?(~|-?[0-9.]*):?(-?[0-9.]+)?)`

// TestFormOfPage has what docs/nagios.md shows be what a plugin may print.
func TestFormOfPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/nagios.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(page)) {
		if rest, ok := strings.CutPrefix(line, "SOLOTICK "); ok {
			word, _, _ := strings.Cut(rest, " ")
			wantForm(t, "docs/nagios.md", line, nagios.State(strings.ToLower(word)))
			found++
		}
	}
	if found == 0 {
		t.Error("the page shows nothing")
	}
}

func wantForm(t *testing.T, pos, text string, state nagios.State) {
	t.Helper()
	if !strings.HasSuffix(text, "\n") {
		t.Errorf("%s: the last line has no end: %q", pos, text)
	}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		for _, r := range line {
			if r < ' ' || r == 0x7f {
				t.Errorf("%s: line %d has the control character %q", pos, i+1, r)
			}
		}
		if i > 0 {
			if strings.Contains(line, "|") {
				t.Errorf("%s: line %d has a vertical bar, which begins performance data: %s", pos, i+1, line)
			}
			continue
		}
		m := firstLine.FindStringSubmatch(line)
		if m == nil || m[1] != state.String() {
			t.Errorf("%s: not the first line of a plugin that says %s: %s", pos, state, line)
			continue
		}
		seen := map[string]bool{}
		for _, d := range strings.Fields(m[3]) {
			if !datum.MatchString(d) {
				t.Errorf("%s: no performance datum: %s", pos, d)
			}
			label, _, _ := strings.Cut(d, "=")
			if seen[label] {
				t.Errorf("%s: two data have the label %s", pos, label)
			}
			seen[label] = true
		}
	}
}
