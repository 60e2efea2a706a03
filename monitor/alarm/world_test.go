package alarm

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/notify"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/schedule"
)

// A world is jobs with their agents, DNS, an observer that looks at their records
// every few seconds, its desk, and the places where people are told. Its time
// passes only by advance.
type world struct {
	t     testing.TB
	now   time.Time
	start time.Time
	look  time.Duration // between two looks at a record
	rules Rules
	file  string
	kept  *[]byte // in the place of the file; nil: the file

	jobs   []*job
	places []*fakePlace
	h      *monitor.History
	desk   *Desk
}

// A job is one record, and agents that write it as real ones do, as far as anybody
// can see.
type job struct {
	name    string
	every   int64
	policy  elect.Policy
	agents  bool // some agent lives
	failing bool
	crash   bool // its agent vanishes amid each run, and another takes over
	id      int
	rec     record.Record
	there   bool
	raw     string // in the place of the record
	dark    bool   // DNS does not answer for it
	old     string // what the second server shows; empty: the same
	ends    int64  // of the run in progress
	asleep  int64  // no agent looks before that
}

// A fakePlace remembers what it was told, and may be out of order.
type fakePlace struct {
	name  string
	fault string // refuses, loses (the answer), hangs: as loses, and nobody is told; empty: none
	refs  bool
	got   []notify.Message // what people see
	ends  map[string]bool  // that something was over may have been told, or not
	fresh []line           // since they were last shown
	n     int
	w     *world
}

// A line is a message as transcripts show it.
type line struct {
	at   time.Time
	text string
}

var errRefused = errors.New("refused")

func (p *fakePlace) Notify(_ context.Context, m *notify.Message) (string, error) {
	p.n++
	ref := ""
	if p.refs {
		ref = fmt.Sprintf("%d.%06d", p.w.now.Unix(), p.n%1e6)
	}
	if m.Kind == notify.Cleared && p.fault != "" {
		p.ends[m.Job+"/"+m.Alert] = true
	}
	switch p.fault {
	case "refuses":
		return "", errRefused
	case "hangs":
		return "", fmt.Errorf("no answer: %w", notify.ErrUncertain)
	}
	p.got = append(p.got, *m)
	p.fresh = append(p.fresh, p.w.line(p.name, m))
	if p.fault == "loses" {
		return "", fmt.Errorf("no answer: %w", notify.ErrUncertain)
	}
	return ref, nil
}

func (w *world) line(place string, m *notify.Message) line {
	var b strings.Builder
	if w.now.YearDay() != w.start.YearDay() {
		b.WriteString(w.now.Format("Jan 2, "))
	}
	kind := string(m.Kind)
	if m.Worse {
		kind = "worse"
	}
	if m.Doubt {
		kind += ", again"
	}
	fmt.Fprintf(&b, "%s %s: %s (%s): %s", w.now.UTC().Format("15:04:05"), place, kind, m.Severity, m.Title)
	for text := range strings.SplitSeq(m.Text, "\n") {
		fmt.Fprintf(&b, "\n    %s", text)
	}
	return line{w.now, b.String()}
}

func newWorld(t testing.TB) *world {
	start := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	w := &world{t: t, now: start, start: start, look: 5 * time.Second, file: filepath.Join(t.TempDir(), "alarms")}
	w.places = []*fakePlace{{name: "ops", ends: map[string]bool{}, w: w}}
	return w
}

// observe starts an observer with nothing but the file.
func (w *world) observe() {
	w.h = monitor.NewHistory(monitor.Limits{})
	w.watch(w.jobs...)
	w.desk = &Desk{History: w.h, Rules: w.rules, File: w.file}
	for _, p := range w.places {
		w.desk.Places = append(w.desk.Places, Place{Name: p.name, Referenced: p.refs, Notifier: p})
	}
	if w.kept != nil {
		w.desk.File = "memory"
		w.desk.read = func(string) ([]byte, error) { return *w.kept, nil }
		w.desk.write = func(_ string, data []byte) error { *w.kept = data; return nil }
	}
	w.desk.begin(w.now)
}

func (w *world) watch(jobs ...*job) {
	var all []monitor.Target
	for _, j := range jobs {
		all = append(all, monitor.Target{Name: j.name + ".example.com", Job: j.name, Policy: j.policy})
	}
	w.h.Watch(all...)
}

func (w *world) add(name string, every time.Duration, offset time.Duration) *job {
	s, err := schedule.Every(every, offset)
	if err != nil {
		w.t.Fatal(err)
	}
	j := &job{name: name, every: int64(every / time.Second), policy: elect.Policy{Schedule: s}, agents: true, there: true}
	now := w.now.Unix()
	next := s.Next(now)
	j.rec = record.Record{ID: j.agent(), Timer: next, TimerOld: next - j.every, Seq: (next - j.every + 2) * 1000, Last: record.OK}
	w.jobs = append(w.jobs, j)
	if w.h != nil {
		w.watch(j)
	}
	return j
}

func (w *world) job(name string) *job {
	i := slices.IndexFunc(w.jobs, func(j *job) bool { return j.name == name })
	if i < 0 {
		w.t.Fatalf("no job %q", name)
	}
	return w.jobs[i]
}

func (j *job) agent() string { return strings.Repeat(string(rune('A'+j.id%26)), 10) }

// write makes a record the one that is there.
func (j *job) write(r record.Record, now int64) {
	r.Seq = max(j.rec.Seq+1, now*1000)
	j.rec, j.there, j.raw = r, true, ""
}

// live lets the agents of a job do what they do in this second.
func (j *job) live(now int64) {
	r := j.rec
	switch {
	case !j.agents, now < j.asleep:
	case !j.there || j.raw != "":
		next := j.policy.Schedule.Next(now + 2)
		j.write(record.Record{ID: j.agent(), Timer: next, TimerOld: r.TimerOld, Last: record.Skipped}, now)
	case r.TimerOld > now+60:
		tick := j.policy.Schedule.Next(now - j.every)
		j.write(record.Record{ID: j.agent(), Timer: j.policy.Schedule.Next(now), TimerOld: tick, Last: record.Skipped}, now)
	case r.Claimed && now >= j.ends:
		if j.crash && r.Attempt() == 1 { // another one takes over, and does it
			if now < r.Until+3 {
				return
			}
			j.id++
			r.ID, r.Try, r.Last, r.Until = j.agent(), 2, record.Lost, now+15
			j.write(r, now)
			j.ends = now + 2
			return
		}
		r.Claimed, r.Until, r.Lease, r.Try, r.Last = false, 0, 0, 0, record.OK
		if j.failing {
			r.Last = record.Failed
		}
		j.write(r, now)
	case r.Claimed:
	case r.Pause < 0 || r.Pause > now:
	case now >= r.Timer:
		tick := j.policy.Schedule.Next(now - j.every)
		r = record.Record{ID: j.agent(), TimerOld: tick, Timer: j.policy.Schedule.Next(tick), Claimed: true, Until: now + 15, Lease: 15, Last: r.Last}
		j.write(r, now)
		j.ends = now + 2
	}
}

// sight is what DNS shows of a job.
func (w *world) sight(j *job) monitor.Sight {
	s := monitor.Sight{Target: monitor.Target{Name: j.name + ".example.com", Job: j.name, Policy: j.policy}, Time: w.now, Best: -1}
	if j.dark {
		s.Err = errors.New("ns1.example.com: no answer in 3 s")
		return s
	}
	a := lookup.Answer{Name: s.Target.Name, Server: lookup.Server{Name: "ns1.example.com", Addr: "192.0.2.1:53"}, Status: lookup.NoName, Authoritative: true, TTL: time.Second}
	switch {
	case j.raw != "":
		a.Texts, a.Status = []string{j.raw}, lookup.Found
	case j.there:
		a.Texts, a.Status = []string{j.rec.String()}, lookup.Found
	}
	s.Answers, s.Best, s.Set = []lookup.Answer{a}, 0, record.Read(a.Texts, w.now.Unix())
	b := a
	b.Server = lookup.Server{Name: "ns2.example.com", Addr: "192.0.2.2:53"}
	if j.old != "" {
		b.Texts = []string{j.old}
	}
	s.Answers = append(s.Answers, b)
	return s
}

// advance lets time pass in steps.
func (w *world) advance(d, step time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(step)
		w.step(step)
	}
}

func (w *world) step(step time.Duration) {
	sec := int64(w.now.Sub(w.start) / time.Second)
	n, every := int64(w.now.Sub(w.start)/step), max(int64(w.look/step), 1)
	for i, j := range w.jobs {
		j.live(w.now.Unix())
		if w.h != nil && (n+int64(i))%every == 0 {
			s := w.sight(j)
			w.desk.see(monitor.Update{Name: s.Target.Name, Events: w.h.See(s)})
		}
	}
	if w.h == nil {
		return
	}
	if sec%5 == 0 || len(w.jobs) <= 100 {
		byName := map[string][]monitor.Event{}
		for _, e := range w.h.Sweep(w.now) {
			byName[e.Name] = append(byName[e.Name], e)
		}
		for name, events := range byName {
			w.desk.see(monitor.Update{Name: name, Events: events})
		}
	}
	out := w.desk.round(w.now)
	for _, p := range w.places {
		for _, l := range out[p.name] {
			ref, err := p.Notify(w.t.Context(), &l.Message)
			w.desk.done(result{letter: l, ref: ref, err: err}, w.now)
		}
	}
}

// flush is what people were told since the last time.
func (w *world) flush() string {
	var all []line
	for _, p := range w.places {
		all = append(all, p.fresh...)
		p.fresh = nil
	}
	if len(all) == 0 {
		return "(nothing)"
	}
	slices.SortStableFunc(all, func(a, b line) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, l := range all {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}
