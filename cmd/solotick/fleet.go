package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	solotick "github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/internal/trace"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/steps"
)

// A member is a job as a fleet runs it.
type member struct {
	Name   string
	Record string // absolute name, for the log
	Where  any    // what the connect was made from: another one is another register
	Policy elect.Policy
	Form   record.Form
	Plan   *steps.Plan
	Mark   string // another one is another plan
	From   bool   // it is of a list that lies elsewhere
}

// same says whether two members are the same job, with the same definition.
func (m member) same(n member) bool {
	m.Plan, n.Plan = nil, nil
	return reflect.DeepEqual(m, n)
}

// connect gives the register of a member's record, and the look at it by DNS.
type connect func(m member) (register.Register, look, error)

// A fleet is the agents of one process: one for each job, all under one id.
// Its methods are for one goroutine.
type fleet struct {
	id             string
	log            *slog.Logger
	grace          time.Duration
	stdout, stderr io.Writer                // of the jobs' commands; safe for concurrent use
	latest         atomic.Pointer[jobsFrom] // the list that lies elsewhere; nil: there is none
	guards         *steps.Guards
	svc            *service                 // in use
	mayUse         func(*service) error     // whether jobs may be run over it
	secrets        atomic.Pointer[[]string] // that are not told of what commands print; nil: none
	file           string                   // of which the jobs are, or what is secret; empty: none
	withheld       atomic.Pointer[[]string] // variables that commands do not inherit; nil: none
	traces         *trace.Exporter          // nil: nobody asks for any

	// Who hears of what happens. They are not to block, and do not change once the
	// fleet runs.
	observe []func(member, solotick.Event) // each event of an agent
	finish  []func(*finished)              // each run that has ended, before the event that tells so
	forget  []func(member)                 // a job that is gone
	close   []func(context.Context)        // at the end, for as long as the context allows

	posts map[string]*post
	ended chan *post    // agents that have ended
	over  chan struct{} // closed when nobody hears of that any more
}

// A post is one job's place in a fleet. Its agent is replaced when the job's
// definition changes, between two runs: under the same id the new agent is the
// record's incumbent as the old one was, so that nobody else has to wait.
type post struct {
	member member
	cancel context.CancelFunc
	heard  atomic.Int64 // when the agent last did anything, in Unix seconds
	before atomic.Int64 // the latest tick that was claimed, as the record told before a claim of the agent's own; 0: none was seen

	mu        sync.Mutex
	now       [2]*finished // the runs in progress
	running   int          // and how many
	leaving   bool         // replaced by next, or by nothing, once it is quiet
	next      *crew        // nil: nothing
	postponed int
	canceled  bool // its agent is ending
}

// A crew is an agent that is ready to start.
type crew struct {
	member member
	agent  *solotick.Agent
	post   *post
}

func newFleet(id string, log *slog.Logger, stdout, stderr io.Writer) *fleet {
	return &fleet{
		id: id, log: log, grace: 8 * time.Second, guards: new(steps.Guards), mayUse: func(*service) error { return nil },
		stdout: &lockedWriter{w: stdout}, stderr: &lockedWriter{w: stderr},
		posts: map[string]*post{}, ended: make(chan *post), over: make(chan struct{}),
	}
}

// prepare makes the agents of members, and finds what is wrong with any before
// one is started.
func (f *fleet) prepare(members []member, to connect) ([]*crew, error) {
	all := []*crew{}
	var errs []error
	for _, m := range members {
		c, err := f.crew(m, to)
		if err != nil {
			errs = append(errs, fmt.Errorf("job %s: %w", m.Name, err))
		}
		all = append(all, c)
	}
	return all, errors.Join(errs...)
}

func (f *fleet) crew(m member, to connect) (*crew, error) {
	reg, look, err := to(m)
	if err != nil {
		return nil, err
	}
	policy := m.Policy
	policy.Fill()
	if err := policy.Check(); err != nil {
		return nil, err
	}
	c := &crew{member: m, post: &post{member: m}}
	c.agent = &solotick.Agent{
		Job:       solotick.Job{Name: m.Name, Do: f.do(c.post, policy)},
		Policy:    policy,
		Register:  reg,
		Look:      look,
		Form:      m.Form,
		ID:        f.id,
		StopGrace: max(f.grace-policy.KillGrace, 1), // a run that is told to end then has ended at f.grace. 0 would be the library's default
		Log:       f.log,
		Observe:   func(ev solotick.Event) { f.hear(c.post, ev) },
	}
	return c, nil
}

// hear passes on what an agent does. It runs in the agent's loop.
func (f *fleet) hear(p *post, ev solotick.Event) {
	if ev.Verb == elect.Run && !ev.Ended {
		p.begin(ev)
	}
	p.note(f.id, ev)
	if ev.Verb == elect.Run && ev.Ended {
		if r := p.finish(ev); r != nil {
			for _, tell := range f.finish {
				tell(r)
			}
		}
	}
	for _, tell := range f.observe {
		tell(p.member, ev)
	}
}

// note keeps track of what the agent does. It runs in the agent's loop, so that
// an agent that is to leave does so with its run: it reports, and claims no more.
func (p *post) note(id string, ev solotick.Event) {
	p.heard.Store(time.Now().Unix())
	if r := ev.Record; ev.Err == nil && r.ID != "" && !(r.Claimed && r.ID == id) {
		p.before.Store(r.TimerOld)
	}
	if ev.Verb != elect.Run {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !ev.Ended {
		p.running++
		return
	}
	p.running--
	if p.leaving && p.running == 0 {
		p.canceled = true
		p.cancel()
	}
}

// replaceBy has the agent replaced by next, or by nothing, once it is quiet.
func (p *post) replaceBy(next *crew) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaving, p.next, p.postponed = true, next, 0
}

// stay takes a replacement back. It is too late if the agent is ending already.
func (p *post) stay() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.canceled {
		return false
	}
	p.leaving, p.next = false, nil
	return true
}

// leave ends an agent that is to leave and is quiet: no run is in progress, and
// no claim is likely to be under way. A job that is due all the time counts as
// quiet after some attempts: a claim that its agent just made is then handed
// over, and the next agent sees that at once.
func (p *post) leave(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.leaving || p.canceled || p.running > 0 {
		return
	}
	soon := now.Unix() + 1
	if t := p.member.Policy.Schedule.Prev(soon); t >= soon-3 && p.postponed < 5 {
		p.postponed++
		return
	}
	p.canceled = true
	p.cancel()
}

// apply makes crews, all of them, what the fleet runs: it starts new jobs, lets
// go of those that are gone, and has changed ones replaced between two runs. A
// job that did not change is not touched.
func (f *fleet) apply(ctx context.Context, crews []*crew) (changed int) {
	wanted := map[string]bool{}
	for _, c := range crews {
		name := c.member.Name
		wanted[name] = true
		p := f.posts[name]
		switch {
		case p == nil:
			f.start(ctx, c)
		case p.member.same(c.member) && p.stay():
			continue
		default:
			p.replaceBy(c)
		}
		changed++
	}
	for name, p := range f.posts {
		if !wanted[name] {
			p.replaceBy(nil)
			changed++
		}
	}
	f.settle()
	return changed
}

func (f *fleet) start(ctx context.Context, c *crew) {
	p := c.post
	f.posts[c.member.Name] = p
	ctx, p.cancel = context.WithCancel(ctx)
	p.heard.Store(time.Now().Unix())
	go func() {
		if err := c.agent.Run(ctx); err != nil {
			f.log.Error("the job's agent does not start", "job", c.member.Name, "err", err) // prepare has checked it
		}
		select {
		case f.ended <- p:
		case <-f.over:
		}
	}()
}

// settle ends the agents that are to leave and are quiet.
func (f *fleet) settle() {
	for _, p := range f.posts {
		p.leave(time.Now())
	}
}

// relieve takes note of an agent that has ended, and starts the one that
// follows it unless the fleet itself is ending.
func (f *fleet) relieve(ctx context.Context, p *post) {
	p.cancel()
	if f.posts[p.member.Name] == p {
		delete(f.posts, p.member.Name)
	}
	p.mu.Lock() // for the fields' sake: its agent has ended
	next := p.next
	p.mu.Unlock()
	if next == nil && ctx.Err() == nil {
		for _, tell := range f.forget {
			tell(p.member)
		}
	}
	if next != nil && ctx.Err() == nil {
		f.log.Info("the job has changed", "job", p.member.Name, "record", next.member.Record)
		f.start(ctx, next)
	}
}

// alive says that every agent did something lately: an idle one looks at least
// every PollMax, and no request takes longer than some seconds.
func (f *fleet) alive(now time.Time) bool {
	for _, p := range f.posts {
		patience := 2*cmp.Or(p.member.Policy.PollMax, time.Minute) + time.Minute
		if now.Sub(time.Unix(p.heard.Load(), 0)) > patience {
			return false
		}
	}
	return true
}

// settling is the time after which what follows from a change of jobs is over.
const settling = 20 * time.Second

// keep runs the fleet until ctx has ended and every agent with it, and returns
// 0, or the number of a signal that does not want to wait for that. news, asked
// every second, tells of other crews to apply; HUP asks it to look more closely.
func (f *fleet) keep(ctx context.Context, sig signals, news func(hup bool) []*crew) int {
	defer close(f.over)
	defer f.guards.Close()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	watchdog, fed := watchdogEvery(), time.Now()
	settled := time.Now().Add(settling)
	change := func(hup bool) {
		if crews := news(hup); crews != nil {
			f.log.Info("configuration read again", "jobs", len(crews), "changed", f.apply(ctx, crews))
			settled = time.Now().Add(settling)
		}
	}
	notifySystemd("READY=1")
	for done := ctx.Done(); done != nil || len(f.posts) > 0; {
		select {
		case p := <-f.ended:
			f.relieve(ctx, p)
		case now := <-second.C:
			if done != nil {
				change(false)
				f.settle()
			}
			if !settled.IsZero() && now.After(settled) {
				settled = time.Time{}
				debug.FreeOSMemory() // what the start took, and an agent of many jobs never needs again
			}
			if watchdog > 0 && now.Sub(fed) >= watchdog && f.alive(now) {
				notifySystemd("WATCHDOG=1")
				fed = now
			}
		case <-sig.reload:
			if done != nil {
				reloading()
				change(true)
				notifySystemd("READY=1")
			}
		case <-done:
			done = nil
			f.log.Info("stopping: nothing more is claimed; a run in progress has its grace to end")
			notifySystemd("STOPPING=1")
		case n := <-sig.again:
			f.log.Warn("a second signal: ending at once; runs in progress are killed and taken over when their claims lapse")
			return n
		}
	}
	f.leave()
	return 0
}

// parting is how long the end of a fleet takes at most when all its agents have ended.
const parting = 2 * time.Second

// leave sends what is still to be told, and says at the provider that this process
// writes nothing more, where others keep room for that.
func (f *fleet) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), parting)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	for _, end := range f.close {
		all.Go(func() { end(ctx) })
	}
	if f.svc == nil || f.svc.leave == nil {
		return
	}
	if err := f.svc.leave(ctx); err != nil {
		f.log.Debug("what this process kept in the zone stays there for a day", "err", err)
	}
}
