package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/solotick/solotick/internal/faultproxy"
)

// rcodeNXRRSET is what a server answers where a prerequisite does not hold (RFC 2136
// section 2.2).
const rcodeNXRRSET = 8

// waits is for trials in which the register is away and DNS is not: only claims run.
const waits = "without_register: wait"

// networkFaults happen to what is between agents and the server, and to the server as
// a process.
var networkFaults = []fault{
	{
		id: "F13", what: "a third of all datagrams is lost, both ways", how: "faultproxy: 30 % of requests and of answers over UDP; what TCP loses it sends again",
		holds: "no tick is run twice or lost; ticks may start late",
		quick: "bind", try: func(m *trial) {
			p := m.network()
			c := m.cluster()
			p.Requests(faultproxy.Faults{Only: "udp", Drop: 0.3})
			p.Replies(faultproxy.Faults{Only: "udp", Drop: 0.3})
			c.more(4)
			p.Heal()
			m.since(c, time.Now(), healed)
			c.calm()
			c.check()
		},
	},
	{
		id: "F14", what: "all answers are lost: what is written takes effect, and nobody learns of it", how: "faultproxy drops every answer for two leases, from that to a claim on",
		holds: "no run without an answer; claims that landed unseen are found again or lapse",
		quick: "knot", try: (*trial).answersLost,
	},
	{
		id: "F15", what: "the holder is cut off amid its run", how: "faultproxy: the way of this agent is silent for two leases after the takeover",
		holds: "its job is ended before another agent takes the tick over; healed, it follows",
		quick: "own", try: (*trial).holderCutOff,
	},
	{
		id: "F16", what: "all agents are cut off from DNS for ten ticks", how: "faultproxy: all is silent",
		holds: "nobody runs (protocol section 8 wants an answer of DNS); each agent says so, and not again and again; afterwards the latest tick is run",
		quick: "powerdns", try: (*trial).allCutOff,
	},
	{
		id: "F17", what: "the incumbent can read and not write, another can write and not read", how: "faultproxy drops the updates of one and the questions of the other",
		holds: "neither runs a tick; the third does",
		quick: "bind", try: (*trial).oneWay,
	},
	{
		id: "F18", what: "datagrams come twice, and out of order by up to 2 s; requests over TCP come twice", how: "faultproxy",
		holds: "the second copy of a swap is refused by its prerequisite; a claim whose refusal comes first is nobody's and lapses: no tick is run twice or lost",
		quick: "own", try: func(m *trial) {
			p := m.network()
			c := m.cluster()
			p.Requests(faultproxy.Faults{Duplicate: 1})
			p.Replies(faultproxy.Faults{Only: "udp", Duplicate: 1, Late: 0.5, LateBy: 2 * time.Second})
			c.more(6)
			p.Heal()
			m.since(c, time.Now(), healed)
			c.more(2)
			c.check()
		},
	},
	{
		id: "F19", what: "a claim is delivered five leases late", how: "faultproxy keeps one update back, and a new connection takes it to the server",
		holds: "it is refused by its prerequisite; the tick was run meanwhile, by whoever claimed it again",
		quick: "powerdns", try: (*trial).lateClaim,
	},
	{
		id: "F20", what: "false answers: another id, a broken signature, half a message, garbage", how: "faultproxy sends one before each true answer over UDP, and before each seventh over TCP",
		holds: "over UDP they are passed over; over TCP the swap is uncertain and looked after; no tick is run twice or lost",
		quick: "knot", try: (*trial).falseAnswers,
	},
	{
		id: "F21", what: "answers over UDP are truncated; then TCP is blocked as well", how: "faultproxy sets TC in each, which also breaks its signature; then it accepts connections and is silent",
		holds: "whoever looks without a key looks over TCP, agents with one ask the register, and ticks start in time; blocked, nobody runs and status names both causes; afterwards runs go on",
		quick: "bind", try: (*trial).truncated,
	},
	{
		id: "F22", what: "connections come four octets at a time, are reset amid each answer, and hang", how: "faultproxy, one after the other, the last two for two leases each",
		holds: "slow ones do; torn and silent ones end in time, their swaps are uncertain; no agent keeps sockets",
		quick: "own", try: (*trial).tornConnections,
	},
	{
		id: "F23", what: "the server is killed and started again every 5 s", how: "SIGKILL, for two minutes; in make test four times",
		holds: "nothing that it acknowledged is gone: no tick is run twice or lost, save one whose end could not be told in its window",
		quick: "bind", try: (*trial).serverKilled,
	},
	{
		id: "F24", what: "the server hangs for two leases", how: "SIGSTOP, SIGCONT",
		holds: "requests end in time, nobody runs; what it does late, when it goes on, changes nothing that was run",
		quick: "knot", try: func(m *trial) {
			c := m.cluster()
			c.more(1)
			c.betweenRuns()
			if err := m.at.Pause(); err != nil {
				m.Fatal(err)
			}
			n := len(c.runs())
			time.Sleep(away)
			m.none(c, n)
			if err := m.at.Resume(); err != nil {
				m.Fatal(err)
			}
			m.since(c, time.Now(), healed)
			c.more(2)
			c.check()
		},
	},
	{
		id: "N01", what: "the register is away and DNS is not", how: "faultproxy: each connection is reset amid its request; UDP is well",
		holds: unarbitratedHolds,
		quick: "knot", try: func(m *trial) {
			m.registerAway(func(p *faultproxy.Proxy) { p.Requests(faultproxy.Faults{Only: "tcp", Reset: true}) })
		},
	},
	{
		id: "N02", what: "the register is silent and DNS is not", how: "faultproxy: connections are accepted and nothing comes, so that each question to it takes longer than a tick; UDP is well",
		holds: unarbitratedHolds,
		quick: "bind", try: func(m *trial) {
			m.registerAway(func(p *faultproxy.Proxy) { p.Deaf(true) })
		},
	},
}

const unarbitratedHolds = "ticks are run unarbitrated, without a fence (protocol section 8); afterwards no such tick is run again, save those of the last moments"

// none wants no run since there were n.
func (m *trial) none(c *cluster, n int) {
	m.Helper()
	if runs := c.runs()[n:]; len(runs) > 0 {
		m.Errorf("%d runs while nothing is answered, the first of tick %d by %s", len(runs), runs[0].tick, runs[0].agent)
	}
}

func (m *trial) answersLost() {
	p := m.network()
	c := m.cluster()
	c.more(1)
	c.betweenRuns()
	n := len(c.runs())
	var begun atomic.Bool // with a claim that takes effect
	p.Requests(faultproxy.Faults{Only: "tcp", If: func(message []byte) bool {
		if faultproxy.Update(message) && readUpdate(message).claims() {
			begun.Store(true)
		}
		return false
	}})
	p.Replies(faultproxy.Faults{Drop: 1, If: func([]byte) bool { return begun.Load() }})
	c.await("a claim", 30*time.Second, begun.Load)
	time.Sleep(away)
	m.none(c, n)
	p.Heal()
	m.since(c, time.Now(), healed)
	c.more(2)
	if c.logged(func(l logLine) bool { return strings.HasPrefix(l.Msg, "the outcome of a write is unknown") }) == 0 {
		m.Error("no agent says that it does not know what became of its write")
	}
	c.check()
}

func (m *trial) holderCutOff() {
	c := m.apart()
	r, a := c.hang()
	m.link(c, a).Cut(true)
	next := c.rerun(r, lease/3+takeover+slack)
	m.measured("%.1f s", next.begin.Sub(r.begin).Seconds())
	time.Sleep(away) // it goes on to be cut off
	m.heal()
	c.await("its word on its run", 30*time.Second, func() bool {
		return slices.ContainsFunc(a.lines(), func(l logLine) bool { return l.Msg == "ran" })
	})
	c.more(3)
	c.check(again(r))
}

func (m *trial) allCutOff() {
	p := m.network()
	c := m.cluster()
	c.more(1)
	c.betweenRuns()
	warned := func() int { return c.logged(func(l logLine) bool { return l.Level == "WARN" || l.Level == "ERROR" }) }
	before := warned()
	p.Cut(true)
	n := len(c.runs())
	time.Sleep(10 * interval) // all is silent
	m.none(c, n)
	if w := warned() - before; w < len(c.agents) || w > 4*len(c.agents) {
		m.Errorf("%d warnings of %d agents in %v", w, len(c.agents), 10*interval)
	}
	p.Heal()
	r := m.since(c, time.Now(), healed)
	if late := r.begin.Sub(time.Unix(r.tick, 0)); late > interval+slack {
		m.Errorf("the first run is of tick %d, %v old", r.tick, late)
	}
	c.more(3)
	c.check()
}

func (m *trial) oneWay() {
	c := m.apart()
	c.more(1)
	c.betweenRuns()
	reads := c.agent(c.last().agent)
	others := slices.DeleteFunc(slices.Clone(c.agents), func(a *agent) bool { return a == reads })
	writes, whole := others[0], others[1]
	m.link(c, reads).Requests(faultproxy.Faults{If: faultproxy.Update, Drop: 1})
	m.link(c, writes).Requests(faultproxy.Faults{If: func(message []byte) bool { return !faultproxy.Update(message) }, Drop: 1})
	n := len(c.runs())
	c.await("three runs", 30*time.Second, func() bool { return len(c.runs()) >= n+3 })
	for _, r := range c.runs()[n:] {
		if r.agent != whole.id {
			m.Errorf("agent %s has run tick %d, and can only read or only write", r.agent, r.tick)
		}
	}
	m.late(c.runs()[n], takeover+slack)
	m.heal()
	c.more(2)
	c.check()
}

func (m *trial) lateClaim() {
	c := m.apart()
	h := m.struck(m.strike(c, claimSent, func(*agent) bool { return false }))
	r := m.after(c, h.tick-1)
	m.late(r, healed)
	c.await("five leases", time.Minute, func() bool { return time.Since(h.at) > 5*lease })
	if code := m.deliver(h.message); code != rcodeNXRRSET {
		m.Errorf("the server answers the late claim with code %d, want %d", code, rcodeNXRRSET)
	}
	c.more(2)
	c.check()
}

// falseAnswer is the n-th answer that is none, made from a true one.
func falseAnswer(n int, message []byte) []byte {
	m := slices.Clone(message)
	switch n % 4 {
	case 0:
		m[0] ^= 0xff // another id
	case 1:
		m[len(m)-20] ^= 1 // in the signature, where there is one
		m[1] ^= 1         // over UDP there is none, and this is all that tells
	case 2:
		m = m[:len(m)/2]
	case 3:
		for i := range m {
			m[i] = byte(i * n)
		}
	}
	return m
}

func (m *trial) falseAnswers() {
	p := m.network()
	c := m.cluster(waits)
	n := 0
	p.Replies(faultproxy.Faults{Only: "udp", Edit: func(message []byte) [][]byte {
		n++
		return [][]byte{falseAnswer(n, message), message}
	}})
	answers := 0
	p.Replies(faultproxy.Faults{Only: "tcp", Edit: func(message []byte) [][]byte {
		if answers++; answers%7 != 0 {
			return [][]byte{message}
		}
		f := falseAnswer(answers/7, message)
		if answers/7%4 == 1 {
			f[1] ^= 1 // the signature alone is broken
		}
		return [][]byte{f, message}
	}})
	c.more(8)
	p.Heal()
	if n == 0 || answers < 28 {
		m.Errorf("%d answers over UDP and %d over TCP have gone by", n, answers)
	}
	m.since(c, time.Now(), healed)
	c.more(2)
	c.check()
}

func (m *trial) truncated() {
	p := m.network()
	c := m.cluster()
	cut := 0
	p.Replies(faultproxy.Faults{Only: "udp", Edit: func(message []byte) [][]byte {
		cut++
		short := slices.Clone(message)
		short[2] |= 2 // TC
		return [][]byte{short}
	}})
	c.more(4)
	wants(m.T, 0, nil, "check", strings.TrimSuffix(c.name, "."), "@"+p.Addr)
	c.betweenRuns()
	p.Deaf(true)
	n := len(c.runs())
	said, err := exec.Command(program, "status", strings.TrimSuffix(c.name, "."), "@"+p.Addr).CombinedOutput()
	if err == nil || !bytes.Contains(said, []byte("the answer is too long for UDP, and over TCP: no answer in time")) {
		m.Errorf("status does not name the cause: %v\n%s", err, said)
	}
	time.Sleep(away)
	m.none(c, n)
	if cut == 0 {
		m.Error("no answer went by over UDP")
	}
	p.Heal()
	m.since(c, time.Now(), healed)
	c.more(2)
	c.check()
}

// sockets counts those that an agent has open.
func (a *agent) sockets() (n int) {
	dir := fmt.Sprintf("/proc/%d/fd", a.cmd.Process.Pid)
	fds, _ := os.ReadDir(dir)
	for _, fd := range fds {
		if to, _ := os.Readlink(dir + "/" + fd.Name()); strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

func (m *trial) tornConnections() {
	p := m.network()
	c := m.cluster(waits)
	p.Requests(faultproxy.Faults{Only: "tcp", Slice: 4})
	p.Replies(faultproxy.Faults{Only: "tcp", Slice: 4})
	c.more(3)
	p.Heal()
	c.calm()
	c.betweenRuns()
	n := len(c.runs())
	p.Replies(faultproxy.Faults{Only: "tcp", Reset: true})
	time.Sleep(away)
	p.Heal()
	p.Deaf(true)
	time.Sleep(away)
	m.none(c, n)
	p.Heal()
	m.since(c, time.Now(), healed)
	c.more(2)
	c.await("few sockets", 30*time.Second, func() bool {
		return !slices.ContainsFunc(c.agents, func(a *agent) bool { return a.sockets() > 4 })
	})
	c.check()
}

func (m *trial) serverKilled() {
	c := m.cluster()
	c.more(1)
	var pardons []pardon
	var worst time.Duration
	rounds := 4
	if *everyFault {
		rounds = 24
	}
	for range rounds {
		from := time.Now()
		m.at.Kill()
		if err := m.at.Restart(); err != nil {
			m.Fatal(err)
		}
		up := time.Now()
		r := m.since(c, up, healed)
		worst = max(worst, r.begin.Sub(up))
		for _, r := range c.runs() {
			// Its end was to be told while the server was away, or just before.
			if r.last.After(from.Add(-interval)) && r.begin.Before(up) && up.Sub(from) > lease/3 {
				pardons = append(pardons, again(r))
			}
		}
		c.await("the next kill", 10*time.Second, func() bool { return time.Since(from) > 5*time.Second })
	}
	c.more(2)
	m.measured("%.1f s", worst.Seconds())
	c.check(pardons...)
}

// registerAway takes the register away by breaks, and leaves DNS.
func (m *trial) registerAway(breaks func(p *faultproxy.Proxy)) {
	p := m.network()
	c := m.cluster()
	c.more(1)
	c.betweenRuns()
	breaks(p)
	n := len(c.runs())
	loose := func() (all []*run) {
		for _, r := range c.runs()[n:] {
			if r.fence == "" {
				all = append(all, r)
			}
		}
		return all
	}
	c.await("six ticks that are run unarbitrated", 10*interval+30*time.Second, func() bool {
		all := loose()
		return len(all) > 1 && all[len(all)-1].tick >= all[0].tick+6*int64(interval/time.Second)
	})
	latest := loose()[len(loose())-1]
	c.await("its end", 30*time.Second, func() bool { return len(c.ended()) == len(c.runs()) })
	p.Heal()
	began := time.Now()
	c.await("a run with a fence", healed, func() bool { return c.last().fence != "" })
	m.measured("%.1f s", c.last().begin.Sub(began).Seconds())
	c.more(2)
	c.end()
	unarbitrated := map[int64]bool{}
	for _, r := range loose() {
		// Who ran the latest may not be the first to reach the register again.
		unarbitrated[r.tick] = r.tick < latest.tick
	}
	for k := loose()[0].tick; k <= latest.tick; k += int64(interval / time.Second) {
		if _, ok := unarbitrated[k]; !ok {
			m.Errorf("tick %d was not run while the register was away", k)
		}
	}
	for _, r := range c.runs() {
		if r.fence != "" && unarbitrated[r.tick] {
			m.Errorf("tick %d was run unarbitrated, and again with the fence %s", r.tick, r.fence)
		}
	}
}
