package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
)

// A view is all records as they were at one moment.
type view struct {
	at    time.Time
	items []monitor.Item // by name
	jobs  map[string]int // their places
}

// viewed is how old a view may be. Many who ask at once cost as much as one.
const viewed = time.Second

// view is how the records are now.
func (a *API) view() *view {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if v := a.last; v != nil && now.Sub(v.at) < viewed && !now.Before(v.at) {
		return v
	}
	v := &view{at: now, items: a.cfg.History.Items(now), jobs: map[string]int{}}
	for i := range v.items {
		if job := v.items[i].Job; job != "" {
			v.jobs[job] = i
		}
	}
	a.last = v
	return v
}

// find is the record that a name in a path stands for: its own, or its job's.
func (a *API) find(name string) (monitor.Item, bool) {
	dns := dnsName(name)
	if item, ok := a.cfg.History.Item(dns, time.Now()); ok {
		return item, true
	}
	v := a.view()
	if i, ok := v.jobs[name]; ok {
		return a.cfg.History.Item(v.items[i].Name, time.Now())
	}
	return monitor.Item{}, false
}

// dnsName is a name as histories have it.
func dnsName(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// named finds the record of the path, or answers that there is none.
func (a *API) named(w http.ResponseWriter, r *http.Request) (monitor.Item, bool) {
	item, ok := a.find(r.PathValue("name"))
	if !ok {
		unknown(r.PathValue("name")).write(w, r)
	}
	return item, ok
}

func unknown(name string) *Problem {
	return &Problem{
		Status: http.StatusNotFound, Detail: "no record of the name " + strconv.QuoteToASCII(bounded(name, 100)) + " is watched here",
		Do: "which are: api/v1/records; any other: solotick status NAME, or probe?target=NAME",
	}
}

// worst is the level of several: what is bad, then what is not known, then what is
// doubtful.
func worst(a, b elect.Level) elect.Level {
	order := []elect.Level{elect.LevelFine, elect.LevelDoubtful, elect.LevelUnknown, elect.LevelBad}
	if slices.Index(order, a) < slices.Index(order, b) {
		return b
	}
	return a
}

// levelWord is a level for programs.
func levelWord(l elect.Level) string {
	return [...]string{elect.LevelFine: "fine", elect.LevelDoubtful: "doubtful", elect.LevelBad: "bad", elect.LevelUnknown: "unknown"}[l]
}

// conditionWord is a condition for people. A record that DNS does not tell of has
// none.
func conditionWord(c elect.Condition) string {
	if c == "" {
		return "unknown"
	}
	return c.Words()
}
