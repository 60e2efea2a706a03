package notifytest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/solotick/solotick/notify/notifytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A client calls a server that runs for one test.
type client struct {
	t     *testing.T
	url   string
	token string
	http  *http.Client
}

func serve(t *testing.T, s *notifytest.Slack) *client {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c := server.Client()
	t.Cleanup(c.CloseIdleConnections)
	return &client{t: t, url: server.URL, token: "xoxb-test", http: c}
}

// call posts a document to a method, and returns the answer.
func (c *client) call(method, document string) map[string]any {
	c.t.Helper()
	return c.do(http.MethodPost, "/api/"+method, "application/json; charset=utf-8", document)
}

func (c *client) do(verb, path, contentType, body string) map[string]any {
	c.t.Helper()
	status, text := c.raw(verb, path, contentType, body)
	var answer map[string]any
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s", verb, path, status, text)
	}
	return answer
}

func (c *client) raw(verb, path, contentType, body string) (int, string) {
	c.t.Helper()
	status, text, err := c.try(verb, path, contentType, body)
	if err != nil {
		c.t.Fatal(err)
	}
	return status, text
}

func (c *client) try(verb, path, contentType, body string) (int, string, error) {
	r, err := http.NewRequestWithContext(c.t.Context(), verb, c.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

var channels = []notifytest.Channel{
	{ID: "C024BE91L", Name: "ops"},
	{ID: "C0ARCHIVE", Name: "old", Archived: true},
	{ID: "C0OUTSIDE", Name: "private", Outside: true},
}

// blocks is n dividers.
func blocks(n int) string { return strings.TrimSuffix(strings.Repeat(`{"type":"divider"},`, n), ",") }

// TestRefused has one request for each thing that is refused, and what is said.
func TestRefused(t *testing.T) {
	const ops = `"channel":"C024BE91L"`
	section := func(text string) string {
		return `{` + ops + `,"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"` + text + `"}}]}`
	}
	for name, tt := range map[string]struct {
		method, document, want string
	}{
		"no such method":           {"chat.shout", `{}`, "unknown_method"},
		"no such channel":          {"chat.postMessage", `{"channel":"C0NOWHERE","text":"x"}`, "channel_not_found"},
		"no channel":               {"chat.postMessage", `{"text":"x"}`, "channel_not_found"},
		"archived":                 {"chat.postMessage", `{"channel":"#old","text":"x"}`, "is_archived"},
		"outside":                  {"chat.postMessage", `{"channel":"private","text":"x"}`, "not_in_channel"},
		"no text":                  {"chat.postMessage", `{` + ops + `}`, "no_text"},
		"empty text":               {"chat.postMessage", `{` + ops + `,"text":""}`, "no_text"},
		"no JSON":                  {"chat.postMessage", `{`, "invalid_json"},
		"no object":                {"chat.postMessage", `[]`, "json_not_object"},
		"unknown argument":         {"chat.postMessage", `{` + ops + `,"text":"x","txet":"y"}`, "invalid_arguments"},
		"token in the JSON":        {"chat.postMessage", `{` + ops + `,"text":"x","token":"xoxb-test"}`, "invalid_arguments"},
		"51 blocks":                {"chat.postMessage", `{` + ops + `,"blocks":[` + blocks(51) + `]}`, "invalid_blocks"},
		"blocks no array":          {"chat.postMessage", `{` + ops + `,"blocks":{}}`, "invalid_blocks_format"},
		"unknown block":            {"chat.postMessage", `{` + ops + `,"blocks":[{"type":"heading"}]}`, "invalid_blocks"},
		"empty section":            {"chat.postMessage", section(""), "invalid_blocks"},
		"long section":             {"chat.postMessage", section(strings.Repeat("x", 3001)), "invalid_blocks"},
		"section without text":     {"chat.postMessage", `{` + ops + `,"blocks":[{"type":"section"}]}`, "invalid_blocks"},
		"header in mrkdwn":         {"chat.postMessage", `{` + ops + `,"blocks":[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]}`, "invalid_blocks"},
		"long header":              {"chat.postMessage", `{` + ops + `,"blocks":[{"type":"header","text":{"type":"plain_text","text":"` + strings.Repeat("x", 151) + `"}}]}`, "invalid_blocks"},
		"context without elements": {"chat.postMessage", `{` + ops + `,"blocks":[{"type":"context","elements":[]}]}`, "invalid_blocks"},
		"block in an attachment":   {"chat.postMessage", `{` + ops + `,"attachments":[{"blocks":[{"type":"section"}]}]}`, "invalid_blocks"},
		"101 attachments":          {"chat.postMessage", `{` + ops + `,"attachments":[` + strings.TrimSuffix(strings.Repeat(`{"text":"x"},`, 101), ",") + `]}`, "too_many_attachments"},
		"colour":                   {"chat.postMessage", `{` + ops + `,"attachments":[{"text":"x","color":"red"}]}`, "invalid_arguments"},
		"thread_ts a number":       {"chat.postMessage", `{` + ops + `,"text":"x","thread_ts":1602251441.0017}`, "invalid_thread_ts"},
		"thread_ts of nothing":     {"chat.postMessage", `{` + ops + `,"text":"x","thread_ts":"1602251441.001700"}`, "thread_not_found"},
		"metadata without type":    {"chat.postMessage", `{` + ops + `,"text":"x","metadata":{"event_payload":{}}}`, "invalid_metadata_format"},
		"metadata type":            {"chat.postMessage", `{` + ops + `,"text":"x","metadata":{"event_type":"a.b","event_payload":{}}}`, "invalid_metadata_schema"},
		"metadata null":            {"chat.postMessage", `{` + ops + `,"text":"x","metadata":{"event_type":"a","event_payload":{"k":null}}}`, "invalid_metadata_schema"},
		"metadata too deep":        {"chat.postMessage", `{` + ops + `,"text":"x","metadata":{"event_type":"a","event_payload":{"k":{"l":{"m":1}}}}}`, "invalid_metadata_schema"},
		"update of nothing":        {"chat.update", `{` + ops + `,"ts":"1602251441.001700","text":"x"}`, "message_not_found"},
		"update by name":           {"chat.update", `{"channel":"ops","ts":"1602251441.001700","text":"x"}`, "channel_not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &notifytest.Slack{Channels: channels}
			answer := serve(t, s).call(tt.method, tt.document)
			if answer["ok"] != false || answer["error"] != tt.want {
				t.Errorf("answer %v, want %s", answer, tt.want)
			}
			if got := s.Messages(); len(got) != 0 {
				t.Errorf("it was refused, and is there: %v", got)
			}
			if got := s.Refused(); len(got) != 1 || !strings.HasPrefix(got[0], tt.method+": "+tt.want) {
				t.Errorf("Refused: %q", got)
			}
		})
	}
}

// TestTransport is about what comes before the arguments.
func TestTransport(t *testing.T) {
	const good = `{"channel":"#ops","text":"x"}`
	for name, tt := range map[string]struct {
		token, verb, path, contentType, body, want string
	}{
		"no token":               {"", "POST", "chat.postMessage", "application/json", good, "not_authed"},
		"wrong token":            {"xoxb-wrong", "POST", "chat.postMessage", "application/json", good, "invalid_auth"},
		"GET":                    {"xoxb-test", "GET", "chat.postMessage?channel=ops&text=x", "", "", "invalid_post_type"},
		"PUT":                    {"xoxb-test", "PUT", "chat.postMessage", "application/json", good, "invalid_post_type"},
		"no content type":        {"xoxb-test", "POST", "chat.postMessage", "", good, "missing_post_type"},
		"XML":                    {"xoxb-test", "POST", "chat.postMessage", "text/xml", good, "invalid_post_type"},
		"charset":                {"xoxb-test", "POST", "chat.postMessage", "application/json; charset=utf-16", good, "invalid_charset"},
		"JSON to a method reads": {"xoxb-test", "POST", "conversations.history", "application/json", `{"channel":"C024BE91L"}`, "invalid_post_type"},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, &notifytest.Slack{})
			c.token = tt.token
			if answer := c.do(tt.verb, "/api/"+tt.path, tt.contentType, tt.body); answer["error"] != tt.want {
				t.Errorf("answer %v, want %s", answer, tt.want)
			}
		})
	}
	t.Run("warned", func(t *testing.T) {
		answer := serve(t, &notifytest.Slack{}).do("POST", "/api/chat.postMessage", "application/json", good)
		if answer["ok"] != true || answer["warning"] != "missing_charset" {
			t.Errorf("answer %v", answer)
		}
	})
	t.Run("form", func(t *testing.T) {
		answer := serve(t, &notifytest.Slack{}).do("POST", "/api/chat.postMessage", "application/x-www-form-urlencoded", `channel=ops&text=x&blocks=[{"type":"divider"}]`)
		if answer["ok"] != true {
			t.Errorf("answer %v", answer)
		}
	})
}

// TestThread posts, replies, shows a reply, changes a message, and reads it all.
func TestThread(t *testing.T) {
	s := &notifytest.Slack{Now: func() time.Time { return time.Unix(1767323040, 0) }}
	c := serve(t, s)
	first := c.call("chat.postMessage", `{"channel":"ops","text":"first","metadata":{"event_type":"e","event_payload":{"k":"v"}}}`)["ts"].(string)
	quiet := c.call("chat.postMessage", `{"channel":"ops","text":"quiet","thread_ts":"`+first+`"}`)["ts"].(string)
	c.call("chat.postMessage", `{"channel":"ops","text":"loud","thread_ts":"`+first+`","reply_broadcast":true}`)
	if a := c.call("chat.postMessage", `{"channel":"ops","text":"x","thread_ts":"`+quiet+`"}`); a["error"] != "cannot_reply_to_message" {
		t.Errorf("a reply to a reply: %v", a)
	}
	if a := c.call("chat.update", `{"channel":"C024BE91L","ts":"`+first+`","text":"changed"}`); a["ok"] != true {
		t.Errorf("update: %v", a)
	}
	if a := c.call("chat.update", `{"channel":"C024BE91L","ts":"`+first+`","text":"`+strings.Repeat("x", 4001)+`"}`); a["error"] != "msg_too_long" {
		t.Errorf("long update: %v", a)
	}
	want := []notifytest.Message{
		{Channel: "C024BE91L", TS: "1767323040.000000", Text: "changed", Edits: 1, Metadata: &notifytest.Metadata{EventType: "e", EventPayload: map[string]any{"k": "v"}}},
		{Channel: "C024BE91L", TS: "1767323040.000001", ThreadTS: first, Text: "quiet"},
		{Channel: "C024BE91L", TS: "1767323040.000002", ThreadTS: first, Text: "loud", Broadcast: true},
	}
	if diff := cmp.Diff(want, s.Messages()); diff != "" {
		t.Error(diff)
	}
	texts := func(query string) string {
		t.Helper()
		answer := c.do("GET", "/api/"+query, "", "")
		var all []string
		for _, m := range answer["messages"].([]any) {
			all = append(all, m.(map[string]any)["text"].(string))
		}
		return strings.Join(all, " ")
	}
	for query, want := range map[string]string{
		"conversations.history?channel=C024BE91L":                                            "loud changed",
		"conversations.history?channel=C024BE91L&limit=1":                                    "loud",
		"conversations.history?channel=C024BE91L&limit=1&cursor=after1":                      "changed",
		"conversations.history?channel=C024BE91L&oldest=" + first:                            "loud",
		"conversations.history?channel=C024BE91L&inclusive=true&oldest=" + first:             "loud changed",
		"conversations.history?channel=C024BE91L&latest=" + first:                            "",
		"conversations.replies?channel=C024BE91L&ts=" + first:                                "changed quiet loud",
		"conversations.replies?channel=C024BE91L&oldest=1767323040.000001&ts=" + first:       "loud",
		"conversations.history?channel=C024BE91L&oldest=1767323040&latest=1767323040.000001": "changed",
	} {
		if got := texts(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	s.Delete(first)
	if a := c.do("GET", "/api/conversations.replies?channel=C024BE91L&ts="+first, "", ""); a["error"] != "thread_not_found" {
		t.Errorf("a thread that was deleted: %v", a)
	}
}

// TestMetadataIsAskedFor gives what programs wrote only to who asks for it.
func TestMetadataIsAskedFor(t *testing.T) {
	c := serve(t, &notifytest.Slack{})
	c.call("chat.postMessage", `{"channel":"ops","text":"x","metadata":{"event_type":"e","event_payload":{"k":"v"}}}`)
	for query, want := range map[string]any{"": map[string]any(nil), "&include_all_metadata=true": map[string]any{"k": "v"}} {
		answer := c.do("GET", "/api/conversations.history?channel=C024BE91L"+query, "", "")
		m := answer["messages"].([]any)[0].(map[string]any)["metadata"].(map[string]any)
		got, _ := m["event_payload"].(map[string]any)
		if m["event_type"] != "e" || !cmp.Equal(any(got), want) {
			t.Errorf("%q: %v", query, m)
		}
	}
}

func TestScopes(t *testing.T) {
	c := serve(t, &notifytest.Slack{Scopes: []string{"incoming-webhook"}})
	answer := c.call("chat.postMessage", `{"channel":"ops","text":"x"}`)
	want := map[string]any{"ok": false, "error": "missing_scope", "needed": "chat:write", "provided": "incoming-webhook"}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Error(diff)
	}
	if answer := c.call("auth.test", `{}`); answer["ok"] != true {
		t.Errorf("auth.test: %v", answer)
	}
}

func TestRateLimit(t *testing.T) {
	now := time.Unix(1767323040, 0)
	s := &notifytest.Slack{RateLimit: time.Second, Now: func() time.Time { return now }}
	c := serve(t, s)
	const x = `{"channel":"ops","text":"x"}`
	c.call("chat.postMessage", x)
	for _, path := range []string{"/api/chat.postMessage", s.Hook()} {
		if status, text := c.raw("POST", path, "application/json; charset=utf-8", x); status != 429 || !strings.Contains(text, "ratelimited") {
			t.Errorf("%s, at once: %d %s", path, status, text)
		}
	}
	now = now.Add(time.Second)
	c.call("chat.postMessage", x)
	if n := len(s.Messages()); n != 2 {
		t.Errorf("%d messages", n)
	}
}

func TestHook(t *testing.T) {
	s := &notifytest.Slack{Channels: channels}
	c := serve(t, s)
	old := strings.Replace(s.Hook(), "C024BE91L", "C0ARCHIVE", 1)
	for _, tt := range []struct {
		path, body string
		status     int
		want       string
	}{
		{s.Hook(), `{"text":"x"}`, 200, "ok"},
		{s.Hook(), `{"text":"x","channel":"#other"}`, 400, "invalid_payload"},
		{s.Hook(), `{"blocks":[{"type":"section"}]}`, 400, "invalid_payload"},
		{s.Hook(), `x`, 400, "invalid_payload"},
		{s.Hook(), `{}`, 400, "no_text"},
		{old, `{"text":"x"}`, 410, "channel_is_archived"},
		{"/services/T0/B0/none", `{"text":"x"}`, 404, "no_service"},
	} {
		if status, text := c.raw("POST", tt.path, "application/json", tt.body); status != tt.status || text != tt.want {
			t.Errorf("%s %s: %d %s, want %d %s", tt.path, tt.body, status, text, tt.status, tt.want)
		}
	}
	if got := s.Messages(); len(got) != 1 || !got[0].Hook || got[0].Text != "x" {
		t.Errorf("messages: %+v", got)
	}
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		fault  notifytest.Fault
		status int // 0: no answer
		stored int
	}{
		{notifytest.Fault{What: notifytest.LoseReply}, 0, 1},
		{notifytest.Fault{What: notifytest.Fail}, 500, 0},
		{notifytest.Fault{What: notifytest.FailAfter}, 500, 1},
		{notifytest.Fault{What: notifytest.Busy, For: 1500 * time.Millisecond}, 429, 0},
		{notifytest.Fault{What: notifytest.Delay, For: time.Millisecond}, 200, 1},
		{notifytest.Fault{What: notifytest.Refuse, Word: "is_archived"}, 200, 0},
		{notifytest.Fault{What: notifytest.Fail, Method: "chat.update"}, 200, 1},
	} {
		s := &notifytest.Slack{}
		c := serve(t, s)
		s.Add(tt.fault)
		status, text, err := c.try("POST", "/api/chat.postMessage", "application/json", `{"channel":"ops","text":"x"}`)
		if status != tt.status || (err != nil) != (tt.status == 0) {
			t.Errorf("%+v: %d %s %v", tt.fault, status, text, err)
		}
		if n := len(s.Messages()); n != tt.stored {
			t.Errorf("%+v: %d messages, want %d", tt.fault, n, tt.stored)
		}
		s.Add(notifytest.Fault{What: notifytest.Refuse, Word: "channel_not_found", Method: "webhook"})
		if status, text := c.raw("POST", s.Hook(), "application/json", `{"text":"x"}`); status != 404 || text != "channel_not_found" {
			t.Errorf("webhook: %d %s", status, text)
		}
	}
}

// TestProgram runs it as a program does, and asks it over HTTP.
func TestProgram(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- notifytest.Main(ctx, []string{"-channel", "C0123456789", "-token", "xoxb-test"}, w) }()
	lines := bufio.NewScanner(r)
	lines.Scan()
	base := lines.Text()
	lines.Scan()
	hook := strings.TrimPrefix(lines.Text(), base)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := &client{t: t, url: base, token: "xoxb-test", http: &http.Client{Transport: transport}}
	c.raw("POST", hook, "application/json", `{"text":"x"}`)
	if _, text := c.raw("GET", "/test/messages", "", ""); !strings.Contains(text, `"channel":"C0123456789"`) {
		t.Errorf("messages: %s", text)
	}
	c.raw("POST", "/test/fault", "application/json", `{"what":"fail","method":"chat.postMessage"}`)
	if status, text := c.raw("POST", "/api/chat.postMessage", "application/json", `{"channel":"ops","text":"x"}`); status != 500 {
		t.Errorf("after a fault: %d %s", status, text)
	}
	c.call("chat.postMessage", `{"channel":"none","text":"x"}`)
	if _, text := c.raw("GET", "/test/refused", "", ""); !strings.Contains(text, "chat.postMessage: channel_not_found") {
		t.Errorf("refused: %s", text)
	}
	if status, _ := c.raw("GET", "/test/other", "", ""); status != 404 {
		t.Errorf("another path: %d", status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if err := notifytest.Main(t.Context(), []string{"-listen", "nowhere"}, io.Discard); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a wrong address: %v", err)
	}
}

func TestUnescaped(t *testing.T) {
	for text, want := range map[string]string{
		"a &amp; b &lt;c&gt;":                    "",
		"see <https://example.com/?a=1&amp;b=2>": "",
		"a & b":                                  "&",
		"<script>":                               "<>",
		"<https://example.com/?a=1&b=2>":         "&",
	} {
		if got := notifytest.Unescaped(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
