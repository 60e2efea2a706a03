package conformance

import (
	"context"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/command"
	"github.com/solotick/solotick/register/rfc2136"
	"github.com/solotick/solotick/zone"
)

// own is Solotick's own server, beside the kinds of dnstest.
const own dnstest.Kind = "solotick"

// TestServers: real servers pass, with their zone looked at by DNS.
func TestServers(t *testing.T) {
	t.Parallel()
	for _, kind := range append(dnstest.Kinds(), own) {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			key := dnstest.NewKey("agent")
			addr := ""
			if kind == own {
				addr = startOwn(t, key)
			} else {
				addr = dnstest.Run(t, dnstest.Config{Kind: kind, Keys: []dnstest.Key{key}}).Addr
			}
			r := Run(t.Context(), subject(t, addr, key), Options{}, nil)
			if !r.Passed || r.Swaps.OneWinner != 20 || r.Creates.OneWinner != 10 || r.Reads.Refused > 0 || r.DNS.Shown != r.DNS.Writes {
				t.Errorf("%s: swaps %+v, creates %+v:\n%s", kind, r.Swaps, r.Creates, r.Text())
			}
			for _, c := range r.Checks {
				if c.Verdict == Advice || c.Verdict == Skipped && c.Check != checkRate {
					t.Errorf("%s %s: %s", c.Verdict, c.Check, c.Text)
				}
			}
		})
	}
}

// TestCommand: a register of the user's own, by the example of one.
func TestCommand(t *testing.T) {
	t.Parallel()
	s := Subject{Provider: "command", Zone: "t.test", Class: register.Exact}
	s.Name, s.Neighbour = Scratch(s.Zone)
	program := []string{"../../examples/providers/command/register.sh", filepath.Join(t.TempDir(), "records.db")}
	s.Open = func(name string) (register.Register, error) {
		c, err := command.New(command.Config{Program: program, Zone: s.Zone, Class: s.Class, Timeout: 20 * time.Second})
		if err != nil {
			return nil, err
		}
		t.Cleanup(c.Close)
		return c.Register(name)
	}
	r := Run(t.Context(), s, Options{Racers: 4, Swaps: 5, Creates: 3, Chain: 5, Cuts: 8}, nil)
	if !r.Passed || r.Swaps.OneWinner != 5 || r.Creates.OneWinner != 3 {
		t.Errorf("swaps %+v, creates %+v:\n%s", r.Swaps, r.Creates, r.Text())
	}
}

func subject(t *testing.T, addr string, key dnstest.Key) Subject {
	t.Helper()
	outside, err := lookup.New(lookup.Config{Servers: []string{addr}})
	if err != nil {
		t.Fatal(err)
	}
	s := Subject{
		Provider: "rfc2136", Zone: "t.test", Class: register.Exact,
		Open: func(name string) (register.Register, error) {
			client, err := rfc2136.New(rfc2136.Config{
				Server: addr, Zone: "t.test",
				Key: rfc2136.Key{Name: key.Name, Algorithm: key.Algorithm, Secret: rfc2136.Secret(key.Secret)},
			})
			if err != nil {
				return nil, err
			}
			return client.Register(name)
		},
		Look: func(ctx context.Context, name string) ([]string, error) {
			a, err := outside.One(ctx, name)
			return a.Texts, err
		},
	}
	s.Name, s.Neighbour = Scratch(s.Zone)
	return s
}

// startOwn runs Solotick's own server for the zone t.test.
func startOwn(t *testing.T, key dnstest.Key) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "zone")
	lines := []string{"$ORIGIN t.test.", "$TTL 60", "@ IN SOA ns hostmaster 1 3600 600 86400 5", "@ IN NS ns", "ns IN A 127.0.0.1"}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := base64.StdEncoding.DecodeString(key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	server, err := zone.Open(zone.Config{
		Listen: []string{"127.0.0.1:0"}, Dir: filepath.Join(dir, "data"), Zones: []zone.Zone{{Name: "t.test.", File: file}},
		Keys: []zone.Key{{Name: key.Name, Algorithm: key.Algorithm, Secret: secret, Grants: []zone.Grant{{Name: "t.test.", Below: true, Types: []string{"TXT"}}}}},
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
