package route53

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

// configFor is the configuration for a fake, without limits of rate.
func configFor(fake *cloudtest.Route53) Config {
	return Config{
		Zone: "example.com", Endpoint: fake.URL, AccessKeyID: fake.AccessKeyID,
		SecretAccessKey: register.NewSecret(fake.SecretAccessKey), SessionToken: register.NewSecret(fake.SessionToken),
		Timeout: 20 * time.Second, Rate: 1e6, Burst: 1e6,
	}
}

func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// open returns a client's register of one name.
func open(t *testing.T, c *Client, name string) *record {
	t.Helper()
	r, err := c.Register(name)
	if err != nil {
		t.Fatal(err)
	}
	return r.(*record)
}

// start makes a fake with the zone example.com, and a client of it.
func start(t *testing.T) (fake *cloudtest.Route53, zone string, c *Client) {
	t.Helper()
	fake = cloudtest.NewRoute53(t)
	zone = fake.AddZone("example.com")
	return fake, zone, newClient(t, configFor(fake))
}

// TestConformance runs the suite: each client is one of its own, as another
// process would have, or all share one.
func TestConformance(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared %v", shared), func(t *testing.T) {
			fake, _, one := start(t)
			var n atomic.Int64
			registertest.Test(t, func(t *testing.T) registertest.Fixture {
				name := fmt.Sprintf("record%d.example.com", n.Add(1))
				client := func() *Client {
					if shared {
						return one
					}
					return newClient(t, configFor(fake))
				}
				lossy := func(f cloudtest.Fault) func() register.Register {
					return func() register.Register {
						fake.OnWrites(f)
						return open(t, client(), name)
					}
				}
				return registertest.Fixture{
					Provider: "route53", Name: name, Secrets: []string{fake.SecretAccessKey, fake.SessionToken},
					Open:        func() register.Register { return open(t, client(), name) },
					Neighbour:   func() register.Register { return open(t, client(), "beside."+name) },
					LoseReply:   lossy(cloudtest.LoseReply),
					LoseRequest: lossy(cloudtest.LoseRequest),
					Unreachable: func() register.Register {
						cfg := configFor(fake)
						cfg.Endpoint = "http://" + registertest.ClosedPort(t)
						return open(t, newClient(t, cfg), name)
					},
				}
			})
		})
	}
}

func load(t *testing.T, r register.Register) register.Snapshot {
	t.Helper()
	s, err := r.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func swap(t *testing.T, r register.Register, old register.Snapshot, texts ...string) register.Snapshot {
	t.Helper()
	s, err := r.Swap(context.Background(), old, texts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
