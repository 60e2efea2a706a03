package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

func names(items []monitor.Item) []string {
	var all []string
	for _, item := range items {
		all = append(all, item.Job)
	}
	return all
}

func TestRecords(t *testing.T) {
	a := serve(t, Config{Register: &monitor.Register{Provider: "rfc2136", Zone: "example.com", Class: "exact"}})
	for _, test := range []struct {
		query string
		want  []string
	}{
		{"", []string{"canary", "gone", "new", "nightly", "silent"}},
		{"?q=N", []string{"canary", "gone", "new", "nightly", "silent"}},
		{"?q=nig", []string{"nightly"}},
		{"?q=.EXAMPLE.com&after=gone.example.com", []string{"new", "nightly", "silent"}},
		{"?state=on_time", []string{"canary"}},
		{"?state=failing,absent", []string{"gone", "nightly"}},
		{"?state=failing&state=unknown", []string{"new", "nightly", "silent"}},
		{"?q=nothing", nil},
		{"?after=zzz", nil},
	} {
		doc := document[monitor.Document](t, a, "/api/v1/records"+test.query)
		if doc.Schema != "solotick.status/v1" || !slices.Equal(names(doc.Records), test.want) {
			t.Errorf("%s: %s %v, want %v", test.query, doc.Schema, names(doc.Records), test.want)
		}
		if doc.Register == nil || doc.Register.Class != "exact" || time.Since(doc.Time) > time.Minute {
			t.Errorf("%s: %v at %v", test.query, doc.Register, doc.Time)
		}
	}
	if text := get200(t, a, "/api/v1/records?q=nothing"); !strings.Contains(text, `"records":[]`) {
		t.Errorf("no records are no list: %s", text)
	}
	for _, query := range []string{"?limit=0", "?limit=10001", "?limit=x", "?limit=-1", "?state=none", "?state=on%20time"} {
		if p := problem(t, ask(t, a, asking{path: "/api/v1/records" + query})); p.Status != http.StatusBadRequest || p.Detail == "" {
			t.Errorf("%s: %+v", query, p)
		}
	}
}

// TestPages goes from page to page by what the answers say.
func TestPages(t *testing.T) {
	h := monitor.NewHistory(monitor.Limits{})
	for i := range 95 {
		h.Watch(monitor.Target{Name: fmt.Sprintf("j%03d.example.com", i), Job: fmt.Sprint(i)})
	}
	a := serve(t, Config{History: h})
	seen, next := map[string]bool{}, "?limit=10&q=example"
	for n := 0; next != ""; n++ {
		resp := ask(t, a, asking{path: "/api/v1/records" + next})
		link := resp.Header.Get("Link")
		_, text := read(t, resp)
		for part := range strings.SplitSeq(text, `{"name":"`) {
			name, _, _ := strings.Cut(part, `"`)
			seen[name] = true
		}
		target, is := strings.CutSuffix(link, `>; rel="next"`)
		if is == (n == 9) || n > 9 {
			t.Fatalf("page %d: Link: %s", n, link)
		}
		next = strings.TrimPrefix(target, "<")
		if _, err := url.Parse(next); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 96 { // and what is before the first
		t.Errorf("%d records seen", len(seen))
	}
}

func TestRecord(t *testing.T) {
	a := serve(t, Config{})
	for _, name := range []string{"canary.example.com", "CANARY.example.com.", "canary"} {
		doc := document[recordDocument](t, a, "/api/v1/records/"+name)
		if doc.Schema != DetailSchema || doc.Record.Job != "canary" || doc.Record.State != "on_time" || len(doc.Runs) != 1 || doc.Runs[0].Result != record.OK || doc.Runs[0].Agent != agentA {
			t.Errorf("%s: %+v", name, doc)
		}
	}
	for _, path := range []string{"canaryy", "canary.example.net", "%00", "a%2Fb", "%3Cscript%3E", strings.Repeat("a", 5000), "canary.example.com%0d%0aX:%20y"} {
		status, text := read(t, ask(t, a, asking{path: "/api/v1/records/" + path}))
		if status != http.StatusNotFound || len(text) > 1000 || strings.ContainsAny(strings.TrimSpace(text), "<\x00\r\n") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

func TestRuns(t *testing.T) {
	h := watched(t)
	a := serve(t, Config{History: h})
	now := time.Now().Unix()
	doc := document[monitor.Runs](t, a, "/api/v1/records/canary.example.com/runs")
	if doc.Schema != monitor.RunsSchema || doc.Name != "canary.example.com" || doc.To < now || doc.To > now+60 || doc.To-doc.From != 86400 || len(doc.Runs) != 1 || len(doc.Spans) != 1 {
		t.Errorf("%+v", doc)
	}
	since := time.Unix(now-15, 0).UTC().Format(time.RFC3339)
	doc = document[monitor.Runs](t, a, fmt.Sprintf("/api/v1/records/canary/runs?from=%s&to=%d", since, now))
	if doc.From != now-15 || doc.To != now || len(doc.Runs) != 0 || len(doc.Spans) != 1 || doc.Spans[0].From != now-15 {
		t.Errorf("%+v", doc)
	}
	if text := get200(t, a, "/api/v1/records/new/runs"); !strings.Contains(text, `"runs":[],"spans":[]`) {
		t.Errorf("nothing is no list: %s", text)
	}
	for _, query := range []string{"?from=x", "?to=-1", "?from=2&to=1", "?from=99999999999999999999", "?to=253402300800", "?from=2026-13-01T00:00:00Z"} {
		if p := problem(t, ask(t, a, asking{path: "/api/v1/records/canary/runs" + query})); p.Status != http.StatusBadRequest {
			t.Errorf("%s: %+v", query, p)
		}
	}
}

// TestManyRuns tells of the latest runs if there are too many, and from when on.
func TestManyRuns(t *testing.T) {
	h := monitor.NewHistory(monitor.Limits{Age: 10 * 365 * 24 * time.Hour})
	target := monitor.Target{Name: "often.example.com"}
	h.Watch(target)
	const apart = 6 * 3600
	end := time.Now().Unix()
	begin := end - apart*(mostRuns+500)
	for tick := begin; tick < end; tick += apart {
		if err := h.Tell(target.Name, monitor.Run{Tick: tick, Attempt: 1, Agent: agentA, Began: tick, Result: record.OK}); err != nil {
			t.Fatal(err)
		}
	}
	a := serve(t, Config{History: h})
	doc := document[monitor.Runs](t, a, "/api/v1/records/often.example.com/runs?from=0")
	if len(doc.Runs) != mostRuns || doc.From != begin+500*apart || doc.Runs[mostRuns-1].Tick != end-apart {
		t.Errorf("%d runs from %d, begun at %d", len(doc.Runs), doc.From, begin)
	}
	if latest := document[recordDocument](t, a, "/api/v1/records/often.example.com"); len(latest.Runs) != latestRuns || latest.Runs[latestRuns-1].Tick != end-apart {
		t.Errorf("%d latest runs", len(latest.Runs))
	}
}

func TestEvents(t *testing.T) {
	a := serve(t, Config{})
	all := document[eventsDocument](t, a, "/api/v1/events")
	if all.Schema != EventsSchema || all.Name != "" || len(all.Events) < 5 {
		t.Fatalf("%+v", all)
	}
	for i, e := range all.Events[1:] {
		if e.ID >= all.Events[i].ID {
			t.Errorf("event %d after %d", e.ID, all.Events[i].ID)
		}
	}
	if page := document[eventsDocument](t, a, fmt.Sprintf("/api/v1/events?limit=2&before=%d", all.Events[1].ID)); len(page.Events) != 2 || page.Events[0].ID != all.Events[2].ID {
		t.Errorf("the next page: %+v", page.Events)
	}
	one := document[eventsDocument](t, a, "/api/v1/records/nightly/events")
	if one.Name != "nightly.example.com" || len(one.Events) == 0 {
		t.Errorf("%+v", one)
	}
	for _, e := range one.Events {
		if e.Name != "nightly.example.com" {
			t.Errorf("an event of %s", e.Name)
		}
	}
	for _, path := range []string{"/api/v1/events?before=x", "/api/v1/events?limit=1001", "/api/v1/records/canary/events?limit=0"} {
		if p := problem(t, ask(t, a, asking{path: path})); p.Status != http.StatusBadRequest {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

func TestSummary(t *testing.T) {
	s := document[summary](t, serve(t, Config{Title: "backups"}), "/status.json")
	if s.Schema != SummarySchema || s.Title != "backups" || s.State != "bad" || s.Records != 5 || s.Text != "5 records: 1 on time, 1 failing, 1 absent, 2 unknown" {
		t.Errorf("%+v", s)
	}
	var all []string
	for _, b := range s.NotFine {
		all = append(all, b.Job+" "+b.Level)
	}
	if want := []string{"nightly bad", "gone unknown", "new unknown", "silent unknown"}; !slices.Equal(all, want) {
		t.Errorf("%q, want %q", all, want)
	}
	if s := document[summary](t, serve(t, Config{History: monitor.NewHistory(monitor.Limits{})}), "/status.json"); s.State != "fine" || s.Text != "no records are watched" {
		t.Errorf("without records: %+v", s)
	}
}
