package route53

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/solotick/solotick/internal/batch"
	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/cloudtest"
)

// A day is what some agents do for some time with the jobs of one account, each
// of which runs every minute: a swap at its tick, another one when it has run, by
// the one agent that runs it, and every ten minutes a Load by each agent.
type day struct {
	jobs, agents int
	lasts        time.Duration
	alone        bool // each swap and each Load is a request
}

// A figure is what came of it.
type figure struct {
	swaps, late       int // late: not applied in the time that an agent gives it
	loads, failed     int
	reads, writes     int // requests that were dealt with
	refused           int // as too many
	waits, loadsWaits []time.Duration
}

func (f figure) requests() int { return f.reads + f.writes + f.refused }

// patience is how long an agent gives a swap or a Load.
const patience = 10 * time.Second

// live plays a day in virtual time against a fake with the limits of an account,
// each request of which takes 300 ms.
func (d day) live(t *testing.T) (f figure) {
	fake := cloudtest.NewRoute53(t)
	zone := fake.AddZone("example.com")
	fake.Delay(300 * time.Millisecond)
	synctest.Test(t, func(t *testing.T) {
		fake.Limit(DefaultRate, DefaultBurst, 0)
		agents := make([]*Client, d.agents)
		for i := range agents {
			agents[i] = d.agent(t, fake, zone)
		}
		var mu sync.Mutex
		var all sync.WaitGroup
		end := time.Now().Add(d.lasts)
		for i := range d.jobs {
			j := job{name: nameOf(i), client: agents[i%d.agents]}
			j.prepare(t, fake, zone)
			all.Go(func() { j.run(end, &mu, &f) })
			for a, client := range agents {
				r, every := open(t, client, j.name), 10*time.Minute
				first := time.Now().Add(time.Duration(hash(fmt.Sprint(a, j.name)) % uint64(every)))
				if first.Before(end) {
					all.Go(func() { loadEvery(r, first, every, end, &mu, &f) })
				}
			}
		}
		all.Wait()
		time.Sleep(time.Minute) // until every request has ended
	})
	f.reads, f.writes, f.refused = fake.Count()
	slices.Sort(f.waits)
	slices.Sort(f.loadsWaits)
	return f
}

func (d day) agent(t *testing.T, fake *cloudtest.Route53, zone string) *Client {
	cfg := configFor(fake)
	cfg.ZoneID, cfg.Timeout, cfg.Rate, cfg.Burst = zone, 0, 0, 0
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.http = direct{fake.API}
	if d.alone {
		c.changes = batch.New(batch.Options[change, time.Time]{
			Send: c.sendChanges, Fits: func([]change, change) bool { return false }, Budget: c.budget, Unknown: register.ErrUncertain, Parallel: 1000, Slow: 1,
		})
		c.loads = batch.New(batch.Options[string, loaded]{
			Send: c.sendLoads, Fits: func([]string, string) bool { return false }, Budget: c.budget, Parallel: 1000, Slow: 1,
		})
	}
	return c
}

func hash(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	return h.Sum64()
}

// A job is one of a day.
type job struct {
	name   string
	client *Client
	r      *record
	now    register.Snapshot
}

// prepare has its record there already.
func (j *job) prepare(t *testing.T, fake *cloudtest.Route53, zone string) {
	r, err := j.client.Register(j.name)
	if err != nil {
		t.Fatal(err)
	}
	j.r = r.(*record)
	set, err := setWith([]string{"before"}, rrset{}, 60)
	if err != nil {
		t.Fatal(err)
	}
	if j.now, err = set.snapshot(time.Now()); err != nil {
		t.Fatal(err)
	}
	fake.Put(zone, cloudtest.RecordSet{Name: j.name, Type: "TXT", TTL: 60, Values: set.Values})
}

// run swaps the record twice a minute, at a second that follows from the name.
func (j *job) run(end time.Time, mu *sync.Mutex, f *figure) {
	offset := time.Duration(hash(j.name)%60) * time.Second
	took := time.Duration(200+hash("took "+j.name)%20_000) * time.Millisecond
	for tick := time.Now().Truncate(time.Minute).Add(offset); tick.Before(end); tick = tick.Add(time.Minute) {
		time.Sleep(time.Until(tick))
		for _, text := range []string{
			`{"id":"VDNDNQNWQY","timer":%d,"timerold":1641903910,"seq":1641903910000,"until":1641903925,"lease":15,"last":"ok"}`,
			`{"id":"VDNDNQNWQY","timer":%d,"timerold":1641903910,"seq":1641903910001,"last":"ok"}`,
		} {
			began := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			s, err := j.r.Swap(ctx, j.now, []string{fmt.Sprintf(text, tick.Unix())})
			cancel()
			mu.Lock()
			f.swaps++
			f.waits = append(f.waits, time.Since(began))
			if err != nil {
				f.late++
			}
			mu.Unlock()
			if err != nil {
				break
			}
			j.now = s
			time.Sleep(took)
		}
	}
}

func loadEvery(r *record, first time.Time, every time.Duration, end time.Time, mu *sync.Mutex, f *figure) {
	for at := first; at.Before(end); at = at.Add(every) {
		time.Sleep(time.Until(at))
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		_, err := r.Load(ctx)
		cancel()
		mu.Lock()
		f.loads++
		f.loadsWaits = append(f.loadsWaits, time.Since(began))
		if err != nil {
			f.failed++
		}
		mu.Unlock()
	}
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// TestJobs has an account hold the records of 2,000 jobs that run every minute. With
// batches none of their swaps comes too late and no request is one too many; one
// request for each would not get through. Agents share an account without knowing
// of each other.
func TestJobs(t *testing.T) {
	for _, tt := range []struct {
		day
		late, failed, refused func(of figure) bool // what would be wrong
	}{
		{
			day{jobs: 2000, agents: 1, lasts: time.Minute},
			func(f figure) bool { return f.late > 0 }, func(f figure) bool { return f.failed > 0 }, func(f figure) bool { return f.refused > 0 },
		},
		{
			day{jobs: 900, agents: 3, lasts: 30 * time.Second},
			func(f figure) bool { return f.late > f.swaps/100 }, func(f figure) bool { return f.failed > f.loads/10 }, func(f figure) bool { return f.refused > f.requests()/10 },
		},
		{
			day{jobs: 2000, agents: 1, lasts: 20 * time.Second, alone: true},
			func(f figure) bool { return f.late < f.swaps/4 }, func(figure) bool { return false }, func(figure) bool { return false },
		},
	} {
		f := tt.live(t)
		how := "batches"
		if tt.alone {
			how = "one request each"
		}
		took := func(waits []time.Duration, q float64) time.Duration {
			return quantile(waits, q).Round(time.Millisecond)
		}
		t.Logf("%d jobs, agents: %d, %s, %s: of %d swaps %d late, of %d loads %d failed; %d lists, %d changes, %d refused; a swap took %s at p50 and %s at p99, a load %s and %s",
			tt.jobs, tt.agents, tt.lasts, how, f.swaps, f.late, f.loads, f.failed, f.reads, f.writes, f.refused,
			took(f.waits, 0.5), took(f.waits, 0.99), took(f.loadsWaits, 0.5), took(f.loadsWaits, 0.99))
		part := tt.lasts.Minutes()
		if float64(f.swaps) < float64(tt.jobs)*part || float64(f.loads) < float64(tt.jobs)*part/20 || tt.late(f) || tt.failed(f) || tt.refused(f) {
			t.Errorf("%+v: %d swaps, %d late; %d loads, %d failed; %d requests, %d refused", tt.day, f.swaps, f.late, f.loads, f.failed, f.requests(), f.refused)
		}
		// An account's bucket is full at first.
		if most := DefaultBurst + (part+1)*60*DefaultRate; float64(f.reads+f.writes) > most {
			t.Errorf("%+v: %d requests, and the account allows %g", tt.day, f.reads+f.writes, most)
		}
	}
}
