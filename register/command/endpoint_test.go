package command_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/command"
)

// serve is an endpoint of that handler, with a token.
func serve(t *testing.T, h http.HandlerFunc) command.Config {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return command.Config{URL: server.URL, Token: register.NewSecret("hunter2")}
}

// TestStatuses: what each status means to each operation.
func TestStatuses(t *testing.T) {
	for _, row := range []struct {
		status     int
		body       string
		load, swap error
		text, do   string
	}{
		{200, `{"outcome":"done","texts":["a"]}`, errPlain, nil, "", ""},
		{200, `{"outcome":"refused","message":"not with hunter2"}`, register.ErrRefused, register.ErrRefused, "", ""},
		{200, `<html>`, errPlain, register.ErrUncertain, "the answer, of 6 bytes, is no JSON object", ""},
		{200, strings.Repeat(" ", 2<<20), errPlain, register.ErrUncertain, "the answer is larger than allowed", ""},
		{201, `{"outcome":"done"}`, errPlain, register.ErrUncertain, "the endpoint answered 201", ""},
		{307, ``, errPlain, register.ErrUncertain, "the endpoint answered 307", ""},
		{401, `hunter2`, register.ErrRefused, register.ErrRefused, "the register refuses: the endpoint answered 401", "check the token"},
		{403, ``, register.ErrRefused, register.ErrRefused, "answered 403", "check the token"},
		{404, ``, register.ErrRefused, register.ErrRefused, "answered 404", "check the path of the URL"},
		{409, `{"outcome":"conflict"}`, errPlain, register.ErrUncertain, "answered 409", ""},
		{500, `hunter2`, errPlain, register.ErrUncertain, "answered 500", ""},
	} {
		cfg := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(row.status)
			fmt.Fprint(w, row.body)
		})
		r := open(t, cfg, canary)
		_, err := r.Load(t.Context())
		wantOutcome(t, err, row.load)
		_, err2 := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
		wantOutcome(t, err2, row.swap)
		for _, err := range []error{err, err2} {
			if err == nil {
				continue
			}
			do, _ := register.Remedy(err)
			if !strings.Contains(err.Error(), row.text) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(do, row.do) {
				t.Errorf("%d: error %v, remedy %q", row.status, err, do)
			}
		}
	}
}

// TestPost: what is sent, and the time that comes with an answer.
func TestPost(t *testing.T) {
	var got, header string
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cfg := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = string(body)
		header = r.Method + " " + r.Header.Get("Content-Type") + " " + r.Header.Get("Authorization")
		w.Header().Set("Date", date.Format(http.TimeFormat))
		fmt.Fprint(w, `{"outcome":"ok","texts":["a"]}`)
	})
	s, err := open(t, cfg, canary).Load(t.Context())
	if err != nil || !s.Time.Equal(date) || !cmp.Equal(s.Texts, []string{"a"}) {
		t.Errorf("%+v, error %v", s, err)
	}
	if want := `{"version":1,"op":"load","name":"canary.t.test","ttl":60}`; strings.TrimSpace(got) != want || header != "POST application/json Bearer hunter2" {
		t.Errorf("got %s, %s", header, got)
	}
	cfg = serve(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Get("Authorization")
		w.Header()["Date"] = nil
		fmt.Fprint(w, `{"outcome":"ok","texts":["a"]}`)
	})
	cfg.Token = register.Secret{}
	if s, err = open(t, cfg, canary).Load(t.Context()); err != nil || !s.Time.IsZero() || header != "" {
		t.Errorf("%+v, error %v, authorization %q", s, err, header)
	}
}

// TestHang: an endpoint that does not answer in time.
func TestHang(t *testing.T) {
	cfg := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // else the server does not see the client leave
		<-r.Context().Done()
	})
	cfg.Timeout = 500 * time.Millisecond
	r := open(t, cfg, canary)
	_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
	wantOutcome(t, err, register.ErrUncertain)
	if !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "no whole answer in time") {
		t.Errorf("error %v", err)
	}
	_, err = r.Load(t.Context())
	wantOutcome(t, err, errPlain)
}
