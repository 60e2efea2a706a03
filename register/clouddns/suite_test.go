package clouddns_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/clouddns"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

const (
	zone    = "t.test"
	managed = "t-test"
)

// newFake starts the service with one zone.
func newFake(t *testing.T) *cloudtest.CloudDNS {
	t.Helper()
	fake := cloudtest.NewCloudDNS(t)
	fake.AddZone(managed, zone+".", "public")
	return fake
}

// config is a client's of the service, which finds the zone by its name.
func config(fake *cloudtest.CloudDNS) clouddns.Config {
	return clouddns.Config{
		Zone: zone, Endpoint: fake.URL, Credentials: register.NewSecret(fake.Credentials()),
		Timeout: 20 * time.Second, Rate: 10_000, Burst: 10_000,
	}
}

// newClient makes a client that is closed with the test.
func newClient(t *testing.T, cfg clouddns.Config) *clouddns.Client {
	t.Helper()
	c, err := clouddns.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// open returns the register of a name of one more client.
func open(t *testing.T, cfg clouddns.Config, name string) register.Register {
	t.Helper()
	return at(t, newClient(t, cfg), name)
}

func at(t *testing.T, c *clouddns.Client, name string) register.Register {
	t.Helper()
	r, err := c.Register(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fixtures makes fresh records, each at a name of its own, of one service.
func fixtures(fake *cloudtest.CloudDNS, cfg clouddns.Config) func(t *testing.T) registertest.Fixture {
	var n atomic.Int64
	return func(t *testing.T) registertest.Fixture {
		name := fmt.Sprintf("record%d.%s", n.Add(1), zone)
		through := func(lose func(*registertest.Proxy)) func() register.Register {
			return func() register.Register {
				proxy := registertest.NewProxy(t, strings.TrimPrefix(fake.URL, "http://"))
				lose(proxy)
				lossy := cfg
				lossy.Endpoint, lossy.ManagedZone = "http://"+proxy.Addr, managed // so that the swap is all that goes there
				return open(t, lossy, name)
			}
		}
		return registertest.Fixture{
			Provider: "clouddns", Name: name, Secrets: []string{"ya29.", "PRIVATE KEY"},
			Open:        func() register.Register { return open(t, cfg, name) },
			Neighbour:   func() register.Register { return open(t, cfg, "beside."+name) },
			LoseReply:   through(func(p *registertest.Proxy) { p.LoseReplies(true) }),
			LoseRequest: through(func(p *registertest.Proxy) { p.LoseRequests(true) }),
			Unreachable: func() register.Register {
				nobody := cfg
				nobody.Endpoint = "http://" + registertest.ClosedPort(t)
				return open(t, nobody, name)
			},
		}
	}
}

func TestConformance(t *testing.T) {
	fake := newFake(t)
	registertest.Test(t, fixtures(fake, config(fake)))
}

// TestConformanceTerse holds that nothing depends on how a conflict is told.
func TestConformanceTerse(t *testing.T) {
	fake := newFake(t)
	fake.Terse()
	cfg := config(fake)
	shared := newClient(t, cfg)
	fresh := fixtures(fake, cfg)
	registertest.Test(t, func(t *testing.T) registertest.Fixture {
		f := fresh(t)
		f.Open = func() register.Register { return at(t, shared, f.Name) } // whose swaps go together
		f.Neighbour = func() register.Register { return at(t, shared, "beside."+f.Name) }
		return f
	})
}
