package e2e

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/solotick/solotick/internal/faultproxy"
)

// jobFaults happen to jobs and where they come from, and to what is around agents.
var jobFaults = []fault{
	{
		id: "F53", what: "the job fails, hangs past its timeout, leaves a daemon, writes 20 MB, or its program is missing", how: "a script that does each of these once",
		holds: "the next attempt or tick is run as the policy says; what is left of a run is ended with it; the agent lives on",
		quick: "knot", try: badJobs, shown: "steps TestFlood, steps TestBackground, steps TestStopKillsTheTree, steps TestBlockedWriter",
	},
	{
		id: "F54", what: "the list of jobs changes amid a run, cannot be had, is damaged, is an older one, or leads elsewhere", how: "a service of the tests' own, with redirects to addresses that must not be reached",
		holds: "a run goes on as it began; the last good list is used, and its age told; signatures and sizes are checked; no address of the machine's own is asked",
		shown: "internal/e2e TestJobsFrom, cmd/solotick TestFleetLetsARunEndBeforeItsJobChanges, cmd/solotick TestListUnusable, source TestReplaced, source TestPinned, source TestForbidden, source TestRedirect, internal/web TestReach, internal/web TestRebinding",
	},
	{
		id: "F55", what: "an agent without a home, PATH, room for temporary files or for its log, with 24 file descriptors", how: "prlimit, an empty environment, standard output to a full device; the other agents end",
		holds: "it runs the ticks all the same, and renews; with 16 file descriptors no job can be started, and the run ends as failed, with the cause", quick: "own", try: starved, shown: "steps TestAgentOutputClosed, steps TestBlockedWriter",
	},
	{
		id: "F56", what: "the job takes more memory than there is; the agent does", how: "a control group of 50 MB around the job, which reads 300 MB into memory; then SIGKILL of the agent, as the kernel would",
		holds: "the run has failed, and is attempted again; the agent lives on; as F02 for the agent itself",
		try:   outOfMemory, shown: "internal/e2e TestBIND",
	},
	{
		id: "F57", what: "agents are replaced one by one, with another file, amid keys of a later version", how: "a key that this version does not know is put into the record; each agent is ended after its successor has started",
		holds: "no tick is run twice or lost; the unknown key is still there", quick: "powerdns", try: rolling, shown: "record TestRoundTrip, . TestScheduleRollOut, . TestOriginalRecord",
	},
	{
		id: "F58", what: "anything at any time", how: "for 60 s five agents, each behind a faultproxy of its own, are cut off one by one and healed in another order, while agents and jobs are killed and frozen and the server is restarted",
		holds: "no two runs at one time, fences grow, no tick is lost; after the last fault all is well within a takeover and a look",
		try:   swizzle, shown: ". TestRandomFaults, sim TestYears",
	},
}

// prepareFault makes a cluster of the fault's name whose job is the usual one, and
// starts no agent.
func prepareFault(m *trial, extra ...string) *cluster {
	m.Helper()
	self, err := os.Executable()
	if err != nil {
		m.Fatal(err)
	}
	job := strings.ToLower(m.fault.id)
	c := prepare(m.T, m.at, job)
	c.configure("jobs:\n" + jobText(job, append([]string{"exec: [" + strconv.Quote(self) + "]"}, extra...)...))
	return c
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// scripted is a cluster whose job is the usual one, and then a script in the cluster's
// folder.
func scripted(m *trial, script string, extra ...string) *cluster {
	m.Helper()
	self, err := os.Executable()
	if err != nil {
		m.Fatal(err)
	}
	job := strings.ToLower(m.fault.id)
	c := prepare(m.T, m.at, job)
	c.write("job", "#!/bin/sh\n\""+self+"\" || exit\ncd \"$"+jobEnv+"\"\n"+script+"\n")
	if err := os.Chmod(c.path("job"), 0o700); err != nil {
		m.Fatal(err)
	}
	c.configure("jobs:\n" + jobText(job, append([]string{"exec: [" + strconv.Quote(c.path("job")) + "]"}, extra...)...))
	c.launch()
	return c
}

// taken waits until the job has removed a file that tells it what to do.
func (c *cluster) taken(name string) {
	c.t.Helper()
	c.write(name, "")
	c.await("a run that does: "+name, interval+30*time.Second, func() bool {
		_, err := os.Stat(c.path(name))
		return errors.Is(err, os.ErrNotExist)
	})
	c.more(2)
}

func badJobs(m *trial) {
	c := scripted(m, `rm fail 2>/dev/null && exit 3
if rm daemon 2>/dev/null; then setsid sh -c 'echo $$ >pid; exec sleep 600' >/dev/null 2>&1 & while [ ! -s pid ]; do sleep 0.02; done; fi
if rm flood 2>/dev/null; then head -c 20000000 /dev/zero | tr '\000' x; fi
exit 0`, "attempts: 2", "timeout: 1s")
	c.more(1)
	began := time.Now()
	c.taken("fail")
	r, _ := c.hang()
	c.rerun(r, 30*time.Second)
	c.taken("daemon")
	c.taken("flood")
	m.measured("%.0f s for all five", time.Since(began).Seconds())
	c.await("the end of what a run left behind", 10*time.Second, func() bool {
		pid, err := strconv.Atoi(strings.TrimSpace(c.read("pid")))
		return err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	})
	c.betweenRuns()
	from := c.last()
	if err := os.Rename(c.path("job"), c.path("away")); err != nil {
		m.Fatal(err)
	}
	c.says("no such file")
	if err := os.Rename(c.path("away"), c.path("job")); err != nil {
		m.Fatal(err)
	}
	c.more(2)
	c.check(repeats(), gap(from, sayTime))
}

// starved has an agent that lacks what others have be the last one.
func starved(m *trial) {
	c := m.cluster("catch_up: all")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		m.cannot(err)
		return
	}
	defer full.Close()
	cmd := exec.Command("/usr/bin/prlimit", "--nofile=24", program, "run", "-c", c.path("solotick.yaml"), "--log-level", "debug")
	cmd.Env = []string{jobEnv + "=" + c.dir, "TMPDIR=" + c.path("missing"), "LC_ALL=C"}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = full, full, endWithParent()
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	poor := &agent{cmd: cmd, log: c.path("none"), done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its state
		close(poor.done)
	}()
	m.Cleanup(poor.kill)
	for _, a := range c.agents {
		a.signal(m.T, syscall.SIGTERM)
	}
	for _, a := range c.agents {
		<-a.done
		a.dead = true
	}
	began := time.Now()
	c.write("slow", "") // so that it has to renew
	m.since(c, began, healed)
	c.more(2)
	if err := os.Remove(c.path("slow")); err != nil {
		m.Fatal(err)
	}
	c.more(2)
	c.agents = append(c.agents, poor)
	c.check()
}

func outOfMemory(m *trial) {
	group, err := m.cgroup("memory", "memory.limit_in_bytes", "memory.max", strconv.Itoa(50<<20))
	if err != nil {
		m.cannot(err)
		return
	}
	c := scripted(m, `rm eat 2>/dev/null || exit 0
echo $$ >"`+filepath.Join(group, "cgroup.procs")+`" || exit 9
head -c 300000000 /dev/zero | tail -c 300000000 >/dev/null && exit 0
exit 5`, "attempts: 2")
	c.write("eat", "")
	c.says("ended with code 5")
	c.more(2)
	k := c.killMidRun()
	m.measured("%.1f s after the agent's end", c.rerun(k, takeover).begin.Sub(k.begin).Seconds())
	c.more(2)
	c.check(repeats())
}

func rolling(m *trial) {
	c := m.cluster()
	c.betweenRuns()
	from := c.last()
	c.edit(`\}$`, `,"later":[1,"x"]}`)
	c.more(2)
	self, err := os.Executable()
	if err != nil {
		m.Fatal(err)
	}
	c.configure("jobs:\n" + jobText(c.job, "exec: ["+strconv.Quote(self)+"]", "attempts: 3"))
	began := time.Now()
	for _, a := range slices.Clone(c.agents) {
		c.start()
		a.signal(m.T, syscall.SIGTERM)
		<-a.done
		if code := a.cmd.ProcessState.ExitCode(); code != 0 {
			m.Errorf("an agent ended with code %d after SIGTERM", code)
		}
		a.dead = true
		c.more(1)
	}
	m.measured("%.1f s for all three", time.Since(began).Seconds())
	k := c.killMidRun()
	c.more(2)
	if text := c.dig(); !strings.Contains(text, `"later":[1,"x"]`) {
		m.Errorf("the key that nobody knows is gone: %s", text)
	}
	c.check(again(from), again(k))
}

// swizzle is named for what FoundationDB does to networks: links are cut one by one,
// and healed in another order.
func swizzle(m *trial) {
	const seed, lasts = 58, 60 * time.Second
	rnd := rand.New(rand.NewPCG(seed, 1))
	m.at.through = "${env:E2E_RELAY}"
	// Where a link is healed as the server ends, DNS may have answered and the register
	// not: the tick would be run without it.
	c := prepareFault(m, "catch_up: all", "without_register: wait")
	var relays []*faultproxy.Proxy
	start := func() {
		p := faultproxy.New(m, m.at.addr, seed)
		relays = append(relays, p)
		c.env = []string{"E2E_RELAY=" + p.Addr}
		c.start()
	}
	for range 5 {
		start()
	}
	c.await("the first run", 30*time.Second, func() bool { return len(c.ended()) > 0 })
	counts := map[string]int{}
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		for _, i := range rnd.Perm(len(relays))[:1+rnd.IntN(4)] {
			if rnd.IntN(2) == 0 {
				relays[i].Refuse(true)
			} else {
				lost := faultproxy.Faults{Drop: 1}
				relays[i].Requests(lost)
				relays[i].Replies(lost)
			}
			counts["cuts"]++
			time.Sleep(time.Duration(rnd.IntN(700)) * time.Millisecond)
		}
		a := c.agents[len(c.agents)-1-rnd.IntN(5)]
		switch rnd.IntN(5) {
		case 0:
			a.kill()
			start()
			counts["kills"]++
		case 1:
			if !a.dead {
				a.signal(m.T, syscall.SIGSTOP)
				time.Sleep(lease + time.Second)
				a.signal(m.T, syscall.SIGCONT)
				counts["freezes"]++
			}
		case 2:
			m.at.Kill()
			time.Sleep(time.Duration(rnd.IntN(2000)) * time.Millisecond)
			if err := m.at.Restart(); err != nil {
				m.Fatal(err)
			}
			counts["restarts of the server"]++
		}
		for _, i := range rnd.Perm(len(relays)) {
			relays[i].Heal()
			time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond)
		}
	}
	for _, p := range relays {
		p.Heal()
	}
	m.since(c, time.Now(), 2*healed)
	m.measured("%s, after %d cuts, %d kills, %d freezes, %d restarts of the server", m.took,
		counts["cuts"], counts["kills"], counts["freezes"], counts["restarts of the server"])
	c.calm()
	c.check(repeats())
	if counts["cuts"] < 10 || len(c.runs()) < 10 {
		m.Errorf("%d cuts and %d runs: this shows nothing", counts["cuts"], len(c.runs()))
	}
	m.noChildren(c)
}

// noChildren wants no process of the cluster to be left.
func (m *trial) noChildren(c *cluster) {
	m.Helper()
	c.await("the end of all processes", 20*time.Second, func() bool {
		all, err := filepath.Glob("/proc/[0-9]*/environ")
		if err != nil {
			m.Fatal(err)
		}
		for _, path := range all {
			env, err := os.ReadFile(path)
			if err == nil && strings.Contains(string(env), jobEnv+"="+c.dir) {
				return false
			}
		}
		return true
	})
}
