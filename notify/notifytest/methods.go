package notifytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// A refusal is an error that Slack has a word for.
type refusal struct {
	code    string
	details []string       // for response_metadata.messages
	more    map[string]any // other fields of the answer
}

func refuse(code string, details ...string) *refusal { return &refusal{code: code, details: details} }

// A call is one call of a method.
type call struct {
	args     map[string]any
	warnings []string
}

func (c *call) text(name string) string {
	t, _ := c.args[name].(string)
	return t
}

// A method of the API.
type method struct {
	reads bool // may be called by GET, and not with JSON
	scope []string
	args  []string
	do    func(*Slack, *call) (map[string]any, *refusal)
}

var methods = map[string]method{
	"auth.test": {do: (*Slack).authTest},
	"chat.postMessage": {
		scope: []string{"chat:write"},
		args: []string{
			"channel", "text", "blocks", "attachments", "metadata", "thread_ts", "reply_broadcast", "unfurl_links", "unfurl_media",
			"mrkdwn", "parse", "link_names", "username", "icon_emoji", "icon_url", "markdown_text",
		},
		do: (*Slack).postMessage,
	},
	"chat.update": {
		scope: []string{"chat:write"},
		args:  []string{"channel", "ts", "text", "blocks", "attachments", "metadata", "reply_broadcast", "parse", "link_names", "file_ids", "markdown_text"},
		do:    (*Slack).update,
	},
	"conversations.history": {
		reads: true, scope: historyScopes,
		args: []string{"channel", "cursor", "include_all_metadata", "inclusive", "latest", "limit", "oldest"},
		do:   (*Slack).history,
	},
	"conversations.replies": {
		reads: true, scope: historyScopes,
		args: []string{"channel", "ts", "cursor", "include_all_metadata", "inclusive", "latest", "limit", "oldest"},
		do:   (*Slack).replies,
	},
}

var historyScopes = []string{"channels:history", "groups:history", "im:history", "mpim:history"}

// serveMethod answers a call of a method: always 200, with ok: true or not.
func (s *Slack) serveMethod(w http.ResponseWriter, r *http.Request, name string) {
	f := s.fault(name)
	if f.before(w) {
		return
	}
	if f.What == Refuse {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		json.NewEncoder(w).Encode(map[string]any{"ok": false, "error": f.Word})
		return
	}
	if name == "chat.postMessage" && s.limited(w, r) {
		return
	}
	answer := map[string]any{"ok": true}
	c, refused := s.read(r, name)
	if refused == nil {
		s.mu.Lock()
		var result map[string]any
		result, refused = methods[name].do(s, c)
		s.mu.Unlock()
		for k, v := range result {
			answer[k] = v
		}
	}
	meta := map[string]any{}
	if refused != nil {
		s.note(name, refused)
		answer = map[string]any{"ok": false, "error": refused.code}
		for k, v := range refused.more {
			answer[k] = v
		}
		if len(refused.details) > 0 {
			meta["messages"] = refused.details
		}
	}
	if c != nil && len(c.warnings) > 0 {
		answer["warning"], meta["warnings"] = strings.Join(c.warnings, ","), c.warnings
	}
	if next, ok := answer["next_cursor"]; ok {
		meta["next_cursor"] = next
		delete(answer, "next_cursor")
	}
	if len(meta) > 0 {
		answer["response_metadata"] = meta
	}
	if f.after(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(answer)
}

func (s *Slack) note(name string, refused *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, strings.TrimSpace(name+": "+refused.code+" "+strings.Join(refused.details, "; ")))
}

// limited answers 429 if the channel has had a message too lately. It reads the
// body, and puts it back.
func (s *Slack) limited(w http.ResponseWriter, r *http.Request) bool {
	if s.RateLimit == 0 {
		return false
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var to struct{ Channel string }
	json.Unmarshal(body, &to)
	c, _ := s.channel(to.Channel, true)
	return s.tooSoon(w, c.ID)
}

func (s *Slack) tooSoon(w http.ResponseWriter, channel string) bool {
	if s.RateLimit == 0 {
		return false
	}
	s.mu.Lock()
	now := s.now()
	next := s.next[channel]
	if !now.Before(next) {
		if s.next == nil {
			s.next = map[string]time.Time{}
		}
		s.next[channel] = now.Add(s.RateLimit)
	}
	s.mu.Unlock()
	if now.Before(next) {
		busy(w, next.Sub(now))
		return true
	}
	return false
}

// read reads the arguments of a call, and whether it may be made at all.
func (s *Slack) read(r *http.Request, name string) (*call, *refusal) {
	m, ok := methods[name]
	if !ok {
		return nil, refuse("unknown_method")
	}
	c := &call{args: map[string]any{}}
	if refused := readArgs(r, m, c); refused != nil {
		return c, refused
	}
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	want := s.Token
	if want == "" {
		want = "xoxb-test"
	}
	switch {
	case !isBearer:
		return c, refuse("not_authed")
	case token != want:
		return c, refuse("invalid_auth")
	}
	if refused := s.mayCall(m); refused != nil {
		return c, refused
	}
	for arg := range c.args {
		if !slices.Contains(m.args, arg) {
			return c, refuse("invalid_arguments", fmt.Sprintf("[ERROR] unknown argument %q", arg))
		}
	}
	return c, nil
}

func (s *Slack) mayCall(m method) *refusal {
	scopes := s.Scopes
	if len(scopes) == 0 {
		scopes = []string{"chat:write", "channels:history", "incoming-webhook"}
	}
	if len(m.scope) == 0 || slices.ContainsFunc(m.scope, func(want string) bool { return slices.Contains(scopes, want) }) {
		return nil
	}
	return &refusal{code: "missing_scope", more: map[string]any{"needed": strings.Join(m.scope, ","), "provided": strings.Join(scopes, ",")}}
}

// readArgs reads the arguments from the query, a form or a JSON object.
func readArgs(r *http.Request, m method, c *call) *refusal {
	form := func(values url.Values) {
		for k := range values {
			c.args[k] = values.Get(k)
		}
	}
	switch r.Method {
	case http.MethodGet:
		if !m.reads {
			return refuse("invalid_post_type", "[ERROR] it writes: want POST")
		}
		form(r.URL.Query())
		return nil
	case http.MethodPost:
	default:
		return refuse("invalid_post_type", "[ERROR] want POST")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return refuse("request_timeout")
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Header.Get("Content-Type") == "":
		return refuse("missing_post_type")
	case err != nil:
		return refuse("invalid_post_type")
	case kind == "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return refuse("invalid_form_data")
		}
		form(values)
		return nil
	case kind != "application/json" || m.reads:
		return refuse("invalid_post_type")
	}
	switch strings.ToLower(params["charset"]) {
	case "utf-8", "iso-8859-1":
	case "":
		c.warnings = append(c.warnings, "missing_charset")
	default:
		return refuse("invalid_charset")
	}
	return readJSON(body, c)
}

func readJSON(body []byte, c *call) *refusal {
	var document any
	if err := json.Unmarshal(body, &document); err != nil {
		return refuse("invalid_json")
	}
	args, ok := document.(map[string]any)
	if !ok {
		return refuse("json_not_object")
	}
	c.args = args
	return nil
}

func (s *Slack) authTest(*call) (map[string]any, *refusal) {
	return map[string]any{
		"url": "https://example.slack.com/", "team": "Example", "user": "solotick", "team_id": "T00000000", "user_id": "U00000000", "bot_id": "B00000000",
	}, nil
}

// characters counts as JavaScript does, which is never less than what a person
// counts.
func characters(s string) int { return len(utf16.Encode([]rune(s))) }

var timestamp = regexp.MustCompile(`^[0-9]{1,10}\.[0-9]{6}$`)

// postTo finds the channel to write to.
func (s *Slack) postTo(id string, names bool) (Channel, *refusal) {
	c, ok := s.channel(id, names)
	switch {
	case !ok:
		return c, refuse("channel_not_found")
	case c.Archived:
		return c, refuse("is_archived")
	case c.Outside:
		return c, refuse("not_in_channel")
	}
	return c, nil
}

func (s *Slack) postMessage(c *call) (map[string]any, *refusal) {
	to, refused := s.postTo(c.text("channel"), true)
	if refused != nil {
		return nil, refused
	}
	m := &Message{Channel: to.ID}
	if refused := readContent(c, m); refused != nil {
		return nil, refused
	}
	if characters(m.Text) > 40000 {
		m.Text = string(utf16.Decode(utf16.Encode([]rune(m.Text))[:40000]))
		c.warnings = append(c.warnings, "message_truncated")
	}
	if v, ok := c.args["thread_ts"]; ok {
		thread, isText := v.(string)
		if !isText || !timestamp.MatchString(thread) {
			return nil, refuse("invalid_thread_ts", fmt.Sprintf("[ERROR] %v is not a valid thread_ts", v))
		}
		first := s.find(to.ID, thread)
		switch {
		case first == nil:
			return nil, refuse("thread_not_found")
		case first.ThreadTS != "" && first.ThreadTS != first.TS:
			return nil, refuse("cannot_reply_to_message")
		}
		m.ThreadTS = thread
		m.Broadcast = isTrue(c.args["reply_broadcast"])
	}
	s.add(m)
	return map[string]any{"channel": m.Channel, "ts": m.TS, "message": *m}, nil
}

// isTrue reads a boolean as JSON and as forms have it.
func isTrue(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		b, _ := strconv.ParseBool(v)
		return b
	}
	return false
}

func (s *Slack) update(c *call) (map[string]any, *refusal) {
	to, refused := s.postTo(c.text("channel"), false)
	if refused != nil {
		return nil, refused
	}
	old := s.find(to.ID, c.text("ts"))
	if old == nil {
		return nil, refuse("message_not_found")
	}
	if old.Hook {
		return nil, refuse("cant_update_message")
	}
	changed := *old
	if _, hasText := c.args["text"]; hasText {
		changed.Blocks = nil // they stay only without a new text
	}
	if refused := readContent(c, &changed); refused != nil {
		return nil, refused
	}
	if characters(changed.Text) > 4000 {
		return nil, refuse("msg_too_long")
	}
	changed.Edits++
	*old = changed
	return map[string]any{"channel": old.Channel, "ts": old.TS, "text": old.Text, "message": *old}, nil
}
