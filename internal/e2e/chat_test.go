package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/solotick/solotick/notify/notifytest"
)

// The secrets of the tests' Slack: no log may show them.
const slackToken = "xoxb-e2e-111222333"

// A chat takes messages as Slack does, and does to them what a network may.
type chat struct {
	notifytest.Slack
	server *httptest.Server

	mu    sync.Mutex
	fault *notifytest.Fault       // befalls every message; nil: none does
	hangs bool                    // nothing is taken, and nothing answered
	holds chan notifytest.Message // the next message is taken, and not answered
	tries []time.Time             // of messages, with whatever end
}

func newChat(t *testing.T) *chat {
	t.Helper()
	s := &chat{Slack: notifytest.Slack{Token: slackToken}}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

// env is what agents need to reach it.
func (s *chat) env() []string {
	return []string{"SLACK_TOKEN=" + slackToken, "SLACK_WEBHOOK=" + s.server.URL + s.Hook()}
}

// byToken is a notifier with a bot's token, with more keys.
func (s *chat) byToken(more string) string {
	return `  ops: { slack: { token: "${env:SLACK_TOKEN}", channel: C024BE91L, api: ` + s.server.URL + "/api" + more + " } }\n"
}

// byWebhook is one with an incoming webhook.
func (s *chat) byWebhook() string {
	return `  ops: { slack: { webhook: "${env:SLACK_WEBHOOK}" } }` + "\n"
}

func (s *chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/chat.postMessage") && !strings.HasPrefix(r.URL.Path, "/services/") {
		s.Slack.ServeHTTP(w, r)
		return
	}
	s.mu.Lock()
	s.tries = append(s.tries, time.Now())
	hangs, held := s.hangs, s.holds
	s.holds = nil
	if s.fault != nil {
		s.Add(*s.fault)
	}
	s.mu.Unlock()
	switch {
	case hangs:
		io.Copy(io.Discard, r.Body) // until then nobody sees that the client is gone
		<-r.Context().Done()
	case held != nil:
		s.Slack.ServeHTTP(httptest.NewRecorder(), r)
		all := s.Messages()
		held <- all[len(all)-1]
		<-r.Context().Done()
	default:
		s.Slack.ServeHTTP(w, r)
	}
}

// hold has the next message taken and not answered, and returns what gives it.
func (s *chat) hold() <-chan notifytest.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds = make(chan notifytest.Message, 1)
	return s.holds
}

// hang has nothing taken or answered, until it is called with false.
func (s *chat) hang(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs = on
}

// befall has a fault befall every message until it is called with nil.
func (s *chat) befall(f *notifytest.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// tried counts the messages that were sent, whatever became of them.
func (s *chat) tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tries)
}

var keyLine = regexp.MustCompile(`(?m)^key (\S+)$`)

// keyOf is the key of a message, by which a double is recognised: in its metadata
// or, from a webhook, in its last line.
func keyOf(m notifytest.Message) string {
	if m.Metadata != nil {
		key, _ := m.Metadata.EventPayload["key"].(string)
		return key
	}
	if found := keyLine.FindStringSubmatch(m.AllText()); found != nil {
		return found[1]
	}
	return ""
}

// told is what the messages in the channel tell, oldest first.
func (s *chat) told(t *testing.T, job string) (all []told) {
	t.Helper()
	for _, m := range s.Messages() {
		key := keyOf(m)
		part := strings.Split(key, "/")
		if len(part) != 4 || part[0] != job {
			t.Fatalf("a message has the key %q", key)
		}
		tick, err := time.Parse(time.RFC3339, part[3])
		if err != nil {
			t.Fatalf("a message has the key %q", key)
		}
		all = append(all, told{part[2], tick.Unix()})
	}
	return all
}

// await waits for so many messages in the channel.
func (s *chat) await(c *cluster, n int) {
	c.t.Helper()
	c.await("a message", interval+takeover+30*time.Second, func() bool { return len(s.Messages()) >= n })
}

// check wants a Slack that had nothing to refuse, and logs that hold no secret.
func (s *chat) check(c *cluster) {
	c.t.Helper()
	if refused := s.Refused(); len(refused) > 0 {
		c.t.Errorf("Slack refused %v", refused)
	}
	for _, a := range c.agents {
		for line := range strings.Lines(tail(a.log, 1<<20)) {
			if strings.Contains(line, slackToken) || strings.Contains(line, s.Hook()) {
				c.t.Errorf("agent %s logged a secret: %s", a.id, line)
			}
		}
	}
}
