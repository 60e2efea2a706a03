package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/monitor/api"
	"github.com/solotick/solotick/record"
)

// TestDeployMetrics: the alert rules and the dashboard in deploy/ ask for metrics
// that an agent or an observer has, by labels that these have.
func TestDeployMetrics(t *testing.T) {
	t.Parallel()
	known := map[string][]string{ // to their labels
		"up":     {"job", "instance"},
		"ALERTS": {"alertname", "alertstate", "name"},
	}
	ofAgents(known)
	ofObserver(t, known)
	n := 0
	for where, exprs := range deployed(t) {
		for _, expr := range exprs {
			n += len(checkExpr(t, where, expr, known))
		}
	}
	if n < 100 {
		t.Errorf("%d uses of metrics were found, want all of them", n)
	}
}

var (
	descName   = regexp.MustCompile(`fqName: "([^"]+)"`)
	descLabels = regexp.MustCompile(`variableLabels: \{([^}]*)\}`)
)

// ofAgents adds what an agent has.
func ofAgents(known map[string][]string) {
	all := make(chan *prometheus.Desc)
	go func() {
		newMetrics("AAAAAAAAAA").reg.Describe(all)
		close(all)
	}()
	for d := range all {
		text := d.String()
		name := descName.FindStringSubmatch(text)[1]
		known[name] = append(known[name], "instance", "job")
		if labels := descLabels.FindStringSubmatch(text)[1]; labels != "" {
			known[name] = append(known[name], strings.Split(labels, ",")...)
		}
	}
}

// ofObserver adds what an observer has that has seen a run and some trouble.
func ofObserver(t *testing.T, known map[string][]string) {
	t.Helper()
	h := monitor.NewHistory(monitor.Limits{})
	target := monitor.Target{Name: "canary.example.com", Job: "canary"}
	h.Watch(target)
	now := time.Now().Truncate(time.Second)
	r := record.Record{ID: "AAAAAAAAAA", TimerOld: now.Unix() - 60, Timer: now.Unix(), Seq: (now.Unix() - 59) * 1000, Last: record.OK}
	claimed := r
	claimed.TimerOld, claimed.Timer, claimed.Seq, claimed.Claimed, claimed.Until, claimed.Lease = now.Unix(), now.Unix()+60, now.Unix()*1000, true, now.Unix()+15, 15
	ended := claimed
	ended.Claimed, ended.Until, ended.Lease, ended.Seq = false, 0, 0, claimed.Seq+2000
	for i, one := range []record.Record{r, claimed, ended} {
		a := lookup.Answer{Server: lookup.Server{Name: "ns1", Addr: "192.0.2.1:53"}, Status: lookup.Found, Authoritative: true, Texts: []string{one.String()}}
		h.See(monitor.Sight{Target: target, Time: now.Add(time.Duration(i) * time.Second), Answers: []lookup.Answer{a}, Set: record.Read(a.Texts, 0)})
	}
	eyes, err := monitor.NewEyes(monitor.EyesConfig{Servers: []string{"127.0.0.1:1"}, Timeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	a, err := api.New(api.Config{
		History: h, Observer: &monitor.Observer{}, Eyes: eyes,
		Receive: func(*http.Request) (string, monitor.Run, error) { return "", monitor.Run{}, errors.New("none") },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/metrics", "/probe?target=canary.example.com"} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil))
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(w.Body)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for name, f := range families {
			known[name] = append(known[name], "instance", "job")
			for _, l := range f.Metric[0].Label {
				known[name] = append(known[name], l.GetName())
			}
		}
	}
}

// deployed are the expressions in deploy/, by where they stand.
func deployed(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(readFile(t, "../../deploy/prometheus/solotick.rules.yml"), &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			all[r.Alert] = append(all[r.Alert], r.Expr)
		}
	}
	var dashboard any
	if err := json.Unmarshal(readFile(t, "../../deploy/grafana/solotick.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			for key, one := range v {
				if text, ok := one.(string); ok && (key == "expr" || key == "definition") {
					all["the dashboard"] = append(all["the dashboard"], text)
				}
				walk(one)
			}
		}
	}
	walk(dashboard)
	return all
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var (
	metricUse = regexp.MustCompile(`\b((?:solotick|probe)_[a-z_]+|up|ALERTS)\b(?:\{([^}]*)\})?`)
	matcher   = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
)

// checkExpr wants metrics and labels that there are, and returns the metrics.
func checkExpr(t *testing.T, where, expr string, known map[string][]string) (all []string) {
	t.Helper()
	for _, use := range metricUse.FindAllStringSubmatch(expr, -1) {
		name, labels := use[1], use[2]
		all = append(all, name)
		if _, ok := known[name]; !ok {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
		}
		have, ok := known[name]
		if !ok {
			t.Errorf("%s: nothing has the metric %s", where, use[1])
			continue
		}
		for _, label := range matcher.FindAllStringSubmatch(labels, -1) {
			if l := label[1]; l != "exported_job" && !slices.Contains(have, l) {
				t.Errorf("%s: %s has no label %s, but %s", where, name, l, strings.Join(have, ", "))
			}
		}
	}
	return all
}
