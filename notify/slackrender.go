package notify

import (
	"fmt"
	"regexp"
	"strings"
)

// A slackMessage is what chat.postMessage, chat.update and webhooks take.
type slackMessage struct {
	Channel     string            `json:"channel,omitempty"`
	TS          string            `json:"ts,omitempty"`
	ThreadTS    string            `json:"thread_ts,omitempty"`
	Broadcast   bool              `json:"reply_broadcast,omitempty"`
	Text        string            `json:"text"`
	Attachments []slackAttachment `json:"attachments"`
	Metadata    *slackMetadata    `json:"metadata,omitempty"`
	UnfurlLinks *bool             `json:"unfurl_links,omitempty"`
	UnfurlMedia *bool             `json:"unfurl_media,omitempty"`
}

type slackAttachment struct {
	Color    string       `json:"color"`
	Fallback string       `json:"fallback"`
	Blocks   []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type     string      `json:"type"`
	Text     *slackText  `json:"text,omitempty"`
	Elements []slackText `json:"elements,omitempty"`
}

// A slackText is verbatim: links and mentions are only those in angle brackets,
// so that nothing in a text can call a whole channel.
type slackText struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Verbatim bool   `json:"verbatim"`
}

type slackMetadata struct {
	Type    string         `json:"event_type"`
	Payload map[string]any `json:"event_payload"`
}

// slackEvent is the metadata's type.
const slackEvent = "solotick_alert"

// metadataOf marks a message, so that it is recognised if it is there twice.
func metadataOf(m *Message) *slackMetadata {
	p := map[string]any{
		"key": m.Key(), "job": m.Job, "alert": m.Alert, "kind": string(m.Kind), "tick": rfc3339(m.Tick),
		"attempt": m.Attempt, "fence": m.Fence, "agent": m.Agent,
	}
	if !m.Since.IsZero() {
		p["since"] = rfc3339(m.Since)
	}
	return &slackMetadata{Type: slackEvent, Payload: p}
}

// The limits of Slack: a text object has 3,000 characters; 4,000 is what fits
// chat.update as the text of a message, and it is cut at 40,000 elsewhere.
const slackTextLimit = 3000

// render makes the message: a line that stands for it in notifications and for
// screen readers, and below it, marked by colour, the text and where it is from.
func (s *Slack) render(m *Message) slackMessage {
	a := slackAttachment{Color: slackColor(m), Fallback: cut(oneLine(m.Text), 300, runes)}
	if a.Fallback == "" {
		a.Fallback = m.title()
	}
	if text := clean(m.Text); text != "" {
		t := slackText{Type: "mrkdwn", Text: slackLinks(cut(text, slackTextLimit, slackLen)), Verbatim: true}
		a.Blocks = append(a.Blocks, slackBlock{Type: "section", Text: &t})
	}
	a.Blocks = append(a.Blocks, slackContext(strings.Join(m.facts(), " · ")))
	for _, r := range m.remarks() {
		a.Blocks = append(a.Blocks, slackContext("▲ "+r))
	}
	return slackMessage{Text: slackEscape(m.headline()), Attachments: []slackAttachment{a}}
}

func slackContext(text string) slackBlock {
	return slackBlock{Type: "context", Elements: []slackText{{Type: "mrkdwn", Text: slackEscape(text), Verbatim: true}}}
}

func slackColor(m *Message) string {
	switch {
	case m.Kind == Cleared:
		return "#2e8b57"
	case m.Kind == Test, m.Severity == Info:
		return "#4a7ebb"
	case m.Severity == Warning:
		return "#d4a017"
	case m.Severity == Critical:
		return "#8b0000"
	}
	return "#cc3333"
}

// slackEscape writes the three characters that mean something in Slack's text.
func slackEscape(s string) string { return slackEscaper.Replace(s) }

var slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slackLen is what a character takes after slackEscape.
func slackLen(r rune) int {
	switch r {
	case '&':
		return len("&amp;")
	case '<', '>':
		return len("&lt;")
	}
	return utf16s(r)
}

// A URL ends before what closes a sentence or a bracket.
var slackURL = regexp.MustCompile(`https?://[^\s<>|"'` + "`" + `]*[^\s<>|"'` + "`" + `.,;:!?)\]}]`)

// slackLinks escapes a text and makes links of its URLs, unless it would be too
// long with them.
func slackLinks(s string) string {
	var b strings.Builder
	last := 0
	for _, at := range slackURL.FindAllStringIndex(s, -1) {
		fmt.Fprintf(&b, "%s<%s>", slackEscape(s[last:at[0]]), slackEscape(s[at[0]:at[1]]))
		last = at[1]
	}
	b.WriteString(slackEscape(s[last:]))
	if total(b.String(), utf16s) > slackTextLimit {
		return slackEscape(s)
	}
	return b.String()
}
