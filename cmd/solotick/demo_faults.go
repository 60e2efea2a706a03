package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A fault is what a demo does to an agent or the server, and later undoes.
type fault uint8

const (
	noFault fault = iota
	faultKill
	faultFreeze
	faultRestart
)

// trouble is the part of a demo that makes faults, one at a time.
type trouble struct {
	fault  fault
	victim *demoRun // the run amid which it was made; nil for the server
	at     time.Time
	ended  int // runs that had ended by then
	calm   int // runs that have to end before the next one
	made   int // faults so far
	hit    map[int64]bool
	down   bool // the server
}

// calmRuns are the runs between a demo's beginning, or the end of a fault, and
// the next fault.
const calmRuns = 2

// stir makes the next fault when its time has come, and undoes it later. Without
// chaos there is one: the incumbent is killed amid a run.
func (d *demo) stir(now time.Time) error {
	r := d.runs.last()
	if r == nil {
		return nil
	}
	if d.fault != noFault {
		d.hit[r.tick] = true
		return d.undo(now)
	}
	amid := !r.ended && now.Sub(r.begin) > d.flags.work()/4
	if d.runs.ended() < d.calm+calmRuns || d.made > 0 && !d.flags.chaos || !amid {
		return nil
	}
	d.fault, d.victim, d.at = faultKill, r, now
	if d.flags.chaos && d.made > 0 {
		d.fault = []fault{faultKill, faultKill, faultFreeze, faultFreeze, faultRestart}[rand.IntN(5)]
	}
	d.made++
	d.hit[r.tick] = true
	a := d.agents[r.lane]
	switch d.fault {
	case faultKill:
		r.cut, a.dead = true, true
		d.view.say(bad, fmt.Sprintf("agent %d is killed amid its run (kill -9)", r.lane+1))
		return a.cmd.Process.Kill()
	case faultFreeze:
		d.view.say(bad, fmt.Sprintf("agent %d is frozen amid its run (kill -STOP): what it does it cannot report", r.lane+1))
		return halt(a.cmd.Process)
	}
	d.victim = nil
	d.down = true
	d.view.say(bad, "the DNS server is gone")
	return d.server.Close()
}

// undo ends a fault once its consequences were seen: the takeover, and a tick
// after it; for the server some seconds.
func (d *demo) undo(now time.Time) error {
	if d.down {
		if now.Sub(d.at) < 2*time.Second {
			return nil
		}
		d.down = false
		d.view.say(good, "the DNS server is back, with the record as it was")
		d.ended = d.runs.ended()
		return d.serve()
	}
	if d.victim != nil {
		alone := d.flags.agents == 1 && now.Sub(d.at) > time.Second
		if !d.takenOver() && !alone {
			return nil
		}
		lane := d.victim.lane
		d.victim, d.ended = nil, d.runs.ended()
		if d.fault == faultFreeze {
			d.view.say(good, fmt.Sprintf("agent %d goes on, finds that its claim is another's, and does nothing about it", lane+1))
			return thaw(d.agents[lane].cmd.Process)
		}
		d.view.say(good, fmt.Sprintf("agent %d is started again: a new process with a new id, that has nothing to remember", lane+1))
		return d.startAgent(lane)
	}
	// The tick that fell due meanwhile is late, too.
	if d.runs.ended() < d.ended+2 {
		return nil
	}
	d.fault, d.calm = noFault, d.runs.ended()
	return nil
}

// takenOver says that another agent has run the victim's tick to its end.
func (d *demo) takenOver() bool {
	for _, r := range d.runs.all {
		if r.tick == d.victim.tick && r.attempt > d.victim.attempt && r.ended {
			return true
		}
	}
	return false
}
