package cloudflare

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	zoneName = "t.test"
	name     = "canary.t.test"
)

// start starts a server with the zone.
func start(t testing.TB) (fake *cloudtest.Cloudflare, id string) {
	t.Helper()
	fake = cloudtest.NewCloudflare(t)
	return fake, fake.AddZone(zoneName)
}

func config(fake *cloudtest.Cloudflare) Config {
	return Config{
		Zone: zoneName, Token: register.NewSecret(cloudtest.CloudflareToken), Endpoint: fake.Endpoint(),
		Timeout: 20 * time.Second, Rate: 1e6, Burst: 1e6,
	}
}

func newTest(t testing.TB, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// open returns the register of a name by one more client, as another process would
// have it.
func open(t testing.TB, cfg Config, name string) register.Register {
	t.Helper()
	return at(t, newTest(t, cfg), name)
}

func at(t testing.TB, c *Client, name string) register.Register {
	t.Helper()
	r, err := c.Register(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func load(t testing.TB, r register.Register) register.Snapshot {
	t.Helper()
	s, err := r.Load(t.Context())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return s
}

func swap(t testing.TB, r register.Register, old register.Snapshot, texts ...string) register.Snapshot {
	t.Helper()
	s, err := r.Swap(t.Context(), old, texts)
	if err != nil {
		t.Fatalf("swap to %q: %v", texts, err)
	}
	return s
}
