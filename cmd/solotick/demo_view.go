package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// A demoView shows a demo: a line for each run, with a lane for each agent.
type demoView struct {
	app   *app
	w     io.Writer
	flags demoFlags
	live  bool // a last line that changes
	line  bool // it is there
	err   error
}

const laneWidth = 14

func (a *app) newDemoView(f demoFlags) *demoView {
	return &demoView{app: a, w: a.stdout, flags: f, live: isTerminal(a.stdout)}
}

// print writes; err is that of the first write that failed.
func (v *demoView) print(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if v.line {
		text, v.line = "\r\x1b[K"+text, false
	}
	if _, err := io.WriteString(v.w, text); err != nil && v.err == nil {
		v.err = err
	}
}

// status is a line that the next one replaces; only on a terminal.
func (v *demoView) status(text string) {
	if !v.live {
		return
	}
	v.print("%s", v.app.paint(v.w, neutral, text))
	v.line = true
}

func (v *demoView) intro(addr string) {
	host, port, _ := strings.Cut(addr, ":")
	plan := "One of them will be killed."
	if v.flags.chaos {
		plan = "They will be killed and frozen, and the server restarted."
	}
	v.print("%d agents, one DNS record, one job every %v. %s Ctrl-C ends.\n", v.flags.agents, v.flags.every, plan)
	v.print("All that they share; look with\n  dig +short TXT %s.%s @%s -p %s\n\n", demoJob, demoZone, host, port)
	v.print("%-10s", "tick")
	for lane := range v.flags.agents {
		v.print("%-*s", laneWidth, fmt.Sprintf("agent %d", lane+1))
	}
	v.print("\n")
}

// show prints the runs that have come to an end, one way or the other.
func (v *demoView) show(runs *demoRuns, now time.Time) {
	for _, r := range runs.all {
		if !r.shown && (r.ended || r.cut) {
			r.shown = true
			v.row(runs, r)
		}
	}
	r := runs.last()
	switch {
	case r == nil:
		v.status("the record is being made ...")
	case !r.ended && !r.cut:
		v.status(fmt.Sprintf("agent %d is running the tick of %s ...", r.lane+1, hhmmss(r.tick)))
	default:
		due := time.Unix(r.tick, 0).Add(v.flags.every)
		for due.Before(now) {
			due = due.Add(v.flags.every)
		}
		v.status(fmt.Sprintf("next tick at %s, in %d s", hhmmss(due.Unix()), int(due.Sub(now).Seconds())+1))
	}
}

func hhmmss(sec int64) string { return time.Unix(sec, 0).Format("15:04:05") }

func (v *demoView) row(runs *demoRuns, r *demoRun) {
	v.print("%-10s", hhmmss(r.tick))
	for lane := range v.flags.agents {
		if lane != r.lane {
			v.print("%s%*s", v.app.paint(v.w, neutral, v.nobody()), laneWidth-1, "")
			continue
		}
		text, t := brief(r.lag()), good
		switch {
		case r.cut:
			text, t = "killed", bad
		case r.attempt > 1:
			text = fmt.Sprintf("%s, try %d", text, r.attempt)
		}
		v.print("%s %s%*s", v.app.sign(v.w, t), v.app.paint(v.w, t, text), max(laneWidth-2-len(text), 1), "")
	}
	if before := v.before(runs, r); before != nil {
		v.print("took over from agent %d; fence %d > %d", before.lane+1, r.fence, before.fence)
	}
	v.print("\n")
}

// nobody is what stands in a lane whose agent did not run the tick.
func (v *demoView) nobody() string {
	if v.app.unicode() {
		return "·"
	}
	return "."
}

// before is the run of the same tick that r took over.
func (v *demoView) before(runs *demoRuns, r *demoRun) *demoRun {
	for _, o := range runs.all {
		if o.tick == r.tick && o.attempt == r.attempt-1 {
			return o
		}
	}
	return nil
}

// say tells what is done to the agents and the server.
func (v *demoView) say(t tone, text string) {
	v.print("%s  %s\n", v.app.sign(v.w, t), v.app.paint(v.w, t, text))
}

// brief is a duration for people.
func brief(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

func (v *demoView) tally(t demoTally) {
	v.print("\n")
	if t.ticks == 0 {
		v.print("No tick was run: the first one falls due some seconds after the start.\n")
		return
	}
	w := tabwriter.NewWriter(v.w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "ticks\t%d\n", t.ticks)
	fmt.Fprintf(w, "run once\t%d\n", t.once)
	if t.again > 0 {
		fmt.Fprintf(w, "run again\t%d\tby another agent, as the first one vanished amid the run\n", t.again)
	}
	if t.open > 0 {
		fmt.Fprintf(w, "under way\t%d\tto be taken over by agents that are gone now, too\n", t.open)
	}
	fmt.Fprintf(w, "run twice\t%d\n", t.twice)
	fmt.Fprintf(w, "missed\t%d\n", t.missed)
	fmt.Fprintf(w, "worst start lag\t%s\n", brief(t.worst))
	if t.hit > 0 {
		fmt.Fprintf(w, "\t%s\twhere an agent or the server was gone\n", brief(t.hit))
	}
	w.Flush()
}
