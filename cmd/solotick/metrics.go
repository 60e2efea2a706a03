package main

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/steps"
)

// metrics are what an agent counts: docs/metrics.md says what each means. Labels are
// names of jobs, of which there are as many as the definitions have, and words of
// which there are few.
type metrics struct {
	id  string // the agent's
	reg *prometheus.Registry

	ok, good *prometheus.GaugeVec
	info     *prometheus.GaugeVec
	register *prometheus.GaugeVec

	runs      *prometheus.CounterVec
	took, lag *prometheus.HistogramVec
	told      *prometheus.CounterVec
	ticks     *prometheus.CounterVec
	takeovers *prometheus.CounterVec
	swaps     *prometheus.CounterVec
	troubles  *prometheus.CounterVec

	requests    *prometheus.CounterVec
	requestTook *prometheus.HistogramVec
	lookups     *prometheus.CounterVec
	clock       *prometheus.GaugeVec // without labels; absent until the register has told its time
	reports     *prometheus.CounterVec

	jobs jobGauges
}

func newMetrics(id string) *metrics {
	m := &metrics{
		id: id, reg: prometheus.NewRegistry(), jobs: jobGauges{jobs: make(map[string]*jobGauge)},

		ok:       gauge("config_last_reload_successful", "Whether the newest definition of the jobs is in force: 1, or 0 while an older one is.", "source"),
		good:     gauge("config_last_reload_success_timestamp_seconds", "When the definition in force was last found to be the newest.", "source"),
		info:     gauge("config_info", "The definition in force, by the SHA-256 of its text.", "source", "sha256"),
		register: gauge("register_info", "The register in use, and its class: exact, conditional, ballot or timed.", "provider", "zone", "class"),

		runs:      counter("runs_total", "Runs that this agent has ended, by how.", "job", "result"),
		took:      histogram("run_duration_seconds", "How long runs took.", runBuckets, "job"),
		lag:       histogram("start_lag_seconds", "How long after their ticks runs began.", runBuckets, "job"),
		told:      counter("alerts_total", "Messages about alerts, by what became of them: accepted or failed.", "job", "outcome"),
		ticks:     counter("ticks_total", "Ticks, by what this agent knows of them: run here, claimed elsewhere, passed over by a write of this agent, or unarbitrated (run here without the register).", "job", "outcome"),
		takeovers: counter("takeovers_total", "Claims of agents that vanished, which this agent took over.", "job"),
		swaps:     counter("swaps_total", "Writes of this agent to the record, by what became of them: done, conflict, uncertain or failed.", "job", "outcome"),

		troubles: counter("record_troubles_total", "How often this agent began to see a record that it could not use: sealed (it does not open), damaged, or older than before.", "job", "trouble"),

		requests:    counter("register_requests_total", "Requests to the register, by how they ended: done, conflict, uncertain, refused or unreached.", "op", "outcome"),
		requestTook: histogram("register_request_duration_seconds", "How long requests to the register took.", []float64{.002, .01, .05, .1, .25, .5, 1, 2.5, 5, 10}, "op"),
		lookups:     counter("lookups_total", "Questions to DNS about records: answered or failed.", "outcome"),
		clock:       gauge("clock_offset_seconds", "By how much this machine's clock is ahead of what the register's answers allow; 0 if it may be right."),
		reports:     counter("reports_total", "Reports of runs, by what became of them: accepted, refused or dropped.", "outcome"),
	}
	build := gauge("build_info", "The program, by its version and that of Go.", "version", "goversion")
	b := buildInfo()
	build.WithLabelValues(b.Version, b.Go).Set(1)
	m.reg.MustRegister(
		m.ok, m.good, m.info, m.register, m.runs, m.took, m.lag, m.told, m.ticks, m.takeovers, m.swaps, m.troubles,
		m.requests, m.requestTook, m.lookups, m.clock, m.reports, build, &m.jobs,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

var runBuckets = []float64{.005, .02, .1, .5, 1, 2, 5, 15, 60, 300, 1800}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "solotick_" + name, Help: help}, labels)
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "solotick_" + name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "solotick_" + name, Help: help, Buckets: buckets}, labels)
}

// see counts what an agent of the fleet did.
func (d *metrics) see(m member, ev solotick.Event) {
	if ev.Told {
		d.clock.WithLabelValues().Set(ev.Ahead.Seconds())
	}
	switch ev.Verb {
	case elect.Run:
		d.run(m, ev)
	case elect.Look:
		outcome := "answered"
		if ev.Err != nil {
			outcome = "failed"
		}
		d.lookups.WithLabelValues(outcome).Inc()
		d.show(m, ev)
	case elect.Load, elect.Swap:
		op := ev.Verb.String()
		d.requests.WithLabelValues(op, ev.Outcome.String()).Inc()
		d.requestTook.WithLabelValues(op).Observe(ev.Took.Seconds())
		if ev.Verb == elect.Swap {
			d.swap(m, ev)
		} else {
			d.show(m, ev)
		}
	case elect.Wait, elect.Stop, elect.End:
	}
	if ev.Passed > 0 {
		d.ticks.WithLabelValues(m.Name, "passed").Add(float64(ev.Passed))
	}
}

func (d *metrics) run(m member, ev solotick.Event) {
	if !ev.Ended {
		d.lag.WithLabelValues(m.Name).Observe(max(0, ev.Time.Sub(ev.Tick.Time).Seconds()))
		outcome := "run"
		if ev.Tick.Unarbitrated {
			outcome = "unarbitrated"
		}
		if d.jobs.first(m.Name, slot(ev.Tick), ev.Tick.Time.Unix()) {
			d.ticks.WithLabelValues(m.Name, outcome).Inc()
		}
		return
	}
	d.runs.WithLabelValues(m.Name, string(ev.Result)).Inc()
	d.took.WithLabelValues(m.Name).Observe(ev.Took.Seconds())
	d.jobs.ended(m.Name, ev)
}

// show takes in what a look or a Load has shown.
func (d *metrics) show(m member, ev solotick.Event) {
	if ev.Err != nil {
		return
	}
	if d.jobs.showed(m, ev.Record, d.id) {
		d.ticks.WithLabelValues(m.Name, "elsewhere").Inc()
	}
	if trouble := troubleOf(ev); d.jobs.troubled(m.Name, trouble) {
		d.troubles.WithLabelValues(m.Name, trouble).Inc()
	}
}

// troubleOf is what keeps a record from being used, in one word.
func troubleOf(ev solotick.Event) string {
	switch {
	case ev.State == record.Unopenable:
		return "sealed"
	case ev.State == record.Damaged:
		return "damaged"
	case errors.Is(ev.Odd, solotick.ErrOlder):
		return "older"
	}
	return ""
}

func (d *metrics) swap(m member, ev solotick.Event) {
	outcome := ev.Outcome.String()
	if ev.Outcome == elect.Refused || ev.Outcome == elect.Unreached {
		outcome = "failed"
	}
	d.swaps.WithLabelValues(m.Name, outcome).Inc()
	if ev.Outcome != elect.Done {
		return
	}
	d.jobs.showed(m, ev.Record, d.id) // what it wrote itself is nobody else's
	if ev.Why == elect.ClaimLapsed {
		d.takeovers.WithLabelValues(m.Name).Inc()
	}
}

// ran counts the messages of a run.
func (d *metrics) ran(r *finished) {
	for _, s := range r.steps.Steps {
		switch {
		case s.Kind != steps.KindAlert:
		case s.Err != nil && s.Result != "ok": // its condition could not be worked out
		case s.Err != nil:
			d.told.WithLabelValues(r.member.Name, "failed").Inc()
		case s.Told:
			d.told.WithLabelValues(r.member.Name, "accepted").Inc()
		}
	}
}

// forget drops what was counted of a job that is gone. A list that lies elsewhere
// may have other jobs every minute.
func (d *metrics) forget(m member) {
	of := prometheus.Labels{"job": m.Name}
	for _, v := range []interface{ DeletePartialMatch(prometheus.Labels) int }{d.runs, d.took, d.lag, d.told, d.ticks, d.takeovers, d.swaps, d.troubles} {
		v.DeletePartialMatch(of)
	}
	d.jobs.forget(m.Name)
}

// jobGauges are the gauges of all jobs, made when somebody asks: a pause ends without
// anybody doing anything.
type jobGauges struct {
	mu   sync.Mutex
	jobs map[string]*jobGauge
}

// A jobGauge is what is known of a job. Zero times and epoch seconds: nothing.
type jobGauge struct {
	lastRun, lastOK time.Time
	counted         [2]int64 // the latest tick that was counted as run, by slot
	looked          bool     // it was
	seen            int64    // the latest tick that was seen claimed
	known           bool     // next and pause are
	next, pause     int64
	trouble         string // with the record
}

// of is a job's gauge. The caller holds mu.
func (g *jobGauges) of(job string) *jobGauge {
	j := g.jobs[job]
	if j == nil {
		j = new(jobGauge)
		g.jobs[job] = j
	}
	return j
}

func (g *jobGauges) forget(job string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.jobs, job)
}

// first says whether this is the first run here of a tick, and not a further attempt.
func (g *jobGauges) first(job string, slot int, tick int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	j := g.of(job)
	again := j.counted[slot] == tick
	j.counted[slot] = tick
	return !again
}

// troubled says whether a trouble has begun with that.
func (g *jobGauges) troubled(job, trouble string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	j := g.of(job)
	was := j.trouble
	j.trouble = trouble
	return trouble != "" && trouble != was
}

func (g *jobGauges) ended(job string, ev solotick.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	j := g.of(job)
	j.lastRun = ev.Time
	if ev.Result == record.OK {
		j.lastOK = ev.Time
	}
}

// showed takes in a record, and says whether it tells for the first time of a tick of
// the job's own schedule that an agent other than id has claimed. What the record
// tells before anything else of it was seen is from before this agent's time.
func (g *jobGauges) showed(m member, r record.Record, id string) (elsewhere bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	j := g.of(m.Name)
	before := j.looked
	j.looked = true
	if r == (record.Record{}) { // absent, or nothing that can be read
		j.known = false
		return false
	}
	if s := m.Policy.Schedule; r.TimerOld > j.seen {
		elsewhere = before && r.ID != id && s.Prev(r.TimerOld) == r.TimerOld
		j.seen = r.TimerOld
	}
	j.known, j.next, j.pause = true, r.Timer, r.Pause
	return elsewhere
}

var (
	lastRunDesc = jobDesc("last_run_timestamp_seconds", "When the latest run of this agent ended.")
	lastOKDesc  = jobDesc("last_success_timestamp_seconds", "When the latest run of this agent ended that was ok.")
	nextDesc    = jobDesc("next_tick_timestamp_seconds", "When the record, as this agent saw it last, has the next tick, retry or trigger.")
	pausedDesc  = jobDesc("paused", "Whether an operator has paused the job: 1 or 0.")
)

func jobDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("solotick_"+name, help, []string{"job"}, nil)
}

// Describe implements prometheus.Collector.
func (g *jobGauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{lastRunDesc, lastOKDesc, nextDesc, pausedDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (g *jobGauges) Collect(out chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now().Unix()
	for job, j := range g.jobs {
		say := func(d *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, job)
		}
		if !j.lastRun.IsZero() {
			say(lastRunDesc, float64(j.lastRun.UnixMilli())/1000)
		}
		if !j.lastOK.IsZero() {
			say(lastOKDesc, float64(j.lastOK.UnixMilli())/1000)
		}
		if !j.known {
			continue
		}
		if j.next > 0 {
			say(nextDesc, float64(j.next))
		}
		paused := 0.0
		if j.pause < 0 || j.pause > now {
			paused = 1
		}
		say(pausedDesc, paused)
	}
}
