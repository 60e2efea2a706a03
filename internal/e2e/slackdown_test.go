package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/notify/notifytest"
)

// tellTime is how long a job waits for Slack at most.
const tellTime = 10 * time.Second

// An outage is a Slack that does not do what it is asked.
type outage struct {
	name   string
	fault  *notifytest.Fault // nil: it hangs
	dedupe bool
	stored bool          // what it does not acknowledge is there all the same
	doubt  bool          // nobody can know that
	takes  time.Duration // how much longer a run takes
	tries  int           // how often it is tried at first
}

func (o *outage) begin(s *chat) {
	s.befall(o.fault)
	s.hang(o.fault == nil)
}

func (o *outage) end(s *chat) {
	s.befall(nil)
	s.hang(false)
}

// TestSlackDown: while Slack is away the job's runs are well and in time, and what
// there was to tell is told once it is back.
func TestSlackDown(t *testing.T) {
	t.Parallel()
	bind := start(t, dnstest.BIND)
	for _, o := range []outage{
		{name: "fails", fault: &notifytest.Fault{What: notifytest.Fail}, doubt: true, tries: 2},
		{name: "loses-replies", fault: &notifytest.Fault{What: notifytest.LoseReply}, doubt: true, stored: true, tries: 2},
		{name: "loses-replies-dedupe", fault: &notifytest.Fault{What: notifytest.LoseReply}, doubt: true, stored: true, dedupe: true, tries: 1}, // the second look finds it
		{name: "busy", fault: &notifytest.Fault{What: notifytest.Busy, For: time.Minute}, tries: 2},
		{name: "hangs", doubt: true, takes: tellTime, tries: 1},
	} {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			slackDown(t, bind, &o)
		})
	}
}

func slackDown(t *testing.T, at *place, o *outage) {
	more := ""
	if o.dedupe {
		more = ", dedupe: true"
	}
	c, a, s := newAlerting(t, at, o.name, func(s *chat) string { return s.byToken(more) })
	o.begin(s)
	a.set(true)
	o.fail(c, s, o.tries)
	since := a.changes(c.job)[0].tick
	o.end(s)
	c.await("a message", interval+2*o.takes+30*time.Second, func() bool { return acknowledged(c) })
	c.more(1)
	o.checkTold(t, c, s, since)

	if !o.stored && o.takes == 0 { // with the others it would be the same again
		o.comesAndGoes(t, c, a, s)
	}
	c.check()
	o.checkRuns(t, c)
	s.check(c)
}

// comesAndGoes: a condition that turns true and false while Slack is away is told
// as one that has passed.
func (o *outage) comesAndGoes(t *testing.T, c *cluster, a *api, s *chat) {
	t.Helper()
	n := len(s.Messages())
	a.set(false)
	s.await(c, n+1)
	o.begin(s)
	a.set(true)
	o.fail(c, s, 1)
	a.set(false)
	c.more(1)
	o.end(s)
	s.await(c, n+2)
	c.more(1)
	var kinds []string
	for _, m := range s.told(t, c.job)[n:] {
		kinds = append(kinds, m.kind)
	}
	if diff := cmp.Diff([]string{"cleared", "passed"}, kinds); diff != "" {
		t.Errorf("what is told of a condition that came and went while Slack was away (-want +got):\n%s", diff)
	}
}

// fail waits for so many more messages that Slack does not acknowledge, and for
// the end of the runs that send them.
func (o *outage) fail(c *cluster, s *chat, n int) {
	c.t.Helper()
	before := s.tried()
	c.await("messages that Slack does not take", time.Duration(n)*(interval+o.takes)+30*time.Second, func() bool { return s.tried() >= before+n })
	r := c.last()
	c.await("the run's end", o.takes+30*time.Second, func() bool {
		return slices.ContainsFunc(c.ended(), func(e *run) bool { return e.tick >= r.tick })
	})
}

// acknowledged says that a message was sent that Slack has answered for.
func acknowledged(c *cluster) bool {
	return c.logged(func(l logLine) bool { return l.Msg == "step" && strings.HasPrefix(l.Note, "told ops: ") }) > 0
}

// checkTold wants the message about the first change, as often as this outage
// makes it, and its doubt said where there is one.
func (o *outage) checkTold(t *testing.T, c *cluster, s *chat, since int64) {
	t.Helper()
	all := s.Messages()
	want := 1
	if o.stored && !o.dedupe {
		want = s.tried()
	}
	if len(all) != want {
		t.Errorf("Slack has %d messages about one change, want %d", len(all), want)
	}
	for i, m := range all {
		if got, want := m.Metadata.EventPayload["since"], time.Unix(since, 0).UTC().Format(time.RFC3339); got != want || !strings.Contains(keyOf(m), "/firing/") {
			t.Errorf("message %d is %s, since %v; want firing since %s", i, keyOf(m), got, want)
		}
		first := o.stored && i == 0
		if said := strings.Contains(m.AllText(), "this may be a double"); said != (o.doubt && !first) {
			t.Errorf("message %d says that it may be a double: %v, want %v:\n%s", i, said, o.doubt && !first, m.AllText())
		}
	}
	untold := c.logged(func(l logLine) bool {
		return l.Level == "ERROR" && l.Step != "" && strings.Contains(l.Err, "nobody could be told")
	})
	if untold < o.tries {
		t.Errorf("%d errors in the logs say that nobody could be told, want %d", untold, o.tries)
	}
}

// checkRuns: no run had anything to do with it. The record says ok; none was late
// by more than another one's message may take.
func (o *outage) checkRuns(t *testing.T, c *cluster) {
	t.Helper()
	if text := c.dig(); !strings.Contains(text, `"last":"ok"`) {
		t.Errorf("the record says %s", text)
	}
	for _, r := range c.runs() {
		if late := r.begin.Sub(time.Unix(r.tick, 0)); late > o.takes+slack {
			t.Errorf("tick %d was run %v late, want %v at most", r.tick, late, o.takes+slack)
		}
		if r.attempt != 1 {
			t.Errorf("tick %d has an attempt %d", r.tick, r.attempt)
		}
	}
	if n := c.logged(func(l logLine) bool { return l.Msg == "ran" && l.Result != "ok" }); n > 0 {
		t.Errorf("%d runs did not go well", n)
	}
}
