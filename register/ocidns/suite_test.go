package ocidns_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/ocidns"
	"github.com/solotick/solotick/register/registertest"
)

const (
	zone   = "t.test"
	zoneID = "ocid1.dns-zone.oc1..t"
)

// newFake starts the service with one zone.
func newFake(t *testing.T) *cloudtest.OCIDNS {
	t.Helper()
	fake := cloudtest.NewOCIDNS(t)
	fake.AddZone(zone, zoneID, "PRIMARY", "GLOBAL")
	return fake
}

func config(fake *cloudtest.OCIDNS) ocidns.Config {
	return ocidns.Config{Zone: zone, Endpoint: fake.URL, ConfigFile: fake.ConfigFile(), Timeout: 20 * time.Second, Rate: 10_000, Burst: 10_000}
}

// newClient makes a client that is closed with the test.
func newClient(t *testing.T, cfg ocidns.Config) *ocidns.Client {
	t.Helper()
	c, err := ocidns.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// open returns the register of a name of one more client.
func open(t *testing.T, cfg ocidns.Config, name string) register.Register {
	t.Helper()
	r, err := newClient(t, cfg).Register(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fixtures makes fresh records, each at a name of its own, of one service.
func fixtures(fake *cloudtest.OCIDNS, cfg ocidns.Config) func(t *testing.T) registertest.Fixture {
	var n atomic.Int64
	return func(t *testing.T) registertest.Fixture {
		name := fmt.Sprintf("record%d.%s", n.Add(1), zone)
		through := func(lose func(*registertest.Proxy)) func() register.Register {
			return func() register.Register {
				proxy := registertest.NewProxy(t, strings.TrimPrefix(fake.URL, "http://"))
				lose(proxy)
				lossy := cfg
				lossy.Endpoint = "http://" + proxy.Addr
				return open(t, lossy, name)
			}
		}
		return registertest.Fixture{
			Provider: "ocidns", Name: name, Secrets: []string{"PRIVATE KEY", "signature="},
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

// TestConformanceOtherwise has the service behave in the other ways that its
// documentation leaves open.
func TestConformanceOtherwise(t *testing.T) {
	fake := newFake(t)
	fake.AbsentIsMissing()
	fake.Prohibited(http.StatusPreconditionFailed, "PreconditionFailed")
	cfg := config(fake)
	cfg.ZoneID = zoneID
	registertest.Test(t, fixtures(fake, cfg))
}
