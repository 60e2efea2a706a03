package tui

import (
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
)

// facts are what the runs of a record amount to. They are made anew when it is
// looked at.
type facts struct {
	runs   []monitor.Run
	every  int64 // seconds from tick to tick; 0: not known
	p99    time.Duration
	median time.Duration
	worst  time.Duration // the longest lag
	lags   int
	lapsed bool // nobody renews the claim any more
}

// lapsed says whether a claim is there that its holder should have renewed by now.
func lapsed(item monitor.Item) bool {
	return item.Claimed && item.State != elect.HealthRunning && item.State != elect.HealthHeld
}

// mostRuns is how many ticks back the facts go.
const mostRuns = 300

func factsOf(h *monitor.History, item monitor.Item, now int64) *facts {
	f := &facts{lapsed: lapsed(item)}
	if item.Next != nil && item.LastTick != nil {
		f.every = max(item.Next.Unix()-item.LastTick.Unix(), 0)
	}
	window := min(max(f.every*mostRuns, 3600), 30*86400)
	f.runs = h.Runs(item.Name, now-window, now+3600)
	if n := len(f.runs); n > mostRuns {
		f.runs = f.runs[n-mostRuns:]
	}
	if n := len(f.runs); n > 0 && f.lapsed {
		f.runs[n-1].Over = true // as far as anybody knows; what Runs returns is a copy
	}
	if every := usual(f.runs); every > 0 {
		f.every = every
	}
	var lags []time.Duration
	for _, r := range f.runs {
		if lag, ok := r.Lag(); ok && r.Attempt <= 1 {
			lags = append(lags, lag)
		}
	}
	if f.lags = len(lags); f.lags > 0 {
		slices.Sort(lags)
		f.median, f.worst = lags[len(lags)/2], lags[len(lags)-1]
		f.p99 = lags[(len(lags)*99-1)/100]
	}
	return f
}

// usual is the usual distance of two ticks, as they were run: a pause or a retry
// does not change it.
func usual(runs []monitor.Run) int64 {
	var all []int64
	for i := 1; i < len(runs); i++ {
		if d := runs[i].Tick - runs[i-1].Tick; d > 0 {
			all = append(all, d)
		}
	}
	if len(all) < 3 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// latest is the run that is told of: the one under way, or else the last one.
func (f *facts) latest() (monitor.Run, bool) {
	if n := len(f.runs); n > 0 {
		return f.runs[n-1], true
	}
	return monitor.Run{}, false
}

// tookAtMost is how long a run took, or where its begin was not seen, how long after
// its tick it was over. False: neither is known.
func tookAtMost(r monitor.Run) (time.Duration, bool) {
	if took, ok := r.Took(); ok {
		return took, true
	}
	if r.Ended == 0 || r.Attempt > 1 || r.Ended < r.Tick || r.Tick == 0 {
		return 0, false
	}
	return time.Duration(r.Ended-r.Tick) * time.Second, true
}

// tookText tells how long a run took; empty: that is not known.
func (g *glyphs) tookText(r monitor.Run) string {
	took, ok := r.Took()
	if ok {
		return lagText(took)
	}
	if took, ok = tookAtMost(r); ok {
		return g.atMost + brief(max(took, time.Second))
	}
	return ""
}

// spark draws how long the latest runs took, one cell each. A run that did not end
// well has no height but a sign. The usual run is half as high as there is room for.
func (f *facts) spark(g *glyphs, cells int) line {
	runs := f.runs[max(0, len(f.runs)-cells):]
	var all []time.Duration
	for _, r := range runs {
		if took, ok := tookAtMost(r); ok {
			all = append(all, took)
		}
	}
	longest := time.Second
	if len(all) > 0 {
		slices.Sort(all)
		longest = max(longest, all[len(all)-1], 2*all[len(all)/2])
	}
	var out line
	out.put(strings.Repeat(" ", cells-len(runs)), normal)
	for _, r := range runs {
		took, known := tookAtMost(r)
		switch tone := toneOfRun(r); {
		case tone == bad || !r.Over:
			out.put(g.markOf(r), tone)
		case !known:
			out.put(g.lane.looked, tone)
		default:
			top := len(g.steps) - 1
			out.put(g.steps[min(int(int64(took)*int64(top)/int64(longest)), top)], tone)
		}
	}
	return out
}

// bar shows how much of the way from one tick to the next is over.
func bar(g *glyphs, item monitor.Item, now time.Time, cells int) line {
	var out line
	if item.Next == nil || item.LastTick == nil || !item.Next.After(*item.LastTick) {
		return *out.put(strings.Repeat(" ", cells), normal)
	}
	share := float64(now.Sub(*item.LastTick)) / float64(item.Next.Sub(*item.LastTick))
	halves := int(min(max(share, 0), 1) * float64(2*cells))
	tone := toneOf(item.State.Level())
	out.put(strings.Repeat(g.done, halves/2), tone)
	if halves%2 == 1 {
		out.put(g.half, tone)
	}
	return *out.put(strings.Repeat(g.rest, cells-out.width), faint)
}
