package notify

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/solotick/solotick/internal/web"
)

// A Teams posts an Adaptive Card to a channel or chat of Microsoft Teams, by the
// URL of a workflow of Power Automate that begins with "When a Teams webhook
// request is received". That it is accepted says that the workflow was started.
type Teams struct {
	URL Secret

	Client *web.Client // nil: one with two retries

	sender sender
}

// Check says what is wrong with the fields.
func (t *Teams) Check() error {
	if err := checkURL("url", t.URL); err != nil {
		return fmt.Errorf("teams: %w", err)
	}
	return nil
}

// teamsTextLimit is in octets of JSON: Teams takes 28 KB in all, and has been seen
// to take fewer.
const teamsTextLimit = 12000

// Notify implements [Notifier]. The ref is always empty.
func (t *Teams) Notify(ctx context.Context, m *Message) (string, error) {
	if err := t.Check(); err != nil {
		return "", err
	}
	m = m.with(unlinked)
	type object map[string]any
	body := []object{{
		"type": "TextBlock", "text": m.headline(), "weight": "Bolder", "size": "Medium", "wrap": true, "color": teamsColor(m),
	}}
	if text := clean(m.Text); text != "" {
		// One line feed is none in a card.
		text = strings.ReplaceAll(cut(text, teamsTextLimit, teamsLen), "\n", "\n\n")
		body = append(body, object{"type": "TextBlock", "text": text, "wrap": true})
	}
	facts := []object{}
	for _, f := range m.facts() {
		title, value, _ := strings.Cut(f, " ")
		facts = append(facts, object{"title": title, "value": value})
	}
	body = append(body, object{"type": "FactSet", "facts": facts})
	for _, r := range m.remarks() {
		body = append(body, object{"type": "TextBlock", "text": "▲ " + r, "wrap": true, "color": "Warning"})
	}
	_, err := post(ctx, t.sender.use(t.Client), "teams", t.URL.reveal(), object{
		"type": "message",
		"attachments": []object{{
			"contentType": "application/vnd.microsoft.card.adaptive",
			"contentUrl":  nil,
			"content": object{
				"$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
				"type":    "AdaptiveCard", "version": "1.4", "body": body,
				"msteams": object{"width": "Full"},
			},
		}},
	}, t.URL)
	return "", err
}

// teamsLen counts what teamsTextLimit limits, after line feeds were doubled.
func teamsLen(r rune) int {
	if r == '\n' {
		return 4
	}
	return jsonLen(r)
}

// teamsColor is one of the colours that a card knows.
func teamsColor(m *Message) string {
	switch {
	case m.Kind == Cleared:
		return "Good"
	case m.Kind == Test, m.Severity == Info:
		return "Accent"
	case m.Severity == Warning:
		return "Warning"
	}
	return "Attention"
}

// A Discord posts to a channel of Discord by a webhook. Nobody is mentioned,
// whatever the text says.
type Discord struct {
	URL Secret

	Client *web.Client // nil: one with two retries

	sender sender
}

// Check says what is wrong with the fields.
func (d *Discord) Check() error {
	if err := checkURL("url", d.URL); err != nil {
		return fmt.Errorf("discord: %w", err)
	}
	return nil
}

const (
	discordLimit    = 2000   // characters of a message
	discordNoEmbeds = 1 << 2 // SUPPRESS_EMBEDS: links are not unfolded
)

// Notify implements [Notifier]. The ref is always empty: a message's ID does not
// fit one.
func (d *Discord) Notify(ctx context.Context, m *Message) (string, error) {
	if err := d.Check(); err != nil {
		return "", err
	}
	u, err := url.Parse(d.URL.reveal())
	if err != nil {
		return "", fmt.Errorf("discord: url: not a URL")
	}
	q := u.Query()
	q.Set("wait", "true") // answer when the message is there, and an error if it will not be
	u.RawQuery = q.Encode()
	_, err = post(ctx, d.sender.use(d.Client), "discord", u.String(), map[string]any{
		"content":          m.with(unlinked).plain(discordLimit, utf16s),
		"allowed_mentions": map[string][]string{"parse": {}},
		"flags":            discordNoEmbeds,
	}, d.URL)
	return "", err
}

// NtfyURL is the public server of ntfy.
const NtfyURL = "https://ntfy.sh"

// A Ntfy publishes to a topic of ntfy.
type Ntfy struct {
	URL   string // of the server; empty: NtfyURL
	Topic Secret // whoever knows it can read it, where the server asks for no token
	Token Secret // an access token; empty: none

	Client *web.Client // nil: one with two retries

	sender sender
}

// Check says what is wrong with the fields.
func (n *Ntfy) Check() error {
	if err := checkURL("url", NewSecret(cmp.Or(n.URL, NtfyURL))); err != nil {
		return fmt.Errorf("ntfy: %w", err)
	}
	switch {
	case n.Topic.IsZero():
		return fmt.Errorf("ntfy: topic is missing")
	case len(n.Topic.reveal()) > 64 || strings.ContainsFunc(n.Topic.reveal(), func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", r)
	}):
		return fmt.Errorf("ntfy: topic: want at most 64 letters, digits, _ and -")
	case strings.ContainsFunc(n.Token.reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("ntfy: the token has a space or a line feed in it")
	}
	return nil
}

// ntfyLimit is in octets: what is longer becomes a file, which the server may
// refuse.
const ntfyLimit = 4000

// Notify implements [Notifier]. The ref is always empty.
func (n *Ntfy) Notify(ctx context.Context, m *Message) (string, error) {
	if err := n.Check(); err != nil {
		return "", err
	}
	server := cmp.Or(n.URL, NtfyURL)
	priority, tag := ntfyStyle(m)
	text := clean(m.Text)
	if text != "" {
		text += "\n\n"
	}
	tail := strings.Join(append([]string{strings.Join(m.facts(), " · ")}, m.remarks()...), "\n")
	tail = cut(tail, ntfyLimit/2, octets)
	r, err := jsonRequest(server, map[string]any{
		"topic": n.Topic.reveal(), "title": strings.TrimPrefix(m.headline(), m.sign()+" "), "priority": priority, "tags": []string{tag},
		"message": cut(text, ntfyLimit-total(tail, octets), octets) + tail,
	})
	if err != nil {
		return "", fmt.Errorf("ntfy: %w", err)
	}
	if !n.Token.IsZero() {
		r.Header.Set("Authorization", "Bearer "+n.Token.reveal())
	}
	if _, err := send(ctx, n.sender.use(n.Client), r, n.Topic, n.Token, NewSecret(n.URL)); err != nil {
		return "", fmt.Errorf("ntfy: %w", err)
	}
	return "", nil
}

// ntfyStyle is a priority from 1 to 5, and a tag that is shown as a picture. The
// title says both in words.
func ntfyStyle(m *Message) (priority int, tag string) {
	switch {
	case m.Kind == Cleared:
		return 3, "white_check_mark"
	case m.Kind == Test, m.Severity == Info:
		return 3, "information_source"
	case m.Severity == Warning:
		return 3, "warning"
	case m.Severity == Critical:
		return 5, "rotating_light"
	}
	return 4, "x"
}
