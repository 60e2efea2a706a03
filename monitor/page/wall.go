package page

import (
	"net/http"

	"github.com/solotick/solotick/internal/spell"
	"github.com/solotick/solotick/monitor"
)

// A wallPage is for a screen that nobody touches: the worst first, in big letters.
type wallPage struct {
	view
	Verdict verdict
	Rows    []row
	All     int
	More    int
}

// mostTiles is how many fit a screen, more or less.
const mostTiles = 60

func (s *server) wall(w http.ResponseWriter, r *http.Request) {
	p := wallPage{view: s.view(r, "./")}
	p.Wall = true
	items := s.History.Items(p.Clock.Now)
	p.All = len(items)
	p.Verdict = judge(items, tally(items))
	p.Icon, p.Summary, p.view.Title = p.Verdict.Icon, p.Verdict.Text, windowTitle(p.Verdict.Short, s.Title)
	p.Rows = rowsOf(items, parseQuery(r.URL.Query()), p.Clock.Now)
	p.More = max(len(p.Rows)-mostTiles, 0)
	p.Rows = p.Rows[:len(p.Rows)-p.More]
	for i := range p.Rows {
		p.Rows[i].Strip = s.stripOf(p.Rows[i].Item, p.Clock, false)
	}
	s.show(w, r, http.StatusOK, "wall", p.view, p)
}

// missingPage says that there is no such page, and what there is.
type missingPage struct {
	view
	Name  string // of a record; empty: no such address
	Plain bool   // it may be pasted into a shell
	Meant string // the record that probably was; empty: none
	Some  []monitor.Item
	All   int
}

func (s *server) missing(w http.ResponseWriter, r *http.Request, root, name string) {
	p := missingPage{view: s.view(r, root), Name: name, Plain: plainName.MatchString(name)}
	p.view.Title, p.Summary, p.Refresh = windowTitle("not here"), "not here", 0
	if name != "" {
		p.view.Title, p.Stream = windowTitle("not watched"), name
	}
	items := s.History.Items(p.Clock.Now)
	p.All = len(items)
	p.Some = items[:min(len(items), 8)]
	if name != "" {
		p.Meant = alike(items, name)
	}
	s.show(w, r, http.StatusNotFound, "missing", p.view, p)
}

// alike is the record that was probably meant, by its name or that of its job; none
// if nothing is near.
func alike(items []monitor.Item, name string) string {
	known := make([]string, 0, len(items))
	for _, item := range items {
		if item.Job == name {
			return item.Name
		}
		known = append(known, item.Name)
	}
	return spell.Closest(name, known)
}
