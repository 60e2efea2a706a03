package tui

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata and the frame in docs/watch.md")

// TestFrames compares whole screens. They are without colour, so that people can
// read them; colours has one with.
func TestFrames(t *testing.T) {
	w := shared()
	full := Config{Unicode: true}
	empty := newWorld()
	for _, f := range []struct {
		name          string
		world         *world
		width, height int
		config        Config
		keys          []string
	}{
		{"list_120x30", w, 120, 30, full, nil},
		{"list_80x24", w, 80, 24, full, nil},
		{"list_60x12", w, 60, 12, full, nil},
		{"list_ascii_80x24", w, 80, 24, Config{}, []string{"down", "down", "down", "down", "down"}},
		{"list_local_raw_100x20", w, 100, 20, full, []string{"s", "home", "down", "down", "t", "r"}},
		{"filter_80x24", w, 80, 24, full, []string{"/", "L", "e", "a"}},
		{"filter_none_80x24", w, 80, 24, full, []string{"/", "x", "x", "enter"}},
		{"details_100x70", w, 100, 70, full, []string{"s", "home", "down", "down", "enter"}},
		{"details_raw_scrolled_60x12", w, 60, 12, full, []string{"s", "home", "down", "down", "enter", "r", "pgdown", "pgdown"}},
		{"events_100x20", w, 100, 20, full, []string{"e"}},
		{"events_of_one_80x12", w, 80, 12, full, []string{"down", "enter", "e"}},
		{"help_80x40", w, 80, 40, full, []string{"?"}},
		{"help_ascii_60x12", w, 60, 12, Config{}, []string{"?", "end"}},
		{"empty_80x12", empty, 80, 12, full, nil},
		{"small_40x8", w, 40, 8, full, nil},
		{"colours_80x24", w, 80, 24, Config{Unicode: true, Color: true}, nil},
		{"no_colours_60x12", w, 60, 12, full, nil},
	} {
		t.Run(f.name, func(t *testing.T) {
			got := f.world.view(f.width, f.height, f.config).press(f.keys...).screen()
			if !strings.HasPrefix(f.name, "colours") && !strings.HasPrefix(f.name, "no_colours") {
				got = sgr.ReplaceAllString(got, "")
			}
			golden(t, filepath.Join("testdata", f.name+".txt"), got)
		})
	}
}

// sgr are the only sequences that a frame may have: colours, bold, faint.
var sgr = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// golden compares a screen with a file, in which no line ends in space.
func golden(t *testing.T, file, screen string) {
	t.Helper()
	got := trimmed(screen) + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, diff)
	}
}

func trimmed(screen string) string {
	lines := strings.Split(screen, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}

// TestDocs keeps the screen in docs/watch.md one that there is.
func TestDocs(t *testing.T) {
	const file, mark = "../../docs/watch.md", "<!-- held by: monitor/tui TestDocs -->\n```text\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), mark)
	old, after, end := strings.Cut(rest, "```\n")
	if !ok || !end {
		t.Fatalf("%s has no %q", file, mark)
	}
	v := shared().view(100, 26, Config{Unicode: true}).press("down", "down", "down", "down", "down")
	want := trimmed(sgr.ReplaceAllString(v.screen(), "")) + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(before+mark+want+"```\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, old); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, diff)
	}
}
