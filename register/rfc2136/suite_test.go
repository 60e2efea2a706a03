package rfc2136

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
)

func keyOf(k dnstest.Key) Key {
	return Key{Name: k.Name, Algorithm: k.Algorithm, Secret: Secret(k.Secret)}
}

// open returns one more client of the record, as another process would be.
func open(t *testing.T, cfg Config, name string) register.Register {
	t.Helper()
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r, err := client.Register(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// closedPort is an address of loopback that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// fixtures makes fresh records, each at a name of its own, on one server.
func fixtures(cfg Config) func(t *testing.T) registertest.Fixture {
	var n atomic.Int64
	return func(t *testing.T) registertest.Fixture {
		name := fmt.Sprintf("record%d.%s", n.Add(1), cfg.Zone)
		name = name[:len(name)-1] // errors have no final dot
		through := func(lose func(*registertest.Proxy)) func() register.Register {
			return func() register.Register {
				proxy := registertest.NewProxy(t, cfg.Server)
				lose(proxy)
				lossy := cfg
				lossy.Server = proxy.Addr
				return open(t, lossy, name)
			}
		}
		return registertest.Fixture{
			Provider: "rfc2136", Name: name, Secrets: []string{string(cfg.Key.Secret)},
			Open:        func() register.Register { return open(t, cfg, name) },
			Neighbour:   func() register.Register { return open(t, cfg, "beside."+name) },
			LoseReply:   through(func(p *registertest.Proxy) { p.LoseReplies(true) }),
			LoseRequest: through(func(p *registertest.Proxy) { p.LoseRequests(true) }),
			Unreachable: func() register.Register {
				nobody := cfg
				nobody.Server = closedPort(t)
				return open(t, nobody, name)
			},
		}
	}
}

// TestConformance runs the suite on real servers, with each algorithm on one of
// them.
func TestConformance(t *testing.T) {
	algorithms := map[dnstest.Kind]string{
		dnstest.BIND: "hmac-sha256", dnstest.Knot: "hmac-sha384", dnstest.PowerDNS: "hmac-sha512",
	}
	for _, kind := range dnstest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			key := dnstest.NewKey("agent")
			key.Algorithm = algorithms[kind]
			server := dnstest.Run(t, dnstest.Config{Kind: kind, Keys: []dnstest.Key{key}})
			registertest.Test(t, fixtures(Config{
				Server: server.Addr, Zone: server.Zone, Key: keyOf(key), Timeout: 20 * time.Second,
			}))
		})
	}
}
