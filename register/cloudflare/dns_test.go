package cloudflare

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/register"
)

func looker(t *testing.T, addr string) func(name string) lookup.Answer {
	t.Helper()
	l, err := lookup.New(lookup.Config{Servers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) lookup.Answer {
		t.Helper()
		a, err := l.One(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if a.Err != nil {
			t.Fatal(a.Err)
		}
		slices.Sort(a.Texts)
		return a
	}
}

const (
	before = `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":1641903910000}`
	after  = `{"id":"ABCDEFGHIJ","timer":1641904030,"timerold":1641903970,"seq":1641903970000,"until":1641903985,"lease":15}`
)

// TestDNSShowsAChangePieceByPiece: while a change is on its way, DNS has no value at
// the name, or both; the API has the new one throughout.
func TestDNSShowsAChangePieceByPiece(t *testing.T) {
	for _, c := range []struct {
		name      string
		madeFirst bool
		between   []string
	}{
		{"no value", false, nil},
		{"both values", true, []string{after, before}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake, zone := start(t)
			r := open(t, config(fake), name)
			s := swap(t, r, register.Snapshot{}, before)
			dns := fake.ServeDNS(zone)
			dns.Settle()
			look := looker(t, dns.Addr)
			if got := look(name); !slices.Equal(got.Texts, []string{before}) || got.TTL != DefaultTTL {
				t.Fatalf("DNS has %q with a TTL of %s", got.Texts, got.TTL)
			}
			dns.Hold(true)
			dns.MadeFirst(c.madeFirst)
			swap(t, r, s, after)
			var shown [][]string
			for {
				if got := load(t, r).Texts; !slices.Equal(got, []string{after}) {
					t.Errorf("a Load has %q", got)
				}
				if got := look(name).Texts; len(shown) == 0 || !slices.Equal(shown[len(shown)-1], got) {
					shown = append(shown, got)
				}
				if !dns.Step() {
					break
				}
			}
			if diff := cmp.Diff([][]string{{before}, c.between, {after}}, shown); diff != "" {
				t.Errorf("what DNS has shown (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDNSFollows: every text arrives as it was written, and a removal does.
func TestDNSFollows(t *testing.T) {
	fake, zone := start(t)
	dns := fake.ServeDNS(zone)
	dns.Delay(time.Millisecond)
	look := looker(t, dns.Addr)
	r := open(t, config(fake), name)
	s := register.Snapshot{}
	for i, text := range []string{before, `quotes " and \ and ;`, fmt.Sprintf("long %0300d", 1), "é"} {
		dns.MadeFirst(i%2 == 0)
		s = swap(t, r, s, text, "another")
		dns.Settle()
		want := []string{text, "another"}
		slices.Sort(want)
		if diff := cmp.Diff(want, look(name).Texts); diff != "" {
			t.Errorf("DNS (-want +got):\n%s", diff)
		}
	}
	if got := look(guardOf(name)); got.Alias != name {
		t.Errorf("the guard is %+v", got)
	}
	swap(t, r, s)
	dns.Settle()
	if got := look(name); got.Status == lookup.Found {
		t.Errorf("DNS still has %q", got.Texts)
	}
}
