package spell_test

import (
	"testing"

	"github.com/solotick/solotick/internal/spell"
)

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"every", "every", 0},
		{"evry", "every", 1},
		{"eevery", "every", 1},
		{"evary", "every", 1},
		{"evrey", "every", 1},
		{"kitten", "sitting", 3},
	} {
		if got := spell.Distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q and %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := spell.Distance(tt.b, tt.a); got != tt.want {
			t.Errorf("%q and %q: %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}

func TestClosest(t *testing.T) {
	known := []string{"every", "offset", "cron", "if"}
	for word, want := range map[string]string{
		"evry": "every", "EVERY": "every", "ofset": "offset", "corn": "cron", "fi": "if", "interval": "", "": "", "x": "",
	} {
		if got := spell.Closest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
