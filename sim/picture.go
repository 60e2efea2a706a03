package sim

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// A Picture draws a stretch of a scenario: a lane for each agent that ran something,
// and how late ticks started and were taken over. Its Watch is for [Scenario.Watch];
// give it the report afterwards.
type Picture struct {
	Title    string
	Start    time.Time     // of the scenario
	From, To time.Duration // since then; To is at most a day after From

	bars []bar
}

// A bar is a run in a lane.
type bar struct {
	agent    string
	from, to time.Duration // to: -1 while it is not over
	tick     int64
	attempt  int
	result   record.Result // None: it ended with its process
	loose    bool
}

// Watch takes a step in.
func (p *Picture) Watch(s Step) {
	if s.Verb != elect.Run && !s.Killed || s.At < p.From-time.Hour || s.At > p.To {
		return
	}
	if !s.Ended && !s.Killed {
		p.bars = append(p.bars, bar{s.Agent, s.At, -1, s.Tick, s.Attempt, "", s.Loose})
		return
	}
	for i := len(p.bars) - 1; i >= 0; i-- {
		if b := &p.bars[i]; b.agent == s.Agent && b.to < 0 && b.loose == s.Loose {
			b.to, b.result = s.At, s.Result
			return
		}
	}
}

// The picture's measures in pixels.
const (
	width    = 960
	left     = 130
	laneHigh = 26
	barHigh  = 14
	chartTop = 40
	chart    = 130
)

// tones are the classes of bars, with words for who sees no colour.
var tones = []struct{ result, class, words string }{
	{string(record.OK), "ok", "ok"},
	{string(record.Failed), "bad", "failed"},
	{string(record.Timeout), "bad", "timed out"},
	{string(record.Lost), "lost", "lost"},
	{string(record.Replaced), "lost", "replaced"},
	{"", "lost", "ended with its process"},
}

// style is for light and dark, and says nothing by colour alone: what is not ok has a
// border of its own.
const style = `svg{font:12px system-ui,sans-serif;color-scheme:light dark}
.bg{fill:light-dark(#fff,#15181c)}text{fill:light-dark(#222,#ddd)}.soft{fill:light-dark(#667,#99a)}
line{stroke:light-dark(#e2e5ea,#2a2f36)}.ok{fill:light-dark(#2c7be5,#5b9cf0)}
.bad{fill:light-dark(#fff,#15181c);stroke:light-dark(#c4320a,#ff8a65);stroke-width:2}
.lost{fill:light-dark(#fff,#15181c);stroke:light-dark(#8a6100,#e0b050);stroke-width:2;stroke-dasharray:3 2}
.loose{fill:light-dark(#8a4fbf,#b98ae0)}.column{fill:light-dark(#2c7be5,#5b9cf0)}`

// WriteSVG draws it. What a viewer shows as a text beside a bar is in its title.
func (p *Picture) WriteSVG(out io.Writer, r *Report) error {
	var lanes []string
	for _, b := range p.bars {
		if b.end(p.To) >= p.From && !slices.Contains(lanes, b.agent) {
			lanes = append(lanes, b.agent)
		}
	}
	high := 70 + laneHigh*max(len(lanes), 1) + 40
	total := high + chartTop + chart + 40
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc">`+"\n<style>%s</style>\n", width, total, style)
	fmt.Fprintf(&b, `<title id="title">%s</title><desc id="desc">Runs of %d agents, one lane each, and how late they started.</desc>`+"\n", html.EscapeString(p.Title), len(lanes))
	fmt.Fprintf(&b, `<rect class="bg" width="%d" height="%d"/><text x="16" y="26" font-size="15">%s</text>`+"\n", width, total, html.EscapeString(p.Title))
	p.grid(&b, high-40)
	for i, agent := range lanes {
		y := 60 + i*laneHigh
		fmt.Fprintf(&b, `<text x="16" y="%d" font-family="ui-monospace,monospace">%s</text><line x1="%d" x2="%d" y1="%d" y2="%[5]d"/>`+"\n", y+barHigh-2, html.EscapeString(agent), left, width-16, y+barHigh+4)
		for _, one := range p.bars {
			if one.agent == agent && one.end(p.To) >= p.From {
				p.bar(&b, one, y)
			}
		}
	}
	columns(&b, "start lag: from the tick to the start of its run", &r.StartLag, 16, high+chartTop)
	columns(&b, "takeover: from a holder's last sign of life to the next start", &r.Takeover, width/2+8, high+chartTop)
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func (b *bar) end(most time.Duration) time.Duration {
	if b.to < 0 {
		return most
	}
	return b.to
}

func (p *Picture) x(at time.Duration) float64 {
	at = min(max(at, p.From), p.To)
	return left + float64(at-p.From)/float64(p.To-p.From)*(width-16-left)
}

// grid has a line for each of at most a dozen round moments.
func (p *Picture) grid(b *strings.Builder, bottom int) {
	step := time.Second
	for _, s := range []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour} {
		if step = s; (p.To-p.From)/s <= 12 {
			break
		}
	}
	first := p.Start.Add(p.From).Truncate(step)
	for at := first; !at.After(p.Start.Add(p.To)); at = at.Add(step) {
		if at.Before(p.Start.Add(p.From)) {
			continue
		}
		x := p.x(at.Sub(p.Start))
		fmt.Fprintf(b, `<line x1="%.1[1]f" x2="%.1[1]f" y1="48" y2="%[2]d"/><text class="soft" x="%.1[1]f" y="%[3]d" text-anchor="middle">%[4]s</text>`+"\n", x, bottom, bottom+16, at.UTC().Format("15:04:05"))
	}
}

func (p *Picture) bar(b *strings.Builder, one bar, y int) {
	class, words := "lost", "ended with its process"
	for _, t := range tones {
		if t.result == string(one.result) {
			class, words = t.class, t.words
		}
	}
	if one.to < 0 {
		class, words = "lost", "goes on"
	}
	if one.loose {
		class, words = "loose", words+", unarbitrated"
	}
	from, to := p.x(one.from), p.x(one.end(p.To))
	fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d" rx="2"><title>tick %s, attempt %d: %s</title></rect>`+"\n",
		class, from, y, max(to-from, 2), barHigh, time.Unix(one.tick, 0).UTC().Format("15:04:05"), one.attempt, words)
}

// columns draws a distribution: a column for each half of an octave.
func columns(b *strings.Builder, title string, d *Distribution, x, y int) {
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", x, y-12, title)
	if d.Count == 0 {
		fmt.Fprintf(b, `<text class="soft" x="%d" y="%d">there was none</text>`+"\n", x, y+20)
		return
	}
	counts := map[int32]int64{}
	var keys []int32
	for k, n := range d.counts {
		k /= perOctave / 2
		if counts[k] == 0 {
			keys = append(keys, k)
		}
		counts[k] += n
	}
	least, most := slices.Min(keys), slices.Max(keys)
	slices.SortFunc(keys, func(a, b int32) int { return cmp.Compare(counts[b], counts[a]) })
	highest := float64(counts[keys[0]])
	wide := min(40, float64(width/2-80)/float64(most-least+1))
	for k := least; k <= most; k++ {
		at := float64(x) + float64(k-least)*wide
		if n := counts[k]; n > 0 {
			h := max(float64(n)/highest*(chart-20), 1)
			fmt.Fprintf(b, `<rect class="column" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>up to %s: %d</title></rect>`+"\n", at, float64(y+chart-20)-h, max(wide-2, 1), h, short(topOf((k+1)*perOctave/2)), n)
		}
		if k == least || k == most {
			fmt.Fprintf(b, `<text class="soft" x="%.1f" y="%d">%s</text>`+"\n", at, y+chart-4, short(topOf((k+1)*perOctave/2)))
		}
	}
	fmt.Fprintf(b, `<text class="soft" x="%d" y="%d">%d in all; half within %s, 99 %% within %s, longest %s</text>`+"\n", x, y+chart+12, d.Count, short(d.P50), short(d.P99), short(d.Longest))
}

// short is a time with three digits.
func short(d time.Duration) string {
	switch {
	case d >= 100*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
