// Package conformance tries a register where it counts: on a scratch record of the
// user's own zone, with the user's own credentials. It finds out whether of several
// agents that swap one record at the same time exactly one succeeds, and what else
// the contract of package register promises.
//
// [Run] is all that most callers need:
//
//	s := conformance.Subject{Provider: "route53", Zone: "example.com", Class: route53.Class, Open: open}
//	s.Name, s.Neighbour = conformance.Scratch(s.Zone)
//	report := conformance.Run(ctx, s, conformance.Options{}, func(r conformance.Result) { ... })
//
// It differs from registertest in what it can do: nothing of the register is
// replaced, no reply is lost on purpose but by giving up, and whatever is found is
// told and not just passed or failed. [Save] and [Find] remember how it went.
//
// It writes to two names that nobody else has, and removes them again, also when it
// is interrupted. A run says nothing about days on which the service is ill.
package conformance

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/solotick/solotick/register"
)

// A Subject is what is tried.
type Subject struct {
	Provider string // as in the configuration
	Zone     string // without the last dot
	// Name and Neighbour are where it is tried: two names of the zone at which
	// nothing is. [Scratch] makes such names.
	Name, Neighbour string
	Class           register.Class
	// Open returns one more client of the record at a name, as another process
	// would have: it shares no connection, batch or memory with those before.
	Open func(name string) (register.Register, error)
	// Leave has the clients of Open end and take out of the zone what they keep there
	// for themselves, after the records were removed; nil: they keep nothing. An
	// error says what stays.
	Leave func(ctx context.Context) error
	// Look asks DNS for the texts at a name, as outsiders see them; nil: how a
	// write gets into DNS is not looked at.
	Look func(ctx context.Context, name string) (texts []string, err error)
	// Requests is how many requests all the clients of Open have sent so far; nil:
	// nobody counts them.
	Requests func() int64
	// Rate is how many requests a second a run may send over time, and Burst how
	// many at once, so that others who share the account keep their part; 0: there
	// is no limit. It needs Requests.
	Rate  float64
	Burst int
	// Throttled says whether an error means that the service wants fewer requests;
	// nil: that is not told from other errors.
	Throttled func(error) bool
}

// Label is part of the name of every scratch record, so that a credential can be
// limited to those, and that what is left over is found.
const Label = "_solotick-conformance"

// Scratch makes names for a Subject that nobody else has. The neighbour's begins
// with the other, as a mistake in comparing names would show there first.
func Scratch(zone string) (name, neighbour string) {
	id := strings.ToLower(rand.Text()[:16])
	below := "." + Label + "." + strings.TrimSuffix(zone, ".")
	return id + below, id + "b" + below
}

// Options say how much is tried. Zero values are the defaults, which are lower for
// a register whose swaps take long.
type Options struct {
	Racers  int // how many clients swap one record at the same time, at least 2; 0: 8, or 4
	Swaps   int // rounds of swaps; 0: 20, or 3
	Creates int // rounds of creates; 0: 10, or 2
	Chain   int // swaps after each of which another client reads; 0: 20, or 3
	Cuts    int // swaps that are given up in the middle; 0: 20, or 3
	Writes  int // writes that are looked for in DNS; 0: 5, or 2
	// DNSWait is for how long a write is looked for in DNS; 0: 2 min.
	DNSWait time.Duration
	Version string // of the program, for the report
}

// slowSwap is from when on a register is slow.
const slowSwap = 5 * time.Second

// filled are the options with defaults in place of zeros.
func (o Options) filled(slow bool) Options {
	pick := func(v *int, usual, few int) {
		if slow {
			usual = few
		}
		*v = cmp.Or(max(*v, 0), usual)
	}
	pick(&o.Racers, 8, 4)
	pick(&o.Swaps, 20, 3)
	pick(&o.Creates, 10, 2)
	pick(&o.Chain, 20, 3)
	pick(&o.Cuts, 20, 3)
	pick(&o.Writes, 5, 2)
	o.Racers = max(o.Racers, 2)
	o.DNSWait = cmp.Or(o.DNSWait, 2*time.Minute)
	return o
}

// A Plan is what a run will do, for people to read before it.
type Plan struct {
	Lines    []string
	Requests int           // about; 0: nobody counts them
	Takes    time.Duration // about
}

// NewPlan says what a run will do.
func NewPlan(s Subject, o Options) Plan {
	slow := s.Class == register.Timed
	o = o.filled(slow)
	alone := 32 + o.Creates + o.Chain + 3*o.Cuts + o.Writes // swaps one after the other
	if slow {
		alone -= len(samples()) - len(few)
	}
	raced := (o.Swaps + o.Creates) * o.Racers
	each, perSwap, perLoad := time.Second, 2, 1
	switch s.Class {
	case register.Ballot:
		perSwap, perLoad = 8, 2
	case register.Timed:
		each, perSwap = 35*time.Second, 3
	}
	var p Plan
	p.Takes = time.Duration(alone+o.Swaps+o.Creates) * each
	if s.Requests != nil {
		p.Requests = perSwap*(alone+raced) + perLoad*(alone+o.Swaps+o.Creates)
	}
	if s.Rate > 0 {
		p.Takes = max(p.Takes, time.Duration(float64(max(p.Requests-s.Burst, 0))/s.Rate*float64(time.Second)))
	}
	p.Lines = []string{
		fmt.Sprintf("%s and its neighbour %s are written to, and removed again; no other record is touched", s.Name, s.Neighbour),
		fmt.Sprintf("in %d rounds %d clients swap one record at the same time, and in %d they create it", o.Swaps, o.Racers, o.Creates),
	}
	if slow {
		p.Lines = append(p.Lines, "these are fewer rounds than usual, since a swap of this register takes half a minute")
	}
	if p.Requests > 0 {
		p.Lines = append(p.Lines, fmt.Sprintf("about %d requests are sent", p.Requests))
	}
	if p.Takes >= 2*time.Minute {
		p.Lines = append(p.Lines, fmt.Sprintf("it takes up to %d minutes", int(p.Takes.Minutes()+0.5)))
	}
	return p
}

// Run tries a register. It calls tell with each result as it comes, from one
// goroutine. It returns when everything was tried, or nothing more can be, or ctx
// has ended, and has removed what it wrote as far as that was possible.
func Run(ctx context.Context, s Subject, o Options, tell func(Result)) Report {
	r := newRun(s, o, tell)
	if err := r.open(); err != nil {
		r.stop(ctx, checkAccess, err)
		r.finish()
		return *r.report
	}
	for _, c := range r.checks() {
		if err := c.do(ctx); err != nil {
			r.stop(ctx, c.name, err)
			break
		}
		r.lookBeside(ctx, c.name)
	}
	r.cleanUp(ctx)
	r.finish()
	return *r.report
}

// The checks, by the names that they have in the report.
const (
	checkAccess    = "access"
	checkPace      = "pace"
	checkStale     = "stale"
	checkDelete    = "delete"
	checkSwaps     = "swaps"
	checkCreates   = "creates"
	checkReads     = "reads"
	checkLost      = "lost reply"
	checkTexts     = "texts"
	checkDNS       = "dns"
	checkNeighbour = "neighbour"
	checkTime      = "time"
	checkRate      = "rate"
	checkCleanUp   = "clean-up"
)

type check struct {
	name string
	do   func(context.Context) error
}

func (r *run) checks() []check {
	return []check{
		{checkAccess, r.access},
		{checkStale, r.stale},
		{checkDelete, r.deletes},
		{checkSwaps, r.raceSwaps},
		{checkCreates, r.raceCreates},
		{checkReads, r.chain},
		{checkLost, r.cuts},
		{checkTexts, r.texts},
		{checkDNS, r.propagation},
		{checkNeighbour, r.neighbour},
		{checkTime, r.time},
		{checkRate, r.rate},
	}
}

// stop ends the run: nothing more can be tried.
func (r *run) stop(ctx context.Context, name string, err error) {
	r.report.stopped, r.report.err = name, err
	if ctx.Err() != nil {
		r.report.Interrupted = true
		r.tell(name, Skipped, "", "interrupted")
		return
	}
	do, _ := register.Remedy(err)
	switch {
	case name == checkAccess && errors.Is(err, register.ErrRefused):
		if do != "" {
			do += "; "
		}
		do += fmt.Sprintf("for this run the credential has to be allowed the names below %s.%s too", Label, r.subject.Zone)
	case do == "" && errors.Is(err, register.ErrConflict):
		do = doOneServer
	}
	r.tell(name, Failed, do, "%v", err)
}

// doOneServer is what to do where swaps are refused although nobody else writes.
const doOneServer = "nobody else writes there: see whether a cache or another server answers the reads, and let agents read and write at one and the same"
