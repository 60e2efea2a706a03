package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/solotick/solotick/elect"
)

// electStatus is what a sidecar answers.
type electStatus struct {
	Schema   string     `json:"schema"`
	Name     string     `json:"name"`
	Record   string     `json:"record"`
	Agent    string     `json:"agent"` // who answers
	IsLeader bool       `json:"is_leader"`
	Fence    int64      `json:"fence,omitempty"`  // of the leadership, if it is this agent's
	Leader   string     `json:"leader,omitempty"` // who leads, as far as this agent has seen
	Until    *time.Time `json:"until,omitempty"`  // when that ends unless it is renewed
	Paused   bool       `json:"paused,omitempty"` // nobody takes it
	Seen     *time.Time `json:"seen,omitempty"`   // when the record was last seen
}

// status is how things are now. This process leads only for as long as nobody else
// can, whatever it did last.
func (c *campaign) status() electStatus {
	st := electStatus{Schema: "solotick.elect/v1", Name: c.name, Record: c.at, Agent: c.ID}
	r, seen := c.latest()
	if !seen.IsZero() {
		at := seen.UTC().Truncate(time.Millisecond)
		st.Seen = &at
		st.Paused = r.Pause < 0 || r.Pause > seen.Unix()
	}
	if held := c.leading.Load(); held != nil {
		if held.Safe() > 0 && held.Context().Err() == nil {
			until := time.Now().Add(held.Left()).UTC().Truncate(time.Millisecond)
			st.IsLeader, st.Leader, st.Fence, st.Until = true, c.ID, held.Fence(), &until
			return st
		}
	}
	if until := time.Unix(elect.Until(&c.Policy, seen, r), 0).UTC(); r.Claimed && r.ID != c.ID && until.After(seen) {
		st.Leader, st.Until = plain(r.ID), &until
	}
	return st
}

// serve answers until ctx ends.
func (c *campaign) serve(ctx context.Context, l net.Listener) {
	answer := func(w http.ResponseWriter, st electStatus, code int) {
		text, err := json.MarshalIndent(st, "", "  ")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(code)
		_, _ = w.Write(append(text, '\n'))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.status(), http.StatusOK) })
	mux.HandleFunc("GET /leader", func(w http.ResponseWriter, _ *http.Request) {
		st, code := c.status(), http.StatusServiceUnavailable
		if st.IsLeader {
			code = http.StatusOK
		}
		answer(w, st, code)
	})
	s := &http.Server{
		Handler: ownHost(l.Addr(), mux), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.Serve(&fewListener{Listener: l, room: make(chan struct{}, mostConns)}); err != nil && !errors.Is(err, http.ErrServerClosed) {
		c.Log.Error("--http: no longer answering; the election goes on", "err", err)
	}
}

// mostConns is how many may ask at once; more wait.
const mostConns = 64

// A fewListener takes no more connections than there is room for.
type fewListener struct {
	net.Listener
	room chan struct{}
}

func (l *fewListener) Accept() (net.Conn, error) {
	l.room <- struct{}{}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &fewConn{Conn: conn, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

type fewConn struct {
	net.Conn
	leave func()
}

func (c *fewConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
