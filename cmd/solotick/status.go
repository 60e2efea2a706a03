package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

func (a *app) statusCommand() *cobra.Command {
	var q query
	var asJSON bool
	c := &cobra.Command{
		Use: "status [NAME...] [@server...]", Short: "Tell whether jobs run as they should; asks DNS, needs no credentials",
		Long: `Tell whether jobs run as they should, as far as their records show. A NAME with a dot
is a DNS name and needs no file; else it is a job of the file; without names, all jobs
of the file. The exit code is 0 if nothing is bad, 1 if something is (missed, failing,
damaged, no record), 69 if DNS does not answer.`,
		Example: "  solotick status canary.example.com\n  solotick status canary.example.com @ns1.example.com\n  solotick status -c solotick.yaml --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := q.parse(args); err != nil {
				return err
			}
			sights, err := a.sights(cmd.Context(), &q)
			if err != nil {
				return err
			}
			return a.status(cmd, &q, sights, asJSON)
		},
	}
	a.queryFlags(c, &q)
	jsonFlag(c, &asJSON)
	return c
}

// status tells of what was seen.
func (a *app) status(cmd *cobra.Command, q *query, sights []sight, asJSON bool) error {
	now, dns := time.Now(), q.dns
	doc := monitor.Document{Schema: monitor.StatusSchema, Time: now.UTC().Truncate(time.Millisecond), Records: []monitor.Item{}}
	if dns != nil {
		doc.Register = &monitor.Register{Provider: dns.Provider, Zone: dns.Zone, Class: classOf(*dns).String()}
	}
	code := exitOK
	for _, s := range sights {
		item, old := q.judge(s, now)
		notes := s.Notes()
		if old >= time.Second {
			judged := fmt.Sprintf("judged as of %s, as the cache's answer may be %s old", moment(now.Add(-old).Unix(), now), monitor.Distance(old))
			item.Notes, notes = append(item.Notes, judged), append(notes, judged)
		}
		doc.Records = append(doc.Records, item)
		if s.err != nil {
			if !asJSON {
				a.end(cmd, s.err)
			}
			code = exitCode(s.err)
			continue
		}
		if l := item.State.Level(); (l == elect.LevelBad || l == elect.LevelUnknown) && code == exitOK {
			code = exitFailed
		}
		switch {
		case asJSON:
		case len(sights) == 1:
			a.statusLong(s, item, now)
			a.notes(notes)
		default:
			a.statusLine(item, now)
		}
	}
	switch {
	case asJSON:
		if err := a.json(doc); err != nil {
			return err
		}
	case doc.Register != nil:
		c := classOf(*dns)
		text := fmt.Sprintf("%s, zone %s, class %s", dns.Provider, dns.Zone, c)
		if c.Weaker() {
			text += ": " + c.Promise()
		}
		a.sayf("  register   %s\n", wrap(text, 76, "             "))
	}
	return exit(code)
}

// latest is the last second that RFC 3339 can write.
const latest = 253402300799

func toneOf(c elect.Condition) tone { return toneOfLevel(c.Level()) }

func toneOfLevel(l elect.Level) tone {
	switch l {
	case elect.LevelFine:
		return good
	case elect.LevelDoubtful:
		return doubtful
	case elect.LevelBad:
		return bad
	}
	return neutral
}

// badge is a sign and the words of a condition, of equal width.
func (a *app) badge(c elect.Condition) string {
	t := toneOf(c)
	return a.sign(a.stdout, t) + " " + a.paint(a.stdout, t, fmt.Sprintf("%-8s", strings.ToUpper(c.Words())))
}

func (a *app) statusLine(item monitor.Item, now time.Time) {
	next := ""
	if item.Next != nil {
		next = "next " + moment(item.Next.Unix(), now)
	}
	last := ""
	if item.LastTick != nil {
		last = "last " + moment(item.LastTick.Unix(), now)
	}
	line := fmt.Sprintf("%s  %-30s %-16s %-16s %s", a.badge(item.State), item.Name, last, next, plain(item.ID))
	a.sayf("%s\n", strings.TrimRight(line, " "))
	a.notes(item.Notes)
}

func (a *app) row(what, when, distance, more string) {
	a.sayf("%s\n", strings.TrimRight(fmt.Sprintf("  %-10s %-21s %-18s %s", what, when, distance, more), " "))
}

func (a *app) notes(notes []string) {
	for _, n := range notes {
		a.sayf("  %s %s\n", a.sign(a.stdout, doubtful), wrap(n, 86, "    "))
	}
}

// plain makes text from DNS safe to show on a terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func (a *app) statusLong(s sight, item monitor.Item, now time.Time) {
	dot := a.dot()
	asked := "asked " + s.serverName()
	title := s.name
	if s.job != "" {
		title = s.job + " (" + s.name + ")"
	}
	a.sayf("%s  %s  %s\n", title, strings.TrimRight(a.badge(item.State), " "), a.paint(a.stdout, neutral, fmt.Sprintf("%s, %.0f ms", asked, item.TookMS)))
	a.sayf("  %s\n", wrap(item.Text, 88, "  "))
	if item.LastTick != nil {
		by := ""
		if item.ID != "" {
			by = "by " + plain(item.ID)
		}
		a.row("last run", moment(item.LastTick.Unix(), now), fromNow(item.LastTick.Sub(now)), by)
	}
	if item.Next != nil {
		late := ""
		if after := item.NextLate(); after != nil {
			late = "LATE after " + moment(after.Unix(), now)
		}
		a.row("next run", moment(item.Next.Unix(), now), fromNow(item.Next.Sub(now)), late)
	}
	if s.Set.State == record.Present {
		kind := fmt.Sprintf("seq %d", item.Fence)
		if item.Original {
			kind = "as the agents of 2022 wrote it"
		}
		ttl := "TTL " + seconds(s.Answer().TTL)
		if !item.Authority {
			ttl = seconds(s.Answer().TTL) + " left in the cache"
		}
		a.sayf("  record     %s\n", strings.Join([]string{fmt.Sprintf("%d bytes", item.Bytes), ttl, kind}, dot))
	}
	if item.Protection != nil {
		a.sayf("  %-10s %s\n", "protection", wrap(item.Protection.Words(), 76, "             "))
	}
	if len(item.Servers) > 1 {
		a.seenBy(item.Servers)
	}
}

// seenBy is what each server shows, side by side.
func (a *app) seenBy(servers []monitor.Server) {
	width := 0
	for _, s := range servers {
		width = max(width, len(nameOf(s.Name, s.Addr)))
	}
	for i, s := range servers {
		head := ""
		if i == 0 {
			head = "seen by"
		}
		t, who, what, long := neutral, "no answer", plain(causeOf(s)), ""
		if s.Error == "" {
			t, who, what, long = seenAs(s)
		}
		line := fmt.Sprintf("  %-10s %-*s  %s %-13s  %-14s  %s", head, width, nameOf(s.Name, s.Addr), a.sign(a.stdout, t), who, what, long)
		a.sayf("%s\n", strings.TrimRight(line, " "))
	}
}

// causeOf is why a server gave no answer, without its name.
func causeOf(s monitor.Server) string {
	for _, end := range []string{s.Addr + "): ", s.Addr + ": "} {
		if _, cause, ok := strings.Cut(s.Error, end); ok {
			return cause
		}
	}
	return s.Error
}

// seenAs is what a server shows: what it is, how that compares to the newest, and
// for how long it may show it.
func seenAs(s monitor.Server) (t tone, who, what, long string) {
	t, who, what = good, "authoritative", "the newest"
	switch {
	case s.Newest:
	case s.State != record.Present.String():
		t, what = doubtful, s.State
	case s.Behind > 0:
		t, what = doubtful, fmt.Sprintf("%.0f s behind", s.Behind)
	default:
		t, what = doubtful, "another text"
	}
	if s.Authority {
		return t, who, what, fmt.Sprintf("TTL %.0f s", s.TTL)
	}
	long = fmt.Sprintf("%.0f s left", s.TTL)
	if s.Age > 0 {
		long += fmt.Sprintf(", %.0f s old", s.Age)
	}
	return t, "a cache", what, long
}

// dot stands between things on one line.
func (a *app) dot() string {
	if a.unicode() {
		return " · "
	}
	return ", "
}

// fromNow says how far away a moment is, and on which side.
func fromNow(d time.Duration) string {
	if d < 0 {
		return monitor.Distance(d) + " ago"
	}
	return "in " + monitor.Distance(d)
}

// lines is plain for a text of several lines.
func lines(text string) string {
	all := strings.Split(strings.ReplaceAll(text, "\t", " "), "\n")
	for i, one := range all {
		all[i] = plain(one)
	}
	return strings.Join(all, "\n")
}

// wrap breaks text into lines of at most width characters, the following ones
// behind indent.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	col := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case col+1+len(word) > width:
			b.WriteString("\n" + indent)
			col = 0
		default:
			b.WriteByte(' ')
			col++
		}
		word = plain(word)
		b.WriteString(word)
		col += len(word)
	}
	return b.String()
}
