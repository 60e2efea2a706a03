package api

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/solotick/solotick/monitor"
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
		AllowUpdate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Log: slog.New(slog.DiscardHandler),
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
	m := new(dns.Msg)
	m.SetUpdate("example.com.")
	hdr := dns.RR_Header{Name: name + ".example.com.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}
	rr := &dns.TXT{Hdr: hdr, Txt: []string{strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)}}
	m.RemoveRRset([]dns.RR{rr})
	m.Insert([]dns.RR{rr})
	client := &dns.Client{Net: "tcp"}
	if r, _, err := client.Exchange(m, z.addr); err != nil || r.Rcode != dns.RcodeSuccess {
		z.t.Fatalf("%s was not written: %v %v", name, err, r)
	}
}

// eyes look at nothing but this server.
func (z *zoneServer) eyes(t testing.TB) *monitor.Eyes {
	t.Helper()
	e, err := monitor.NewEyes(monitor.EyesConfig{Servers: []string{z.addr}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}
