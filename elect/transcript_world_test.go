package elect_test

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// A world is one virtual time line with a register, the DNS that follows it and
// any number of agents. Nothing of the protocol is in it: what an agent does, and
// what it makes of the answers, is elect's.
type world struct {
	now    time.Duration // since the epoch
	events []event
	order  int
	policy elect.Policy
	agents []*agent
	job    job
	out    strings.Builder
	trace  bool // print looks and loads too

	texts  []string // what the register holds
	past   []version
	late   []func() // copies of swaps that the network has kept
	mode   string   // of the register: "" answers; away; silent; refusing
	step   time.Duration
	silent bool          // tells no time
	lag    time.Duration // by which DNS trails the register
	dns    string        // "" answers; away; stuck; alternating
	stuck  []string
	asked  int
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

type version struct {
	at    time.Duration
	texts []string
}

// A job is how runs go.
type job struct {
	takes, stop time.Duration
	results     []record.Result // of this run and the next ones; the last one stays
	hangs       bool            // runs until it is told to stop
	state       string
}

type agent struct {
	*world
	name   string
	policy elect.Policy
	self   elect.Self
	clock  elect.Clock
	wall   time.Duration // how far this machine's clock is off
	rtt    time.Duration
	asleep time.Duration // that Elapsed did not count

	form                    record.Form
	snap                    []string
	set                     record.Set
	job                     job
	faults                  []fault // what becomes of the next swaps
	mode                    string  // of the register towards this agent alone
	busy, frozen, suspended bool
	gone                    bool
	since                   time.Duration // frozen since
	held                    []func()      // answers that wait for a frozen agent
	runs                    map[bool]*running
	wake                    int
	looks, loads, spins     int
}

// A fault is what becomes of one swap.
type fault struct {
	what  string
	delay time.Duration // before it reaches the register
}

type running struct {
	tick   int64
	loose  bool
	ending int // generation of the planned end
	ended  bool
}

const start = 600 * time.Second // when every story begins

func newWorld(p elect.Policy) *world {
	return &world{now: start, policy: p, job: job{takes: 5 * time.Second, stop: time.Second, results: []record.Result{record.OK}}}
}

func (w *world) plan(at time.Duration, do func()) {
	w.order++
	w.events = append(w.events, event{max(at, w.now), w.order, do})
}

// advance lets everything happen up to a moment.
func (w *world) advance(to time.Duration) {
	for {
		i := -1
		for j, e := range w.events {
			if e.at <= to && (i < 0 || e.at < w.events[i].at || e.at == w.events[i].at && e.order < w.events[i].order) {
				i = j
			}
		}
		if i < 0 {
			break
		}
		e := w.events[i]
		w.events = slices.Delete(w.events, i, i+1)
		w.now = e.at
		e.do()
	}
	w.now = to
}

func (w *world) printf(who, format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf("%7.2f  %-8s  %s", w.now.Seconds(), who, fmt.Sprintf(format, args...)), " ")
	w.out.WriteString(text + "\n")
}

// flush gives what was printed, and what it cost to find out.
func (w *world) flush() string {
	var cost []string
	for _, a := range w.agents {
		if a.looks+a.loads > 0 {
			cost = append(cost, fmt.Sprintf("%s %d/%d", a.name, a.looks, a.loads))
		}
		a.looks, a.loads = 0, 0
	}
	if len(cost) > 0 {
		fmt.Fprintf(&w.out, "         (DNS questions/Loads: %s)\n", strings.Join(cost, ", "))
	}
	s := w.out.String()
	w.out.Reset()
	return s
}

// registerTime is what the register tells: a whole second, or nothing.
func (w *world) registerTime() time.Time {
	if w.silent {
		return time.Time{}
	}
	return time.Unix(int64((w.now+w.step)/time.Second), 0)
}

func (w *world) put(texts []string) {
	w.texts = texts
	w.past = append(w.past, version{w.now, texts})
}

// at is what the register held at a moment.
func (w *world) at(t time.Duration) []string {
	var texts []string
	for _, v := range w.past {
		if v.at > t {
			break
		}
		texts = v.texts
	}
	return texts
}

func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func sum(texts []string) uint64 {
	h := fnv.New64a()
	for _, t := range slices.Sorted(slices.Values(texts)) {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	return h.Sum64()
}

func show(texts []string) string {
	if len(texts) == 0 {
		return "nothing"
	}
	var all []string
	for _, text := range texts {
		all = append(all, opened(text))
	}
	return strings.Join(all, "  ")
}

// An agent's own part: the loop of a driver.

func (a *agent) elapsed() time.Duration { return a.world.now - a.asleep }

func (a *agent) clocks() elect.Now {
	e := a.elapsed()
	n := elect.Now{Elapsed: e, Held: a.world.now}
	n.Time, n.Told, _ = a.clock.Time(e, time.Unix(0, int64(a.world.now+a.wall)))
	return n
}

// decide acts until there is something to wait for.
func (a *agent) decide() {
	for !a.gone && !a.frozen {
		now := a.clocks()
		act := elect.Decide(&a.policy, &a.self, now)
		if a.busy && act.Verb != elect.Stop {
			a.sleep(elect.NextStop(&a.policy, &a.self, now))
			return
		}
		a.self.Took(act)
		if act.Verb == elect.Wait {
			a.sleep(act.At)
			return
		}
		a.act(act, now)
	}
}

func (a *agent) sleep(until time.Duration) {
	a.wake++
	wake := a.wake
	if until <= a.elapsed() {
		a.spins++
		until = a.elapsed() + 100*time.Millisecond
	}
	if until-a.elapsed() > 1000*time.Hour {
		return
	}
	a.plan(until+a.asleep, func() {
		if a.wake == wake {
			a.decide()
		}
	})
}

func (a *agent) act(act elect.Action, now elect.Now) {
	switch act.Verb {
	case elect.End:
		a.printf(a.name, "ends: %v", act.Why)
		a.gone = true
	case elect.Look:
		a.looks++
		a.ask(act, a.dnsLook)
	case elect.Load:
		a.loads++
		a.ask(act, a.load)
	case elect.Swap:
		a.swap(act, now)
	case elect.Run:
		a.run(act, now)
	case elect.Stop:
		a.printf(a.name, "stop the run: %v (%s)", act.Why, act.Result)
		a.self.Cutting(act)
		r := a.runs[act.Loose]
		a.finish(r, a.job.stop, record.Failed)
	}
}

// request is half a round trip there, what happens there, and half a round trip back.
func (a *agent) request(slow time.Duration, there func() (note func(sent time.Duration, now elect.Now))) {
	a.busy = true
	sent := a.elapsed()
	a.plan(a.world.now+slow+a.rtt/2, func() {
		note := there()
		a.plan(a.world.now+a.rtt/2, func() {
			a.answer(func() {
				a.busy = false
				note(sent, a.clocks())
			})
		})
	})
}

// answer hands something over to the agent, once it can take it.
func (a *agent) answer(note func()) {
	switch {
	case a.gone:
	case a.frozen:
		a.held = append(a.held, note)
	default:
		note()
		a.decide()
	}
}

func (w *world) dnsLook() (texts []string, told time.Time, out elect.Outcome) {
	switch w.dns {
	case "away":
		return nil, time.Time{}, elect.Unreached
	case "alternating":
		if w.asked++; w.asked%2 == 0 {
			break
		}
		fallthrough
	case "stuck":
		return w.stuck, time.Time{}, elect.Done
	}
	return w.at(w.now - w.lag), time.Time{}, elect.Done
}

// towards is how the register is to this agent.
func (a *agent) towards() string {
	if a.mode != "" {
		return a.mode
	}
	return a.world.mode
}

func (a *agent) load() (texts []string, told time.Time, out elect.Outcome) {
	w := a.world
	switch a.towards() {
	case "away", "silent":
		return nil, time.Time{}, elect.Unreached
	case "refusing":
		return nil, time.Time{}, elect.Refused
	}
	return w.texts, w.registerTime(), elect.Done
}

func (a *agent) ask(act elect.Action, how func() ([]string, time.Time, elect.Outcome)) {
	fromLoad := act.Verb == elect.Load
	a.request(0, func() func(time.Duration, elect.Now) {
		texts, told, out := how()
		return func(sent time.Duration, now elect.Now) {
			poll := now.Elapsed + a.policy.PollMin
			if out == elect.Done || !fromLoad {
				a.self.NextLook = poll
			}
			what := show(texts)
			switch {
			case out == elect.Done:
				a.clock.Hear(told, sent, now.Elapsed)
				now = a.clocks()
				if !a.see(now, texts, fromLoad, sent) {
					what += " (not taken)"
				}
			case fromLoad:
				a.self.LoadFailed(now, out)
				what = "no answer"
			default:
				a.self.LookFailed(now)
				what = "no answer"
			}
			if a.trace {
				a.printf(a.name, "%v: %v: %s", act.Verb, act.Why, what)
			}
		}
	})
}

func (a *agent) see(now elect.Now, texts []string, fromLoad bool, sent time.Duration) bool {
	var sec int64
	if now.Told {
		sec = now.Time.Unix()
	}
	set := record.ReadAs(a.form, texts, sec)
	if fromLoad {
		a.snap, a.set = texts, set
	}
	return a.self.See(now, elect.Sight{State: set.State, Record: set.Record, Sum: sum(texts), FromLoad: fromLoad, Sent: sent, Got: now.Elapsed})
}

func (a *agent) swap(act elect.Action, now elect.Now) {
	a.self.Sending(&a.policy, now, act)
	old, texts := a.snap, a.set.With(act.Next)
	var f fault
	if len(a.faults) > 0 {
		f, a.faults = a.faults[0], a.faults[1:]
	}
	a.request(f.delay, func() func(time.Duration, elect.Now) {
		out, told, note := a.world.swap(old, texts, a.towards(), f.what)
		return func(sent time.Duration, now elect.Now) {
			if out == elect.Done {
				a.clock.Hear(told, sent, now.Elapsed)
				now = a.clocks()
				a.snap, a.set = texts, record.ReadAs(a.form, texts, 0)
			}
			a.self.Swapped(now, act, out, sum(texts))
			again := ""
			if act.Again {
				again = ", the same text again"
			}
			a.printf(a.name, "swap %s: %v%s: %s", outcomes[out]+note, act.Why, again, act.Next)
		}
	})
}

var outcomes = map[elect.Outcome]string{
	elect.Done: "done", elect.Conflict: "conflict", elect.Uncertain: "uncertain", elect.Refused: "refused", elect.Unreached: "unreached",
}

// swap is the register's side of it.
func (w *world) swap(old, texts []string, mode, fault string) (elect.Outcome, time.Time, string) {
	apply := func() bool {
		ok := same(w.texts, old)
		if ok {
			w.put(texts)
		}
		return ok
	}
	switch {
	case mode == "away" || fault == "unreached":
		return elect.Unreached, time.Time{}, ""
	case mode == "refusing" || fault == "refused":
		return elect.Refused, time.Time{}, ""
	case mode == "silent" || fault == "lost":
		return elect.Uncertain, time.Time{}, " (lost)"
	case fault == "lands":
		if !apply() {
			return elect.Uncertain, time.Time{}, " (not applied)"
		}
		return elect.Uncertain, time.Time{}, " (it landed)"
	case fault == "later":
		w.late = append(w.late, func() {
			if apply() {
				w.printf("network", "a late swap lands: %s", show(texts))
			} else {
				w.printf("network", "a late swap comes to nothing: %s", show(texts))
			}
		})
		return elect.Uncertain, time.Time{}, " (under way)"
	case fault == "conflict":
		return elect.Conflict, time.Time{}, " (though nothing has changed)"
	case fault == "twice":
		w.late = append(w.late, func() {
			if apply() {
				w.printf("network", "a second copy lands: %s", show(texts))
			} else {
				w.printf("network", "a second copy comes to nothing")
			}
		})
	}
	if apply() {
		return elect.Done, w.registerTime(), ""
	}
	return elect.Conflict, time.Time{}, ""
}

// run starts the job.
func (a *agent) run(act elect.Action, now elect.Now) {
	a.self.Starting(now, act)
	r := &running{tick: act.Tick, loose: act.Loose}
	a.runs[act.Loose] = r
	c := a.self.Claim
	switch {
	case act.Loose:
		a.printf(a.name, "run tick %d unarbitrated: %v%s", act.Tick, act.Why, a.beside(r))
	case a.policy.Lock:
		a.printf(a.name, "holds the lock, fence %d%s", c.Fence, a.beside(r))
	default:
		a.printf(a.name, "run tick %d attempt %d fence %d%s%s", act.Tick, c.Record.Attempt(), c.Fence, given(c.Record.State), a.beside(r))
	}
	if a.job.hangs {
		return
	}
	res := a.job.results[0]
	if len(a.job.results) > 1 {
		a.job.results = a.job.results[1:]
	}
	a.finish(r, a.job.takes, res)
}

// beside tells which other runs of the job are in progress.
func (w *world) beside(r *running) string {
	var others []string
	for _, a := range w.agents {
		for _, o := range []*running{a.runs[false], a.runs[true]} {
			if o != nil && o != r && !o.ended && !a.gone {
				others = append(others, fmt.Sprintf("%s's run of %d", a.name, o.tick))
			}
		}
	}
	if others == nil {
		return ""
	}
	return ", beside " + strings.Join(others, " and ")
}

func given(state string) string {
	if state == "" {
		return ""
	}
	return fmt.Sprintf(" state %q", state)
}

// finish plans the end of a run.
func (a *agent) finish(r *running, in time.Duration, res record.Result) {
	r.ending++
	ending := r.ending
	a.plan(a.world.now+in, func() {
		if r.ending != ending || r.ended || a.gone {
			return
		}
		r.ended = true
		a.answer(func() {
			delete(a.runs, r.loose)
			if r.loose {
				a.self.LooseEnded(res)
				a.printf(a.name, "ran tick %d unarbitrated: %s", r.tick, res)
				return
			}
			a.self.RunEnded(res, a.job.state, a.job.state != "")
			if a.policy.Lock {
				a.printf(a.name, "is done with it: %s", a.self.Claim.Result)
				return
			}
			a.printf(a.name, "ran tick %d: %s", r.tick, a.self.Claim.Result)
		})
	})
}
