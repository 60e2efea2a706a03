package notifytest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// history returns a channel's messages, newest first: replies only if they are
// shown in the channel too.
func (s *Slack) history(c *call) (map[string]any, *refusal) {
	var all []*Message
	for _, m := range slices.Backward(s.messages) {
		if m.Channel == c.text("channel") && (m.ThreadTS == "" || m.Broadcast) {
			all = append(all, m)
		}
	}
	return s.page(c, all)
}

// replies returns a thread, oldest first, with its first message.
func (s *Slack) replies(c *call) (map[string]any, *refusal) {
	first := s.find(c.text("channel"), c.text("ts"))
	if _, ok := s.channel(c.text("channel"), false); ok && first == nil {
		return nil, refuse("thread_not_found")
	}
	var all []*Message
	for _, m := range s.messages {
		if first != nil && (m == first || m.ThreadTS == first.TS) {
			all = append(all, m)
		}
	}
	return s.page(c, all)
}

// page returns those messages of a list that were asked for.
func (s *Slack) page(c *call, all []*Message) (map[string]any, *refusal) {
	channel, ok := s.channel(c.text("channel"), false)
	switch {
	case !ok:
		return nil, refuse("channel_not_found")
	case channel.Outside:
		return nil, refuse("not_in_channel")
	}
	from, to := c.text("oldest"), c.text("latest")
	for name, v := range map[string]string{"oldest": from, "latest": to} {
		if _, err := strconv.ParseFloat(v, 64); v != "" && err != nil {
			return nil, refuse("invalid_ts_" + name)
		}
	}
	limit := 100
	if v := c.text("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 999 {
			return nil, refuse("invalid_limit")
		}
		limit = n
	}
	skip := 0
	if v := c.text("cursor"); v != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(v, "after"))
		if err != nil || !strings.HasPrefix(v, "after") {
			return nil, refuse("invalid_cursor")
		}
		skip = n
	}
	inclusive := isTrue(c.args["inclusive"])
	all = slices.DeleteFunc(slices.Clone(all), func(m *Message) bool { return !within(m.TS, from, to, inclusive) })
	all = all[min(skip, len(all)):]
	more := len(all) > limit
	shown := []Message{}
	for _, m := range all[:min(limit, len(all))] {
		copied := *m
		if m.Metadata != nil && !isTrue(c.args["include_all_metadata"]) {
			copied.Metadata = &Metadata{EventType: m.Metadata.EventType}
		}
		shown = append(shown, copied)
	}
	answer := map[string]any{"messages": shown, "has_more": more}
	if more {
		answer["next_cursor"] = fmt.Sprintf("after%d", skip+limit)
	}
	return answer, nil
}

// within compares texts of one length: a ts has ten digits before the dot.
func within(ts, from, to string, inclusive bool) bool {
	return (from == "" || ts > from || inclusive && ts == from) && (to == "" || ts < to || inclusive && ts == to)
}

// serveHook posts by an incoming webhook, and answers by status and a word.
func (s *Slack) serveHook(w http.ResponseWriter, r *http.Request) {
	f := s.fault("webhook")
	if f.before(w) {
		return
	}
	if f.What == Refuse {
		w.WriteHeader(hookStatus(f.Word))
		fmt.Fprint(w, f.Word)
		return
	}
	i := slices.IndexFunc(s.channels(), func(c Channel) bool { return s.hook(c.ID) == r.URL.Path })
	if i < 0 {
		s.refuseHook(w, "no_service")
		return
	}
	to := s.channels()[i]
	if s.tooSoon(w, to.ID) {
		return
	}
	word := s.postByHook(r, to)
	if word != "ok" {
		s.refuseHook(w, word)
		return
	}
	if f.after(w, r) {
		return
	}
	fmt.Fprint(w, word)
}

func (s *Slack) refuseHook(w http.ResponseWriter, word string) {
	s.note("webhook", refuse(word))
	w.WriteHeader(hookStatus(word))
	fmt.Fprint(w, word)
}

// hookStatus is the status that comes with a word.
func hookStatus(word string) int {
	switch word {
	case "action_prohibited", "invalid_token", "posting_to_general_channel_denied", "team_disabled":
		return http.StatusForbidden
	case "channel_not_found", "user_not_found", "no_service", "no_service_id", "no_team", "no_active_hooks":
		return http.StatusNotFound
	case "channel_is_archived":
		return http.StatusGone
	}
	return http.StatusBadRequest
}

var hookArgs = []string{"text", "blocks", "attachments", "metadata", "thread_ts", "unfurl_links", "unfurl_media", "mrkdwn"}

func (s *Slack) postByHook(r *http.Request, to Channel) (word string) {
	c := &call{}
	if r.Method != http.MethodPost || readArgs(r, method{}, c) != nil {
		return "invalid_payload"
	}
	for arg := range c.args {
		if !slices.Contains(hookArgs, arg) {
			return "invalid_payload"
		}
	}
	if to.Archived {
		return "channel_is_archived"
	}
	m := &Message{Channel: to.ID, Hook: true}
	switch refused := readContent(c, m); {
	case refused == nil:
	case refused.code == "no_text", refused.code == "too_many_attachments":
		return refused.code
	default:
		return "invalid_payload"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if thread := c.text("thread_ts"); thread != "" {
		if s.find(to.ID, thread) == nil {
			return "invalid_payload"
		}
		m.ThreadTS = thread
	}
	s.add(m)
	return "ok"
}
