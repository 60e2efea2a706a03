package rfc2136

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
	"github.com/solotick/solotick/zone"
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

// own is Solotick's own server, beside the kinds of dnstest.
const own dnstest.Kind = "solotick"

func kinds() []dnstest.Kind { return append(dnstest.Kinds(), own) }

// start runs a server of any kind for the zone t.test and returns its address.
func start(t *testing.T, kind dnstest.Kind, key dnstest.Key, records ...string) string {
	t.Helper()
	if kind != own {
		return dnstest.Run(t, dnstest.Config{Kind: kind, Keys: []dnstest.Key{key}, Records: records}).Addr
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "zone")
	lines := append([]string{
		"$ORIGIN " + testZone, "$TTL 60", "@ IN SOA ns hostmaster 1 3600 600 86400 5", "@ IN NS ns", "ns IN A 127.0.0.1",
	}, records...)
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := base64.StdEncoding.DecodeString(key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	grants := []zone.Grant{{Name: testZone, Below: true, Types: []string{"TXT"}}}
	if len(key.Names) > 0 {
		grants = nil
		for _, name := range key.Names {
			grants = append(grants, zone.Grant{Name: name + "." + testZone, Types: []string{"TXT"}})
		}
	}
	server, err := zone.Open(zone.Config{
		Listen: []string{"127.0.0.1:0"}, Dir: filepath.Join(dir, "data"), Zones: []zone.Zone{{Name: testZone, File: file}},
		Keys: []zone.Key{{Name: key.Name, Algorithm: key.Algorithm, Secret: secret, Grants: grants}},
		Log:  slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return server.Addr()
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
				nobody.Server = registertest.ClosedPort(t)
				return open(t, nobody, name)
			},
		}
	}
}

// TestConformance runs the suite on every server, with each algorithm on one of
// them.
func TestConformance(t *testing.T) {
	algorithms := map[dnstest.Kind]string{
		dnstest.BIND: "hmac-sha256", dnstest.Knot: "hmac-sha384", dnstest.PowerDNS: "hmac-sha512", own: "hmac-sha256",
	}
	for _, kind := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			key := dnstest.NewKey("agent")
			key.Algorithm = algorithms[kind]
			registertest.Test(t, fixtures(Config{
				Server: start(t, kind, key), Zone: testZone, Key: keyOf(key), Timeout: 20 * time.Second,
			}))
		})
	}
}
