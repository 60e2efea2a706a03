package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/schedule"
	"github.com/solotick/solotick/sim"
)

// A simulation is what "simulate" and "cost" are asked for.
type simulation struct {
	file     string
	provider string
	every    time.Duration
	takes    time.Duration
	scenario sim.Scenario
	chaos    bool
	loss     float64

	pauseFor, outageFor, downFor time.Duration

	json, trace bool
	svg         string
}

func (a *app) simulateCommand() *cobra.Command {
	var f simulation
	c := &cobra.Command{
		Use: "simulate [JOB]", Short: "Let agents run a job for days, in seconds, over a modelled provider",
		Long: `Let agents run a job over a model of a provider, in simulated time: who runs what, how
late, how often twice, what is asked of the provider and what that costs. The agents
decide by the very code that real ones have. With JOB, or -c, the job's schedule and
timing are those of the file; without, those of --every.

All chance comes from --seed: the same flags print the same on every machine. Limits and
prices are the vendors' own; how long requests take is assumed where nobody tells it
("solotick conformance" measures it), so take the figures for what they are.

The exit code is 1 if a tick was missed without a trace, a fence was not greater than the
one before, an attempt was claimed twice, or two runs with a claim were in progress at a
time: what must never be while clocks keep to what docs/protocol.md asks of them.`,
		Example: "  solotick simulate --agents 5 --for 720h --provider cloudflare --chaos\n" +
			"  solotick simulate -c solotick.yaml canary --crash-every 12h --svg canary.svg\n" +
			"  solotick simulate --agents 10000 --for 2h --json | jq .asked",
		Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := a.simulated(&f, args); err != nil {
				return err
			}
			return a.simulate(&f)
		},
	}
	a.simulationFlags(c, &f, "the file's, or rfc2136")
	fl := c.Flags()
	s := &f.scenario
	fl.DurationVar(&s.For, "for", 24*time.Hour, "how long it goes on in simulated time")
	fl.Uint64Var(&s.Seed, "seed", 1, "where chance begins")
	fl.Float64Var(&s.Job.Fails, "fails", 0, "the share of runs that fail, 0 to 1")
	fl.BoolVar(&f.chaos, "chaos", false, "everything goes wrong now and then, as far as no flag says how often")
	fl.Float64Var(&f.loss, "loss", 0, "the share of swaps whose request or reply is lost, or that come late, 0 to 1")
	fl.DurationVar(&s.Clocks.Offset, "offset", 0, "by how much a clock may be wrong, on either side")
	fl.Float64Var(&s.Clocks.Drift, "drift", 0, "by how much a clock may drift, in parts per million")
	fl.DurationVar(&s.Crashes.Every, "crash-every", 0, "how often an agent is killed, on average")
	fl.DurationVar(&f.downFor, "crash-for", 30*time.Second, "and how long until it is replaced, half of the time")
	fl.DurationVar(&s.Pauses.Every, "pause-every", 0, "how often a machine is halted, on average")
	fl.DurationVar(&f.pauseFor, "pause-for", 2*time.Second, "and for how long, half of the time")
	fl.DurationVar(&s.Restarts.Every, "roll-out-every", 0, "how often all agents are replaced, one after the other, on average")
	fl.DurationVar(&s.Outages.Every, "outage-every", 0, "how often the register is away, on average")
	fl.DurationVar(&f.outageFor, "outage-for", 2*time.Minute, "and for how long, half of the time")
	fl.DurationVar(&s.Cache, "cache", 0, "agents ask DNS through resolvers that keep an answer for so long")
	fl.StringVar(&f.svg, "svg", "", "a file for a picture of ten minutes about the first takeover, and of the lags")
	fl.BoolVar(&f.trace, "trace", false, "print every step of every agent, too")
	return c
}

// simulationFlags are those that "cost" has, too. The provider is what is modelled
// without --provider.
func (a *app) simulationFlags(c *cobra.Command, f *simulation, provider string) {
	fl := c.Flags()
	a.fileFlag(c, &f.file)
	fl.StringVar(&f.provider, "provider", "", "the provider to model: "+strings.Join(modelled(), ", ")+" (default: "+provider+")")
	fl.IntVar(&f.scenario.Agents, "agents", 3, "how many agents")
	fl.DurationVar(&f.every, "every", time.Minute, "how often the job runs, where no file tells it")
	fl.DurationVar(&f.takes, "takes", 2*time.Second, "how long a run takes, half of the time")
	jsonFlag(c, &f.json)
}

func modelled() []string {
	var all []string
	for _, p := range sim.Providers() {
		all = append(all, p.Name)
	}
	return all
}

// simulated makes the scenario of the flags.
func (a *app) simulated(f *simulation, args []string) error {
	s := &f.scenario
	s.Job.Takes = sim.Delay{Min: f.takes / 4, Median: f.takes, P99: 5 * f.takes}
	s.Job.Grace = sim.Delay{Median: 200 * time.Millisecond}
	if f.file != "" || len(args) > 0 {
		if err := a.simulatedJob(f, args); err != nil {
			return err
		}
	} else {
		every, err := schedule.Every(f.every, schedule.Offset("simulated", f.every))
		if err != nil {
			return usage("--every %s: %w", f.every, err)
		}
		s.Policy.Schedule = every
	}
	if f.provider == "" {
		f.provider = "rfc2136"
	}
	p, ok := sim.Named(f.provider)
	if !ok {
		return usage("--provider %q: there is no model of it%s; known: %s", f.provider, didYouMean("", f.provider, modelled()), strings.Join(modelled(), ", "))
	}
	s.Provider = p
	f.provider = p.Name // as it is spelled
	if err := f.bounds(); err != nil {
		return err
	}
	f.faults()
	return nil
}

// bounds refuses what cannot be, or what would not end.
func (f *simulation) bounds() error {
	const day = 24 * time.Hour
	s := &f.scenario
	switch {
	case s.Agents < 1 || s.Agents > 100_000:
		return usage("--agents %d: want 1 to 100,000", s.Agents)
	case s.For < time.Minute || s.For > 100*365*24*time.Hour:
		return usage("--for %s: want 1m to 100 years (876000h)", s.For)
	case s.Cache < 0 || s.Cache > 24*time.Hour:
		return usage("--cache %s: want up to 24h", s.Cache)
	case !(s.Job.Fails >= 0 && s.Job.Fails <= 1 && f.loss >= 0 && f.loss <= 1): // no number is neither
		return usage("--fails and --loss are shares: want 0 to 1")
	case !(s.Clocks.Drift >= 0 && s.Clocks.Drift <= 100_000):
		return usage("--drift %v: want 0 to 100000 parts per million", s.Clocks.Drift)
	}
	for _, one := range []struct {
		flag  string
		is    time.Duration
		every bool // how often: more often than that, nothing else would happen
	}{
		{"takes", f.takes, false},
		{"offset", s.Clocks.Offset, false},
		{"crash-for", f.downFor, false},
		{"pause-for", f.pauseFor, false},
		{"outage-for", f.outageFor, false},
		{"crash-every", s.Crashes.Every, true},
		{"pause-every", s.Pauses.Every, true},
		{"roll-out-every", s.Restarts.Every, true},
		{"outage-every", s.Outages.Every, true},
	} {
		switch {
		case one.every && one.is != 0 && one.is < time.Second:
			return usage("--%s %s: want at least 1s", one.flag, one.is)
		case !one.every && (one.is < 0 || one.is > 30*day):
			return usage("--%s %s: want 0 to 720h", one.flag, one.is)
		}
	}
	return nil
}

// simulatedJob takes schedule and timing from the file.
func (a *app) simulatedJob(f *simulation, args []string) error {
	sites, err := a.asked(&query{file: f.file, names: args, port: 53})
	if err != nil {
		return err
	}
	if len(sites) != 1 {
		return usage("the file has %d jobs: name the one to simulate", len(sites))
	}
	if sites[0].policy.Schedule == nil {
		return usage("%s is no job of the file, so its schedule is not known", sites[0].name)
	}
	f.scenario.Policy = sites[0].policy
	if f.provider == "" {
		c, err := a.lookConfig(f.file)
		if err != nil {
			return err
		}
		f.provider = c.DNS.Provider
	}
	return nil
}

// faults has things go wrong as the flags say.
func (f *simulation) faults() {
	s := &f.scenario
	often := func(r *sim.Repeated, every time.Duration) {
		if f.chaos && r.Every == 0 {
			r.Every = every
		}
	}
	often(&s.Crashes, 12*time.Hour)
	often(&s.Pauses, 6*time.Hour)
	often(&s.Restarts, 48*time.Hour)
	often(&s.Outages, 96*time.Hour)
	often(&s.DNSOut, 96*time.Hour)
	if f.chaos {
		s.Clocks.Steps.Every = 24 * time.Hour
		if s.Clocks.Offset == 0 {
			s.Clocks.Offset = time.Second
		}
		if s.Clocks.Drift == 0 {
			s.Clocks.Drift = 50
		}
		if f.loss == 0 {
			f.loss = 0.01
		}
	}
	about := func(d time.Duration) sim.Delay { return sim.Delay{Min: d / 10, Median: d, P99: 20 * d} }
	s.Crashes.Length, s.Pauses.Length = about(f.downFor), about(f.pauseFor)
	s.Outages.Length, s.DNSOut.Length = about(f.outageFor), about(f.outageFor)
	s.Restarts.Length = sim.Fixed(20 * time.Second)
	p := &s.Provider
	p.LostRequest, p.LostReply, p.Late = f.loss/3, f.loss/3, f.loss/3
	p.LateBy = sim.Delay{Median: 3 * time.Second, P99: 30 * time.Second}
	p.LoadFails, p.LookFails = f.loss, f.loss
}

// simulatedDoc is what "simulate --json" prints.
type simulatedDoc struct {
	Schema   string       `json:"schema"`
	Provider string       `json:"provider"`
	Agents   int          `json:"agents"`
	For      float64      `json:"for_seconds"`
	Seed     uint64       `json:"seed"`
	Course   string       `json:"course"`
	Ticks    simulated    `json:"ticks"`
	Runs     simulatedRun `json:"runs"`
	StartLag lagDoc       `json:"start_lag"`
	Takeover lagDoc       `json:"takeover"`
	Asked    askedDoc     `json:"asked"`
	Month    monthDoc     `json:"month"`
}

// simulated is what became of the ticks.
type simulated struct {
	Total  int64 `json:"total"`
	Once   int64 `json:"once"`
	Twice  int64 `json:"more_than_once"`
	Failed int64 `json:"failed"`
	Passed int64 `json:"passed_over"`
	Missed int64 `json:"missed"`
}

type simulatedRun struct {
	Total        int64 `json:"total"`
	Unarbitrated int64 `json:"unarbitrated"`
	Beside       int64 `json:"side_by_side"`
	Overlaps     int64 `json:"both_claimed"`
	Lost         int64 `json:"lost"`
	Takeovers    int64 `json:"takeovers"`
	Early        int64 `json:"early"`
	FenceBroken  int64 `json:"fence_broken"`
	ClaimedTwice int64 `json:"claimed_twice"`
}

// A lagDoc is a distribution in seconds.
type lagDoc struct {
	Count   int64   `json:"count"`
	P50     float64 `json:"p50_seconds"`
	P90     float64 `json:"p90_seconds"`
	P99     float64 `json:"p99_seconds"`
	P999    float64 `json:"p999_seconds"`
	Longest float64 `json:"longest_seconds"`
}

type askedDoc struct {
	Questions int64 `json:"dns_questions"`
	Loads     int64 `json:"loads"`
	Swaps     int64 `json:"swaps"`
	Done      int64 `json:"swaps_done"`
	Conflict  int64 `json:"swaps_conflict"`
	Uncertain int64 `json:"swaps_uncertain"`
	Failed    int64 `json:"swaps_failed"`
	Throttled int64 `json:"throttled"`

	PerTick float64 `json:"api_requests_per_tick"`
}

func simulatedOf(f *simulation, r *sim.Report) simulatedDoc {
	s, p := &f.scenario, f.scenario.Provider
	lag := func(d *sim.Distribution) lagDoc {
		sec := func(d time.Duration) float64 { return d.Round(100 * time.Microsecond).Seconds() }
		return lagDoc{d.Count, sec(d.P50), sec(d.P90), sec(d.P99), sec(d.P999), sec(d.Longest)}
	}
	return simulatedDoc{
		Schema: "solotick.simulate/v1", Provider: f.provider, Agents: s.Agents, For: s.For.Seconds(), Seed: s.Seed, Course: r.Course,
		Ticks:    simulated{r.Ticks, r.Once, r.Twice, r.Failed, r.Passed, r.Missed},
		Runs:     simulatedRun{r.Runs, r.Unarbitrated, r.Beside, r.Overlaps, r.Lost, r.Takeovers, r.Early, r.FenceBroken, r.ClaimedTwice},
		StartLag: lag(&r.StartLag), Takeover: lag(&r.Takeover),
		Asked: askedDoc{r.Looks, r.Loads, r.Swaps.Sent, r.Swaps.Done, r.Swaps.Conflict, r.Swaps.Uncertain, r.Swaps.Failed, r.Throttled, math.Round(100*r.PerTick()) / 100},
		Month: monthOf(p, r.Bill(p)),
	}
}

func (a *app) simulate(f *simulation) error {
	s := f.scenario
	if f.trace {
		s.Watch = func(step sim.Step) { a.sayf("%s\n", step) }
	}
	r, err := sim.Run(s)
	if err != nil {
		return usage("%w", err)
	}
	if f.svg != "" {
		if err := f.draw(r); err != nil {
			return err
		}
	}
	if f.json {
		err = a.json(simulatedOf(f, r))
	} else {
		err = a.sayf("%s", f.words(r))
	}
	if err == nil && r.Broken() {
		err = exit(exitFailed)
	}
	return err
}

// draw goes through the scenario once more, and looks where a takeover is.
func (f *simulation) draw(r *sim.Report) error {
	s := f.scenario
	p := sim.Picture{Title: f.title(), Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	p.From = max(r.FirstTakeover-5*time.Minute, 0)
	p.To = min(p.From+10*time.Minute, s.For)
	s.Start, s.Watch = p.Start, p.Watch
	again, err := sim.Run(s)
	if err != nil {
		return err
	}
	file, err := os.Create(f.svg)
	if err == nil {
		err = p.WriteSVG(file, again)
		if closed := file.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return &failure{code: exitFailed, err: fmt.Errorf("the picture was not written: %w", err), do: "--svg with a file that can be written"}
	}
	return nil
}

func (f *simulation) title() string {
	s := &f.scenario
	every := "on its schedule"
	if f.file == "" {
		every = "every " + short(f.every)
	}
	return fmt.Sprintf("%d agent%s, a job %s, for %s at %s (seed %d)", s.Agents, plural(s.Agents), every, short(s.For), f.provider, s.Seed)
}

func (f *simulation) words(r *sim.Report) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-14s %s\n", name, fmt.Sprintf(format, args...))
	}
	of := func(n int64) string {
		return fmt.Sprintf("%s (%.3g %%)", thousands(n), 100*float64(n)/float64(max(r.Ticks, 1)))
	}
	fmt.Fprintf(&b, "%s\n\nticks: %s\n", f.title(), thousands(r.Ticks))
	row("run once", "%s", of(r.Once))
	row("more than once", "%s", of(r.Twice))
	row("failed", "%s: not once with success, and the record said so", of(r.Failed))
	row("passed over", "%s: a later one was run in their place, or they were skipped", of(r.Passed))
	row("missed", "%s", of(r.Missed))
	fmt.Fprintf(&b, "runs: %s\n", thousands(r.Runs))
	row("unarbitrated", "%s", thousands(r.Unarbitrated))
	row("side by side", "%s, of which %s with a claim each", thousands(r.Beside), thousands(r.Overlaps))
	row("lost", "%s, and %s taken over", thousands(r.Lost), thousands(r.Takeovers))
	fmt.Fprintf(&b, "start lag: %s\n", lags(&r.StartLag))
	if r.Early > 0 {
		row("early", "%s, by %s at most, where a clock was ahead", of(r.Early), r.Earliest.Round(time.Millisecond))
	}
	fmt.Fprintf(&b, "takeover after: %s\n", lags(&r.Takeover))
	s := r.Swaps
	fmt.Fprintf(&b, "asked: %s questions to DNS, %s loads, %s swaps (%s done, %s conflicts, %s without an answer, %s failed), %s beyond the limit; %.3g requests to the API a tick\n",
		thousands(r.Looks), thousands(r.Loads), thousands(s.Sent), thousands(s.Done), thousands(s.Conflict), thousands(s.Uncertain), thousands(s.Failed), thousands(r.Throttled), r.PerTick())
	fmt.Fprintf(&b, "a month: %s\n", monthOf(f.scenario.Provider, r.Bill(f.scenario.Provider)).words())
	return b.String()
}

func lags(d *sim.Distribution) string {
	if d.Count == 0 {
		return "there was none"
	}
	short := func(d time.Duration) string {
		return d.Round(max(d/1000, time.Microsecond)).Round(time.Millisecond).String()
	}
	return fmt.Sprintf("half within %s, 90 %% within %s, 99 %% within %s, the longest %s (%s)", short(d.P50), short(d.P90), short(d.P99), short(d.Longest), thousands(d.Count))
}

// thousands groups the digits of a number.
func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
