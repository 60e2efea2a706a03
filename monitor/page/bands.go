package page

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
)

// A band is a stretch of time that something is to be said of.
type band struct {
	X, W  string
	Class string // gap, pause, late or missed
	Title string
}

// quiet is how many seconds may pass without a look before that counts as a gap up
// to now. Between two looks it is the history that says so.
const quiet = 180

func (l *lanes) bands(s stretch, c clock, p past) {
	l.gaps(s, c, p)
	l.pauses(s, c, p)
	l.delays(s, c, p)
	l.leftOut(s, c, p)
}

func (l *lanes) band(s stretch, class, title string, from, to float64) {
	if from >= s.to || to <= s.from || to <= from {
		return
	}
	b := band{Class: class, Title: title}
	b.X, b.W = s.box(from, to)
	l.Bands = append(l.Bands, b)
	l.Shown[class] = true
}

// gaps are what nobody looked at: nothing is known of it, and nothing is drawn
// there but that.
func (l *lanes) gaps(s stretch, c clock, p past) {
	from, to := p.from.Unix(), p.to.Unix()
	gap := func(a, b int64) {
		l.Gaps = append(l.Gaps, monitor.Span{From: a, To: b})
		l.band(s, "gap", "not looked at from "+c.Short(time.Unix(a, 0))+" to "+c.Short(time.Unix(b, 0))+" "+zoneMark(c), float64(a), float64(b))
	}
	at := from
	for _, span := range p.spans {
		if span.From > at {
			gap(at, span.From)
		}
		at = max(at, span.To)
	}
	if to-at > quiet || at == from && to > at {
		gap(at, to)
	}
}

// pauses are what operators asked for.
func (l *lanes) pauses(s stretch, c clock, p past) {
	since, title := p.from, "paused"
	paused := false
	for i, e := range slices.Backward(p.events) {
		switch e.Kind {
		case monitor.KindPaused:
			if !paused {
				since = e.Time
			}
			paused, title = true, e.Text
		case monitor.KindResumed:
			if paused || i == len(p.events)-1 {
				l.band(s, "pause", title, seconds(since), seconds(e.Time))
			}
			paused = false
		}
	}
	if p.item.Paused {
		l.band(s, "pause", cmp.Or(p.item.Text, title), seconds(since), seconds(c.Now))
	}
}

// delays are when the record was late, or ticks were missed, by the words of the
// events that tell of it.
func (l *lanes) delays(s stretch, c clock, p past) {
	var class, title string
	var since time.Time
	state, open := p.item.State, c.Now // since when it is so now, as the record tells
	if late := state == elect.HealthLate || state == elect.HealthMissed; late && p.item.Next != nil && !p.item.Claimed {
		open = *p.item.Next
	}
	for _, e := range slices.Backward(p.events) {
		if e.Kind != monitor.KindCondition || !e.Time.Before(open) {
			continue
		}
		if class != "" {
			l.band(s, class, title, seconds(since), seconds(e.Time))
		}
		word, _, _ := strings.Cut(e.Text, ":")
		class, title, since = "", e.Text, e.Time
		if word == elect.HealthLate.Words() || word == elect.HealthMissed.Words() {
			class = word
		}
	}
	switch {
	case open.Before(c.Now):
		l.band(s, string(state), p.item.Text, seconds(open), seconds(c.Now))
	case class != "" && state.Level() != elect.LevelFine:
		l.band(s, class, title, seconds(since), seconds(c.Now))
	}
}

// leftOut are ticks that nobody ran, between two that somebody did.
func (l *lanes) leftOut(s stretch, c clock, p past) {
	for _, e := range p.events {
		if e.Kind != monitor.KindPassed {
			continue
		}
		before := -1.
		for _, r := range p.runs {
			if r.Tick < e.Tick {
				_, before = lasted(r, c.Now)
			}
		}
		if before >= 0 {
			l.band(s, "missed", e.Text, before, float64(e.Tick))
		}
	}
}

// An axisTick is a time below a picture.
type axisTick struct {
	X, Text string
	Minor   bool // left out where there is little room
}

var steps = []time.Duration{
	10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 120 * time.Hour,
}

// axis are round times of the reader's zone.
func axis(s stretch, c clock) []axisTick {
	wide := time.Duration((s.to - s.from) * float64(time.Second))
	step := steps[len(steps)-1]
	for _, one := range steps {
		if wide/one <= 8 {
			step = one
			break
		}
	}
	form := "15:04"
	switch {
	case step < time.Minute:
		form = time.TimeOnly
	case step >= 24*time.Hour:
		form = "2 Jan"
	}
	day := time.Unix(int64(s.from), 0).In(c.Loc)
	var all []axisTick
	for k := 0; ; k++ {
		// By the calendar, since not every day has 24 hours.
		t := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, k*int(step/time.Second), 0, c.Loc)
		x := s.at(float64(t.Unix()))
		if x > 97.5 {
			return all
		}
		if x < 2.5 {
			continue
		}
		text := t.Format(form)
		if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
			text = t.Format("2 Jan")
		}
		all = append(all, axisTick{percent(x), text, len(all)%2 == 1})
	}
}
