package cloudflare

import (
	"errors"
	"strings"
	"testing"

	"github.com/solotick/solotick/register"
)

func TestTheZoneIsFoundOnce(t *testing.T) {
	fake, _ := start(t)
	client := newTest(t, config(fake))
	r := at(t, client, name)
	s := swap(t, r, load(t, r), "first")
	swap(t, r, s, "second")
	if n := client.Requests(); n != 4 {
		t.Errorf("%d requests, want one for the zone, one for the load and two for the swaps", n)
	}
}

func TestWithoutZoneRead(t *testing.T) {
	fake, id := start(t)
	fake.ZoneRead(false)
	_, err := open(t, config(fake), name).Load(t.Context())
	do, _ := register.Remedy(err)
	if !errors.Is(err, register.ErrRefused) || !strings.Contains(err.Error(), "no zone t.test is listed for this token") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(do, "Zone, Zone, Read for t.test") || !strings.Contains(do, "dns.zone_id") {
		t.Errorf("remedy %q", do)
	}
	cfg := config(fake)
	cfg.ZoneID = id
	r := open(t, cfg, name)
	swap(t, r, load(t, r), "first")
}

func TestNoSuchZone(t *testing.T) {
	fake, _ := start(t)
	cfg := config(fake)
	cfg.Zone = "jobs.t.test" // in a zone, and none
	_, err := open(t, cfg, "canary.jobs.t.test").Load(t.Context())
	if !errors.Is(err, register.ErrRefused) || !strings.Contains(err.Error(), "no zone jobs.t.test is listed") {
		t.Errorf("error %v", err)
	}
	fake.AddZone("jobs.t.test")
	fake.AddZone("jobs.t.test")
	if _, err = open(t, cfg, "canary.jobs.t.test").Load(t.Context()); err == nil || !strings.Contains(err.Error(), "2 zones are named jobs.t.test") {
		t.Errorf("error %v", err)
	}
	cfg.ZoneID = strings.Repeat("0", 32)
	_, err = open(t, cfg, "canary.jobs.t.test").Load(t.Context())
	if do, _ := register.Remedy(err); !errors.Is(err, register.ErrRefused) || !strings.Contains(err.Error(), "there is no such zone (404 7003") || !strings.Contains(do, "dns.zone_id") {
		t.Errorf("error %v, remedy %q", err, do)
	}
}

// TestTheIDOfAnotherZone: there every name would be one below that zone's.
func TestTheIDOfAnotherZone(t *testing.T) {
	fake, _ := start(t)
	cfg := config(fake)
	cfg.ZoneID = fake.AddZone("other.test")
	_, err := open(t, cfg, name).Swap(t.Context(), register.Snapshot{}, []string{"text"})
	if do, _ := register.Remedy(err); !errors.Is(err, register.ErrRefused) || !strings.Contains(err.Error(), "the id is that of the zone other.test, and not of t.test") || !strings.Contains(do, "dns.zone_id") {
		t.Errorf("error %v, remedy %q", err, do)
	}
	if n := len(fake.Records(cfg.ZoneID, "")); n > 0 {
		t.Errorf("%d records were made", n)
	}
	// Without Zone Read it shows only by what was made.
	fake.ZoneRead(false)
	_, err = open(t, cfg, name).Swap(t.Context(), register.Snapshot{}, []string{"text"})
	if do, _ := register.Remedy(err); !errors.Is(err, register.ErrRefused) || !strings.Contains(do, "delete canary.t.test.other.test there") {
		t.Errorf("error %v, remedy %q", err, do)
	}
}

func TestObstacles(t *testing.T) {
	for _, c := range []struct{ kind, at, content, text string }{
		{"CNAME", name, "www.t.test", "there is a CNAME record at canary.t.test"},
		{"NS", name, "ns.t.test", "there is a NS record at canary.t.test"},
		{"A", guardOf(name), "192.0.2.1", "there is a A record at _solotick-guard.canary.t.test"},
	} {
		t.Run(c.kind+" "+c.at, func(t *testing.T) {
			fake, zone := start(t)
			r := open(t, config(fake), name)
			load(t, r)
			fake.Put(zone, c.kind, c.at, c.content)
			_, loadErr := r.Load(t.Context())
			_, swapErr := r.Swap(t.Context(), register.Snapshot{}, []string{"text"})
			for _, err := range []error{loadErr, swapErr} {
				if c.kind == "NS" && err == nil {
					continue // the fake lets a TXT be made below a delegation
				}
				if do, _ := register.Remedy(err); !errors.Is(err, register.ErrRefused) || errors.Is(err, register.ErrConflict) || !strings.Contains(err.Error(), c.text) || !strings.Contains(do, "delete that record") {
					t.Errorf("error %v, remedy %q", err, do)
				}
			}
			if loadErr == nil {
				t.Error("a Load does not tell")
			}
		})
	}
}

func TestTheZoneItselfAsAName(t *testing.T) {
	fake, zone := start(t)
	fake.Put(zone, "A", zoneName, "192.0.2.1")
	fake.Put(zone, "TXT", zoneName, `"v=spf1 -all"`)
	r := open(t, config(fake), zoneName)
	s := load(t, r)
	swap(t, r, s, "v=spf1 -all", "record")
	if n := len(fake.Records(zone, zoneName)); n != 3 {
		t.Errorf("%d records, want the address and two texts", n)
	}
}
