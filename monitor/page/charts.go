package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/solotick/solotick/monitor"
)

// A histogram tells how long after their ticks runs began.
type histogram struct {
	Bins     []bin
	N        int    // runs of which it is known
	Exact    int    // of those, to the millisecond
	Of       int    // runs altogether
	Within   int    // of the others, those of the first second, which fine bins do not have
	P50, P99 string // upper bounds where something is known to the second only
	Most     string
	Text     string
}

type bin struct {
	Label string
	N     int
	X, W  string
	Y, H  int
	Title string
	Minor bool // its label is left out where there is little room
}

// chartHeight is that of the drawing area of the two small charts.
const chartHeight = 96

// edges are where bins end. Where a lag is known to the second only, what is below
// a second is one bin.
var edges = []time.Duration{
	50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour,
}

func newHistogram(runs []monitor.Run) histogram {
	h := histogram{}
	var bounds, lags []time.Duration // lags are what goes into bins
	coarse := 0                      // of the first second
	for _, r := range runs {
		if r.Tick == 0 {
			continue // a lock has no tick
		}
		h.Of++
		lag, ok := r.Lag()
		switch exact := r.Detail != nil && !r.Detail.Began.IsZero(); {
		case !ok:
			continue
		case exact:
			h.Exact++
			bounds = append(bounds, lag)
		case lag < time.Second:
			coarse++
			bounds = append(bounds, time.Second)
			continue
		default:
			bounds = append(bounds, lag+time.Second) // it began within that second
		}
		lags = append(lags, lag)
	}
	h.N = len(bounds)
	if h.N == 0 {
		return h
	}
	slices.Sort(bounds)
	h.P50, h.P99, h.Most = length(quantile(bounds, .5)), length(quantile(bounds, .99)), length(bounds[h.N-1])
	ends := edges
	if h.Exact*2 >= h.N {
		h.Within = coarse
	} else {
		lags = append(lags, make([]time.Duration, coarse)...)
		ends = edges[slices.Index(edges, time.Second):]
	}
	h.bins(lags, ends)
	h.Text = fmt.Sprintf("Start lag of %s: half within %s, 99 of 100 within %s, at most %s.", plural(h.N, "run", "runs"), h.P50, h.P99, h.Most)
	return h
}

// quantile is the smallest of sorted values that a part q of them does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

func (h *histogram) bins(lags, ends []time.Duration) {
	counts := make([]int, len(ends)+1)
	for _, lag := range lags {
		i, exact := slices.BinarySearch(ends, lag)
		if exact {
			i++ // an end belongs to the next bin
		}
		counts[i]++
	}
	first, last := 0, len(counts)-1
	for counts[first] == 0 {
		first++
	}
	for counts[last] == 0 {
		last--
	}
	first, last = max(min(first, last-3), 0), min(max(last, first+3), len(counts)-1)
	most := slices.Max(counts)
	wide := 100 / float64(last-first+1)
	for i := first; i <= last; i++ {
		label, between := "", ""
		switch {
		case i == len(ends):
			label, between = "over "+length(ends[i-1]), label
		case i == 0:
			label = "< " + length(ends[i])
		default:
			label = length(ends[i])
			between = length(ends[i-1]) + " to "
		}
		tall := counts[i] * chartHeight / most
		if counts[i] > 0 {
			tall = max(tall, 2)
		}
		h.Bins = append(h.Bins, bin{
			Minor: (i-first)%2 == 1, Label: label, N: counts[i], X: percent(float64(i-first)*wide + wide*.08), W: percent(wide * .84), Y: chartHeight - tall + 14, H: tall,
			Title: fmt.Sprintf("%s began %s%s after the tick", plural(counts[i], "run", "runs"), between, label),
		})
	}
}

// Mid is the middle of a bin, for its label.
func (h histogram) Mid(i int) string {
	wide := 100 / float64(len(h.Bins))
	return percent((float64(i) + .5) * wide)
}

// times is the picture of how long runs took: each as a dot, or how much they
// differed where there are too many.
type times struct {
	Dots  []dot
	Boxes []box
	Grid  []gridLine
	Axis  []axisTick
	N, Of int
	Exact int
	P50   string
	P99   string
	Text  string
}

type dot struct {
	X     string
	Y     int
	Class string
	Title string
}

// A box is how long the runs in a part of the time took: from the shortest to the
// longest, and the middle.
type box struct {
	X, W  string
	Y, H  int
	Mid   int
	Title string
}

type gridLine struct {
	Y    int
	Text string
}

// mostDots is how many runs are drawn one by one.
const (
	mostDots = 150
	boxes    = 75
)

func newTimes(c clock, from, to time.Time, runs []monitor.Run) times {
	t := times{}
	s := stretch{seconds(from), seconds(to)}
	s.from -= (s.to - s.from) * .08 // room for the times at the lines
	type one struct {
		monitor.Run
		took time.Duration
		x    float64
	}
	var known []one
	var all []time.Duration
	for _, r := range runs {
		if r.Over {
			t.Of++
		}
		took, ok := r.Took()
		if !ok {
			continue
		}
		if r.Detail != nil && r.Detail.TookMS > 0 {
			t.Exact++
		}
		begin, _ := lasted(r, c.Now)
		known, all = append(known, one{r, took, s.at(begin)}), append(all, took)
	}
	t.N = len(known)
	if t.N == 0 {
		return t
	}
	slices.Sort(all)
	t.P50, t.P99 = length(quantile(all, .5)), length(quantile(all, .99))
	t.Text = fmt.Sprintf("Run times of %s: half within %s, 99 of 100 within %s.", plural(t.N, "run", "runs"), t.P50, t.P99)
	top := t.grid(all[len(all)-1])
	y := func(d time.Duration) int { return 14 + chartHeight - int(float64(chartHeight)*float64(d)/float64(top)) }
	t.Axis = axis(s, c)
	if t.N <= mostDots {
		for _, k := range known {
			e := endOf(k.Run)
			t.Dots = append(t.Dots, dot{percent(k.x), y(k.took), e.Class, barTitle(k.Run, e, c)})
		}
		return t
	}
	byBox := make([][]time.Duration, boxes)
	for _, k := range known {
		i := min(max(int(k.x*boxes/100), 0), boxes-1)
		byBox[i] = append(byBox[i], k.took)
	}
	t.box(s, c, y, byBox)
	return t
}

// box draws the runs of each part of the time.
func (t *times) box(s stretch, c clock, y func(time.Duration) int, byBox [][]time.Duration) {
	for i, in := range byBox {
		if len(in) == 0 {
			continue
		}
		slices.Sort(in)
		low, high := y(in[0]), y(in[len(in)-1])
		t.Boxes = append(t.Boxes, box{
			X: percent(float64(i) * 100 / boxes), W: percent(.8 * 100 / boxes), Y: high, H: max(low-high, 2), Mid: y(quantile(in, .5)),
			Title: fmt.Sprintf("%s from %s: %s to %s, half within %s", plural(len(in), "run", "runs"),
				c.Short(time.Unix(int64(s.from+(s.to-s.from)*float64(i)/boxes), 0)), length(in[0]), length(in[len(in)-1]), length(quantile(in, .5))),
		})
	}
}

// round are the tops that an axis may have, in seconds.
var round = []float64{
	.01, .02, .04, .1, .2, .4, 1, 2, 4, 6, 10, 20, 30, 40, 60, 90, 120, 180, 240, 360, 600, 1200, 1800, 2400, 3600, 7200, 10800, 14400, 28800, 43200, 86400,
}

// grid draws lines at round times and returns what the topmost stands for.
func (t *times) grid(most time.Duration) time.Duration {
	top := most.Seconds()
	for _, one := range round {
		if one >= most.Seconds() {
			top = one
			break
		}
	}
	for _, part := range []float64{1, .5} {
		t.Grid = append(t.Grid, gridLine{14 + chartHeight - int(part*chartHeight), length(time.Duration(top * part * float64(time.Second)))})
	}
	return time.Duration(cmp.Or(top, 1) * float64(time.Second))
}

// Missing is of how many runs the lag is not known.
func (h histogram) Missing() int { return h.Of - h.N }

// Missing is of how many runs that are over the length is not known.
func (t times) Missing() int { return t.Of - t.N }
