package main

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/sim"
)

// A monthDoc is what a month of 30 days takes.
type monthDoc struct {
	Provider  string  `json:"provider"`
	Questions float64 `json:"dns_questions"`
	Requests  float64 `json:"api_requests"`
	Swaps     float64 `json:"swaps"`
	Limit     string  `json:"limit,omitempty"` // that the provider has; absent: none of its own is known
	Share     float64 `json:"limit_share"`     // of it that is used up: at most at a time for simulate, on average for cost
	Zone      float64 `json:"zone_usd"`        // that is there for other things too
	Dollars   float64 `json:"questions_usd"`
	As        string  `json:"prices_as_of"`
	Source    string  `json:"prices_from"`
	Latencies string  `json:"latencies_from"`
}

func monthOf(p sim.Provider, b sim.Bill) monthDoc {
	m := monthDoc{
		Provider: p.Name, Questions: math.Round(b.Looks), Requests: math.Round(b.Requests), Swaps: math.Round(b.Swaps), Share: math.Round(1000*b.Busiest) / 1000,
		Zone: b.Zone, Dollars: math.Round(100*b.Questions) / 100, As: p.Tariff.As, Source: p.Tariff.Source, Latencies: p.Latencies,
	}
	if l := p.Loads; l.Requests > 0 {
		m.Limit = limitWords(l)
		if !p.Shared {
			m.Limit += " reads, and " + limitWords(p.Swaps) + " writes"
		}
	}
	return m
}

func limitWords(l sim.Limit) string {
	text := thousands(int64(l.Requests)) + " in " + map[time.Duration]string{time.Second: "a second", time.Minute: "a minute", 5 * time.Minute: "five minutes"}[l.Per]
	if l.Burst > 0 && l.Burst != l.Requests {
		text += fmt.Sprintf(", %d at once", l.Burst)
	}
	return text
}

func (m monthDoc) words() string {
	return fmt.Sprintf("%s questions to DNS and %s requests to the API; $%.2f for the questions, $%.2f for the zone (prices of %s: %s)",
		thousands(int64(m.Questions)), thousands(int64(m.Requests)), m.Dollars, m.Zone, m.As, m.Source)
}

// costDoc is what "cost --json" prints.
type costDoc struct {
	Schema string     `json:"schema"`
	Agents int        `json:"agents"`
	Jobs   int        `json:"jobs"`
	Every  float64    `json:"every_seconds,omitempty"`
	Months []monthDoc `json:"months"`
}

func (a *app) costCommand() *cobra.Command {
	var f simulation
	jobs := 1
	c := &cobra.Command{
		Use: "cost [JOB]", Short: "Tell what agents ask of a provider in a month, and what that costs",
		Long: `Tell how many questions agents ask the name servers and how many requests they send to
the provider's API in a month of 30 days, what share of its limit that is, and what it
costs: of a simulated calm day, with the provider's own prices. Without --provider, of
every provider that there is a model of. With --jobs it is the most that it can be: in
one process, jobs that are due together share requests.`,
		Example: "  solotick cost --agents 3 --every 60s\n  solotick cost --agents 200 --every 10s --jobs 5 --provider cloudflare\n  solotick cost -c solotick.yaml canary --json",
		Args:    atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if jobs < 1 || jobs > 10_000 {
				return usage("--jobs %d: want 1 to 10,000", jobs)
			}
			return a.cost(&f, args, jobs)
		},
	}
	a.simulationFlags(c, &f, "each of them")
	c.Flags().IntVar(&jobs, "jobs", 1, "how many jobs like this one the account has")
	return c
}

func (a *app) cost(f *simulation, args []string, jobs int) error {
	names := []string{f.provider}
	if f.provider == "" {
		names = modelled()
	}
	doc := costDoc{Schema: "solotick.cost/v1", Agents: f.scenario.Agents, Jobs: jobs, Months: []monthDoc{}}
	for _, name := range names {
		one := *f
		one.provider = name
		one.scenario.For = max(2*time.Hour, 24*time.Hour*200/time.Duration(max(f.scenario.Agents, 200)))
		if err := a.simulated(&one, args); err != nil {
			return err
		}
		if one.file == "" && len(args) == 0 {
			doc.Every = f.every.Seconds()
		}
		p := one.scenario.Provider
		one.scenario.Provider.Loads, one.scenario.Provider.Swaps = sim.Limit{}, sim.Limit{} // how much it would be
		r, err := sim.Run(one.scenario)
		if err != nil {
			return usage("%w", err)
		}
		bill := r.Bill(p)
		n := float64(jobs)
		bill.Looks, bill.Loads, bill.Swaps, bill.Requests, bill.Questions = n*bill.Looks, n*bill.Loads, n*bill.Swaps, n*bill.Requests, n*bill.Questions
		bill.Busiest = shareOf(p, bill)
		doc.Months = append(doc.Months, monthOf(p, bill))
	}
	if f.json {
		return a.json(doc)
	}
	return a.sayf("%s", doc.table())
}

// shareOf is how much of a provider's limit is used up on average.
func shareOf(p sim.Provider, b sim.Bill) float64 {
	const month = 30 * 24 * time.Hour
	of := func(l sim.Limit, n float64) float64 {
		if l.Requests == 0 {
			return 0
		}
		return n / (float64(l.Requests) * float64(month) / float64(l.Per))
	}
	if p.Shared {
		return of(p.Loads, b.Requests)
	}
	return max(of(p.Loads, b.Loads), of(p.Swaps, b.Swaps))
}

func (d costDoc) table() string {
	var b strings.Builder
	what := "of the file"
	if d.Every > 0 {
		what = "every " + short(time.Duration(d.Every*float64(time.Second)))
	}
	fmt.Fprintf(&b, "%d agent%s, %d job%s %s; a month of 30 days\n\n", d.Agents, plural(d.Agents), d.Jobs, plural(d.Jobs), what)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "provider\tDNS questions\tAPI requests\tof the limit\tlimit\tquestions\tzone")
	for _, m := range d.Months {
		used := "-"
		if m.Limit != "" {
			used = fmt.Sprintf("%.2g %%", 100*m.Share)
		}
		limit := m.Limit
		if limit == "" {
			limit = "its own"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t$%.2f\t$%.2f\n", m.Provider, thousands(int64(m.Questions)), thousands(int64(m.Requests)), used, limit, m.Dollars, m.Zone)
	}
	_ = w.Flush() // to memory
	b.WriteByte('\n')
	for _, m := range d.Months {
		fmt.Fprintf(&b, "prices of %s, %s: %s\n", m.Provider, m.As, m.Source)
	}
	b.WriteString("Limits are those of the whole account: other programs use them too.\n")
	return b.String()
}
