package e2e

import (
	"slices"
	"syscall"
	"time"

	"github.com/solotick/solotick/internal/faultproxy"
)

// faults are the matrix, in the order of docs/faults.md.
var faults = slices.Concat(processFaults, serverFaults, timeFaults, providerFaults, jobFaults, protocolFaults)

// processFaults happen to agents and their jobs.
var processFaults = []fault{
	{
		id: "F02", what: "the holder is killed amid its run", how: "SIGKILL of the agent while its job hangs",
		holds: "its guard ends the job; another agent takes the tick over, with a greater fence, in the time that protocol section 10.3 names",
		quick: "knot", try: func(m *trial) {
			c := m.cluster()
			r := c.killMidRun()
			m.measured("%.1f s", c.rerun(r, takeover).begin.Sub(r.begin).Seconds())
			c.more(2)
			c.check(again(r))
		},
	},
	{
		id: "F05", what: "the holder is asked to end amid its run", how: "SIGTERM while the job hangs beyond the grace",
		holds: "the job is ended, the tick handed over as lost, and run by another agent within a look",
		quick: "own", try: func(m *trial) {
			c := m.cluster()
			r, a := c.hang()
			a.signal(m.T, syscall.SIGTERM)
			began := time.Now()
			next := c.rerun(r, 8*time.Second+takeover+slack)
			m.measured("%.1f s", next.begin.Sub(began).Seconds())
			c.await("the agent's end", 10*time.Second, func() bool { return a.cmd.ProcessState != nil })
			a.dead = true
			c.more(1)
			c.check(again(r))
		},
	},
	{
		id: "F13", what: "a third of all datagrams and messages is lost, both ways", how: "faultproxy, 30 % of requests and of replies",
		holds: "no tick is run twice or lost; ticks may start late",
		quick: "bind", try: func(m *trial) {
			p := m.network()
			c := m.cluster("catch_up: all")
			p.Requests(faultproxy.Faults{Drop: 0.3})
			p.Replies(faultproxy.Faults{Drop: 0.3})
			c.more(4)
			p.Heal()
			m.since(c, time.Now())
			c.calm()
			c.check()
		},
	},
}
