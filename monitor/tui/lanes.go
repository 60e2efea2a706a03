package tui

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/monitor"
)

// A chart is a stretch of time that is drawn in cells, the last of which holds now.
type chart struct {
	from, cell int64 // epoch second of its left edge, seconds of a cell
	cells      int
}

// lengths are those that a cell may have, in seconds.
var lengths = []int64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 4 * 3600, 12 * 3600, 86400}

// newChart fits cells to ticks that are so many seconds apart: two to a tick, so
// that neighbours stand apart.
func newChart(now, every int64, cells int) chart {
	length := lengths[len(lengths)-1]
	for _, l := range lengths {
		if 2*l >= every {
			length = l
			break
		}
	}
	end := now/length*length + length
	return chart{end - length*int64(cells), length, cells}
}

// index is the cell of an epoch second, which may lie outside of the chart.
func (c chart) index(sec int64) int {
	d := sec - c.from
	if d < 0 {
		d -= c.cell - 1
	}
	return int(d / c.cell)
}

// A lane is what one agent did.
type lane struct {
	agent  string
	latest int64
	cells  []*monitor.Run // what is drawn in each; nil: nothing
	first  []bool         // whether that is where the run began
}

// lanes are those of the agents that ran anything within the chart, sorted by name;
// of more than most those that ran last, and how many others there are.
func (c chart) lanes(runs []monitor.Run, now int64, most int) (all []*lane, more int) {
	by := map[string]*lane{}
	for i := range runs {
		r := &runs[i]
		from, to := max(c.index(r.At()), 0), min(c.index(lastOf(*r, now)), c.cells-1)
		if from > to || r.Agent == "" {
			continue
		}
		l := by[r.Agent]
		if l == nil {
			l = &lane{agent: r.Agent, cells: make([]*monitor.Run, c.cells), first: make([]bool, c.cells)}
			by[r.Agent] = l
		}
		l.latest = max(l.latest, r.At())
		for at := from; at <= to; at++ {
			if worse(*r, l.cells[at]) {
				l.cells[at], l.first[at] = r, at == c.index(r.At())
			}
		}
	}
	all = slices.SortedFunc(maps.Values(by), func(a, b *lane) int {
		return cmp.Or(cmp.Compare(b.latest, a.latest), strings.Compare(a.agent, b.agent))
	})
	if len(all) > most {
		all, more = all[:most], len(all)-most
	}
	slices.SortFunc(all, func(a, b *lane) int { return strings.Compare(a.agent, b.agent) })
	return all, more
}

// lastOf is until when a run is drawn.
func lastOf(r monitor.Run, now int64) int64 {
	switch {
	case r.Ended != 0:
		return max(r.Ended-1, r.At()) // a run that took a minute is one cell of a minute
	case !r.Over:
		return max(now, r.At())
	}
	return max(r.Alive, r.At())
}

// worse says which of two runs that have one cell is drawn: what went wrong rather
// than what did not, a takeover rather than another run, and else the later one.
func worse(r monitor.Run, old *monitor.Run) bool {
	if old == nil {
		return true
	}
	rank := func(r monitor.Run) int {
		switch {
		case toneOfRun(r) == bad:
			return 2
		case r.Takeover:
			return 1
		}
		return 0
	}
	return rank(r) >= rank(*old)
}

// draw is a lane as a line; where nobody looked there is nothing.
func (l *lane) draw(g *glyphs, looked []bool) line {
	var out line
	for i, r := range l.cells {
		switch {
		case r != nil && (l.first[i] || toneOfRun(*r) == bad):
			out.put(g.markOf(*r), toneOfRun(*r))
		case r != nil:
			mark := g.lane.ok
			if !r.Over {
				mark = g.lane.running
			}
			out.put(mark, toneOfRun(*r))
		case looked[i]:
			out.put(g.lane.looked, faint)
		default:
			out.put(" ", normal)
		}
	}
	return out
}

// looked says of each cell whether anybody looked then.
func (c chart) looked(spans []monitor.Span) []bool {
	all := make([]bool, c.cells)
	for _, s := range spans {
		for i := max(c.index(s.From), 0); i <= min(c.index(s.To), c.cells-1); i++ {
			all[i] = true
		}
	}
	return all
}

// apart are the distances that two times below a chart may have, in seconds.
var apart = []int64{10, 30, 60, 120, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400, 28 * 86400}

// axis has times below the chart, at round ones, and the present at the end.
func (c chart) axis(k clock) line {
	layout, step := "15:04", apart[len(apart)-1]
	switch {
	case c.cell >= 3600:
		layout = "2006-01-02"
	case c.cell < 30:
		layout = "15:04:05"
	}
	for _, s := range apart {
		if s >= c.cell*int64(len(layout)+3) {
			step = s
			break
		}
	}
	room := c.cells - len("  now")
	var out line
	for i := 0; i < room; {
		at := time.Unix(c.from+int64(i)*c.cell, 0).In(k.zone)
		_, offset := at.Zone()
		label := at.Format(layout)
		if (at.Unix()+int64(offset))%step >= c.cell || i+len(label) > room {
			label = " "
		}
		out.put(label, faint)
		i += len(label)
	}
	return *out.put("  now", faint)
}
