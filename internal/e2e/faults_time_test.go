package e2e

import (
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

// timeFaults are those of clocks and of keys.
var timeFaults = []fault{
	{
		id: "F39", what: "the server's clock is ten minutes ahead, or an agent's is wrong", how: "faketime before the server's program; it is no use for one in Go, as our own server is, and BIND's allocator does not bear it",
		holds: "Knot says what time it is, and agents go by that; PowerDNS only refuses: no run, and agents say that it may be the clock",
		on:    []string{"knot", "powerdns"}, quick: "knot", try: clockAhead,
		shown: ". TestWrongWallClock, register/rfc2136 TestBadTime, register/rfc2136 TestClockOfServers, zone TestTSIG",
	},
	{
		id: "F40", what: "wall clocks step by an hour, and the register's clock", how: "the clock seam in virtual time: on the holder, a follower, all, forwards and back",
		holds: "no false takeover, since durations are monotonic; a tick is due by the register's time",
		shown: ". TestWallClockSteps, . TestWallClockStepsNeverLengthenWindow, . TestRegisterClockSteps",
	},
	{
		id: "F41", what: "one agent's clock runs at 0.8 or 1.25 of its rate", how: "the clock seam in virtual time",
		holds: "one run a tick, and no two at one time", shown: ". TestClockRate",
	},
	{
		id: "F42", what: "the holder's machine is suspended for ten minutes", how: "the clock seam in virtual time: the monotonic clock stands still, the wall clock goes on",
		holds: "its run is ended as soon as it wakes, before anything is written", shown: ". TestSuspendedHolder, . TestWakingUp",
	},
	{
		id: "F43", what: "leap seconds, daylight saving, the years 2038 and 2106", how: "cron expressions against a search minute by minute, and tables",
		holds: "no daily job is run twice or left out; times have 64 bits", shown: "schedule TestTable, schedule TestAgainstBruteForce",
	},
	{
		id: "F44", what: "the server knows the key no more", how: "another secret under its name, and a restart; then agents with the new key, one by one",
		holds: "nothing runs meanwhile, also not without the register, and agents name the cause; no agent ends; the first one with the new key goes on",
		quick: "knot", try: func(m *trial) {
			c := m.cluster("catch_up: all")
			c.betweenRuns()
			key := dnstest.NewKey("agents")
			if err := m.rekey(key); err != nil {
				m.Fatal(err)
			}
			c.says("TSIG|key|REFUSED|refuse")
			n := len(c.runs())
			time.Sleep(2 * interval) // the fault itself
			if got := len(c.runs()); got != n {
				m.Errorf("%d runs with a key that the server does not know", got-n)
			}
			m.at.key = key
			c.write("key", keyText(key))
			began := time.Now()
			for _, a := range slices.Clone(c.agents) {
				c.start()
				a.signal(m.T, syscall.SIGTERM)
				<-a.done
				a.dead = true
			}
			m.since(c, began, healed)
			c.calm()
			c.check(repeats())
		},
	},
}

func clockAhead(m *trial) {
	faketime, err := exec.LookPath("faketime")
	if err != nil {
		m.Fatal("faketime is missing: tools/needs")
	}
	kind := m.at.server.(*dnstest.Server).Kind
	m.at.Kill()
	m.at = startWith(m.T, dnstest.Config{Kind: kind, Before: []string{faketime, "-f", "+600s"}})
	if kind == dnstest.PowerDNS {
		c := prepareFault(m)
		for range 3 {
			c.start()
		}
		c.says("clock")
		time.Sleep(2 * interval)
		if n := len(c.runs()); n != 0 {
			m.Errorf("%d runs at a server that refuses every agent", n)
		}
		m.measured("refused, and told")
		c.end()
		return
	}
	c := m.cluster()
	c.more(3)
	r := c.last()
	ahead := time.Unix(r.tick, 0).Sub(r.begin)
	if ahead < 590*time.Second || ahead > 602*time.Second {
		m.Errorf("a tick was run %v before its time by this machine's clock, want 600 s", ahead)
	}
	k := c.killMidRun()
	m.measured("%.1f s for a takeover", c.rerun(k, takeover).begin.Sub(k.begin).Seconds())
	c.more(2)
	c.check(again(k))
}
