package alert_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/solotick/solotick/alert"
)

var names = map[alert.Kind]string{
	alert.Nothing: ".", alert.Firing: "F", alert.Reminder: "R", alert.Cleared: "C", alert.Passed: "P",
}

const (
	start  = int64(1_795_413_900)
	minute = int64(60)
)

// play runs an alert once a minute. Each run is a letter for its condition, t or
// f, and one for what becomes of a message: nothing or + for accepted, - for
// rejected, ? for doubt. It gives a letter for what each run told, with a ? for
// one that may be a double, and checks that nothing is lost on the way through
// the record.
func play(t *testing.T, r alert.Rule, runs string) string {
	t.Helper()
	id := alert.IDOf("it")
	state := ""
	var told strings.Builder
	tick := start
	for _, run := range strings.Fields(runs) {
		b := alert.ParseBook(state)
		step := alert.Decide(r, b.Get(id), run[0] == 't', tick)
		told.WriteString(names[step.Kind])
		if step.Doubt {
			told.WriteByte('?')
		}
		o, ref := alert.Accepted, alert.Reference(tick*1e6+1)
		switch run[1:] {
		case "-":
			o, ref = alert.Rejected, 0
		case "?":
			o, ref = alert.Doubtful, 0
		}
		b.Set(id, step.After(o, ref))
		state = b.String()
		if again := alert.ParseBook(state); again.Get(id) != b.Get(id) {
			t.Errorf("%q reads back as %+v, was %+v", state, again.Get(id), b.Get(id))
		}
		tick += minute
	}
	return told.String()
}

func TestDecide(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule alert.Rule
		runs string
		want string
	}{
		{"told once, and once that it is over", alert.Rule{}, "f t t t t f f f", ".F...C.."},
		{"again when it comes back", alert.Rule{}, "t f t f", "FCFC"},
		{"only what lasts", alert.Rule{After: 3}, "t t f t t t t f", ".....F.C"},
		{"after 1 is at once", alert.Rule{After: 1}, "t f", "FC"},
		{"a reminder", alert.Rule{Remind: 2 * time.Minute}, "t t t t t f", "F.R.RC"},
		{"a reminder that was rejected is due at the next run", alert.Rule{Remind: 2 * time.Minute}, "t t t- t t t", "F.RR.R"},
		{"a reminder in doubt is not repeated", alert.Rule{Remind: 2 * time.Minute}, "t t t? t t", "F.R.R"},
		{"the end is nobody's business", alert.Rule{NoClear: true}, "t t f t", "F..F"},
		{"nobody could be told", alert.Rule{}, "t- t- t t f", "FFF.C"},
		{"nobody could be told, and it may be a double", alert.Rule{}, "t? t t f", "FF?.C"},
		{"doubt stays until it is told", alert.Rule{}, "t? t- t f", "FF?F?C"},
		{"over before anybody could be told", alert.Rule{}, "t- f f", "FP."},
		{"the same without a word at the end", alert.Rule{NoClear: true}, "t- f f", "FP."},
		{"over, and it may have been told", alert.Rule{}, "t? f f", "FP?."},
		{"back before anybody could be told that it was there and gone", alert.Rule{}, "t- f- t f", "FPFC"},
		{"the end could not be told", alert.Rule{}, "t f- f- f f", "FCCC."},
		{"the end may be a double", alert.Rule{}, "t f? f f", "FCC?."},
		{"back before the end could be told: people believe right", alert.Rule{}, "t f- t t f", "FC..C"},
		{"back while the end is in doubt", alert.Rule{}, "t f? t t f", "FCF.C"},
		{"a pending one that goes leaves nothing", alert.Rule{After: 2}, "t f t f", "...."},
		{"reminders count from the message, however late that was", alert.Rule{Remind: 3 * time.Minute}, "t- t- t- t t t t", "FFFF..R"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := play(t, tt.rule, tt.runs); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.runs, got, tt.want)
			}
		})
	}
}

// TestPeople checks what people come to believe: whatever becomes of single
// messages, once messages arrive again they believe what is true, hear of no
// change twice, and of every time that the condition was true.
func TestPeople(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := alert.Rule{After: rapid.IntRange(0, 3).Draw(t, "after")}
		if rapid.Bool().Draw(t, "remind") {
			rule.Remind = 3 * time.Minute
		}
		var s alert.Status
		believed, told := false, 0 // firing; messages about the present incident
		tick := start
		run := func(condition bool, o alert.Outcome) {
			step := alert.Decide(rule, s, condition, tick)
			arrived := step.Kind != alert.Nothing && o == alert.Accepted
			if arrived {
				switch step.Kind {
				case alert.Firing:
					if believed && !step.Doubt {
						t.Fatalf("told twice that it fires, at %d", tick)
					}
					believed, told = true, told+1
				case alert.Reminder:
					if !believed {
						t.Fatalf("reminded of what nobody was told, at %d", tick)
					}
				case alert.Cleared:
					if !believed && !step.Doubt {
						t.Fatalf("told twice that it is over, at %d", tick)
					}
					believed = false
				case alert.Passed:
					if believed {
						t.Fatalf("told that it was over unseen, after it was told, at %d", tick)
					}
					told++
				}
			}
			if step.Kind != alert.Nothing && step.Since > tick {
				t.Fatalf("began in the future: %d at %d", step.Since, tick)
			}
			s = step.After(o, 0)
			tick += minute
		}
		outcomes := rapid.SampledFrom([]alert.Outcome{alert.Accepted, alert.Accepted, alert.Rejected})
		for range rapid.IntRange(1, 30).Draw(t, "runs") {
			run(rapid.Bool().Draw(t, "condition"), outcomes.Draw(t, "outcome"))
		}
		before, fired := told, rapid.Bool().Draw(t, "in the end")
		owed := s.Phase == alert.OwesFiring || s.Phase == alert.OwesPassed
		for range 4 {
			run(fired, alert.Accepted)
		}
		if believed != fired {
			t.Fatalf("people believe %v, it is %v: %+v", believed, fired, s)
		}
		if owed && told == before {
			t.Fatalf("nobody was ever told what was owed: %+v", s)
		}
		if !fired && s != (alert.Status{}) {
			t.Fatalf("a quiet alert remembers %+v", s)
		}
	})
}

func TestBook(t *testing.T) {
	var b alert.Book
	b.Own = `cursor ~ "42"`
	if got := b.String(); got != b.Own {
		t.Errorf("a book without alerts is %q, want the job's own text", got)
	}
	b.Set(alert.IDOf("ops"), alert.Status{Phase: alert.Told, Since: start, Told: start})
	b.Set(alert.IDOf("quota"), alert.Status{Phase: alert.Pending, Runs: 4000})
	b.Set(alert.IDOf("disk"), alert.Status{Phase: alert.Told, Since: start, Told: start + 86400, Ref: alert.Reference(start * 1e6)})
	b.Set(alert.IDOf("gone"), alert.Status{Phase: alert.Told, Since: start})
	b.Set(alert.IDOf("gone"), alert.Status{})
	text := b.String()
	if want := alert.Len(false, false) + alert.Len(true, true) + 5 + alert.Extra + len(b.Own); len(text) != want {
		t.Errorf("%q has %d characters, want %d", text, len(text), want)
	}
	got := alert.ParseBook(text)
	if diff := cmp.Diff(b, got, cmp.AllowUnexported(alert.Book{})); diff != "" {
		t.Errorf("%q (-want +got):\n%s", text, diff)
	}
	got.Own = ""
	if alerts, _, _ := strings.Cut(text, "~"); got.String() != alerts {
		t.Errorf("without a text of its own: %q, want %q", got.String(), alerts)
	}
}

// TestOwn keeps whatever a job left, by any version and any program.
func TestOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own := rapid.OneOf(rapid.String(), rapid.StringMatching(`!?[A-Za-h]{0,9}~?x?`)).Draw(t, "own")
		b := alert.Book{Own: own}
		if rapid.Bool().Draw(t, "alert") {
			b.Set(alert.IDOf("a"), alert.Status{Phase: alert.OwesCleared, Since: start, Doubt: true})
		}
		got := alert.ParseBook(b.String())
		if got.Own != own || got.String() != b.String() {
			t.Fatalf("%q came back as %q", own, got.Own)
		}
		_ = alert.ParseBook(own) // of a job that had no alerts: anything but a panic
	})
}

// TestReminderIsDue counts reminders from the tick, and not from the later time at
// which the service took the message: else one that is due at the next tick is
// due at the one after that.
func TestReminderIsDue(t *testing.T) {
	r := alert.Rule{Remind: time.Minute}
	s := alert.Decide(r, alert.Status{}, true, start).After(alert.Accepted, alert.Reference((start+2)*1e6))
	for tick := start + minute; tick < start+5*minute; tick += minute {
		b := alert.Book{}
		b.Set(alert.IDOf("it"), s.Fit(r, true))
		b = alert.ParseBook(b.String())
		step := alert.Decide(r, b.Get(alert.IDOf("it")), true, tick)
		if step.Kind != alert.Reminder || step.Since != start+2 {
			t.Errorf("%d s after it was told: %+v, want a reminder", tick-start, step)
		}
		s = step.After(alert.Accepted, 0)
	}
}

// TestChangedRule: what an alert remembers has the room that its rule has, also
// if it was told by another.
func TestChangedRule(t *testing.T) {
	id := alert.IDOf("it")
	for _, remind := range []time.Duration{0, time.Hour} {
		for _, reference := range []bool{false, true} {
			for phase := alert.Pending; phase <= alert.OwesPassed; phase++ {
				s := alert.Status{Phase: phase, Since: start, Told: start + 7, Ref: alert.Reference(start * 1e6), Doubt: true}
				if phase == alert.Pending {
					s = alert.Status{Phase: phase, Runs: 9}
				}
				var b alert.Book
				b.Set(id, s.Fit(alert.Rule{Remind: remind}, reference))
				if got, most := len(b.String()), 1+alert.Len(remind > 0, reference); got > most {
					t.Errorf("phase %d, remind %v, reference %v: %d characters, want at most %d", phase, remind, reference, got, most)
				}
			}
		}
	}
	owed := alert.Status{Phase: alert.OwesCleared, Since: start}
	if step := alert.Decide(alert.Rule{NoClear: true}, owed, false, start+minute); step.Kind != alert.Nothing || step.After(alert.Accepted, 0) != (alert.Status{}) {
		t.Errorf("an end that is nobody's business any more: %+v", step)
	}
}

func TestFar(t *testing.T) {
	var b alert.Book
	for _, at := range []int64{-1, 0, 1 << 40} { // a clock that is wrong by decades
		b.Set(alert.IDOf("a"), alert.Status{Phase: alert.Told, Since: at, Told: at})
		if got := alert.ParseBook(b.String()); got.Get(alert.IDOf("a")).Phase != alert.Told {
			t.Errorf("%d: %q reads as %+v", at, b.String(), got)
		}
	}
}

func TestReference(t *testing.T) {
	for text, want := range map[string]alert.Reference{
		"1641903970.000100": 1641903970000100,
		"":                  0,
		"1641903970":        0,
		"1641903970.1":      0,
		"164190397x.000100": 0,
		"-641903970.000100": 0,
		"16419039700.00010": 0,
	} {
		got := alert.ParseReference(text)
		if got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
		if want != 0 && got.String() != text {
			t.Errorf("%q comes back as %q", text, got)
		}
	}
}
