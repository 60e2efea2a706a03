package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A prometheus is a real one that scrapes everything each second and has the rules
// of deploy/.
type prometheus struct {
	c   *cluster
	url string
}

func startPrometheus(c *cluster, jobs map[string][]string) *prometheus {
	c.t.Helper()
	rules, err := filepath.Abs("../../deploy/prometheus/solotick.rules.yml")
	if err != nil {
		c.t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [%q]\nscrape_configs:\n", rules)
	for job, targets := range jobs {
		list, err := json.Marshal(targets)
		if err != nil {
			c.t.Fatal(err)
		}
		fmt.Fprintf(&b, "  - { job_name: %s, honor_labels: true, static_configs: [{ targets: %s }] }\n", job, list)
	}
	c.write("prometheus.yml", b.String())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command("prometheus", "--config.file", c.path("prometheus.yml"), "--storage.tsdb.path", c.path("tsdb"), "--web.listen-address", addr)
	f, err := os.Create(c.path("prometheus.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = f, f, endWithParent()
	if err := cmd.Start(); err != nil {
		c.t.Fatalf("%v: tools/needs installs it", err)
	}
	c.t.Cleanup(func() {
		_ = cmd.Process.Kill() // only fails if it has ended
		_ = cmd.Wait()
		if c.t.Failed() {
			c.t.Logf("prometheus:\n%s", tail(c.path("prometheus.log"), 20))
		}
	})
	return &prometheus{c: c, url: "http://" + addr + "/api/v1/"}
}

// get asks the API; it is false while that is not there.
func (p *prometheus) get(path string, query url.Values, to any) bool {
	p.c.t.Helper()
	resp, err := http.Get(p.url + path + "?" + query.Encode())
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var answer struct {
		Status string
		Error  string
		Data   json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode == http.StatusServiceUnavailable {
		return false
	}
	if answer.Status != "success" {
		p.c.t.Errorf("%s %s: %s", path, query.Get("query"), answer.Error)
		return true
	}
	if err := json.Unmarshal(answer.Data, to); err != nil {
		p.c.t.Fatalf("%s: %v", path, err)
	}
	return true
}

// count is how many series a question has as its answer.
func (p *prometheus) count(expr string) int {
	p.c.t.Helper()
	var data struct{ Result []json.RawMessage }
	p.get("query", url.Values{"query": {expr}}, &data)
	return len(data.Result)
}

// alerts are the names of those that fire or soon will.
func (p *prometheus) alerts() (all []string) {
	p.c.t.Helper()
	var data struct {
		Alerts []struct{ Labels map[string]string }
	}
	p.get("alerts", nil, &data)
	for _, a := range data.Alerts {
		all = append(all, a.Labels["alertname"])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// address is where an agent or an observer answers, as its log says.
func (c *cluster) address(log, key string) string {
	c.t.Helper()
	addr := ""
	c.await("an address in "+filepath.Base(log), 20*time.Second, func() bool {
		for line := range strings.Lines(tail(log, 1000)) {
			var l map[string]any
			if json.Unmarshal([]byte(line), &l) == nil && l[key] != nil {
				addr = strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(l[key]), "http://"), "/")
				return true
			}
		}
		return false
	})
	return addr
}

// questions are those of the dashboard in deploy/, by the titles of its panels.
func questions(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile("../../deploy/grafana/solotick.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			all[p.Title] = append(all[p.Title], strings.NewReplacer("$__rate_interval", "20s", "$name", ".*", "$job", ".*").Replace(q.Expr))
		}
	}
	return all
}

// TestPrometheus: a real Prometheus scrapes agents and an observer, has an answer for
// every panel of the dashboard, nothing to say while all is well, and an alert once
// the agents are gone.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := prepare(t, startOwn(t), "scraped")
	c.configure("agent: { listen: 127.0.0.1:0 }\njobs:\n" + jobText("scraped", "exec: ["+strconv.Quote(self)+"]"))
	c.launch()
	observer := c.observe("observer.log")
	targets := map[string][]string{"solotick-serve": {c.address(observer.log, "url")}}
	for _, a := range c.agents {
		targets["solotick-agents"] = append(targets["solotick-agents"], c.address(a.log, "addr"))
	}
	p := startPrometheus(c, targets)

	silent := []string{ // what has no series while all is well
		"Overdue ticks",      // more than none
		"Alerts and reports", // this job has neither
		"Events",             // only what is worth a word
	}
	for title, exprs := range questions(t) {
		if slices.Contains(silent, title) {
			for _, expr := range exprs {
				p.count(expr) // it is understood
			}
			continue
		}
		for _, expr := range exprs {
			c.await(fmt.Sprintf("an answer for the panel %q: %s", title, expr), 60*time.Second, func() bool { return p.count(expr) > 0 })
		}
	}
	if all := p.alerts(); len(all) > 0 {
		t.Errorf("all is well, and there are the alerts %v", all)
	}
	var groups struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	p.get("rules", nil, &groups)
	n := 0
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			if n++; r.Health != "ok" {
				t.Errorf("the rule %s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if n < 20 {
		t.Errorf("%d rules, want all", n)
	}

	for _, a := range c.agents {
		a.kill()
	}
	c.await("the alerts SolotickMissed and SolotickDown", 60*time.Second, func() bool {
		all := p.alerts()
		return slices.Contains(all, "SolotickMissed") && slices.Contains(all, "SolotickDown")
	})
}
