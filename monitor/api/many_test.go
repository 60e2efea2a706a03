package api

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/zone"
)

// TestMany has one observer look at 2,000 records on one server. internal/bench has
// the same with 10,000, and tells how long answers take.
func TestMany(t *testing.T) {
	const n = 2000
	var text strings.Builder
	text.WriteString("$ORIGIN example.com.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 30\n@ NS ns\nns A 127.0.0.1\n")
	h := monitor.NewHistory(monitor.Limits{Runs: 40_000, Events: 20_000})
	for i := range n {
		fmt.Fprintf(&text, "job%04d TXT %q\n", i, ended(now(), agentA, record.OK))
		h.Watch(monitor.Target{Name: fmt.Sprintf("job%04d.example.com", i)})
	}
	file := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	z := serveZone(t, zone.Zone{Name: "example.com", File: file})
	// The rate is the bound that is tested: on a machine that stops for a moment more
	// questions than usual are due at once.
	var mu sync.Mutex
	seconds := map[int64]int{}
	looked := map[string]int{}
	o := &monitor.Observer{Eyes: z.eyes(t), History: h, Every: 3 * time.Second, Rate: 1500, Saw: func(s monitor.Sight, _ []monitor.Event) {
		mu.Lock()
		defer mu.Unlock()
		seconds[time.Now().Unix()]++
		looked[s.Target.Name]++
	}}
	a := serve(t, Config{History: h, Observer: o})
	if status, text := read(t, ask(t, a, asking{path: "/readyz"})); status != http.StatusServiceUnavailable || text != "2000 of 2000 records were not looked at yet\n" {
		t.Errorf("before it begins: %d %s", status, text)
	}
	ctx, end := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- o.Run(ctx) }()
	// Once all, and then each on its beat, of which half a round has to do.
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		sum := 0
		for _, times := range looked {
			sum += times
		}
		return len(looked) == n && sum >= n*3/2
	}
	for until := time.Now().Add(time.Minute); !enough(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d records were looked at in a minute", len(looked))
		}
	}
	get200(t, a, "/readyz")
	get200(t, a, "/livez")
	doc := document[monitor.Document](t, a, "/api/v1/records?limit=10000")
	if len(doc.Records) != n || doc.Records[7].State == "" {
		t.Errorf("%d records, one of them %+v", len(doc.Records), doc.Records[7])
	}
	end()
	if err := <-over; err != nil {
		t.Error(err)
	}
	most, sum := 0, 0
	for _, c := range seconds {
		most, sum = max(most, c), sum+c
	}
	if mean := float64(n) / 3; float64(most) > 3*mean {
		t.Errorf("%d questions in one second, and %.0f is the mean: %v", most, mean, seconds)
	}
	if ok, failed := o.Questions(); ok+failed != int64(sum) || failed > ok/10 {
		t.Errorf("%d answered and %d failed, of %d", ok, failed, sum)
	}
}

// TestBoundedHistory has more runs told of many records than are kept.
func TestBoundedHistory(t *testing.T) {
	const n, most = 100, 2000
	h := monitor.NewHistory(monitor.Limits{Runs: most, Age: 365 * 24 * time.Hour})
	begin := now().Add(-61 * 24 * time.Hour).Unix()
	for i := range n {
		h.Watch(monitor.Target{Name: fmt.Sprintf("job%02d.example.com", i)})
	}
	for tick := range int64(60) {
		for i := range n {
			if err := h.Tell(fmt.Sprintf("job%02d.example.com", i), monitor.Run{Tick: begin + 86400*tick, Attempt: 1, Agent: agentA, Began: begin + 86400*tick, Result: record.OK}); err != nil {
				t.Fatal(err)
			}
		}
	}
	a := serve(t, Config{History: h, Records: -1})
	sum := 0
	for i := range n {
		doc := document[monitor.Runs](t, a, fmt.Sprintf("/api/v1/records/job%02d.example.com/runs?from=0", i))
		sum += len(doc.Runs)
	}
	if sum < most || sum > most*3/2+8*n {
		t.Errorf("%d runs are kept, of 6,000, and %d may be", sum, most)
	}
	// What is counted is not what is kept.
	wants(t, get200(t, a, "/metrics"), `solotick_observed_runs_total{name="job07.example.com",result="ok"} 60`)
}
