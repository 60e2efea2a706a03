package dnsmsg

import (
	"strings"
	"testing"
)

func TestAbsolute(t *testing.T) {
	for name, want := range map[string]string{
		"canary.t.test":                   "canary.t.test.",
		"Canary.T.test.":                  "canary.t.test.",
		`\099an\097ry.t.test`:             "canary.t.test.",
		`a\.b.t.test`:                     `a\.b.t.test.`,
		"b\xc3\xbccher.t.test":            `b\195\188cher.t.test.`,
		`b\195\188cher.t.test`:            `b\195\188cher.t.test.`,
		"a b.t.test":                      `a\ b.t.test.`,
		"*.t.test":                        "*.t.test.",
		".":                               ".",
		strings.Repeat("a", 63) + ".test": strings.Repeat("a", 63) + ".test.",
	} {
		got, err := Absolute(name)
		if err != nil || got != want {
			t.Errorf("%q: %q, error %v, want %q", name, got, err, want)
		}
		if again, err := Absolute(got); err != nil || again != got {
			t.Errorf("%q once more: %q, error %v", got, again, err)
		}
	}
	for _, name := range []string{"", "a..b", ".a", `a\`, strings.Repeat("a", 64), strings.Repeat("a.", 128)} {
		if got, err := Absolute(name); err == nil {
			t.Errorf("%q is taken for the name %q", name, got)
		}
	}
}

func TestParent(t *testing.T) {
	for name, want := range map[string]string{"a.b.": "b.", `a\.b.c.`: "c.", "a.": "", ".": ""} {
		if got := Parent(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
