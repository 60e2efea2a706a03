package web

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDo(t *testing.T) {
	type seen struct {
		Method, Path, Host, Agent, Auth, Body string
		Length                                int64
	}
	var got seen
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = seen{r.Method, r.RequestURI, r.Host, r.UserAgent(), r.Header.Get("Authorization"), string(body), r.ContentLength}
		w.Header().Set("X", "y")
		w.WriteHeader(418)
		fmt.Fprint(w, "short and stout")
	})
	host := strings.TrimPrefix(s.URL, "http://")
	c := newClient(t, Options{})
	for _, tt := range []struct {
		name string
		r    Request
		want seen
	}{
		{"plain", Request{URL: s.URL}, seen{Method: "GET", Path: "/", Host: host, Agent: "solotick"}},
		{"fragment", Request{URL: s.URL + "/a%2Fb?c=d#e"}, seen{Method: "GET", Path: "/a%2Fb?c=d", Host: host, Agent: "solotick"}},
		{
			"post",
			Request{Method: "POST", URL: s.URL + "/p", Body: []byte("hello")},
			seen{Method: "POST", Path: "/p", Host: host, Agent: "solotick", Body: "hello", Length: 5},
		},
		{"no body", Request{Method: "POST", URL: s.URL + "/p"}, seen{Method: "POST", Path: "/p", Host: host, Agent: "solotick"}},
		{
			"headers",
			Request{URL: s.URL + "/p", Header: http.Header{"host": {"other.test"}, "user-agent": {"me"}}},
			seen{Method: "GET", Path: "/p", Host: "other.test", Agent: "me"},
		},
		{
			"password",
			Request{URL: "http://Aladdin:open%20sesame@" + host + "/p"},
			seen{Method: "GET", Path: "/p", Host: host, Agent: "solotick", Auth: "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		},
		{
			"own authorization",
			Request{URL: "http://Aladdin:x@" + host + "/p", Header: http.Header{"Authorization": {"Bearer y"}}},
			seen{Method: "GET", Path: "/p", Host: host, Agent: "solotick", Auth: "Bearer y"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			given := fmt.Sprint(tt.r)
			resp := do(t, c, tt.r)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if resp.Status != 418 || string(resp.Body) != "short and stout" || resp.Header.Get("X") != "y" || resp.Tries != 1 || resp.Took <= 0 {
				t.Errorf("got %+v", resp)
			}
			if now := fmt.Sprint(tt.r); now != given {
				t.Errorf("the request was changed to %s", now)
			}
		})
	}
}

func TestNotAURL(t *testing.T) {
	c := newClient(t, Options{})
	for _, u := range []string{
		"", "x", "//host/", "ftp://127.0.0.1/", "file:///etc/passwd", "http:", "http://", "http://:80/", "https:opaque",
		"http://a b/", "http://[::1/", "http://a:b/", "unix:///x", "HTTP:/x", "http://%zz/", "http://a/\x00",
	} {
		_, err := c.Do(t.Context(), Request{URL: u})
		wantError(t, err, nil, ErrUncertain)
		wantText(t, err, "GET: ", "URL")
	}
}

// TestOwnConnection hangs up on every second request of a connection, as a server
// does that ends an idle one just then. What is not safe must never meet it.
func TestOwnConnection(t *testing.T) {
	var arrived atomic.Int32
	addr := serveRaw(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for n := range 2 {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			io.Copy(io.Discard, r.Body)
			arrived.Add(1)
			if n == 1 {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	c := newClient(t, Options{})
	do(t, c, Request{URL: "http://" + addr})
	want := int32(1)
	for _, r := range []Request{
		{Method: "POST", Body: []byte("x")},
		{Method: "POST"},
		{Method: "PUT", Body: []byte("x")},
		{Method: "DELETE"},
		{Method: "POST", Header: http.Header{"Idempotency-Key": {"1"}}},
		{Method: "POST", Header: http.Header{"X-Idempotency-Key": {"1"}}},
	} {
		r.URL = "http://" + addr
		do(t, c, r)
		want++
		if got := arrived.Load(); got != want {
			t.Fatalf("%s: %d requests arrived, want %d", r.Method, got, want)
		}
	}
}

// TestNoSilentRepeat holds that a request without retries arrives once, whatever
// the server does with the connection.
func TestNoSilentRepeat(t *testing.T) {
	var arrived atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/warm" {
			return
		}
		arrived.Add(1)
		hangUp(w, r)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	c := newClient(t, Options{TLS: trust(s)})
	do(t, c, Request{URL: s.URL + "/warm"})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		arrived.Store(0)
		_, err := c.Do(t.Context(), Request{Method: method, URL: s.URL, Body: []byte("x"), Header: http.Header{"Idempotency-Key": {"1"}}})
		wantError(t, err, []error{ErrUncertain})
		if n := arrived.Load(); n != 1 {
			t.Errorf("%s arrived %d times", method, n)
		}
	}
}

// TestConnections counts connections and tells their protocol.
func TestConnections(t *testing.T) {
	var opened atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	conf := trust(s)
	conf.NextProtos = []string{"h2"}
	c := newClient(t, Options{TLS: conf})
	for range 3 {
		if got := do(t, c, Request{URL: s.URL}); string(got.Body) != "HTTP/2.0" {
			t.Errorf("GET by %s", got.Body)
		}
		if got := do(t, c.With(Options{}), Request{URL: s.URL}); string(got.Body) != "HTTP/2.0" {
			t.Errorf("GET by %s", got.Body)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for six GET", n)
	}
	for range 2 {
		if got := do(t, c, Request{Method: "POST", URL: s.URL}); string(got.Body) != "HTTP/1.1" {
			t.Errorf("POST by %s", got.Body)
		}
	}
	if n := opened.Load(); n != 3 {
		t.Errorf("%d connections after two POST", n)
	}
}

func TestRefusedConnection(t *testing.T) {
	c := newClient(t, Options{Retries: 1})
	_, err := c.Do(t.Context(), Request{Method: "POST", URL: "http://" + closedPort(t)})
	wantError(t, err, nil, ErrUncertain)
	wantText(t, err, "POST http://127.0.0.1:", "refused", "(try 2)")
}

func TestLostReply(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":    "",
		"half":       "HTTP/1.1 200 OK\r\nA: b\r\n",
		"short body": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
		"chunk":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
	} {
		t.Run(name, func(t *testing.T) {
			addr := serveRaw(t, func(c net.Conn) {
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err == nil {
					io.Copy(io.Discard, r.Body)
					io.WriteString(c, answer)
				}
			})
			_, err := newClient(t, Options{}).Do(t.Context(), Request{Method: "POST", URL: "http://" + addr, Body: []byte("x")})
			wantError(t, err, []error{ErrUncertain})
			wantText(t, err, "closed before the end of the answer")
		})
	}
}

// TestTimes holds who ends what, and how long it is said to have taken.
func TestTimes(t *testing.T) {
	slow := func(head, body time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			pause := func(d time.Duration) {
				select {
				case <-time.After(d):
				case <-r.Context().Done():
				}
			}
			pause(head)
			fmt.Fprint(w, "a")
			w.(http.Flusher).Flush()
			pause(body)
			fmt.Fprint(w, "b")
		}
	}
	mine := errors.New("a cause of the caller's own")
	for _, tt := range []struct {
		name       string
		head, body time.Duration
		timeout    time.Duration
		deadline   time.Duration // of the context
		cancel     time.Duration
		want       error // nil: an answer
		after      time.Duration
	}{
		{name: "answer", head: 3 * time.Second, body: 4 * time.Second, after: 7 * time.Second},
		{name: "timeout before", head: 8 * time.Second, timeout: 5 * time.Second, want: ErrTimeout, after: 5 * time.Second},
		{name: "timeout amid", head: time.Second, body: time.Minute, timeout: 5 * time.Second, want: ErrTimeout, after: 5 * time.Second},
		{name: "default timeout", head: time.Hour, want: ErrTimeout, after: 30 * time.Second},
		{name: "deadline before", head: time.Minute, deadline: 5 * time.Second, want: context.DeadlineExceeded, after: 5 * time.Second},
		{name: "deadline amid", body: time.Minute, deadline: 5 * time.Second, want: context.DeadlineExceeded, after: 5 * time.Second},
		{name: "cancelled before", head: time.Minute, cancel: 5 * time.Second, want: context.Canceled, after: 5 * time.Second},
		{name: "cancelled amid", body: time.Minute, cancel: 5 * time.Second, want: context.Canceled, after: 5 * time.Second},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(tt.name+"/"+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, c := newPipes(t, Options{Timeout: tt.timeout}, slow(tt.head, tt.body))
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					if tt.deadline > 0 {
						var stop func()
						ctx, stop = context.WithTimeoutCause(ctx, tt.deadline, mine)
						defer stop()
					}
					if tt.cancel > 0 {
						time.AfterFunc(tt.cancel, func() { cancel(mine) })
					}
					began := time.Now()
					resp, err := c.Do(ctx, Request{Method: method, URL: "http://a.test/"})
					if got := time.Since(began); got != tt.after {
						t.Errorf("took %s, want %s", got, tt.after)
					}
					if tt.want == nil {
						if err != nil || resp.Took != tt.after || string(resp.Body) != "ab" {
							t.Errorf("got %+v, %v", resp, err)
						}
						return
					}
					wantError(t, err, []error{tt.want, ErrUncertain}, mine)
					if strings.Contains(err.Error(), mine.Error()) {
						t.Errorf("%q tells what is the caller's", err)
					}
					if tt.want == ErrTimeout {
						wantError(t, err, nil, context.DeadlineExceeded)
					}
				})
			})
		}
	}
}

// TestEndedBefore gives a context that is over.
func TestEndedBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newClient(t, Options{Retries: 2}).Do(ctx, Request{Method: "POST", URL: "http://" + closedPort(t)})
	wantError(t, err, []error{context.Canceled}, ErrUncertain)
}

func TestMaxBody(t *testing.T) {
	zipped := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Error("gzip was not asked for")
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.CopyN(z, zeros{}, int64(n))
			z.Close()
		}
	}
	raw := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.CopyN(w, zeros{}, int64(n)) }
	}
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		max  int64
		want int // -1: too large
	}{
		{"default", raw(1 << 20), 0, 1 << 20},
		{"one more", raw(1<<20 + 1), 0, -1},
		{"exactly", raw(100), 100, 100},
		{"more than it may be", raw(101), 100, -1},
		{"none", raw(0), 1, 0},
		{"zipped", zipped(100), 100, 100},
		{"zipped small and large inside", zipped(64 << 20), 0, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var arrived atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				arrived.Add(1)
				tt.h(w, r)
			})
			resp, err := newClient(t, Options{MaxBody: tt.max, Retries: 3}).Do(t.Context(), Request{Method: "PUT", URL: s.URL})
			switch {
			case tt.want < 0:
				wantError(t, err, []error{ErrTooLarge}, ErrUncertain)
				wantText(t, err, "status 200")
			case err != nil || len(resp.Body) != tt.want:
				t.Errorf("got %v", err)
			}
			if n := arrived.Load(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestHugeHeaders(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 100<<10)) })
	_, err := newClient(t, Options{}).Do(t.Context(), Request{Method: "POST", URL: s.URL})
	wantError(t, err, []error{ErrUncertain})
	wantText(t, err, "headers exceeded")
}

// TestContinue sends a body that the server was to be asked about first.
func TestContinue(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	})
	resp := do(t, newClient(t, Options{}), Request{Method: "POST", URL: s.URL, Body: []byte("x"), Header: http.Header{"Expect": {"100-continue"}}})
	if string(resp.Body) != "x" {
		t.Errorf("got %q", resp.Body)
	}
}

func TestProxy(t *testing.T) {
	for _, tt := range []struct {
		name, url string
		o         Options
		want      string // empty: refused
	}{
		{"by the environment", "http://name.test/p?q=r", Options{Proxy: true}, "proxied http://name.test/p?q=r"},
		{"allowed", "http://name.test/", Options{Proxy: true, Reach: Reach{Public: true, Private: prefixes("127.0.0.1/32")}}, "proxied http://name.test/"},
		{"the proxy is refused", "http://name.test/", Options{Proxy: true, Reach: Reach{Public: true}}, ""},
		{"the address is refused", "http://169.254.169.254/", Options{Proxy: true}, ""},
		{"the address is not allowed", "http://10.0.0.1/", Options{Proxy: true, Reach: Reach{Public: true, Private: prefixes("127.0.0.1/32")}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := newClient(t, tt.o).Do(t.Context(), Request{URL: tt.url})
			if tt.want == "" {
				wantError(t, err, []error{ErrRefusedAddress}, ErrUncertain)
			} else if err != nil || string(resp.Body) != tt.want {
				t.Errorf("got %v, %v", resp, err)
			}
		})
	}
}

// TestNoProxy holds that the environment is not asked unless told so.
func TestNoProxy(t *testing.T) {
	c := newClient(t, Options{})
	c.pool.resolver = fakeDNS(t, map[string][]string{"name.test": {""}})
	_, err := c.Do(t.Context(), Request{URL: "http://name.test/"})
	wantText(t, err, "lookup name.test", "no such host")
}

// TestManyAtOnce is for the race detector.
func TestManyAtOnce(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that were opened and not needed
	s.StartTLS()
	t.Cleanup(s.Close)
	conf := trust(s)
	var all sync.WaitGroup
	for range 4 {
		c := newClient(t, Options{TLS: conf})
		for _, method := range []string{"GET", "POST", "GET", "PUT"} {
			all.Go(func() {
				resp, err := c.With(Options{Timeout: time.Minute}).Do(t.Context(), Request{Method: method, URL: s.URL})
				if err != nil || string(resp.Body) != method {
					t.Errorf("%s: %v, %v", method, resp, err)
				}
				c.Close()
			})
		}
	}
	all.Wait()
}

// TestIdleClientsAreCheap is for a thousand jobs of three steps each.
func TestIdleClientsAreCheap(t *testing.T) {
	const n = 3000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	clients := make([]*Client, n)
	for i := range clients {
		clients[i] = New(Options{Retries: i, Reach: Reach{Public: true, Private: []netip.Prefix{}}})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n
	t.Logf("%d bytes per client", each)
	if each > 2<<10 {
		t.Errorf("%d bytes per client", each)
	}
	runtime.KeepAlive(clients)
}
