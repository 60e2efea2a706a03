package page

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// crowd is a history of many records, each with some runs.
func crowd(n int) *monitor.History {
	h := monitor.NewHistory(monitor.Limits{})
	for i := range n {
		t := monitor.Target{Name: fmt.Sprintf("job-%05d.zone-%d.example.com", i, i%7)}
		h.Watch(t)
		for back := int64(5); back >= 0; back-- {
			tick := at(-37 - 60*back)
			r := record.Record{ID: "VDNDNQNWQY", Timer: tick + 60, TimerOld: tick, Seq: tick * 1000, Claimed: true, Lease: 15, Until: tick + 15}
			h.See(seen(t, time.Unix(tick+1, 0), r, false))
			r.Claimed, r.Lease, r.Until, r.Seq, r.Last = false, 0, 0, (tick+3)*1000, record.OK
			h.See(seen(t, time.Unix(tick+4, 0), r, false))
		}
	}
	return h
}

// BenchmarkOverview is the overview of 10,000 records; it is to take well under a
// second.
func BenchmarkOverview(b *testing.B) {
	for _, c := range []struct{ name, path string }{{"page", "/"}, {"filter", "/?q=job-0123"}, {"wall", "/wall"}} {
		b.Run(c.name, func(b *testing.B) {
			page := Handler(fixed(crowd(10_000)))
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				w := httptest.NewRecorder()
				page.ServeHTTP(w, httptest.NewRequest("GET", c.path, nil))
				size = w.Body.Len()
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// BenchmarkRecord is the page of a record with as many runs as are kept.
func BenchmarkRecord(b *testing.B) {
	w := newWorld(noon)
	w.play(madeUp{name: "canary.example.com", every: 60, takes: 3, back: 8 * 24 * time.Hour, agents: []string{"AAAAAAAAAA"}, told: true})
	page := Handler(fixed(w.h))
	for _, stretch := range []string{"1h", "7d"} {
		b.Run(stretch, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRecorder()
				page.ServeHTTP(r, httptest.NewRequest("GET", "/records/canary.example.com?range="+stretch, nil))
			}
		})
	}
}
