package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/solotick/solotick/internal/web"
)

// SlackAPI is where Slack's methods are.
const SlackAPI = "https://slack.com/api"

// What becomes of a message that follows another about the same alert.
const (
	FollowupThread = "thread" // it is a reply in the thread of the first one; that it cleared, or has become worse, is shown in the channel too
	FollowupUpdate = "update" // the first message is rewritten, which Slack tells nobody of
	FollowupPost   = "post"   // it is a message of its own
)

// A Slack posts to one channel of Slack, or of a server that speaks its API: by
// an incoming webhook, or by a bot's token, which needs the scope chat:write.
//
// A webhook does not say which message it has made, so everything that it sends
// is a message of its own. With a token, messages have metadata of the type
// solotick_alert, with the message's key, so that a double can be recognised.
// Webhooks get none, since Slack takes metadata from apps only and a webhook may
// belong to none; the key stands in their last line.
//
// The ref is the first message's ts. Any agent can reply to it or rewrite it.
type Slack struct {
	Webhook Secret // either this: https://hooks.slack.com/services/...

	Token    Secret // or this,
	Channel  string // and where to: the channel's ID, or its name if neither Dedupe nor FollowupUpdate is set
	Followup string // FollowupThread (also if empty), FollowupUpdate or FollowupPost; with a webhook: FollowupPost
	// Dedupe looks for the message in the channel's history before it is posted
	// by a later attempt, or with doubt: what is found there is not posted again.
	// It needs a scope channels:history, groups:history, im:history or
	// mpim:history; without it, the message is posted. What Slack shows in the
	// history only later is posted twice all the same.
	Dedupe bool
	URL    string // of the API; empty: SlackAPI

	Client *web.Client // nil: one with two retries

	sender sender
}

var (
	slackID = regexp.MustCompile(`^[CDG][A-Z0-9]{2,}$`)
	slackTS = regexp.MustCompile(`^[0-9]{1,11}\.[0-9]{6}$`)
)

// Check says what is wrong with the fields.
func (s *Slack) Check() error {
	switch {
	case !s.Webhook.IsZero() && !s.Token.IsZero():
		return errors.New("slack: webhook and token are both set: one of them")
	case !s.Webhook.IsZero():
		if err := checkURL("webhook", s.Webhook); err != nil {
			return fmt.Errorf("slack: %w", err)
		}
		if s.Dedupe || s.Followup != "" && s.Followup != FollowupPost {
			return errors.New("slack: a webhook tells nothing about what it has posted: followup and dedupe need a token")
		}
		return nil
	case s.Token.IsZero():
		return errors.New("slack: webhook or token is missing")
	case strings.ContainsFunc(s.Token.reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("slack: the token has a space or a line feed in it")
	case s.Channel == "":
		return errors.New("slack: channel is missing")
	}
	if err := checkOneOf("followup", s.Followup, FollowupThread, FollowupUpdate, FollowupPost); err != nil {
		return fmt.Errorf("slack: %w", err)
	}
	if (s.Dedupe || s.Followup == FollowupUpdate) && !slackID.MatchString(s.Channel) {
		return fmt.Errorf("slack: channel is %q: dedupe, and followup: update, want the channel's ID, which begins with C (in Slack: the channel's details, at the end)", s.Channel)
	}
	if s.URL != "" {
		if err := checkURL("url", NewSecret(s.URL)); err != nil {
			return fmt.Errorf("slack: %w", err)
		}
	}
	return nil
}

// ByName says whether the channel is named in a way that changes when somebody
// renames it.
func (s *Slack) ByName() bool { return s.Webhook.IsZero() && !slackID.MatchString(s.Channel) }

// Notify implements [Notifier].
func (s *Slack) Notify(ctx context.Context, m *Message) (string, error) {
	if err := s.Check(); err != nil {
		return "", err
	}
	if !s.Webhook.IsZero() {
		return "", s.hook(ctx, m)
	}
	msg := s.render(m)
	msg.Channel, msg.Metadata = s.Channel, metadataOf(m)
	first := "" // the message that this one follows
	if (m.Kind == Reminder || m.Kind == Cleared) && slackTS.MatchString(m.Ref) && s.Followup != FollowupPost {
		first = m.Ref
	}
	if first != "" && s.Followup == FollowupUpdate {
		err := s.update(ctx, msg, first)
		if err == nil {
			return first, nil
		}
		if !gone(err) {
			return "", err
		}
		first = ""
	}
	if s.Dedupe && (m.Attempt > 1 || m.Doubt) {
		if ts, found := s.find(ctx, m, first); found {
			return cmp.Or(first, ts), nil
		}
	}
	if first != "" {
		msg.ThreadTS, msg.Broadcast = first, m.Kind == Cleared || m.Worse
		_, err := s.post(ctx, msg)
		if err == nil {
			return first, nil
		}
		if !gone(err) {
			return "", err
		}
		msg.ThreadTS, msg.Broadcast = "", false
	}
	return s.post(ctx, msg)
}

// post makes a message and returns its ts. A server that tells none has made it
// all the same.
func (s *Slack) post(ctx context.Context, msg slackMessage) (string, error) {
	no := false
	msg.UnfurlLinks, msg.UnfurlMedia = &no, &no
	answer, err := s.call(ctx, "chat.postMessage", msg)
	if err != nil || !slackTS.MatchString(answer.TS) {
		return "", err
	}
	return answer.TS, nil
}

func (s *Slack) update(ctx context.Context, msg slackMessage, ts string) error {
	msg.TS = ts
	_, err := s.call(ctx, "chat.update", msg)
	return err
}

// gone says that there is nothing to reply to or to rewrite, so that the message
// must be one of its own: the first one was deleted, or belongs to another app or
// channel, or may no longer be changed.
func gone(err error) bool {
	var refused *slackRefused
	return errors.As(err, &refused) && slices.Contains([]string{
		"message_not_found", "cant_update_message", "edit_window_closed", // chat.update
		"thread_not_found", "invalid_thread_ts", "cannot_reply_to_message", // chat.postMessage
		"restricted_action_thread_locked", "restricted_action_non_threadable_channel",
	}, refused.code)
}

// hook posts by the incoming webhook, which answers by status, and on success
// with "ok".
func (s *Slack) hook(ctx context.Context, m *Message) error {
	msg := s.render(m)
	no := false
	msg.UnfurlLinks, msg.UnfurlMedia = &no, &no
	a := &msg.Attachments[0]
	a.Blocks = append(a.Blocks, slackContext("key "+cut(oneLine(m.Key()), 500, runes)))
	r, err := jsonRequest(s.Webhook.reveal(), msg)
	if err != nil {
		return fmt.Errorf("slack webhook: %w", err)
	}
	resp, err := do(ctx, s.sender.use(s.Client), r, s.Webhook)
	if err != nil {
		return fmt.Errorf("slack webhook: %w", err)
	}
	if resp.Status >= 400 && resp.Status <= 499 && resp.Status != http.StatusTooManyRequests {
		code := excerpt(resp.Body, s.Webhook)
		if advice, ok := slackHookAdvice[code]; ok {
			return fmt.Errorf("slack webhook: %s: %s", code, advice)
		}
	}
	if err := refusal(s.Webhook.reveal(), resp, s.Webhook); err != nil {
		return fmt.Errorf("slack webhook: %w", err)
	}
	return nil
}

// Who asks Slack whose token it is: the answer is a user's name and a
// workspace's. It posts nothing.
func (s *Slack) Who(ctx context.Context) (string, error) {
	if err := s.Check(); err != nil {
		return "", err
	}
	if s.Token.IsZero() {
		return "", errors.New("slack: a webhook tells nobody whose it is")
	}
	answer, err := s.call(ctx, "auth.test", struct{}{})
	if err != nil {
		return "", err
	}
	return oneLine(answer.User + " in " + answer.Team), nil
}
