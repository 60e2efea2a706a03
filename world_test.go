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
		if seen[try] {
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

// A way leads from a node to the register.
type way struct {
	n   *node
	reg register.Register
}

// arriving is the context of copies that were on their way.
type arriving struct{}

// land lets the copies of swaps that the node sent arrive now.
func (n *node) land() []error {
	return n.reg.Land(context.WithValue(context.Background(), arriving{}, true))
}

// half of a round trip; a dead process's requests go nowhere.
func (n *node) half(ctx context.Context) error {
	if ctx.Value(arriving{}) != nil {
		return nil
	}
	if n.isDead() {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(n.how().rtt / 2):
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (v way) Load(ctx context.Context) (register.Snapshot, error) {
	if err := v.n.half(ctx); err != nil {
		return register.Snapshot{}, err
	}
	s, err := v.reg.Load(ctx)
	if err := v.n.half(ctx); err != nil {
		return register.Snapshot{}, err
	}
	return s, err
}

func (v way) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	how := v.n.how()
	if how.swap != nil {
		how.swap(texts)
	}
	if err := v.n.half(ctx); err != nil {
		return register.Snapshot{}, fmt.Errorf("%w: %w", register.ErrUncertain, err)
	}
	if how.stuck {
		return register.Snapshot{}, register.ErrConflict
	}
	s, err := v.reg.Swap(ctx, old, texts)
	if err == nil {
		v.n.w.changed()
	}
	if err := v.n.half(ctx); err != nil {
		return register.Snapshot{}, fmt.Errorf("%w: %w", register.ErrUncertain, err)
	}
	return s, err
}

// A resolver is DNS: it trails the register, tells a wrong time, which nobody is
// to believe, and swaps nothing.
type resolver struct{ n *node }

func (v resolver) Load(ctx context.Context) (register.Snapshot, error) {
	if err := v.n.half(ctx); err != nil {
		return register.Snapshot{}, err
	}
	w, lag := v.n.w, v.n.how().lag
	w.mu.Lock()
	s := register.Snapshot{Time: time.Now().Add(time.Hour)}
	for _, p := range w.past {
		if p.at <= w.now()-lag {
			s.Texts = slices.Clone(p.texts)
		}
	}
	w.past = w.past[max(0, len(w.past)-1000):]
	w.mu.Unlock()
	return s, v.n.half(ctx)
}

func (v resolver) Swap(context.Context, register.Snapshot, []string) (register.Snapshot, error) {
	panic("nobody swaps in DNS")
}

type locked struct{ n *node }

func (l locked) Write(p []byte) (int, error) {
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	return l.n.log.Write(p)
}

// clocks are those of one machine. They follow the bubble's time until they
// are set, stepped or frozen.
type clocks struct {
	mu     sync.Mutex
	start  time.Time
	wallBy time.Duration // by which the wall clock is ahead
	monoBy time.Duration
	frozen chan struct{} // not nil: whoever reads a clock waits: the machine stands still
	then   bool          // freeze after the next reading
	last   time.Duration
	reads  int
}

func newClocks() *clocks { return &clocks{start: time.Now()} }

func (c *clocks) await() {
	c.mu.Lock()
	frozen := c.frozen
	c.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

func (c *clocks) elapsed() time.Duration {
	c.await()
	c.mu.Lock()
	defer c.mu.Unlock()
	e := time.Since(c.start) + c.monoBy
	if c.reads++; e != c.last {
		c.last, c.reads = e, 0
	}
	if c.reads > 10000 {
		panic("an agent turns in circles without waiting")
	}
	return e
}

func (c *clocks) wall() time.Time {
	c.await()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.then {
		c.then, c.frozen = false, make(chan struct{})
	}
	return time.Now().Add(c.wallBy)
}

// step moves the two clocks on by so much at once.
func (c *clocks) step(mono, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.monoBy, c.wallBy = c.monoBy+mono, c.wallBy+wall
}

// freeze stops the machine. After a suspend the monotonic clock of some systems
// has stood still for all the while that it lasted; thaw takes that off.
func (c *clocks) freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = make(chan struct{})
}

// freezeSoon does so between the next reading of the clocks and the one after it.
func (c *clocks) freezeSoon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.then = true
}

func (c *clocks) thaw(stood time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.monoBy -= stood
	if c.frozen != nil {
		close(c.frozen)
		c.frozen = nil
	}
}
