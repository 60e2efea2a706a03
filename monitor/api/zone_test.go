package api

import (
	"context"
	"encoding/base64"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/rfc2136"
	"github.com/solotick/solotick/zone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func now() time.Time { return time.Now() }

// A zoneServer is a DNS server for example.com.
type zoneServer struct {
	t    testing.TB
	addr string
}

func newZone(t testing.TB) *zoneServer {
	t.Helper()
	return serveZone(t, zone.Zone{Name: "example.com"})
}

func serveZone(t testing.TB, of zone.Zone) *zoneServer {
	t.Helper()
	s, err := zone.Open(zone.Config{
		Listen: []string{"127.0.0.1:0"}, Dir: t.TempDir(), Zones: []zone.Zone{of},
		Keys: []zone.Key{{Name: testKey, Algorithm: "hmac-sha256", Secret: []byte(testKey), Grants: []zone.Grant{{Name: "example.com", Below: true, Types: []string{"TXT"}}}}},
		Log:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- s.Serve(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	return &zoneServer{t: t, addr: s.Addr()}
}

// put makes the text the only one at a name.
func (z *zoneServer) put(name, text string) {
	z.t.Helper()
	snap, err := z.record(name).Load(z.t.Context())
	if err == nil {
		_, err = z.record(name).Swap(z.t.Context(), snap, []string{text})
	}
	if err != nil {
		z.t.Fatal(err)
	}
}

func (z *zoneServer) record(name string) register.Register {
	z.t.Helper()
	c, err := rfc2136.New(rfc2136.Config{
		Server: z.addr, Zone: "example.com", TTL: time.Minute,
		Key: rfc2136.Key{Name: testKey, Algorithm: "hmac-sha256", Secret: rfc2136.Secret(base64.StdEncoding.EncodeToString([]byte(testKey)))},
	})
	if err != nil {
		z.t.Fatal(err)
	}
	r, err := c.Register(name + ".example.com")
	if err != nil {
		z.t.Fatal(err)
	}
	return r
}

// testKey is the name and the secret of the key that may write.
const testKey = "agents-of-a-test"

// eyes look at nothing but this server.
func (z *zoneServer) eyes(t testing.TB) *monitor.Eyes {
	t.Helper()
	e, err := monitor.NewEyes(monitor.EyesConfig{Servers: []string{z.addr}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}
