package tui

import (
	"errors"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// begin is when the world of these tests begins.
var begin = time.Date(2026, 11, 5, 9, 30, 0, 0, time.UTC)

// A world has records whose texts change as agents would change them, and is looked
// at by a history.
type world struct {
	history *monitor.History
	now     time.Time
	jobs    []*job
}

// A job is a record, and what becomes of its ticks.
type job struct {
	name, job string
	every     int64
	agents    []string
	takes     func(tick int64) int64         // seconds that a run takes
	ends      func(tick int64) record.Result // how it ends
	stops     time.Time                      // nobody runs it from then on
	rec       record.Record
	began     int64           // epoch second of the run under way
	resolvers []lookup.Answer // what others show; texts as they were
	err       error
}

const (
	first  = "VDNDNQNWQY"
	second = "MAWDAHDOQH"
	third  = "ZKXQPLRTWE"
)

func newWorld(jobs ...*job) *world {
	w := &world{history: monitor.NewHistory(monitor.Limits{}), now: begin, jobs: jobs}
	for _, j := range jobs {
		w.history.Watch(monitor.Target{Name: j.name, Job: j.job})
	}
	w.history.Apart(20 * time.Second)
	return w
}

// live lets time pass, second by second, and looks every so many.
func (w *world) live(d time.Duration, look int64) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(time.Second)
		for _, j := range w.jobs {
			j.act(w.now.Unix())
			if w.now.Unix()%look == 0 {
				w.history.See(j.sight(w.now))
			}
		}
		if w.now.Unix()%5 == 0 {
			w.history.Sweep(w.now)
		}
	}
}

// act is what the agents do at a second.
func (j *job) act(now int64) {
	r := &j.rec
	if !j.stops.IsZero() && now >= j.stops.Unix() || j.every == 0 {
		return
	}
	if r.Timer == 0 {
		r.ID, r.Timer, r.Seq = j.agents[0], now-now%j.every+j.every, now*1000
	}
	write := func(seq int64) { r.Seq = max(r.Seq+1, seq*1000) }
	tick := r.TimerOld
	switch {
	case r.Claimed && j.ends(tick) == record.Lost && r.Attempt() == 1:
		if now >= r.Until+6 { // another agent takes over
			r.ID, r.Try, r.Last, r.Until = j.agents[(tick/j.every+1)%int64(len(j.agents))], 2, record.Lost, now+15
			j.began = now
			write(now)
		}
	case r.Claimed && now >= j.began+j.takes(tick):
		r.Claimed, r.Until, r.Lease, r.Try, r.Last = false, 0, 0, 0, j.ends(tick)
		if r.Last == record.Lost {
			r.Last = record.OK
		}
		write(now)
	case r.Claimed && j.ends(tick) != record.Lost && now >= r.Until-10:
		r.Until = now + 15
		write(now)
	case !r.Claimed && now >= r.Timer && (r.Pause == 0 || r.Pause > 0 && now >= r.Pause):
		r.ID, r.Claimed, r.Lease, r.Until = j.agents[(r.Timer/j.every)%int64(len(j.agents))], true, 15, now+15
		r.TimerOld, r.Timer, r.Pause, r.Why = r.Timer, r.Timer+j.every, 0, ""
		j.began = now
		write(now)
	}
}

// sight is what DNS shows.
func (j *job) sight(now time.Time) monitor.Sight {
	s := monitor.Sight{Target: monitor.Target{Name: j.name, Job: j.job}, Time: now, Best: -1, Err: j.err}
	if j.err != nil {
		return s
	}
	a := lookup.Answer{
		Name: j.name, Server: lookup.Server{Name: "ns1.example.com", Addr: "192.0.2.1:53"}, Status: lookup.Found,
		Texts: []string{j.rec.String()}, TTL: 60 * time.Second, Authoritative: true, Latency: 3 * time.Millisecond,
	}
	if j.rec.Timer == 0 && j.rec.Extra == "" {
		a.Texts, a.Status = nil, lookup.NoName
	}
	s.Best, s.Set = 0, record.Read(a.Texts, now.Unix())
	s.Answers = append([]lookup.Answer{a}, j.resolvers...)
	return s
}

func seconds(n int64) func(int64) int64 { return func(int64) int64 { return n } }

// always is how every run ends but those of some ticks.
func always(r record.Result, but map[int64]record.Result) func(int64) record.Result {
	return func(tick int64) record.Result {
		if other, ok := but[tick-begin.Unix()]; ok {
			return other
		}
		return r
	}
}

// shared is an example that no test changes.
var shared = sync.OnceValue(example)

// example is a world with a bit of everything, after half an hour.
func example() *world {
	fails := map[int64]record.Result{}
	for s := int64(1080); s < 10000; s += 60 {
		fails[s] = record.Failed
	}
	behind := record.Record{ID: first, Timer: begin.Unix() + 1740, TimerOld: begin.Unix() + 1680, Seq: (begin.Unix() + 1681) * 1000, Last: record.OK}
	w := newWorld(
		&job{
			name: "canary.example.com", job: "canary", every: 60, agents: []string{first, first, first, second, third}, takes: func(tick int64) int64 { return 2 + (tick/60*7)%5 },
			ends: always(record.OK, map[int64]record.Result{600: record.Failed, 1320: record.Lost}),
			resolvers: []lookup.Answer{
				{Server: lookup.Server{Name: "1.1.1.1", Addr: "1.1.1.1:53"}, Status: lookup.Found, Texts: []string{behind.String()}, TTL: 12 * time.Second, Age: 48 * time.Second, Latency: 9 * time.Millisecond},
				{Server: lookup.Server{Name: "office", Addr: "10.0.0.53:53"}, Err: errors.New("lookup canary.example.com: i/o timeout")},
			},
		},
		&job{name: "report.example.com", job: "report", every: 600, agents: []string{second}, takes: seconds(95), ends: always(record.OK, nil)},
		&job{name: "cleanup.example.com", job: "cleanup", every: 60, agents: []string{first}, takes: seconds(4), ends: always(record.OK, fails)},
		&job{name: "nightly.jobs.example.com", every: 300, agents: []string{third}, takes: seconds(20), ends: always(record.OK, nil), stops: begin.Add(25 * time.Minute)},
		&job{name: "backup.example.com", job: "backup", every: 60, agents: []string{third}, takes: seconds(7), ends: always(record.OK, nil), stops: begin.Add(1260 * time.Second)},
		&job{name: "new.example.com", job: "new"},
		&job{name: "billing.example.com", job: "billing", every: 120, agents: []string{first, second}, takes: seconds(30), ends: always(record.OK, nil)},
	)
	w.live(20*time.Minute, 1)
	for _, j := range w.jobs {
		if j.job == "billing" {
			j.rec.Pause, j.rec.Why, j.rec.Seq = -1, "migration of the database", j.rec.Seq+1
		}
	}
	w.live(10*time.Minute+22*time.Second, 1)
	return w
}

// A view is a model of a world.
type view struct {
	*model
	w *world
}

func (w *world) view(width, height int, c Config) *view {
	c.History = w.history
	if c.Local == nil {
		c.Local = time.FixedZone("CET", 3600)
	}
	m := newModel(c, nil, nil, w.now)
	v := &view{m, w}
	v.send(tea.WindowSizeMsg{Width: width, Height: height})
	return v
}

func (v *view) send(msg tea.Msg) tea.Cmd {
	_, cmd := v.Update(msg)
	return cmd
}

// press presses keys, each named as the terminal does.
func (v *view) press(names ...string) *view {
	for _, n := range names {
		v.send(keyPress(n))
	}
	return v
}

func keyPress(name string) tea.KeyPressMsg {
	special := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown,
		"home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace,
	}
	if code, ok := special[name]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	if name == "alt+esc" {
		return tea.KeyPressMsg{Code: tea.KeyEscape, Mod: tea.ModAlt}
	}
	if letter, ok := strings.CutPrefix(name, "ctrl+"); ok {
		return tea.KeyPressMsg{Code: rune(letter[0]), Mod: tea.ModCtrl}
	}
	return tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
}

func (v *view) screen() string { return v.View().Content }
