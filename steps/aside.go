package steps

import (
	"sync"
	"time"
)

// An aside is the state of a job that no record took: an unarbitrated run writes
// none. So an agent tells people once what an outage of the register may have it
// see in every tick; and what it told goes into the record with the first run
// after the outage, if that is its own. It lasts for this process, until the
// record's state is another one, or until any agent's run was granted a later
// tick: an alert may have come and gone meanwhile, and the state be as it was.
type aside struct {
	mu         sync.Mutex
	kept       bool
	base, text string    // the record's state then, and what became of it
	tick       time.Time // of the unarbitrated run
	granted    time.Time // the tick of the latest run that was granted and has ended here
}

// begin returns the state that a run begins with.
func (a *aside) begin(run *Run) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept && a.base == run.State && !run.Before.After(a.tick) {
		return a.text
	}
	return run.State
}

// end puts the state of an unarbitrated run aside, and drops what any other run
// has taken over.
func (a *aside) end(run *Run, res *Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !run.Unarbitrated {
		a.kept, a.granted = false, run.Tick
		return
	}
	res.StateSet = false
	if run.Tick.After(a.granted) { // else it is the older one
		a.kept, a.base, a.text, a.tick = true, run.State, res.State, run.Tick
	}
}
