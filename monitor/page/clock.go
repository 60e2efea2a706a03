package page

import (
	"fmt"
	"html"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/solotick/solotick/schedule"
)

// What a browser remembers, set by the script: whether times are those of UTC or of
// the zone that the browser is in, which zone that is, and light or dark.
const (
	cookieZone  = "solotick_zone" // its IANA name
	cookieTime  = "solotick_time" // utc or local
	cookieTheme = "solotick_theme"
)

// A clock writes times for one reader. Only one zone is used on a page; the other
// is in the tooltips.
type clock struct {
	Now   time.Time
	Loc   *time.Location // in which times are written
	Other *time.Location // nil: not known
	Local bool           // Loc is the browser's
}

// clock is that of whoever asks.
func (s *server) clock(r *http.Request, now time.Time) clock {
	c := clock{Now: now, Loc: time.UTC}
	if zone, err := r.Cookie(cookieZone); err == nil {
		c.Other = s.zones.get(zone.Value)
	}
	if how, err := r.Cookie(cookieTime); err == nil && how.Value == "local" && c.Other != nil {
		c.Loc, c.Other, c.Local = c.Other, time.UTC, true
	}
	return c
}

// zones keeps the time zones that were asked for.
type zones struct {
	mu    sync.Mutex
	known map[string]*time.Location
}

var zoneForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+/-]{0,59}$`)

// get returns nil for what is no zone. The names come from browsers.
func (z *zones) get(name string) *time.Location {
	if !zoneForm.MatchString(name) {
		return nil
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if loc, ok := z.known[name]; ok {
		return loc
	}
	loc, err := schedule.Location(name)
	if err != nil {
		return nil
	}
	if z.known == nil {
		z.known = map[string]*time.Location{}
	}
	z.known[name] = loc // there are 598 of them
	return loc
}

// Zone is how the zone in use is called.
func (c clock) Zone() string { return c.Loc.String() }

// Short is a moment as people read it: with the date only on another day.
func (c clock) Short(t time.Time) string {
	t, now := t.In(c.Loc), c.Now.In(c.Loc)
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format("15:04:05")
	case t.Year() == now.Year():
		return t.Format("2 Jan 15:04:05")
	}
	return t.Format("2 Jan 2006 15:04:05")
}

// Full is a moment in each zone that is known.
func (c clock) Full(t time.Time) string {
	one := func(loc *time.Location) string {
		t := t.In(loc)
		if loc == time.UTC {
			return t.Format("Mon 2006-01-02 15:04:05") + " UTC"
		}
		return t.Format("Mon 2006-01-02 15:04:05 ") + loc.String() + t.Format(" (UTC-07:00)")
	}
	if c.Other == nil {
		return one(c.Loc)
	}
	return one(c.Loc) + "\n" + one(c.Other)
}

// Stamp is a moment with both zones as its tooltip.
func (c clock) Stamp(t time.Time) template.HTML {
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		t.UTC().Format(time.RFC3339), html.EscapeString(c.Full(t)), c.Short(t)))
}

// At is the moment of an epoch second, as a Stamp.
func (c clock) At(sec int64) template.HTML { return c.Stamp(time.Unix(sec, 0)) }

// Ago is how long ago a moment is; the script goes on counting.
func (c clock) Ago(t time.Time) template.HTML {
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s" data-ago="%d">%s</time>`,
		t.UTC().Format(time.RFC3339), html.EscapeString(c.Full(t)), t.Unix(), ago(c.Now.Sub(t))))
}

// Due is how long it is to a moment, in another colour once that counts as late; the
// script goes on counting.
func (c clock) Due(t time.Time, late *time.Time) template.HTML {
	over := ""
	if late != nil {
		over = fmt.Sprintf(` data-late="%d"`, late.Unix())
	}
	class := "count"
	if late != nil && c.Now.After(*late) {
		class = "count over"
	}
	return template.HTML(fmt.Sprintf(`<time class="%s" datetime="%s" title="%s" data-until="%d"%s>%s</time>`,
		class, t.UTC().Format(time.RFC3339), html.EscapeString(c.Full(t)), t.Unix(), over, countdown(t.Unix()-c.Now.Unix())))
}

// In is Due within a sentence: "in 0:27".
func (c clock) In(t time.Time) template.HTML {
	return template.HTML(fmt.Sprintf(`<time class="count" datetime="%s" title="%s" data-in="%d">%s</time>`,
		t.UTC().Format(time.RFC3339), html.EscapeString(c.Full(t)), t.Unix(), within(t.Unix()-c.Now.Unix())))
}

// moments are the times in a sentence of package elect or monitor, and the distance
// that may follow.
var moments = regexp.MustCompile(`(?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d:\d\d)Z(, in (?:\d+ (?:s|min|h|days) ?)+)?`)

// Sentence writes the times in a sentence as all others on the page, and lets
// distances count down. The rest of the text is escaped.
func (c clock) Sentence(text string) template.HTML { return c.rewrite(text, true) }

// Told is Sentence for what was said some time ago: its distances are those of then.
func (c clock) Told(text string) template.HTML { return c.rewrite(text, false) }

func (c clock) rewrite(text string, live bool) template.HTML {
	var b strings.Builder
	rest := 0
	for _, m := range moments.FindAllStringSubmatchIndex(text, -1) {
		day := c.Now.UTC().Format(time.DateOnly)
		if m[2] >= 0 {
			day = text[m[2]:m[3]]
		}
		t, err := time.Parse(time.DateTime, day+" "+text[m[4]:m[5]])
		if err != nil {
			continue // a text from elsewhere that looks like a time
		}
		b.WriteString(html.EscapeString(text[rest:m[0]]))
		b.WriteString(string(c.Stamp(t)))
		if rest = m[1]; m[6] >= 0 && !live {
			rest = m[6]
		}
		if m[6] >= 0 && live {
			b.WriteString(", " + string(c.In(t)))
			if strings.HasSuffix(text[m[6]:m[7]], " ") {
				b.WriteByte(' ')
			}
		}
	}
	b.WriteString(html.EscapeString(text[rest:]))
	return template.HTML(b.String())
}

// countdown is a distance in seconds as clocks show it. What is over has a plus:
// it is the time since.
func countdown(s int64) string {
	sign := ""
	if s < 0 {
		sign, s = "+", -s
	}
	switch {
	case s < 3600:
		return fmt.Sprintf("%s%d:%02d", sign, s/60, s%60)
	case s < 2*86400:
		return fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%s%d d %d h", sign, s/86400, s/3600%24)
}

// within is a distance in seconds within a sentence.
func within(s int64) string {
	if s < 0 {
		return countdown(-s) + " ago"
	}
	return "in " + countdown(s)
}

// ago is how long ago something was, for people.
func ago(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case s < 0:
		return "in the future"
	case s < 2:
		return "just now"
	case s < 120:
		return fmt.Sprintf("%d s ago", s)
	case s < 2*3600:
		return fmt.Sprintf("%d min ago", s/60)
	case s < 2*86400:
		return fmt.Sprintf("%d h ago", s/3600)
	}
	return fmt.Sprintf("%d days ago", s/86400)
}

// length is how long something took, for people.
func length(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + length(-d)
	case d == 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second && d%time.Second != 0:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int64(d.Seconds()+.5))
	case d < time.Hour && d%time.Minute < time.Second:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d/time.Second%60)
	case d < 48*time.Hour && d%time.Hour < time.Minute:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d/time.Minute%60)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
