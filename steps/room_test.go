//go:build linux

package steps_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/alert"
	"github.com/solotick/solotick/notify"
	"github.com/solotick/solotick/steps"
)

// TestRoom: a definition that changes leaves alerts behind that nobody asks for
// any more, and a job's own text that is longer than it may be now.
func TestRoom(t *testing.T) {
	b := newBuilder(t)
	ring := &phone{ref: "1795413905.000100"}
	plan := func(referenced bool, rule alert.Rule, names ...string) *steps.Plan {
		p := new(steps.Plan)
		for _, name := range names {
			p.Steps = append(p.Steps, steps.Step{Alert: &steps.Alert{Name: name, Channel: "ops", To: ring, Referenced: referenced, Rule: rule, When: b.when("true")}})
		}
		return p
	}
	r := &runs{t: t}
	run := func(p *steps.Plan, want int) {
		t.Helper()
		if _, err := r.do(p); err != nil {
			t.Error(err)
		}
		if got := len(ring.told); got != want {
			t.Errorf("told %d times, want %d; state %q", got, want, r.state)
		}
		ring.told = nil
		if len(r.state) > steps.MaxState-2 {
			t.Errorf("state %q has %d characters", r.state, len(r.state))
		}
	}
	both := plan(true, alert.Rule{Remind: time.Minute}, "a", "b", "c", "d", "e")
	run(both, 5)
	run(both, 5) // reminders
	eleven := plan(false, alert.Rule{}, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k")
	run(eleven, 6)
	run(eleven, 0)
	others := plan(false, alert.Rule{}, "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v")
	run(others, 11)
	run(others, 0)

	own := strings.Repeat("x", 90)
	r.state = own
	one := plan(false, alert.Rule{}, "a")
	for range 2 {
		res, err := r.do(one)
		if !errors.Is(err, steps.ErrState) || len(ring.told) != 1 || res.StateSet || r.state != own {
			t.Errorf("no room: %v, told %d times, state %q", err, len(ring.told), r.state)
		}
		ring.told = nil
	}
}

// TestTwoDefinitions: agents with the old definition and with the new one take
// turns during a roll-out. What only one of them can use stays for it.
func TestTwoDefinitions(t *testing.T) {
	b := newBuilder(t)
	const ts = "1795413905.000100"
	ring := &phone{ref: ts}
	def := func(on string, a steps.Alert) *steps.Plan {
		a.Name, a.Channel, a.To, a.When = "a", "ops", ring, b.when(on)
		return &steps.Plan{Steps: []steps.Step{{Alert: &a}}}
	}
	plain, more := steps.Alert{}, steps.Alert{Referenced: true, Rule: alert.Rule{Remind: 3 * time.Minute}}
	r := &runs{t: t}
	run := func(p *steps.Plan, want, ref string) {
		t.Helper()
		if _, err := r.do(p); err != nil {
			t.Error(err)
		}
		got := ""
		if len(ring.told) > 0 {
			got = ring.told[0].Ref
		}
		if kinds := ring.kinds(); kinds != want || got != ref {
			t.Errorf("told %q with reference %q, want %q with %q; state %q", kinds, got, want, ref, r.state)
		}
	}
	run(def("true", more), "firing", "")
	for range 3 {
		run(def("true", plain), "", "")
		run(def("true", plain), "", "")
		run(def("true", more), "reminder", ts)
		run(def("true", plain), "", "")
		run(def("true", more), "", "")
		run(def("true", more), "reminder", ts)
	}
	run(def("false", plain), "cleared", "") // it is another channel's
	run(def("true", plain), "firing", "")
	if len(r.state) != 1+alert.Len(false, false) {
		t.Errorf("state %q", r.state)
	}
}

// TestStateAsItWas: a run that changes nothing sets nothing, also where the state
// is none that it would have written.
func TestStateAsItWas(t *testing.T) {
	cmd := shell("true")
	p := &steps.Plan{Steps: []steps.Step{{Command: &cmd}}}
	for _, state := range []string{"", "x", "!", "!x", "!~", "!~!x"} {
		r := &runs{t: t, state: state}
		if res, err := r.do(p); err != nil || res.StateSet {
			t.Errorf("%q: state %q, set %v, error %v", state, res.State, res.StateSet, err)
		}
	}
}

// TestMark: a text that begins as a book does takes two bytes more.
func TestMark(t *testing.T) {
	b := newBuilder(t)
	r := &runs{t: t, state: "before"}
	for n, good := range map[int]bool{steps.MaxState - 5: true, steps.MaxState - 4: false} {
		p := &steps.Plan{Steps: []steps.Step{{Set: b.set("!" + strings.Repeat("x", n))}}}
		before := r.state
		_, err := r.do(p)
		if good && (err != nil || len(r.state) != steps.MaxState-2) || !good && (!errors.Is(err, steps.ErrState) || r.state != before) {
			t.Errorf("%d bytes: state %q, error %v", n+1, r.state, err)
		}
	}
}

// TestBackwards: ticks that go back, after a clock was wrong, have no alert last
// for less than nothing.
func TestBackwards(t *testing.T) {
	b := newBuilder(t)
	ring := new(phone)
	alerted := &steps.Alert{Name: "a", Channel: "ops", To: ring, When: b.when("true")}
	p := &steps.Plan{Steps: []steps.Step{{Alert: alerted}}}
	r := &runs{t: t}
	for _, on := range []string{"true", "false"} {
		alerted.When = b.when(on)
		if _, err := r.do(p); err != nil {
			t.Error(err)
		}
		r.tick = r.tick.Add(-time.Hour)
	}
	if len(ring.told) != 2 || ring.told[1].Kind != notify.Cleared || strings.Contains(ring.told[1].Text, "-") {
		t.Errorf("told %+v", ring.told)
	}
}
