package solotick

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
)

// A loop is one Run of an Agent: look, decide, act. It belongs to one
// goroutine. At most one request is in flight, and it reports through answers,
// so that a run can be stopped while the register is slow.
type loop struct {
	*Agent
	log    *slog.Logger
	policy elect.Policy
	self   elect.Self
	watch  watch
	time   elect.Clock // the register's
	began  time.Duration

	snap   register.Snapshot // what the register last showed: what a swap is against
	set    record.Set
	before record.Record // what the swap in flight, or whose outcome is open, follows
	gap    gap
	sealed bool  // it did not open, and has not since
	odd    error // about what was last seen

	busy       bool   // a request is in flight
	abandon    func() // gives up the Load or look that is in flight; nil: there is none
	answers    chan func()
	patience   elect.Patience
	runs       map[bool]*run // by unarbitrated
	offWarn    bool
	ahead      time.Duration // of the wall clock, when the time was last read
	told       bool          // the register had told its time then
	waits      waiting       // what was last observed
	complained bool          // that the register does not answer, and not yet that it does again
}

func newLoop(a *Agent) (*loop, error) {
	l := &loop{Agent: a, policy: a.Policy, log: a.Log, answers: make(chan func()), runs: map[bool]*run{}}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.policy.Fill()
	if err := l.policy.Check(); err != nil {
		return nil, fmt.Errorf("solotick: job %s: %w", a.Job.Name, err)
	}
	if a.clock.elapsed == nil {
		a.clock = systemClock()
	}
	l.self.ID = a.ID
	if a.ID == "" {
		l.self.ID, _ = NewID("")
	}
	if err := (record.Record{ID: l.self.ID}).Check(); err != nil {
		return nil, fmt.Errorf("solotick: agent id %q: %w", l.self.ID, err)
	}
	l.watch.clock = a.clock
	now := l.now()
	l.began, l.self.Born = now.Elapsed, now.Time
	l.self.NextLook = l.began + l.poll()
	l.log = l.log.With("job", a.Job.Name)
	return l, nil
}

func (l *loop) now() elect.Now {
	e, held, wall, slept := l.watch.read()
	if slept {
		l.time = elect.Clock{} // what it knew was in terms of Elapsed
	}
	n := elect.Now{Elapsed: e, Held: held}
	var off time.Duration
	n.Time, n.Told, off = l.time.Time(e, wall)
	l.told, l.ahead = n.Told, off
	if far := off.Abs() > 2*time.Second; far != l.offWarn {
		l.offWarn = far
		if far {
			l.log.Warn("this machine's clock is off; the register's time is used", "ahead_of_register", off.Round(time.Millisecond))
		}
	}
	return n
}

func (l *loop) poll() time.Duration {
	p := &l.policy
	return p.PollMin + rand.N(p.PollMax-p.PollMin+1)
}

func (l *loop) run(ctx context.Context) {
	l.log.Debug("agent started", "agent", l.self.ID)
	defer l.log.Debug("agent ended", "agent", l.self.ID)
	stop := ctx.Done()
	for {
		select {
		case <-stop: // before anything more is decided
			stop = l.halt()
		default:
		}
		wait, end := l.step(ctx)
		if end {
			return
		}
		l.rest(wait, &stop)
	}
}

// step decides and acts until there is nothing to do, and returns for how long.
// What it has on its stack must not stay while the loop rests: in a process with
// thousands of jobs that would be most of their memory.
//
//go:noinline
func (l *loop) step(ctx context.Context) (wait time.Duration, end bool) {
	for {
		now := l.now()
		act := elect.Decide(&l.policy, &l.self, now)
		if l.busy && act.Verb == elect.End && l.abandon != nil {
			l.abandon()
		}
		if l.busy && act.Verb != elect.Stop {
			return min(time.Hour, elect.NextStop(&l.policy, &l.self, now)-now.Elapsed), false
		}
		l.self.Took(act)
		switch act.Verb {
		case elect.End:
			return 0, true
		case elect.Wait:
			l.wait(act, now)
			return min(time.Hour, act.At-now.Elapsed), false
		}
		l.act(ctx, act)
	}
}

// A waiting is why an agent waits, and for which record.
type waiting struct {
	is  bool
	why elect.Reason
	sum uint64
}

// wait observes a wait, unless it goes on from the one before.
func (l *loop) wait(act elect.Action, now elect.Now) {
	w := waiting{true, act.Why, l.self.View.Sum}
	if w == l.waits {
		return
	}
	l.waits = w
	l.observe(Event{Verb: elect.Wait, Why: act.Why, Until: now.Time.Add(min(act.At-now.Elapsed, 24*time.Hour))})
}

// rest waits for an answer, the end of a run, a signal to stop, or the time.
// Timers stand still in a suspend: with a run in progress it looks at the clock
// again each second, so that a run whose window is over goes on no longer.
func (l *loop) rest(wait time.Duration, stop *<-chan struct{}) {
	if len(l.runs) > 0 {
		wait = min(wait, time.Second)
	}
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	select {
	case note := <-l.answers:
		note()
	case <-timer.C:
	case <-*stop:
		*stop = l.halt()
	}
}

// halt has the loop claim nothing more, and end. There is nothing more to hear then.
func (l *loop) halt() <-chan struct{} {
	l.self.Stopping = true
	l.self.StopBy = l.now().Elapsed + cmp.Or(l.StopGrace, 8*time.Second)
	l.log.Debug("stopping: nothing more is claimed", "run_in_progress", len(l.runs) > 0)
	return nil
}

func (l *loop) act(ctx context.Context, act elect.Action) {
	base := context.WithoutCancel(ctx)
	switch act.Verb {
	case elect.Look:
		l.look(base, act)
	case elect.Load:
		l.load(base, act)
	case elect.Swap:
		l.swap(base, act)
	case elect.Run:
		l.start(base, act)
	case elect.Stop:
		if l.policy.Lock {
			l.log.Warn("the lock is held no longer; what is done under it is to end", "why", act.Why.String())
		} else {
			l.log.Warn("stopping the run", "why", act.Why.String(), "unarbitrated", act.Loose)
		}
		l.self.Cutting(act)
		l.runs[act.Loose].cut = act.Why
		l.runs[act.Loose].cancel(cutError(act.Why))
		l.observe(Event{Verb: act.Verb, Why: act.Why, Result: act.Result, Tick: l.runs[act.Loose].tick})
	}
}

// request runs one request in the background; note runs in the loop after it.
func (l *loop) request(ctx context.Context, v elect.Verb, do func(context.Context) (register.Snapshot, error),
	note func(s register.Snapshot, err error, sent time.Duration, now elect.Now),
) {
	l.busy = true
	sent, patience := l.clock.elapsed(), l.patience.For(&l.policy, &l.self, l.now(), v, l.runs[false] != nil)
	ctx, cancel := context.WithTimeout(ctx, patience)
	abandoned := false
	if v != elect.Swap {
		l.abandon = func() {
			abandoned = true
			cancel()
		}
	}
	go func() {
		defer cancel()
		s, err := do(ctx)
		l.answers <- func() {
			l.busy, l.abandon = false, nil
			if abandoned {
				return
			}
			if err == nil {
				l.hear(s.Time, sent)
			}
			note(s, err, sent, l.now())
		}
	}()
}

// hear takes in the register's time.
func (l *loop) hear(told time.Time, sent time.Duration) {
	_, before, _ := l.time.Time(0, time.Time{})
	l.time.Hear(told, sent, l.clock.elapsed())
	if now := l.now(); now.Told && !before {
		l.self.Born = now.Time.Add(l.began - now.Elapsed)
	}
}

func (l *loop) look(ctx context.Context, act elect.Action) {
	if l.Look == nil {
		l.load(ctx, act)
		return
	}
	outside := func(ctx context.Context) (register.Snapshot, error) {
		s, err := l.Look(ctx)
		s.Time = time.Time{} // the time of day is the register's to tell
		return s, err
	}
	l.request(ctx, elect.Look, outside, func(s register.Snapshot, err error, sent time.Duration, now elect.Now) {
		l.self.NextLook = now.Elapsed + l.poll()
		ev := Event{Verb: elect.Look, Why: act.Why, Took: now.Elapsed - sent, Err: err}
		if err != nil {
			l.self.LookFailed(now)
			l.log.Debug("DNS did not answer; the register is asked", "err", err)
		} else {
			l.see(&ev, now, s, sent)
		}
		l.observe(ev)
	})
}

func (l *loop) load(ctx context.Context, act elect.Action) {
	l.request(ctx, elect.Load, l.Register.Load, func(s register.Snapshot, err error, sent time.Duration, now elect.Now) {
		ev := Event{Verb: elect.Load, Why: act.Why, Took: now.Elapsed - sent, Err: err}
		if err != nil {
			ev.Outcome = elect.Unreached
			if errors.Is(err, register.ErrRefused) {
				ev.Outcome = elect.Refused
			}
			first := l.self.Fails == 0
			if act.Verb == elect.Look { // it stood in for one
				l.self.NextLook = now.Elapsed + l.poll()
				l.self.LookFailed(now)
			}
			l.self.LoadFailed(now, ev.Outcome)
			l.complain(first, "cannot read the record from the register; no run starts meanwhile", err)
		} else {
			l.answered(now)
			l.patience.Took(ev.Took)
			l.self.NextLook = now.Elapsed + l.poll()
			l.see(&ev, now, s, sent)
		}
		l.observe(ev)
	})
}

// see takes in what a Load or DNS showed, and tells ev.
func (l *loop) see(ev *Event, now elect.Now, s register.Snapshot, sent time.Duration) {
	var sec int64
	if now.Told {
		sec = now.Time.Unix()
	}
	set, fromLoad := record.ReadAs(l.Form, s.Texts, sec), ev.Verb == elect.Load
	if fromLoad {
		l.snap, l.set = s, set
	}
	was, stale, shown := l.self.View, l.self.Stale, l.self.Shown
	last, open := l.self.Last, l.self.Open
	l.self.See(now, elect.Sight{State: set.State, Record: set.Record, Sum: sum(s.Texts), FromLoad: fromLoad, Sent: sent, Got: now.Elapsed})
	l.renewed() // a renewal whose reply was lost may have been found
	if r := l.self.Last; r.TimerOld > last.TimerOld {
		l.gap = gap{r.TimerOld, passed(l.policy.Schedule, last, elect.Action{Why: elect.TickDue, Next: r})}
	}
	if act, ok := found(&open, &l.self); ok {
		ev.Passed = l.leavesOut(act)
		l.tell(act, *ev)
	}
	if v := &l.self.View; l.policy.Lock && v.State == record.Present && !elect.IsLock(v.Record) && elect.IsLock(was.Record) {
		l.log.Warn("the record is one of a job; it is left alone, and nothing is held here", "record", v.Record.String())
	}
	if l.self.Stale == 1 && stale == 0 {
		l.log.Warn("a write was refused although the record has not changed: the server has a stale view of its own zone, or cannot store it; trying again, ever more slowly")
	}
	if odd := set.Detail; fromLoad && set.State == record.Present && set.Record.Seq < shown {
		set.Detail = errors.Join(odd, fmt.Errorf("%w (seq %d after %d)", ErrOlder, set.Record.Seq, shown))
	}
	ev.Record, ev.State, ev.Protection, ev.Odd = set.Record, set.State, set.Protection, set.Detail
	l.wonder(set, fromLoad, was)
}

// wonder logs what is odd about a record, once.
func (l *loop) wonder(set record.Set, fromLoad bool, was elect.View) {
	news := !was.Seen || was.Sum != l.self.View.Sum
	if set.State == record.Unopenable { // its owners go on writing it
		news = !l.sealed || l.odd == nil || l.odd.Error() != set.Detail.Error()
	}
	if l.sealed && set.State == record.Present && fromLoad {
		l.sealed = false
		l.log.Info("the record opens again", "key", set.Protection.Sealed)
	}
	l.sealed, l.odd = l.sealed || set.State == record.Unopenable, set.Detail
	if set.Detail == nil || !news {
		return
	}
	level := slog.LevelWarn
	if !fromLoad && set.State == record.Present {
		level = slog.LevelDebug // a provider whose records reach DNS one by one shows old and new for a moment
	}
	l.log.Log(context.Background(), level, "the record needs a look", "state", set.State.String(), "detail", set.Detail)
}

// sum tells sets of texts apart.
func sum(texts []string) uint64 {
	h := fnv.New64a()
	for _, t := range slices.Sorted(slices.Values(texts)) {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	return h.Sum64()
}

func (l *loop) swap(ctx context.Context, act elect.Action) {
	if l.self.Open.N == 0 {
		l.before = l.self.Last
	}
	l.self.Sending(&l.policy, l.now(), act)
	old, texts := l.snap, l.set.With(act.Next)
	swap := func(ctx context.Context) (register.Snapshot, error) { return l.Register.Swap(ctx, old, texts) }
	l.request(ctx, elect.Swap, swap, func(s register.Snapshot, err error, sent time.Duration, now elect.Now) {
		ev := Event{Verb: elect.Swap, Why: act.Why, Took: now.Elapsed - sent, Record: act.Next, Err: err, Outcome: outcome(err)}
		first := l.self.Fails == 0
		if ev.Outcome == elect.Done || ev.Outcome == elect.Conflict {
			l.answered(now)
		}
		l.self.Swapped(now, act, ev.Outcome, sum(s.Texts))
		switch ev.Outcome {
		case elect.Done:
			l.snap = s
			l.set = record.ReadAs(l.Form, s.Texts, 0)
			ev.Passed = l.leavesOut(act)
			l.tell(act, ev)
			l.renewed()
		case elect.Conflict:
			l.log.Debug("the record changed first", "why", act.Why.String())
		case elect.Uncertain:
			level := slog.LevelWarn
			if l.self.Stale > 0 { // said, and the same again and again
				level = slog.LevelDebug
			}
			l.log.Log(context.Background(), level, "the outcome of a write is unknown; the register is asked before anything else", "why", act.Why.String(), "err", err)
		default:
			l.complain(first, "cannot write the record; no run starts meanwhile", err)
		}
		l.observe(ev)
	})
}

func outcome(err error) elect.Outcome {
	switch {
	case err == nil:
		return elect.Done
	case errors.Is(err, register.ErrConflict):
		return elect.Conflict
	case errors.Is(err, register.ErrUncertain):
		return elect.Uncertain
	case errors.Is(err, register.ErrRefused):
		return elect.Refused
	}
	return elect.Unreached
}

// complain logs the first failure of a row loudly, the rest not.
func (l *loop) complain(first bool, what string, err error) {
	level := slog.LevelDebug
	if first || !l.complained {
		level, l.complained = slog.LevelWarn, true
	}
	l.log.Log(context.Background(), level, what, "err", err)
}

// answered says that the register answers again, if it did not.
func (l *loop) answered(now elect.Now) {
	if s := &l.self; l.complained {
		l.complained = false
		l.log.Info("the register answers again", "failures", s.Fails, "after", (now.Elapsed - s.FailedSince).Round(time.Millisecond))
	}
}

// tell logs a write that people care about.
func (l *loop) tell(act elect.Action, ev Event) {
	level := slog.LevelDebug
	if act.Why.Loud() || ev.Passed > 0 {
		level = slog.LevelWarn
	}
	r := act.Next
	if l.policy.Lock {
		l.log.Log(context.Background(), level, "record written", "why", act.Why.String(), "seq", r.Seq, "last", string(r.Last))
		return
	}
	attrs := []any{"why", act.Why.String()}
	if r.TimerOld != 0 { // 0: no tick was claimed yet
		attrs = append(attrs, "tick", stamp(r.TimerOld), "attempt", r.Attempt())
	}
	attrs = append(attrs, "next", stamp(r.Timer), "seq", r.Seq, "last", string(r.Last), "ticks_passed", ev.Passed)
	l.log.Log(context.Background(), level, "record written", attrs...)
}

// stamp is a tick as logs show it.
func stamp(sec int64) string { return time.Unix(sec, 0).UTC().Format(time.RFC3339) }

func (l *loop) observe(ev Event) {
	if l.Observe != nil {
		ev.Time = l.now().Time
		ev.Told, ev.Ahead = l.told, l.ahead
		l.Observe(ev)
	}
}
