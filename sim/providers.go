package sim

import (
	"strings"
	"time"
)

// A Tariff is what a provider takes, in US dollars, and who says so when.
type Tariff struct {
	Zone     float64 // a month
	Million  float64 // for a million questions to its name servers, of the first billion a month
	Requests float64 // for a million requests to its API; nobody is known to take any
	As       string  // year and month
	Source   string
}

const assumed = "assumed: nobody tells a figure, and no account was available"

// Providers are models of the registers that Solotick knows, in the order of its
// documentation. Limits and tariffs are the vendors', as docs/providers.md has them;
// how long requests take is assumed, and conformance on one's own account measures it.
func Providers() []Provider {
	ms := time.Millisecond
	api := func(p Provider) Provider {
		p.Load, p.Swap = Delay{40 * ms, 120 * ms, 900 * ms}, Delay{80 * ms, 250 * ms, 1500 * ms}
		p.Look = Delay{5 * ms, 25 * ms, 300 * ms}
		p.Latencies = assumed
		return p
	}
	return []Provider{
		{
			Name: "rfc2136", Lag: 2 * time.Second, PerLoad: 1, PerSwap: 1,
			Load: Delay{ms, 10 * ms, 80 * ms}, Swap: Delay{2 * ms, 15 * ms, 150 * ms}, Look: Delay{ms, 10 * ms, 80 * ms},
			Publish:   Delay{0, 300 * ms, 2 * time.Second},
			Latencies: "a server of one's own in the same country, with a secondary that is told at once",
			Tariff:    Tariff{As: "2026-11", Source: "a server of one's own"},
		},
		api(Provider{
			Name: "route53", Lag: 10 * time.Second, PerLoad: 1, PerSwap: 1, Publish: Delay{time.Second, 8 * time.Second, 55 * time.Second},
			Loads: Limit{Requests: 10, Per: time.Second, Burst: 50}, Shared: true,
			Tariff: Tariff{Zone: 0.50, Million: 0.40, As: "2026-09", Source: "aws.amazon.com/route53/pricing, as others have copied it"},
		}),
		api(Provider{
			Name: "clouddns", Lag: 10 * time.Second, PerLoad: 1, PerSwap: 1, Publish: Delay{time.Second, 8 * time.Second, 60 * time.Second},
			Loads: Limit{Requests: 300, Per: time.Minute, Burst: 50}, Swaps: Limit{Requests: 300, Per: time.Minute, Burst: 50},
			Tariff: Tariff{Zone: 0.20, Million: 0.40, As: "2026-09", Source: "cloud.google.com/dns/pricing, as others have copied it"},
		}),
		api(Provider{
			Name: "azuredns", Lag: 10 * time.Second, PerLoad: 1, PerSwap: 1, Publish: Delay{time.Second, 8 * time.Second, 60 * time.Second},
			Loads: Limit{Requests: 2000, Per: time.Minute}, Swaps: Limit{Requests: 200, Per: time.Minute},
			Tariff: Tariff{Zone: 0.50, Million: 0.40, As: "2026-11", Source: "azure.microsoft.com/pricing/details/dns, from memory"},
		}),
		api(Provider{
			Name: "cloudflare", Lag: 5 * time.Second, PerLoad: 1, PerSwap: 1, Publish: Delay{500 * ms, 3 * time.Second, 20 * time.Second},
			Loads: Limit{Requests: 1200, Per: 5 * time.Minute, Block: 5 * time.Minute}, Shared: true,
			Tariff: Tariff{As: "2026-11", Source: "developers.cloudflare.com: the free plan has DNS and its API"},
		}),
	}
}

// Named is the model of a provider, by the name that the file gives it.
func Named(name string) (Provider, bool) {
	for _, p := range Providers() {
		if p.Name == strings.ToLower(name) {
			return p, true
		}
	}
	return Provider{}, false
}

// A Bill is what agents ask of a provider in a month, and what that costs.
type Bill struct {
	Loads, Swaps, Looks float64 // a month of 30 days
	Requests            float64 // to the API, for Loads and Swaps
	Busiest             float64 // requests in the busiest of the limit's periods, as a share of it; 0: no limit
	Zone, Questions     float64 // US dollars
}

// Total is what it costs in US dollars a month.
func (b Bill) Total() float64 { return b.Zone + b.Questions }

// Bill scales what was asked for in the scenario to a month.
func (r *Report) Bill(p Provider) Bill {
	month := float64(30*24*time.Hour) / float64(r.For)
	b := Bill{Loads: month * float64(r.Loads), Swaps: month * float64(r.Swaps.Sent), Looks: month * float64(r.Looks)}
	b.Requests = b.Loads*float64(max(p.PerLoad, 1)) + b.Swaps*float64(max(p.PerSwap, 1))
	b.Busiest = r.Busiest
	b.Zone, b.Questions = p.Tariff.Zone, b.Looks/1e6*p.Tariff.Million
	return b
}
