package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// A table shows runs, a line each.
type table struct {
	app   *app
	named bool                    // each line begins with its record
	known map[string]map[key]bool // runs that were shown, by record
	spans map[string]int          // and how many stretches of looks
}

type key struct {
	tick    int64
	attempt int
	agent   string
	began   int64 // of a lock, which has no tick
}

func keyOf(r monitor.Run) key {
	k := key{r.Tick, r.Attempt, r.Agent, 0}
	if r.Tick == 0 {
		k.began = r.At()
	}
	return k
}

func (a *app) newTable(named bool) *table {
	return &table{app: a, named: named, known: map[string]map[key]bool{}, spans: map[string]int{}}
}

func (t *table) line(name, tick, agent, try, began, lag, took, result string) {
	if t.named {
		t.app.sayf("%-28s  ", name)
	}
	t.app.sayf("%s\n", strings.TrimRight(fmt.Sprintf("%-20s  %-14s  %-3s  %-9s  %-8s  %-8s  %s", tick, agent, try, began, lag, took, result), " "))
}

func (t *table) head() {
	t.line("record", "tick", "agent", "try", "began", "lag", "took", "result")
}

// run is the line of one run.
func (t *table) run(name string, r monitor.Run) {
	tick, began := "a lock", "-"
	if r.Tick != 0 {
		tick = stampOf(r.Tick)
	}
	if r.Began != 0 {
		began = strings.TrimPrefix(stampOf(r.Began), time.Unix(r.Began, 0).UTC().Format(time.DateOnly)+" ")
	}
	t.line(name, tick, plain(r.Agent), fmt.Sprint(r.Attempt), began, span(r.Lag()), span(r.Took()), resultOf(r))
}

// stampOf is an epoch second for people, always with its date.
func stampOf(sec int64) string {
	if sec < 0 || sec > latest {
		return fmt.Sprint(sec)
	}
	return time.Unix(sec, 0).UTC().Format("2006-01-02 15:04:05Z")
}

// span is a length of time: to the second as the record tells it, more exactly as
// agents do.
func span(d time.Duration, known bool) string {
	switch {
	case !known:
		return "-"
	case d%time.Second == 0 || d >= 2*time.Minute:
		return monitor.Distance(d)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// resultOf is how a run ended, and what else is to be said of it.
func resultOf(r monitor.Run) string {
	text := plain(string(r.Result))
	switch {
	case !r.Over:
		text = "running"
	case r.Result == record.None && r.Tick == 0:
		text = "given back"
	case r.Result == record.None:
		text = "end not seen"
	}
	if r.Takeover {
		text += ", took over"
	}
	d := r.Detail
	if d == nil {
		return text
	}
	if d.Unarbitrated {
		text += ", without the register"
	}
	if d.Code != nil && *d.Code != 0 {
		text += fmt.Sprintf(", exit code %d", *d.Code)
	}
	if d.Error != "" {
		first, _, _ := strings.Cut(d.Error, "\n")
		text += ": " + plain(clip(first, 100))
	}
	return text
}

// news are the runs that have ended since the last look, and what else there is to
// say.
func (t *table) news(s site, h *monitor.History, events []monitor.Event) {
	for _, e := range events {
		switch e.Kind {
		case monitor.KindBegan, monitor.KindEnded, monitor.KindTakeover: // a run's own line tells it
		default:
			t.note(s, e.Text)
		}
	}
	doc := everything(h, s.name, time.Now())
	if n := t.spans[s.name]; n > 0 && len(doc.Spans) > n {
		t.gap(s, doc.Spans[len(doc.Spans)-2].To, doc.Spans[len(doc.Spans)-1].From)
	}
	t.spans[s.name] = len(doc.Spans)
	for _, r := range doc.Runs {
		if r.Over && t.first(s, r) {
			t.run(s.String(), r)
		}
	}
}

// first says whether a run is shown for the first time, and takes a note of it.
func (t *table) first(s site, r monitor.Run) bool {
	known := t.known[s.name]
	if known == nil {
		known = map[key]bool{}
		t.known[s.name] = known
	}
	if known[keyOf(r)] {
		return false
	}
	known[keyOf(r)] = true
	return true
}

// running are the runs that still go on.
func (t *table) running(s site, runs []monitor.Run) {
	for _, r := range runs {
		if !r.Over {
			t.run(s.String(), r)
		}
	}
}

func (t *table) note(s site, text string) {
	if t.named {
		text = s.String() + ": " + text
	}
	t.app.notes([]string{text})
}

func (t *table) gap(s site, from, to int64) {
	t.note(s, fmt.Sprintf("nobody looked from %s to %s: runs of that time may be missing", stampOf(from), stampOf(to)))
}

// all are the runs of a record, with the gaps between them.
func (t *table) all(s site, d monitor.Runs) {
	gaps := d.Spans
	for _, r := range d.Runs {
		for len(gaps) > 1 && r.At() > gaps[0].To {
			t.gap(s, gaps[0].To, gaps[1].From)
			gaps = gaps[1:]
		}
		t.run(s.String(), r)
	}
	for ; len(gaps) > 1; gaps = gaps[1:] {
		t.gap(s, gaps[0].To, gaps[1].From)
	}
}

// A share is what one agent did.
type share struct {
	agent     string
	runs      int
	results   map[record.Result]int
	lag, took []time.Duration
}

// tally is who ran how much, and how well.
func (t *table) tally(items []historyItem) {
	shares := map[string]*share{}
	for _, item := range items {
		for _, r := range item.Runs.Runs {
			s := shares[r.Agent]
			if s == nil {
				s = &share{agent: r.Agent, results: map[record.Result]int{}}
				shares[r.Agent] = s
			}
			s.runs++
			if r.Over {
				s.results[r.Result]++
			}
			if d, ok := r.Lag(); ok {
				s.lag = append(s.lag, d)
			}
			if d, ok := r.Took(); ok {
				s.took = append(s.took, d)
			}
		}
	}
	if len(shares) == 0 {
		t.app.sayf("no run was seen\n")
		return
	}
	var list []*share
	for _, s := range shares {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *share) int { return cmp.Or(cmp.Compare(b.runs, a.runs), cmp.Compare(a.agent, b.agent)) })
	w := tabwriter.NewWriter(t.app.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "agent\truns\tok\tfailed\tlost\tother\tlag, median and worst\ttook, median and worst")
	for _, s := range list {
		good, failed, lost := s.results[record.OK], s.results[record.Failed]+s.results[record.Timeout], s.results[record.Lost]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", plain(s.agent), s.runs, good, failed, lost, s.runs-good-failed-lost, middle(s.lag), middle(s.took))
	}
	if err := w.Flush(); err != nil && t.app.unsaid == nil {
		t.app.unsaid = err
	}
}

// middle is the median and the greatest of some times.
func middle(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	slices.Sort(all)
	return span(all[len(all)/2], true) + ", " + span(all[len(all)-1], true)
}
