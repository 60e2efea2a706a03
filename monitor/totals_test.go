package monitor

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/record"
)

// TestTotals counts more runs than a history keeps, each once, however often it is
// told of, and none of those that a file brings back.
func TestTotals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	h, err := OpenHistory(path, Limits{Runs: 20, Events: 10})
	if err != nil {
		t.Fatal(err)
	}
	targets := named(t, 1)
	name := targets[0].Name
	h.Watch(targets...)
	fill(h, targets, 100)
	h.See(sight(targets[0], at(6000), claim(agentA, 100, 6000).String()))
	h.See(sight(targets[0], at(6038), claim(agentA, 100, 6038).String()))
	lost := claim(agentB, 100, 6040)
	lost.Try, lost.Last = 2, record.Lost
	h.See(sight(targets[0], at(6040), lost.String()))
	h.See(sight(targets[0], at(6050), idle(agentB, 100, 6049, record.Failed).String()))
	began := time.Unix(epoch+60, 10e6)
	for range 2 {
		if err := h.Tell(name, Run{Tick: epoch + 60, Attempt: 1, Agent: agentB, Result: record.Timeout, Detail: &Detail{Began: began}}); err != nil {
			t.Fatal(err)
		}
	}
	all := h.Totals(name)
	want := map[record.Result]int64{record.OK: 100, record.Lost: 1, record.Failed: 1, record.Timeout: 1}
	if diff := cmp.Diff(want, all.Runs); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if all.Takeovers != 1 || all.Events[KindTakeover] != 1 || all.Events[KindBegan] < 100 {
		t.Errorf("%d takeovers; events: %v", all.Takeovers, all.Events)
	}
	// 101 claims in the second of their ticks, one 40 s later, and one after 10 ms by
	// an agent's own account.
	if got := all.Lags; got[0] < 100 || got[1] != 1 || got[8] != 1 || all.LagSum < 40 || all.LagSum > 41 {
		t.Errorf("lags %v, in all %g s", got, all.LagSum)
	}
	all.Runs[record.OK] = 0
	if h.Totals(name).Runs[record.OK] != 100 {
		t.Error("what is returned is not a copy")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if h, err = OpenHistory(path, Limits{}); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.Watch(targets...)
	if all := h.Totals(name); len(all.Runs) > 0 || len(all.Events) > 0 {
		t.Errorf("counted what was seen by another process: %+v", all)
	}
	if all := h.Totals("other.example.com"); len(all.Runs) > 0 {
		t.Errorf("of a record that is not watched: %+v", all)
	}
}
