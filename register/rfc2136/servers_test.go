package rfc2136

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/register"
)

// TestRefusals: what each real server says no to, ends in a sentence with the
// cause and the remedy.
func TestRefusals(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			key := dnstest.NewKey("agent", "canary")
			good := Config{Server: start(t, kind, key), Zone: testZone, Key: keyOf(key)}
			for _, row := range []struct {
				name   string
				change func(*Config)
				record string
				code   map[dnstest.Kind]string
				fault  Fault
				reason string
			}{
				{
					"unknown key",
					func(c *Config) { c.Key.Name = "nobody" }, "canary.t.test",
					map[dnstest.Kind]string{dnstest.BIND: "BADKEY", dnstest.Knot: "BADKEY", dnstest.PowerDNS: "REFUSED", own: "BADKEY"},
					FaultKey,
					"nobody",
				},
				{
					"wrong secret",
					func(c *Config) { c.Key.Secret = keyOf(dnstest.NewKey("agent")).Secret }, "canary.t.test",
					map[dnstest.Kind]string{dnstest.BIND: "BADSIG", dnstest.Knot: "BADSIG", dnstest.PowerDNS: "REFUSED", own: "BADSIG"},
					FaultKey,
					"secret",
				},
				{
					"wrong algorithm",
					func(c *Config) { c.Key.Algorithm = "hmac-sha512" }, "canary.t.test",
					map[dnstest.Kind]string{dnstest.BIND: "BADKEY", dnstest.Knot: "BADKEY", dnstest.PowerDNS: "REFUSED", own: "BADKEY"},
					FaultKey,
					"agent",
				},
				{
					"name not granted",
					func(*Config) {}, "other.t.test",
					map[dnstest.Kind]string{dnstest.BIND: "REFUSED", dnstest.Knot: "BADKEY", dnstest.PowerDNS: "", own: "REFUSED"},
					FaultGrant,
					"granted to the key",
				},
				{
					"zone not served",
					func(c *Config) { c.Zone = "example.com" }, "canary.example.com",
					map[dnstest.Kind]string{dnstest.BIND: "NOTAUTH", dnstest.Knot: "NOTAUTH", dnstest.PowerDNS: "NOTAUTH", own: "NOTAUTH"},
					FaultZone,
					"does not serve the zone example.com",
				},
			} {
				t.Run(row.name, func(t *testing.T) {
					cfg := good
					row.change(&cfg)
					r := open(t, cfg, row.record)
					_, err := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
					t.Log(err)
					if row.code[kind] == "" { // ignored in silence
						wantOutcome(t, err, register.ErrUncertain)
						if !strings.Contains(err.Error(), "write ignored") {
							t.Errorf("error %v, want one that says so", err)
						}
						return
					}
					wantOutcome(t, err, register.ErrRefused)
					refusal := new(Refusal)
					if !errors.As(err, &refusal) || refusal.Code != row.code[kind] || refusal.Fault != row.fault || !strings.Contains(refusal.Reason, row.reason) {
						t.Errorf("error %v (fault %q), want %s with %q (fault %q)", err, refusal.Fault, row.code[kind], row.reason, row.fault)
					}
					if _, err := r.Load(t.Context()); row.name != "name not granted" {
						t.Log(err)
						wantOutcome(t, err, register.ErrRefused)
					}
				})
			}
			if s, err := open(t, good, "canary.t.test").Load(t.Context()); err != nil || len(s.Texts) != 0 {
				t.Errorf("after all refusals: %q, error %v", s.Texts, err)
			}
		})
	}
}

// TestClockOfServers: BIND and Knot tell their time, and are understood;
// PowerDNS 4.7 only refuses.
func TestClockOfServers(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			key := dnstest.NewKey("agent")
			server := start(t, kind, key)
			for _, skew := range []time.Duration{-400 * time.Second, 400 * time.Second, -time.Second, 25 * time.Hour} {
				r := open(t, Config{Server: server, Zone: testZone, Key: keyOf(key)}, "canary.t.test").(*record)
				r.client.now = func() time.Time { return time.Now().Add(skew) }
				old, err := r.Load(t.Context())
				if kind == dnstest.PowerDNS && skew.Abs() > 300*time.Second {
					t.Log(err)
					wantOutcome(t, err, register.ErrRefused)
					if !strings.Contains(err.Error(), "clock") {
						t.Errorf("skew %s: error %v does not speak of the clock", skew, err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("skew %s: %v", skew, err)
				}
				s, err := r.Swap(t.Context(), old, []string{skew.String()})
				if err != nil {
					t.Fatalf("skew %s: %v", skew, err)
				}
				for _, got := range []register.Snapshot{old, s} {
					if d := time.Since(got.Time); d < -time.Second || d > 5*time.Second {
						t.Errorf("skew %s: the register's time is %s off", skew, d)
					}
				}
			}
		})
	}
}

// TestAliasAndWildcard: names at which DNS answers, but takes no update.
func TestAliasAndWildcard(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			key := dnstest.NewKey("agent")
			server := start(t, kind, key,
				`real TXT "behind"`, "alias CNAME real", `*.wild TXT "v=spf1 -all"`, "*.both CNAME real", "sub NS ns.elsewhere.test.")
			cfg := Config{Server: server, Zone: testZone, Key: keyOf(key)}
			wantCode := func(err error, code string) {
				t.Helper()
				t.Log(err)
				wantOutcome(t, err, register.ErrRefused)
				if refusal := new(Refusal); !errors.As(err, &refusal) || refusal.Code != code {
					t.Errorf("error %v, want %s", err, code)
				}
			}
			for _, name := range []string{"alias.t.test", "any.both.t.test"} {
				_, err := open(t, cfg, name).Load(t.Context())
				wantCode(err, "CNAME")
			}
			_, err := open(t, cfg, "alias.t.test").Swap(t.Context(), register.Snapshot{}, []string{"first"})
			wantCode(err, "CNAME")
			_, err = open(t, cfg, "below.sub.t.test").Load(t.Context())
			wantCode(err, "LAME")

			wild := open(t, cfg, "any.wild.t.test")
			s, err := wild.Load(t.Context())
			if err != nil || !cmp.Equal(s.Texts, []string{"v=spf1 -all"}) {
				t.Fatalf("wildcard: %q, error %v", s.Texts, err)
			}
			_, err = wild.Swap(t.Context(), s, []string{"v=spf1 -all", "first"})
			wantCode(err, "WILDCARD")
			// The remedy works: with a record of its own the name is its own.
			if s, err = wild.Swap(t.Context(), register.Snapshot{}, []string{"first"}); err != nil {
				t.Fatal(err)
			}
			if _, err = wild.Swap(t.Context(), s, []string{"second"}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestServerEnds: while the server is away a swap was not sent, or is uncertain;
// what it acknowledged before a SIGKILL is there afterwards.
func TestServerEnds(t *testing.T) {
	for _, kind := range dnstest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			key := dnstest.NewKey("agent", "canary")
			server := dnstest.Run(t, dnstest.Config{Kind: kind, Keys: []dnstest.Key{key}})
			cfg := Config{Server: server.Addr, Zone: server.Zone, Key: keyOf(key), Timeout: 300 * time.Millisecond}
			r := open(t, cfg, "canary.t.test").(*record)
			r.client.timeout = DefaultTimeout
			s, err := r.Swap(t.Context(), register.Snapshot{}, []string{"first"})
			if err != nil {
				t.Fatal(err)
			}
			server.Kill()
			_, err = r.Swap(t.Context(), s, []string{"second"})
			wantOutcome(t, err, errPlain)
			if err := server.Restart(); err != nil {
				t.Fatal(err)
			}
			now, err := r.Load(t.Context())
			if err != nil || now.Tag != s.Tag {
				t.Errorf("after a SIGKILL: %q, error %v, want %q", now.Texts, err, s.Texts)
			}

			if err := server.Pause(); err != nil {
				t.Fatal(err)
			}
			r.client.timeout = cfg.Timeout
			_, err = r.Swap(t.Context(), s, []string{"late"})
			wantOutcome(t, err, register.ErrUncertain)
			if err := server.Resume(); err != nil {
				t.Fatal(err)
			}
			// The request may land now, or not: another swap of the same snapshot
			// settles it.
			r.client.timeout = DefaultTimeout
			if _, err = r.Swap(t.Context(), s, []string{"second"}); err != nil {
				wantOutcome(t, err, register.ErrConflict)
				if now, err = r.Load(t.Context()); err != nil || !cmp.Equal(now.Texts, []string{"late"}) {
					t.Errorf("%q, error %v, want the late text", now.Texts, err)
				}
			}
		})
	}
}
