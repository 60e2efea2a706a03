package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
)

// The names of documents. Those of many records and of runs are
// [monitor.StatusSchema] and [monitor.RunsSchema].
const (
	DetailSchema  = "solotick.detail/v1"
	EventsSchema  = "solotick.events/v1"
	SummarySchema = "solotick.summary/v1"
	ChangeSchema  = "solotick.action/v1"
)

// How much one answer has.
const (
	someRecords, mostRecords = 1000, 10000
	someEvents, mostEvents   = 100, 1000
	mostRuns                 = 10000
	latestRuns               = 20
	notFine                  = 100
)

// A recordDocument is one record and its latest runs.
type recordDocument struct {
	Schema string        `json:"schema"`
	Time   time.Time     `json:"time"`
	Record monitor.Item  `json:"record"`
	Runs   []monitor.Run `json:"runs"` // oldest first
}

// An eventsDocument is what happened, the newest first. Name is empty for all
// records.
type eventsDocument struct {
	Schema string          `json:"schema"`
	Name   string          `json:"name,omitempty"`
	Events []monitor.Event `json:"events"`
}

// A summary tells a status page whether all is well.
type summary struct {
	Schema  string         `json:"schema"`
	Time    time.Time      `json:"time"`
	Title   string         `json:"title"`
	State   string         `json:"state"` // fine, doubtful, bad or unknown: the worst
	Text    string         `json:"text"`
	Records int            `json:"records"`
	Counts  map[string]int `json:"counts"`   // by condition
	NotFine []brief        `json:"not_fine"` // the first of them
}

// A brief is one record in a summary.
type brief struct {
	Name  string `json:"name"`
	Job   string `json:"job,omitempty"`
	State string `json:"state"`
	Level string `json:"level"`
	Text  string `json:"text"`
}

// records serves all records, or those that a query asks for, page by page.
func (a *API) records(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := number(q, "limit", someRecords, mostRecords)
	if err != nil {
		refuse(w, r, err.Error())
		return
	}
	states, err := conditions(q["state"])
	if err != nil {
		refuse(w, r, err.Error())
		return
	}
	v := a.view()
	doc := monitor.Document{Schema: monitor.StatusSchema, Time: instant(v.at), Register: a.cfg.Register, Records: []monitor.Item{}}
	rest := v.items
	if after := dnsName(q.Get("after")); after != "" {
		rest = rest[sort.Search(len(rest), func(i int) bool { return rest[i].Name > after }):]
	}
	text := strings.ToLower(q.Get("q"))
	for i := range rest {
		item := &rest[i]
		if len(states) > 0 && !slices.Contains(states, item.State) || !strings.Contains(item.Name, text) && !strings.Contains(strings.ToLower(item.Job), text) {
			continue
		}
		if len(doc.Records) == limit {
			q.Set("after", doc.Records[limit-1].Name)
			w.Header().Set("Link", "<?"+q.Encode()+`>; rel="next"`)
			break
		}
		doc.Records = append(doc.Records, *item)
	}
	writeJSON(w, r, http.StatusOK, "application/json", doc)
}

// conditions reads ?state=late,missed&state=unknown.
func conditions(texts []string) ([]elect.Condition, error) {
	var all []elect.Condition
	for word := range strings.SplitSeq(strings.Join(texts, ","), ",") {
		c := elect.Condition(word)
		switch {
		case word == "":
			continue
		case word == "unknown":
			c = ""
		case !slices.Contains(allConditions, c):
			return nil, fmt.Errorf("state %q is none", bounded(word, 40))
		}
		all = append(all, c)
	}
	return all, nil
}

// allConditions are those that a record can be in.
var allConditions = []elect.Condition{
	elect.HealthOnTime, elect.HealthRunning, elect.HealthRetrying, elect.HealthFailing, elect.HealthLate, elect.HealthMissed,
	elect.HealthPaused, elect.HealthAbsent, elect.HealthDamaged, elect.HealthSealed, elect.HealthHeld, elect.HealthFree,
}

// record serves one record.
func (a *API) record(w http.ResponseWriter, r *http.Request) {
	item, ok := a.named(w, r)
	if !ok {
		return
	}
	now := time.Now()
	writeJSON(w, r, http.StatusOK, "application/json", recordDocument{Schema: DetailSchema, Time: instant(now), Record: item, Runs: orNone(a.latest(item.Name, now))})
}

// latest are the latest runs of a record. It looks no further back than it has to:
// there may be many.
func (a *API) latest(name string, now time.Time) []monitor.Run {
	var runs []monitor.Run
	for _, back := range []int64{3600, 24 * 3600, now.Unix()} {
		if runs = a.cfg.History.Runs(name, now.Unix()-back, now.Unix()+3600); len(runs) >= latestRuns {
			break
		}
	}
	return runs[max(0, len(runs)-latestRuns):]
}

// runs serves the runs of one record between two moments: by default the last day.
func (a *API) runs(w http.ResponseWriter, r *http.Request) {
	item, ok := a.named(w, r)
	if !ok {
		return
	}
	q := r.URL.Query()
	to, err := moment(q, "to", time.Now().Unix())
	if err != nil {
		refuse(w, r, err.Error())
		return
	}
	from, err := moment(q, "from", to-24*3600)
	if err == nil && from > to {
		err = fmt.Errorf("from is after to")
	}
	if err != nil {
		refuse(w, r, err.Error())
		return
	}
	runs := a.cfg.History.Runs(item.Name, from, to)
	if n := len(runs) - mostRuns; n > 0 {
		// Only what is told of whole is told of.
		runs = runs[n:]
		from = runs[0].At()
	}
	writeJSON(w, r, http.StatusOK, "application/json", monitor.Runs{
		Schema: monitor.RunsSchema, Name: item.Name, From: from, To: to, Runs: orNone(runs), Spans: orNone(a.cfg.History.Spans(item.Name, from, to)),
	})
}

// events serves what happened to one record, or to all.
func (a *API) events(w http.ResponseWriter, r *http.Request) {
	name := ""
	if r.PathValue("name") != "" {
		item, ok := a.named(w, r)
		if !ok {
			return
		}
		name = item.Name
	}
	q := r.URL.Query()
	limit, err := number(q, "limit", someEvents, mostEvents)
	var before uint64
	if text := q.Get("before"); err == nil && text != "" {
		if before, err = strconv.ParseUint(text, 10, 64); err != nil {
			err = fmt.Errorf("before %q: want the id of an event", bounded(text, 40))
		}
	}
	if err != nil {
		refuse(w, r, err.Error())
		return
	}
	writeJSON(w, r, http.StatusOK, "application/json", eventsDocument{Schema: EventsSchema, Name: name, Events: orNone(a.cfg.History.Events(name, before, limit))})
}

// summary serves what a status page wants.
func (a *API) summary(w http.ResponseWriter, r *http.Request) {
	v := a.view()
	s := summary{Schema: SummarySchema, Time: instant(v.at), Title: a.cfg.Title, Records: len(v.items), Counts: map[string]int{}, NotFine: []brief{}}
	all := elect.LevelFine
	var bad []monitor.Item
	for i := range v.items {
		item := &v.items[i]
		l := item.State.Level()
		all = worst(all, l)
		s.Counts[stateWord(item.State)]++
		if l != elect.LevelFine {
			bad = append(bad, *item)
		}
	}
	slices.SortStableFunc(bad, func(a, b monitor.Item) int {
		la, lb := a.State.Level(), b.State.Level()
		switch {
		case la == lb:
			return 0
		case worst(la, lb) == la:
			return -1
		}
		return 1
	})
	for _, item := range bad[:min(len(bad), notFine)] {
		s.NotFine = append(s.NotFine, brief{item.Name, item.Job, stateWord(item.State), levelWord(item.State.Level()), bounded(item.Text, 300)})
	}
	s.State, s.Text = levelWord(all), countWords(s.Counts, len(v.items))
	writeJSON(w, r, http.StatusOK, "application/json", s)
}

// stateWord is a condition for programs.
func stateWord(c elect.Condition) string {
	if c == "" {
		return "unknown"
	}
	return string(c)
}

// countWords says how many records are in which condition.
func countWords(counts map[string]int, n int) string {
	if n == 0 {
		return "no records are watched"
	}
	text := strconv.Itoa(n) + " records"
	if n == 1 {
		text = "1 record"
	}
	sep := ": "
	for _, c := range append(slices.Clone(allConditions), "") {
		if k := counts[stateWord(c)]; k > 0 {
			text += fmt.Sprintf("%s%d %s", sep, k, conditionWord(c))
			sep = ", "
		}
	}
	return text
}

// number reads a number from 1 to most.
func number(q url.Values, key string, otherwise, most int) (int, error) {
	text := q.Get(key)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s %q: want a number from 1 to %d", key, bounded(text, 40), most)
	}
	return n, nil
}

// latestMoment is the last second that RFC 3339 can write.
const latestMoment = 253402300799

// moment reads an epoch second, or a time of RFC 3339.
func moment(q url.Values, key string, otherwise int64) (int64, error) {
	text := q.Get(key)
	if text == "" {
		return otherwise, nil
	}
	sec, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		var t time.Time
		t, err = time.Parse(time.RFC3339, text)
		sec = t.Unix()
	}
	if err != nil || sec < 0 || sec > latestMoment {
		return 0, fmt.Errorf("%s %q: want epoch seconds, or a time as in 2026-01-02T15:04:05Z", key, bounded(text, 40))
	}
	return sec, nil
}

// instant is a time as documents have it.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// orNone is a list that JSON shows as one, even if it is empty.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
