package httpfence

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/solotick/solotick/fence"
)

func TestHandler(t *testing.T) {
	served := 0
	broken := false
	guard := &fence.Guard{Save: func(context.Context, string, int64) error {
		if broken {
			return errors.New("disk full")
		}
		return nil
	}}
	server := httptest.NewServer(Handler(guard, func(r *http.Request) string { return r.URL.Path }, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served++
		w.WriteHeader(http.StatusCreated)
	})))
	defer server.Close()
	for _, c := range []struct {
		name, path string
		header     []string
		code       int
		says       string
	}{
		{"the first", "/a", []string{"10"}, http.StatusCreated, ""},
		{"once more", "/a", []string{"10"}, http.StatusCreated, ""},
		{"the next", "/a", []string{"12"}, http.StatusCreated, ""},
		{"stale", "/a", []string{"10"}, http.StatusPreconditionFailed, "a later run"},
		{"another resource", "/b", []string{"10"}, http.StatusCreated, ""},
		{"none", "/a", nil, http.StatusPreconditionRequired, Header},
		{"two", "/a", []string{"12", "13"}, http.StatusPreconditionRequired, Header},
		{"no number", "/a", []string{"<script>"}, http.StatusPreconditionRequired, "no fence"},
		{"zero", "/a", []string{"0"}, http.StatusPreconditionRequired, "no fence"},
		{"too great for a number", "/a", []string{strings.Repeat("9", 30)}, http.StatusPreconditionRequired, "no fence"},
	} {
		before := served
		code, body := post(t, server.URL+c.path, c.header)
		if code != c.code || !strings.Contains(body, c.says) || strings.Contains(body, "script") {
			t.Errorf("%s: %d %q, want %d", c.name, code, body, c.code)
		}
		if done := served > before; done != (c.code == http.StatusCreated) {
			t.Errorf("%s: served: %v", c.name, done)
		}
	}
	broken = true
	if code, body := post(t, server.URL+"/a", []string{"20"}); code != http.StatusServiceUnavailable || strings.Contains(body, "disk") {
		t.Errorf("while nothing can be saved: %d %q", code, body)
	}
}

func post(t *testing.T, url string, values []string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		r.Header.Add(Header, v)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestSet(t *testing.T) {
	h := http.Header{}
	if Set(h, 1795413935000); h.Get(Header) != "1795413935000" {
		t.Errorf("header %v", h)
	}
	if Set(h, 0); len(h) != 0 {
		t.Errorf("of a run without a fence: %v", h)
	}
}
