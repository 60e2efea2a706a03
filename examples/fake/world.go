package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/solotick/solotick/notify/notifytest"
)

// A world is what the examples look at. Something is wrong in it, or nothing.
type world struct {
	slack *notifytest.Slack

	mu    sync.Mutex
	out   io.Writer // what happens, a line each
	wrong bool
	shown int // messages in Slack
}

func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.out, format+"\n", args...)
}

func (w *world) isWrong() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wrong
}

func (w *world) handler() http.Handler {
	mux := http.NewServeMux()
	for word, wrong := range map[string]bool{"wrong": true, "well": false} {
		mux.HandleFunc("POST /"+word, func(http.ResponseWriter, *http.Request) {
			w.mu.Lock()
			w.wrong = wrong
			w.mu.Unlock()
			w.say("from now on: %s", word)
		})
	}
	mux.HandleFunc("POST /runs", w.runs)
	mux.HandleFunc("GET /backups", w.backups)
	mux.HandleFunc("GET /queue", w.queue)
	mux.HandleFunc("POST /pager", w.pager)
	mux.Handle("/slack/", http.StripPrefix("/slack", http.HandlerFunc(w.chat)))
	return mux
}

// runs takes what the original's agents post.
func (w *world) runs(rw http.ResponseWriter, r *http.Request) {
	var run struct {
		Name            string
		Timer, TimerOld int64
		Passcode        string
	}
	switch err := json.NewDecoder(r.Body).Decode(&run); {
	case w.isWrong():
		http.Error(rw, "the canary is not well", http.StatusServiceUnavailable)
	case err != nil || !agentID.MatchString(run.Name) || run.TimerOld == 0 || run.Timer <= run.TimerOld:
		http.Error(rw, `want {"name":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"passcode":"..."}`, http.StatusBadRequest)
	case run.Passcode != "1641466583":
		http.Error(rw, "wrong passcode", http.StatusForbidden)
	default:
		answer(rw, map[string]any{"ok": true})
		w.say("api: %s has run %d, next %d", run.Name, run.TimerOld, run.Timer)
		return
	}
	w.say("api: a run was refused")
}

var agentID = regexp.MustCompile(`^[A-Z0-9]{10,22}$`)

// backups is a list of backups, of which the newest is an hour old, or if
// something is wrong two days.
func (w *world) backups(rw http.ResponseWriter, _ *http.Request) {
	newest := time.Now().Add(-time.Hour)
	if w.isWrong() {
		newest = newest.Add(-48 * time.Hour)
	}
	var all []map[string]any
	for i := range 3 {
		all = append(all, map[string]any{"name": "db", "finished": newest.Add(-time.Duration(i) * 24 * time.Hour).UTC().Format(time.RFC3339), "bytes": int64(52_000_000_000) - int64(i)})
	}
	answer(rw, map[string]any{"backups": all})
	w.say("api: the newest backup is of %s", newest.UTC().Format(time.DateTime))
}

// queue is the length of a queue.
func (w *world) queue(rw http.ResponseWriter, _ *http.Request) {
	depth := 12
	if w.isWrong() {
		depth = 7200
	}
	answer(rw, map[string]any{"depth": depth})
	w.say("api: the queue has %d entries", depth)
}

func answer(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(v) // who is gone needs no answer
}

// pager takes events as PagerDuty does.
func (w *world) pager(rw http.ResponseWriter, r *http.Request) {
	var event struct {
		Key     string `json:"routing_key"`
		Action  string `json:"event_action"`
		Dedup   string `json:"dedup_key"`
		Payload struct{ Summary, Severity string }
	}
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil || event.Key == "" || event.Action == "" {
		http.Error(rw, `{"status":"invalid event"}`, http.StatusBadRequest)
		return
	}
	rw.WriteHeader(http.StatusAccepted)
	answer(rw, map[string]any{"status": "success", "dedup_key": event.Dedup})
	w.say("pager: %s %s %s", event.Action, event.Payload.Severity, oneLine(event.Payload.Summary))
}

// chat is Slack, and shows what is new there.
func (w *world) chat(rw http.ResponseWriter, r *http.Request) {
	w.slack.ServeHTTP(rw, r)
	w.mu.Lock()
	all := w.slack.Messages()
	news := all[min(w.shown, len(all)):]
	w.shown = len(all)
	w.mu.Unlock()
	for _, m := range news {
		more := ""
		for _, a := range m.Attachments {
			more += fmt.Sprint(" | ", a["fallback"])
		}
		w.say("slack: %s", oneLine(m.Text+more))
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// secured is a listener whose certificates are valid for 90 days, and if
// something is wrong that of mail.example.test for 5.
func (w *world) secured(l net.Listener) net.Listener {
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			days := 90
			if w.isWrong() && hello.ServerName == "mail.example.test" {
				days = 5
			}
			w.say("tls: the certificate of %s is valid for %d days", hello.ServerName, days)
			return certificate(hello.ServerName, days)
		},
	})
}

func certificate(host string, days int) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), DNSNames: []string{host},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Duration(days)*24*time.Hour + time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
