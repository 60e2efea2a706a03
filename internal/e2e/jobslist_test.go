package e2e

import (
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// addedAndRemoved: a job that is added to the list is run, one that is removed is
// not, and one that runs commands has to be allowed by the agents' own file.
func addedAndRemoved(t *testing.T, at *place) {
	c, a, l := newListed(t, at, "stays", 2*time.Second)
	stays, comes := a.version(c.job, "1"), a.version("comes", "1", "offset: 1s")
	ran := func(h hit) bool { return h.path == "/end" }

	c.change(func() { l.set(jobsText(stays, comes), 0, nil) })
	c.await("a job that was added", interval+30*time.Second, func() bool { return len(a.asked("comes", ran)) >= 2 })

	c.change(func() { l.set(jobsText(stays), 0, nil) })
	gone := time.Now().Unix()
	c.await("a run that finds its job gone", 2*interval+30*time.Second, func() bool {
		return c.logged(func(l logLine) bool { return l.Job == "comes" && l.Msg == "ran" && l.Result == "skipped" }) > 0
	})
	c.more(3)
	if late := a.asked("comes", func(h hit) bool { return h.tick > gone }); len(late) > 0 {
		t.Errorf("ticks of a job that is gone were run: %v", late)
	}
	// Each of the others may have begun one before it knew.
	if n := c.logged(func(l logLine) bool { return l.Job == "comes" && l.Msg == "ran" && l.Result != "ok" }); n > 3 {
		t.Errorf("%d runs of a job that is gone, want one of an agent", n)
	}

	marker := c.path("marker")
	c.change(func() { l.set(jobsText(stays, jobText("comes", "exec: [touch, "+marker+"]")), 0, nil) })
	c.await("a word about a command that is not allowed", interval+30*time.Second, func() bool {
		return c.logged(func(l logLine) bool {
			return l.Level == "ERROR" && strings.Contains(l.Err, "/jobs.yaml:") && strings.Contains(l.Err, "may not run commands on this machine")
		}) > 0
	})
	c.more(2)
	if _, err := os.Stat(marker); !os.IsNotExist(err) {
		t.Errorf("the command was run (%v)", err)
	}

	n := len(a.asked("comes", ran))
	c.change(func() { l.set(jobsText(stays, comes), 0, nil) })
	c.await("the job that is there again", interval+30*time.Second, func() bool { return len(a.asked("comes", ran)) > n })
	c.check()
	ticks := map[int64]bool{}
	for _, h := range a.asked("comes", ran) {
		if ticks[h.tick] {
			t.Errorf("tick %d of the other job was run twice", h.tick)
		}
		ticks[h.tick] = true
	}
}

// A trap is a place that must not be reached.
type trap struct {
	addr  string
	count atomic.Int32 // connections
}

func newTrap(t *testing.T, addr string) *trap {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &trap{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.count.Add(1)
			conn.Close()
		}
	}()
	return p
}

// refusedAddresses: a job from elsewhere reaches no metadata service and no
// private address that the agents' own file does not allow, neither directly nor
// by a redirect. The step fails, and says why.
func refusedAddresses(t *testing.T, at *place) {
	c := prepare(t, at, "refused")
	a, s, p := newAPI(t, c), newChat(t), newTrap(t, "127.0.0.2:0")
	c.env = s.env()
	const metadata = "http://169.254.169.254/latest/meta-data/"
	text := jobsText(
		jobText(c.job, stepsText(
			a.step("/check", ""),
			"- {id: metadata, http: \""+metadata+"\", may_fail: true}",
			"- {id: private, http: \"http://"+p.addr+"/\", may_fail: true}",
			a.step("/away", "&to=http://"+p.addr+"/", "id: redirected", "may_fail: true"),
			a.step("/away", "&to="+metadata, "id: to_metadata", "may_fail: true"),
			"- http:\n    url: \""+a.server.URL+"/report?"+whoAsks+"\"\n"+
				`    json: { metadata: "{{ steps.metadata.error }}", private: "{{ steps.private.error }}", redirected: "{{ steps.redirected.error }}", to_metadata: "{{ steps.to_metadata.error }}" }`,
			a.step("/end", ""),
		)),
		jobText("strict", stepsText("- http: "+metadata), "on_failure: { alert: ops }"),
	)
	c.configure("notify:\n" + s.byToken("") + newList(t, text).from(2*time.Second, "127.0.0.1"))
	c.launch()
	c.more(2)
	s.await(c, 1)
	strict := c.query("strict."+c.at.zone, "TXT")
	c.check()
	s.check(c)

	const never, notAllowed = "169.254.169.254 is link-local, multicast or none, and never reached", "127.0.0.2 is no public address, and the agent's own file does not allow it"
	reports := a.asked(c.job, func(h hit) bool { return h.path == "/report" })
	for _, h := range reports {
		for step, want := range map[string]string{"metadata": never, "private": notAllowed, "redirected": notAllowed, "to_metadata": never} {
			if got, _ := h.body[step].(string); !strings.Contains(got, want) {
				t.Errorf("step %s of tick %d ended with %q, want %q", step, h.tick, got, want)
			}
		}
	}
	if len(reports) == 0 {
		t.Error("no run told how its steps ended")
	}
	if n := p.count.Load(); n > 0 {
		t.Errorf("%d connections were made to an address that is not allowed", n)
	}
	if !strings.Contains(strict, `"last\":\"failed\"`) {
		t.Errorf("the record of a job that asks for nothing else says %s", strict)
	}
	if all := s.Messages(); len(all) != 1 || !strings.Contains(all[0].AllText(), never) {
		t.Errorf("people were told %d times, first %s", len(all), all[0].AllText())
	}
}
