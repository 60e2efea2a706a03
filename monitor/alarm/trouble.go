package alarm

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/notify"
)

// A trouble is one thing that is wrong with one record, told or not.
type trouble struct {
	kind     Kind
	of       *memory
	since    int64 // epoch second
	over     int64 // since when it does not hold any more; 0: it does, or nothing else is known
	sure     bool  // the latest look showed it
	hush     bool  // nothing is to be told about it now
	wait     int64 // how many seconds it has to last
	due      int64 // since when it is to be told; 0: it is not
	severity notify.Severity
	text     string // what is wrong, or once it is over what is right
	brief    string // the same where it is one of many; empty: text
	in       *incident
}

// A mark is something that happened in an instant.
type mark struct {
	At    int64        `json:"at"` // epoch second
	Event monitor.Kind `json:"event"`
	Level elect.Level  `json:"level"`
	Text  string       `json:"text"`
}

// A memory is what is remembered of one record between two looks.
type memory struct {
	name, job string
	seen      time.Time // the latest look that somebody answered; zero: there was none
	blind     bool      // nobody answers
	interval  time.Duration

	takeovers []int64 // the latest ones, in epoch seconds
	failures  int     // ticks in a row that ended without success
	failed    int64   // the latest of these
	marks     map[Kind]mark
	stale     map[string]string // what was told of servers, by address

	troubles map[Kind]*trouble
}

func (m *memory) String() string {
	if m.job != "" {
		return m.job
	}
	return m.name
}

// note takes in what happened to the record.
func (m *memory) note(e monitor.Event, r *Rules) {
	switch e.Kind {
	case monitor.KindTakeover:
		m.takeovers = append(m.takeovers, e.Time.Unix())
		m.takeovers = m.takeovers[max(0, len(m.takeovers)-r.Takeovers):]
	case monitor.KindEnded:
		switch {
		case e.Level == elect.LevelFine:
			m.failures = 0
		case e.Tick != m.failed:
			m.failures, m.failed = m.failures+1, e.Tick
		}
	case monitor.KindRolledBack, monitor.KindFuture, monitor.KindForeign, monitor.KindGone, monitor.KindDamaged:
		m.mark(Tampered, e, r)
	case monitor.KindDuplicate:
		m.mark(Duplicate, e, r)
	case monitor.KindStale:
		if m.stale == nil {
			m.stale = map[string]string{}
		}
		m.stale[e.Server] = e.Text
	case monitor.KindFresh:
		delete(m.stale, e.Server)
	default: // the condition tells the rest
	}
}

func (m *memory) mark(k Kind, e monitor.Event, r *Rules) {
	if m.marks == nil {
		m.marks = map[Kind]mark{}
	}
	if was := m.marks[k]; was.Level == elect.LevelBad && e.Level != elect.LevelBad && e.Time.Unix()-was.At < seconds(r.Quiet) {
		was.At = e.Time.Unix() // the worse one is what people have to know
		m.marks[k] = was
		return
	}
	m.marks[k] = mark{At: e.Time.Unix(), Event: e.Kind, Level: e.Level, Text: e.Text}
}

// holds says that a trouble is still there, and may be told.
func (t *trouble) holds() bool { return t.over == 0 && !t.hush }

// A verdict says whether a trouble holds.
type verdict uint8

const (
	unknown verdict = iota // it is as it was
	no
	yes
)

// A finding is what one look says about one kind of trouble.
type finding struct {
	kind     Kind
	verdict  verdict
	hush     bool
	since    int64 // 0: now
	wait     time.Duration
	severity notify.Severity
	text     string
	brief    string
}

// judge says what a record as it is now amounts to.
func (m *memory) judge(item monitor.Item, now int64, r *Rules) []finding {
	m.job = item.Job
	m.blind = item.Error != ""
	if item.Seen != nil && !m.blind { // else it is when nobody answered
		m.seen = *item.Seen
	}
	all := []finding{{kind: Unreachable, verdict: no}}
	switch {
	case m.blind:
		all[0] = finding{kind: Unreachable, verdict: yes, wait: r.Unreachable, severity: notify.Error, text: item.Error}
		for _, k := range []Kind{Late, Failing, Flapping, Tampered, Duplicate, Absent, Unreadable, Paused, Stale} {
			all = append(all, finding{kind: k, hush: true})
		}
		return all
	case item.State == "": // not looked at yet
		return nil
	}
	if item.Next != nil && item.LastTick != nil && item.Attempt <= 1 {
		m.interval = max(item.Next.Sub(*item.LastTick), 0)
	}
	return append(all,
		m.late(item, now, r), m.failing(item, now, r), m.flapping(item, now, r), m.tampered(item, now, r),
		m.marked(Duplicate, now, r), m.absent(item, now, r), m.unreadable(item, now, r), paused(item, r), m.staleServers(item, r))
}

// recent says whether something of a kind happened not long ago.
func (m *memory) recent(k Kind, now int64, r *Rules) bool {
	mark, ok := m.marks[k]
	return ok && now-mark.At < seconds(r.Quiet)
}

// late goes by a look at the record after the run was due: what an older one amounts
// to by now is not known.
func (m *memory) late(item monitor.Item, now int64, r *Rules) finding {
	f := finding{kind: Late, verdict: no, text: item.Text}
	if item.Paused {
		f.text = "it is paused"
		return f
	}
	switch item.State {
	case elect.HealthLate, elect.HealthMissed:
		f.verdict, f.wait, f.severity, f.brief = yes, r.Late, notify.Warning, overdue(item)
		if m.interval > 0 && m.interval <= 3*r.Late {
			f.wait = m.interval // by then it is missed, and there are no two messages
		}
		if item.State == elect.HealthMissed {
			f.wait, f.severity = 0, notify.Critical
		}
		if item.LateAfter != nil {
			f.since = item.LateAfter.Unix()
			if m.seen.Before(*item.LateAfter) {
				f.verdict = unknown
			}
		}
		if m.lasts(item, now) {
			f.verdict = unknown // that is told already
		}
	case elect.HealthAbsent, elect.HealthDamaged, elect.HealthSealed:
		f.verdict = unknown
	default:
	}
	return f
}

// overdue is how many ticks are, and since when.
func overdue(item monitor.Item) string {
	if item.Overdue == 0 {
		return ""
	}
	text := "1 tick is overdue"
	if item.Overdue > 1 {
		text = fmt.Sprintf("%d ticks are overdue", item.Overdue)
	}
	if item.LastTick != nil {
		text += ", the latest run was for " + item.LastTick.Format(timeForm)
	}
	return text
}

// timeForm is how people are shown a moment, which is in UTC.
const timeForm = "2006-01-02 15:04:05Z"

// failing lasts while another attempt, or the next tick, runs.
func (m *memory) failing(item monitor.Item, now int64, r *Rules) finding {
	f := finding{kind: Failing, hush: item.Paused, text: item.Text}
	switch item.State {
	case elect.HealthFailing:
		f.verdict, f.wait, f.severity = yes, r.Failing, notify.Error
		if item.Written != nil {
			f.since = min(item.Written.Unix(), now)
		}
		if m.failures >= r.Failures {
			f.wait = 0
			f.text += fmt.Sprintf("; %d ticks in a row ended without success", m.failures)
		}
	case elect.HealthOnTime, elect.HealthHeld, elect.HealthFree:
		f.verdict = no
	default:
	}
	return f
}

func (m *memory) flapping(item monitor.Item, now int64, r *Rules) finding {
	f := finding{kind: Flapping, verdict: no, hush: item.Paused, severity: notify.Warning}
	within := seconds(max(r.Within, 10*m.interval))
	f.text = fmt.Sprintf("fewer than %d takeovers within %s", r.Takeovers, lasting(within))
	if len(m.takeovers) == r.Takeovers && now-m.takeovers[0] < within {
		f.verdict, f.since = yes, m.takeovers[0]
		f.text = fmt.Sprintf("%d takeovers within %s: agents vanish amid their runs, or cannot reach the register; look for their ends in their logs",
			r.Takeovers, lasting(m.takeovers[r.Takeovers-1]-m.takeovers[0]))
	}
	return f
}

// marked is over when nothing of the kind has happened for a while.
func (m *memory) marked(k Kind, now int64, r *Rules) finding {
	mark := m.marks[k]
	if !m.recent(k, now, r) {
		return finding{kind: k, verdict: no, text: "nothing of the kind was seen for " + lasting(seconds(r.Quiet))}
	}
	f := finding{kind: k, verdict: yes, since: mark.At, severity: notify.Warning, text: mark.Text}
	if mark.Level == elect.LevelBad {
		f.severity = notify.Critical
	}
	return f
}

// tampered lasts for as long as what was done is not undone.
func (m *memory) tampered(item monitor.Item, now int64, r *Rules) finding {
	if m.lasts(item, now) {
		mark := m.marks[Tampered]
		mark.At = now
		m.marks[Tampered] = mark
	}
	return m.marked(Tampered, now, r)
}

// lasts says that what was done to the record is not undone.
func (m *memory) lasts(item monitor.Item, now int64) bool {
	switch m.marks[Tampered].Event {
	case monitor.KindGone, monitor.KindDamaged:
		return item.State == elect.HealthAbsent || item.State == elect.HealthDamaged || item.State == elect.HealthSealed
	case monitor.KindFuture:
		return item.LastTick != nil && item.LastTick.Unix() > now
	default:
		return false
	}
}

func (m *memory) absent(item monitor.Item, now int64, r *Rules) finding {
	f := finding{kind: Absent, verdict: no, wait: r.Gone, severity: notify.Error, text: item.Text}
	if item.State == elect.HealthAbsent && !m.lasts(item, now) {
		f.verdict = yes
	}
	return f
}

func (m *memory) unreadable(item monitor.Item, now int64, r *Rules) finding {
	f := finding{kind: Unreadable, verdict: no, wait: r.Gone, severity: notify.Error, text: item.Text}
	if (item.State == elect.HealthDamaged || item.State == elect.HealthSealed) && !m.lasts(item, now) {
		f.verdict = yes
	}
	return f
}

// paused counts from the latest write, which is the operator's as long as nothing
// runs.
func paused(item monitor.Item, r *Rules) finding {
	f := finding{kind: Paused, verdict: no, wait: r.Paused, severity: notify.Info, text: item.Text}
	if item.Paused && r.Paused > 0 {
		f.verdict = yes
		if item.State != elect.HealthPaused { // a claim stands in the record, too
			f.text = "an operator has paused it"
		}
		if item.Written != nil {
			f.since = item.Written.Unix()
		}
	}
	return f
}

func (m *memory) staleServers(item monitor.Item, r *Rules) finding {
	f := finding{kind: Stale, verdict: no, hush: item.Paused, wait: r.Stale, severity: notify.Warning, text: "all servers show the newest record"}
	if len(m.stale) > 0 && r.Stale > 0 {
		f.verdict = yes
		var all []string
		for _, addr := range slices.Sorted(maps.Keys(m.stale)) {
			all = append(all, m.stale[addr])
		}
		f.text = strings.Join(all[:min(len(all), 5)], "; ")
	}
	return f
}

// take makes what was found the troubles that there are.
func (m *memory) take(found []finding, now int64) {
	for _, f := range found {
		t := m.troubles[f.kind]
		switch {
		case f.verdict == yes:
			if t == nil {
				t = &trouble{kind: f.kind, of: m, since: now}
				if f.since > 0 {
					t.since = min(f.since, now)
				}
				m.add(t)
			}
			t.over, t.sure, t.hush, t.wait, t.severity, t.text, t.brief = 0, true, f.hush, seconds(f.wait), f.severity, f.text, f.brief
		case t == nil:
		case f.verdict == no:
			t.end(now, f.text)
		default:
			t.sure, t.hush = false, f.hush
		}
	}
}

func (m *memory) add(t *trouble) {
	if m.troubles == nil {
		m.troubles = map[Kind]*trouble{}
	}
	m.troubles[t.kind] = t
}

func (t *trouble) end(now int64, text string) {
	if t.over == 0 {
		t.over, t.sure, t.text = now, false, text
	}
}

// forget ends all troubles of a record that is not watched any more.
func (m *memory) forget(now int64) {
	for _, t := range m.troubles {
		t.hush = false
		t.end(now, "it is not watched any more")
	}
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
