package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestTries counts at the server how often each kind of request arrives, for each
// thing that can happen to it.
func TestTries(t *testing.T) {
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	requests := []struct {
		name string
		r    Request
	}{
		{"GET", Request{}},
		{"HEAD", Request{Method: "HEAD"}},
		{"PUT", Request{Method: "PUT", Body: []byte("x")}},
		{"DELETE", Request{Method: "DELETE"}},
		{"POST", Request{Method: "POST", Body: []byte("x")}},
		{"POST without a body", Request{Method: "POST"}},
		{"PATCH", Request{Method: "PATCH", Body: []byte("x")}},
		{"POST with a key", Request{Method: "POST", Body: []byte("x"), Header: http.Header{"idempotency-key": {"1"}}}},
	}
	// Of each request above, in its order: how often it must arrive.
	always := []int32{3, 3, 3, 3, 3, 3, 3, 3}
	never := []int32{1, 1, 1, 1, 1, 1, 1, 1}
	idempotent := []int32{3, 3, 3, 3, 1, 1, 1, 3}
	for _, tt := range []struct {
		name      string
		h         http.HandlerFunc // nil: no connection
		arrives   []int32
		status    int
		uncertain bool
	}{
		{name: "refused", arrives: always},
		{"closed before the answer", hangUp, idempotent, 0, true},
		{"timeout", silent, idempotent, 0, true},
		{"429", status(429), always, 429, false},
		{"429 in seconds", status(429, "Retry-After", "7"), always, 429, false},
		{"429 by a date", status(429, "Retry-After", "Sat, 01 Jan 2000 00:00:07 GMT", "Date", "Sat, 01 Jan 2000 00:00:00 GMT"), always, 429, false},
		{"500", status(500), never, 500, false},
		{"501", status(501, "Retry-After", "1"), never, 501, false},
		{"502", status(502), idempotent, 502, false},
		{"503", status(503), idempotent, 503, false},
		{"503 in seconds", status(503, "Retry-After", "7"), idempotent, 503, false},
		{"504", status(504), idempotent, 504, false},
		{"404", status(404, "Retry-After", "1"), never, 404, false},
		{"301", status(301), never, 301, false},
	} {
		for i, req := range requests {
			t.Run(tt.name+"/"+req.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var arrived atomic.Int32
					p, c := newPipes(t, Options{Retries: 2, Timeout: 5 * time.Second}, func(w http.ResponseWriter, r *http.Request) {
						arrived.Add(1)
						tt.h(w, r)
					})
					p.refuse.Store(tt.h == nil)
					req.r.URL = "http://a.test/"
					resp, err := c.Do(t.Context(), req.r)
					n := arrived.Load()
					if tt.h == nil {
						n = p.dials.Load()
					}
					if n != tt.arrives[i] {
						t.Errorf("arrived %d times, want %d", n, tt.arrives[i])
					}
					switch {
					case tt.status == 0:
						wantError(t, err, nil)
						if errors.Is(err, ErrUncertain) != tt.uncertain {
							t.Errorf("%q: uncertain is not %v", err, tt.uncertain)
						}
					case err != nil:
						t.Error(err)
					case resp.Status != tt.status || int32(resp.Tries) != n:
						t.Errorf("status %d after %d tries, want %d after %d", resp.Status, resp.Tries, tt.status, n)
					}
				})
			})
		}
	}
}

// TestDoubtLasts holds that what an earlier try may have done is not forgotten
// because a later one did not come through.
func TestDoubtLasts(t *testing.T) {
	for _, tt := range []struct {
		name, method string
		first        http.HandlerFunc
		uncertain    bool
	}{
		{"lost", "PUT", hangUp, true},
		{"503", "PUT", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, true},
		{"429", "POST", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p *pipes
				p, c := newPipes(t, Options{Retries: 1}, func(w http.ResponseWriter, r *http.Request) {
					p.refuse.Store(true)
					tt.first(w, r)
				})
				_, err := c.Do(t.Context(), Request{Method: tt.method, URL: "http://a.test/"})
				wantText(t, err, "connection refused", "(try 2)")
				if errors.Is(err, ErrUncertain) != tt.uncertain {
					t.Errorf("%q: uncertain is not %v", err, tt.uncertain)
				}
			})
		})
	}
}

// TestAnsweredEndsDoubt holds that an answer ends it, even one that is refused.
func TestAnsweredEndsDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		_, c := newPipes(t, Options{Retries: 1, MaxBody: 1}, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) == 1 {
				w.WriteHeader(503)
				return
			}
			fmt.Fprint(w, "more than a byte")
		})
		_, err := c.Do(t.Context(), Request{Method: "PUT", URL: "http://a.test/"})
		wantError(t, err, []error{ErrTooLarge}, ErrUncertain)
	})
}

// TestRecovers holds that a try that is answered makes up for those that were not.
func TestRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		_, c := newPipes(t, Options{Retries: 5}, func(w http.ResponseWriter, r *http.Request) {
			switch n.Add(1) {
			case 1:
				hangUp(w, r)
			case 2:
				w.WriteHeader(503)
			default:
				fmt.Fprint(w, "ok")
			}
		})
		if resp := do(t, c, Request{URL: "http://a.test/"}); resp.Status != 200 || string(resp.Body) != "ok" || resp.Tries != 3 {
			t.Errorf("got %+v", resp)
		}
	})
}

// TestWaits measures the time between two arrivals.
func TestWaits(t *testing.T) {
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for _, tt := range []struct {
		name     string
		after    func() string // Retry-After
		deadline time.Duration // 0: none
		want     []time.Duration
		spread   bool // want is the mean, and may be half as long or half as long again
	}{
		{"without", func() string { return "" }, 0, []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second}, true},
		{"nonsense", func() string { return "soon" }, 0, []time.Duration{500 * time.Millisecond, time.Second}, true},
		{"below zero", func() string { return "-5" }, 0, []time.Duration{500 * time.Millisecond}, true},
		{"none", func() string { return "0" }, 0, []time.Duration{500 * time.Millisecond}, true},
		{"past", func() string { return in(-time.Hour) }, 0, []time.Duration{500 * time.Millisecond}, true},
		{"seconds", func() string { return "45" }, 0, []time.Duration{45 * time.Second, 45 * time.Second}, false},
		{"a minute", func() string { return "60" }, 0, []time.Duration{time.Minute}, false},
		{"date", func() string { return in(30 * time.Second) }, 0, []time.Duration{30 * time.Second}, false},
		{"long without a deadline", func() string { return "61" }, 0, nil, false},
		{"long within the deadline", func() string { return "90" }, 2 * time.Minute, []time.Duration{90 * time.Second}, false},
		{"past the deadline", func() string { return "90" }, time.Minute, nil, false},
		{"absurd", func() string { return "99999999999999999999999999" }, time.Hour, nil, false},
		{"absurd, without a deadline", func() string { return "9223372036854775807" }, 0, nil, false},
		{"absurd date", func() string { return "Fri, 31 Dec 9999 23:59:59 GMT" }, 0, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var arrivals []time.Time
				retries := max(1, len(tt.want))
				_, c := newPipes(t, Options{Retries: retries}, func(w http.ResponseWriter, _ *http.Request) {
					arrivals = append(arrivals, time.Now())
					w.Header().Set("Retry-After", tt.after())
					w.WriteHeader(429)
				})
				ctx := t.Context()
				if tt.deadline > 0 {
					ctx = within(t, tt.deadline)
				}
				began := time.Now()
				resp, err := c.Do(ctx, Request{Method: "POST", URL: "http://a.test/"})
				if err != nil || resp.Status != 429 {
					t.Fatalf("got %v, %v", resp, err)
				}
				if !arrivals[len(arrivals)-1].Equal(time.Now()) {
					t.Errorf("the last answer was returned %s late", time.Since(arrivals[len(arrivals)-1]))
				}
				arrivals = append([]time.Time{began}, arrivals...)
				if got := arrivals[1].Sub(arrivals[0]); got != 0 {
					t.Errorf("the first try waited %s", got)
				}
				if len(arrivals) != len(tt.want)+2 {
					t.Fatalf("%d tries, want %d", len(arrivals)-1, len(tt.want)+1)
				}
				for i, want := range tt.want {
					got := arrivals[i+2].Sub(arrivals[i+1])
					if tt.spread && (got < want/2 || got > want*3/2+time.Millisecond) || !tt.spread && got != want {
						t.Errorf("wait %d is %s, want %s", i+1, got, want)
					}
				}
			})
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		value, date string
		want        time.Duration
		ok          bool
	}{
		{value: ""},
		{value: "x"},
		{value: "1.5"},
		{value: "+1"},
		{value: "0", ok: true},
		{value: "120", want: 2 * time.Minute, ok: true},
		{value: "18446744073709551616", want: (1<<31 - 1) * time.Second, ok: true},
		{value: "Tue, 01 Jan 2030 00:01:00 GMT", want: time.Minute, ok: true},
		{value: "Mon, 31 Dec 2029 00:01:00 GMT", ok: true},
		{value: "Tue, 01 Jan 2030 01:01:00 GMT", date: "Tue, 01 Jan 2030 01:00:00 GMT", want: time.Minute, ok: true},
		{value: "Fri, 31 Dec 9999 23:59:59 GMT", want: (1<<31 - 1) * time.Second, ok: true},
	} {
		h := http.Header{"Retry-After": {tt.value}, "Date": {tt.date}}
		if got, ok := RetryAfter(h, now); got != tt.want || ok != tt.ok {
			t.Errorf("%q at %q: %s, %v, want %s, %v", tt.value, tt.date, got, ok, tt.want, tt.ok)
		}
	}
}

// TestEndWhileWaiting ends the context between two tries.
func TestEndWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := newPipes(t, Options{Retries: 3}, nil)
		p.refuse.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		began := time.Now()
		_, err := c.Do(ctx, Request{URL: "http://a.test/"})
		wantError(t, err, []error{context.Canceled}, ErrUncertain)
		wantText(t, err, "connection refused")
		if got := time.Since(began); got != time.Millisecond {
			t.Errorf("ended after %s", got)
		}
		if n := p.dials.Load(); n != 1 {
			t.Errorf("%d tries", n)
		}
	})
}

// TestNotRepeated holds what another try would not change.
func TestNotRepeated(t *testing.T) {
	for name, r := range map[string]Request{
		"header":  {URL: "http://a.test/", Header: http.Header{"X": {"a\nb"}}},
		"name":    {URL: "http://a.test/", Header: http.Header{"X Y": {"a"}}},
		"method":  {URL: "http://a.test/", Method: "GE T"},
		"address": {URL: "http://169.254.169.254/"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := newPipes(t, Options{Retries: 3}, nil)
				began := time.Now()
				_, err := c.Do(t.Context(), r)
				wantError(t, err, nil, ErrUncertain)
				if p.dials.Load() != 0 || time.Since(began) != 0 {
					t.Errorf("%d connections and %s for %q", p.dials.Load(), time.Since(began), err)
				}
			})
		})
	}
}
