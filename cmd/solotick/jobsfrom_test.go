package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/solotick/solotick/config"
)

// A shelf is a list of jobs on a web server.
type shelf struct {
	text  atomic.Value // what is there
	hangs atomic.Bool  // nobody gets an answer
	fails atomic.Bool  // everybody gets status 500
	log   logBuffer    // of who reads it
	from  *jobsFrom    // who reads it
}

const oneJob = "version: 1\njobs: { listed: { every: 60s, steps: [ { http: https://api.example.com } ] } }\n"

func newShelf(t *testing.T, more string) *shelf {
	t.Helper()
	s := new(shelf)
	s.text.Store(oneJob)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := config.Parse("solotick.yaml", []byte("version: 1\ndns: { provider: rfc2136, zone: t.test, server: 127.0.0.1 }\njobs_from: { url: \""+
		server.URL+"/jobs.yaml\", insecure: true"+more+" }\n"))
	if err != nil {
		t.Fatal(err)
	}
	if s.from, err = newJobsFrom(c, nil, slog.New(slog.NewTextHandler(&s.log, nil))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.from.source.Close)
	return s
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.hangs.Load():
		<-r.Context().Done()
	case s.fails.Load():
		w.WriteHeader(http.StatusInternalServerError)
	default:
		_, _ = io.WriteString(w, s.text.Load().(string))
	}
}

// errors are the lines of level ERROR since the last call, without their ends.
func (s *shelf) errors() (n int, text string) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	text = s.log.b.String()
	s.log.b.Reset()
	return strings.Count(text, "level=ERROR"), text
}

// TestListTroubles: a list that cannot be used is told of once, for as long as it
// is the same trouble, and its end is told of.
func TestListTroubles(t *testing.T) {
	s := newShelf(t, ", timeout: 1500ms")
	check := func(want int, says string) {
		t.Helper()
		s.from.check(context.Background())
		n, text := s.errors()
		if n != want || !strings.Contains(text, says) {
			t.Errorf("%d errors, want %d and the words %q:\n%s", n, want, says, text)
		}
	}
	check(0, "list of jobs read")
	s.hangs.Store(true)
	check(1, "no answer within 1.5s")
	check(0, "") // the run waits for a second only, and the error has other words
	s.hangs.Store(false)
	s.fails.Store(true)
	check(0, "")
	s.fails.Store(false)
	check(0, "well again")

	s.text.Store(strings.Replace(oneJob, "every", "evry", 1))
	check(1, "/jobs.yaml:2:19: ")
	check(0, "")
	s.fails.Store(true)
	check(1, "500 Internal Server Error")
	s.fails.Store(false)
	check(1, "has mistakes") // it can be read again, and is no better
	check(0, "")
	if d := s.from.patience(); d < 10e9 {
		t.Errorf("a run waits %v for a server that answers", d)
	}
	s.text.Store(oneJob)
	check(0, "well again")
	if jobs, _ := s.from.taken(); len(jobs) != 1 || jobs[0].Name != "listed" {
		t.Errorf("the jobs in force are %v", jobs)
	}
}
