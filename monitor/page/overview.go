package page

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
)

const (
	// perPage is how many records are on one page of the overview.
	perPage = 200
	// roomy is up to how many rows each run of a strip has a tooltip of its own.
	roomy = 30
)

// overview has what the page at / shows.
type overview struct {
	view
	Verdict verdict
	Counts  []count
	All     int // records that are watched
	Found   int // of them, those that the filter lets through
	From    int // the first that is shown, from 1
	To      int
	Groups  []group
	Query   query
	Sorts   []choice
	Pages   []choice
	Silent  bool // no server answers for any record
}

// A group is the records of one zone, as far as names tell.
type group struct {
	Zone string // empty: not grouped
	Rows []row
}

// A row is a record in the overview, and a tile on the wall.
type row struct {
	monitor.Item
	Face  face
	End   end // of the latest run
	Ring  ring
	Strip strip
	Loud  bool     // its sentence is shown
	Own   []string // notes
	Hint  string   // what other servers show
	level elect.Level
}

// Label is what a record is called first.
func (r row) Label() string { return cmp.Or(r.Job, r.Name) }

// A choice is a link that may be the one in force.
type choice struct {
	Text    string
	Link    string
	Current bool
}

// A query is what of the address says which records are shown.
type query struct {
	Q, State, Sort string
	Page           int
}

func parseQuery(v url.Values) query {
	q := query{Q: strings.TrimSpace(v.Get("q")), State: v.Get("state"), Sort: v.Get("sort"), Page: 1}
	q.Q = q.Q[:min(len(q.Q), 100)]
	if n, err := strconv.Atoi(v.Get("page")); err == nil && n > 1 {
		q.Page = n
	}
	if !slices.Contains([]string{"name", "last", "next"}, q.Sort) {
		q.Sort = ""
	}
	return q
}

// Link is the address of this query, from the page it is on.
func (q query) Link() string {
	v := url.Values{}
	for _, p := range [][2]string{{"q", q.Q}, {"state", q.State}, {"sort", q.Sort}} {
		if p[1] != "" {
			v.Set(p[0], p[1])
		}
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	return "?" + v.Encode()
}

// With is the address with another state, or without one if it is this state.
func (q query) With(state string) string {
	if q.State == state {
		state = ""
	}
	q.State, q.Page = state, 1
	return q.Link()
}

// match says whether a record is one of those that are asked for.
func (q query) match(item monitor.Item) bool {
	if q.State != "" && string(condition(item)) != q.State {
		return false
	}
	want := strings.ToLower(q.Q)
	return want == "" || slices.ContainsFunc([]string{item.Name, item.Job, item.ID, item.Text, item.Why}, func(s string) bool {
		return strings.Contains(strings.ToLower(s), want)
	})
}

func (s *server) overview(w http.ResponseWriter, r *http.Request) {
	o := overview{view: s.view(r, "./"), Query: parseQuery(r.URL.Query())}
	items := s.History.Items(o.Clock.Now)
	o.All, o.Counts = len(items), tally(items)
	o.Verdict = judge(items, o.Counts)
	o.Silent = o.All > 0 && len(o.Counts) == 1 && o.Counts[0].Key == string(silent)
	o.Icon, o.Summary, o.view.Title = o.Verdict.Icon, o.Verdict.Text, windowTitle(o.Verdict.Short, s.Title)
	if o.All == 0 {
		o.view.Title = windowTitle("", s.Title)
	}
	rows := rowsOf(items, o.Query, o.Clock.Now)
	o.Found = len(rows)
	o.pages(len(rows))
	rows = rows[o.From:o.To]
	o.From++
	for i := range rows {
		rows[i].Strip = s.stripOf(rows[i].Item, o.Clock, len(rows) <= roomy)
	}
	o.Groups = groups(rows, o.Query.Sort)
	for _, c := range [][2]string{{"", "worst first"}, {"name", "by name"}, {"next", "next due first"}, {"last", "latest run first"}} {
		q := o.Query
		q.Sort, q.Page = c[0], 1
		o.Sorts = append(o.Sorts, choice{c[1], q.Link(), o.Query.Sort == c[0]})
	}
	s.show(w, r, http.StatusOK, "overview", o.view, o)
}

// windowTitle is what tabs show: the trouble first.
func windowTitle(parts ...string) string {
	return strings.Join(append(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "Solotick"), " · ")
}

// rowsOf are the records that are asked for, in the order that is asked for.
func rowsOf(items []monitor.Item, q query, now time.Time) []row {
	rows := make([]row, 0, len(items))
	for _, item := range items {
		if q.match(item) {
			l := level(item)
			own, others := notes(item)
			rows = append(rows, row{
				Item: item, Face: faceOf(item), Ring: ringOf(item, now), Loud: l != elect.LevelFine,
				Own: own[:min(len(own), 3)], Hint: strings.Join(others, "\n"), level: l,
			})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		switch q.Sort {
		case "name":
			return cmp.Compare(a.Label(), b.Label())
		case "last":
			return compareTimes(b.LastTick, a.LastTick)
		case "next":
			return compareTimes(a.Next, b.Next)
		}
		return cmp.Or(cmp.Compare(a.Face.rank, b.Face.rank), cmp.Compare(a.Label(), b.Label()))
	})
	return rows
}

// compareTimes puts what has no time first.
func compareTimes(a, b *time.Time) int {
	var zero time.Time
	return cmp.Or(a, &zero).Compare(*cmp.Or(b, &zero))
}

// pages says which part of n rows is shown.
func (o *overview) pages(n int) {
	last := max((n+perPage-1)/perPage, 1)
	o.Query.Page = min(o.Query.Page, last)
	o.From = (o.Query.Page - 1) * perPage
	o.To = min(o.From+perPage, n)
	if last == 1 {
		return
	}
	for p := 1; p <= last; p++ {
		if p > 2 && p < last-1 && (p < o.Query.Page-2 || p > o.Query.Page+2) {
			if o.Pages[len(o.Pages)-1].Link != "" {
				o.Pages = append(o.Pages, choice{Text: "…"})
			}
			continue
		}
		q := o.Query
		q.Page = p
		o.Pages = append(o.Pages, choice{strconv.Itoa(p), q.Link(), p == o.Query.Page})
	}
}

// groups puts the records of one zone together, if there are several zones and
// not nearly as many as records. Where a zone begins, names do not tell: what is
// behind the first label is taken for it.
//
// What needs a look stands before that, if the worst comes first.
func groups(rows []row, sort string) []group {
	whole := []group{{Rows: rows}}
	if sort == "last" || sort == "next" {
		return whole
	}
	var loud, all []group
	if fine := slices.IndexFunc(rows, func(r row) bool { return r.level == elect.LevelFine }); sort == "" && fine > 0 {
		loud = []group{{Rows: rows[:fine]}}
		rows = rows[fine:]
	}
	at := map[string]int{}
	for _, r := range rows {
		_, zone, _ := strings.Cut(r.Name, ".")
		i, ok := at[zone]
		if !ok {
			i = len(all)
			at[zone] = i
			all = append(all, group{Zone: zone})
		}
		all[i].Rows = append(all[i].Rows, r)
	}
	if len(all) < 2 || len(all) > len(rows)/2 {
		return whole
	}
	return append(loud, all...)
}

// A ring is how much of the time to the next tick has passed.
type ring struct {
	From, To int64 // epoch seconds; To 0: none is drawn
	Part     int   // of 100
}

func ringOf(item monitor.Item, now time.Time) ring {
	if item.Next == nil || item.LastTick == nil || item.Paused || !item.LastTick.Before(*item.Next) {
		return ring{}
	}
	from, to := item.LastTick.Unix(), item.Next.Unix()
	return ring{from, to, int(min(max((now.Unix()-from)*100/(to-from), 0), 100))}
}
