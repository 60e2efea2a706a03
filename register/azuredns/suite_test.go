package azuredns

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
	"github.com/solotick/solotick/register/registertest"
)

// TestConformance runs the suite with the managed identity of the machine, by the
// vendor's own library.
func TestConformance(t *testing.T) {
	fake := start(t)
	cfg := config(fake.URL)
	var n atomic.Int64
	registertest.Test(t, func(t *testing.T) registertest.Fixture {
		name := fmt.Sprintf("record%d.%s", n.Add(1), zone)
		through := func(lose func(*registertest.Proxy)) func() register.Register {
			return func() register.Register {
				proxy := registertest.NewProxy(t, strings.TrimPrefix(fake.URL, "http://"))
				lose(proxy)
				return open(t, config("http://"+proxy.Addr), name)
			}
		}
		return registertest.Fixture{
			Provider: "azuredns", Name: name, Secrets: []string{cloudtest.AzureToken},
			Open:        func() register.Register { return open(t, cfg, name) },
			Neighbour:   func() register.Register { return open(t, cfg, "beside."+name) },
			LoseReply:   through(func(p *registertest.Proxy) { p.LoseReplies(true) }),
			LoseRequest: through(func(p *registertest.Proxy) { p.LoseRequests(true) }),
			Unreachable: func() register.Register { return open(t, config("http://"+registertest.ClosedPort(t)), name) },
		}
	})
}
