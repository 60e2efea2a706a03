package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestHealth: what a process says of itself becomes a code, and nothing of it reaches
// a terminal as it stands.
func TestHealth(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	slow := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez":
			_, _ = w.Write([]byte("ok\n"))
		case "/ill":
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("nothing was done for 2m\x1b[2J\nand more\n"))
		case "/moved":
			http.Redirect(w, r, "/livez", http.StatusFound)
		case "/slow":
			<-slow
		}
	}))
	defer s.Close()
	defer close(slow)
	at := strings.TrimPrefix(s.URL, "http://")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{at}, 0, "ok\n"},
		{[]string{s.URL}, 0, "ok\n"},
		{[]string{s.URL + "/"}, 0, "ok\n"},
		{[]string{s.URL + "/ill"}, 1, "503 Service Unavailable: nothing was done for 2m\uFFFD[2J\n"},
		{[]string{s.URL + "/moved"}, 1, "302 Found"},
		{[]string{s.URL + "/slow", "--timeout", "50ms"}, 69, "does not answer: context deadline exceeded"},
		{[]string{"https://" + at}, 69, "does not answer"},
		{[]string{"127.0.0.1:1"}, 69, "127.0.0.1:1 does not answer"},
		{[]string{""}, 2, "is no address of a process"},
		{[]string{"ftp://a/b"}, 2, "is no address of a process"},
		{[]string{"http://%zz"}, 2, "is no address of a process"},
		{[]string{at, "--timeout", "0s"}, 2, "--timeout 0s"},
		{[]string{at, at}, 2, "unexpected argument"},
	} {
		var out, errs bytes.Buffer
		code := run(context.Background(), append([]string{"health"}, c.args...), strings.NewReader(""), &out, &errs)
		if code != c.code || !strings.Contains(out.String()+errs.String(), c.says) {
			t.Errorf("health %q: code %d, printed %q, said %q; want %d, %q", c.args, code, out.String(), errs.String(), c.code, c.says)
		}
	}
}
