package api

import (
	"net/http"
	"runtime"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("solotick_"+name, help, labels, nil)
}

// What is known of each record.
var (
	descCondition = desc("record_condition", "What a record amounts to: 1 for the condition that holds, 0 for the others; all are 0 while DNS does not tell.", "name", "job", "condition")
	descValid     = desc("record_valid", "Whether there is a record that can be read: 1, or 0.", "name")
	descLast      = desc("record_last_tick_timestamp_seconds", "The latest tick that was claimed.", "name")
	descNext      = desc("record_next_timestamp_seconds", "When the next run is expected.", "name")
	descLate      = desc("record_late_after_timestamp_seconds", "When the next run counts as late.", "name")
	descOverdue   = desc("record_overdue_ticks", "Ticks that should have begun and have not, at most 1000.", "name")
	descPaused    = desc("record_paused", "Whether an operator keeps the job from starting: 1, or 0.", "name")
	descFence     = desc("record_fence", "The seq of the record, which only ever grows.", "name")
	descWritten   = desc("record_written_timestamp_seconds", "When the record was written, by the clock of its register.", "name")
	descInfo      = desc("record_info", "Who made the latest claim, and how the latest run ended.", "name", "agent", "last")
	descBytes     = desc("record_bytes", "The length of the record's text.", "name")

	descProtection = desc("record_protection", "What guards a record that is sealed or signed, or to be so: sealed is no, opened (a key is here) or closed; signature is verified, not_verified (no key is here), none, bad or hidden.", "name", "sealed", "signature")
	descTampered   = desc("record_tampered", "Whether somebody without a key wrote what is there, of a record that is sealed or signed, or to be so: 1, or 0.", "name")

	descUp     = desc("resolver_up", "Whether a server answered when it was last asked for the record: 1, or 0.", "name", "resolver")
	descBehind = desc("resolver_behind_seconds", "How much older than the newest record is what a server shows.", "name", "resolver")
	descTTL    = desc("resolver_ttl_seconds", "For how long a server's answer may be kept; of a cache, what is left of it.", "name", "resolver")
	descTook   = desc("resolver_query_duration_seconds", "How long a server took to answer.", "name", "resolver")
)

// What was seen to happen, and what the observer does.
var (
	descRuns      = desc("observed_runs_total", "Runs that were seen to be over, by how they ended; unknown: that was not seen.", "name", "result")
	descTakeovers = desc("observed_takeovers_total", "Runs that took over a tick which another agent had lost.", "name")
	descEvents    = desc("observed_events_total", "Events, by kind.", "name", "kind")
	descLag       = desc("observed_start_lag_seconds", "How long after their ticks runs began, to the second unless an agent has told.", "name")

	descRecords   = desc("records", "Records that are watched, by condition; unknown: DNS does not tell.", "condition")
	descQuestions = desc("observer_questions_total", "Looks at records, by what became of them: answered or failed.", "outcome")
	descLeftOut   = desc("observer_records_left_out", "Records that have no series of their own here, since they are too many.")
	descBuild     = desc("build_info", "The version of this program.", "version", "goversion")
)

// perRecord and overall are all of them.
var (
	perRecord = []*prometheus.Desc{
		descCondition, descValid, descLast, descNext, descLate, descOverdue, descPaused, descFence, descWritten, descInfo, descBytes,
		descProtection, descTampered, descUp, descBehind, descTTL, descTook,
	}
	overall = []*prometheus.Desc{descRuns, descTakeovers, descEvents, descLag, descRecords, descQuestions, descLeftOut, descBuild}
)

// results are those of [descRuns].
var results = []record.Result{record.None, record.OK, record.Failed, record.Timeout, record.Lost, record.Replaced, record.Skipped}

// newMetrics makes what serves /metrics.
func (a *API) newMetrics() http.Handler {
	a.reports = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "solotick_reports_total", Help: "Reports of agents, by what became of them: accepted, refused or dropped.",
	}, []string{"outcome"})
	reg := prometheus.NewRegistry()
	reg.MustRegister(observed{a}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if a.cfg.Receive != nil {
		for _, outcome := range []string{reportAccepted, reportRefused, reportDropped} {
			a.reports.WithLabelValues(outcome)
		}
		reg.MustRegister(a.reports)
	}
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg, EnableOpenMetrics: true, MaxRequestsInFlight: 4})
}

// observed reads the history whenever metrics are asked for, and keeps nothing.
type observed struct{ a *API }

func (o observed) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range slices.Concat(perRecord, overall) {
		ch <- d
	}
}

func (o observed) Collect(ch chan<- prometheus.Metric) {
	v := o.a.view()
	counts := map[elect.Condition]int{}
	for i := range v.items {
		counts[v.items[i].State]++
	}
	for _, c := range allConditions {
		ch <- gauge(descRecords, float64(counts[c]), string(c))
	}
	ch <- gauge(descRecords, float64(counts[""]), "unknown")
	if ob := o.a.cfg.Observer; ob != nil {
		ok, failed := ob.Questions()
		ch <- counter(descQuestions, ok, "answered")
		ch <- counter(descQuestions, failed, "failed")
	}
	ch <- gauge(descBuild, 1, o.a.cfg.Version, runtime.Version())
	if most := o.a.cfg.Records; most >= 0 && len(v.items) > most {
		ch <- gauge(descLeftOut, float64(len(v.items)))
		return
	}
	ch <- gauge(descLeftOut, 0)
	for i := range v.items {
		collectItem(ch, &v.items[i])
		collectTotals(ch, v.items[i].Name, o.a.cfg.History.Totals(v.items[i].Name))
	}
}

// collectItem tells what a record is.
func collectItem(ch chan<- prometheus.Metric, item *monitor.Item) {
	name := label(item.Name)
	for _, c := range allConditions {
		ch <- gauge(descCondition, one(item.State == c), name, label(item.Job), string(c))
	}
	valid := item.State != "" && item.State != elect.HealthAbsent && item.State != elect.HealthDamaged && item.State != elect.HealthSealed
	ch <- gauge(descValid, one(valid), name)
	if item.State != "" {
		ch <- gauge(descOverdue, float64(item.Overdue), name)
		ch <- gauge(descPaused, one(item.Paused), name)
		ch <- gauge(descBytes, float64(item.Bytes), name)
	}
	if valid {
		ch <- gauge(descFence, float64(item.Fence), name)
		ch <- gauge(descInfo, 1, name, label(item.ID), label(string(item.Last)))
	}
	if item.LastTick != nil {
		ch <- gauge(descLast, float64(item.LastTick.Unix()), name)
	}
	if item.Next != nil {
		ch <- gauge(descNext, float64(item.Next.Unix()), name)
	}
	if item.LateAfter != nil {
		ch <- gauge(descLate, float64(item.LateAfter.Unix()), name)
	}
	if item.Written != nil {
		ch <- gauge(descWritten, float64(item.Written.Unix()), name)
	}
	if p := item.Protection; p != nil {
		ch <- gauge(descProtection, 1, name, sealedLabel(*p), string(p.Signature))
		ch <- gauge(descTampered, one(p.Tampered), name)
	}
	collectServers(ch, name, item.Servers)
}

// sealedLabel is whether a record is sealed, and whether it could be opened.
func sealedLabel(p monitor.Protection) string {
	switch {
	case p.Sealed == "" && p.Signature != monitor.SignatureHidden:
		return "no"
	case p.Opened:
		return "opened"
	}
	return "closed"
}

// collectServers tells what each server shows of a record.
func collectServers(ch chan<- prometheus.Metric, name string, servers []monitor.Server) {
	told := map[string]bool{}
	for _, s := range servers {
		resolver := label(strings.TrimSuffix(s.Addr, ":53"))
		if told[resolver] { // two names of one server
			continue
		}
		told[resolver] = true
		ch <- gauge(descUp, one(s.Error == ""), name, resolver)
		if s.Error == "" {
			ch <- gauge(descBehind, s.Behind, name, resolver)
			ch <- gauge(descTTL, s.TTL, name, resolver)
			ch <- gauge(descTook, s.TookMS/1000, name, resolver)
		}
	}
}

// collectTotals tells what was seen to happen to a record.
func collectTotals(ch chan<- prometheus.Metric, name string, all monitor.Totals) {
	name = label(name)
	for _, r := range results {
		word := string(r)
		if r == record.None {
			word = "unknown"
		}
		ch <- counter(descRuns, all.Runs[r], name, word)
	}
	ch <- counter(descTakeovers, all.Takeovers, name)
	for kind, n := range all.Events {
		ch <- counter(descEvents, n, name, string(kind))
	}
	buckets := make(map[float64]uint64, len(monitor.LagBounds))
	var n uint64
	for i, bound := range monitor.LagBounds {
		n += uint64(all.Lags[i])
		buckets[bound] = n
	}
	n += uint64(all.Lags[len(monitor.LagBounds)])
	ch <- prometheus.MustNewConstHistogram(descLag, n, all.LagSum, buckets, name)
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(d *prometheus.Desc, n int64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// label makes a text that comes from outside a value of a label: bounded, safe to
// show on a terminal, and UTF-8, or nothing at all would be told.
func label(text string) string { return plain(bounded(text, 255)) }
