// Package notifytest is a server that takes messages as Slack does, for tests of
// whatever sends them. A test in the same process uses it as an [http.Handler]:
//
//	slack := &notifytest.Slack{Token: "xoxb-test", Channels: []notifytest.Channel{{ID: "C024BE91L", Name: "ops"}}}
//	server := httptest.NewServer(slack)
//	... API at server.URL + "/api", webhook at server.URL + slack.Hook() ...
//	slack.Messages()
//
// A test of programs runs it as a process of its own, with [Main], and asks it
// over HTTP: GET /test/messages, POST /test/fault.
//
// It knows chat.postMessage, chat.update, conversations.history,
// conversations.replies, auth.test and one incoming webhook for each channel. It
// refuses what Slack's documentation says that Slack refuses: a method called
// without POST (those that read may be called with GET), a token that is
// missing, wrong or in the JSON, another content type, a channel that is not
// there, archived, or without the app; a name where an ID is wanted; a message
// with no text, blocks or attachments; more than 100 attachments or 50 blocks;
// blocks of an unknown type, with a field too many or too few, or with texts
// that are empty or too long; a thread_ts or ts with no message; metadata
// without event_type or event_payload, or with other values than text, numbers,
// booleans and flat objects of these; a scope that the token lacks; a text of
// more than 4,000 characters in chat.update. It cuts a text at 40,000 characters
// and warns of it, and of a content type without a charset. If told to, it takes
// one message a second in each channel. Arguments that it does not know it
// refuses, which Slack does not.
package notifytest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Channel is one that exists.
type Channel struct {
	ID       string // C, D or G, and more of A-Z and 0-9
	Name     string // without #
	Archived bool
	Outside  bool // the app is not in it
}

// A Slack is the server. Its fields must not change once it serves.
type Slack struct {
	Token    string    // empty: xoxb-test
	Scopes   []string  // none: chat:write, channels:history and incoming-webhook
	Channels []Channel // none: C024BE91L, named ops

	// RateLimit is how long a channel takes no message after one; 0: it takes any.
	// Slack's is about a second.
	RateLimit time.Duration
	Now       func() time.Time // nil: time.Now

	mu       sync.Mutex
	messages []*Message // in the order of their ts
	faults   []Fault
	refused  []string
	next     map[string]time.Time // when a channel takes a message again
	last     int64                // the latest ts, in microseconds
}

// A Message is what was posted, as it is after its latest change.
type Message struct {
	Channel     string           `json:"channel"` // its ID
	TS          string           `json:"ts"`
	ThreadTS    string           `json:"thread_ts,omitempty"` // that of the thread's first message; empty: it is none of a thread
	Broadcast   bool             `json:"reply_broadcast,omitempty"`
	Text        string           `json:"text"`
	Blocks      []map[string]any `json:"blocks,omitempty"`
	Attachments []map[string]any `json:"attachments,omitempty"`
	Metadata    *Metadata        `json:"metadata,omitempty"`
	Hook        bool             `json:"hook,omitempty"`  // posted by the webhook
	Edits       int              `json:"edits,omitempty"` // how often it was changed
}

// A Metadata is what programs read of a message.
type Metadata struct {
	EventType    string         `json:"event_type"`
	EventPayload map[string]any `json:"event_payload"`
}

// AllText is every text in a message, each in a line: its own, and those of its
// blocks and attachments.
func (m *Message) AllText() string {
	lines := []string{m.Text}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				text, ok := v[key].(string)
				switch {
				case ok && (key == "text" || key == "fallback" || key == "title" || key == "pretext"):
					lines = append(lines, text)
				case !ok:
					walk(v[key])
				}
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	for _, b := range m.Blocks {
		walk(b)
	}
	for _, a := range m.Attachments {
		walk(a)
	}
	return strings.Join(lines, "\n")
}

// Messages returns what is in the channels, oldest first.
func (s *Slack) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Message, 0, len(s.messages))
	for _, m := range s.messages {
		all = append(all, *m)
	}
	return all
}

// Refused returns what was refused, other than by a fault: one line each, the
// method and the error.
func (s *Slack) Refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// Delete takes a message away, as a person can.
func (s *Slack) Delete(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m *Message) bool { return m.TS == ts })
}

// Hook is the path of the incoming webhook of the first channel. The others'
// end in their IDs instead.
func (s *Slack) Hook() string { return s.hook(s.channels()[0].ID) }

func (s *Slack) hook(channel string) string {
	return "/services/T00000000/B00000000/secret" + channel
}

func (s *Slack) channels() []Channel {
	if len(s.Channels) == 0 {
		return []Channel{{ID: "C024BE91L", Name: "ops"}}
	}
	return s.Channels
}

// channel finds a channel by its ID or, if names may be used, its name.
func (s *Slack) channel(id string, names bool) (Channel, bool) {
	for _, c := range s.channels() {
		if id != "" && (c.ID == id || names && strings.TrimPrefix(id, "#") == c.Name) {
			return c, true
		}
	}
	return Channel{}, false
}

func (s *Slack) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// find returns the message with a ts.
func (s *Slack) find(channel, ts string) *Message {
	for _, m := range s.messages {
		if m.Channel == channel && m.TS == ts {
			return m
		}
	}
	return nil
}

// add gives a message its ts, which no other has, and keeps it.
func (s *Slack) add(m *Message) {
	s.last = max(s.now().UnixMicro(), s.last+1)
	m.TS = fmt.Sprintf("%d.%06d", s.last/1e6, s.last%1e6)
	s.messages = append(s.messages, m)
}

// ServeHTTP is the API below /api/, the webhooks below /services/, and for tests
// in other processes, /test/messages, /test/refused and /test/fault.
func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch method, isAPI := strings.CutPrefix(r.URL.Path, "/api/"); {
	case isAPI:
		s.serveMethod(w, r, method)
	case strings.HasPrefix(r.URL.Path, "/services/"):
		s.serveHook(w, r)
	case strings.HasPrefix(r.URL.Path, "/test/"):
		s.serveTest(w, r)
	default:
		http.NotFound(w, r)
	}
}
