package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// trip sends a request as a vendor's client would.
func trip(t *testing.T, ctx context.Context, c *Client, method, url, body string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.RoundTripper().RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text), nil
}

func TestRoundTripper(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Date", "Thu, 26 Nov 2026 14:00:00 GMT")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.Path, r.UserAgent(), body)
	})
	c := newClient(t, Options{Retries: 3})
	resp, text, err := trip(t, t.Context(), c, http.MethodPost, s.URL+"/a%2Fb", "hello")
	if err != nil || resp.StatusCode != http.StatusTeapot || text != "POST /a/b solotick hello" || resp.Header.Get("Date") == "" || resp.ContentLength != int64(len(text)) {
		t.Errorf("%v %q %v", resp, text, err)
	}
}

// TestRoundTripperTries sends each request once, and follows nobody.
func TestRoundTripperTries(t *testing.T) {
	n := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(map[string]int{"/busy": http.StatusServiceUnavailable, "/moved": http.StatusFound}[r.URL.Path])
	})
	c := newClient(t, Options{Retries: 3})
	for i, path := range []string{"/busy", "/moved"} {
		resp, _, err := trip(t, t.Context(), c, http.MethodGet, s.URL+path, "")
		if err != nil || resp.StatusCode < 300 || n != i+1 {
			t.Errorf("%s: %v, %v, %d requests", path, resp, err, n)
		}
	}
}

// TestRoundTripperDoubt tells a request that was never sent from one that may have
// been received.
func TestRoundTripperDoubt(t *testing.T) {
	c := newClient(t, Options{Timeout: 200 * time.Millisecond, MaxBody: 10})
	lost := serve(t, hangUp)
	quiet := serve(t, silent)
	large := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte("x"), 11)) })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		what, url string
		ctx       context.Context
		is        []error
		doubt     bool
	}{
		{"no reply and no more time", quiet.URL, within(t, 100*time.Millisecond), []error{context.DeadlineExceeded}, true},
		{"nobody listens", "http://" + closedPort(t), t.Context(), nil, false},
		{"ended before", quiet.URL, ended, []error{context.Canceled}, false},
		{"a reply lost", lost.URL, t.Context(), nil, true},
		{"no reply", quiet.URL, t.Context(), []error{ErrTimeout}, true},
		{"more than can be taken in", large.URL, t.Context(), []error{ErrTooLarge}, true},
		{"an address that is never reached", "http://169.254.169.254/", t.Context(), []error{ErrRefusedAddress}, false},
	} {
		_, _, err := trip(t, tt.ctx, c, http.MethodPost, tt.url, "x")
		if err == nil || errors.Is(err, ErrUncertain) != tt.doubt {
			t.Errorf("%s: error %v, want doubt %v", tt.what, err, tt.doubt)
		}
		for _, is := range tt.is {
			if !errors.Is(err, is) {
				t.Errorf("%s: error %v, want %v", tt.what, err, is)
			}
		}
	}
}
