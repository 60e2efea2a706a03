package steps

import "sync"

// An aside is the state of a job that no record took: an unarbitrated run writes
// none. It lasts for this process and until the record's state is another one, so
// that an agent tells people once what an outage of the register may have it see
// in every tick; and goes into the record with this process's next run.
type aside struct {
	mu         sync.Mutex
	kept       bool
	base, text string // the record's state then, and what became of it
}

// begin returns the state that a run begins with.
func (a *aside) begin(run *Run) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept && a.base == run.State {
		return a.text
	}
	return run.State
}

// end puts the state of an unarbitrated run aside.
func (a *aside) end(run *Run, res *Result) {
	if !run.Unarbitrated {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept, a.base, a.text = true, run.State, res.State
	res.StateSet = false
}
