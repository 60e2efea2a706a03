package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/solotick/solotick/monitor"
)

const (
	stripRuns = 40 // in one strip
	barWidth  = 5  // and the space after it
	barHeight = 22
)

// A strip is the latest runs of a record as bars: the height is how long each took
// beside the others, the colour and the form how it ended.
type strip struct {
	Bars  []bar
	Paths []shape // the same, one for each way to end
	Text  string  // what it shows
	Last  end     // of the latest run
	Took  string  // how long that took
}

type bar struct {
	Class, D string
	Title    string
}

type shape struct{ Class, D string }

// stripOf gathers the latest runs. A record does not tell how many runs there were
// in a stretch of time, so it is widened until there are enough.
func (s *server) stripOf(item monitor.Item, c clock, roomy bool) strip {
	now, every := c.Now.Unix(), int64(3600)
	if item.Next != nil && item.LastTick != nil && item.Next.After(*item.LastTick) {
		every = max(item.Next.Unix()-item.LastTick.Unix(), 1)
	}
	var runs []monitor.Run
	for _, from := range []int64{now - 50*every, now - 800*every, 0} {
		runs = s.History.Runs(item.Name, max(from, 0), now+3600)
		if len(runs) >= stripRuns || from <= 0 {
			break
		}
	}
	return newStrip(runs[max(0, len(runs)-stripRuns):], c, roomy)
}

func newStrip(runs []monitor.Run, c clock, roomy bool) strip {
	var s strip
	var most time.Duration
	for _, r := range runs {
		if took, ok := r.Took(); ok {
			most = max(most, took)
		}
	}
	n := map[string]int{}
	paths := map[string]*strings.Builder{}
	for i, r := range runs {
		e := endOf(r)
		h := barHeight * 6 / 10
		took, known := r.Took()
		if known && most > 0 {
			h = barHeight*4/10 + int(float64(barHeight*6/10)*float64(took)/float64(most))
		}
		if e.Class == "fail" || e.Class == "lost" {
			h = barHeight // what went wrong is seen at once
		}
		b := bar{e.Class, outline(e.Class, (stripRuns-len(runs)+i)*barWidth, h), barTitle(r, e, c)}
		if roomy {
			s.Bars = append(s.Bars, b)
		}
		p := paths[e.Class]
		if p == nil {
			p = &strings.Builder{}
			paths[e.Class] = p
		}
		p.WriteString(b.D)
		n[e.Word]++
		s.Last, s.Took = e, ""
		if known {
			s.Took = length(took)
		}
	}
	for _, class := range []string{"ok", "run", "dim", "skip", "lost", "fail"} {
		if p := paths[class]; p != nil && !roomy {
			s.Paths = append(s.Paths, shape{class, p.String()})
		}
	}
	s.Text = "no run was seen yet"
	if len(runs) > 0 {
		s.Text = "the " + plural(len(runs), "run", "runs") + " seen last: " + numbers(n)
	}
	return s
}

// outline draws a bar, so that those who see no colours see how it ended: a bad end
// looks like an exclamation mark, a lost one is in pieces, one that is not known is
// hollow.
func outline(class string, x, h int) string {
	y := barHeight - h
	switch class {
	case "fail":
		return fmt.Sprintf("M%d 0h3v14h-3zM%d 18h3v4h-3z", x, x)
	case "lost":
		return fmt.Sprintf("M%d 0h3v5h-3zM%d 8h3v6h-3zM%d 17h3v5h-3z", x, x, x)
	case "dim":
		return fmt.Sprintf("M%d %dh3v%dh-3zm1 1v%dh1v-%dz", x, y, h, h-2, h-2)
	case "skip":
		return fmt.Sprintf("M%d %dh3v4h-3z", x, barHeight-4)
	}
	return fmt.Sprintf("M%d %dh3v%dh-3z", x, y, h)
}

// numbers tells how many runs ended how, what went wrong last.
func numbers(n map[string]int) string {
	var all []string
	add := func(word string) {
		if n[word] > 0 {
			all = append(all, fmt.Sprintf("%d %s", n[word], word))
			delete(n, word)
		}
	}
	for _, word := range []string{"ok", "running", "replaced", "skipped", "end not seen", "lost", "failed", "timeout"} {
		add(word)
	}
	other := 0
	for _, k := range n { // results of a later version, in no order
		other += k
	}
	if other > 0 {
		all = append(all, fmt.Sprintf("%d otherwise", other))
	}
	return strings.Join(all, ", ")
}

// barTitle is a run in one line.
func barTitle(r monitor.Run, e end, c clock) string {
	var b strings.Builder
	if r.Tick != 0 {
		b.WriteString("tick " + c.Short(time.Unix(r.Tick, 0)) + " " + zoneMark(c) + ": ")
	}
	b.WriteString(e.Word)
	if took, ok := r.Took(); ok {
		b.WriteString(", took " + length(took))
	}
	if r.Agent != "" {
		b.WriteString(", " + short(r.Agent))
	}
	if r.Attempt > 1 {
		fmt.Fprintf(&b, ", attempt %d", r.Attempt)
	}
	if r.Takeover {
		b.WriteString(", taken over")
	}
	return b.String()
}

// zoneMark is how the zone of a time is written where there is little room.
func zoneMark(c clock) string {
	if c.Loc == time.UTC {
		return "UTC"
	}
	return c.Zone()
}

// short bounds an id: one from elsewhere may be long.
func short(id string) string {
	if r := []rune(id); len(r) > 24 {
		return string(r[:23]) + "…"
	}
	return id
}
