package cronadapter

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/goleak"

	"github.com/solotick/solotick"
	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/internal/oncalltest"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/rfc2136"
	"github.com/solotick/solotick/schedule"
	"github.com/solotick/solotick/zone"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // they wait most of the time; the flag exists
	goleak.VerifyTestMain(m)
}

const at = "canary.example.com"

// skewed is a schedule as a machine follows it whose clock is ahead by so much: cron
// itself has no clock that a test could replace.
type skewed struct {
	cron.Schedule
	by time.Duration
}

func (s skewed) Next(t time.Time) time.Time { return s.Schedule.Next(t.Add(s.by)).Add(-s.by) }

// play has a cron on each of the machines until that is enough, or a minute. The job that add puts there
// is called by the machine's own clock.
func play(t *testing.T, enough func() bool, add func(c *cron.Cron, skew time.Duration)) {
	t.Helper()
	var all []*cron.Cron
	for _, skew := range oncalltest.Skews {
		c := cron.New(cron.WithLocation(time.UTC))
		add(c, skew)
		c.Start()
		all = append(all, c)
	}
	oncalltest.Await(enough)
	for _, c := range all {
		<-c.Stop().Done()
	}
}

// With a lock for as long as the job runs, each machine runs it for the same tick. This
// is what the tests below have to be able to see.
func TestLockForTheRun(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	mem.Put(at, `{"id":"","timer":0,"timerold":0}`)
	every := Schedule(oncalltest.Policy(t).Schedule)
	var count oncalltest.Tally
	play(t, count.Twice, func(c *cron.Cron, skew time.Duration) {
		agent := &solotick.Agent{Register: mem.At(at), Policy: elect.Policy{Lock: true, Lease: 3 * time.Second, Spread: 200 * time.Millisecond}}
		lockForTheRun := func(j cron.Job) cron.Job {
			return cron.FuncJob(func() {
				k, err := agent.TryLock(context.Background())
				if err != nil {
					return // somebody else runs it
				}
				j.Run()
				if err := k.Unlock(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		job := cron.FuncJob(func() { count.Add((time.Now().Unix() + oncalltest.Interval/2) / oncalltest.Interval) })
		c.Schedule(skewed{every, skew}, cron.NewChain(lockForTheRun).Then(job))
	})
	if !count.Twice() {
		t.Error("no tick was run more than once")
	}
}

func TestWrapperOncePerTick(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	var count oncalltest.Tally
	play(t, count.Some, func(c *cron.Cron, skew time.Duration) {
		wrapper, err := Wrapper(t.Context(), &solotick.Agent{Job: solotick.Job{Name: "canary"}, Register: mem.At(at), Policy: oncalltest.Policy(t)})
		if err != nil {
			t.Fatal(err)
		}
		job := cron.FuncJob(func() { count.Add(oncalltest.Claimed(t, mem.At(at))) })
		c.Schedule(skewed{Schedule(oncalltest.Policy(t).Schedule), skew}, cron.NewChain(cron.Recover(cron.DiscardLogger), wrapper).Then(job))
	})
	count.Once(t)
}

// The same over DNS UPDATE, where every round trip takes its time, and by Add.
func TestAddOverDNS(t *testing.T) {
	t.Parallel()
	client := server(t)
	var count oncalltest.Tally
	var mu sync.Mutex
	last := int64(0)
	play(t, count.Some, func(c *cron.Cron, skew time.Duration) {
		reg, err := client.Register(at)
		if err != nil {
			t.Fatal(err)
		}
		p := oncalltest.Policy(t)
		id, err := Add(t.Context(), c, &solotick.Agent{
			Job: solotick.Job{Name: "canary", Do: func(_ context.Context, tick solotick.Tick) error {
				count.Add(tick.Time.Unix())
				mu.Lock()
				defer mu.Unlock()
				if tick.Fence <= last || tick.Time.Unix() != oncalltest.Claimed(t, reg) {
					t.Errorf("tick %v has fence %d after %d", tick.Time, tick.Fence, last)
				}
				last = tick.Fence
				return nil
			}},
			Register: reg, Policy: p,
		})
		if err != nil {
			t.Fatal(err)
		}
		entry := c.Entry(id) // what Add has added, by a skewed clock
		c.Remove(id)
		c.Schedule(skewed{entry.Schedule, skew}, entry.WrappedJob)
	})
	count.Once(t)
}

// server is the embedded server with a zone whose key may write the record.
func server(t *testing.T) *rfc2136.Client {
	t.Helper()
	secret := []byte("of 32 octets, for this test only")
	s, err := zone.Open(zone.Config{
		Listen: []string{"127.0.0.1:0"}, Dir: filepath.Join(t.TempDir(), "data"), Zones: []zone.Zone{{Name: "example.com"}},
		Keys: []zone.Key{{
			Name: "solotick", Algorithm: "hmac-sha256", Secret: secret,
			Grants: []zone.Grant{{Name: at, Types: []string{"TXT"}}},
		}},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	key, err := rfc2136.ParseKey("solotick:" + base64.StdEncoding.EncodeToString(secret))
	if err != nil {
		t.Fatal(err)
	}
	client, err := rfc2136.New(rfc2136.Config{Server: s.Addr(), Zone: "example.com", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// A tick whose holder has vanished is run by who is called next, and then the tick
// that the call was for.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	hourly, err := schedule.Every(time.Hour, 0)
	if err != nil {
		t.Fatal(err)
	}
	tick := hourly.Prev(time.Now().Unix())
	mem.Put(at, fmt.Sprintf(`{"id":"X","timer":%d,"timerold":%d,"seq":%d,"until":%d,"lease":1}`, tick, tick-3600, tick-3600000, tick-3599))
	var got []solotick.Tick
	p := oncalltest.Policy(t)
	p.Schedule = hourly
	c := cron.New()
	id, err := Add(t.Context(), c, &solotick.Agent{
		Job: solotick.Job{Name: "canary", Do: func(_ context.Context, tick solotick.Tick) error {
			got = append(got, tick)
			return nil
		}},
		Register: mem.At(at), Policy: p,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Entry(id).WrappedJob.Run()
	if len(got) != 2 || got[0].Time.Unix() != tick-3600 || got[0].Attempt != 2 || got[1].Time.Unix() < tick || got[1].Attempt != 1 {
		t.Errorf("runs %+v", got)
	}
}

// What a run comes to is logged, and that there is nothing to run is not.
func TestLog(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	now := time.Now().Unix()
	p := oncalltest.Policy(t)
	p.Schedule, _ = schedule.Every(time.Hour, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, c := range []struct {
		name, record string
		want         string
	}{
		{"it panics", fmt.Sprintf(`{"id":"Z","timer":%d,"timerold":%d,"seq":1}`, p.Schedule.Prev(now), p.Schedule.Prev(now)-3600), "panicked: no good"},
		{"paused", fmt.Sprintf(`{"id":"Z","timer":%d,"timerold":%d,"seq":1,"pause":-1}`, p.Schedule.Prev(now), p.Schedule.Prev(now)-3600), ""},
		{"over", "", ""},
	} {
		if c.name == "over" {
			cancel()
		}
		mem.Put(at, c.record)
		var said strings.Builder
		wrapper, err := Wrapper(ctx, &solotick.Agent{
			Job: solotick.Job{Name: "canary"}, Register: mem.At(at), Policy: p,
			Log: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelError})),
		})
		if err != nil {
			t.Fatal(err)
		}
		wrapper(cron.FuncJob(func() { panic("no good") })).Run()
		if got := said.String(); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: logged %q, want %q", c.name, got, c.want)
		}
	}
}

// What would not be safe is refused.
func TestRefused(t *testing.T) {
	t.Parallel()
	var mem register.Memory
	do := func(context.Context, solotick.Tick) error { return nil }
	good := solotick.Agent{Job: solotick.Job{Name: "canary"}, Register: mem.At(at), Policy: oncalltest.Policy(t)}
	c := cron.New()
	for name, change := range map[string]func(a *solotick.Agent){
		"no register": func(a *solotick.Agent) { a.Register = nil },
		"no schedule": func(a *solotick.Agent) { a.Policy.Schedule = nil },
		"a lock":      func(a *solotick.Agent) { a.Policy = elect.Policy{Lock: true} },
		"too short":   func(a *solotick.Agent) { a.Policy.Lease = time.Second },
		"has a job":   func(a *solotick.Agent) { a.Job.Do = do },
	} {
		a := good
		change(&a)
		if _, err := Wrapper(t.Context(), &a); err == nil {
			t.Errorf("Wrapper, %s: no error", name)
		}
		if a.Job.Do = do; name == "has a job" {
			a.Job.Do = nil
		}
		if _, err := Add(t.Context(), c, &a); err == nil {
			t.Errorf("Add, %s: no error", name)
		}
	}
	if len(c.Entries()) != 0 {
		t.Error("what was refused is there")
	}
	wrapper, err := Wrapper(t.Context(), &good)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "a second job") {
			t.Errorf("a second job: %v", p)
		}
	}()
	wrapper(cron.FuncJob(func() {}))
	wrapper(cron.FuncJob(func() {}))
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	s := Schedule(oncalltest.Policy(t).Schedule)
	berlin, err := schedule.Location("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, berlin)
	if next := s.Next(now); !next.Equal(time.Date(2026, 1, 2, 3, 4, 6, 0, berlin)) || next.Location() != berlin {
		t.Errorf("after %v comes %v", now, next)
	}
	if next := Schedule(schedule.Schedule{}).Next(now); !next.IsZero() {
		t.Errorf("a schedule without ticks: %v", next)
	}
}
