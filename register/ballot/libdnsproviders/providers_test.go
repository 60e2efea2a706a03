package libdnsproviders

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/ballot"
)

const testName = "canary." + testZone

var good = Settings{
	Token: register.NewSecret(token), Endpoint: "ovh-eu", ApplicationKey: "application",
	ApplicationSecret: register.NewSecret(secret2), ConsumerKey: register.NewSecret(secret3),
}

// fakes are the services under their own names.
var fakes = map[string]struct {
	host string
	api  func(*zone) http.Handler
}{
	"desec":        {"desec.io", (*zone).desecAPI},
	"digitalocean": {"api.digitalocean.com", (*zone).digitaloceanAPI},
	"gandi":        {"api.gandi.net", (*zone).gandiAPI},
	"hetzner":      {"api.hetzner.cloud", (*zone).hetznerAPI},
	"ovh":          {"eu.api.ovh.com", (*zone).ovhAPI},
}

// each runs a test with a fresh zone of every service.
func each(t *testing.T, check func(t *testing.T, s Service, z *zone)) {
	if diff := cmp.Diff(len(fakes), len(Services())); diff != "" {
		t.Fatalf("services without a fake (-fakes +services):\n%s", diff)
	}
	for _, s := range Services() {
		t.Run(s.Name, func(t *testing.T) {
			z := newZone()
			services.set(fakes[s.Name].host, fakes[s.Name].api(z))
			check(t, s, z)
		})
	}
}

func open(t *testing.T, s Service, with Settings, zone string) *ballot.Client {
	t.Helper()
	module, err := s.Open(with)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ballot.New(ballot.Config{
		Provider: module, Service: s.Name, Traits: s.Traits, Zone: zone, Timeout: 20 * time.Second, Secrets: with.Secrets(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func record(t *testing.T, c *ballot.Client, name string) register.Register {
	t.Helper()
	r, err := c.Register(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func load(t *testing.T, r register.Register) register.Snapshot {
	t.Helper()
	s, err := r.Load(t.Context())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return s
}

func swap(t *testing.T, r register.Register, old register.Snapshot, texts ...string) register.Snapshot {
	t.Helper()
	s, err := r.Swap(t.Context(), old, texts)
	if err != nil {
		t.Fatalf("swap to %q: %v", texts, err)
	}
	return s
}

// The register works through every module, and touches nothing else in the zone.
func TestRegister(t *testing.T) {
	each(t, func(t *testing.T, s Service, z *zone) {
		others := z.others()
		a, b := record(t, open(t, s, good, testZone), testName), record(t, open(t, s, good, testZone), testName)
		now := load(t, a)
		if len(now.Texts) > 0 {
			t.Fatalf("texts %q, want none", now.Texts)
		}
		for i := range 3 {
			text := fmt.Sprintf(`{"id":"VDNDNQNWQY","timer":164190397%d,"timerold":1641903910,"seq":1641903910000,"last":"ok"}`, i)
			now = swap(t, a, now, text)
			if got := load(t, b); got.Tag != now.Tag || !slices.Equal(got.Texts, []string{text}) {
				t.Errorf("loaded %q, want %q", got.Texts, text)
			}
			want := []string{text}
			if s.Traits.NoQuotes {
				want = nil
			}
			if diff := cmp.Diff(want, z.texts("canary")); diff != "" {
				t.Errorf("the copy (-want +got):\n%s", diff)
			}
		}
		before := now
		now = swap(t, b, now, "st1.a1b2c3d4."+strings.Repeat("Zm9v_-", 30)) // longer than a string, as a ballot
		if _, err := a.Swap(t.Context(), before, []string{"stale"}); !errors.Is(err, register.ErrConflict) {
			t.Errorf("a stale swap: %v, want a conflict", err)
		}
		if diff := cmp.Diff(now.Texts, z.texts("canary")); diff != "" {
			t.Errorf("the copy (-want +got):\n%s", diff)
		}
		now = swap(t, a, now)
		if got := load(t, b); len(got.Texts) > 0 {
			t.Errorf("texts %q, want none", got.Texts)
		}
		swap(t, b, now, "again")
		if got := z.others(); got != others {
			t.Errorf("other records are\n%s\nwant\n%s", got, others)
		}
	})
}

// Of four who swap one snapshot, one wins.
func TestRace(t *testing.T) {
	each(t, func(t *testing.T, s Service, z *zone) {
		now := swap(t, record(t, open(t, s, good, testZone), testName), register.Snapshot{}, "first")
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range errs {
			r := record(t, open(t, s, good, testZone), testName)
			wg.Go(func() { _, errs[i] = r.Swap(t.Context(), now, []string{fmt.Sprint("by ", i)}) })
		}
		wg.Wait()
		winner := ""
		for i, err := range errs {
			switch {
			case err == nil && winner == "":
				winner = fmt.Sprint("by ", i)
			case !errors.Is(err, register.ErrConflict):
				t.Errorf("%d: %v, want a conflict", i, err)
			}
		}
		if got := load(t, record(t, open(t, s, good, testZone), testName)); !slices.Equal(got.Texts, []string{winner}) {
			t.Errorf("texts %q, want those of the winner, %q", got.Texts, winner)
		}
	})
}

// The answer to the write that decides is lost, and all that would tell more.
func TestLostAnswer(t *testing.T) {
	each(t, func(t *testing.T, s Service, z *zone) {
		if s.Name == "digitalocean" {
			// Its module sends the request again, which writes the same once more.
			lostAndSentAgain(t, s, z)
			return
		}
		a := record(t, open(t, s, good, testZone), testName)
		now := swap(t, a, register.Snapshot{}, "first")
		z.mu.Lock()
		z.drop = 2
		if s.Name == "ovh" {
			z.drop = 3 // a write and its refresh, and another write
		}
		z.mu.Unlock()
		if _, err := a.Swap(t.Context(), now, []string{"second"}); !errors.Is(err, register.ErrUncertain) {
			t.Fatalf("swap: %v, want it uncertain", err)
		}
		now = load(t, a)
		if !slices.Equal(now.Texts, []string{"second"}) {
			t.Errorf("texts %q, want the second", now.Texts)
		}
		swap(t, a, now, "third")
	})
}

func lostAndSentAgain(t *testing.T, s Service, z *zone) {
	a := record(t, open(t, s, good, testZone), testName)
	now := swap(t, a, register.Snapshot{}, "first")
	z.mu.Lock()
	z.drop = 2
	z.mu.Unlock()
	now = swap(t, a, now, "second")
	if got := load(t, record(t, open(t, s, good, testZone), testName)); got.Tag != now.Tag {
		t.Errorf("texts %q, want the second", got.Texts)
	}
	swap(t, a, now, "third")
}

// What the services say to a wrong credential, and to a zone that is not there.
func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, s Service, z *zone) {
		const wrong = "wrong-secret"
		bad := Settings{
			Token: register.NewSecret(wrong), Endpoint: "ovh-eu", ApplicationKey: "application",
			ApplicationSecret: register.NewSecret(secret2), ConsumerKey: register.NewSecret(wrong),
		}
		for name, c := range map[string]struct {
			client *ballot.Client
			record string
			want   string
		}{
			"credential": {open(t, s, bad, testZone), testName, "not valid"},
			"zone":       {open(t, s, good, "example.net"), "canary.example.net", "no such zone"},
		} {
			r := record(t, c.client, c.record)
			_, loadErr := r.Load(t.Context())
			_, swapErr := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
			for _, err := range []error{loadErr, swapErr} {
				if do, _ := register.Remedy(err); !errors.Is(err, register.ErrRefused) || !strings.Contains(do, c.want) {
					t.Errorf("%s: error %v, remedy %q, want a refusal", name, err, do)
				}
				for _, secret := range []string{wrong, token, secret2, secret3} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("%s: error %q shows a secret", name, strings.ReplaceAll(err.Error(), secret, "***"))
					}
				}
			}
			found := c.client.Examine(t.Context(), c.record)
			if len(found) != 1 || found[0].OK || !strings.Contains(found[0].Do, c.want) {
				t.Errorf("%s: findings %+v", name, found)
			}
		}
		found := open(t, s, good, testZone).Examine(t.Context(), testName)
		if len(found) != 2 || !found[0].OK || !found[1].OK {
			t.Errorf("findings %+v, want that all is well", found)
		}
	})
}

// A service that takes no more requests: its module says so, or waits until the time
// is up, and either way people learn of the limits.
func TestThrottled(t *testing.T) {
	each(t, func(t *testing.T, s Service, _ *zone) {
		services.set(fakes[s.Name].host, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "3600")
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(rw, `{"code":429,"error":{"code":"rate_limit_exceeded","message":"too many requests"},"message":"too many requests","detail":"too many requests"}`)
		}))
		module, err := s.Open(good)
		if err != nil {
			t.Fatal(err)
		}
		client, err := ballot.New(ballot.Config{Provider: module, Service: s.Name, Traits: s.Traits, Zone: testZone, Timeout: 2 * time.Second, Secrets: good.Secrets()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = record(t, client, testName).Load(t.Context())
		do, _ := register.Remedy(err)
		waits := errors.Is(err, context.DeadlineExceeded)
		if !waits && !errors.Is(err, register.ErrThrottled) || errors.Is(err, register.ErrRefused) || !strings.Contains(do, "its limits: ") {
			t.Errorf("error %v, remedy %q", err, do)
		}
		if found := client.Examine(t.Context(), testName); len(found) != 1 || found[0].OK || !strings.Contains(found[0].Do, "its limits: ") {
			t.Errorf("findings %+v", found)
		}
		t.Logf("waits: %v", waits)
	})
}

func TestOpen(t *testing.T) {
	if diff := cmp.Diff([]string{"desec", "digitalocean", "gandi", "hetzner", "ovh"}, Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	for _, s := range Services() {
		if s.Title == "" || s.Module == "" || s.Limits == "" || s.Traits.MinTTL == 0 {
			t.Errorf("%s: %+v lacks something", s.Name, s)
		}
		if _, err := Open(s.Name, Settings{}); err == nil || !strings.HasPrefix(err.Error(), s.Name+": ") {
			t.Errorf("%s without a credential: %v", s.Name, err)
		}
	}
	if _, err := Open("bind", good); err == nil || !strings.Contains(err.Error(), "desec, digitalocean") {
		t.Errorf("an unknown service: %v", err)
	}
}
