package clash

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/zone"
)

const (
	ownServer = "own"
	zoneName  = "t.test"
)

// A serving is the part of our own server's process.
type serving struct {
	Dir, Addr string
	Key       dnstest.Key
}

func serve(s serving) error {
	secret, err := base64.StdEncoding.DecodeString(s.Key.Secret)
	if err != nil {
		return err
	}
	server, err := zone.Open(zone.Config{
		Listen: []string{s.Addr}, Dir: s.Dir, Zones: []zone.Zone{{Name: zoneName}}, Log: slog.New(slog.DiscardHandler),
		Keys: []zone.Key{{Name: s.Key.Name, Algorithm: s.Key.Algorithm, Secret: secret, Grants: []zone.Grant{{Name: zoneName, Below: true}}}},
	})
	if err != nil {
		return err
	}
	return server.Serve(context.Background())
}

// open starts a server that ends with the test.
func openServer(t *testing.T, kind string, key dnstest.Key) (addr string) {
	t.Helper()
	if kind != ownServer {
		return dnstest.Run(t, dnstest.Config{Kind: dnstest.Kind(kind), Zone: zoneName, Keys: []dnstest.Key{key}}).Addr
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	l.Close()
	begin(t, serverEnv, serving{Dir: t.TempDir(), Addr: addr, Key: key}, os.Stderr)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
			return addr
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
