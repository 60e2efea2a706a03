package e2e

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/solotick/solotick/internal/faultproxy"
)

// faults are the matrix, in the order of docs/faults.md.
var faults = slices.Concat(processFaults, networkFaults, serverFaults, timeFaults, providerFaults, jobFaults, protocolFaults)

// processFaults happen to agents and their jobs.
var processFaults = []fault{
	{
		id: "F01", what: "the holder is killed when it has won, before its job begins", how: "SIGKILL as the answer goes by that shows it its claim",
		holds: "another agent runs the tick as its second attempt, with a greater fence, in the time of protocol section 10.3",
		quick: "bind", try: (*trial).killedAsItWon,
	},
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
		id: "F03", what: "the holder is killed after its job's end, before it reports", how: "SIGKILL as its report goes by, which is dropped",
		holds: "the tick is run once more, with a greater fence and the same tick for the job to know it by",
		quick: "powerdns", try: func(m *trial) {
			c := m.apart()
			h := m.struck(m.strike(c, reportSent, killedThen))
			r := m.ranBy(c, h)
			next := c.rerun(r, takeover+slack)
			m.measured("%.1f s", next.begin.Sub(h.at).Seconds())
			c.more(2)
			c.check(again(r))
		},
	},
	{
		id: "F04", what: "the holder is killed after it has reported, and does not learn that", how: "SIGKILL as the server's answer to the report goes by",
		holds: "the tick is not run again; the next one is run by another agent within head_start + spread",
		quick: "own", try: func(m *trial) {
			c := m.apart()
			h := m.struck(m.strike(c, reportTaken, killedThen))
			next := m.after(c, h.tick)
			m.late(next, headStart+spread+slack)
			c.more(2)
			c.check()
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
		id: "F06", what: "all agents are killed, and started again after some ticks", how: "SIGKILL of all between two runs",
		holds: "the latest of the missed ticks is run once, at once; the others are told of as passed",
		quick: "knot", try: (*trial).allKilled,
	},
	{
		id: "F07", what: "fifty agents start in one second", how: "47 more processes",
		holds: "one claim a tick is accepted; on average fewer are sent for it than by half of the agents",
		try:   (*trial).fifty,
	},
	{
		id: "F08", what: "the holder is stopped amid its run for three leases, and goes on", how: "SIGSTOP, SIGCONT",
		holds: "its guard ends the job before another agent takes the tick over; it writes nothing of that run when it goes on",
		quick: "powerdns", try: (*trial).stoppedMidRun,
	},
	{
		id: "F09", what: "an agent is stopped between its look and its claim, and goes on after another has run the tick", how: "SIGSTOP as its claim goes by, which is kept and delivered then",
		holds: "the late claim is refused by its prerequisite",
		quick: "knot", try: (*trial).stoppedBeforeClaim,
	},
	{
		id: "F10", what: "the holder is stopped when it has won, before its job begins, until another has taken over", how: "SIGSTOP as the answer goes by that shows it its claim, SIGCONT",
		holds: "its window is over when it goes on: it never begins that run",
		quick: "bind", try: (*trial).stoppedAsItWon,
	},
	{
		id: "F11", what: "the holder has 2 % of a processor", how: "it goes on for 10 ms of each 500 ms (SIGSTOP, SIGCONT)",
		holds: "no tick is run twice or lost; ticks may start late, or be run by others",
		quick: "own", try: func(m *trial) {
			c := m.cluster()
			stop := m.throttle(c.agent(c.last().agent))
			c.more(5)
			m.since(c, stop(), healed)
			c.more(2)
			c.check()
		},
	},
	{
		id: "F12", what: "agents cannot send: their machine has no way to the network", how: "strace has each connect of theirs fail with ENETUNREACH, for two leases",
		holds: "no run meanwhile, each agent names the cause, and runs go on when it is over",
		try:   (*trial).unreachable,
	},
}

// ranBy is the run of a tick by the agent that was struck.
func (m *trial) ranBy(c *cluster, h blow) *run {
	m.Helper()
	for _, r := range c.runs() {
		if r.tick == h.tick && r.agent == h.agent.id {
			return r
		}
	}
	m.Fatalf("agent %s has not run tick %d", h.agent.id, h.tick)
	panic("unreachable")
}

// byAnother waits for a run of the tick of an agent that was struck by another one,
// and wants none by itself.
func (m *trial) byAnother(c *cluster, h blow, limit time.Duration) (next *run) {
	m.Helper()
	c.await(fmt.Sprintf("a run of tick %d", h.tick), limit, func() bool {
		runs := c.runs()
		i := slices.IndexFunc(runs, func(r *run) bool { return r.tick == h.tick })
		if i >= 0 {
			next = runs[i]
		}
		return i >= 0
	})
	if next.agent == h.agent.id {
		m.Errorf("agent %s has run tick %d after all", next.agent, h.tick)
	}
	return next
}

// after waits for the first run of a later tick.
func (m *trial) after(c *cluster, tick int64) (next *run) {
	m.Helper()
	c.await(fmt.Sprintf("a run after tick %d", tick), takeover+30*time.Second, func() bool {
		next = c.last()
		return next.tick > tick
	})
	return next
}

// late measures how long after its tick a run began.
func (m *trial) late(r *run, limit time.Duration) {
	m.Helper()
	took := r.begin.Sub(time.Unix(r.tick, 0))
	m.measured("%.1f s", took.Seconds())
	if took > limit {
		m.Errorf("tick %d is run %v late, want %v", r.tick, took, limit)
	}
}

func (m *trial) killedAsItWon() {
	c := m.apart()
	h := m.struck(m.strike(c, claimWon, killedThen))
	next := m.byAnother(c, h, takeover+slack)
	m.measured("%.1f s", next.begin.Sub(h.at).Seconds())
	if next.attempt != 2 {
		m.Errorf("tick %d is run as attempt %d, want 2", next.tick, next.attempt)
	}
	c.more(2)
	c.check()
}

func (m *trial) allKilled() {
	c := m.cluster()
	c.more(1)
	c.betweenRuns()
	for _, a := range c.agents {
		a.kill()
	}
	time.Sleep(3 * interval) // that they are away
	began := time.Now()
	for range 3 {
		c.start()
	}
	r := m.since(c, began, headStart+spread+interval+slack)
	if late := r.begin.Sub(time.Unix(r.tick, 0)); late > interval+slack {
		m.Errorf("the first run is of tick %d, %v old", r.tick, late)
	}
	c.more(3)
	c.check()
}

func (m *trial) fifty() {
	p := faultproxy.New(m, m.at.addr, 1) // which only counts
	m.at.through = p.Addr
	c := m.cluster()
	sent, refused := 0, 0
	p.Requests(faultproxy.Faults{Only: "tcp", If: func(message []byte) bool {
		if faultproxy.Update(message) && readUpdate(message).claims() {
			sent++ // one at a time
		}
		return false
	}})
	p.Replies(faultproxy.Faults{Only: "tcp", If: func(message []byte) bool {
		if faultproxy.Update(message) && message[3]&0xf != 0 {
			refused++
		}
		return false
	}})
	first := len(c.runs())
	for range 47 {
		c.spawn()
	}
	c.await("first words of all agents", time.Minute, func() bool {
		return !slices.ContainsFunc(c.agents, func(a *agent) bool { return !a.named() })
	})
	c.more(6)
	p.Heal()
	ticks := len(c.runs()) - first
	m.measured("%d ticks, %d claims sent, %d refused", ticks, sent, refused)
	if sent > ticks*len(c.agents)/2 || sent > ticks+1+refused {
		m.Errorf("%d claims sent for %d ticks of %d agents, %d refused", sent, ticks, len(c.agents), refused)
	}
	c.check()
}

func (m *trial) stoppedMidRun() {
	c := m.cluster()
	r, a := c.hang()
	if err := freeze(a.cmd.Process); err != nil {
		m.Fatal(err)
	}
	began := time.Now()
	next := c.rerun(r, takeover+slack)
	m.measured("%.1f s", next.begin.Sub(r.begin).Seconds())
	c.await("three leases", time.Minute, func() bool { return time.Since(began) > 3*lease })
	a.signal(m.T, syscall.SIGCONT)
	c.await("the stopped agent's word on its run", 30*time.Second, func() bool {
		return slices.ContainsFunc(a.lines(), func(l logLine) bool { return l.Msg == "ran" })
	})
	c.more(2)
	c.check(again(r))
}

func (m *trial) stoppedBeforeClaim() {
	c := m.apart()
	h := m.struck(m.strike(c, claimSent, frozenThen(false)))
	next := m.byAnother(c, h, headStart+spread+healed)
	m.late(next, headStart+spread+slack)
	c.more(1)
	if code := m.deliver(h.message); code != rcodeNXRRSET {
		m.Errorf("the server answers the late claim with code %d, want %d", code, rcodeNXRRSET)
	}
	h.agent.signal(m.T, syscall.SIGCONT)
	c.more(3)
	c.check()
}

func (m *trial) stoppedAsItWon() {
	c := m.apart()
	h := m.struck(m.strike(c, claimWon, frozenThen(true)))
	next := m.byAnother(c, h, takeover+slack)
	m.measured("%.1f s", next.begin.Sub(h.at).Seconds())
	h.agent.signal(m.T, syscall.SIGCONT)
	c.more(3)
	if slices.ContainsFunc(c.runs(), func(r *run) bool { return r.tick == h.tick && r.agent == h.agent.id }) {
		m.Errorf("agent %s has run tick %d, whose window was over", h.agent.id, h.tick)
	}
	c.check()
}

// throttle has an agent go on for 2 % of the time, until stop is called.
func (m *trial) throttle(a *agent) (stop func() time.Time) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			_ = a.cmd.Process.Signal(syscall.SIGSTOP)
			select {
			case <-end:
				_ = a.cmd.Process.Signal(syscall.SIGCONT)
				return
			case <-time.After(490 * time.Millisecond):
			}
			_ = a.cmd.Process.Signal(syscall.SIGCONT)
			time.Sleep(10 * time.Millisecond) // its share
		}
	}()
	once := false
	stop = func() time.Time {
		if !once {
			once = true
			close(end)
			<-ended
		}
		return time.Now()
	}
	m.Cleanup(func() { stop() })
	return stop
}
