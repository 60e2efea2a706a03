package cloudflare

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		fault   cloudtest.Fault
		outcome string
		applied bool
	}{
		{cloudtest.Pass, "done", true},
		{cloudtest.LoseReply, "uncertain", true},
		{cloudtest.LoseRequest, "uncertain", false},
		{cloudtest.Late, "uncertain", false},
		{cloudtest.ServerError, "uncertain", false},
		{cloudtest.DoneError, "uncertain", true},
		{cloudtest.Unavailable, "uncertain", false},
		{cloudtest.Throttle, "not applied", false},
		{cloudtest.Hang, "uncertain", false},
	} {
		t.Run(fmt.Sprint(c.fault), func(t *testing.T) {
			fake, _ := start(t)
			cfg := config(fake)
			if c.fault == cloudtest.Hang {
				cfg.Timeout = time.Second
			}
			s := swap(t, open(t, config(fake), name), register.Snapshot{}, "before")
			r := open(t, cfg, name)
			load(t, r)
			fake.OnWrites(c.fault)
			_, err := r.Swap(t.Context(), s, []string{"after"})
			if got := registertest.Outcome(err); got != c.outcome {
				t.Errorf("%s, want %s: %v", got, c.outcome, err)
			}
			want := []string{"before"}
			if c.applied {
				want = []string{"after"}
			}
			if got := load(t, open(t, config(fake), name)).Texts; !slices.Equal(got, want) {
				t.Errorf("there is %q, want %q", got, want)
			}
		})
	}
}

// TestLoadsFailPlainly: of a read nothing is uncertain.
func TestLoadsFailPlainly(t *testing.T) {
	for _, fault := range []cloudtest.Fault{
		cloudtest.LoseReply, cloudtest.LoseRequest, cloudtest.ServerError, cloudtest.Unavailable, cloudtest.Throttle,
	} {
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			fake, _ := start(t)
			r := open(t, config(fake), name)
			load(t, r)
			fake.OnReads(fault, fault) // net/http asks again itself if a kept connection ends
			if _, err := r.Load(t.Context()); registertest.Outcome(err) != "not applied" {
				t.Errorf("%s: %v", registertest.Outcome(err), err)
			}
		})
	}
}

// TestRefusals: each of the errors that Cloudflare is known for, with its cause and
// remedy.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		on            string
		status, code  int
		message       string
		outcome       string
		text, remedy  string
		withoutZoneID bool
	}{
		{"write", 403, 10000, "Authentication error", "refused", "the token may not do this (403 10000: Authentication error)", "Zone, DNS, Edit for t.test", false},
		{"write", 403, 9109, "Unauthorized to access requested resource", "refused", "the token may not do this", "Zone, DNS, Edit for t.test", false},
		{"write", 403, 9109, "Invalid access token", "refused", "the token is not valid (403 9109: Invalid access token)", "keygen policy", false},
		{"write", 401, 10000, "Authentication error", "refused", "the token is not valid", "keygen policy", false},
		{"write", 403, 9109, "Cannot use the access token from location: 192.0.2.1", "refused", "may not be used from here", "client IP address filtering", false},
		{"write", 400, 6003, "Invalid request headers", "refused", "no API token", "copy the token again", false},
		{"write", 400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers", "refused", "no API token", "copy the token again", false},
		{"write", 404, 7003, "Could not route to /client/v4/zones/x/dns_records/batch, perhaps your object identifier is invalid?", "refused", "no such zone", "dns.zone_id", false},
		{"write", 400, 81045, "Record quota exceeded.", "refused", "the zone is full", "larger plan", false},
		{"write", 400, 9021, "TTL must be between 60 and 86400 seconds, or 1 for Automatic.", "refused", "the TTL is none for this zone", "at least 60s", false},
		{"write", 400, 81044, "Record does not exist.", "conflict", "(400 81044: Record does not exist)", "", false},
		{"write", 404, 81044, "Record does not exist.", "conflict", "81044", "", false},
		{"write", 400, 81057, "The record already exists.", "conflict", "81057", "", false},
		{"write", 400, 81058, "An identical record already exists.", "conflict", "81058", "", false},
		{"write", 400, 81053, "An A, AAAA, or CNAME record with that host already exists.", "conflict", "another record is in its place", "", false},
		{"write", 429, 971, "Please wait and consider throttling your request speed", "not applied", "throttled (429 971: Please wait and consider throttling your request speed)", "dns.rate", false},
		{"write", 400, 10013, "rate limited", "not applied", "throttled", "dns.rate", false},
		{"write", 400, 10100, "More than 1200 requests per 300 seconds reached", "not applied", "throttled", "dns.rate", false},
		{"write", 400, 1004, "DNS Validation Error", "not applied", "not done: 400 1004: DNS Validation Error", "", false},
		{"write", 500, 1000, "internal", "uncertain", "the answer was 500 1000: internal", "", false},
		{"write", 200, 81044, "no success, and no failure", "uncertain", "the answer was 200 81044", "", false},
		{"zones", 403, 9109, "Unauthorized to access requested resource", "refused", "to tell the zone's id (403 9109", "Zone, Zone, Read for t.test, or set dns.zone_id", true},
		{"zones", 400, 6003, "Invalid request headers", "refused", "no API token", "copy the token again", true},
	} {
		t.Run(fmt.Sprintf("%s %d %d %s", c.on, c.status, c.code, c.message[:5]), func(t *testing.T) {
			fake, zone := start(t)
			cfg := config(fake)
			if !c.withoutZoneID {
				cfg.ZoneID = zone
			}
			s := swap(t, open(t, cfg, name), register.Snapshot{}, "before")
			r := open(t, cfg, name)
			fake.Deny(c.on, c.status, c.code, c.message)
			_, err := r.Swap(t.Context(), s, []string{"after"})
			if got := registertest.Outcome(err); got != c.outcome {
				t.Errorf("%s, want %s", got, c.outcome)
			}
			if err == nil || !strings.HasPrefix(err.Error(), "cloudflare: swap canary.t.test: ") || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want one with %q", err, c.text)
			}
			if do, _ := register.Remedy(err); !strings.Contains(do, c.remedy) || (do == "") != (c.remedy == "") {
				t.Errorf("remedy %q, want one with %q", do, c.remedy)
			}
			fake.Deny(c.on, 0, 0, "")
			if got := load(t, open(t, cfg, name)).Texts; !slices.Equal(got, []string{"before"}) {
				t.Errorf("there is %q", got)
			}
		})
	}
}

func TestWrongTokens(t *testing.T) {
	fake, zone := start(t)
	for token, text := range map[string]string{
		strings.Repeat("x", 40): "the token is not valid",
		"too-short":             "what was sent is no API token (400 6003: Invalid request headers 6111: Invalid format for Authorization header)",
	} {
		for _, id := range []string{"", zone} {
			cfg := config(fake)
			cfg.Token, cfg.ZoneID = register.NewSecret(token), id
			r := open(t, cfg, name)
			_, loadErr := r.Load(t.Context())
			_, swapErr := r.Swap(t.Context(), register.Snapshot{}, []string{"text"})
			for _, err := range []error{loadErr, swapErr} {
				if !errors.Is(err, register.ErrRefused) || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), token) {
					t.Errorf("error %v, want one with %q and without the token", err, text)
				}
			}
		}
	}
}

// TestNoTokenInAnError: also where the service repeats it.
func TestNoTokenInAnError(t *testing.T) {
	fake, _ := start(t)
	r := open(t, config(fake), name)
	load(t, r)
	fake.Deny("write", http.StatusForbidden, 10000, "bad\r\ntoken "+cloudtest.CloudflareToken+" "+strings.Repeat("long ", 100))
	_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"text"})
	switch {
	case err == nil, strings.Contains(err.Error(), cloudtest.CloudflareToken), strings.ContainsAny(err.Error(), "\r\n"), len(err.Error()) > 500:
		t.Errorf("error %v", err)
	case !strings.Contains(err.Error(), "bad token ***"):
		t.Errorf("error %v does not say what the service said", err)
	}
}

func TestThrottling(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration
		block string
	}{
		{"for as long as it says", 7 * time.Second, "7s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake, _ := start(t)
			cfg := config(fake)
			cfg.Timeout = 2 * time.Second
			client := newTest(t, cfg)
			r := at(t, client, name)
			s := swap(t, r, register.Snapshot{}, "before")
			fake.Limit(1e-9, 1, c.after)
			load(t, r) // it was the last one
			_, err := r.Swap(t.Context(), s, []string{"after"})
			if registertest.Outcome(err) != "not applied" || !strings.Contains(err.Error(), "throttled (429") || !strings.Contains(err.Error(), "nothing is sent for "+c.block) {
				t.Fatalf("%s: %v", registertest.Outcome(err), err)
			}
			sent := client.Requests()
			began := time.Now()
			for _, do := range []func() error{
				func() error { _, err := r.Load(t.Context()); return err },
				func() error { _, err := r.Swap(t.Context(), s, []string{"after"}); return err },
			} {
				if err := do(); registertest.Outcome(err) != "not applied" || !strings.Contains(err.Error(), "not sent") {
					t.Errorf("%s: %v", registertest.Outcome(err), err)
				}
			}
			if client.Requests() != sent {
				t.Error("something was sent within the block")
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %s to say that nothing can be sent in time", took)
			}
		})
	}
}

// TestThrottlingWithoutATime: a little longer each time, and from the beginning after
// a good answer.
func TestThrottlingWithoutATime(t *testing.T) {
	c := newTest(t, Config{Zone: zoneName, Token: register.NewSecret(cloudtest.CloudflareToken)})
	var got []time.Duration
	for range 11 {
		got = append(got, c.throttled(0))
	}
	want := []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}
	for i := range want {
		if want[i] *= time.Second; got[i] != want[i] {
			t.Errorf("after %d answers it is %s, want %s", i+1, got[i], want[i])
		}
	}
	fake, _ := start(t)
	r := at(t, newTest(t, config(fake)), name)
	s := swap(t, r, register.Snapshot{}, "before")
	for range 2 {
		fake.OnWrites(cloudtest.Throttle)
		if _, err := r.Swap(t.Context(), s, []string{"after"}); err == nil || !strings.Contains(err.Error(), "nothing is sent for 1s") {
			t.Errorf("error %v", err)
		}
		load(t, r) // it waits, and is answered
	}
}

// TestRate holds what is sent within the rate and burst.
func TestRate(t *testing.T) {
	fake, zone := start(t)
	cfg := config(fake)
	cfg.ZoneID, cfg.Rate, cfg.Burst, cfg.Timeout = zone, 1e-9, 4, time.Second
	client := newTest(t, cfg)
	r := at(t, client, name)
	for range 3 { // the check of the zone's id is the fourth request
		load(t, r)
	}
	if _, err := r.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "not sent") {
		t.Errorf("error %v, want one that it was not sent", err)
	}
	if n := client.Requests(); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
}

func TestEndedContext(t *testing.T) {
	fake, _ := start(t)
	r := open(t, config(fake), name)
	s := swap(t, r, register.Snapshot{}, "before")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fake.OnWrites(cloudtest.Hang)
	go func() {
		for writes := 0; writes < 2 && ctx.Err() == nil; _, writes, _ = fake.Count() {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := r.Swap(ctx, s, []string{"after"}); registertest.Outcome(err) != "uncertain" || !errors.Is(err, context.Canceled) {
		t.Errorf("%s: %v", registertest.Outcome(err), err)
	}
}

// TestStaleList: what is read from a list that lags is refused by the batch.
func TestStaleList(t *testing.T) {
	fake, zone := start(t)
	r := open(t, config(fake), name)
	swap(t, r, register.Snapshot{}, "first")
	fake.Stale(zone, true)
	old := load(t, r)
	swap(t, r, old, "second")
	if again := load(t, r); again.Tag != old.Tag {
		t.Fatal("the list is not stale")
	}
	if _, err := r.Swap(t.Context(), old, []string{"third"}); registertest.Outcome(err) != "conflict" {
		t.Errorf("%s: %v", registertest.Outcome(err), err)
	}
	fake.Stale(zone, false)
	if got := load(t, r).Texts; !slices.Equal(got, []string{"second"}) {
		t.Errorf("there is %q", got)
	}
}
