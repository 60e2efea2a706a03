package elect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/schedule"
)

// healthNow is 2022-01-11T12:26:10Z, the second of timer in the records of
// docs/protocol.md less the minute between them.
const healthNow = 1641903970

func minutely(t *testing.T) Policy {
	t.Helper()
	s, err := schedule.Every(time.Minute, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if s.Next(healthNow-1) != healthNow {
		t.Fatal("healthNow is no tick")
	}
	return Policy{Schedule: s}
}

func TestHealth(t *testing.T) {
	const idle = `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":1641903910001,"last":"ok"}`
	with := func(last string) string { return strings.Replace(idle, `"ok"`, last, 1) }
	const claim = `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910,"seq":1641903910000,"until":1641903925,"lease":15,"last":"ok"}`
	const original = `{"id": "MAWDAHDOQH", "timer": 1641903970, "timerold": 1641903859}`
	const lock = `{"id":"VDNDNQNWQY","timer":0,"timerold":0,"seq":1641903910000,"until":1641903925,"lease":15}`

	for _, c := range []struct {
		name    string
		text    string
		at      int64 // after healthNow
		want    Condition
		overdue int
		says    string // part of the sentence
	}{
		{"before the tick", idle, -30, HealthOnTime, 0, "the latest run, of 12:25:10Z, was ok; the next is due at 12:26:10Z, in 30 s"},
		{"the tick's own second", idle, 0, HealthOnTime, 0, "due now, since 12:26:10Z"},
		{"within a takeover", idle, 29, HealthOnTime, 0, "due now"},
		{"after a takeover", idle, 30, HealthLate, 1, "has not begun, 30 s late"},
		{"late to the last second", idle, 88, HealthLate, 1, "late"},
		{"the next tick overdue too", idle, 60 + 29, HealthMissed, 2, "2 ticks are overdue"},
		{"hours later", idle, 2 * 3600, HealthMissed, 120, "2 h 0 min late"},
		{"years later", idle, 5 * 365 * 86400, HealthMissed, 1000, "1825 days 0 h late"},

		{"failed", with(`"failed"`), -30, HealthFailing, 0, "failed; the next is due"},
		{"timed out", with(`"timeout"`), -30, HealthFailing, 0, "ran into its timeout"},
		{"lost", with(`"lost"`), -30, HealthFailing, 0, "was lost with its agent"},
		{"failed and late", with(`"failed"`), 45, HealthLate, 1, "has not begun"},
		{"skipped", with(`"skipped"`), -30, HealthOnTime, 0, "were skipped"},
		{"replaced", with(`"replaced"`), -30, HealthOnTime, 0, "was ended for a newer tick"},
		{"a result of a later version", with(`"deferred"`), -30, HealthOnTime, 0, "ended as deferred"},
		{"no run yet", `{"id":"A","timer":1641903970,"timerold":0,"seq":1}`, -30, HealthOnTime, 0, "no run yet; the first is due at 12:26:10Z"},
		{"no run yet, and late", `{"id":"A","timer":1641903970,"timerold":0,"seq":1}`, 45, HealthLate, 1, "has not begun"},

		{"running", claim, -55, HealthRunning, 0, "VDNDNQNWQY runs the tick of 12:25:10Z"},
		{"running for the second time", strings.Replace(claim, `"last"`, `"try":2,"last"`, 1), -55, HealthRunning, 0, "attempt 2"},
		{"until has passed, but a takeover may come", claim, -45 + 14, HealthRunning, 0, "runs"},
		{"nobody took over", claim, -45 + 15, HealthLate, 1, "lapsed at about 12:25:25Z and nobody took over"},
		{"nobody took over, and more", claim, 60, HealthMissed, 2, "nobody took over"},
		{"renewed", strings.NewReplacer(`"until":1641903925`, `"until":1641903985`, `1641903910000`, `1641903970000`).Replace(claim), 10, HealthRunning, 0, "runs"},
		{"an until from a broken clock hides nothing", strings.Replace(claim, `"until":1641903925`, `"until":1941903985`, 1), -45 + 15, HealthLate, 1, "lapsed at about 12:25:25Z"},
		{"a lease that is none counts as the default", strings.Replace(claim, `"lease":15`, `"lease":0`, 1), -55, HealthRunning, 0, "runs"},
		{"running while paused", strings.Replace(claim, `"last"`, `"pause":-1,"last"`, 1), -55, HealthRunning, 0, "runs the tick of 12:25:10Z; then paused until somebody resumes it"},
		{"running, and paused for a while", strings.Replace(claim, `"last"`, `"pause":1641907570,"why":"lunch","last"`, 1), -55, HealthRunning, 0, "runs the tick of 12:25:10Z; then paused until 13:26:10Z: lunch"},
		{"running when the pause is over", strings.Replace(claim, `"last"`, `"pause":1641903900,"last"`, 1), -55, HealthRunning, 0, "runs the tick of 12:25:10Z"},

		{"retry", with(`"failed","try":2`), -30, HealthRetrying, 0, "the tick of 12:25:10Z failed; attempt 2 is due at 12:26:10Z"},
		{"retry that others see a poll later", with(`"failed","try":2`), 89, HealthRetrying, 0, "due now"},
		{"retry that nobody runs", with(`"failed","try":2`), 90, HealthLate, 1, "has not begun"},

		{"paused for ever", with(`"ok","pause":-1,"why":"db migration"`), 7200, HealthPaused, 0, "until somebody resumes it: db migration"},
		{"paused until", with(`"ok","pause":1641907570`), 60, HealthPaused, 0, "paused until 13:26:10Z"},
		{"paused until another day", with(`"ok","pause":1642000000`), 60, HealthPaused, 0, "paused until 2022-01-12 15:06:40Z"},
		{"pause just over", with(`"ok","pause":1641907570`), 3600, HealthOnTime, 0, "due now, since 13:26:10Z"},
		{"pause over, nobody runs", with(`"ok","pause":1641907570`), 3640, HealthLate, 1, "due at 13:26:10Z"},

		{"triggered", strings.Replace(idle, "1641903910001", "1641903990000", 1), 20 + 89, HealthOnTime, 0, "due now"},
		{"triggered, and nobody looks", strings.Replace(idle, "1641903910001", "1641903990000", 1), 20 + 90, HealthLate, 1, "has not begun"},
		{"resumed after a day", strings.Replace(idle, "1641903910001", "1641990370000", 1), 86400 + 60, HealthOnTime, 0, "due now, since 2022-01-11 12:26:10Z"},
		{"resumed, and nobody looks", strings.Replace(idle, "1641903910001", "1641990370000", 1), 86400 + 120, HealthLate, 1, "has not begun"},
		{"a seq ahead of the clock hides nothing", strings.Replace(idle, "1641903910001", "1641990370000", 1), 60 + 29, HealthMissed, 2, "overdue"},

		{"from the future", strings.Replace(idle, `"timerold":1641903910`, `"timerold":1641999999`, 1), 0, HealthLate, 0, "in the future"},
		{"not readable", `{"id":"VDND`, 0, HealthDamaged, 0, "cannot be read"},
		{"sealed", `st1.k1.AAAA`, 0, HealthSealed, 0, "sealed"},
		{"a stranger's value", `v=spf1 -all`, 0, HealthAbsent, 0, "there is no record"},

		{"original", original, -30, HealthOnTime, 0, "the latest run was at about 12:24:59Z; the next is due at 12:26:10Z"},
		{"original, until an agent looks", original, 75, HealthOnTime, 0, "due now"},
		{"original, late", original, 76, HealthLate, 1, "has not begun"},
		{"original, missed", original, 75 + 130, HealthMissed, 2, "2 ticks are overdue"},
	} {
		for _, p := range []struct {
			name   string
			policy Policy
		}{{"by the schedule", minutely(t)}, {"by the record alone", Policy{}}} {
			if strings.HasPrefix(c.name, "original") && p.policy.Schedule != nil {
				continue // the originals' runs are on no grid
			}
			t.Run(c.name+" "+p.name, func(t *testing.T) {
				now := time.Unix(healthNow+c.at, 0)
				set := record.Read([]string{c.text}, now.Unix())
				st := Health(p.policy, now, View{State: set.State, Record: set.Record})
				if st.Condition != c.want || st.Overdue != c.overdue || !strings.Contains(st.Text, c.says) {
					t.Errorf("%s, %d overdue: %s\nwant %s, %d overdue: ...%s...", st.Condition, st.Overdue, st.Text, c.want, c.overdue, c.says)
				}
			})
		}
	}

	for _, c := range []struct {
		name string
		text string
		at   int64
		want Condition
		says string
	}{
		{"held", lock, -55, HealthHeld, "held by VDNDNQNWQY"},
		{"held by nobody any more", lock, 0, HealthFree, "nobody holds"},
		{"free", `{"id":"VDNDNQNWQY","timer":0,"timerold":0,"seq":1641903910000}`, 0, HealthFree, "nobody holds"},
		{"held in a pause", strings.Replace(lock, `"until"`, `"pause":-1,"why":"upgrade","until"`, 1), -55, HealthHeld, "held by VDNDNQNWQY"},
		{"free in a pause", `{"id":"A","timer":0,"timerold":0,"seq":1641903910000,"pause":-1,"why":"upgrade"}`, 0, HealthPaused, "nobody holds; paused until somebody resumes it: upgrade"},
		{"after a pause", `{"id":"A","timer":0,"timerold":0,"seq":1641903910000,"pause":1641903960}`, 0, HealthFree, "nobody holds"},
	} {
		for _, p := range []Policy{{}, {Lock: true}} {
			t.Run(fmt.Sprintf("lock %s, by its policy %v", c.name, p.Lock), func(t *testing.T) {
				set := record.Read([]string{c.text}, healthNow)
				if st := Health(p, time.Unix(healthNow+c.at, 0), View{State: set.State, Record: set.Record}); st.Condition != c.want || !strings.Contains(st.Text, c.says) {
					t.Errorf("%s: %s\nwant %s: ...%s...", st.Condition, st.Text, c.want, c.says)
				}
			})
		}
	}
}

func TestHealthByScheduleOnly(t *testing.T) {
	judge := func(p Policy, text string, at int64) Status {
		set := record.Read([]string{text}, healthNow+at)
		return Health(p, time.Unix(healthNow+at, 0), View{State: set.State, Record: set.Record})
	}
	// Nothing in the record tells that ticks are a minute apart: the default is an hour.
	const fresh = `{"id":"A","timer":1641903970,"timerold":0,"seq":1}`
	if st := judge(minutely(t), fresh, 600); st.Condition != HealthMissed || st.Overdue != 10 {
		t.Errorf("by the schedule: %s, %d overdue, want missed, 10", st.Condition, st.Overdue)
	}
	if st := judge(Policy{}, fresh, 600); st.Condition != HealthLate || st.Overdue != 1 {
		t.Errorf("by the record alone: %s, %d overdue, want late, 1", st.Condition, st.Overdue)
	}
	// Only the schedule tells that nobody should wait so long.
	const far = `{"id":"A","timer":1641907570,"timerold":1641903910,"seq":1,"last":"ok"}`
	if st := judge(minutely(t), far, 0); st.Condition != HealthLate || !strings.Contains(st.Text, "beyond the schedule") {
		t.Errorf("by the schedule: %s: %s, want late, beyond the schedule", st.Condition, st.Text)
	}
	if st := judge(Policy{}, far, 0); st.Condition != HealthOnTime {
		t.Errorf("by the record alone: %s, want on_time", st.Condition)
	}
	// At most once, last speaks of an earlier run.
	p := minutely(t)
	p.AtMostOnce = true
	if st := judge(p, `{"id":"A","timer":1641903970,"timerold":1641903910,"seq":1,"last":"failed"}`, -30); !strings.Contains(st.Text, "before that failed") {
		t.Errorf("at most once: %s", st.Text)
	}
	// A longer lease gives a takeover more time.
	p = minutely(t)
	p.Lease, p.KillGrace, p.HeadStart, p.Spread = time.Minute, 3*time.Second, 2*time.Second, 3*time.Second
	if st := judge(p, fresh, 80); st.Condition != HealthOnTime {
		t.Errorf("lease of a minute: %s: %s, want on_time", st.Condition, st.Text)
	}
}

func TestWorstTakeover(t *testing.T) {
	// docs/protocol.md, section 10: 25 s with the defaults.
	if got, want := WorstTakeover(Policy{}), 24750*time.Millisecond; got != want {
		t.Errorf("with the defaults %v, want %v", got, want)
	}
	p := Policy{Lease: 3 * time.Second, HeadStart: 4 * time.Second}
	if got, want := WorstTakeover(p), 4*time.Second+3*time.Second+1150*time.Millisecond; got != want {
		t.Errorf("with a head start over a third of the lease %v, want %v", got, want)
	}
	if got, want := WorstTakeover(Policy{SwapTime: time.Minute}), 84750*time.Millisecond; got != want {
		t.Errorf("where a swap takes a minute %v, want %v", got, want)
	}
}

func TestEveryConditionHasALevel(t *testing.T) {
	for c, want := range map[Condition]Level{
		HealthOnTime: LevelFine, HealthRunning: LevelFine, HealthHeld: LevelFine, HealthFree: LevelFine,
		HealthLate: LevelDoubtful, HealthRetrying: LevelDoubtful, HealthPaused: LevelDoubtful,
		HealthMissed: LevelBad, HealthFailing: LevelBad, HealthDamaged: LevelBad,
		HealthAbsent: LevelUnknown, HealthSealed: LevelUnknown, "": LevelUnknown,
	} {
		if got := c.Level(); got != want {
			t.Errorf("%q: level %d, want %d", c, got, want)
		}
	}
	if got := HealthOnTime.Words(); got != "on time" {
		t.Errorf("words %q, want %q", got, "on time")
	}
}
