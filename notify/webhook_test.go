package notify

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWebhook is the document, and what comes with it.
func TestWebhook(t *testing.T) {
	r := record(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	n := &Webhook{URL: NewSecret(r.URL + "/hook?x=1"), Header: map[string]Secret{"Authorization": NewSecret(plantedHeader)}, Secret: NewSecret(plantedToken), Client: tries(t, 2)}
	if ref := tell(t, n, message(doubted)); ref != "" {
		t.Errorf("ref %q", ref)
	}
	got, document := r.one(t)
	want := map[string]any{
		"schema": "solotick.notify/v1", "key": "canary/ops/firing/2026-01-02T03:04:00Z", "kind": "firing", "severity": "critical",
		"job": "canary", "alert": "ops", "title": "3 failed backups", "text": "db1\ndb2 & <db3>",
		"tick": "2026-01-02T03:04:00Z", "since": "2026-01-02T03:00:00Z", "attempt": 1., "fence": 1767323040000., "agent": "MAWDAHDOQH",
		"doubt": true, "unarbitrated": false,
	}
	if diff := cmp.Diff(want, document); diff != "" {
		t.Error(diff)
	}
	if got.Method != "POST" || got.Path != "/hook?x=1" {
		t.Errorf("%s %s", got.Method, got.Path)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Authorization": plantedHeader, "User-Agent": "solotick",
		"Solotick-Key": "canary/ops/firing/2026-01-02T03:04:00Z", "Idempotency-Key": "",
	} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if err := verify(got.Header.Get("Solotick-Signature"), got.Body, NewSecret(plantedToken), time.Now()); err != nil {
		t.Error(err)
	}
}

// TestWebhookObserved has fields that are there only where they say something.
func TestWebhookObserved(t *testing.T) {
	r := record(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	n := &Webhook{URL: NewSecret(r.URL), Client: tries(t, 0)}
	tell(t, n, message(of(Reminder), func(m *Message) { m.Observed, m.Worse = true, true }))
	if _, document := r.one(t); document["observed"] != true || document["worse"] != true {
		t.Errorf("observed is %v and worse %v, want both true", document["observed"], document["worse"])
	}
}

// verify is what a receiver does.
func verify(header, body string, secret Secret, now time.Time) error {
	var t, sum string
	for _, part := range strings.Split(header, ",") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "t":
			t = value
		case "v1":
			sum = value
		}
	}
	sent, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return err
	}
	if age := now.Sub(time.Unix(sent, 0)); age < -time.Minute || age > time.Minute {
		return fmt.Errorf("signed %s ago", age)
	}
	given, err := hex.DecodeString(sum)
	if err != nil || !hmac.Equal(given, mac(secret, t, []byte(body))) {
		return fmt.Errorf("signature %q is wrong: %v", header, err)
	}
	return nil
}

// TestSignature is computed by hand: printf '1767323040.{}' | openssl dgst -sha256 -hmac key
func TestSignature(t *testing.T) {
	const want = "t=1767323040,v1=61c1e6d12044827d2d7db987e3921993915cdbd58974d7886dfe3683c4392509"
	if got := signature(NewSecret("key"), time.Unix(1767323040, 0), []byte("{}")); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestWebhookIdempotent repeats what was lost, with the same key.
func TestWebhookIdempotent(t *testing.T) {
	first := true
	r := record(t, func(http.ResponseWriter, *http.Request) {
		if first {
			first = false
			panic(http.ErrAbortHandler)
		}
	})
	tell(t, &Webhook{URL: NewSecret(r.URL), Idempotent: true, Client: tries(t, 1)}, message())
	all := r.all()
	if len(all) != 2 {
		t.Fatalf("%d requests, want 2", len(all))
	}
	for _, s := range all {
		if got, want := s.Header.Get("Idempotency-Key"), "canary/ops/firing/2026-01-02T03:04:00Z"; got != want {
			t.Errorf("key %q, want %q", got, want)
		}
	}
}

func TestWebhookUnsigned(t *testing.T) {
	r := record(t, nil)
	tell(t, &Webhook{URL: NewSecret(r.URL), Client: tries(t, 0)}, message(func(m *Message) { m.Since = time.Time{} }))
	got, document := r.one(t)
	if _, has := document["since"]; has || got.Header["Solotick-Signature"] != nil {
		t.Errorf("%v %v", document, got.Header)
	}
}

func TestPing(t *testing.T) {
	for _, tt := range []struct {
		kind Kind
		ping *Ping
		want []string
	}{
		{Firing, &Ping{URL: NewSecret("/u")}, []string{"POST /u/fail"}},
		{Reminder, &Ping{URL: NewSecret("/u/?rid=1")}, []string{"POST /u/fail?rid=1"}},
		{Cleared, &Ping{URL: NewSecret("/u?rid=1")}, []string{"POST /u?rid=1"}},
		{Passed, &Ping{URL: NewSecret("/u")}, []string{"POST /u/fail", "POST /u"}},
		{Test, &Ping{URL: NewSecret("/u")}, []string{"POST /u"}},
		{Firing, &Ping{URL: NewSecret("/u?status=up"), FailURL: NewSecret("/u?status=down"), Method: "GET"}, []string{"GET /u?status=down"}},
		{Cleared, &Ping{URL: NewSecret("/u?status=up"), FailURL: NewSecret("/u?status=down"), Method: "GET"}, []string{"GET /u?status=up"}},
	} {
		r := record(t, nil)
		p := &Ping{URL: NewSecret(r.URL + tt.ping.URL.reveal()), Method: tt.ping.Method, Client: tries(t, 0)}
		if !tt.ping.FailURL.IsZero() {
			p.FailURL = NewSecret(r.URL + tt.ping.FailURL.reveal())
		}
		tell(t, p, message(of(tt.kind)))
		var got []string
		for _, s := range r.all() {
			got = append(got, s.Method+" "+s.Path)
			if hasText := strings.Contains(s.Body, "db1\ndb2 & <db3>"); hasText != (s.Method == "POST") {
				t.Errorf("%s: body %q", tt.kind, s.Body)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.kind, diff)
		}
	}
}

// TestHalfway is uncertain if the second of two requests fails.
func TestHalfway(t *testing.T) {
	for name, notifier := range map[string]Notifier{
		"ping":      &Ping{Client: tries(t, 0)},
		"pagerduty": &PagerDuty{RoutingKey: NewSecret(plantedToken), Client: tries(t, 0)},
	} {
		n := 0
		r := record(t, func(w http.ResponseWriter, _ *http.Request) {
			if n++; n == 2 {
				w.WriteHeader(http.StatusBadRequest)
			}
		})
		switch n := notifier.(type) {
		case *Ping:
			n.URL = NewSecret(r.URL)
		case *PagerDuty:
			n.URL = r.URL
		}
		_, err := notifier.Notify(t.Context(), message(of(Passed)))
		if len(r.all()) != 2 || !isUncertain(err) {
			t.Errorf("%s: %d requests, error %v", name, len(r.all()), err)
		}
	}
}
