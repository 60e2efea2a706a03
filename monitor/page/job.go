package page

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

const (
	fewRuns, manyRuns     = 15, 500 // in the table of the latest ones
	fewEvents, manyEvents = 15, 500
	// lookBack is how many events are gone through for pauses and delays to draw.
	lookBack = 2000
	// farthest is how wide a stretch of time may be.
	farthest = 40 * 24 * time.Hour
)

// jobPage has what the page of one record shows.
type jobPage struct {
	view
	Item    monitor.Item
	Label   string
	Face    face
	Ring    ring
	Every   string // how far its ticks are apart; empty: not known
	Last    *monitor.Run
	LastEnd end
	Notes   []string // what is odd about the record itself

	Ranges         []choice
	Earlier, Later string // addresses; empty: nothing there
	From, To       time.Time
	Live           bool // the stretch shown ends now
	Lanes          lanes
	Lag            histogram
	Times          times
	Runs           []runRow
	MoreRuns       string
	AllRuns        int

	Events     []eventRow
	MoreEvents string

	Keys    []key
	Dig     []string
	Servers []serverRow

	Admin bool
	CSRF  string
}

// A runRow is one run in the table.
type runRow struct {
	monitor.Run
	End  end
	Lag  string
	Took string
}

// atLeast is a length that may be known to the second only.
func atLeast(d time.Duration) string {
	if d == 0 {
		return "< 1 s"
	}
	return length(d)
}

// Code is the exit code of the command; -1: none is known.
func (r runRow) Code() int {
	if r.Detail == nil || r.Detail.Code == nil {
		return -1
	}
	return *r.Detail.Code
}

// An eventRow is one event in the list.
type eventRow struct {
	monitor.Event
	Tone, Word string
}

// A serverRow is what one server says of the record.
type serverRow struct {
	monitor.Server
	Tone, Sign, Word string
	Kind             string
	Left             string // for how long it may go on showing this
}

func (s *server) record(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSuffix(strings.ToLower(r.PathValue("name")), ".")
	v := s.view(r, "../")
	item, ok := s.History.Item(name, v.Clock.Now)
	if !ok {
		s.missing(w, r, "../", r.PathValue("name"))
		return
	}
	p := jobPage{view: v, Item: item, Label: cmp.Or(item.Job, item.Name), Face: faceOf(item), Ring: ringOf(item, v.Clock.Now)}
	p.Stream = item.Name
	p.Notes, _ = notes(item)
	if s.Admin != nil {
		p.CSRF, p.Admin = s.Admin(w, r)
		if p.Admin {
			p.Refresh = 0 // it would empty the forms
		}
	}
	sum := judge([]monitor.Item{item}, tally([]monitor.Item{item}))
	p.Icon, p.Summary = sum.Icon, p.Label+": "+p.Face.Word
	short := ""
	if sum.Short != "" {
		short = p.Face.Text + " " + p.Face.Word
	}
	p.view.Title = windowTitle(short, p.Label)
	s.fill(&p, r.URL.Query())
	s.show(w, r, http.StatusOK, "job", p.view, p)
}

// fill gathers what the history has of a record.
func (s *server) fill(p *jobPage, q url.Values) {
	name, now := p.Item.Name, p.Clock.Now
	latest := s.latest(p.Item, now)
	every, steady := spacing(latest)
	if every > 0 {
		p.Every = "every " + length(every)
		if !steady {
			p.Every = "about " + p.Every
		}
	}
	if n := len(latest); n > 0 {
		p.Last, p.LastEnd = &latest[n-1], endOf(latest[n-1])
	}
	first := now.Unix()
	if spans := s.History.Spans(name, 0, first); len(spans) > 0 {
		first = spans[0].From
	}
	p.stretch(q, every, first)
	from, to := p.From.Unix(), p.To.Unix()
	events := s.History.Events(name, 0, lookBack)
	runs := s.History.Runs(name, from-int64(time.Hour/time.Second), to)
	p.Lanes = draw(p.Clock, past{p.Item, p.From, p.To, runs, s.History.Spans(name, from, to), events})
	runs = slices.DeleteFunc(runs, func(r monitor.Run) bool { return r.At() < from })
	p.Lag, p.Times = newHistogram(runs), newTimes(p.Clock, p.From, p.To, runs)
	p.table(runs, q)
	p.list(events, q)
	p.decode()
	for _, one := range p.Item.Servers {
		p.Servers = append(p.Servers, sees(one, p.Item))
	}
	p.Dig = digs(p.Item)
}

// latest are the latest runs, of any time.
func (s *server) latest(item monitor.Item, now time.Time) []monitor.Run {
	for _, back := range []time.Duration{time.Hour, 48 * time.Hour} {
		if runs := s.History.Runs(item.Name, now.Add(-back).Unix(), now.Unix()+3600); len(runs) >= 10 {
			return runs
		}
	}
	return s.History.Runs(item.Name, 0, now.Unix()+3600)
}

// spacing is how far apart ticks mostly are, and whether they always are.
func spacing(runs []monitor.Run) (every time.Duration, steady bool) {
	var gaps []int64
	runs = runs[max(0, len(runs)-50):]
	for i := 1; i < len(runs); i++ {
		if d := runs[i].Tick - runs[i-1].Tick; d > 0 && runs[i-1].Tick > 0 {
			gaps = append(gaps, d)
		}
	}
	if len(gaps) == 0 {
		return 0, false
	}
	slices.Sort(gaps)
	middle := gaps[len(gaps)/2]
	off := 0
	for _, g := range gaps {
		if g != middle {
			off++
		}
	}
	return time.Duration(middle) * time.Second, off*10 <= len(gaps)
}

var ranges = []struct {
	name string
	wide time.Duration
}{{"15m", 15 * time.Minute}, {"1h", time.Hour}, {"6h", 6 * time.Hour}, {"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"30d", 30 * 24 * time.Hour}}

// stretch says which part of the past is shown: as the address has it, else what
// shows thirty ticks, or all since the first look if that is less.
func (p *jobPage) stretch(q url.Values, every time.Duration, first int64) {
	now := p.Clock.Now
	wide, name := ranges[0].wide, ranges[0].name
	for _, r := range ranges {
		wide, name = r.wide, r.name
		if every*30 <= wide || now.Unix()-first <= int64(wide/time.Second) {
			break
		}
	}
	for _, r := range ranges {
		if q.Get("range") == r.name {
			wide, name = r.wide, r.name
		}
	}
	p.From, p.To, p.Live = now.Add(-wide), now, true
	from, fromOK := moment(q.Get("from"))
	to, toOK := moment(q.Get("to"))
	if fromOK || toOK {
		if !fromOK {
			from = to.Add(-wide)
		}
		if !toOK || to.After(now) {
			to = now
		}
		if d := to.Sub(from); d >= time.Minute && d <= farthest {
			p.From, p.To, p.Live, wide, name = from, to, to.Equal(now), d, ""
		}
	}
	for _, r := range ranges {
		p.Ranges = append(p.Ranges, choice{r.name, "?range=" + r.name, r.name == name})
	}
	p.Earlier = between(p.From.Add(-wide), p.From)
	if !p.Live {
		p.Later = between(p.To, p.To.Add(wide))
		if p.To.Add(wide).After(now) {
			p.Later = "?range=" + cmp.Or(name, nearest(wide))
		}
	}
}

func nearest(wide time.Duration) string {
	for _, r := range ranges {
		if wide <= r.wide {
			return r.name
		}
	}
	return ranges[len(ranges)-1].name
}

func between(from, to time.Time) string {
	return "?" + url.Values{"from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}}.Encode()
}

// moment is a time in an address: RFC 3339, or an epoch second.
func moment(text string) (time.Time, bool) {
	if sec, err := strconv.ParseInt(text, 10, 64); err == nil && sec > 0 && sec < 1<<36 {
		return time.Unix(sec, 0), true
	}
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil
}

// table fills the table of runs, the latest first.
func (p *jobPage) table(runs []monitor.Run, q url.Values) {
	most := fewRuns
	if q.Has("runs") {
		most = manyRuns
	}
	p.AllRuns = len(runs)
	if len(runs) > most && most == fewRuns {
		more := url.Values{"runs": {"all"}}
		for _, k := range []string{"range", "from", "to", "events"} {
			if q.Has(k) {
				more.Set(k, q.Get(k))
			}
		}
		p.MoreRuns = "?" + more.Encode() + "#runs"
	}
	for _, r := range slices.Backward(runs[max(0, len(runs)-most):]) {
		one := runRow{Run: r, End: endOf(r)}
		if lag, ok := r.Lag(); ok && r.Tick != 0 {
			one.Lag = atLeast(lag)
		}
		if took, ok := r.Took(); ok {
			one.Took = atLeast(took)
		}
		p.Runs = append(p.Runs, one)
	}
}

// list fills the list of events, the newest first. That runs begin and end is in
// the table of runs.
func (p *jobPage) list(events []monitor.Event, q url.Values) {
	most := fewEvents
	if q.Has("events") {
		most = manyEvents
	}
	for _, e := range events {
		if e.Kind == monitor.KindBegan || e.Kind == monitor.KindEnded {
			continue
		}
		if len(p.Events) == most {
			if most == fewEvents {
				more := url.Values{"events": {"all"}}
				for _, k := range []string{"range", "from", "to", "runs"} {
					if q.Has(k) {
						more.Set(k, q.Get(k))
					}
				}
				p.MoreEvents = "?" + more.Encode() + "#events"
			}
			break
		}
		p.Events = append(p.Events, eventRow{e, tone(e.Level), kindWords(e.Kind)})
	}
}

// sees is what a server says, beside the newest record.
func sees(one monitor.Server, item monitor.Item) serverRow {
	row := serverRow{Server: one, Kind: "cache"}
	if one.Authority {
		row.Kind = "authoritative"
	}
	switch {
	case one.Error != "":
		row.Tone, row.Sign, row.Word, row.Kind = "blind", "question", "no answer", ""
	case one.Newest:
		row.Tone, row.Sign, row.Word = "ok", "ok", "the newest"
		if one.State != record.Present.String() {
			row.Word = "the same: " + one.State
		}
	case one.State != record.Present.String():
		row.Tone, row.Sign, row.Word = "doubt", "late", "shows none: "+one.State
	case one.Behind > 0:
		row.Tone, row.Sign, row.Word = "doubt", "late", length(time.Duration(one.Behind)*time.Second)+" behind"
	default:
		row.Tone, row.Sign, row.Word = "doubt", "late", "shows another"
	}
	ttl := length(time.Duration(one.TTL) * time.Second)
	switch {
	case one.State != record.Present.String():
	case one.Authority:
		row.Left = "TTL " + ttl
	default:
		row.Left = "keeps it for " + ttl + " more"
	}
	if strings.HasPrefix(one.Addr, one.Name) {
		row.Name = "" // the address says it
	}
	return row
}

// Took is how long the answer took.
func (r serverRow) Took() string {
	if r.TookMS == 0 {
		return ""
	}
	return fmt.Sprintf("%.3g ms", r.TookMS)
}

// digs are lines that show the same on anybody's terminal. Servers at another port
// than DNS has are not found by names.
func digs(item monitor.Item) []string {
	i := slices.IndexFunc(item.Servers, func(s monitor.Server) bool { return s.Authority && s.Error == "" })
	where := ""
	if i >= 0 {
		where = beside(item.Servers[i])
	}
	dig, status := "dig +short TXT "+item.Name, "solotick status "+item.Name
	switch {
	case where == "":
		return []string{dig, status}
	case strings.Contains(where, " -p "):
		return []string{dig + where, status + where}
	}
	return []string{dig, dig + where, status}
}

// plainName is a name that means nothing to a shell.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// beside is what has dig ask a server, by name where it has one, and at its own port.
func beside(s monitor.Server) string {
	host, port := s.Addr, ""
	if i := strings.LastIndexByte(s.Addr, ':'); i >= 0 {
		host, port = strings.Trim(s.Addr[:i], "[]"), s.Addr[i+1:]
	}
	if n := strings.TrimSuffix(s.Name, "."); port == "53" && plainName.MatchString(n) {
		host = n
	}
	if !plainName.MatchString(host) && net.ParseIP(host) == nil {
		return "" // it comes from DNS, and is to be pasted into a shell
	}
	if port != "" && port != "53" {
		return " @" + host + " -p " + port
	}
	return " @" + host
}

// Trouble says that what is shown is not what is.
func (p jobPage) Trouble() bool { return p.Item.Error != "" }
