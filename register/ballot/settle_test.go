package ballot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libdns/libdns"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

func TestSettleTime(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want time.Duration
	}{
		{Config{}, 32*time.Second + 31*time.Millisecond},
		{Config{Send: 2 * time.Second, Effect: 5 * time.Second}, 8*time.Second + 7*time.Millisecond},
		{Config{Behind: 2 * time.Minute}, 152*time.Second + 151*time.Millisecond},
	} {
		if got := c.cfg.SettleTime(); got != c.want {
			t.Errorf("%+v settles for %s, want %s", c.cfg, got, c.want)
		}
	}
}

// What becomes of a claim, in a bubble, where its time costs nothing.
func TestClaims(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(*cloudtest.LibDNSClient)
		during  string // what another writes while it settles
		within  time.Duration
		want    string
		held    string
		took    time.Duration
		err     error
	}{
		{name: "all is well", want: "done", held: "mine", took: 32031 * time.Millisecond},
		{name: "another is later", during: "theirs", want: "conflict", held: "theirs", took: 32031 * time.Millisecond},
		{name: "the first list fails", prepare: func(c *cloudtest.LibDNSClient) { c.OnReads(cloudtest.ServerError) }, want: "not applied", held: "old"},
		{name: "the write is lost", prepare: func(c *cloudtest.LibDNSClient) { c.OnWrites(cloudtest.LoseRequest) }, want: "uncertain", held: "old"},
		{name: "its answer is lost", prepare: func(c *cloudtest.LibDNSClient) { c.OnWrites(cloudtest.LoseReply) }, want: "uncertain", held: "mine"},
		{name: "the second list fails", prepare: func(c *cloudtest.LibDNSClient) { c.OnReads(0, cloudtest.ServerError) }, want: "uncertain", held: "mine", took: 32031 * time.Millisecond},
		{name: "the time is up while it settles", within: 10 * time.Second, want: "uncertain", held: "mine", took: 10 * time.Second, err: context.DeadlineExceeded},
		{name: "the look is slow", prepare: func(c *cloudtest.LibDNSClient) { c.Delay(1100 * time.Millisecond) }, want: "not applied", held: "old", took: 1100 * time.Millisecond, err: errLate},
		{name: "the look is slow, and in time", prepare: func(c *cloudtest.LibDNSClient) { c.Delay(time.Second) }, want: "done", held: "mine", took: 35031 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := cloudtest.NewLibDNS(testZone, cloudtest.LibDNSOptions{Sets: true})
				service.Put(relName, "old")
				module := service.Client(cloudtest.Token)
				cfg := config(module, Traits{Replaces: true})
				cfg.Settle = true
				r := bubbled(client(t, cfg, testName))
				s, err := r.Load(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if c.prepare != nil {
					c.prepare(module)
				}
				if c.during != "" {
					time.AfterFunc(20*time.Second, func() { service.Put(relName, c.during) })
				}
				ctx := t.Context()
				if c.within > 0 {
					short, cancel := context.WithTimeout(ctx, c.within)
					defer cancel()
					ctx = short
				}
				start := time.Now()
				_, err = r.Swap(ctx, s, []string{"mine"})
				if got := outcomeOf(err); got != c.want || c.err != nil && !errors.Is(err, c.err) {
					t.Errorf("swap: %v, want it %s (%v)", err, c.want, c.err)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				if diff := cmp.Diff([]string{c.held}, service.Texts(relName)); diff != "" {
					t.Errorf("texts (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A patient module waits before it sends a write, as one does that its service has
// asked for a pause.
type patient struct {
	Provider
	wait time.Duration
}

func (m patient) SetRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	if err := sleep(ctx, m.wait); err != nil {
		return nil, err
	}
	return m.Provider.SetRecords(ctx, zone, records)
}

// However long a module waits before it sends a write, one of two claims wins.
func TestPatientModule(t *testing.T) {
	for _, c := range []struct{ effect, timeout, wait time.Duration }{
		{5 * time.Second, 10 * time.Second, 9 * time.Second},
		{5 * time.Second, 10 * time.Second, 2 * time.Second},
		{30 * time.Second, time.Minute, 50 * time.Second},
		{30 * time.Second, 10 * time.Second, 9 * time.Second},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := cloudtest.NewLibDNS(testZone, cloudtest.LibDNSOptions{Sets: true})
				service.Put(relName, "old")
				won := make(chan string, 2)
				var wg sync.WaitGroup
				for name, wait := range map[string]time.Duration{"quick": 0, "patient": c.wait} {
					cfg := config(patient{service.Client(cloudtest.Token), wait}, Traits{Replaces: true})
					cfg.Settle, cfg.Effect, cfg.Timeout = true, c.effect, c.timeout
					r := bubbled(client(t, cfg, testName))
					s, err := r.Load(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					wg.Go(func() {
						if _, err := r.Swap(t.Context(), s, []string{name}); err == nil {
							won <- name
						}
					})
				}
				wg.Wait()
				close(won)
				var all []string
				for name := range won {
					all = append(all, name)
				}
				if held := service.Texts(relName); len(all) != 1 || !slices.Equal(held, all) {
					t.Errorf("%q won, and %q is held", all, held)
				}
			})
		})
	}
}

func TestConfig(t *testing.T) {
	module := cloudtest.NewLibDNS(testZone, cloudtest.LibDNSOptions{}).Client(cloudtest.Token)
	for want, cfg := range map[string]Config{
		"no provider": {Zone: testZone},
		"no zone":     {Provider: module},
		"a TTL of 30s at gandi: want whole seconds, from 5m0s": {Provider: module, Service: "gandi", Zone: testZone, TTL: 30 * time.Second, Traits: Traits{MinTTL: 5 * time.Minute}},
		"a TTL of 1.5s":     {Provider: module, Zone: testZone, TTL: 1500 * time.Millisecond},
		"below zero":        {Provider: module, Zone: testZone, Effect: -1},
		"settling needs":    {Provider: module, Zone: testZone, Settle: true},
		"a time below zero": {Provider: module, Zone: testZone, Timeout: -1},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	c, err := New(Config{Provider: module, Zone: "Example.COM.", Traits: Traits{MinTTL: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	if c.cfg.TTL != time.Hour || c.cfg.Service != "libdns" {
		t.Errorf("config %+v", c.cfg)
	}
	for _, name := range []string{"example.com", "canary.example.com.", "A.B.example.com"} {
		if _, err := c.Register(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Register("canary.example.org"); err == nil || !strings.Contains(err.Error(), "not in the zone") {
		t.Errorf("a name of another zone: %v", err)
	}
	if found := c.Examine(t.Context(), "canary.example.org"); len(found) != 1 || found[0].OK {
		t.Errorf("findings %+v", found)
	}
}

// The zone's own name, names in capitals and settling, as people see them.
func TestExamine(t *testing.T) {
	service := cloudtest.NewLibDNS(testZone, cloudtest.LibDNSOptions{Sets: true})
	cfg := config(service.Client(cloudtest.Token), Traits{Replaces: true})
	r := client(t, cfg, testZone)
	if _, err := r.Swap(t.Context(), register.Snapshot{}, []string{"x"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"x"}, service.Texts("@")); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	found := r.(*record).client.Examine(t.Context(), testZone, "other."+testZone)
	if len(found) != 4 || !strings.Contains(found[1].Text, "version 1, with 1 texts") {
		t.Errorf("findings %+v", found)
	}
	cfg.Settle = true
	found = client(t, cfg, testZone).(*settled).record.client.Examine(t.Context(), testZone)
	if len(found) != 2 || !strings.Contains(found[1].Text, "a swap takes 32.031s") {
		t.Errorf("findings %+v", found)
	}
}
