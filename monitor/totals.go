package monitor

import (
	"maps"
	"slices"

	"github.com/solotick/solotick/record"
)

// LagBounds are the upper bounds of [Totals.Lags], in seconds.
var LagBounds = [...]float64{.005, .02, .1, .5, 1, 2, 5, 15, 60, 300, 1800}

// Totals count what this process has seen of one record. They only ever grow, which
// a list that forgets cannot be counted for.
type Totals struct {
	// Runs are those that are over, by how they ended; record.None: that was not seen.
	Runs      map[record.Result]int64
	Takeovers int64 // runs that took a tick over
	Events    map[Kind]int64
	// Lags are how long after their ticks runs began, as far as that was seen: how
	// many up to each of LagBounds and not to the one before, and those beyond all.
	Lags   [len(LagBounds) + 1]int64
	LagSum float64 // in seconds
}

// Totals are those of one record; zero if it is not watched.
func (h *History) Totals(name string) Totals {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tracks[name]
	if t == nil {
		return Totals{}
	}
	all := t.totals
	all.Runs, all.Events = maps.Clone(all.Runs), maps.Clone(all.Events)
	return all
}

// count takes events in, and the runs of t that have changed. A run counts once,
// when it is over.
func (t *track) count(events []Event) {
	all := &t.totals
	if len(events) > 0 && all.Events == nil {
		all.Events = map[Kind]int64{}
	}
	for i := range events {
		all.Events[events[i].Kind]++
	}
	for _, n := range t.dirty {
		for i := range slices.Backward(t.runs) {
			if r := &t.runs[i]; r.n == n {
				all.run(r)
				break
			}
		}
	}
}

func (all *Totals) run(r *Run) {
	if !r.Over || r.counted {
		return
	}
	r.counted = true
	if all.Runs == nil {
		all.Runs = map[record.Result]int64{}
	}
	all.Runs[r.Result]++
	if r.Takeover {
		all.Takeovers++
	}
	if lag, ok := r.Lag(); ok {
		sec := lag.Seconds()
		i, _ := slices.BinarySearch(LagBounds[:], sec)
		all.Lags[i]++
		all.LagSum += sec
	}
}
