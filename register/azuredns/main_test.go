package azuredns

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	subscription = "11111111-2222-3333-4444-555555555555"
	group        = "dns"
	zone         = "t.test"
)

// start starts a server with the zone, whose identity endpoint is the only one that
// this process knows.
func start(t *testing.T) *cloudtest.AzureDNS {
	t.Helper()
	fake := cloudtest.NewAzureDNS(t)
	fake.AddZone(subscription, group, zone)
	for name, value := range fake.Environment() {
		t.Setenv(name, value)
	}
	t.Cleanup(func() {
		if n := fake.Unconditional(); n > 0 {
			t.Errorf("%d writes had no ETag", n)
		}
	})
	return fake
}

func config(endpoint string) Config {
	return Config{Zone: zone, Subscription: subscription, ResourceGroup: group, Endpoint: endpoint, Rate: 1e6, Burst: 1e6, Timeout: 20 * time.Second}
}

func newTest(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// open returns one more client of the record, as another process would be.
func open(t *testing.T, cfg Config, name string) register.Register {
	t.Helper()
	r, err := newTest(t, cfg).Register(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
