package cloudflare

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

func TestSuite(t *testing.T) {
	fake, _ := start(t)
	var n atomic.Int64
	registertest.Test(t, func(t *testing.T) registertest.Fixture { return fixture(t, fake, config(fake), n.Add(1)) })
}

// fixture is a fresh record.
func fixture(t *testing.T, fake *cloudtest.Cloudflare, cfg Config, n int64) registertest.Fixture {
	name := fmt.Sprintf("r%d.%s", n, zoneName)
	next := func(fault cloudtest.Fault) func() register.Register {
		return func() register.Register {
			r := open(t, cfg, name)
			load(t, r) // so that the zone's id is known: what follows is the swap
			fake.OnWrites(fault)
			return r
		}
	}
	return registertest.Fixture{
		Provider: "cloudflare", Name: name, Secrets: []string{cloudtest.CloudflareToken, strings.TrimPrefix(cloudtest.CloudflareToken, "cfut_")},
		Open:        func() register.Register { return open(t, cfg, name) },
		Neighbour:   func() register.Register { return open(t, cfg, "beside."+name) },
		LoseReply:   next(cloudtest.LoseReply),
		LoseRequest: next(cloudtest.LoseRequest),
		Unreachable: func() register.Register {
			gone := cfg
			gone.Endpoint = "http://" + registertest.ClosedPort(t) + "/client/v4"
			return open(t, gone, name)
		},
	}
}
