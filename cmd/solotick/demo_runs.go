package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// demoLane tells a demo's agent, and so its job, in which lane it is shown.
const demoLane = "SOLOTICK_DEMO_LANE"

// demoWork is the demo's job: it appends a line when it begins and one when it
// ends, so that what was really executed is known, whatever the agents say.
func demoWork(path string, takes time.Duration, env func(string) string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	say := func(what string) error {
		_, err := fmt.Fprintln(f, env("SOLOTICK_TICK"), env("SOLOTICK_ATTEMPT"), env("SOLOTICK_FENCE"), env(demoLane), env("SOLOTICK_AGENT"),
			what, time.Now().UnixNano())
		return err
	}
	if err := say("begin"); err != nil {
		return err
	}
	time.Sleep(takes)
	return say("end")
}

// A demoRun is one execution of the job.
type demoRun struct {
	tick    int64
	attempt int
	fence   int64
	lane    int
	agent   string
	begin   time.Time
	ended   bool
	cut     bool // it will never end: its agent was killed
	shown   bool
}

// lag is how long after its tick the job's first instruction was.
func (r *demoRun) lag() time.Duration { return r.begin.Sub(time.Unix(r.tick, 0)) }

// demoRuns are the executions so far, in the order of their beginning.
type demoRuns struct {
	path string
	all  []*demoRun
	at   int64 // of the file, up to which it was read
}

// read takes in what was appended to the file.
func (d *demoRuns) read() error {
	f, err := os.Open(d.path)
	if os.IsNotExist(err) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, d.at, 1<<20))
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		if line[len(line)-1] != '\n' {
			break
		}
		d.at += int64(len(line))
		if err := d.add(line); err != nil {
			return err
		}
	}
	return nil
}

func (d *demoRuns) add(line []byte) error {
	var r demoRun
	var what, fence string
	var nanos int64
	if _, err := fmt.Sscan(string(line), &r.tick, &r.attempt, &fence, &r.lane, &r.agent, &what, &nanos); err != nil {
		return fmt.Errorf("the job wrote %q: %w", line, err)
	}
	r.fence, _ = strconv.ParseInt(fence, 10, 64)
	if what == "begin" {
		r.begin = time.Unix(0, nanos)
		d.all = append(d.all, &r)
		return nil
	}
	for i := len(d.all) - 1; i >= 0; i-- {
		if o := d.all[i]; o.tick == r.tick && o.attempt == r.attempt && o.agent == r.agent {
			o.ended = true
			break
		}
	}
	return nil
}

// last is the run that began last, or nil.
func (d *demoRuns) last() *demoRun {
	if len(d.all) == 0 {
		return nil
	}
	return d.all[len(d.all)-1]
}

// ended counts the runs that came to an end.
func (d *demoRuns) ended() (n int) {
	for _, r := range d.all {
		if r.ended {
			n++
		}
	}
	return n
}

// A demoTally is what became of the ticks.
type demoTally struct {
	ticks  int // from the first to the last that was run
	once   int
	again  int // run more than once because an agent was killed or frozen amid the run
	twice  int // run more than once for no such reason
	missed int
	open   int           // begun, but not run to an end before the demo's
	worst  time.Duration // start lag where nothing was done to an agent or the server
	hit    time.Duration // and where it was; 0: nowhere
}

// tally counts. hit are the ticks during which something was done to an agent or
// the server.
func (d *demoRuns) tally(every time.Duration, hit map[int64]bool) (t demoTally) {
	if len(d.all) == 0 {
		return t
	}
	began, ended := map[int64]int{}, map[int64]bool{}
	first, last := d.all[0].tick, d.all[0].tick
	for _, r := range d.all {
		began[r.tick]++
		ended[r.tick] = ended[r.tick] || r.ended
		first, last = min(first, r.tick), max(last, r.tick)
		if hit[r.tick] {
			t.hit = max(t.hit, r.lag())
		} else {
			t.worst = max(t.worst, r.lag())
		}
	}
	for tick := first; tick <= last; tick += int64(every / time.Second) {
		t.ticks++
		switch n := began[tick]; {
		case n == 0:
			t.missed++
		case !ended[tick]:
			t.open++
		case n == 1:
			t.once++
		case hit[tick]:
			t.again++
		default:
			t.twice++
		}
	}
	return t
}
