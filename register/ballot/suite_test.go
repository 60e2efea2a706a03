package ballot

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

const testZone = "example.com"

// config is one of a process of its own.
func config(module Provider, traits Traits) Config {
	return Config{
		Provider: module, Service: "fake", Zone: testZone, Timeout: 20 * time.Second, Traits: traits,
		Secrets: []register.Secret{register.NewSecret(cloudtest.Token)},
	}
}

func client(t testing.TB, cfg Config, name string) register.Register {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Register(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fixtures makes fresh records on one provider.
func fixtures(service *cloudtest.LibDNS, traits Traits, change func(*Config)) func(t *testing.T) registertest.Fixture {
	var n atomic.Int64
	return func(t *testing.T) registertest.Fixture {
		name := fmt.Sprintf("record%d.%s", n.Add(1), testZone)
		with := func(name string, prepare func(*cloudtest.LibDNSClient)) func() register.Register {
			return func() register.Register {
				module := service.Client(cloudtest.Token)
				prepare(module)
				cfg := config(module, traits)
				if change != nil {
					change(&cfg)
				}
				return client(t, cfg, name)
			}
		}
		// The first write of a swap begins a ballot, the second decides.
		first := []cloudtest.Fault{cloudtest.Pass}
		if cfg := config(nil, traits); change != nil {
			if change(&cfg); cfg.Settle {
				first = nil
			}
		}
		return registertest.Fixture{
			Provider: "ballot", Name: name, Secrets: []string{cloudtest.Token},
			Open:      with(name, func(*cloudtest.LibDNSClient) {}),
			Neighbour: with("beside."+name, func(*cloudtest.LibDNSClient) {}),
			LoseReply: with(name, func(c *cloudtest.LibDNSClient) {
				c.OnWrites(append(first, cloudtest.LoseReply)...)
			}),
			LoseRequest: with(name, func(c *cloudtest.LibDNSClient) {
				c.OnWrites(append(first, cloudtest.LoseRequest)...)
			}),
			Unreachable: with(name, func(c *cloudtest.LibDNSClient) { c.SetDown(true) }),
		}
	}
}

// TestConformance runs the suite against services of both kinds.
func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name    string
		service cloudtest.LibDNSOptions
		traits  Traits
	}{
		{"records with ids", cloudtest.LibDNSOptions{}, Traits{}},
		{"records with ids, in pages", cloudtest.LibDNSOptions{Page: 7, Opaque: true}, Traits{}},
		{"record sets", cloudtest.LibDNSOptions{Sets: true}, Traits{Whole: true}},
		{"record sets, replaced at once", cloudtest.LibDNSOptions{Sets: true, NoQuotes: true}, Traits{Replaces: true, Whole: true, NoQuotes: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			registertest.Test(t, fixtures(cloudtest.NewLibDNS(testZone, c.service), c.traits, nil))
		})
	}
}

// bubbled makes the client's clock that of a bubble of testing/synctest.
func bubbled(r register.Register) register.Register {
	start := time.Now()
	r.(*settled).record.client.elapsed = func() time.Duration { return time.Since(start) }
	return r
}

// TestWeak runs what is left of the suite where only the record set can be written.
func TestWeak(t *testing.T) {
	service := cloudtest.NewLibDNS(testZone, cloudtest.LibDNSOptions{Sets: true})
	fresh := fixtures(service, Traits{Replaces: true}, func(cfg *Config) {
		cfg.Settle, cfg.Effect = true, 5*time.Second
	})
	registertest.Weak(t, func(t *testing.T) registertest.Fixture {
		f := fresh(t)
		open, neighbour := f.Open, f.Neighbour
		f.Open = func() register.Register { return bubbled(open()) }
		f.Neighbour = func() register.Register { return bubbled(neighbour()) }
		return f
	})
}

// TestUnsettled has a process that does not know the outcome of a swap read nothing
// until every write that could replace it has taken effect.
func TestUnsettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := cloudtest.NewLibDNS(testZone, cloudtest.LibDNSOptions{Sets: true})
		f := fixtures(service, Traits{Replaces: true}, func(cfg *Config) { cfg.Settle, cfg.Effect = true, 5*time.Second })(t)
		r := bubbled(f.Open())
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := r.Swap(ctx, register.Snapshot{}, []string{"a"}); !errors.Is(err, register.ErrUncertain) {
			t.Fatalf("a swap that was given up while it settles: error %v", err)
		}
		if s, err := r.Load(t.Context()); !errors.Is(err, errUnsettled) {
			t.Errorf("a text that may be replaced is read as %q, error %v", s.Texts, err)
		}
		if s, err := bubbled(f.Open()).Load(t.Context()); err != nil || len(s.Texts) != 1 {
			t.Errorf("another process reads %q, error %v", s.Texts, err)
		}
		time.Sleep(20 * time.Second)
		if s, err := r.Load(t.Context()); err != nil || len(s.Texts) != 1 {
			t.Errorf("after it has settled %q is read, error %v", s.Texts, err)
		}
	})
}
