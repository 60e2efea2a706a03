package page

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// A world makes up what DNS shows of some jobs, and has a real history see it as an
// observer would: after each change, and every minute.
type world struct {
	h   *monitor.History
	now time.Time
	rnd *rand.Rand
}

func newWorld(now time.Time) *world {
	return &world{monitor.NewHistory(monitor.Limits{}), now, rand.New(rand.NewPCG(1, 2))}
}

// A madeUp is a job that is made up. Times are seconds.
type madeUp struct {
	name, job string
	every     int64
	takes     float64
	back      time.Duration // since when it is observed
	agents    []string      // the first is the incumbent; each vanishing makes the next one that
	ends      map[int]record.Result
	vanish    map[int]bool // counted in ticks back from now: the holder vanishes in the run of that tick
	told      bool         // agents report
	blind     [2]int       // ticks back from now between which nobody looks
	pause     [2]int       // ticks back from now between which it is paused
	stop      int          // ticks back from now at which all agents stop; 0: none
	why       string
	shift     int64 // of the ticks
	looks     int64 // seconds between two looks; 0: 60
	resolvers bool
}

// play has the history see a job up to now.
func (w *world) play(m madeUp) {
	target := monitor.Target{Name: m.name, Job: m.job}
	w.h.Watch(target)
	now := w.now.Unix()
	start := now - int64(m.back.Seconds())
	first := start - (start-m.shift)%m.every + m.every
	p := &player{w: w, m: m, target: target, looked: start, holder: m.agents[0], left: m.agents[1:]}
	p.rec = record.Record{ID: p.holder, Timer: first, TimerOld: first - m.every, Seq: (first - m.every + 2) * 1000, Last: record.OK}
	p.look(start)
	for tick := first; tick <= now; tick += m.every {
		p.tick(tick, int((now-tick)/m.every))
	}
	p.until(now)
	p.look(now)
}

type player struct {
	w      *world
	m      madeUp
	target monitor.Target
	rec    record.Record
	looked int64
	holder string
	left   []string
	blind  bool
}

// until looks now and then.
func (p *player) until(t int64) {
	every := cmp.Or(p.m.looks, 60)
	for p.looked+every < t {
		p.look(p.looked + every)
	}
}

func (p *player) look(t int64) {
	if t > p.w.now.Unix() {
		return
	}
	p.looked = t
	if !p.blind {
		p.w.h.See(seen(p.target, time.Unix(t, 0), p.rec, p.m.resolvers))
	}
}

// write changes the record, and has it looked at a second later.
func (p *player) write(t int64, change func(*record.Record)) {
	if t > p.w.now.Unix() {
		return
	}
	p.until(t)
	change(&p.rec)
	p.rec.Seq = max(t*1000, p.rec.Seq+1)
	p.look(min(t+1, p.w.now.Unix()))
}

func (p *player) tick(tick int64, back int) {
	m := p.m
	p.blind = m.blind[0] > 0 && back <= m.blind[0] && back > m.blind[1]
	if m.stop > 0 && back < m.stop {
		return
	}
	switch {
	case m.pause[0] > 0 && back == m.pause[0]:
		p.write(tick-5, func(r *record.Record) { r.Pause, r.Why = -1, m.why })
		return
	case m.pause[0] > 0 && back == m.pause[1] && back > 0:
		p.write(tick-20, func(r *record.Record) { r.Pause, r.Why, r.Timer = 0, "", tick })
	case m.pause[0] > 0 && back < m.pause[0] && back > m.pause[1], m.pause[0] > 0 && m.pause[1] == 0 && back < m.pause[0]:
		return
	}
	result := m.ends[back]
	if result == "" {
		result = record.OK
	}
	takes := m.takes * (.75 + .5*p.w.rnd.Float64() + .4*max(0, p.w.rnd.NormFloat64()-1.2))
	if m.vanish[back] {
		p.claim(tick, tick, 1)
		p.holder, p.left = p.left[0], append(p.left[1:], p.left[0])
		p.claim(tick, tick+26, 2)
		p.end(tick, float64(tick+26), 2, takes, result)
		return
	}
	p.claim(tick, tick, 1)
	p.end(tick, float64(tick), 1, takes, result)
}

func (p *player) claim(tick, at int64, try int) {
	p.write(at, func(r *record.Record) {
		r.ID, r.TimerOld, r.Timer, r.Claimed, r.Lease, r.Until = p.holder, tick, tick+p.m.every, true, 15, at+15
		r.Try = 0
		if try > 1 {
			r.Try, r.Last = try, record.Lost
		}
	})
}

func (p *player) end(tick int64, began float64, try int, takes float64, result record.Result) {
	if result == record.Timeout {
		takes = float64(p.m.every) * .66
	}
	over := began + .2 + takes
	for at := int64(began) + 5; at < int64(over); at += 5 {
		p.write(at, func(r *record.Record) { r.Until = at + 15 })
	}
	if int64(over) > p.w.now.Unix() {
		return
	}
	p.write(int64(over), func(r *record.Record) { r.Claimed, r.Lease, r.Until, r.Last, r.Try = false, 0, 0, result, 0 })
	if !p.m.told || p.blind {
		return
	}
	code := 0
	d := &monitor.Detail{Began: time.UnixMilli(int64(began*1000) + 40 + int64(p.w.rnd.ExpFloat64()*90)), TookMS: int64(takes * 1000), Code: &code}
	d.Steps = []monitor.Step{
		{ID: "backups", Kind: "http", Result: "ok", TookMS: d.TookMS * 7 / 10, Note: "200"},
		{ID: "restart", Kind: "exec", Result: "skipped"},
		{ID: "alert", Kind: "alert", Result: "quiet"},
	}
	if result != record.OK {
		code = 1
		d.Error = "step backups: expect: status == 200 is false"
		d.Steps[0].Result, d.Steps[0].Note = "failed", "503"
		d.Output = "GET https://api.example.com/v1/jobs?state=failed: 503 Service Unavailable\nretry 1 of 2 in 1.2 s: 503\nretry 2 of 2 in 2.6 s: 503\n"
	}
	err := p.w.h.Tell(p.m.name, monitor.Run{Tick: tick, Attempt: try, Agent: p.holder, Result: result, Detail: d})
	if err != nil {
		panic(err) // it is watched
	}
}

// seen is a look at a record through two name servers, and two resolvers if need
// be: one has a copy that is older.
func seen(t monitor.Target, at time.Time, r record.Record, resolvers bool) monitor.Sight {
	texts := []string{r.String()}
	s := monitor.Sight{Target: t, Time: at, Set: record.Read(texts, at.Unix())}
	for i, name := range []string{"ns1.example.com", "ns2.example.com"} {
		s.Answers = append(s.Answers, lookup.Answer{
			Name: t.Name, Server: lookup.Server{Name: name, Addr: fmt.Sprintf("192.0.2.%d:53", i+1)}, Status: lookup.Found,
			Texts: texts, TTL: time.Minute, Authoritative: true, Latency: time.Duration(8+4*i) * time.Millisecond,
		})
	}
	if resolvers {
		old := r
		if r.Seq > 60_000 {
			old.Seq, old.Timer, old.TimerOld, old.Claimed, old.Lease, old.Until = r.Seq-60_000, r.Timer-60, r.TimerOld-60, false, 0, 0
		}
		for i, name := range []string{"198.51.100.53", "203.0.113.9"} {
			text := []string{texts[0], old.String()}[i]
			s.Answers = append(s.Answers, lookup.Answer{
				Name: t.Name, Server: lookup.Server{Name: name, Addr: name + ":53"}, Status: lookup.Found,
				Texts: []string{text}, TTL: time.Duration(41-29*i) * time.Second, Age: time.Duration(19+29*i) * time.Second, Latency: 3 * time.Millisecond,
			})
		}
	}
	return s
}

// silence is a look that nobody answers.
func silence(t monitor.Target, at time.Time) monitor.Sight {
	return monitor.Sight{Target: t, Time: at, Best: -1, Err: fmt.Errorf("lookup: %s at ns1.example.com (192.0.2.1:53): %w", t.Name, lookup.ErrTimeout)}
}

// agent makes up an id, as agents have them.
func agent(prefix string, n int) string {
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(prefix))))
	var b strings.Builder
	b.WriteString(prefix)
	for range 10 {
		b.WriteByte(byte('A' + r.IntN(26)))
	}
	return b.String()
}

// everyday is a made-up yet likely world: a dozen jobs in two zones, of which some
// are in trouble. One of them has been looked at for longer.
func everyday(now time.Time, back time.Duration) *world {
	w := newWorld(now)
	fra, ams, lhr, fra2 := agent("FRA", 1), agent("AMS", 2), agent("LHR", 3), agent("FRA", 4)
	w.play(madeUp{
		name: "canary.example.com", job: "canary", every: 60, takes: 3.2, back: back, agents: []string{fra, ams, lhr, fra2, ams}, told: true, resolvers: true,
		vanish: map[int]bool{47: true, 21: true, 700: true}, ends: map[int]record.Result{9: record.Failed, 10: record.Timeout, 38: record.Failed, 300: record.Failed}, blind: [2]int{34, 29},
	})
	for i, job := range []string{"certificates", "invoices", "mailqueue", "metrics-rollup", "thumbnails", "webhooks"} {
		w.play(madeUp{
			name: job + ".example.com", job: job, every: []int64{300, 900, 60, 60, 120, 60}[i], takes: []float64{6, 40, 2, 11, 19, 1.2}[i], back: time.Duration(45*[]int64{300, 900, 60, 60, 120, 60}[i]) * time.Second,
			agents: []string{[]string{ams, lhr, fra}[i%3], fra2, lhr}, shift: int64(7 * i), ends: map[int]record.Result{11 + i: record.Failed}, vanish: map[int]bool{17 + 3*i: true},
		})
	}
	w.play(madeUp{name: "backup-check.example.com", job: "backup-check", every: 300, takes: 12, back: 4 * time.Hour, agents: []string{lhr, ams}, ends: map[int]record.Result{0: record.Failed, 1: record.Failed, 2: record.Failed, 12: record.Timeout}})
	w.play(madeUp{name: "nightly.ops.example.net", job: "nightly", every: 3600, takes: 240, back: 45 * time.Hour, agents: []string{agent("", 7), agent("", 8)}, shift: 1800, vanish: map[int]bool{5: true}})
	w.play(madeUp{name: "failover.ops.example.net", job: "failover", every: 60, takes: 2, back: time.Hour, agents: []string{agent("", 9)}, stop: 4})
	w.play(madeUp{name: "reindex.ops.example.net", job: "reindex", every: 600, takes: 90, back: 12 * time.Hour, agents: []string{agent("", 10)}, pause: [2]int{6, 0}, why: "moving to the new cluster"})
	w.play(madeUp{name: "snapshots.ops.example.net", job: "snapshots", every: 600, takes: 95, back: 12 * time.Hour, agents: []string{agent("", 11), agent("", 12), agent("", 13)}, vanish: map[int]bool{9: true}})
	w.h.Sweep(now)
	return w
}
