package e2e

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

// TestBIND is every story on BIND, each with a job of its own; the stories that
// hurt the server have one of their own.
func TestBIND(t *testing.T) {
	t.Parallel()
	shared := start(t, dnstest.BIND)
	for _, s := range []struct {
		name  string
		story func(t *testing.T, at *place)
		alone bool
	}{
		{"killed", killed, false},
		{"frozen", frozen, false},
		{"restarted", restarted, true},
		{"restarted-during-a-run", restartedDuringRun, true},
		{"deleted", deleted, false},
		{"garbled", garbled, false},
		{"rolled-back", rolledBack, false},
		{"handed-over", handedOver, false},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			at := shared
			if s.alone {
				at = start(t, dnstest.BIND)
			}
			s.story(t, at)
		})
	}
}

// TestEachServer is one story with the main faults on each of the other servers.
func TestEachServer(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name  string
		start func(t *testing.T) *place
	}{
		{"knot", func(t *testing.T) *place { return start(t, dnstest.Knot) }},
		{"powerdns", func(t *testing.T) *place { return start(t, dnstest.PowerDNS) }},
		{"own", startOwn},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			whole(t, s.start(t))
		})
	}
}

// killed: the incumbent is gone from one moment to the next, amid a run.
func killed(t *testing.T, at *place) {
	c := newCluster(t, at, "killed")
	c.more(2)
	r := c.killMidRun()
	c.more(2)
	c.check(again(r))
}

// killMidRun kills the incumbent amid a run and wants the takeover in time.
func (c *cluster) killMidRun() *run {
	c.t.Helper()
	r, a := c.hang()
	a.kill()
	next := c.rerun(r, takeover+slack)
	if took := next.begin.Sub(r.begin); took > takeover+slack {
		c.t.Errorf("takeover %v after the claim, want within %v and some round trips", took, takeover)
	}
	if next.agent == r.agent {
		c.t.Errorf("agent %s is dead and took over from itself", r.agent)
	}
	return r
}

// frozen: the incumbent is stopped past its lease, amid a run, and continued.
// Its guard is another process and ends the run in time.
func frozen(t *testing.T, at *place) {
	c := newCluster(t, at, "frozen")
	c.more(1)
	r := c.freezeMidRun()
	c.more(2)
	c.check(again(r))
}

func (c *cluster) freezeMidRun() *run {
	c.t.Helper()
	r, a := c.hang()
	a.signal(c.t, syscall.SIGSTOP)
	next := c.rerun(r, takeover+slack)
	if next.agent == r.agent {
		c.t.Errorf("agent %s is frozen and took over from itself", r.agent)
	}
	c.more(1)
	a.signal(c.t, syscall.SIGCONT)
	// It finds that its claim is another's and lives on.
	c.await("the frozen agent's word on its run", 30*time.Second, func() bool {
		return slices.ContainsFunc(a.lines(), func(l logLine) bool { return l.Msg == "ran" })
	})
	return r
}

// restarted: the DNS server is killed between ticks, and stays away for more
// than one. With catch_up all, no tick may be missing.
func restarted(t *testing.T, at *place) {
	c := newCluster(t, at, "restarted", "catch_up: all")
	c.more(1)
	c.restartServer()
	c.more(6)
	c.check()
}

// restartServer kills the server while nothing waits to be reported: a run whose
// end cannot be told before its window is over is run again.
func (c *cluster) restartServer() {
	c.t.Helper()
	c.calm()
	c.betweenRuns()
	c.at.Kill()
	time.Sleep(2 * interval) // the outage itself
	if err := c.at.Restart(); err != nil {
		c.t.Fatal(err)
	}
}

// restartedDuringRun: the DNS server is away when the run ends and is to be
// reported, and comes back before the claim has lapsed.
func restartedDuringRun(t *testing.T, at *place) {
	c := newCluster(t, at, "during", "catch_up: all")
	c.more(1)
	n := len(c.runs())
	c.await("a run's begin", 30*time.Second, func() bool { return len(c.runs()) > n })
	c.at.Kill()
	c.await("the run's end", 30*time.Second, func() bool { return len(c.ended()) > n })
	if err := c.at.Restart(); err != nil {
		t.Fatal(err)
	}
	c.more(4)
	c.check(again(c.runs()[n]))
}

// deleted: the record is gone. The agents make it anew with a tick in the future,
// or with the claim that one of them has seen last.
func deleted(t *testing.T, at *place) {
	c := newCluster(t, at, "deleted")
	c.more(2)
	c.betweenRuns()
	from := c.last()
	c.remove()
	c.await("a word about it in a log", 30*time.Second, func() bool {
		return c.logged(func(l logLine) bool { return l.Msg == "record written" && l.Why == "record vanished" }) > 0
	})
	c.more(3)
	c.check(again(from), gap(from, lease+skew+spread))
}

// garbled: the record is damaged. It is left alone for lease + margin and then
// replaced.
func garbled(t *testing.T, at *place) {
	c := newCluster(t, at, "garbled")
	c.more(2)
	c.betweenRuns()
	from := c.last()
	damaged := c.dig()[:40]
	c.put(damaged)
	began := time.Now()
	c.await("a new record", 60*time.Second, func() bool { return c.dig() != damaged })
	if took := time.Since(began); took < lease+margin {
		t.Errorf("a damaged record was replaced after %v, want %v at the least", took, lease+margin)
	}
	c.more(3)
	c.check(again(from), gap(from, lease+margin+spread+lease+skew+spread))
}

// rolledBack: the record is one from some ticks ago, as after a zone was restored.
func rolledBack(t *testing.T, at *place) {
	c := newCluster(t, at, "rolled")
	c.more(1)
	c.betweenRuns()
	old := c.dig()
	c.more(4)
	c.betweenRuns()
	from := c.last()
	c.put(old)
	c.more(3)
	c.check(again(from)) // it is in the record no more
}

// handedOver: the incumbent is told to end amid a run that is longer than its
// grace.
func handedOver(t *testing.T, at *place) {
	c := newCluster(t, at, "handed")
	c.more(1)
	r, a := c.hang()
	a.signal(t, syscall.SIGTERM)
	// 8 s of grace; then the claim says so, and the next look finds it.
	next := c.rerun(r, 8*time.Second+takeover+slack)
	if next.agent == r.agent {
		t.Errorf("agent %s is to end and took over from itself", r.agent)
	}
	c.await("the agent's end", 10*time.Second, func() bool { return a.cmd.ProcessState != nil })
	a.dead = true
	if code := a.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	c.more(1)
	c.check(again(r))
}

// whole is one life of a cluster with the main faults, one after the other.
func whole(t *testing.T, at *place) {
	c := newCluster(t, at, "whole", "catch_up: all")
	c.more(1)
	c.checkDig()
	k := c.killMidRun()
	c.start()
	c.more(1)
	f := c.freezeMidRun()
	c.more(1)
	c.restartServer()
	c.calm()
	c.betweenRuns()
	from := c.last()
	c.remove()
	c.more(2)
	c.check(again(k), again(f), again(from), gap(from, lease+skew+spread))
}

// betweenRuns waits for a moment at which nothing runs and no tick is due soon.
func (c *cluster) betweenRuns() {
	c.t.Helper()
	c.await("a moment between two runs", 30*time.Second, func() bool {
		runs := c.runs()
		r := runs[len(runs)-1]
		return r.ended && !strings.Contains(c.shown(), `"lease"`) && time.Until(time.Unix(r.tick, 0).Add(interval)) > interval/4
	})
}

func (c *cluster) last() *run {
	runs := c.runs()
	return runs[len(runs)-1]
}
