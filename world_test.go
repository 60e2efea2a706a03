package solotick

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
)

const jobName = "job.example."

// A grid ticks every so many seconds, without an offset.
type grid int64

func (g grid) Next(t int64) int64 { return (t/int64(g) + 1) * int64(g) }
func (g grid) Prev(t int64) int64 { return t / int64(g) * int64(g) }

// A world is one bubble of virtual time with one register and agents around
// it. The bubble begins at a whole minute. Moments are counted from there.
type world struct {
	*testing.T
	mem    *register.Memory
	start  time.Time
	pardon string // why runs may overlap, or have the same tick and attempt, here

	mu    sync.Mutex
	runs  []*ran
	past  []version // what DNS showed, and from when
	nodes []*node
}

type version struct {
	at    time.Duration
	texts []string
}

// A ran is one run, as the job saw it.
type ran struct {
	Tick
	node   *node
	began  time.Duration
	ended  time.Duration // -1: not yet
	cause  error         // why its context ended
	err    error
	killed bool
}

// A node is one process: an agent with a way to the register and one to DNS of
// its own, and clocks of its own.
type node struct {
	*Agent
	w    *world
	reg  *registertest.Faulty // every Load and Swap
	dns  *registertest.Faulty // every look is a Load of it
	time *clocks
	ways // not to be changed once the node runs, save by set

	start func() // not nil: to be started
	stop  context.CancelFunc
	done  chan struct{}
	ended time.Duration // when Run returned; -1: not yet

	mu     sync.Mutex
	dead   bool
	log    bytes.Buffer
	events []Event
}

// The ways of a node are how it fares.
type ways struct {
	work  func(ctx context.Context, t Tick) error // the job; a second by default
	rtt   time.Duration                           // of a request
	lag   time.Duration                           // by which its DNS trails
	swap  func([]string)                          // before a Swap is sent
	seen  func(Event)                             // each event
	slow  time.Duration                           // that a Swap takes after it was applied
	away  func() bool                             // the register is: Loads are not answered, Swaps cannot be sent
	stuck bool                                    // each Swap is refused as a conflict, as by a stale server
}

// how returns the ways of the node, set changes them.
func (n *node) how() ways {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ways
}

func (n *node) set(f func(*ways)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(&n.ways)
}

// gone is when Run returned; -1: not yet.
func (n *node) gone() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ended
}

// bubble runs f in a world of its own. At its end every agent is told to stop,
// and what must hold in every world is checked.
func bubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, mem: &register.Memory{}, start: time.Now()}
		t.Cleanup(w.end)
		f(w)
	})
}

func (w *world) end() {
	for _, n := range w.nodes {
		if n.stop != nil && n.start == nil {
			n.time.thaw(0)
			n.stop()
		}
	}
	for _, n := range w.nodes {
		if n.stop == nil || n.start != nil {
			continue
		}
		select {
		case <-n.done:
		case <-time.After(time.Hour):
			panic(n.ID + " was told to stop and does not end:\n" + w.String())
		}
	}
	w.check()
	if w.Failed() {
		w.Logf("runs:\n%s", w)
		for _, n := range w.nodes {
			lines := strings.Split(strings.TrimSpace(n.log.String()), "\n")
			w.Logf("%s:\n%s", n.ID, strings.Join(lines[:min(len(lines), 150)], "\n"))
		}
	}
}

// check holds what protocol section 10.1 and 10.4 promise against the runs.
func (w *world) check() {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var last *ran
	seen := map[string]bool{}
	for _, r := range w.runs {
		if r.ended < 0 {
			w.Errorf("%v never ended", r)
		}
		if r.Unarbitrated || w.pardon != "" {
			continue
		}
		if last != nil && r.Fence <= last.Fence {
			w.Errorf("fence %d comes after %d", r.Fence, last.Fence)
		}
		if last != nil && r.began < last.ended {
			w.Errorf("two runs overlap: %v and %v", last, r)
		}
		try := fmt.Sprintf("tick %d, attempt %d", r.Time.Unix(), r.Attempt)
		if seen[try] && !r.Time.IsZero() {
			w.Errorf("%s was run twice", try)
		}
		seen[try], last = true, r
	}
}

func (r *ran) String() string {
	s := fmt.Sprintf("%8.3f-%8.3f %s tick %d attempt %d fence %d", r.began.Seconds(), r.ended.Seconds(), r.Agent, r.Time.Unix()-r.node.w.start.Unix(), r.Attempt, r.Fence)
	if r.Unarbitrated {
		s += " unarbitrated"
	}
	if r.cause != nil {
		s += " cut: " + r.cause.Error()
	}
	return s
}

func (w *world) String() string {
	var b strings.Builder
	for _, r := range w.runs {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}

// now is the moment.
func (w *world) now() time.Duration { return time.Since(w.start) }

// until sleeps until that moment, and until everything that happens then has happened.
func (w *world) until(at time.Duration) {
	w.Helper()
	for _, n := range w.nodes {
		if n.start != nil {
			n.start()
			n.start = nil
		}
	}
	if at < w.now() {
		w.Fatalf("it is %v, and %v is over", w.now(), at)
	}
	time.Sleep(at - w.now())
	synctest.Wait()
}

// node makes an agent that is not started. Its id ends in its number.
func (w *world) node(p elect.Policy) *node {
	n := &node{w: w, time: newClocks(), done: make(chan struct{}), ended: -1}
	n.ways = ways{work: works(time.Second), rtt: 20 * time.Millisecond}
	n.reg = registertest.NewFaulty(way{n, w.mem.At(jobName)}, jobName)
	n.dns = registertest.NewFaulty(resolver{n}, jobName)
	n.Agent = &Agent{
		Job: Job{Name: "job", Do: n.do}, Policy: p, Register: n.reg, Look: n.dns.Load,
		ID:  fmt.Sprintf("AGENT%d", len(w.nodes)),
		Log: slog.New(slog.NewTextHandler(locked{n}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observe: func(ev Event) {
			n.mu.Lock()
			n.events = append(n.events, ev)
			n.mu.Unlock()
			if seen := n.how().seen; seen != nil {
				seen(ev)
			}
		},
		clock: clock{elapsed: n.time.elapsed, wall: n.time.wall},
	}
	w.nodes = append(w.nodes, n)
	return n
}

// agents makes and starts n of them.
func (w *world) agents(n int, p elect.Policy) []*node {
	var all []*node
	for range n {
		all = append(all, w.node(p))
		all[len(all)-1].run()
	}
	return all
}

// run starts the agent when time next goes on, so that it can be furnished until then.
func (n *node) run() {
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	n.start = func() {
		go func() {
			defer close(n.done)
			if err := n.Run(ctx); err != nil {
				n.w.Errorf("%s: Run: %v", n.ID, err)
			}
			n.mu.Lock()
			defer n.mu.Unlock()
			n.ended = n.w.now()
		}()
	}
}

// works is a job that takes so long, or until it is told to stop.
func works(d time.Duration) func(context.Context, Tick) error {
	return func(ctx context.Context, _ Tick) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// do is the job of every agent: work, written down.
func (n *node) do(ctx context.Context, t Tick) error {
	r := &ran{Tick: t, node: n, began: n.w.now(), ended: -1}
	n.w.mu.Lock()
	n.w.runs = append(n.w.runs, r)
	n.w.mu.Unlock()
	var err error
	defer func() {
		n.w.mu.Lock()
		defer n.w.mu.Unlock()
		r.err = err
		if r.ended < 0 { // else it died with its process
			r.ended, r.cause = n.w.now(), context.Cause(ctx)
		}
	}()
	err = n.how().work(ctx, t)
	return err
}

// kill ends the process without a word: nothing that it does reaches anybody,
// and its job is gone.
func (n *node) kill() {
	n.mu.Lock()
	n.dead = true
	n.mu.Unlock()
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	for _, r := range n.w.runs {
		if r.node == n && r.ended < 0 {
			r.ended, r.killed = n.w.now(), true
		}
	}
}

func (n *node) isDead() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dead
}

// warnings counts the lines of the log at level WARN or above that contain text.
func (n *node) warnings(text string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := 0
	for line := range strings.Lines(n.log.String()) {
		if !strings.Contains(line, "level=DEBUG") && !strings.Contains(line, "level=INFO") && strings.Contains(line, text) {
			c++
		}
	}
	return c
}

// results returns the results of the node's runs.
func (n *node) results() (all []record.Result) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ev := range n.events {
		if ev.Ended {
			all = append(all, ev.Result)
		}
	}
	return all
}

func (n *node) swaps() int {
	_, swaps := n.reg.Count()
	return swaps
}

func (n *node) loads() int {
	loads, _ := n.reg.Count()
	return loads
}

func (n *node) looks() int {
	looks, _ := n.dns.Count()
	return looks
}

// allRuns returns a copy of what ran so far.
func (w *world) allRuns() []ran {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []ran
	for _, r := range w.runs {
		all = append(all, *r)
	}
	return all
}

// wantRuns fails unless exactly these ran so far: "moment of the tick/attempt".
func (w *world) wantRuns(want ...string) []ran {
	w.Helper()
	all := w.allRuns()
	var got []string
	for _, r := range all {
		s := fmt.Sprintf("%d/%d", r.Time.Unix()-w.start.Unix(), r.Attempt)
		if r.Unarbitrated {
			s += "!"
		}
		got = append(got, s)
	}
	if !slices.Equal(got, want) {
		w.Fatalf("at %v ran %q, want %q", w.now(), got, want)
	}
	return all
}

// running returns the node whose run is in progress.
func (w *world) running() *node {
	w.Helper()
	for _, r := range w.allRuns() {
		if r.ended < 0 {
			return r.node
		}
	}
	w.Fatalf("nothing is running at %v:\n%s", w.now(), w)
	return nil
}

// record returns the one record that the register holds.
func (w *world) record() record.Record {
	w.Helper()
	set := record.Read(w.mem.Texts(jobName), 0)
	if set.State != record.Present || set.Detail != nil {
		w.Fatalf("the register holds %q: %v, %v", w.mem.Texts(jobName), set.State, set.Detail)
	}
	return set.Record
}

// put writes by hand.
func (w *world) put(texts ...string) {
	w.mem.Put(jobName, texts...)
	w.changed()
}

// change is an operator's command.
func (w *world) change(f func(record.Record) record.Record) { w.put(f(w.record()).String()) }

func (w *world) changed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.past = append(w.past, version{w.now(), w.mem.Texts(jobName)})
}
