package nagios

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/monitor"
	"github.com/solotick/solotick/record"
)

// Limits say from when on something is a warning or critical. The zero Limits are
// those of [elect.Health]: what is late is a warning, what is missed is critical.
type Limits struct {
	// Late is about the seconds for which a run has been due and nobody runs it. Its
	// Warn takes the place of Health's "late", its Crit that of "missed".
	Late      Thresholds
	SinceLast Thresholds // seconds since the latest tick that was claimed
	Overdue   Thresholds // ticks that should have begun
	Behind    Thresholds // seconds that a server shows the record behind the newest
	Paused    State      // what a paused job is; "": Warning. No threshold is judged while it is paused
}

// A Result is what a plugin says of one record.
type Result struct {
	Item    monitor.Item
	AsOf    time.Time     // the moment that Item was judged for
	Old     time.Duration // how much later than AsOf it was looked at
	State   State
	Text    string // one sentence, without the record's name
	Metrics []Metric
}

// Judge says what an item is that was judged for the moment at, which is before the
// present by old: see [monitor.Item.Old].
func (l Limits) Judge(item monitor.Item, at time.Time, old time.Duration) Result {
	r := Result{Item: item, AsOf: at, Old: old}
	j := judgement{Limits: l, Result: &r}
	switch {
	case item.Error != "":
		r.State, r.Text = Unknown, "not known: "+item.Text+": "+item.Error
		return r
	case item.State == elect.HealthPaused && l.Paused != "":
		r.State = l.Paused
	default:
		r.State = stateOf(item.State.Level())
	}
	j.say("%s: %s", item.State.Words(), item.Text)
	j.lateness()
	if item.LastTick != nil {
		j.measure(Metric{Name: sinceLast, Value: whole(at.Sub(*item.LastTick)), Unit: "s", signed: true}, l.SinceLast, "--since-last", "--since-last ,")
	}
	if item.Next != nil {
		r.Metrics = append(r.Metrics, Metric{Name: untilNext, Value: whole(item.Next.Sub(at)), Unit: "s", State: OK, signed: true})
	}
	if j.timed() {
		j.measure(Metric{Name: overdue, Value: float64(item.Overdue)}, l.Overdue, "--overdue", "--overdue ,")
	}
	j.servers()
	r.Metrics = append(r.Metrics, Metric{Name: took, Value: math.Round(item.TookMS*1000) / 1e6, Unit: "s", State: OK})
	j.age()
	return r
}

// A judgement is a result in the making.
type judgement struct {
	Limits
	*Result
}

// say adds a part of the sentence.
func (j *judgement) say(format string, args ...any) {
	if j.Text != "" {
		j.Text += "; "
	}
	j.Text += fmt.Sprintf(format, args...)
}

// timed says whether the record has ticks at all: a lock has none, and what cannot
// be read does not tell.
func (j *judgement) timed() bool {
	switch j.Item.State {
	case elect.HealthHeld, elect.HealthFree, elect.HealthAbsent, elect.HealthDamaged, elect.HealthSealed:
		return false
	}
	return true
}

// lateness has the thresholds take the place of Health's own, if there are any.
func (j *judgement) lateness() {
	if !j.timed() {
		return
	}
	c := j.Item.State
	if behindTime := j.Item.Overdue > 0 && (c == elect.HealthLate || c == elect.HealthMissed); behindTime {
		j.State = OK
		switch {
		case j.Late.Crit.IsZero() && c == elect.HealthMissed:
			j.State = Critical
		case j.Late.Warn.IsZero():
			j.State = Warning
		}
		if j.State == OK && j.Late.judge(j.late()) == OK {
			j.say("within %s", j.Late.flags("-w ", "-c "))
		}
	}
	j.measure(Metric{Name: late, Value: j.late(), Unit: "s"}, j.Late, "-w", "-c")
}

// flags are the ranges as somebody gave them.
func (t Thresholds) flags(warn, crit string) string {
	var all []string
	if !t.Warn.IsZero() {
		all = append(all, warn+t.Warn.String())
	}
	if !t.Crit.IsZero() {
		all = append(all, crit+t.Crit.String())
	}
	return strings.Join(all, " ")
}

// late is for how many seconds a run has been due: since its tick or the end of a
// pause, or since the last sign of life of a claim that lapsed.
func (j *judgement) late() float64 {
	item := j.Item
	since := item.Next
	switch {
	case item.State == elect.HealthPaused, item.State == elect.HealthRunning:
		return 0
	case item.Claimed && item.Written != nil:
		since = item.Written
	case item.Claimed:
		since = item.LastTick
	}
	if since == nil {
		return 0
	}
	return max(whole(j.AsOf.Sub(*since)), 0)
}

// measure adds a metric, and what its ranges make of it. While the job is paused
// they make nothing of it.
func (j *judgement) measure(m Metric, t Thresholds, warn, crit string) {
	m.State = OK
	if j.Item.State != elect.HealthPaused || m.Name == behind {
		m.Warn, m.Crit = t.Warn.String(), t.Crit.String()
		m.State = t.judge(m.Value)
	}
	j.Metrics = append(j.Metrics, m)
	if m.State == OK {
		return
	}
	flag, limit := warn, t.Warn
	if m.State == Critical {
		flag, limit = crit, t.Crit
	}
	where := "outside"
	if limit.inside {
		where = "inside"
	}
	if !strings.HasSuffix(flag, ",") {
		flag += " "
	}
	j.say("%s is %s, %s %s%s", strings.ReplaceAll(m.Name, "_", " "), strings.TrimSpace(decimal(m.Value)+" "+m.Unit), where, flag, limit)
	j.State = Worse(j.State, m.State)
}

// servers tells of those that show less than others, or nothing.
func (j *judgement) servers() {
	const named = 3 // the others are counted
	answered, furthest := 0, 0.0
	var trailing []string
	for _, s := range j.Item.Servers {
		if s.Error != "" {
			continue
		}
		answered++
		if furthest = max(furthest, s.Behind); s.Behind > 0 {
			trailing = append(trailing, trails(s))
		}
	}
	if n := len(trailing); n > named {
		trailing = append(trailing[:named], fmt.Sprintf("%d more are behind too", n-named))
	}
	for _, text := range trailing {
		j.say("%s", text)
	}
	if all := len(j.Item.Servers); answered < all {
		j.say("%d of %d servers gave no answer", all-answered, all)
	}
	if answered > 1 {
		j.measure(Metric{Name: behind, Value: whole(time.Duration(furthest * float64(time.Second))), Unit: "s"}, j.Behind, "--behind", "--behind ,")
	}
}

// trails says how far behind a server is, and of a cache for how long it may be.
func trails(s monitor.Server) string {
	if s.State != record.Present.String() {
		return fmt.Sprintf("%s shows the record as %s, %.0f s after it was written", s.Addr, s.State, s.Behind)
	}
	text := fmt.Sprintf("%s is %.0f s behind", s.Addr, s.Behind)
	if !s.Authority {
		text += fmt.Sprintf(", a cache that may show this for %.0f s more", s.TTL)
	}
	return text
}

// age says if what was judged is what it was a while ago.
func (j *judgement) age() {
	if j.Old < time.Second {
		return
	}
	j.say("as of %s, since only a cache answered, and its answer may be %.0f s old", j.AsOf.UTC().Format("15:04:05Z"), whole(j.Old))
}

// whole is a duration in whole seconds, toward zero.
func whole(d time.Duration) float64 { return float64(int64(d / time.Second)) }
