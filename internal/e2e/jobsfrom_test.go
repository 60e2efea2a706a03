package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

// TestJobsFrom is a list of jobs that lies elsewhere and is changed while three
// agents run it.
func TestJobsFrom(t *testing.T) {
	t.Parallel()
	bind := start(t, dnstest.BIND)
	for _, s := range []struct {
		name  string
		story func(t *testing.T, at *place)
	}{
		{"picked-up", pickedUp},
		{"broken", broken},
		{"rescheduled", rescheduled},
		{"added-and-removed", addedAndRemoved},
		{"refused", refusedAddresses},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.story(t, bind)
		})
	}
}

// change changes the list between two runs.
func (c *cluster) change(do func()) {
	c.t.Helper()
	c.betweenRuns()
	do()
}

// checkVersion waits for n runs and wants each of them to have this version.
func (c *cluster) checkVersion(a *api, v string, n int) {
	c.t.Helper()
	from := len(a.asked(c.job, at("/check")))
	c.more(n)
	for _, h := range a.asked(c.job, at("/check"))[from:] {
		if h.version != v {
			c.t.Errorf("tick %d of %s was run with version %s of the job, want %s", h.tick, h.agent, h.version, v)
		}
	}
}

// pickedUp: a changed definition is what the next run does, whichever agent it is
// of.
func pickedUp(t *testing.T, at *place) {
	c, a, l := newListed(t, at, "picked", 2*time.Second)
	c.checkVersion(a, "1", 1)
	for i := range 4 {
		v := fmt.Sprint(i + 2)
		c.change(func() { l.set(jobsText(a.version(c.job, v)), 0, nil) })
		if i%2 == 1 {
			c.agent(c.last().agent).kill()
			c.start()
		}
		c.checkVersion(a, v, 2)
	}
	if len(l.unread) == 0 {
		t.Error("an unchanged list was sent again every time")
	}
	c.check()
}

// A breakage is what happens to a list.
type breakage struct {
	name  string
	do    func(l *list, good string)
	want  string // what the log says of it
	mends bool   // by itself: the same text is in force again, not another one
}

func breakages(a *api) []breakage {
	text := func(edit func(string) string) func(*list, string) {
		return func(l *list, good string) { l.set(edit(good), 0, nil) }
	}
	place := regexp.QuoteMeta("/jobs.yaml") + `:[0-9]+:[0-9]+: `
	return []breakage{
		{name: "not YAML", do: text(func(s string) string { return s + "\t- [\n" }), want: place + "not YAML"},
		{name: "an unknown key", do: text(func(s string) string { return strings.Replace(s, "lease:", "leese:", 1) }), want: place + `.*leese`},
		{name: "status 500", do: func(l *list, good string) { l.set(good, http.StatusInternalServerError, nil) }, want: `500 Internal Server Error`, mends: true},
		{name: "no answer", do: func(l *list, good string) { l.set(good, 0, func(string) bool { return true }) }, want: `no answer within 2s`, mends: true},
		{name: "no server", do: func(l *list, _ string) { l.down() }, want: `connection refused`, mends: true},
	}
}

// broken: while the list cannot be used, the jobs go on as they were, the log says
// once why, and later that it is well again.
func broken(t *testing.T, at *place) {
	c, a, l := newListed(t, at, "broken", 2*time.Second)
	v := "1"
	for i, b := range breakages(a) {
		good := jobsText(a.version(c.job, v))
		from := c.troubles()
		c.change(func() { b.do(l, good) })
		c.checkVersion(a, v, 3)
		if b.name == "no server" {
			l.up()
		}
		if !b.mends {
			v = fmt.Sprint(i + 2)
		}
		c.change(func() { l.set(jobsText(a.version(c.job, v)), 0, nil) })
		c.checkVersion(a, v, 1)
		c.checkTroubles(b, from)
	}
	c.check()
}

// troubles are what each agent's log says of the list being wrong and well again.
func (c *cluster) troubles() map[*agent][]string {
	all := map[*agent][]string{}
	for _, a := range c.agents {
		for _, l := range a.lines() {
			if strings.HasPrefix(l.Msg, "the list of jobs") && l.Level != "DEBUG" {
				all[a] = append(all[a], l.Level+" "+l.Msg+": "+l.Err)
			}
		}
	}
	return all
}

// checkTroubles wants one word of the breakage, and one of its end, in the log of
// each agent that has met it. One that has not run since may know of no end.
func (c *cluster) checkTroubles(b breakage, from map[*agent][]string) {
	c.t.Helper()
	runs := c.agent(c.last().agent)
	c.await("the log's word that the list is well again", 30*time.Second, func() bool {
		return len(c.troubles()[runs])-len(from[runs]) != 1 // 0: it has met nothing
	})
	met := 0
	for a, all := range c.troubles() {
		all = all[len(from[a]):]
		if len(all) == 0 {
			continue
		}
		met++
		good := regexp.MustCompile("^ERROR .*" + b.want).MatchString(all[0])
		if a == runs {
			good = good && len(all) == 2 && strings.HasPrefix(all[1], "INFO the list of jobs is well again")
		} else {
			good = good && len(all) == 1
		}
		if !good {
			c.t.Errorf("%s: the log of %s says of the list:\n%s\nwant once what matches %q, and that it is well again", b.name, a.id, strings.Join(all, "\n"), b.want)
		}
	}
	if met == 0 {
		c.t.Errorf("%s: no log says anything of it", b.name)
	}
}

// rescheduled: the job's ticks are moved from every 2 s to every 3 s while two
// agents cannot read that for some time. Meanwhile ticks of both schedules are
// run, none twice, and nobody fights over the record; afterwards those of the new
// one.
func rescheduled(t *testing.T, _ *place) {
	c, a, l := newListed(t, start(t, dnstest.BIND), "rescheduled", 500*time.Millisecond, "offset: 0s", "affinity: none")
	c.more(1)
	c.betweenRuns()
	writes, ran := c.writes(), len(c.runs())
	next := jobsText(a.version(c.job, "2", "every: 3s", "offset: 0s", "affinity: none"))
	l.set(next, 0, func(agent string) bool { return agent != "0" })
	c.agents[0].signal(t, syscall.SIGHUP) // so that it looks at once
	c.await("a tick of each schedule that is none of the other", 2*time.Minute, func() bool {
		return c.ranOn(ran, 2, 3) && c.ranOn(ran, 3, 2)
	})
	l.set(next, 0, nil)
	for _, g := range c.agents {
		g.signal(t, syscall.SIGHUP)
	}
	c.await("all agents' knowledge", 30*time.Second, func() bool {
		return !slices.ContainsFunc(c.agents, func(g *agent) bool {
			return !slices.ContainsFunc(g.lines(), func(l logLine) bool { return l.Msg == "the job has changed" })
		})
	})
	c.more(1)
	known := len(c.runs())
	c.more(3)
	for _, r := range c.runs()[known:] {
		if r.tick%3 != 0 {
			t.Errorf("tick %d is none of the new schedule, which every agent knows", r.tick)
		}
	}
	c.end()
	runs := c.runs()
	claims := 0
	for i, r := range runs {
		if i > 0 && r.tick <= runs[i-1].tick {
			t.Errorf("tick %d was run after tick %d", r.tick, runs[i-1].tick)
		}
		if i >= ran {
			claims += r.attempt // an agent that is replaced may hand over what it has just claimed
		}
	}
	if writes := c.writes() - writes; writes > 2*claims {
		t.Errorf("%d writes for %d claims, want two for each at most", writes, claims)
	}
	c.checkFences(runs)
	c.checkOverlap(runs)
	c.checkEnds(runs)
}

// ranOn says whether a tick was run, after so many runs, that is a multiple of a
// and not of b.
func (c *cluster) ranOn(after int, a, b int64) bool {
	return slices.ContainsFunc(c.runs()[after:], func(r *run) bool { return r.tick%a == 0 && r.tick%b != 0 })
}
