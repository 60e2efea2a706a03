package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/monitor"
)

// lanes is the picture of who ran what: a lane for each agent, a block for each
// run. Along the time everything is in percent of the width and across it in
// pixels, so that the picture fits any window and its texts keep their size.
type lanes struct {
	Lanes  []lane
	Bands  []band
	Arrows []arrow
	Axis   []axisTick
	Now    string // where now is; empty: not in the picture
	Next   string // where the next tick is; empty: not in the picture
	NextAt string
	Height int    // of the lanes
	Full   int    // with the axis
	Text   string // what it shows
	Gaps   []monitor.Span
	Shown  map[string]bool // what the legend explains
}

// A lane is that of one agent, or of all that would be one too many.
type lane struct {
	Agent       string
	Y           int
	Blocks      []block
	Runs        int
	Note        string // how they ended
	First, Last int64
	Others      int // how many agents share it; 0: it is that of one
}

// A block is a run, or several that are too close to be drawn each.
type block struct {
	X, W  string
	Class string
	Title string
	Many  bool
}

// An arrow leads from a run to the next attempt at its tick, by another agent.
type arrow struct {
	From, X string
	Y1, Y2  int
	Taken   bool // it was seen that the tick was taken over
	Title   string
}

const (
	laneHeight  = 34
	blockHeight = 20
	middle      = 17 // of a lane, where its blocks are
	laneTop     = 6
	axisHeight  = 24
	mostLanes   = 12
	// close is how many percent of the width two runs are apart at least to be drawn
	// each; farther for those that have a mark.
	closeRuns, closeMarks = .3, .9
)

// A stretch is the time that a picture shows, in epoch seconds.
type stretch struct{ from, to float64 }

func (s stretch) at(sec float64) float64 { return (sec - s.from) / (s.to - s.from) * 100 }

// box is where a part of it begins and how wide it is, cut to the picture.
func (s stretch) box(from, to float64) (x, w string) {
	a, b := min(max(s.at(from), 0), 100), min(max(s.at(to), 0), 100)
	return percent(a), percent(b - a)
}

func percent(v float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".") + "%"
}

// seconds is a moment to the millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// lasted is when a run began and ended, as far as it was seen: without an end that
// was, the last sign of life stands for it.
func lasted(r monitor.Run, now time.Time) (from, to float64) {
	from = float64(r.At())
	if r.Detail != nil && !r.Detail.Began.IsZero() {
		from = seconds(r.Detail.Began)
	}
	took, known := r.Took()
	switch {
	case !r.Over:
		to = seconds(now)
	case known:
		to = from + took.Seconds()
	default:
		to = float64(max(r.Ended, r.Alive))
	}
	return from, max(from, to)
}

// A past is what a picture is made of.
type past struct {
	item     monitor.Item
	from, to time.Time
	runs     []monitor.Run
	spans    []monitor.Span
	events   []monitor.Event // the newest first
}

func draw(c clock, p past) lanes {
	s := stretch{seconds(p.from), seconds(p.to)}
	live := p.to.Equal(c.Now)
	if live {
		s.to += (s.to - s.from) * .04 // room for what comes
	}
	l := lanes{Shown: map[string]bool{}}
	at := l.share(s, c, p.runs)
	l.Height = laneTop + max(len(l.Lanes), 1)*laneHeight
	l.Full = l.Height + axisHeight
	l.handovers(s, c, p.runs, at)
	l.bands(s, c, p)
	l.Axis = axis(s, c)
	if live {
		l.Now = percent(s.at(seconds(c.Now)))
	}
	if next := p.item.Next; next != nil && next.After(c.Now) && s.at(seconds(*next)) < 99.5 {
		l.Next, l.NextAt = percent(s.at(seconds(*next))), "the next tick: "+c.Full(*next)
	}
	l.Text = l.words(c, p)
	return l
}

// share gives each agent a lane, in the order in which they appeared, and says
// which one that is. If there are too many, those that ran last keep one of their
// own.
func (l *lanes) share(s stretch, c clock, runs []monitor.Run) map[string]int {
	byAgent := map[string][]monitor.Run{}
	var agents []string
	for _, r := range runs {
		if _, to := lasted(r, c.Now); to < s.from {
			continue
		}
		if byAgent[r.Agent] == nil {
			agents = append(agents, r.Agent)
		}
		byAgent[r.Agent] = append(byAgent[r.Agent], r)
	}
	at := map[string]int{}
	if n := len(agents); n > mostLanes {
		byLast := slices.Clone(agents)
		slices.SortStableFunc(byLast, func(a, b string) int {
			return cmp.Compare(byAgent[a][len(byAgent[a])-1].At(), byAgent[b][len(byAgent[b])-1].At())
		})
		gone := byLast[:n-mostLanes+1]
		var rest []monitor.Run
		for _, a := range gone {
			rest = append(rest, byAgent[a]...)
			at[a] = 0
		}
		slices.SortStableFunc(rest, func(a, b monitor.Run) int { return cmp.Compare(a.At(), b.At()) })
		l.add(s, c, "", rest, len(gone))
		agents = slices.DeleteFunc(agents, func(a string) bool { return slices.Contains(gone, a) })
	}
	for _, a := range agents {
		at[a] = len(l.Lanes)
		l.add(s, c, a, byAgent[a], 0)
	}
	return at
}

func (l *lanes) add(s stretch, c clock, agent string, runs []monitor.Run, others int) {
	n := map[string]int{}
	for _, r := range runs {
		e := endOf(r)
		n[e.Word]++
		l.Shown[e.Class] = true
	}
	one := lane{
		Agent: agent, Others: others, Y: laneTop + len(l.Lanes)*laneHeight, Runs: len(runs), Note: numbers(n),
		First: runs[0].At(), Last: runs[len(runs)-1].At(), Blocks: blocks(s, c, runs),
	}
	for _, b := range one.Blocks {
		l.Shown["many"] = l.Shown["many"] || b.Many
	}
	l.Lanes = append(l.Lanes, one)
}

// A piece is a block in the making.
type piece struct {
	from, to float64
	n        int
	words    map[string]int
	title    string
}

// blocks draws the runs of one lane: those that went wrong on top of the others.
func blocks(s stretch, c clock, runs []monitor.Run) []block {
	pieces := map[string][]piece{}
	for _, r := range runs {
		from, to := lasted(r, c.Now)
		e := endOf(r)
		apart := closeRuns
		if e.Class == "fail" || e.Class == "lost" {
			apart = closeMarks
		}
		list := pieces[e.Class]
		if i := len(list) - 1; i >= 0 && s.at(from)-s.at(list[i].to) < apart {
			list[i].to = max(list[i].to, to)
			list[i].n++
			list[i].words[e.Word]++
			continue
		}
		title := barTitle(r, e, c)
		if !r.Over {
			title += " since " + c.Short(time.Unix(int64(from), 0))
		}
		pieces[e.Class] = append(list, piece{from, to, 1, map[string]int{e.Word: 1}, title})
	}
	var all []block
	for _, class := range []string{"ok", "dim", "skip", "run", "lost", "fail"} {
		for _, p := range pieces[class] {
			b := block{Class: class, Title: p.title, Many: p.n > 1}
			b.X, b.W = s.box(p.from, p.to)
			if b.Many {
				b.Title = fmt.Sprintf("%d runs from %s to %s %s: %s", p.n,
					c.Short(time.Unix(int64(p.from), 0)), c.Short(time.Unix(int64(p.to), 0)), zoneMark(c), numbers(p.words))
			}
			all = append(all, b)
		}
	}
	return all
}

// handovers draws an arrow to each run of a tick that another agent had attempted
// before. That it was taken over is not always seen: a short run may begin and end
// between two looks.
func (l *lanes) handovers(s stretch, c clock, runs []monitor.Run, at map[string]int) {
	type attempt struct {
		tick int64
		n    int
	}
	all := map[attempt]monitor.Run{}
	for _, r := range runs {
		all[attempt{r.Tick, r.Attempt}] = r
	}
	for _, r := range runs {
		before, ok := all[attempt{r.Tick, r.Attempt - 1}]
		from, ok1 := at[before.Agent]
		to, ok2 := at[r.Agent]
		begin, _ := lasted(r, c.Now)
		if !ok || !ok1 || !ok2 || from == to || s.at(begin) < 0 {
			continue
		}
		_, gone := lasted(before, c.Now)
		a := arrow{
			Y1: l.Lanes[from].Y + middle, Y2: l.Lanes[to].Y + middle - blockHeight/2, Taken: r.Takeover,
			Title: fmt.Sprintf("attempt %d at the tick of %s %s, by %s, after one of %s: %s", r.Attempt, c.Short(time.Unix(r.Tick, 0)), zoneMark(c), short(r.Agent), short(before.Agent), endOf(before).Word),
		}
		if r.Takeover {
			a.Title = fmt.Sprintf("%s took over from %s, whose last sign of life was %s before", short(r.Agent), short(before.Agent), length(time.Duration(begin-gone)*time.Second))
		}
		if from > to {
			a.Y2 += blockHeight
		}
		a.From, a.X = percent(max(s.at(gone), 0)), percent(s.at(begin))
		l.Arrows = append(l.Arrows, a)
	}
	l.Shown["handover"] = len(l.Arrows) > 0
}

// words says what the picture shows, for those who do not see it.
func (l *lanes) words(c clock, p past) string {
	n, total := map[string]int{}, 0
	agents := 0
	for _, one := range l.Lanes {
		agents += max(one.Others, 1)
	}
	for _, r := range p.runs {
		if _, to := lasted(r, c.Now); to >= seconds(p.from) {
			n[endOf(r).Word]++
			total++
		}
	}
	if total == 0 {
		return "No run was seen."
	}
	text := fmt.Sprintf("%s by %s: %s", plural(total, "run", "runs"), plural(agents, "agent", "agents"), numbers(n))
	taken := 0
	for _, a := range l.Arrows {
		if a.Taken {
			taken++
		}
	}
	if taken > 0 {
		text += "; " + plural(taken, "takeover", "takeovers")
	}
	if k := len(l.Arrows) - taken; k > 0 {
		text += "; " + plural(k, "tick", "ticks") + " attempted again by another agent"
	}
	if k := len(l.Gaps); k > 0 {
		text += "; " + plural(k, "stretch", "stretches") + " not looked at"
	}
	return text + "."
}

// Floor is where the lane's line is drawn.
func (l lane) Floor() int { return l.Y + laneHeight - 3 }

// Up says that an arrow leads to a lane above.
func (a arrow) Up() bool { return a.Y2 < a.Y1 }
