package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An observer is "solotick serve" as a process of its own.
type observer struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// observe starts an observer of all jobs of the cluster's file.
func (c *cluster) observe(log string, args ...string) *observer {
	c.t.Helper()
	o := &observer{log: c.path(log), done: make(chan struct{})}
	f, err := os.Create(o.log)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	o.cmd = exec.Command(program, append([]string{"serve", "-c", c.path("solotick.yaml"), "--listen", "127.0.0.1:0", "--every", "1s", "--log-format", "json"}, args...)...)
	o.cmd.Stdout, o.cmd.Stderr, o.cmd.SysProcAttr = f, f, endWithParent()
	o.cmd.Env = append(os.Environ(), c.env...)
	if err := o.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		o.cmd.Wait()
		close(o.done)
	}()
	c.t.Cleanup(func() {
		_ = o.cmd.Process.Kill() // only fails if it has ended
		<-o.done
		if c.t.Failed() {
			c.t.Logf("observer:\n%s", tail(o.log, 40))
		}
	})
	return o
}

// end asks it to end.
func (o *observer) end(t *testing.T) {
	t.Helper()
	if err := o.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-o.done
	if code := o.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the observer ended with %d", code)
	}
}

// TestAlarms: all agents of a job vanish, and an observer that knows nothing but DNS
// tells Slack, and later that it is over; once each, although it is killed itself.
// Somebody who waits to hear that all is well hears nothing meanwhile.
func TestAlarms(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var pings atomic.Int64
	well := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/well" {
			t.Errorf("somebody asked for %s %s", r.Method, r.URL)
		}
		pings.Add(1)
	}))
	defer well.Close()
	c, s := prepare(t, startOwn(t), "watched"), newChat(t)
	c.env = s.env()
	c.configure("notify:\n" + s.byToken("") + "jobs:\n" + jobText("watched", "exec: ["+strconv.Quote(self)+"]"))
	c.launch()
	args := []string{"--notify", "ops", "--ping", well.URL + "/well", "--data", c.path("history")}
	first := c.observe("observer1.log", args...)
	c.await("a ping, since all is well", 30*time.Second, func() bool { return pings.Load() > 0 })

	for _, a := range c.agents {
		a.kill()
	}
	s.await(c, 1)
	before := pings.Load()
	c.await("the observer to note that Slack was told", 20*time.Second, func() bool {
		return strings.Contains(c.read("history.alarms"), `"phase":2`)
	})
	_ = first.cmd.Process.Kill()
	<-first.done
	second := c.observe("observer2.log", args...)
	c.await("the second observer", 20*time.Second, func() bool { return strings.Contains(tail(second.log, 5), `"msg":"serving"`) })
	c.start()
	c.await("that it is over", 150*time.Second, func() bool { return len(s.Messages()) > 1 })
	if n := pings.Load() - before; n > 1 { // one when it is over, and before that is told
		t.Errorf("%d pings while the job was late, want none", n)
	}
	c.await("a ping, since all is well again", 30*time.Second, func() bool { return pings.Load() > before })
	second.end(t)

	var kinds []string
	for _, m := range s.told(t, "watched") {
		kinds = append(kinds, m.kind)
	}
	if diff := cmp.Diff([]string{"firing", "cleared"}, kinds); diff != "" {
		t.Fatalf("messages (-want +got):\n%s", diff)
	}
	checkThreads(t, s)
	for i, want := range []string{"watched has missed ticks", "watched is no longer late"} {
		m := s.Messages()[i]
		if text := m.AllText(); !strings.Contains(text, want) || !strings.Contains(text, "alert late") {
			t.Errorf("message %d says:\n%s\nwant %q", i, text, want)
		}
		if got := fmt.Sprint(m.Metadata.EventPayload["alert"]); got != "late" {
			t.Errorf("message %d is about the alert %q", i, got)
		}
	}
	if text := s.Messages()[0].AllText(); !strings.Contains(text, "no agent lives") || !strings.Contains(text, c.name[:len(c.name)-1]) {
		t.Errorf("the first message does not say what it means:\n%s", text)
	}
	s.check(c)
}
