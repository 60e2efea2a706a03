package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/solotick/solotick/internal/web"
)

// A slackAnswer is what Slack's methods answer, as far as it is read here.
type slackAnswer struct {
	OK       bool
	Error    string
	Needed   string
	Provided string
	TS       string
	User     string
	Team     string
	Messages []struct {
		TS       string
		Metadata slackMetadata
	}
	More struct {
		Cursor   string   `json:"next_cursor"`
		Messages []string `json:"messages"`
	} `json:"response_metadata"`
}

// A slackRefused is an answer that was ok: false.
type slackRefused struct {
	code string
	text string
}

func (r *slackRefused) Error() string { return r.text }

// call calls a method that writes, with a JSON document.
func (s *Slack) call(ctx context.Context, method string, document any) (*slackAnswer, error) {
	r, err := jsonRequest(s.method(method), document)
	if err != nil {
		return nil, fmt.Errorf("slack: %s: %w", method, err)
	}
	return s.ask(ctx, method, r)
}

// read calls a method that reads; those take no JSON.
func (s *Slack) read(ctx context.Context, method string, query url.Values) (*slackAnswer, error) {
	return s.ask(ctx, method, web.Request{URL: s.method(method) + "?" + query.Encode(), Header: http.Header{}})
}

func (s *Slack) method(name string) string {
	return strings.TrimSuffix(cmp.Or(s.URL, SlackAPI), "/") + "/" + name
}

func (s *Slack) ask(ctx context.Context, method string, r web.Request) (*slackAnswer, error) {
	r.Header.Set("Authorization", "Bearer "+s.Token.reveal())
	resp, err := send(ctx, s.sender.use(s.Client), r, s.Token)
	if err != nil {
		return nil, fmt.Errorf("slack: %s: %w", method, err)
	}
	var answer slackAnswer
	if err := json.Unmarshal(resp.Body, &answer); err != nil {
		err := fmt.Errorf("%s answered %d and no JSON: is it Slack's API?", hostOf(r.URL), resp.Status)
		return nil, fmt.Errorf("slack: %s: %w", method, fail(err, true))
	}
	switch {
	case answer.OK:
		return &answer, nil
	case answer.Error == "internal_error", answer.Error == "fatal_error", answer.Error == "service_unavailable", answer.Error == "":
		// Some of it may have been done: so says the documentation.
		return nil, fmt.Errorf("slack: %s: %w", method, fail(errors.New(cmp.Or(oneLine(answer.Error), "not ok, without a reason")), true, s.Token))
	}
	return nil, s.refused(method, &answer)
}

// refused is the error for an answer that was ok: false, with what to do.
func (s *Slack) refused(method string, answer *slackAnswer) error {
	code := excerpt([]byte(answer.Error), s.Token)
	text := "slack: " + method + ": " + code
	advice := slackAdvice[code]
	switch code {
	case "channel_not_found", "not_in_channel", "is_archived":
		advice = fmt.Sprintf(advice, s.Channel)
	case "missing_scope":
		needed, provided := excerpt([]byte(answer.Needed), s.Token), excerpt([]byte(answer.Provided), s.Token)
		advice = fmt.Sprintf(advice, cmp.Or(needed, "chat:write"), cmp.Or(provided, "none that it tells of"))
	}
	if advice != "" {
		text += ": " + advice
	}
	if len(answer.More.Messages) > 0 {
		text += ": " + excerpt([]byte(strings.Join(answer.More.Messages, "; ")), s.Token)
	}
	return &slackRefused{code: code, text: text}
}

const slackReinstall = "install the app again, and put its new token where the old one was"

// slackAdvice says what to do about an error of a method.
var slackAdvice = map[string]string{
	"channel_not_found": "there is no channel %q that the app can see: check it, and if it is private, invite the app (/invite @app)",
	"not_in_channel":    "the app is not in channel %q: invite it there (/invite @app), or give it the scope chat:write.public",
	"is_archived":       "channel %q is archived: unarchive it, or name another one",
	"missing_scope":     "the token lacks the scope %s (it has %s): add it under OAuth & Permissions, and install the app again",

	"not_authed":       "no token came with the request: set token",
	"invalid_auth":     "the token is not valid, or not from this address: " + slackReinstall,
	"token_revoked":    "the token was revoked: " + slackReinstall,
	"token_expired":    "the token has expired: switch token rotation off, and " + slackReinstall,
	"account_inactive": "the token's app or workspace was removed: " + slackReinstall,

	"not_allowed_token_type":  "a token of this type may not post: use the bot's, which begins with xoxb-",
	"no_permission":           "the token may not do this: is the app in the channel?",
	"access_denied":           "the workspace denies it: ask its administrator",
	"ekm_access_denied":       "the workspace's administrators have suspended posting",
	"team_access_not_granted": "the token is for another workspace of the organisation: install the app in this one",
	"org_login_required":      "the workspace is being moved: Slack takes messages again afterwards",

	"restricted_action":                     "the workspace does not let the app post here: ask its administrator",
	"restricted_action_read_only_channel":   "nobody may post in this channel: name another one",
	"restricted_action_thread_only_channel": "in this channel only replies may be posted: name another one",
	"messages_tab_disabled":                 "the app takes no direct messages: switch its messages tab on, or name a channel",

	"ratelimited":            "too many messages: it was not taken",
	"rate_limited":           "too many messages: it was not taken",
	"message_limit_exceeded": "the workspace has sent more messages than its plan allows",
	"request_timeout":        "the request did not arrive whole",

	"msg_too_long":        "the message is too long",
	"msg_blocks_too_long": "the message is too long",
}

// slackHookAdvice says the same about an error of an incoming webhook.
var slackHookAdvice = map[string]string{
	"invalid_payload":                   "Slack could not read the message",
	"no_text":                           "Slack found no text in the message",
	"too_many_attachments":              "Slack found too many attachments in the message",
	"user_not_found":                    "the user that it posts to does not exist any more: make a new webhook",
	"channel_not_found":                 "the channel that it posts to does not exist any more: make a new webhook",
	"channel_is_archived":               "the channel that it posts to is archived: unarchive it, or make a new webhook",
	"action_prohibited":                 "an administrator forbids it: ask for it, or make a webhook for another channel",
	"posting_to_general_channel_denied": "who made the webhook may not post to #general: make one for another channel",
	"no_service":                        "the webhook was removed or switched off: make a new one",
	"no_service_id":                     "the webhook's URL is not whole: copy it again",
	"no_active_hooks":                   "the webhook was switched off: make a new one",
	"no_team":                           "the webhook's workspace does not exist: copy its URL again",
	"team_disabled":                     "the webhook's workspace was closed",
	"invalid_token":                     "the webhook's URL is not right, or not valid any more: copy it again or make a new one",
}
