package solotick

import (
	"slices"
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
)

// reasons are the reasons of the waits that a node told between two moments, each
// once in a row.
func (n *node) reasons(from, to time.Duration) (all []elect.Reason) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ev := range n.events {
		at := ev.Time.Sub(n.w.start)
		if ev.Verb == elect.Wait && from <= at && at < to {
			all = append(all, ev.Why)
		}
	}
	return all
}

// TestObserveWaits: an agent that does not run a tick tells what it waits for, and
// tells it once.
func TestObserveWaits(t *testing.T) {
	bubble(t, func(w *world) {
		all := w.agents(2, minutely)
		for _, n := range all {
			n.work = works(20 * time.Second)
		}
		w.until(3*time.Minute + 30*time.Second)
		runner, other := all[0], all[1]
		if w.allRuns()[0].Agent == other.ID {
			runner, other = other, runner
		}
		if got := runner.reasons(2*time.Minute, 3*time.Minute); !slices.Contains(got, elect.NotDue) || slices.Contains(got, elect.RunningElsewhere) {
			t.Errorf("the agent that ran the tick waited for %v", got)
		}
		got := other.reasons(2*time.Minute, 3*time.Minute)
		if n := len(got); !slices.Contains(got, elect.RunningElsewhere) || n > 8 {
			t.Errorf("the agent that did not waited for %v", got)
		}
		for _, ev := range other.events {
			if ev.Verb == elect.Wait && (ev.Until.IsZero() || ev.Until.Before(ev.Time)) {
				t.Errorf("at %v it waits until %v (%v)", ev.Time, ev.Until, ev.Why)
			}
		}
	})
}

// TestObserveClock: each event tells how far the machine's clock is beyond what the
// register allows.
func TestObserveClock(t *testing.T) {
	for _, off := range []time.Duration{0, time.Hour, -time.Hour} {
		bubble(t, func(w *world) {
			n := w.node(minutely)
			n.time.step(0, off)
			n.run()
			w.until(2 * time.Minute)
			n.mu.Lock()
			defer n.mu.Unlock()
			last := n.events[len(n.events)-1]
			if !last.Told || (last.Ahead-off).Abs() > time.Second || off == 0 && last.Ahead != 0 {
				t.Errorf("a clock that is off by %v is told as %v (%v)", off, last.Ahead, last.Told)
			}
		})
	}
}
