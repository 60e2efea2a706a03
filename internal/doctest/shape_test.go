package doctest

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	digits = regexp.MustCompile(`[0-9]+(\.[0-9]+)*`)
	agents = regexp.MustCompile(`\b[A-Z]{10}\b`)
	spaces = regexp.MustCompile(`[ \t]+`)
	took   = regexp.MustCompile(`\b0(ns|µs|ms|s)\b`)
)

// shape is an output without what differs from one time to the next: numbers, times,
// agents' ids, how wide columns are.
func shape(text string) string {
	text = agents.ReplaceAllString(text, "AGENT")
	text = digits.ReplaceAllString(text, "0")
	text = took.ReplaceAllString(text, "0s")
	text = spaces.ReplaceAllString(text, " ")
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// alike says whether an output is what the page shows, in which ... stands for
// anything: on a line of its own for lines.
func alike(shown, printed string) bool {
	var want strings.Builder
	for i, part := range strings.Split(shape(shown), "...") {
		if i > 0 {
			want.WriteString(`.*`)
		}
		want.WriteString(regexp.QuoteMeta(part))
	}
	pattern := strings.ReplaceAll(want.String(), "\n.*\n", `\n(.*\n)*`)
	pattern = strings.TrimSuffix(pattern, "\n.*") + map[bool]string{true: `(\n.*)*`}[strings.HasSuffix(pattern, "\n.*")]
	return regexp.MustCompile(`^` + pattern + `$`).MatchString(shape(printed))
}

// sorted is a text with its lines in order, as DNS has none for values, and one space
// for any within them. A text of more than a few lines has an order of its own.
func sorted(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	if len(lines) < 3 {
		slices.Sort(lines)
	}
	return strings.Join(lines, "\n")
}

// TestAlike tells what differs each time from what must not.
func TestAlike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shown, printed string
		want           bool
	}{
		{"ran tick=06:05:27Z took=28ms by VDNDNQNWQY", "ran tick=17:00:00Z took=1.5s by ABCDEFGHIJ", true},
		{"a  b\nc\n", "a b \n   c", true},
		{"ok", "failed", false},
		{"a\n...\nb", "a\n1\n2\nb", true},
		{"a\n...\nb", "a\nb", true},
		{"a\n...", "a\nb\nc", true},
		{"a\n...", "b\nc", false},
		{"key ... here", "key abc here", true},
		{"key ... here", "key abc there", false},
		{"a\nb", "a", false},
		{"a", "a\nb", false},
	} {
		if got := alike(c.shown, c.printed); got != c.want {
			t.Errorf("%q and %q: %v", c.shown, c.printed, got)
		}
	}
}
