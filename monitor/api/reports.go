package api

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// The outcomes of reports.
const (
	reportAccepted = "accepted"
	reportRefused  = "refused" // not believed, or no report
	reportDropped  = "dropped" // of a record that is not watched, or too many
)

// mostReport is how long the body of a report may be, in bytes.
const mostReport = 128 << 10

// report takes in what an agent tells of a run.
func (a *API) report(w http.ResponseWriter, r *http.Request) {
	const means = "the run is not affected, and what DNS shows of it is shown as ever"
	if a.cfg.Receive == nil {
		(&Problem{
			Status: http.StatusNotFound, Detail: "reports of agents are not taken here: nothing was configured that could prove who sends them", Means: means,
			Do: "give solotick serve a key or a token for reports; which flags: solotick serve --help",
		}).write(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostReport)
	name, run, err := a.cfg.Receive(r)
	if err != nil {
		a.reports.WithLabelValues(reportRefused).Inc()
		p := *problemOf(err, http.StatusBadRequest)
		if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
			p.Status, p.Detail = http.StatusRequestEntityTooLarge, fmt.Sprintf("a report has at most %d bytes", tooLong.Limit)
		}
		if p.Means == "" {
			p.Means = means
		}
		if p.Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="solotick"`)
		}
		p.write(w, r)
		return
	}
	// Only who is believed uses this up: others may come through the same proxy.
	if wait := a.reportRates.take(remoteOf(r), time.Now()); wait > 0 {
		a.reports.WithLabelValues(reportDropped).Inc()
		later(w, wait)
		(&Problem{Status: http.StatusTooManyRequests, Detail: "too many reports from one address", Means: means, Do: "send them more slowly"}).write(w, r)
		return
	}
	item, ok := a.find(name)
	if ok {
		err = a.cfg.History.Tell(item.Name, run)
	}
	if !ok || err != nil {
		a.reports.WithLabelValues(reportDropped).Inc()
		p := unknown(name)
		p.Means, p.Do = means, "have it watched: solotick serve NAME..."
		p.write(w, r)
		return
	}
	a.reports.WithLabelValues(reportAccepted).Inc()
	w.WriteHeader(http.StatusNoContent)
}

// remoteOf is the address that a request comes from: a proxy's, if there is one.
func remoteOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// rates bound how often something may be done from one address: burst times at
// once, and then once in every.
type rates struct {
	every time.Duration
	burst int

	mu   sync.Mutex
	full map[string]time.Time // when all of an address's times are there again
}

// mostRemotes is how many addresses are remembered. Beyond that those are
// forgotten that owe the least.
const mostRemotes = 4096

// wait is how long there is none to take.
func (l *rates) wait(remote string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, wait := l.next(remote, now)
	return wait
}

// next is when all of an address's times are there again if it takes one now, and
// how long it has to wait for that one.
func (l *rates) next(remote string, now time.Time) (full time.Time, wait time.Duration) {
	full = l.full[remote]
	if full.Before(now) {
		full = now
	}
	full = full.Add(l.every)
	return full, max(full.Sub(now)-time.Duration(l.burst)*l.every, 0)
}

// take uses one up, or says how long to wait for one.
func (l *rates) take(remote string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, wait := l.next(remote, now)
	if wait > 0 {
		return wait
	}
	if l.full == nil {
		l.full = map[string]time.Time{}
	}
	if _, known := l.full[remote]; !known && len(l.full) >= mostRemotes {
		l.forget(now)
	}
	l.full[remote] = next
	return 0
}

// forget makes room: those who owe nothing go, and if there are none, all.
func (l *rates) forget(now time.Time) {
	for remote, full := range l.full {
		if !full.After(now) {
			delete(l.full, remote)
		}
	}
	if len(l.full) >= mostRemotes {
		clear(l.full)
	}
}
