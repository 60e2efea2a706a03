package e2e

import (
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

// protocolFaults are those that our own protocol adds.
var protocolFaults = []fault{
	{
		id: "P01", what: "the register takes no requests while its zone is still answered, and comes back", how: "faultproxy has TCP connections be silent, and passes datagrams",
		holds: "ticks are run without the register after outage_after, and have no fence; when it is back none of them is run again, and fences grow as before",
		quick: "bind", try: unarbitrated, shown: ". TestOutage, . TestOutageEndsDuringRun",
	},
	{
		id: "N03", what: "the server forgets at its restart what it acknowledged since its start", how: "Knot with zonefile-load: difference-no-serial, which takes the zone file for what is right; SIGKILL, and start", on: []string{"knot"},
		holds: "the record is made anew, and an agent says so; fences go on growing; no tick is run twice. F23 has the setting that docs/providers/knot.md wants, with which nothing is gone",
		quick: "knot", try: forgetful,
	},
	{
		id: "P02", what: "an operator pauses the job amid a run, and resumes it", how: "solotick pause and solotick resume",
		holds: "the run goes on to its end and is reported; no tick is run before the pause ends; the next one is run in time",
		quick: "knot", try: paused, shown: ". TestPauseDuringRun",
	},
	{
		id: "P03", what: "a lock's holder is frozen past its lease", how: "SIGSTOP, and SIGCONT after another has taken the lock",
		holds: "the guard ends what it runs before anybody else may have the lock", shown: "internal/e2e TestLock, internal/e2e TestElect",
	},
	{
		id: "P04", what: "the holder of a job that runs at most once is killed amid its run", how: "SIGKILL, with guarantee: at-most-once",
		holds: "that tick is lost, and not run again; the next one is run by another agent",
		quick: "powerdns", try: func(m *trial) {
			c := m.cluster("guarantee: at-most-once")
			r, a := c.hang()
			a.kill()
			m.since(c, r.begin, healed)
			c.more(3)
			c.end()
			runs := c.runs()
			c.checkFences(runs)
			c.checkOverlap(runs)
			ticks := map[int64]int{}
			for _, run := range runs {
				if ticks[run.tick]++; ticks[run.tick] > 1 {
					m.Errorf("tick %d was run again", run.tick)
				}
			}
			if runs[len(runs)-1].agent == r.agent {
				m.Errorf("the agent that is dead runs ticks")
			}
		},
	},
}

func forgetful(m *trial) {
	m.at = startWith(m.T, dnstest.Config{Kind: dnstest.Knot, Settings: []string{"zonefile-load: difference-no-serial", "journal-content: all"}})
	c := m.cluster()
	c.more(2)
	c.betweenRuns()
	for _, a := range c.agents { // so that they do not write before it is looked at
		if err := freeze(a.cmd.Process); err != nil {
			m.Fatal(err)
		}
	}
	m.at.Kill()
	if err := m.at.Restart(); err != nil {
		m.Fatal(err)
	}
	if text := c.query(c.name, "TXT"); text != "" {
		m.Errorf("the server still has the record %s: it has forgotten nothing", text)
	}
	began := time.Now()
	for _, a := range c.agents {
		a.signal(m.T, syscall.SIGCONT)
	}
	m.since(c, began, healed)
	c.more(3)
	if c.logged(func(l logLine) bool { return l.Msg == "record written" && l.Why == "record vanished" }) == 0 {
		m.Error("no agent says that the record was gone")
	}
	c.check()
}

func unarbitrated(m *trial) {
	p := m.network()
	m.at.extra = []string{"timeout: 500ms"} // so that the register is asked once more before the next tick
	c := m.cluster("outage_after: 1s")
	c.calm()
	c.betweenRuns()
	p.Deaf(true)
	began := time.Now()
	var first *run
	c.await("a run without the register", time.Minute, func() bool {
		for _, r := range c.runs() {
			if r.fence == "" {
				first = r
			}
		}
		return first != nil
	})
	first = nil
	for _, r := range c.runs() {
		if r.fence == "" {
			first = r
			break
		}
	}
	after := first.begin.Sub(began)
	time.Sleep(interval) // more of the outage
	p.Deaf(false)
	back := time.Now()
	c.await("a run with a fence again", time.Minute, func() bool { return c.last().fence != "" && c.last().begin.After(back) })
	m.measured("%.1f s to a run without it, %.1f s to one with it", after.Seconds(), c.last().begin.Sub(back).Seconds())
	c.calm()
	c.end()
	free := map[int64]bool{}
	var arbitrated []*run
	for _, r := range c.runs() {
		if r.fence == "" {
			free[r.tick] = true
			continue
		}
		if free[r.tick] && r.begin.After(back) {
			m.Errorf("tick %d was run without the register, and again with it", r.tick)
		}
		arbitrated = append(arbitrated, r)
	}
	c.checkFences(arbitrated)
	c.checkEnds(arbitrated)
}

func paused(m *trial) {
	c := m.cluster()
	c.write("slow", "")
	n := len(c.runs())
	c.await("a run", 30*time.Second, func() bool { return len(c.runs()) > n })
	wants(m.T, 0, []string{"paused until somebody resumes it"}, "pause", "-c", c.path("solotick.yaml"), c.job)
	c.await("the run's end", 20*time.Second, func() bool { return len(c.ended()) > n })
	from := c.runs()[n]
	c.await("the run's report", 20*time.Second, func() bool { return !strings.Contains(c.dig(), `"lease"`) })
	time.Sleep(2*interval + time.Second) // in which ticks would be run
	if got := len(c.runs()); got != n+1 {
		m.Errorf("%d runs while the job is paused", got-n-1)
	}
	if err := os.Remove(c.path("slow")); err != nil {
		m.Fatal(err)
	}
	began := time.Now()
	wants(m.T, 0, []string{"resumed"}, "resume", "-c", c.path("solotick.yaml"), c.job)
	m.since(c, began, healed)
	c.more(2)
	c.check(again(from), gap(from, began.Sub(from.begin)+interval))
}
