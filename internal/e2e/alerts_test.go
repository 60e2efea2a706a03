package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/notify/notifytest"
)

// TestAlerts is a job that asks an API and tells Slack, on three agents that are
// killed: one message for each change, whoever runs the tick.
func TestAlerts(t *testing.T) {
	t.Parallel()
	bind := start(t, dnstest.BIND)
	for _, s := range []struct {
		name  string
		story func(t *testing.T, at *place)
	}{
		{"changes-by-token", func(t *testing.T, at *place) { changes(t, at, "token", func(s *chat) string { return s.byToken("") }) }},
		{"changes-by-webhook", func(t *testing.T, at *place) { changes(t, at, "webhook", (*chat).byWebhook) }},
		{"killed-around", func(t *testing.T, at *place) { killedAround(t, at, "around", false) }},
		{"killed-around-dedupe", func(t *testing.T, at *place) { killedAround(t, at, "dedupe", true) }},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.story(t, bind)
		})
	}
}

// wrongAlert is the step that tells ops of what the step check has found.
const wrongAlert = `- alert: ops
  if: steps.check.json.wrong
  text: "something is wrong, says {{ agent }}"`

// newAlerting starts a cluster whose job asks the API and tells Slack.
func newAlerting(t *testing.T, at *place, job string, notifier func(*chat) string, extra ...string) (*cluster, *api, *chat) {
	t.Helper()
	c := prepare(t, at, job)
	a, s := newAPI(t, c), newChat(t)
	c.env = s.env()
	steps := stepsText(
		a.step("/check", "", "id: check"),
		a.step("/middle", ""),
		wrongAlert,
		a.step("/end", ""),
	)
	c.configure("notify:\n" + notifier(s) + "jobs:\n" + jobText(job, append(extra, steps)...))
	c.launch()
	return c, a, s
}

// changes: the answers change at random while incumbents are killed between runs.
func changes(t *testing.T, at *place, job string, notifier func(*chat) string) {
	c, a, s := newAlerting(t, at, job, notifier, "affinity: none", "catch_up: all")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 8 {
		a.set(i%2 == 0)
		c.more(1 + random.IntN(2))
		if i%3 == 2 {
			c.betweenRuns()
			c.agent(c.last().agent).kill()
			c.start()
		}
	}
	c.more(1)
	c.check()
	want := a.changes(job)
	if len(want) < 8 {
		t.Errorf("the answers changed %d times, want 8", len(want))
	}
	if diff := cmp.Diff(want, s.told(t, job), cmp.AllowUnexported(told{})); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	agents := map[string]bool{}
	for _, r := range c.runs() {
		agents[r.agent] = true
	}
	t.Logf("%d runs on %d agents, %d messages", len(c.runs()), len(agents), len(want))
	if len(agents) < 3 {
		t.Errorf("%d agents took part, want 3", len(agents))
	}
	checkThreads(t, s)
	s.check(c)
}

// checkThreads: that it is over is said in the thread of the message which said
// that it began, although another agent may have sent that one.
func checkThreads(t *testing.T, s *chat) {
	t.Helper()
	first := ""
	for _, m := range s.Messages() {
		switch {
		case m.Hook:
		case m.Metadata.EventPayload["kind"] == "firing":
			first = m.TS
		case m.ThreadTS != first || !m.Broadcast:
			t.Errorf("the message %s is in the thread of %q, want %q and in the channel too", keyOf(m), m.ThreadTS, first)
		}
	}
}

// killedAround: the agent that runs is killed once it has the API's answer and
// before it tells Slack, and later when it has told Slack and before it reports.
func killedAround(t *testing.T, at *place, job string, dedupe bool) {
	more := ""
	if dedupe {
		more = ", dedupe: true"
	}
	c, a, s := newAlerting(t, at, job, func(s *chat) string { return s.byToken(more) }, "catch_up: all")
	c.more(1)

	held := a.hold("/middle")
	a.set(true)
	before := c.killAt(receive(t, "a run between the API and Slack", held).agent)
	if n := len(s.Messages()); n != 0 {
		t.Fatalf("Slack has %d messages before the takeover", n)
	}
	next := c.rerun(before, takeover+slack)
	s.await(c, 1)
	c.more(2)
	if diff := cmp.Diff([]told{{"firing", next.tick}}, s.told(t, job), cmp.AllowUnexported(told{})); diff != "" {
		t.Fatalf("messages after a kill before Slack (-want +got):\n%s", diff)
	}

	pardons := []pardon{again(before)}
	for _, wrong := range []bool{false, true} {
		pardons = append(pardons, again(c.killAfterPost(a, s, wrong, dedupe)))
	}
	c.more(1)
	c.check(pardons...)
	s.check(c)
}

// killAfterPost kills the agent that has told Slack of a change, before it can
// report, and counts what the takeover adds.
func (c *cluster) killAfterPost(a *api, s *chat, wrong, dedupe bool) *run {
	c.t.Helper()
	n := len(s.Messages())
	held := s.hold()
	a.set(wrong)
	m := receive(c.t, "a message", held)
	r := c.killAt(m.Metadata.EventPayload["agent"].(string))
	next := c.rerun(r, takeover+slack)
	c.more(2)
	posted := s.Messages()[n:]
	want := []string{keyOf(m), keyOf(m)}
	if dedupe {
		want = want[:1]
	}
	var keys []string
	for _, p := range posted {
		keys = append(keys, keyOf(p))
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		c.t.Errorf("messages about the change at tick %d (-want +got):\n%s", r.tick, diff)
	}
	if len(posted) == 2 {
		checkDouble(c.t, posted[1], next)
	}
	return r
}

// checkDouble wants a message that may be a double to say so.
func checkDouble(t *testing.T, m notifytest.Message, r *run) {
	t.Helper()
	if got := fmt.Sprint(m.Metadata.EventPayload["attempt"]); got != fmt.Sprint(r.attempt) {
		t.Errorf("the second message says attempt %s, want %d", got, r.attempt)
	}
	if !strings.Contains(m.AllText(), "may have posted this already") {
		t.Errorf("the second message does not say that it may be one:\n%s", m.AllText())
	}
}

// killAt kills an agent amid its run, starts another, and returns that run.
func (c *cluster) killAt(id string) *run {
	c.t.Helper()
	c.agent(id).kill()
	r := c.last()
	if r.agent != id || r.ended {
		c.t.Fatalf("agent %s was killed, and the last run is tick %d of %s (ended: %v)", id, r.tick, r.agent, r.ended)
	}
	c.start()
	return r
}
