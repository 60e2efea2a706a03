package notify

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// Slack's clock and an agent's differ by seconds. A message that was sent in an
// earlier run, with doubt, may be older.
const (
	slackLookBack      = time.Minute
	slackLookBackDoubt = 24 * time.Hour
	slackLookFor       = 5 * time.Second
	slackPages         = 5
)

// find looks for a message that is there already: among the replies to first, or
// in the channel if first is empty. Whatever goes wrong, it is not found: to look
// is a favour, to tell is the duty.
func (s *Slack) find(ctx context.Context, m *Message, first string) (ts string, found bool) {
	within := slackLookFor
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(deadline)/2) // the other half is for posting
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	back := slackLookBack
	if m.Doubt {
		back = slackLookBackDoubt
	}
	query := url.Values{
		"channel": {s.Channel}, "limit": {"100"}, "inclusive": {"true"}, "include_all_metadata": {"true"},
		"oldest": {fmt.Sprintf("%d.000000", m.Tick.Add(-back).Unix())},
	}
	method := "conversations.history"
	if first != "" {
		method = "conversations.replies"
		query.Set("ts", first)
	}
	for range slackPages {
		answer, err := s.read(ctx, method, query)
		if err != nil {
			return "", false
		}
		for _, seen := range answer.Messages {
			if seen.Metadata.Type == slackEvent && slackTS.MatchString(seen.TS) && same(seen.Metadata.Payload, m) {
				return seen.TS, true
			}
		}
		if answer.More.Cursor == "" {
			break
		}
		query.Set("cursor", answer.More.Cursor)
	}
	return "", false
}

// same says that the message with this metadata tells what m tells. With doubt it
// was sent by the run of an earlier tick, and has another key; but only one
// message says that a condition turned true then, and one that it turned false.
func same(p map[string]any, m *Message) bool {
	if p["key"] == m.Key() {
		return true
	}
	return m.Doubt && m.Kind != Reminder && m.Kind != Test && !m.Since.IsZero() &&
		p["job"] == m.Job && p["alert"] == m.Alert && p["kind"] == string(m.Kind) && p["since"] == rfc3339(m.Since)
}
