package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/elect"
)

// A shelf is a list of jobs on a web server.
type shelf struct {
	text  atomic.Value // what is there
	hangs atomic.Bool  // nobody gets an answer
	fails atomic.Bool  // everybody gets status 500
	slow  atomic.Bool  // an answer takes longer than a run waits in times of trouble
	key   string       // the agent's
	log   logBuffer    // the agent's

	reloader reloader
}

const oneJob = "version: 1\njobs: { listed: { every: 60s, steps: [ { http: https://api.example.com } ] } }\n"

func newShelf(t *testing.T, more string) *shelf {
	t.Helper()
	s := new(shelf)
	s.text.Store(oneJob)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	s.key = filepath.Join(dir, "key")
	file := filepath.Join(dir, "solotick.yaml")
	s.putKey(t)
	text := fmt.Sprintf("version: 1\ndns: { provider: rfc2136, zone: t.test, server: 127.0.0.1, tsig: \"${file:%s}\" }\njobs_from: { url: %q, insecure: true%s }\n",
		s.key, server.URL+"/jobs.yaml", more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	s.reloader = reloader{path: file, log: log, fleet: newFleet("TESTAGENT", log, io.Discard, io.Discard), last: c, hash: c.Hash}
	return s
}

func (s *shelf) putKey(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(s.key, []byte("solotick:c29sb3RpY2sgc29sb3RpY2sgc29sb3RpY2sgLi4="), 0o600); err != nil {
		t.Fatal(err)
	}
}

// begin makes the first crews.
func (s *shelf) begin(t *testing.T) {
	t.Helper()
	crews, err := s.reloader.begin(t.Context())
	if err != nil || len(crews) != 1 {
		t.Fatalf("%d jobs at the beginning (%v)", len(crews), err)
	}
	t.Cleanup(func() { s.reloader.from.source.Close() })
}

// look has the list looked at as for a run, and returns the jobs of the crews that
// follow.
func (s *shelf) look(hup bool) (jobs []string) {
	s.reloader.from.check(context.Background())
	for _, c := range s.reloader.news(context.Background(), hup) {
		jobs = append(jobs, c.member.Name)
	}
	return jobs
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.hangs.Load():
		<-r.Context().Done()
	case s.fails.Load():
		w.WriteHeader(http.StatusInternalServerError)
	case s.slow.Load():
		time.Sleep(1300 * time.Millisecond)
		fallthrough
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
	s.begin(t)
	check := func(want int, says string) {
		t.Helper()
		s.look(false)
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
	if d := s.reloader.from.patience(); d < 10*time.Second {
		t.Errorf("a run waits %v for a server that answers", d)
	}
	s.text.Store(oneJob)
	check(0, "well again")
	if job, err := s.reloader.from.job(t.Context(), "listed"); err != nil || job.Every != time.Minute {
		t.Errorf("the job in force is every %v (%v)", job.Every, err)
	}
}

// TestListUnusable: a list that no agents can be made of is in force as soon as
// they can, and until then the old one is, also for a configuration that is read
// again.
func TestListUnusable(t *testing.T) {
	s := newShelf(t, "")
	s.begin(t)
	s.errors()
	if err := os.Remove(s.key); err != nil {
		t.Fatal(err)
	}
	s.text.Store(strings.ReplaceAll(oneJob, "listed", "another"))
	if jobs := s.look(false); jobs != nil {
		t.Errorf("jobs %v without a key", jobs)
	}
	s.look(false)
	if n, text := s.errors(); n != 1 || !strings.Contains(text, "cannot be used") {
		t.Errorf("%d errors, want one, that the list cannot be used:\n%s", n, text)
	}
	if _, err := s.reloader.from.job(t.Context(), "listed"); err != nil {
		t.Errorf("the old job is not in force: %v", err)
	}
	s.putKey(t)
	if diff := cmp.Diff([]string{"another"}, s.look(false)); diff != "" {
		t.Errorf("jobs with a key again (-want +got):\n%s", diff)
	}
	if n, text := s.errors(); n != 0 || !strings.Contains(text, "well again") {
		t.Errorf("%d errors, want none, and that the list is well again:\n%s", n, text)
	}
}

// TestListReadAgain: a configuration that is read again while the newest list
// cannot be used has the jobs of the old one.
func TestListReadAgain(t *testing.T) {
	s := newShelf(t, "")
	s.begin(t)
	for _, trouble := range []func(){
		func() { s.text.Store("version: 2") },
		func() { s.fails.Store(true) },
	} {
		trouble()
		if diff := cmp.Diff([]string{"listed"}, s.look(true)); diff != "" {
			t.Errorf("jobs (-want +got):\n%s", diff)
		}
	}
}

// TestListHangs: a list that does not come leaves a run the time that the old one
// needs.
func TestListHangs(t *testing.T) {
	s := newShelf(t, "")
	s.begin(t)
	s.hangs.Store(true)
	const timeout = 2 * time.Second
	began := time.Now()
	m := member{Name: "listed", From: true, Policy: elect.Policy{Timeout: timeout}}
	plan, err := s.reloader.fleet.plan(t.Context(), m)
	if took := time.Since(began); err != nil || plan == nil || took >= timeout {
		t.Errorf("plan %v after %v (%v), want one before %v", plan, took, err, timeout)
	}
	if n, text := s.errors(); n != 1 || !strings.Contains(text, "cannot be read") {
		t.Errorf("%d errors, want one, that the list cannot be read:\n%s", n, text)
	}
}

// TestListSlow: a list that always takes longer than runs wait for it in times of
// trouble is well again all the same.
func TestListSlow(t *testing.T) {
	s := newShelf(t, "")
	s.begin(t)
	s.fails.Store(true)
	s.look(false)
	s.fails.Store(false)
	s.slow.Store(true)
	from := s.reloader.from
	from.look(t.Context(), true)
	for end := time.Now().Add(20 * time.Second); !from.definition().OK; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still in trouble: %+v", from.definition())
		}
	}
}

// TestListAndACut: a run that is cut while it waits for the list says nothing
// about the list.
func TestListAndACut(t *testing.T) {
	s := newShelf(t, "")
	s.begin(t)
	s.hangs.Store(true)
	for _, cause := range []error{nil, errors.New("shutdown grace over")} {
		ctx, cut := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cut(cause) })
		if job, err := s.reloader.from.job(ctx, "listed"); err != nil || job.Name != "listed" {
			t.Errorf("job %q (%v)", job.Name, err)
		}
	}
	if d := s.reloader.from.definition(); !d.OK {
		t.Errorf("the list is in trouble: %s", d.Error)
	}
}

// rewrite replaces text of the agent's own file.
func (s *shelf) rewrite(t *testing.T, old, by string) {
	t.Helper()
	text, err := os.ReadFile(s.reloader.path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, by, 1)
	if changed == string(text) {
		t.Fatalf("no %q in\n%s", old, text)
	}
	if err := os.WriteFile(s.reloader.path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestListAndANewFile: a new file that trusts another list, or with which the list
// cannot be used, does not run the old one.
func TestListAndANewFile(t *testing.T) {
	for name, tt := range map[string]struct{ by, says string }{
		"another hash":   {", sha256: " + strings.Repeat("0", 64) + " }\n", ""},
		"a signature":    {", public_key: RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3 }\n", ""},
		"the same names": {" }\njobs: { listed: { every: 1h, exec: [true] } }\n", "its jobs are let go"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t, "")
			s.begin(t)
			s.errors()
			s.fails.Store(true)
			s.rewrite(t, "insecure: true }\n", "insecure: true"+tt.by)
			for _, c := range s.reloader.news(t.Context(), false) {
				if c.member.From {
					t.Errorf("the job %s of the old list is run", c.member.Name)
				}
			}
			if _, text := s.errors(); !strings.Contains(text, tt.says) || strings.Contains(text, "go on with") {
				t.Errorf("the log says\n%s", text)
			}
		})
	}
}

// TestFileComesBack: what is told of a file is what is wrong with it now.
func TestFileComesBack(t *testing.T) {
	s := newShelf(t, "")
	s.begin(t)
	r := &s.reloader
	s.rewrite(t, "version: 1", "version: 9")
	r.news(t.Context(), false)
	away := r.path + ".away"
	for _, to := range [][2]string{{r.path, away}, {away, r.path}} {
		if err := os.Rename(to[0], to[1]); err != nil {
			t.Fatal(err)
		}
		r.news(t.Context(), false)
	}
	if r.trouble == nil || !strings.Contains(r.trouble.Error(), "version") {
		t.Errorf("the file has mistakes, and the trouble is %v", r.trouble)
	}
	s.rewrite(t, "version: 9", "version: 1")
	r.news(t.Context(), false)
	if r.trouble != nil {
		t.Errorf("the file is as it was, and the trouble is %v", r.trouble)
	}
}
