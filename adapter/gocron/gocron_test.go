package gocronadapter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"
	"github.com/jonboulle/clockwork"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/internal/oncalltest"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/schedule"
)

const at = "canary.example.com"

// leading is a policy for who wants the record itself.
var leading = elect.Policy{Lock: true, Lease: 3 * time.Second, Spread: 200 * time.Millisecond}

// A skewed clock is a machine's own, which is off by a constant.
type skewed struct {
	clockwork.Clock
	by time.Duration
}

func (c skewed) Now() time.Time                       { return c.Clock.Now().Add(c.by) }
func (c skewed) Since(then time.Time) time.Duration   { return c.Now().Sub(then) }
func (c skewed) Until(moment time.Time) time.Duration { return moment.Sub(c.Now()) }

// play has a scheduler on each of the machines until that is enough, or a minute.
func play(t *testing.T, enough func() bool, furnish func(machine int) []gocron.SchedulerOption, add func(s gocron.Scheduler, machine int)) {
	t.Helper()
	var all []gocron.Scheduler
	for i, skew := range oncalltest.Skews {
		opts := []gocron.SchedulerOption{gocron.WithClock(skewed{clockwork.NewRealClock(), skew}), gocron.WithLocation(time.UTC)}
		s, err := gocron.NewScheduler(append(opts, furnish(i)...)...)
		if err != nil {
			t.Fatal(err)
		}
		add(s, i)
		s.Start()
		all = append(all, s)
	}
	oncalltest.Await(enough)
	for _, s := range all {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
	}
}

func addTo(t *testing.T, s gocron.Scheduler, do func(), opts ...gocron.JobOption) {
	t.Helper()
	all := append(opts, gocron.WithName("canary"))
	if _, err := s.NewJob(gocron.CronJob("*/2 * * * * *", true), gocron.NewTask(do), all...); err != nil {
		t.Fatal(err)
	}
}

// forTheRun is what a locker for the duration of the run is.
type forTheRun struct{ agent *solotick.Agent }

func (l forTheRun) Lock(ctx context.Context, _ string) (gocron.Lock, error) {
	return l.agent.TryLock(ctx)
}

// With a lock for as long as the job runs, each machine runs it for the same tick. This
// is what the test below has to be able to see.
func TestLockForTheRun(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	mem.Put(at, `{"id":"","timer":0,"timerold":0}`)
	var count oncalltest.Tally
	play(t, count.Twice, func(int) []gocron.SchedulerOption {
		return []gocron.SchedulerOption{gocron.WithDistributedLocker(forTheRun{&solotick.Agent{Register: mem.At(at), Policy: leading}})}
	}, func(s gocron.Scheduler, _ int) {
		addTo(t, s, func() { count.Add((time.Now().Unix() + oncalltest.Interval/2) / oncalltest.Interval) })
	})
	if !count.Twice() {
		t.Error("no tick was run more than once")
	}
}

func TestLockerOncePerTick(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	var count oncalltest.Tally
	play(t, count.Some, func(int) []gocron.SchedulerOption {
		l, err := NewLocker(&solotick.Agent{Job: solotick.Job{Name: "canary"}, Register: mem.At(at), Policy: oncalltest.Policy(t)})
		if err != nil {
			t.Fatal(err)
		}
		return []gocron.SchedulerOption{gocron.WithDistributedLocker(l)}
	}, func(s gocron.Scheduler, _ int) { addTo(t, s, func() { count.Add(oncalltest.Claimed(t, mem.At(at))) }) })
	count.Once(t)
}

func TestAddOncePerTick(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	var count oncalltest.Tally
	last := int64(0)
	play(t, count.Some, func(int) []gocron.SchedulerOption { return nil }, func(s gocron.Scheduler, _ int) {
		_, err := Add(s, &solotick.Agent{
			Job: solotick.Job{Name: "canary", Do: func(_ context.Context, tick solotick.Tick) error {
				count.Add(oncalltest.Claimed(t, mem.At(at)))
				if tick.Fence <= last || tick.Time.Unix() != oncalltest.Claimed(t, mem.At(at)) {
					t.Errorf("tick %v has fence %d after %d", tick.Time, tick.Fence, last)
				}
				last = tick.Fence
				return nil
			}},
			Register: mem.At(at), Policy: oncalltest.Policy(t),
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	count.Once(t)
}

// within waits until a condition holds.
func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

// A job under Lock has a tick, a fence and a context; its end is in the record.
func TestLockerHeld(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	hourly, err := schedule.Every(time.Hour, 0)
	if err != nil {
		t.Fatal(err)
	}
	tick := hourly.Prev(time.Now().Unix())
	mem.Put(at, fmt.Sprintf(`{"id":"Z","timer":%d,"timerold":%d,"seq":1}`, tick, tick-3600))
	p := oncalltest.Policy(t)
	p.Schedule = hourly
	l, err := NewLocker(&solotick.Agent{Job: solotick.Job{Name: "canary"}, Register: mem.At(at), Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := l.Held("canary"); ok {
		t.Error("held before it was locked")
	}
	lock, err := l.Lock(t.Context(), "canary")
	if err != nil {
		t.Fatal(err)
	}
	ctx, got, ok := l.Held("canary")
	if !ok || ctx.Err() != nil || got.Fence == 0 || got.Time.Unix() != oncalltest.Claimed(t, mem.At(at)) {
		t.Errorf("held: %v, %+v", ok, got)
	}
	if _, err := l.Lock(t.Context(), "canary"); !errors.Is(err, solotick.ErrHeld) {
		t.Errorf("a second call beside: %v", err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel() // as gocron's is at a shutdown
	if err := lock.Unlock(done); err != nil {
		t.Errorf("Unlock: %v", err)
	}
	if r, err := record.Parse(mem.Texts(at)[0]); err != nil || r.Claimed || r.Last != record.OK || r.TimerOld != got.Time.Unix() {
		t.Errorf("record %v, %v", r, err)
	}
	if _, _, ok := l.Held("canary"); ok || ctx.Err() == nil {
		t.Error("held after it was unlocked")
	}
	mem.Put(at, fmt.Sprintf(`{"id":"Z","timer":%d,"timerold":%d,"seq":%d}`, time.Now().Unix()+45, tick, time.Now().Unix()*1000))
	if _, err := l.Lock(t.Context(), "canary"); !errors.Is(err, solotick.ErrNotDue) {
		t.Errorf("before its time: %v", err)
	}
}

// A name that the locker does not know is not run, and who listens is told why.
func TestLockerUnknown(t *testing.T) {
	t.Parallel()
	l, err := NewLocker()
	if err != nil {
		t.Fatal(err)
	}
	s, err := gocron.NewScheduler(gocron.WithDistributedLocker(l))
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 100)
	addTo(t, s, func() { t.Error("it ran") }, gocron.WithEventListeners(gocron.AfterLockError(func(_ uuid.UUID, _ string, err error) { told <- err })))
	s.Start()
	if err := <-told; !errors.Is(err, ErrUnknown) {
		t.Errorf("told %v", err)
	}
	if err := s.Shutdown(); err != nil {
		t.Error(err)
	}
	if _, _, ok := l.Held("canary"); ok {
		t.Error("held")
	}
}

// Schedulers with an elector run their jobs on the leader, and elsewhere when that is gone.
func TestElector(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	mem.Put(at, `{"id":"","timer":0,"timerold":0}`)
	var running sync.WaitGroup
	var all []*Elector
	var stops []context.CancelFunc
	for range oncalltest.Skews {
		e, err := NewElector(&solotick.Agent{Job: solotick.Job{Name: "scheduler"}, Register: mem.At(at), Policy: leading})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		running.Go(func() {
			if err := e.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		all, stops = append(all, e), append(stops, stop)
	}
	leader := func() int {
		found := -1
		for i, e := range all {
			switch err := e.IsLeader(t.Context()); {
			case err == nil && found >= 0:
				t.Errorf("%d and %d lead", found, i)
			case err == nil:
				found = i
			case !errors.Is(err, ErrNotLeader):
				t.Error(err)
			}
		}
		return found
	}
	within(t, 20*time.Second, "a leader", func() bool { return leader() >= 0 })
	first := leader()
	var mu sync.Mutex
	ran := map[int]int{}
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return ran[first] > 2
	}
	play(t, enough, func(i int) []gocron.SchedulerOption {
		return []gocron.SchedulerOption{gocron.WithDistributedElector(all[i])}
	},
		func(s gocron.Scheduler, i int) {
			addTo(t, s, func() {
				mu.Lock()
				defer mu.Unlock()
				ran[i]++
			})
		})
	if len(ran) != 1 || ran[first] < 3 {
		t.Errorf("jobs ran on %v, and %d led", ran, first)
	}
	stops[first]()
	within(t, 20*time.Second, "another leader", func() bool { n := leader(); return n >= 0 && n != first })
	for _, stop := range stops {
		stop()
	}
	running.Wait()
}

// What would not be safe is refused.
func TestRefused(t *testing.T) {
	var mem register.Memory
	reg, s := mem.At(at), oncalltest.Policy(t).Schedule
	do := func(context.Context, solotick.Tick) error { return nil }
	good := solotick.Agent{Job: solotick.Job{Name: "canary"}, Register: reg, Policy: elect.Policy{Schedule: s}}
	for name, change := range map[string]func(a *solotick.Agent){
		"no name":     func(a *solotick.Agent) { a.Job.Name = "" },
		"no register": func(a *solotick.Agent) { a.Register = nil },
		"no schedule": func(a *solotick.Agent) { a.Policy.Schedule = nil },
		"a lock":      func(a *solotick.Agent) { a.Policy = elect.Policy{Lock: true} },
		"too short":   func(a *solotick.Agent) { a.Policy.Lease = time.Second },
		"has a job":   func(a *solotick.Agent) { a.Job.Do = do },
	} {
		a := good
		change(&a)
		if _, err := NewLocker(&a); err == nil {
			t.Errorf("NewLocker, %s: no error", name)
		}
		if name != "a lock" {
			if _, err := NewElector(&a); err == nil {
				t.Errorf("NewElector, %s: no error", name)
			}
		}
	}
	if _, err := NewLocker(&good, &good); err == nil {
		t.Error("NewLocker, twice the same name: no error")
	}
	sched, err := gocron.NewScheduler()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sched.Shutdown() }()
	if _, err := Add(sched, &good); err == nil {
		t.Error("Add, nothing to do: no error")
	}
	if _, err := sched.NewJob(gocron.CronJob("", false), gocron.NewTask(func() {}), gocron.WithCronImplementation(Cron(nil))); err == nil {
		t.Error("Cron, no schedule: no error")
	}
	if next := Cron(schedule.Schedule{}).Next(time.Now()); !next.IsZero() {
		t.Errorf("a schedule without ticks: %v", next)
	}
}
