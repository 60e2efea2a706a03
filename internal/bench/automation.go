package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/steps"
)

// automation tells what a run of requests costs beside the bare requests, and
// what it takes to load many jobs.
func (b *bench) automation(ctx context.Context) error {
	api := newAPI()
	defer api.Close()
	if err := b.overhead(ctx, api.URL); err != nil {
		return err
	}
	return b.loading()
}

// newAPI is what requests go to.
func newAPI() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"items":[{"name":"db","age_h":2},{"name":"web","age_h":3}],"total":2}`)
	}))
}

// A job of two requests and a condition on what they bring back.
const threeSteps = `
    every: %s
    steps:
      - { id: jobs, http: "%s/jobs", expect: status == 200 }
      - { id: quota, http: "%s/quota" }
      - { alert: ops, if: "any(steps.jobs.json.items, .age_h > 24) or steps.quota.json.total > 9", text: "{{ len(steps.jobs.json.items) }} backups" }
`

// fileOf is a file with so many jobs of three steps.
func (b *bench) fileOf(jobs int, every, server, url string) []byte {
	var f strings.Builder
	fmt.Fprintf(&f, "version: 1\ndns: { provider: rfc2136, zone: %s, server: %q, tsig: %s }\n", zoneName, server, filepath.Join(b.dir, "automation.key"))
	f.WriteString("notify: { ops: { webhook: { url: \"http://127.0.0.1:9/\" } } }\njobs:\n")
	for i := range jobs {
		fmt.Fprintf(&f, "  job%d:"+threeSteps, i, every, url, url)
	}
	return []byte(f.String())
}

// overhead runs a plan, and in turn with it what its requests are with net/http.
func (b *bench) overhead(ctx context.Context, url string) error {
	if err := os.WriteFile(filepath.Join(b.dir, "automation.key"), []byte("solotick:c29sb3RpY2sgc29sb3RpY2sgc29sb3RpY2sgLi4="), 0o600); err != nil {
		return err
	}
	c, err := config.Parse("bench", b.fileOf(1, "1h", "127.0.0.1", url))
	if err != nil {
		return err
	}
	plan := c.Jobs[0].Plan
	var runs, bare []time.Duration
	for i := range 20 * b.samples {
		begin := time.Now()
		run := steps.Run{Job: "job0", Tick: begin, Attempt: 1, Attempts: 1, Deadline: begin.Add(time.Minute)}
		if res, err := plan.Do(ctx, run); err != nil {
			return fmt.Errorf("%w: %+v", err, res.Steps)
		}
		between := time.Now()
		for _, path := range []string{"/jobs", "/quota"} {
			resp, err := http.Get(url + path)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil {
				return err
			}
		}
		if i >= b.samples { // the connections are there
			runs, bare = append(runs, between.Sub(begin)), append(bare, time.Since(between))
		}
	}
	table("A run of two GETs, three expressions and an alert that is quiet, beside the two GETs by net/http, on loopback",
		[]string{"", "p50", "p99"},
		[]string{"run", ms(quantile(runs, .5)), ms(quantile(runs, .99))},
		[]string{"bare", ms(quantile(bare, .5)), ms(quantile(bare, .99))},
		[]string{"ratio", ratio(quantile(runs, .5), quantile(bare, .5)), ratio(quantile(runs, .99), quantile(bare, .99))},
	)
	return nil
}

// loading parses and compiles 1,000 jobs of three steps.
func (b *bench) loading() error {
	data := b.fileOf(1000, "1h", "127.0.0.1", "http://127.0.0.1:9")
	var took []time.Duration
	var held uint64
	for range 10 {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		c, err := config.Parse("bench", data)
		if err != nil {
			return err
		}
		took = append(took, time.Since(begin))
		runtime.GC()
		runtime.ReadMemStats(&after)
		held = after.HeapAlloc - before.HeapAlloc
		runtime.KeepAlive(c)
	}
	table("Loading a file of 1,000 jobs of three steps",
		[]string{"text", mib(int64(len(data)) / 1024)},
		[]string{"parsed, checked and compiled in", ms(quantile(took, .5)) + " p50, " + ms(quantile(took, .99)) + " at most"},
		[]string{"heap that it holds", mib(int64(held) / 1024)},
	)
	return nil
}
