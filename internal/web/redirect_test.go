package web

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secrets are headers that must not go to another host.
var secrets = []string{"Authorization", "Cookie", "X-Api-Key", "Www-Authenticate", "Content-Type", "Referer", "Proxy-Authorization"}

// A host is a server that notes what it is asked and redirects as it is told.
type host struct {
	*httptest.Server
	mu    sync.Mutex
	to    map[string]string // by path, where the answer points to
	code  int
	notes []string
}

func newHost(t *testing.T, name string, start func(*httptest.Server)) *host {
	t.Helper()
	h := &host{to: map[string]string{}, code: http.StatusFound}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		note := fmt.Sprintf("%s %s %s", r.Method, name, r.URL.Path)
		for _, k := range secrets {
			if v := r.Header.Get(k); v != "" {
				note += " " + k
			}
		}
		if r.Host != strings.SplitN(h.URL, "//", 2)[1] {
			note += " as " + r.Host
		}
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			note += " by " + r.TLS.PeerCertificates[0].Subject.CommonName
		}
		if r.Header.Get("Accept") != "text/x" || r.UserAgent() != "solotick" {
			note += " without what it accepts"
		}
		h.notes = append(h.notes, note)
		if to, ok := h.to[r.URL.Path]; ok {
			w.Header().Set("Location", to)
			w.WriteHeader(h.code)
		}
		fmt.Fprint(w, name)
	}))
	start(h.Server)
	t.Cleanup(h.Close)
	return h
}

func (h *host) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.notes
	h.notes = nil
	return all
}

func TestRedirects(t *testing.T) {
	a, b := newHost(t, "a", (*httptest.Server).Start), newHost(t, "b", (*httptest.Server).Start)
	safe := newHost(t, "safe", (*httptest.Server).StartTLS)
	all := " Authorization Cookie X-Api-Key Content-Type"
	for _, tt := range []struct {
		name, method, url string
		policy            Redirects
		code              int
		a, b, safe        map[string]string
		host              string // header
		body              string
		want              []string // requests, in the order of a, b, safe
		status            int
		err               string
	}{
		{
			name: "same host", a: map[string]string{"/1": "/2", "/2": a.URL + "/3"},
			want: []string{"GET a /1" + all, "GET a /2" + all, "GET a /3" + all}, status: 200,
		},
		{name: "moved for good", code: 301, a: map[string]string{"/1": "2"}, want: []string{"GET a /1" + all, "GET a /2" + all}, status: 200},
		{name: "see other", code: 303, a: map[string]string{"/1": "2"}, want: []string{"GET a /1" + all, "GET a /2" + all}, status: 200},
		{name: "for now", code: 307, a: map[string]string{"/1": "2"}, want: []string{"GET a /1" + all, "GET a /2" + all}, status: 200},
		{name: "for ever", code: 308, a: map[string]string{"/1": "2"}, want: []string{"GET a /1" + all, "GET a /2" + all}, status: 200},
		{name: "a choice", code: 300, a: map[string]string{"/1": "2"}, want: []string{"GET a /1" + all}, status: 300},
		{name: "not modified", code: 304, a: map[string]string{"/1": "2"}, want: []string{"GET a /1" + all}, status: 304},
		{name: "head", method: "HEAD", a: map[string]string{"/1": b.URL + "/2"}, want: []string{"HEAD a /1" + all, "HEAD b /2"}, status: 200},
		{name: "other host", a: map[string]string{"/1": b.URL + "/2"}, want: []string{"GET a /1" + all, "GET b /2"}, status: 200},
		{
			name: "there and back", a: map[string]string{"/1": b.URL + "/2"}, b: map[string]string{"/2": a.URL + "/3"},
			want: []string{"GET a /1" + all, "GET a /3", "GET b /2"}, status: 200,
		},
		{
			name: "on at another host", a: map[string]string{"/1": b.URL + "/2"}, b: map[string]string{"/2": "/3"},
			want: []string{"GET a /1" + all, "GET b /2", "GET b /3"}, status: 200,
		},
		{name: "to https", a: map[string]string{"/1": safe.URL + "/2"}, want: []string{"GET a /1" + all, "GET safe /2"}, status: 200},
		{
			name: "from https to http", url: safe.URL + "/1", safe: map[string]string{"/1": b.URL + "/2"},
			want: []string{"GET safe /1" + all}, err: "status 302: redirected from https to http (127.0.0.1:",
		},
		{
			name: "by https to http", a: map[string]string{"/1": safe.URL + "/2"}, safe: map[string]string{"/2": a.URL + "/3"},
			want: []string{"GET a /1" + all, "GET safe /2"}, err: "redirected from https to http",
		},
		{
			name: "same host only", policy: SameHost, a: map[string]string{"/1": "/2"},
			want: []string{"GET a /1" + all, "GET a /2" + all}, status: 200,
		},
		{
			name: "same host only, and not to it", policy: SameHost, a: map[string]string{"/1": b.URL + "/2"},
			want: []string{"GET a /1" + all}, err: "redirected to another host (http://127.0.0.1:",
		},
		{
			name: "same host only, and to a like one", policy: SameHost, a: map[string]string{"/1": strings.Replace(a.URL, "127.0.0.1", "localhost", 1) + "/2"},
			want: []string{"GET a /1" + all}, err: "redirected to another host (http://localhost:",
		},
		{name: "never", policy: Never, a: map[string]string{"/1": "/2"}, want: []string{"GET a /1" + all}, status: 302},
		{name: "post", method: "POST", code: 307, a: map[string]string{"/1": "/2"}, want: []string{"POST a /1" + all}, status: 307},
		{name: "post for good", method: "POST", code: 301, a: map[string]string{"/1": "/2"}, want: []string{"POST a /1" + all}, status: 301},
		{name: "delete", method: "DELETE", code: 308, a: map[string]string{"/1": b.URL}, want: []string{"DELETE a /1" + all}, status: 308},
		{name: "get with a body", body: "x", code: 307, a: map[string]string{"/1": "/2"}, want: []string{"GET a /1" + all}, status: 307},
		{name: "no location", code: 302, a: map[string]string{"/1": ""}, want: []string{"GET a /1" + all}, status: 302},
		{
			name: "a name of its own", host: "virtual.test", a: map[string]string{"/1": "/2"},
			want: []string{"GET a /1" + all + " as virtual.test", "GET a /2" + all + " as virtual.test"}, status: 200,
		},
		{
			name: "a name of its own, elsewhere", host: "virtual.test", a: map[string]string{"/1": b.URL + "/2"}, b: map[string]string{"/2": a.URL + "/3"},
			want: []string{"GET a /1" + all + " as virtual.test", "GET a /3", "GET b /2"}, status: 200,
		},
		{
			name: "a password that others give", a: map[string]string{"/1": strings.Replace(b.URL, "//", "//u:p@", 1) + "/2"},
			want: []string{"GET a /1" + all, "GET b /2"}, status: 200,
		},
		{
			name: "a scheme", a: map[string]string{"/1": "ftp://127.0.0.1/"},
			want: []string{"GET a /1" + all}, err: "redirected to what is no address",
		},
		{
			name: "a file", a: map[string]string{"/1": "file:///etc/passwd"},
			want: []string{"GET a /1" + all}, err: "redirected to what is no address",
		},
		{
			name: "nonsense", a: map[string]string{"/1": "http://[::1"},
			want: []string{"GET a /1" + all}, err: "redirected to what is no address",
		},
		{
			name: "metadata", a: map[string]string{"/1": "http://169.254.169.254/latest/"},
			want: []string{"GET a /1" + all}, err: "redirected to http://169.254.169.254: refused address",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for h, to := range map[*host]map[string]string{a: tt.a, b: tt.b, safe: tt.safe} {
				h.to, h.code = to, max(tt.code, 300)
				if tt.code == 0 {
					h.code = 302
				}
			}
			c := newClient(t, Options{Redirects: tt.policy, TLS: trust(safe.Server), Retries: 2})
			r := Request{Method: tt.method, URL: tt.url, Header: http.Header{
				"authorization": {"s"}, "Cookie": {"a=b"}, "x-api-key": {"s"}, "Content-Type": {"s"}, "Accept": {"text/x"},
			}}
			if tt.url == "" {
				r.URL = a.URL + "/1"
			}
			if tt.host != "" {
				r.Header.Set("Host", tt.host)
			}
			if tt.body != "" {
				r.Body = []byte(tt.body)
			}
			resp, err := c.Do(t.Context(), r)
			switch {
			case tt.err != "":
				wantError(t, err, nil, ErrUncertain)
				wantText(t, err, tt.err)
			case err != nil:
				t.Error(err)
			case resp.Status != tt.status:
				t.Errorf("status %d, want %d", resp.Status, tt.status)
			}
			got := append(append(a.take(), b.take()...), safe.take()...)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRedirectLoop(t *testing.T) {
	a := newHost(t, "a", (*httptest.Server).Start)
	a.to = map[string]string{"/": "/"}
	_, err := newClient(t, Options{Retries: 2}).Do(t.Context(), Request{URL: a.URL})
	wantError(t, err, nil, ErrUncertain)
	wantText(t, err, "redirected more than 9 times")
	if n := len(a.take()); n != 10 {
		t.Errorf("asked %d times", n)
	}
}

// TestRedirectOfReach has one server that may be asked, and one that may not.
func TestRedirectOfReach(t *testing.T) {
	a := newHost(t, "a", (*httptest.Server).Start)
	a.to = map[string]string{"/1": "http://127.0.0.2/2"}
	c := newClient(t, Options{Reach: Reach{Public: true, Private: prefixes("127.0.0.1/32")}, Retries: 2})
	_, err := c.Do(t.Context(), Request{URL: a.URL + "/1"})
	wantError(t, err, []error{ErrRefusedAddress}, ErrUncertain)
	wantText(t, err, "redirected to http://127.0.0.2: ")
	if n := len(a.take()); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// TestRedirectOfCertificate holds that a client certificate is shown to the host
// that it is for, and to no other.
func TestRedirectOfCertificate(t *testing.T) {
	ca := newAuthority(t)
	start := func(auth tls.ClientAuthType) func(*httptest.Server) {
		return func(s *httptest.Server) {
			s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.pair(t, "server")}, ClientAuth: auth, ClientCAs: ca.pool}
			s.StartTLS()
		}
	}
	a, b := newHost(t, "a", start(tls.RequireAndVerifyClientCert)), newHost(t, "b", start(tls.RequestClientCert))
	a.to = map[string]string{"/1": "/2", "/2": b.URL + "/3"}
	cert, key := ca.issue(t, "me")
	conf, err := TLS(ca.pem, cert, key, "", false)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, Options{TLS: conf})
	r := Request{Header: http.Header{"Accept": {"text/x"}}}
	// A connection to b that knows who we are must not be used for what a tells.
	r.URL = b.URL + "/0"
	do(t, c, r)
	r.URL = a.URL + "/1"
	do(t, c, r)
	want := []string{"GET a /1 by me", "GET a /2 by me", "GET b /0 by me", "GET b /3"}
	if diff := cmp.Diff(want, append(a.take(), b.take()...)); diff != "" {
		t.Error(diff)
	}
}
