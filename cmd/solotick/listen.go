package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/internal/journal"
	"github.com/solotick/solotick/monitor"
)

// A definition is one of the texts that say what the jobs are: the agent's own
// file, or a list that lies elsewhere.
type definition struct {
	Source string     `json:"source"` // file or jobs_from
	From   string     `json:"from"`   // its path or address
	OK     bool       `json:"ok"`     // the newest is in force
	Error  string     `json:"error,omitempty"`
	Since  *time.Time `json:"since,omitempty"` // of the trouble
	Good   *time.Time `json:"good,omitempty"`  // when it was last found as it is in force
	Hash   string     `json:"sha256,omitempty"`
	Jobs   int        `json:"jobs"`
}

// agentStatus is what /status shows.
type agentStatus struct {
	Schema      string            `json:"schema"`
	Agent       string            `json:"agent"`
	Version     string            `json:"version"`
	Started     time.Time         `json:"started"`
	Register    *monitor.Register `json:"register,omitempty"`
	Definitions []definition      `json:"definitions"`
}

// A desk answers questions about one agent over HTTP: whether it lives, what its
// definitions are, and metrics. It changes nothing.
type desk struct {
	*metrics
	status agentStatus
	book   *journal.Book // nil: nothing is kept

	mu    sync.Mutex
	heard time.Time // when the fleet was last seen to live
}

func newDesk(id string) *desk {
	return &desk{
		metrics: newMetrics(id), heard: time.Now(),
		status: agentStatus{Schema: "solotick.agent/v1", Agent: id, Version: buildInfo().Version, Started: time.Now().UTC(), Definitions: []definition{}},
	}
}

// define takes in what the definitions are now.
func (d *desk) define(all []definition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = time.Now()
	if same := func(a, b definition) bool { return a.Source == b.Source && a.Hash == b.Hash }; !slices.EqualFunc(d.status.Definitions, all, same) {
		for _, g := range []*prometheus.GaugeVec{d.ok, d.good, d.info} {
			g.Reset() // a list may be gone
		}
	}
	d.status.Definitions = all
	for _, one := range all {
		ok := 0.0
		if one.OK {
			ok = 1
		}
		d.ok.WithLabelValues(one.Source).Set(ok)
		if one.Good != nil {
			d.good.WithLabelValues(one.Source).Set(float64(one.Good.Unix()))
		}
		if one.Hash != "" {
			d.info.WithLabelValues(one.Source, one.Hash).Set(1)
		}
	}
}

// use takes in which register is in use; nil: none yet.
func (d *desk) use(s *service) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s == nil || d.status.Register != nil && *d.status.Register == s.brief() {
		return
	}
	brief := s.brief()
	d.status.Register = &brief
	d.register.Reset()
	d.register.WithLabelValues(s.dns.Provider, s.dns.Zone, s.class.String()).Set(1)
}

// serve answers until ctx ends.
func (d *desk) serve(ctx context.Context, l net.Listener, log *slog.Logger) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.reg, promhttp.HandlerOpts{Registry: d.reg, EnableOpenMetrics: true}))
	mux.HandleFunc("GET /livez", d.livez)
	mux.HandleFunc("GET /readyz", d.readyz)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		d.mu.Lock()
		text, err := json.MarshalIndent(d.status, "", "  ")
		d.mu.Unlock()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(text, '\n'))
	})
	mux.HandleFunc("GET /events", d.events)
	s := &http.Server{
		Handler: ownHost(l.Addr(), mux), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		log.Error("agent.listen: no longer answering; the jobs go on", "err", err)
	}
}

// livez says whether the fleet's loop turns.
func (d *desk) livez(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	silent := time.Since(d.heard)
	d.mu.Unlock()
	if silent > time.Minute {
		http.Error(w, fmt.Sprintf("nothing was done for %v", silent.Round(time.Second)), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}

// readyz says whether the newest definitions are in force.
func (d *desk) readyz(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	all := d.status.Definitions
	d.mu.Unlock()
	if len(all) == 0 {
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	for _, one := range all {
		if !one.OK {
			http.Error(w, fmt.Sprintf("%s: %s", one.Source, one.Error), http.StatusServiceUnavailable)
			return
		}
	}
	_, _ = fmt.Fprintln(w, "ok")
}

// answer has the desk answer at the address that the file names, if it names one.
func (d *desk) answer(ctx context.Context, c *config.Config, f *fleet, log *slog.Logger) error {
	if c.Agent.Listen == "" {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Agent.Listen)
	if err != nil {
		return &failure{code: exitConfig, err: fmt.Errorf("agent.listen: %w", err), means: "nothing was started", do: "another address; or leave agent.listen out"}
	}
	log.Info("answering /metrics, /livez, /readyz, /status and /events", "addr", l.Addr().String())
	f.observe, f.finish, f.forget = append(f.observe, d.see), append(f.finish, d.ran), append(f.forget, d.forget)
	go d.serve(ctx, l, log)
	return nil
}

// events answers what the agents did, of one job or of all, around one tick or as much
// as is kept.
func (d *desk) events(w http.ResponseWriter, r *http.Request) {
	if d.book == nil {
		http.Error(w, "no events are kept here", http.StatusNotFound)
		return
	}
	job := strings.ToLower(strings.TrimSuffix(r.URL.Query().Get("job"), "."))
	doc := journal.Document{Schema: journal.Schemas, Agent: d.status.Agent, Events: []journal.Entry{}}
	names := []string{job}
	if job == "" {
		names = d.book.Jobs()
	}
	tick, err := parseTick(r.URL.Query().Get("tick"), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, name := range names {
		all := d.book.Entries(name)
		if !tick.IsZero() {
			all = journal.Around(all, tick)
		}
		doc.Events = append(doc.Events, all...)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(doc)
}
