package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/record"
)

// An EyesConfig says through which servers records are seen. The zero value is
// the authoritative servers of each name.
type EyesConfig struct {
	// Servers are asked in the place of the authoritative ones; as for
	// [lookup.Config].
	Servers []string
	Key     lookup.Key // for Servers
	// Resolvers are asked as well, to show what those see who ask them.
	Resolvers []string
	Timeout   time.Duration // for one server; 0: lookup.DefaultTimeout
	Probe     bool          // look for wildcards too, with a second question
}

// Eyes look at records. They are safe for concurrent use.
type Eyes struct {
	main *lookup.Lookup
	side *lookup.Lookup // nil: no resolvers
}

// NewEyes returns eyes. It asks nobody anything.
func NewEyes(cfg EyesConfig) (*Eyes, error) {
	main, err := lookup.New(lookup.Config{Servers: cfg.Servers, Key: cfg.Key, Timeout: cfg.Timeout, Probe: cfg.Probe})
	if err != nil {
		return nil, err
	}
	e := &Eyes{main: main}
	if len(cfg.Resolvers) > 0 {
		if e.side, err = lookup.New(lookup.Config{Servers: cfg.Resolvers, Timeout: cfg.Timeout}); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// A Sight is what DNS showed of one record at one moment.
type Sight struct {
	Target  Target
	Time    time.Time       // when the last answer was there
	Answers []lookup.Answer // of all servers: the resolvers last
	Best    int             // the answer with the newest record; -1: nobody answered
	Set     record.Set      // what that one holds
	Err     error           // nobody answered
}

// Look asks all servers at once.
func (e *Eyes) Look(ctx context.Context, t Target) Sight { return e.look(ctx, t, e.main.All) }

// Glance asks one of the servers, and the others only if it fails, beside the
// resolvers. It is for who looks at many records.
func (e *Eyes) Glance(ctx context.Context, t Target) Sight {
	return e.look(ctx, t, func(ctx context.Context, name string) ([]lookup.Answer, error) {
		a, err := e.main.One(ctx, name)
		if err != nil {
			return nil, err
		}
		return []lookup.Answer{a}, nil
	})
}

func (e *Eyes) look(ctx context.Context, t Target, ask func(context.Context, string) ([]lookup.Answer, error)) Sight {
	var beside []lookup.Answer
	var wg sync.WaitGroup
	if e.side != nil {
		wg.Go(func() { beside, _ = e.side.All(ctx, t.Name) }) // of given servers each has an answer
	}
	answers, err := ask(ctx, t.Name)
	wg.Wait()
	return sightOf(t, time.Now(), answers, beside, err)
}

// sightOf picks the answer with the newest record. cause is why the first list is
// empty.
func sightOf(t Target, at time.Time, answers, beside []lookup.Answer, cause error) Sight {
	s := Sight{Target: t, Time: at, Best: -1, Answers: slices.Concat(answers, beside)}
	var failed []error
	if cause != nil {
		failed = append(failed, cause)
	}
	var full time.Duration // the TTL of what is no cache's
	for i, a := range s.Answers {
		if a.Err != nil {
			failed = append(failed, a.Err)
			continue
		}
		if a.Authoritative && a.Status == lookup.Found {
			full = max(full, a.TTL)
		}
		set := s.read(a.Texts)
		if s.Best < 0 || newer(set, s.Set) {
			s.Best, s.Set = i, set
		}
	}
	if s.Best < 0 {
		s.Err = errors.Join(failed...)
		return s
	}
	for i, a := range s.Answers {
		if a.Err == nil && !a.Authoritative && a.Status == lookup.Found && a.TTL < full {
			s.Answers[i].Age = full - a.TTL
		}
	}
	return s
}

// newer says whether a shows more of the record than b: something rather than
// nothing, and of two records the one with the greater seq. The agents of 2022
// wrote none; with each of their runs timer grew.
func newer(a, b record.Set) bool {
	switch {
	case a.State == record.Absent:
		return false
	case b.State == record.Absent:
		return true
	}
	return cmp.Or(cmp.Compare(a.Record.Seq, b.Record.Seq), cmp.Compare(a.Record.Timer, b.Record.Timer)) > 0
}

// Answer is the one with the newest record; the zero Answer if nobody answered.
func (s Sight) Answer() lookup.Answer {
	if s.Best < 0 {
		return lookup.Answer{}
	}
	return s.Answers[s.Best]
}

// Text is the text of the record that counts, as it was read; empty if there is
// none.
func (s Sight) Text() string {
	for _, t := range s.Answer().Texts {
		if set := s.read([]string{t}); set.State == record.Present && set.Record == s.Set.Record {
			return t
		}
	}
	return ""
}

// Notes are what is odd about the newest record and the answer that shows it, a
// sentence each.
func (s Sight) Notes() []string {
	if s.Best < 0 {
		return nil
	}
	var out []string
	a := s.Answer()
	if p := s.protection(); s.Set.Detail != nil && s.Set.State != record.Unopenable && (p == nil || !p.Tampered) { // which the sentence tells
		out = append(out, strings.Split(s.Set.Detail.Error(), "\n")...)
	}
	switch n := len(s.Set.Foreign); {
	case n == 0 || s.Set.State == record.Unopenable:
	case n == 1:
		out = append(out, "1 other TXT value at this name, which agents keep; a name of its own is better")
	default:
		out = append(out, fmt.Sprintf("%d other TXT values at this name, which agents keep; a name of its own is better", n))
	}
	if a.Alias != "" {
		out = append(out, "the name is an alias (CNAME) of "+a.Alias+": no agent can write here")
	}
	if a.Wildcard != "" {
		out = append(out, "the answer comes from the wildcard "+a.Wildcard+" and not from this name")
	}
	if a.Status == lookup.NoName {
		out = append(out, "the name does not exist (NXDOMAIN)")
	}
	if a.Age > 0 || !a.Authoritative {
		out = append(out, fmt.Sprintf("from a cache, which may be old: it keeps this answer for %d s more", int(a.TTL.Seconds())))
	}
	return out
}

// Others are the servers that do not show the newest record, a sentence each.
func (s Sight) Others() []string {
	if s.Best < 0 {
		return nil
	}
	var out []string
	for i, o := range s.Answers {
		who := o.Server.Addr
		if !strings.HasPrefix(who, o.Server.Name) {
			who = o.Server.Name + " (" + who + ")"
		}
		switch set := s.read(o.Texts); {
		case i == s.Best:
		case o.Err != nil:
			out = append(out, "another server gave no answer: "+o.Err.Error())
		case s.same(o, set):
		case set.State == record.Absent:
			out = append(out, who+" shows no record")
		case set.State != record.Present:
			out = append(out, who+" shows a record that is "+set.State.String())
		case s.behind(o, set) > 0:
			out = append(out, fmt.Sprintf("%s shows an older record, by %s", who, Distance(time.Duration(s.behind(o, set))*time.Second)))
		default:
			out = append(out, who+" shows something else")
		}
	}
	return out
}
