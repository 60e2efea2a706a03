package source_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/source"
)

var quiet = log.New(io.Discard, "", 0)

// A shelf is a web server with texts. The conditions are judged by net/http.
type shelf struct {
	mu    sync.Mutex
	texts map[string]*text // by path
	asked []string         // path, condition and status of each request
	last  *http.Request
}

type text struct {
	text, etag string
	modified   time.Time // zero: not said
}

func (s *shelf) put(path, body, etag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.texts == nil {
		s.texts = map[string]*text{}
	}
	s.texts[path] = &text{text: body, etag: etag}
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := httptest.NewRecorder()
	if text := s.texts[r.URL.Path]; text == nil {
		http.NotFound(rec, r)
	} else {
		if text.etag != "" {
			rec.Header().Set("ETag", text.etag)
		}
		rec.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
		rec.Header().Set("Content-Type", "application/yaml")
		http.ServeContent(rec, r, "", text.modified, strings.NewReader(text.text))
	}
	condition := r.Header.Get("If-None-Match") + r.Header.Get("If-Modified-Since")
	s.asked = append(s.asked, strings.TrimSpace(fmt.Sprintf("%s %d %s", r.URL.Path, rec.Code, condition)))
	s.last = r
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes())
}

// heard returns and forgets what was asked.
func (s *shelf) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *shelf) wantHeard(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.heard()); diff != "" {
		t.Fatalf("requests (-want +got):\n%s", diff)
	}
}

// serve starts a server with an untampered certificate.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	return serveTLS(t, h, internet.ca.leaf("127.0.0.1", time.Hour))
}

func TestUnchanged(t *testing.T) {
	var lib shelf
	s := open(t, source.Options{URL: serve(t, &lib).URL + "/jobs.yaml"})

	lib.put("/jobs.yaml", "one", `"1"`)
	doc := want(t, s, "one", true)
	if doc.Version != `"1"` || doc.SHA256 != "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed" {
		t.Errorf("got version %s, sha256 %s", doc.Version, doc.SHA256)
	}
	lib.wantHeard(t, "/jobs.yaml 200")
	again := want(t, s, "one", false)
	lib.wantHeard(t, `/jobs.yaml 304 "1"`)
	if !again.Fetched.After(doc.Fetched) {
		t.Errorf("a text that was confirmed at %s is said to be from %s", again.Fetched, doc.Fetched)
	}

	lib.put("/jobs.yaml", "two", `W/"2"`)
	want(t, s, "two", true)
	lib.wantHeard(t, `/jobs.yaml 200 "1"`)
	want(t, s, "two", false)
	lib.wantHeard(t, `/jobs.yaml 304 W/"2"`)

	// Written again as it was: another version of the same text.
	lib.put("/jobs.yaml", "two", `"3"`)
	if doc := want(t, s, "two", false); doc.Version != `"3"` {
		t.Errorf("got version %s", doc.Version)
	}
	lib.put("/jobs.yaml", "one", `"1"`)
	want(t, s, "one", true)
}

func TestNoETag(t *testing.T) {
	var lib shelf
	s := open(t, source.Options{URL: serve(t, &lib).URL + "/jobs.yaml"})
	put := func(body string, age time.Duration) string {
		lib.put("/jobs.yaml", body, "")
		modified := time.Now().Add(-age)
		if age > 0 {
			lib.texts["/jobs.yaml"].modified = modified
		}
		return modified.UTC().Format(http.TimeFormat)
	}

	put("one", 0)
	if doc := want(t, s, "one", true); doc.Version != doc.SHA256 {
		t.Errorf("got version %s", doc.Version)
	}
	want(t, s, "one", false)
	lib.wantHeard(t, "/jobs.yaml 200", "/jobs.yaml 200")

	// A time that has just been is no condition: the next text may have it too.
	put("two", time.Nanosecond)
	want(t, s, "two", true)
	put("six", time.Nanosecond)
	want(t, s, "six", true)
	lib.wantHeard(t, "/jobs.yaml 200", "/jobs.yaml 200")

	modified := put("seven", time.Minute)
	want(t, s, "seven", true)
	want(t, s, "seven", false)
	lib.wantHeard(t, "/jobs.yaml 200", "/jobs.yaml 304 "+modified)
	put("eight", 0)
	want(t, s, "eight", true)
}

func TestStatus(t *testing.T) {
	for _, test := range []struct {
		status   int
		is       error
		says     string
		requests int
	}{
		{404, source.ErrNotFound, "not found: 404 Not Found", 1},
		{410, source.ErrNotFound, "not found: 410 Gone", 1},
		{401, source.ErrDenied, "access denied: 401 Unauthorized", 1},
		{403, source.ErrDenied, "access denied: 403 Forbidden", 1},
		{204, nil, ": 204 No Content", 1},
		{206, nil, ": 206 Partial Content", 1},
		{304, nil, ": 304 Not Modified", 1}, // without having been asked on a condition
		{500, nil, ": 500 Internal Server Error", 1},
		{503, nil, ": 503 Service Unavailable", 2},
		{599, nil, ": 599", 1},
	} {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			requests := 0
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests++
				w.WriteHeader(test.status)
			}))
			s := open(t, source.Options{URL: srv.URL + "/jobs.yaml?token=hunter2", Timeout: 10 * time.Second})
			err := fails(t, s, test.is)
			if got, want := err.Error(), "source: "+srv.URL+"/jobs.yaml: "+strings.TrimPrefix(test.says, ": "); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if requests != test.requests {
				t.Errorf("%d requests; want %d", requests, test.requests)
			}
		})
	}
}

func TestSize(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat("0", n) }
	var lib shelf
	srv := serve(t, &lib)
	for _, test := range []struct {
		size int
		max  int64
		is   error
	}{
		{0, 10, nil},
		{10, 10, nil},
		{11, 10, source.ErrTooLarge},
		{1 << 20, 0, nil},
		{1<<20 + 1, 0, source.ErrTooLarge},
		{3 << 20, 10, source.ErrTooLarge},
	} {
		t.Run(fmt.Sprint(test.size, test.max), func(t *testing.T) {
			lib.put("/jobs.yaml", zeros(test.size), "")
			s := open(t, source.Options{URL: srv.URL + "/jobs.yaml", MaxSize: test.max})
			if test.is != nil {
				fails(t, s, test.is)
				return
			}
			want(t, s, zeros(test.size), true)
		})
	}
	t.Run("compressed", func(t *testing.T) {
		var small bytes.Buffer
		zip := gzip.NewWriter(&small)
		io.WriteString(zip, zeros(5<<20))
		zip.Close()
		srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(small.Bytes())
		}))
		fails(t, open(t, source.Options{URL: srv.URL}), source.ErrTooLarge)
	})
}

func TestNoAnswer(t *testing.T) {
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/half" {
			io.WriteString(w, "jobs:")
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}))
	for _, path := range []string{"/never", "/half"} {
		t.Run(path, func(t *testing.T) {
			s := open(t, source.Options{URL: srv.URL + path, Timeout: 50 * time.Millisecond})
			err := fails(t, s, nil)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 50ms") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := open(t, source.Options{URL: srv.URL + "/never"})
		result := make(chan error)
		go func() {
			_, err := s.Fetch(ctx)
			result <- err
		}()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "no answer within") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("for the caller", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := open(t, source.Options{URL: srv.URL + "/never"}).Fetch(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "no answer within") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		gone := httptest.NewServer(nil)
		gone.Close()
		where := strings.Replace(gone.URL, "://", "://robot:hunter2@", 1) + "/jobs.yaml?token=hunter2"
		err := fails(t, open(t, source.Options{URL: where, Insecure: true, Timeout: 10 * time.Second}), nil)
		if !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cut", func(t *testing.T) {
		srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "jobs:")
		}))
		err := fails(t, open(t, source.Options{URL: srv.URL, Timeout: 10 * time.Second}), nil)
		if !strings.Contains(err.Error(), "before the end of the answer") || strings.Contains(err.Error(), "may have been received") {
			t.Errorf("got %v", err)
		}
	})
}

func TestBrokenTLS(t *testing.T) {
	var lib shelf
	lib.put("/", "text", "")
	for name, test := range map[string]struct {
		cert *authority
		host string
		ends time.Duration
		says string
	}{
		"unknown authority": {newAuthority(), "127.0.0.1", time.Hour, "unknown authority"},
		"expired":           {internet.ca, "127.0.0.1", -time.Hour, "expired"},
		"another's":         {internet.ca, "127.0.0.2", time.Hour, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := serveTLS(t, &lib, test.cert.leaf(test.host, test.ends))
			err := fails(t, open(t, source.Options{URL: srv.URL, Timeout: 10 * time.Second}), nil)
			if !strings.Contains(err.Error(), "certificate") || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
	if n := len(lib.heard()); n > 0 {
		t.Errorf("%d requests were sent all the same", n)
	}
}

func TestRedirect(t *testing.T) {
	var other shelf
	other.put("/jobs.yaml", "elsewhere", `"1"`)
	there := serve(t, &other)
	plain := httptest.NewServer(&other)
	t.Cleanup(plain.Close)

	var lib shelf
	lib.put("/jobs.yaml", "here", `"1"`)
	here := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{
			"/same": "/jobs.yaml", "/other": there.URL + "/jobs.yaml", "/plain": plain.URL + "/jobs.yaml", "/loop": "/loop", "/file": "file:///etc/passwd",
		}[r.URL.Path]
		if to == "" {
			lib.ServeHTTP(w, r)
			return
		}
		http.Redirect(w, r, to, http.StatusFound)
	}))
	from := func(path string) *source.Source {
		header := http.Header{"Authorization": {"Bearer hunter2"}, "X-Key": {"hunter2"}}
		return open(t, source.Options{URL: here.URL + path + "?token=hunter2", Header: header, Timeout: 10 * time.Second})
	}

	want(t, from("/same"), "here", true)
	if got := lib.last.Header.Get("Authorization"); got != "Bearer hunter2" {
		t.Errorf("to the same host: Authorization %q", got)
	}
	want(t, from("/other"), "elsewhere", true)
	for name, values := range other.last.Header {
		if strings.Contains(strings.Join(values, " "), "hunter2") {
			t.Errorf("to another host: %s: %q", name, values)
		}
	}
	for path, says := range map[string]string{"/plain": "from https to http", "/loop": "more than 9 times", "/file": "no address of http"} {
		err := fails(t, from(path), nil)
		if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestRequest(t *testing.T) {
	var lib shelf
	lib.put("/a b/jöbs%.yaml", "text", "")
	srv := serve(t, &lib)
	where := strings.Replace(srv.URL, "https://", "https://robot:hunter2@", 1) + "/a%20b/j%C3%B6bs%25.yaml?token=a%2Bb"
	s := open(t, source.Options{URL: where, Header: http.Header{"X-Key": {"k"}}})
	want(t, s, "text", true)
	r := lib.last
	if user, password, _ := r.BasicAuth(); user != "robot" || password != "hunter2" {
		t.Errorf("got user %q, password %q", user, password)
	}
	if r.URL.RawQuery != "token=a%2Bb" || r.Header.Get("X-Key") != "k" || r.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("got %s %v", r.URL, r.Header)
	}
	if got, want := s.String(), srv.URL+"/a%20b/j%C3%B6bs%25.yaml"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func TestReach(t *testing.T) {
	var lib shelf
	lib.put("/", "text", "")
	where := serve(t, &lib).URL
	err := fails(t, open(t, source.Options{URL: where, Reach: web.Reach{Public: true}}), nil)
	if !errors.Is(err, web.ErrRefusedAddress) {
		t.Errorf("got %v", err)
	}
	allowed := web.Reach{Public: true, Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	want(t, open(t, source.Options{URL: where, Reach: allowed}), "text", true)
}

// TestOneRequest has many ask at once, and the first of them give up.
func TestOneRequest(t *testing.T) {
	asked := make(chan struct{})
	answer := make(chan struct{})
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-answer:
			io.WriteString(w, "text")
		case <-r.Context().Done():
		}
	}))
	s := open(t, source.Options{URL: srv.URL, Timeout: time.Minute})
	ctx, giveUp := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := s.Fetch(ctx)
		first <- err
	}()
	<-asked
	type result struct {
		doc source.Document
		err error
	}
	results := make(chan result)
	ready := make(chan struct{})
	for range 20 {
		go func() {
			ready <- struct{}{}
			doc, err := s.Fetch(t.Context())
			results <- result{doc, err}
		}()
	}
	for range 20 {
		<-ready
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Fetch(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits and gives up got %v", err)
	}
	giveUp()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got %v", err)
	}
	close(answer)
	// One of the others goes on. Those that had not begun to wait when the answer came ask once more.
	requests := 0
	for got := 0; got < 20; {
		select {
		case r := <-results:
			got++
			if r.err != nil || string(r.doc.Text) != "text" {
				t.Errorf("got %q, %v", r.doc.Text, r.err)
			}
		case <-asked:
			requests++
		}
	}
	if requests > 10 {
		t.Errorf("%d requests for 20 that ask at once", requests)
	}
}
