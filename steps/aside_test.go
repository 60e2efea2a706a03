//go:build linux

package steps_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/solotick/solotick/steps"
)

// TestUnarbitrated: while the register is away no record takes the state, and
// people are told once all the same, and the rest when it is back.
func TestUnarbitrated(t *testing.T) {
	b := newBuilder(t)
	ring := new(phone)
	on := true
	alerted := &steps.Alert{Name: "a", Channel: "ops", To: ring}
	p := &steps.Plan{Steps: []steps.Step{{Alert: alerted}, {Set: b.set("x")}}}
	r := &runs{t: t, state: "before"}
	run := func(loose bool, want string) {
		t.Helper()
		alerted.When = b.when(fmt.Sprint(on))
		r.after = func(run *steps.Run) { run.Unarbitrated = loose }
		res, err := r.do(p)
		if err != nil || loose && res.StateSet {
			t.Errorf("error %v, state set %v", err, res.StateSet)
		}
		if got := ring.kinds(); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	run(true, "firing")
	run(true, "")
	run(false, "") // and now the record has it
	if r.state == "before" {
		t.Error("the state did not reach the record")
	}
	on = false
	run(true, "cleared")
	r.state = "!" // another agent has written since
	run(false, "")
	if r.state != "x" {
		t.Errorf("state %q", r.state)
	}
}

// TestUnarbitratedIsOver: what was put aside in an outage ends with it, on the
// agent that runs the next tick and on the others.
func TestUnarbitratedIsOver(t *testing.T) {
	b := newBuilder(t)
	ring := new(phone)
	alerted := &steps.Alert{Name: "a", Channel: "ops", To: ring}
	newPlan := func() *steps.Plan { return &steps.Plan{Steps: []steps.Step{{Alert: alerted}}} }
	mine, other := newPlan(), newPlan()
	r := &runs{t: t}
	before := first // the tick that the record tells of
	run := func(p *steps.Plan, on, loose bool, want string) {
		t.Helper()
		alerted.When = b.when(fmt.Sprint(on))
		r.after = func(run *steps.Run) { run.Unarbitrated, run.Before = loose, before }
		if !loose {
			defer func(tick time.Time) { before = tick }(r.tick)
		}
		if _, err := r.do(p); err != nil {
			t.Error(err)
		}
		if got := ring.kinds(); got != want {
			t.Errorf("told %q, want %q; state %q", got, want, r.state)
		}
	}
	r.tick = first.Add(time.Minute)
	run(mine, true, true, "firing")
	r.tick = r.tick.Add(-time.Minute)
	run(other, true, true, "firing") // as the message says
	r.tick = r.tick.Add(5 * time.Minute)
	run(mine, true, true, "")
	r.tick = r.tick.Add(-time.Minute)
	run(other, true, true, "")
	run(mine, true, false, "") // the register is back
	run(mine, false, false, "cleared")
	for range 3 {
		run(mine, false, false, "")
	}
	run(other, false, false, "") // it takes over
	run(other, true, false, "firing")
	run(other, false, false, "cleared")
}
