package solotick

import (
	"testing"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/record"
)

// A register whose swaps take a minute, as the timed class needs it: whoever
// waits for one does not give up after the seconds of a request, a long run is
// renewed, and one whose holder vanishes is taken over.
func TestSwapsThatTakeAMinute(t *testing.T) {
	bubble(t, func(w *world) {
		p := elect.Policy{Schedule: grid(1800), Lease: 201 * time.Second, KillGrace: 3 * time.Second, HeadStart: 30 * time.Second, Spread: 3 * time.Second, SwapTime: 63 * time.Second}
		for _, n := range w.agents(3, p) {
			n.slow, n.work = time.Minute, works(10*time.Minute)
		}
		w.until(30*time.Minute + time.Minute + trips)
		victim := w.running()
		if runs := w.wantRuns("1800/1"); runs[0].began < 31*time.Minute {
			t.Errorf("began at %v, before the claim was certain", runs[0].began)
		}
		w.until(60 * time.Minute)
		if r := w.allRuns()[0]; r.err != nil || r.ended-r.began != 10*time.Minute {
			t.Errorf("a run of ten minutes ended after %v, %v", r.ended-r.began, r.err)
		}
		w.until(60*time.Minute + 90*time.Second)
		victim.kill()
		w.until(60*time.Minute + 90*time.Second + elect.WorstTakeover(p) + trips)
		runs := w.wantRuns("1800/1", "3600/1", "3600/2")
		if r := runs[2]; r.node == victim || r.Last != record.Lost {
			t.Errorf("taken over as %+v", r.Tick)
		}
		w.until(90*time.Minute - time.Second)
	})
}
