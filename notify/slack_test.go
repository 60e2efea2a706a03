package notify

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/notify/notifytest"
)

const ops = "C024BE91L"

// slack is a server, and a bot that posts to it.
func slack(t *testing.T, change ...func(*Slack, *notifytest.Slack)) (*Slack, *notifytest.Slack) {
	t.Helper()
	server := &notifytest.Slack{Token: plantedToken}
	bot := &Slack{Token: NewSecret(plantedToken), Channel: ops, Client: tries(t, 0)}
	for _, c := range change {
		c(bot, server)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	if !bot.Webhook.IsZero() {
		bot.Webhook = NewSecret(web.URL + bot.Webhook.reveal())
	} else {
		bot.URL = web.URL + "/api"
	}
	return bot, server
}

func byHook(bot *Slack, server *notifytest.Slack) {
	*bot = Slack{Webhook: NewSecret(server.Hook()), Client: bot.Client}
}

func followup(how string) func(*Slack, *notifytest.Slack) {
	return func(bot *Slack, _ *notifytest.Slack) { bot.Followup = how }
}

func dedupe(bot *Slack, _ *notifytest.Slack) { bot.Dedupe = true }

// tell sends a message that has to arrive, and returns the ref.
func tell(t *testing.T, n Notifier, m *Message) string {
	t.Helper()
	ref, err := n.Notify(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// TestSlackMessage is the whole of a message, as Slack keeps it.
func TestSlackMessage(t *testing.T) {
	bot, server := slack(t)
	ref := tell(t, bot, message(second, doubted, texted("*bold* <!channel> & see https://example.com/?a=1&b=2.")))
	context := func(text string) map[string]any {
		return map[string]any{"type": "context", "elements": []any{map[string]any{"type": "mrkdwn", "text": text, "verbatim": true}}}
	}
	want := []notifytest.Message{{
		Channel: ops, TS: ref,
		Text: "✖ Firing (critical): 3 failed backups",
		Attachments: []map[string]any{{
			"color":    "#8b0000",
			"fallback": "*bold* <!channel> & see https://example.com/?a=1&b=2.",
			"blocks": []any{
				map[string]any{"type": "section", "text": map[string]any{
					"type": "mrkdwn", "text": "*bold* &lt;!channel&gt; &amp; see <https://example.com/?a=1&amp;b=2>.", "verbatim": true,
				}},
				context("job canary · alert ops · tick 2026-01-02T03:04:00Z · since 2026-01-02T03:00:00Z · agent MAWDAHDOQH · fence 1767323040000 · attempt 2"),
				context("▲ Sent before, and its answer was lost: this may be a double."),
				context("▲ Attempt 2 at this tick: an earlier one may have posted this already."),
			},
		}},
		Metadata: &notifytest.Metadata{EventType: "solotick_alert", EventPayload: map[string]any{
			"key": "canary/ops/firing/2026-01-02T03:04:00Z", "job": "canary", "alert": "ops", "kind": "firing",
			"tick": "2026-01-02T03:04:00Z", "since": "2026-01-02T03:00:00Z", "attempt": 2., "fence": 1767323040000., "agent": "MAWDAHDOQH",
		}},
	}}
	if diff := cmp.Diff(want, server.Messages()); diff != "" {
		t.Error(diff)
	}
}

// TestSlackTakesAnything sends texts that are awkward in every way of sending.
func TestSlackTakesAnything(t *testing.T) {
	for name, text := range map[string]string{
		"empty":    "",
		"space":    " \n\t ",
		"controls": "\x00\x01\x1b[31m\x7f\u0085",
		"no UTF-8": "a\xff\xfeb\xc3",
		"markup":   "<https://evil.example|ok> <@U1> <!here> &lt; &amp;amp;",
		"a lot":    strings.Repeat("0123456789\n", 100000),
		"entities": strings.Repeat("&", 5000),
		"pictures": strings.Repeat("👩‍👩‍👧", 3000),
		"links":    strings.Repeat("http://a.b ", 270),
		"quotes":   `"'\` + "`" + `{}[]`,
	} {
		for _, how := range []func(*Slack, *notifytest.Slack){byHook, followup(FollowupThread), followup(FollowupUpdate)} {
			bot, server := slack(t, how)
			m := message(texted(text), func(m *Message) { m.Title = text })
			m.Ref = tell(t, bot, m)
			m.Kind = Cleared
			tell(t, bot, m)
			for _, got := range server.Messages() {
				if bad := notifytest.Unescaped(got.Text) + notifytest.Unescaped(sections(got)); bad != "" {
					t.Errorf("%s: %q is not escaped in %.300q", name, bad, got.AllText())
				}
			}
			if refused := server.Refused(); len(refused) > 0 {
				t.Errorf("%s: refused: %s", name, refused)
			}
		}
	}
}

// sections are the texts that Slack reads as markup.
func sections(m notifytest.Message) string {
	var all []string
	for _, a := range m.Attachments {
		for _, b := range a["blocks"].([]any) {
			if text, ok := b.(map[string]any)["text"].(map[string]any); ok {
				all = append(all, text["text"].(string))
			}
		}
	}
	return strings.Join(all, "\n")
}

// TestSlackLongText is cut, and says so.
func TestSlackLongText(t *testing.T) {
	bot, server := slack(t)
	tell(t, bot, message(texted(strings.Repeat("x", 4000))))
	if got := sections(server.Messages()[0]); len(got) > 3000+len("…") || !strings.HasSuffix(got, "x… (1040 more characters)") {
		t.Errorf("%d octets, ending in %q", len(got), got[len(got)-40:])
	}
}

// TestSlackFollowup tells that a condition turned true, still is, and turned
// false, from three agents that share the ref alone.
func TestSlackFollowup(t *testing.T) {
	type line struct {
		Text      string
		Reply     bool
		Broadcast bool
		Edits     int
	}
	fired, still, cleared := "✖ Firing (critical): 3 failed backups", "✖ Still firing (critical): 3 failed backups", "✔ Cleared: 3 failed backups"
	for name, tt := range map[string]struct {
		how  func(*Slack, *notifytest.Slack)
		want []line
	}{
		"default": {followup(""), []line{{Text: fired}, {Text: still, Reply: true}, {Text: cleared, Reply: true, Broadcast: true}}},
		"thread":  {followup(FollowupThread), []line{{Text: fired}, {Text: still, Reply: true}, {Text: cleared, Reply: true, Broadcast: true}}},
		"update":  {followup(FollowupUpdate), []line{{Text: cleared, Edits: 2}}},
		"post":    {followup(FollowupPost), []line{{Text: fired}, {Text: still}, {Text: cleared}}},
		"webhook": {byHook, []line{{Text: fired}, {Text: still}, {Text: cleared}}},
	} {
		t.Run(name, func(t *testing.T) {
			bot, server := slack(t, tt.how)
			first := tell(t, bot, message())
			if (first == "") != (!bot.Webhook.IsZero()) || len(first) > 18 {
				t.Fatalf("ref %q", first)
			}
			for _, kind := range []Kind{Reminder, Cleared} {
				ref := tell(t, bot, message(of(kind), following(first)))
				if followed := name != "post" && name != "webhook"; followed && ref != first {
					t.Errorf("%s: ref %q, want %q", kind, ref, first)
				}
			}
			var got []line
			for _, m := range server.Messages() {
				got = append(got, line{m.Text, m.ThreadTS != "", m.Broadcast, m.Edits})
				if m.ThreadTS != "" && m.ThreadTS != first {
					t.Errorf("%q is in the thread of %q", m.Text, m.ThreadTS)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSlackWorse: what has become worse is shown in the channel, not only to those
// who follow the thread.
func TestSlackWorse(t *testing.T) {
	bot, server := slack(t)
	first := tell(t, bot, message())
	tell(t, bot, message(of(Reminder), following(first), func(m *Message) { m.Worse = true }))
	all := server.Messages()
	if m := all[len(all)-1]; m.ThreadTS != first || !m.Broadcast {
		t.Errorf("%q is in the thread of %q, in the channel too: %v", m.Text, m.ThreadTS, m.Broadcast)
	}
}

// TestSlackFirstIsGone tells all the same when there is nothing to follow.
func TestSlackFirstIsGone(t *testing.T) {
	for _, how := range []string{FollowupThread, FollowupUpdate} {
		bot, server := slack(t, followup(how))
		first := tell(t, bot, message())
		server.Delete(first)
		ref := tell(t, bot, message(of(Cleared), following(first)))
		if got := server.Messages(); len(got) != 1 || got[0].TS != ref || got[0].ThreadTS != "" {
			t.Errorf("%s: deleted: ref %q, messages %+v", how, ref, got)
		}
		for _, word := range []string{
			"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", "invalid_thread_ts",
			"cannot_reply_to_message", "restricted_action_thread_locked", "restricted_action_non_threadable_channel",
		} {
			server.Add(notifytest.Fault{What: notifytest.Refuse, Word: word})
			if again := tell(t, bot, message(of(Cleared), following(ref))); again == "" || again == ref {
				t.Errorf("%s: %s: ref %q", how, word, again)
			}
		}
		// A ref that another kind of notifier gave is none.
		if ref := tell(t, bot, message(of(Cleared), following("some-other.ref"))); ref == "" {
			t.Errorf("%s: no ref after another's", how)
		}
	}
}

// TestSlackLostReply finds out by the history what became of a message whose
// answer was lost.
func TestSlackLostReply(t *testing.T) {
	for _, what := range []string{notifytest.LoseReply, notifytest.FailAfter} {
		for _, later := range []func(*Message){
			second,  // the next attempt at the same tick
			doubted, // the run of the next tick, which has another key
		} {
			bot, server := slack(t, dedupe)
			server.Add(notifytest.Fault{What: what, Method: "chat.postMessage"})
			if _, err := bot.Notify(t.Context(), message()); !errors.Is(err, ErrUncertain) {
				t.Fatalf("%s: error %v, want one that is uncertain", what, err)
			}
			m := message(later)
			if m.Doubt {
				m.Tick = m.Tick.Add(time.Minute)
			}
			ref := tell(t, bot, m)
			if got := server.Messages(); len(got) != 1 || got[0].TS != ref {
				t.Errorf("%s: ref %q, messages %+v", what, ref, got)
			}
		}
	}
}

// TestSlackLostReplyInThread does so for a reply, which the channel's history
// does not show.
func TestSlackLostReplyInThread(t *testing.T) {
	bot, server := slack(t, dedupe)
	first := tell(t, bot, message())
	server.Add(notifytest.Fault{What: notifytest.LoseReply, Method: "chat.postMessage"})
	m := message(of(Reminder), following(first))
	if _, err := bot.Notify(t.Context(), m); !errors.Is(err, ErrUncertain) {
		t.Fatalf("error %v, want one that is uncertain", err)
	}
	m.Attempt = 2
	if ref := tell(t, bot, m); ref != first || len(server.Messages()) != 2 {
		t.Errorf("ref %q, messages %+v", ref, server.Messages())
	}
}

// TestSlackNotADouble posts what only looks like a message that is there.
func TestSlackNotADouble(t *testing.T) {
	for name, m := range map[string]*Message{
		"first attempt, no doubt": message(),
		"another tick":            message(second, func(m *Message) { m.Tick = m.Tick.Add(time.Minute) }),
		"another alert":           message(second, func(m *Message) { m.Alert = "other" }),
		"it fired again":          message(doubted, func(m *Message) { m.Tick, m.Since = m.Tick.Add(time.Hour), m.Since.Add(time.Hour) }),
		"it cleared":              message(doubted, of(Cleared)),
		"since is not known":      message(doubted, func(m *Message) { m.Tick, m.Since = m.Tick.Add(time.Minute), time.Time{} }),
	} {
		bot, server := slack(t, dedupe)
		tell(t, bot, message())
		tell(t, bot, m)
		if n := len(server.Messages()); n != 2 {
			t.Errorf("%s: %d messages, want 2", name, n)
		}
	}
}

// TestSlackDedupePages looks further back than one page, and not forever.
func TestSlackDedupePages(t *testing.T) {
	bot, server := slack(t, dedupe)
	others := func(n int) {
		for range n {
			r := httptest.NewRequest(http.MethodPost, server.Hook(), strings.NewReader(`{"text":"x"}`))
			r.Header.Set("Content-Type", "application/json")
			server.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	first := tell(t, bot, message())
	others(150)
	if ref := tell(t, bot, message(second)); ref != first {
		t.Errorf("ref %q, want %q", ref, first)
	}
	others(400)
	if ref := tell(t, bot, message(second)); ref == first {
		t.Error("found behind 550 messages")
	}
}

// TestSlackCannotLook posts when the history cannot be read.
func TestSlackCannotLook(t *testing.T) {
	for name, change := range map[string]func(*Slack, *notifytest.Slack){
		"no scope":     func(_ *Slack, s *notifytest.Slack) { s.Scopes = []string{"chat:write"} },
		"failure":      func(_ *Slack, s *notifytest.Slack) { s.Add(notifytest.Fault{What: notifytest.Fail}) },
		"lost":         func(_ *Slack, s *notifytest.Slack) { s.Add(notifytest.Fault{What: notifytest.LoseReply}) },
		"rate limited": func(_ *Slack, s *notifytest.Slack) { s.Add(notifytest.Fault{What: notifytest.Busy, For: time.Minute}) },
	} {
		bot, server := slack(t, dedupe, change)
		if ref := tell(t, bot, message(second)); ref == "" || len(server.Messages()) != 1 {
			t.Errorf("%s: ref %q, %d messages", name, ref, len(server.Messages()))
		}
	}
}

// TestSlackLooksBriefly leaves time to post when the history hangs.
func TestSlackLooksBriefly(t *testing.T) {
	t.Parallel()
	bot, server := slack(t, dedupe)
	server.Add(notifytest.Fault{What: notifytest.Delay, Method: "conversations.history", For: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if ref, err := bot.Notify(ctx, message(second)); ref == "" || err != nil {
		t.Errorf("ref %q, error %v", ref, err)
	}
}

// TestSlackRefuses has what people read about each error that they can do
// something about.
func TestSlackRefuses(t *testing.T) {
	for word := range slackAdvice {
		bot, server := slack(t)
		server.Add(notifytest.Fault{What: notifytest.Refuse, Word: word})
		ref, err := bot.Notify(t.Context(), message())
		if err == nil || errors.Is(err, ErrUncertain) || ref != "" {
			t.Fatalf("%s: ref %q, error %v", word, ref, err)
		}
		if text := err.Error(); !strings.HasPrefix(text, "slack: chat.postMessage: "+word+": ") || strings.Contains(text, "%!") || strings.Contains(text, "%q") {
			t.Errorf("%s: %s", word, text)
		}
	}
	for _, tt := range []struct {
		change func(*Slack, *notifytest.Slack)
		want   string
	}{
		{func(b *Slack, _ *notifytest.Slack) { b.Channel = "#nowhere" }, `slack: chat.postMessage: channel_not_found: there is no channel "#nowhere" that the app can see: check it, and if it is private, invite the app (/invite @app)`},
		{func(_ *Slack, s *notifytest.Slack) { s.Token = "other" }, "slack: chat.postMessage: invalid_auth: the token is not valid, or not from this address: install the app again, and put its new token where the old one was"},
		{func(_ *Slack, s *notifytest.Slack) { s.Scopes = []string{"channels:history"} }, "slack: chat.postMessage: missing_scope: the token lacks the scope chat:write (it has channels:history): add it under OAuth & Permissions, and install the app again"},
	} {
		bot, _ := slack(t, tt.change)
		if _, err := bot.Notify(t.Context(), message()); err == nil || err.Error() != tt.want {
			t.Errorf("%v\nwant %s", err, tt.want)
		}
	}
}

// TestSlackMayHaveDone is about answers that say ok: false and do not say that
// nothing was done, and about no answer of Slack's at all.
func TestSlackMayHaveDone(t *testing.T) {
	for _, word := range []string{"internal_error", "fatal_error", "service_unavailable"} {
		bot, server := slack(t)
		server.Add(notifytest.Fault{What: notifytest.Refuse, Word: word})
		if _, err := bot.Notify(t.Context(), message()); !errors.Is(err, ErrUncertain) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: error %v, want one that is uncertain", word, err)
		}
	}
	r := record(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>log in</html>")) })
	_, err := (&Slack{Token: NewSecret("xoxb"), Channel: "ops", URL: r.URL, Client: tries(t, 0)}).Notify(t.Context(), message())
	if !errors.Is(err, ErrUncertain) || !strings.Contains(err.Error(), "no JSON") {
		t.Errorf("no JSON: error %v", err)
	}
}

func TestSlackHookRefuses(t *testing.T) {
	for word := range slackHookAdvice {
		bot, server := slack(t, byHook)
		server.Add(notifytest.Fault{What: notifytest.Refuse, Word: word})
		_, err := bot.Notify(t.Context(), message())
		if err == nil || errors.Is(err, ErrUncertain) || !strings.HasPrefix(err.Error(), "slack webhook: "+word+": ") {
			t.Errorf("%s: error %v", word, err)
		}
	}
}

// TestSlackHookMessage has no metadata, and its key to read.
func TestSlackHookMessage(t *testing.T) {
	bot, server := slack(t, byHook)
	tell(t, bot, message())
	got := server.Messages()[0]
	if got.Metadata != nil || !strings.Contains(got.AllText(), "key canary/ops/firing/2026-01-02T03:04:00Z") {
		t.Errorf("message %+v", got)
	}
}

// TestSlackRateLimit waits for as long as it is told, within the context, and
// else says that the message was not taken.
func TestSlackRateLimit(t *testing.T) {
	bot, server := slack(t)
	bot.Client = tries(t, 2)
	server.Add(notifytest.Fault{What: notifytest.Busy, For: time.Second})
	began := time.Now()
	tell(t, bot, message())
	if took := time.Since(began); took < time.Second {
		t.Errorf("it waited for %s", took)
	}
	server.Add(notifytest.Fault{What: notifytest.Busy, For: time.Hour, Times: 2})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := bot.Notify(ctx, message())
	if err == nil || errors.Is(err, ErrUncertain) || !strings.Contains(err.Error(), "none for another 1h0m0s") {
		t.Errorf("error %v", err)
	}
	if n := len(server.Messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
}

func TestSlackWho(t *testing.T) {
	bot, _ := slack(t)
	if got, err := bot.Who(t.Context()); got != "solotick in Example" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	bot, _ = slack(t, byHook)
	if _, err := bot.Who(t.Context()); err == nil {
		t.Error("a webhook tells whose it is")
	}
	bot, _ = slack(t, func(_ *Slack, s *notifytest.Slack) { s.Token = "other" })
	if _, err := bot.Who(t.Context()); err == nil || !strings.Contains(err.Error(), "invalid_auth") {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestSlackCheck(t *testing.T) {
	for _, tt := range []struct {
		slack *Slack
		want  string // empty: nothing is wrong
	}{
		{&Slack{Webhook: NewSecret("https://hooks.slack.com/services/T/B/x")}, ""},
		{&Slack{Webhook: NewSecret("https://hooks.slack.com/services/T/B/x"), Followup: FollowupPost}, ""},
		{&Slack{Token: NewSecret("xoxb-1"), Channel: "#ops"}, ""},
		{&Slack{Token: NewSecret("xoxb-1"), Channel: ops, Followup: FollowupUpdate, Dedupe: true}, ""},
		{&Slack{}, "webhook or token is missing"},
		{&Slack{Webhook: NewSecret("https://h/"), Token: NewSecret("t")}, "both set"},
		{&Slack{Webhook: NewSecret("hooks.slack.com/services")}, "want a URL"},
		{&Slack{Webhook: NewSecret("https://h/x"), Followup: FollowupThread}, "need a token"},
		{&Slack{Webhook: NewSecret("https://h/x"), Dedupe: true}, "need a token"},
		{&Slack{Token: NewSecret("xoxb-1\n"), Channel: ops}, "line feed"},
		{&Slack{Token: NewSecret("xoxb-1")}, "channel is missing"},
		{&Slack{Token: NewSecret("xoxb-1"), Channel: ops, Followup: "reply"}, `followup is "reply": want thread, update, post`},
		{&Slack{Token: NewSecret("xoxb-1"), Channel: "#ops", Followup: FollowupUpdate}, "channel's ID"},
		{&Slack{Token: NewSecret("xoxb-1"), Channel: "#ops", Dedupe: true}, "channel's ID"},
		{&Slack{Token: NewSecret("xoxb-1"), Channel: ops, URL: "slack.com"}, "want a URL"},
	} {
		err := tt.slack.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.slack, err, tt.want)
		}
		if err == nil {
			continue
		}
		if _, notified := tt.slack.Notify(t.Context(), message()); notified == nil || notified.Error() != err.Error() {
			t.Errorf("%+v: Notify says %v", tt.slack, notified)
		}
	}
}

// TestSlackColours gives each severity its own, beside the word.
func TestSlackColours(t *testing.T) {
	var colours []string
	for _, s := range []Severity{Info, Warning, Error, Critical} {
		colours = append(colours, slackColor(message(func(m *Message) { m.Severity = s })))
	}
	colours = append(colours, slackColor(message(of(Cleared))))
	slices.Sort(colours)
	if len(slices.Compact(colours)) != 5 {
		t.Errorf("colours: %q", colours)
	}
}
