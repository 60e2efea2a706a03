package cloudflare

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

// TestTheZoneIsMadeAnew: a zone that was deleted, and made again with another id, is
// found without a restart, however Cloudflare says that the old id is no good.
func TestTheZoneIsMadeAnew(t *testing.T) {
	for _, scoped := range []bool{false, true} {
		fake, old := start(t)
		r := open(t, config(fake), name)
		s := swap(t, r, register.Snapshot{}, "first")
		fake.RemoveZone(old)
		if scoped { // the token is not for a zone that is gone
			fake.Deny("write", http.StatusForbidden, 10000, "Authentication error")
		}
		_, err := r.Swap(t.Context(), s, []string{"second"})
		if registertest.Outcome(err) != "refused" {
			t.Fatalf("%s: %v", registertest.Outcome(err), err)
		}
		fake.Deny("write", 0, 0, "")
		zone := fake.AddZone(zoneName)
		swap(t, r, load(t, r), "third")
		if n := len(fake.Records(zone, name)); n != 1 {
			t.Errorf("scoped %v: %d records in the new zone", scoped, n)
		}
	}
}

// TestTwoValuesOfOneText: somebody else's values may differ only in how they are
// split into strings. Both stay.
func TestTwoValuesOfOneText(t *testing.T) {
	fake, zone := start(t)
	values := []string{`"a" "bc"`, `"ab" "c"`}
	for _, v := range values {
		fake.Put(zone, "TXT", name, v)
	}
	r := open(t, config(fake), name)
	s := load(t, r)
	s = swap(t, r, s, append(s.Texts, "record", "record")...)
	var got []string
	for _, e := range fake.Records(zone, name) {
		got = append(got, e.Content)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{`"a" "bc"`, `"ab" "c"`, `"record"`}, got); diff != "" {
		t.Error(diff)
	}
	if again := load(t, r); again.Tag != s.Tag {
		t.Errorf("tag %s, want %s", again.Tag, s.Tag)
	}
}

// TestRetryAfterIsADate has the service say until when it wants no request.
func TestRetryAfterIsADate(t *testing.T) {
	fake, _ := start(t)
	for after, want := range map[string]string{
		time.Now().UTC().Add(100 * time.Second).Format(http.TimeFormat): "nothing is sent for 1m",
		"999999999999999999": "nothing is sent for 15m",
	} {
		to, err := url.Parse(fake.URL)
		if err != nil {
			t.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(to)
		proxy.ModifyResponse = func(resp *http.Response) error {
			if resp.StatusCode == http.StatusTooManyRequests {
				resp.Header.Set("Retry-After", after)
			}
			return nil
		}
		srv := httptest.NewServer(proxy)
		t.Cleanup(srv.Close)
		cfg := config(fake)
		cfg.Endpoint = srv.URL + "/client/v4"
		r := open(t, cfg, name)
		s := load(t, r)
		fake.OnWrites(cloudtest.Throttle)
		_, err = r.Swap(t.Context(), s, []string{"text"})
		if registertest.Outcome(err) != "not applied" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", after, err, want)
		}
	}
}
