package tui

import (
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// glyphs are the signs of a screen. None means anything by its colour alone.
type glyphs struct {
	signs  [4]string // by elect.Level
	mark   string    // before what is selected
	rule   string
	dot    string // between things on one line
	more   string // where a text was cut
	yes    string
	atMost string

	done, half, rest string // of a bar
	steps            []string

	lane  marks
	arrow string // the keys that select
	enter string
	caret string
}

// marks are what stands in the lane of an agent, and in a sparkline for a run that
// has no height.
type marks struct {
	ok, bad, other, running, takeover, looked string
}

var fancy = glyphs{
	signs: [4]string{"●", "▲", "✖", "○"}, mark: "▸", rule: "─", dot: " · ", more: "…", yes: "✔", atMost: "≤",
	done: "━", half: "╸", rest: "─", steps: []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
	lane:  marks{ok: "■", bad: "✖", other: "□", running: "▶", takeover: "↷", looked: "·"},
	arrow: "↑↓", enter: "⏎", caret: "▏",
}

var simple = glyphs{
	signs: [4]string{"+", "!", "x", "-"}, mark: ">", rule: "-", dot: ", ", more: "~", yes: "+", atMost: "<=",
	done: "=", half: "-", rest: ".", steps: []string{"_", ".", "-", "=", "*", "#"},
	lane:  marks{ok: "#", bad: "x", other: "o", running: ">", takeover: "T", looked: "."},
	arrow: "jk", enter: "enter", caret: "_",
}

func (g *glyphs) sign(l elect.Level) string { return g.signs[min(int(l), len(g.signs)-1)] }

// toneOfRun is how good a run is, as far as it is known.
func toneOfRun(r monitor.Run) style {
	switch r.Result {
	case record.OK:
		return fine
	case record.Failed, record.Timeout, record.Lost:
		return bad
	case record.Replaced, record.Skipped:
		return doubtful
	}
	if !r.Over {
		return accent
	}
	return faint
}

// mark is what a run is drawn as.
func (g *glyphs) markOf(r monitor.Run) string {
	switch tone := toneOfRun(r); {
	case tone == bad:
		return g.lane.bad
	case r.Takeover:
		return g.lane.takeover
	case tone == fine:
		return g.lane.ok
	case tone == accent:
		return g.lane.running
	}
	return g.lane.other
}
