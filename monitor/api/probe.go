package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
)

// A prober asks DNS because somebody asks for it.
type prober struct {
	eyes  map[string]*monitor.Eyes // by resolver
	own   *monitor.Eyes            // those of the observer
	any   bool
	slots chan struct{}
}

const (
	// probesAtOnce is how many probes are under way at most.
	probesAtOnce = 32
	// probeTime is how long a probe may take, unless Prometheus says how long it
	// waits; then it is that, less what the way back takes.
	probeTime, wayBack = 5 * time.Second, 500 * time.Millisecond
	mostProbeTime      = 30 * time.Second
)

func newProber(cfg Config) (*prober, error) {
	if cfg.Eyes == nil {
		return nil, nil
	}
	p := &prober{eyes: map[string]*monitor.Eyes{}, own: cfg.Eyes, any: cfg.AnyResolver, slots: make(chan struct{}, probesAtOnce)}
	for _, resolver := range cfg.Resolvers {
		addr, err := address(resolver)
		if err != nil {
			return nil, err
		}
		if p.eyes[addr], err = eyesOf(addr); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func eyesOf(addr string) (*monitor.Eyes, error) {
	return monitor.NewEyes(monitor.EyesConfig{Servers: []string{addr}})
}

// through finds the eyes for the resolver that a request names.
func (p *prober) through(resolver string) (*monitor.Eyes, error) {
	if resolver == "" {
		return p.own, nil
	}
	addr, err := address(resolver)
	switch e := p.eyes[addr]; {
	case err != nil:
		return nil, err
	case e != nil:
		return e, nil
	case p.any:
		return eyesOf(addr)
	}
	return nil, &Problem{
		Status: http.StatusForbidden, Detail: "the resolver " + strconv.QuoteToASCII(bounded(resolver, 100)) + " is none of those that may be asked here",
		Means: "nobody was asked", Do: "allow it where this is started: solotick serve --probe-resolvers ADDRESS (any: every address)",
	}
}

// probe serves metrics of one record, of which DNS is asked now.
func (a *API) probe(w http.ResponseWriter, r *http.Request) {
	if a.prober == nil {
		notFound(w, r)
		return
	}
	q := r.URL.Query()
	target, err := a.target(q.Get("target"))
	var timeout time.Duration
	if err == nil {
		timeout, err = timeoutOf(r)
	}
	if err != nil {
		refuse(w, r, err.Error())
		return
	}
	eyes, err := a.prober.through(q.Get("resolver"))
	if err != nil {
		problemOf(err, http.StatusBadRequest).write(w, r)
		return
	}
	select {
	case a.prober.slots <- struct{}{}:
		defer func() { <-a.prober.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		(&Problem{Status: http.StatusServiceUnavailable, Detail: fmt.Sprintf("%d probes are under way already", probesAtOnce), Do: "try again in a second"}).write(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	begin := time.Now()
	sight := eyes.Look(ctx, target)
	seen := probed{item: monitor.Judge(sight, time.Now()), took: time.Since(begin)}
	reg := prometheus.NewRegistry()
	reg.MustRegister(seen)
	if yes, _ := strconv.ParseBool(q.Get("debug")); yes {
		debugProbe(w, seen, timeout, reg)
		return
	}
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, r)
}

// target is the record that a probe names: one that is watched as it is known, or
// any other name that DNS can be asked for.
func (a *API) target(text string) (monitor.Target, error) {
	name := dnsName(text)
	if text == "" {
		return monitor.Target{}, errors.New("the target is missing: probe?target=NAME")
	}
	if known, ok := a.cfg.History.Target(name); ok {
		return known, nil
	}
	if item, ok := a.find(text); ok { // by its job
		if known, ok := a.cfg.History.Target(item.Name); ok {
			return known, nil
		}
	}
	if err := CheckName(name); err != nil {
		return monitor.Target{}, fmt.Errorf("target %q is no DNS name: %w", bounded(text, 100), err)
	}
	return monitor.Target{Name: name}, nil
}

// timeoutOf is how long a probe may take.
func timeoutOf(r *http.Request) (time.Duration, error) {
	const header = "X-Prometheus-Scrape-Timeout-Seconds"
	text := r.Header.Get(header)
	if text == "" {
		return probeTime, nil
	}
	sec, err := strconv.ParseFloat(text, 64)
	if err != nil || !(sec > 0 && sec < 1e6) {
		return 0, fmt.Errorf("%s %q: want seconds", header, bounded(text, 40))
	}
	d := time.Duration(sec * float64(time.Second))
	return min(max(d-wayBack, d/2), mostProbeTime), nil
}

// A probed is what a probe has found.
type probed struct {
	item monitor.Item
	took time.Duration
}

var (
	descSuccess  = prometheus.NewDesc("probe_success", "Whether DNS showed a record that can be read, whatever it amounts to: 1, or 0.", nil, nil)
	descDuration = prometheus.NewDesc("probe_duration_seconds", "How long the probe took.", nil, nil)
)

// success is false where the record cannot be judged.
func (p probed) success() bool {
	c := p.item.State
	return c != "" && c != elect.HealthAbsent && c != elect.HealthDamaged && c != elect.HealthSealed
}

func (p probed) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range slices.Concat(perRecord, []*prometheus.Desc{descSuccess, descDuration}) {
		ch <- d
	}
}

func (p probed) Collect(ch chan<- prometheus.Metric) {
	ch <- gauge(descSuccess, one(p.success()))
	ch <- gauge(descDuration, p.took.Seconds())
	collectItem(ch, &p.item)
}

// debugProbe tells people what a probe has found, and what it would have answered.
func debugProbe(w http.ResponseWriter, p probed, timeout time.Duration, reg prometheus.Gatherer) {
	var b strings.Builder
	item := &p.item
	fmt.Fprintf(&b, "asked DNS for %s, for at most %v\n", item.Name, timeout)
	for _, s := range item.Servers {
		if s.Error != "" {
			fmt.Fprintf(&b, "%s (%s): %s\n", plain(s.Name), s.Addr, plain(s.Error))
			continue
		}
		fmt.Fprintf(&b, "%s (%s): %s, seq %d, TTL %.0f s, in %.1f ms\n", plain(s.Name), s.Addr, s.State, s.Fence, s.TTL, s.TookMS)
	}
	if item.Raw != "" {
		fmt.Fprintf(&b, "record: %s\n", plain(item.Raw))
	}
	if item.Protection != nil {
		fmt.Fprintf(&b, "protection: %s\n", item.Protection.Words())
	}
	for _, note := range item.Notes {
		fmt.Fprintf(&b, "note: %s\n", plain(note))
	}
	fmt.Fprintf(&b, "%s: %s\n", conditionWord(item.State), plain(item.Text))
	if item.Error != "" {
		fmt.Fprintf(&b, "error: %s\n", plain(item.Error))
	}
	fmt.Fprintf(&b, "took %v; success: %t\n\nMetrics that would have been returned:\n", p.took.Round(time.Microsecond), p.success())
	families, err := reg.Gather()
	for _, f := range families {
		if err == nil {
			_, err = expfmt.MetricFamilyToText(&b, f)
		}
	}
	if err != nil {
		fmt.Fprintf(&b, "none: %s\n", plain(err.Error()))
	}
	writeText(w, http.StatusOK, b.String())
}

// plain makes text from DNS safe to show on a terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return unicode.ReplacementChar
		}
		return r
	}, bounded(text, maxText))
}

// CheckName says what keeps a text from being the name of a record that one could
// ask for. It is stricter than DNS: letters, digits, "-" and "_".
func CheckName(name string) error {
	if len(name) > 253 {
		return errors.New("longer than 253 bytes")
	}
	for part := range strings.SplitSeq(name, ".") {
		switch {
		case part == "":
			return errors.New("an empty label")
		case len(part) > 63:
			return errors.New("a label longer than 63 bytes")
		case strings.ContainsFunc(part, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}):
			return errors.New("want letters, digits, - and _; an international name begins with xn--")
		}
	}
	return nil
}

// CheckResolver says what is wrong with an address in [Config.Resolvers].
func CheckResolver(addr string) error {
	_, err := address(addr)
	return err
}

// address is a resolver's with its port, so that two ways to write it are one.
func address(text string) (string, error) {
	host, port := text, "53"
	if _, err := netip.ParseAddr(text); err != nil {
		if h, p, err := net.SplitHostPort(text); err == nil {
			host, port = h, p
		}
	}
	n, err := strconv.Atoi(port)
	_, noIP := netip.ParseAddr(host)
	if err != nil || n < 1 || n > 65535 || noIP != nil && CheckName(dnsName(host)) != nil {
		return "", fmt.Errorf("resolver %s: want an address or a name, and after a colon the port if it is not 53", strconv.QuoteToASCII(bounded(text, 100)))
	}
	return net.JoinHostPort(host, strconv.Itoa(n)), nil
}
