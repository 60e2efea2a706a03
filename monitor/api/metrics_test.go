package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

// lint has Prometheus' own linter find nothing in what a path answers.
func lint(t *testing.T, text string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// wants has lines in a text of metrics.
func wants(t *testing.T, text string, lines ...string) {
	t.Helper()
	all := strings.Split(text, "\n")
	for _, line := range lines {
		if !slices.Contains(all, line) {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
}

// TestMetricsOfProtection: what guards a record, in words of which there are few, and
// whether somebody got past it. A record that has no protection has no such series.
func TestMetricsOfProtection(t *testing.T) {
	key, sign := seal.NewKey([32]byte{1}), seal.NewSigningKey([32]byte{2})
	sealed, signed := &seal.Ring{Seal: []seal.Key{key}}, &seal.Ring{Sign: sign}
	verify := &seal.Ring{Verify: []seal.VerifyKey{sign.Public()}}
	other := &seal.Ring{Verify: []seal.VerifyKey{seal.NewSigningKey([32]byte{3}).Public()}}
	h := watched(t)
	for _, r := range []struct {
		name             string
		agents, observer *seal.Ring
	}{{"closed", sealed, nil}, {"opened", sealed, sealed}, {"signed", signed, nil}, {"verified", signed, verify}, {"forged", signed, other}} {
		seeGuarded(h, r.name+".example.com", time.Now(), r.agents, r.observer)
	}
	a := serve(t, Config{History: h})
	text := get200(t, a, "/metrics")
	lint(t, text)
	wants(t, text,
		`solotick_record_protection{name="closed.example.com",sealed="closed",signature="hidden"} 1`,
		`solotick_record_protection{name="opened.example.com",sealed="opened",signature="none"} 1`,
		`solotick_record_protection{name="signed.example.com",sealed="no",signature="not_verified"} 1`,
		`solotick_record_protection{name="verified.example.com",sealed="no",signature="verified"} 1`,
		`solotick_record_protection{name="forged.example.com",sealed="no",signature="bad"} 1`,
		`solotick_record_tampered{name="verified.example.com"} 0`,
		`solotick_record_tampered{name="forged.example.com"} 1`,
	)
	if strings.Contains(text, `solotick_record_protection{name="canary`) {
		t.Error("a plain record has a protection")
	}
	all := get200(t, a, "/api/v1/records")
	for _, part := range []string{`"sealed_with":"` + key.ID() + `"`, `"signature":"verified"`, `"signed_by":"` + sign.Public().ID() + `"`, `"tampered":true`, `"opened":"{\"id\":`} {
		if !strings.Contains(all, part) {
			t.Errorf("no %s in the records", part)
		}
	}
	for _, secret := range []string{key.Secret(), sign.Secret()} {
		if strings.Contains(text+all, secret[15:]) {
			t.Error("a key is shown")
		}
	}
}

func TestMetrics(t *testing.T) {
	h := watched(t)
	a := serve(t, Config{History: h, Observer: &monitor.Observer{}, Version: "1.2.3", Receive: receive})
	text := get200(t, a, "/metrics")
	lint(t, text)
	item, _ := h.Item("canary.example.com", time.Now())
	const name = `{name="canary.example.com"}`
	wants(t, text,
		`solotick_record_condition{condition="on_time",job="canary",name="canary.example.com"} 1`,
		`solotick_record_condition{condition="late",job="canary",name="canary.example.com"} 0`,
		`solotick_record_condition{condition="failing",job="nightly",name="nightly.example.com"} 1`,
		`solotick_record_condition{condition="on_time",job="silent",name="silent.example.com"} 0`,
		`solotick_record_valid`+name+` 1`,
		`solotick_record_valid{name="gone.example.com"} 0`,
		`solotick_record_valid{name="silent.example.com"} 0`,
		`solotick_record_overdue_ticks`+name+` 0`,
		`solotick_record_paused`+name+` 0`,
		`solotick_record_info{agent="`+agentA+`",last="failed",name="nightly.example.com"} 1`,
		fmt.Sprintf(`solotick_record_bytes%s %d`, name, item.Bytes),
		`solotick_resolver_up{name="canary.example.com",resolver="192.0.2.1"} 1`,
		`solotick_resolver_behind_seconds{name="canary.example.com",resolver="192.0.2.1"} 0`,
		`solotick_resolver_ttl_seconds{name="canary.example.com",resolver="192.0.2.1"} 60`,
		`solotick_resolver_query_duration_seconds{name="canary.example.com",resolver="192.0.2.1"} 0.0015`,
		`solotick_observed_runs_total{name="canary.example.com",result="ok"} 1`,
		`solotick_observed_runs_total{name="canary.example.com",result="lost"} 0`,
		`solotick_observed_takeovers_total`+name+` 0`,
		`solotick_observed_events_total{kind="ended",name="nightly.example.com"} 1`,
		`solotick_observed_start_lag_seconds_count`+name+` 1`,
		`solotick_observed_start_lag_seconds_bucket{name="canary.example.com",le="0.005"} 1`,
		`solotick_records{condition="on_time"} 1`,
		`solotick_records{condition="unknown"} 2`,
		`solotick_observer_questions_total{outcome="answered"} 0`,
		`solotick_observer_questions_total{outcome="failed"} 0`,
		`solotick_observer_records_left_out 0`,
		`solotick_reports_total{outcome="accepted"} 0`,
	)
	for _, prefix := range []string{
		"solotick_record_last_tick_timestamp_seconds" + name, "solotick_record_next_timestamp_seconds" + name, "solotick_record_late_after_timestamp_seconds" + name,
		"solotick_record_fence" + name, "solotick_record_written_timestamp_seconds" + name, `solotick_build_info{goversion="go1.`, "process_resident_memory_bytes", "go_goroutines",
	} {
		if !strings.Contains(text, "\n"+prefix) {
			t.Errorf("no %s", prefix)
		}
	}
	if strings.Contains(text, `solotick_record_fence{name="gone`) || strings.Contains(text, `solotick_record_next_timestamp_seconds{name="silent`) {
		t.Error("something is told of what is not there")
	}
}

// TestMetricsOfMany leaves records out where they are too many, and says so.
func TestMetricsOfMany(t *testing.T) {
	h := monitor.NewHistory(monitor.Limits{})
	for i := range 4 {
		h.Watch(monitor.Target{Name: fmt.Sprintf("j%d.example.com", i)})
	}
	for most, out := range map[int]int{0: 0, 4: 0, 3: 4, -1: 0} {
		text := get200(t, serve(t, Config{History: h, Records: most}), "/metrics")
		lint(t, text)
		wants(t, text, fmt.Sprintf("solotick_observer_records_left_out %d", out), `solotick_records{condition="unknown"} 4`)
		if has := strings.Contains(text, `solotick_record_valid{name="j2.example.com"}`); has == (out > 0) {
			t.Errorf("at most %d: series of their own: %t", most, has)
		}
	}
}

// TestHostileMetrics has nothing that anybody writes into DNS break metrics, badges
// or documents.
func TestHostileMetrics(t *testing.T) {
	h := monitor.NewHistory(monitor.Limits{})
	for i, id := range []string{"a\"b\\c\nd", "\xff\xfe", "</svg><script>", strings.Repeat("é", 300), "{}", "\x00\x1b[31m"} {
		target := monitor.Target{Name: fmt.Sprintf("j%d.example.com", i), Job: id}
		h.Watch(target)
		text := record.Record{ID: id, Timer: now().Unix() + 60, TimerOld: now().Unix(), Seq: now().UnixMilli(), Pause: -1, Why: id, Last: record.Result(id)}.String()
		see(h, target, now(), text, "\xff", "{"+id)
	}
	a := serve(t, Config{History: h})
	text := get200(t, a, "/metrics")
	lint(t, text)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if n := len(families["solotick_record_info"].GetMetric()); err != nil || n < 3 || strings.Contains(text, "\x1b") {
		t.Errorf("%v: %v", err, families["solotick_record_info"])
	}
	for i := range 6 {
		name := fmt.Sprintf("j%d.example.com", i)
		badge := get200(t, a, "/badge/"+name+".svg")
		checkSVG(t, badge)
		if doc := document[recordDocument](t, a, "/api/v1/records/"+name); doc.Record.Name != name || doc.Record.State == "" {
			t.Errorf("%+v", doc.Record)
		}
	}
}

// TestServersOfOneAddress has one series where two names stand for one server.
func TestServersOfOneAddress(t *testing.T) {
	h := monitor.NewHistory(monitor.Limits{})
	target := monitor.Target{Name: "canary.example.com"}
	h.Watch(target)
	answer := lookup.Answer{Server: lookup.Server{Name: "ns1", Addr: "192.0.2.1:53"}, Status: lookup.Found, Texts: []string{ended(now(), agentA, record.OK)}}
	other := answer
	other.Server.Name = "ns2"
	h.See(monitor.Sight{Target: target, Time: now(), Answers: []lookup.Answer{answer, other, {Server: lookup.Server{Name: "x", Addr: "[2001:db8::1]:5353"}, Err: lookup.ErrTimeout}}, Set: record.Read(answer.Texts, now().Unix())})
	resp := ask(t, serve(t, Config{History: h}), asking{path: "/metrics"})
	status, text := read(t, resp)
	if status != http.StatusOK || strings.Count(text, "\nsolotick_resolver_up{") != 2 {
		t.Errorf("%d: %s", status, text)
	}
	wants(t, text, `solotick_resolver_up{name="canary.example.com",resolver="[2001:db8::1]:5353"} 0`)
}
