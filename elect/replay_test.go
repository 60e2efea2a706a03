package elect

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestReplay goes again through courses that the explorer found, before the
// rule that answers each was there. A violation is printed with its course
// behind a bar, line by line: that is what stands in the file.
func TestReplay(t *testing.T) {
	datadriven.RunTest(t, "testdata/explored/courses", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd != "replay" {
			t.Fatalf("unknown command %q", d.Cmd)
		}
		var name string
		d.ScanArgs(t, "config", &name)
		name = strings.ReplaceAll(name, "_", " ")
		n := slices.IndexFunc(configs(), func(c config) bool { return c.name == name })
		if n < 0 {
			t.Fatalf("no configuration %q", name)
		}
		x := newExplorer(configs()[n])
		var moves []move
		for line := range strings.Lines(d.Input) {
			moves = append(moves, parseMove(t, line))
		}
		var out bytes.Buffer
		x.story(&out, moves)
		return out.String()
	})
}

func parseMove(t *testing.T, line string) move {
	f := strings.Fields(line)
	if len(f) < 3 {
		t.Fatalf("no move: %q", line)
	}
	var m move
	k := slices.Index(kindNames[:], strings.Join(f[:len(f)-2], " "))
	if _, err := fmt.Sscan(strings.Join(f[len(f)-2:], " "), &m.agent, &m.arg); err != nil || k < 0 {
		t.Fatalf("no move: %q (%v)", line, err)
	}
	m.kind = kind(k)
	return m
}
