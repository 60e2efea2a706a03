package notify

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

func isUncertain(err error) bool { return errors.Is(err, ErrUncertain) }

// TestTeams is the card.
func TestTeams(t *testing.T) {
	r := record(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	tell(t, &Teams{URL: NewSecret(r.URL + "/workflows/x?sig=y"), Client: tries(t, 0)}, message(doubted))
	_, got := r.one(t)
	fact := func(title, value string) any { return map[string]any{"title": title, "value": value} }
	want := map[string]any{
		"type": "message",
		"attachments": []any{map[string]any{
			"contentType": "application/vnd.microsoft.card.adaptive",
			"contentUrl":  nil,
			"content": map[string]any{
				"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
				"msteams": map[string]any{"width": "Full"},
				"body": []any{
					map[string]any{"type": "TextBlock", "text": "✖ Firing (critical): 3 failed backups", "weight": "Bolder", "size": "Medium", "wrap": true, "color": "Attention"},
					map[string]any{"type": "TextBlock", "text": "db1\n\ndb2 & <db3>", "wrap": true},
					map[string]any{"type": "FactSet", "facts": []any{
						fact("job", "canary"), fact("alert", "ops"), fact("tick", "2026-01-02T03:04:00Z"), fact("since", "2026-01-02T03:00:00Z"),
						fact("agent", "MAWDAHDOQH"), fact("fence", "1767323040000"), fact("attempt", "1"),
					}},
					map[string]any{"type": "TextBlock", "text": "▲ Sent before, and its answer was lost: this may be a double.", "wrap": true, "color": "Warning"},
				},
			},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNoLinksUnderWords has nobody who writes a text give a link another name.
func TestNoLinksUnderWords(t *testing.T) {
	const text = "see [the log](https://evil.example/) of a@b.example"
	for _, of := range []func(url string) Notifier{
		func(url string) Notifier { return &Teams{URL: NewSecret(url + "/x"), Client: tries(t, 0)} },
		func(url string) Notifier { return &Discord{URL: NewSecret(url + "/x"), Client: tries(t, 0)} },
		func(url string) Notifier { return mattermost(url) },
	} {
		r := record(t, nil)
		n := of(r.URL)
		tell(t, n, message(func(m *Message) { m.Text, m.Title = text, text }))
		got, _ := r.one(t)
		if body := string(got.Body); strings.Contains(body, "](") || strings.Count(body, "[the log]\u200b(https://evil.example/) of a@b.example") != 2 {
			t.Errorf("%T: %s", n, body)
		}
	}
}

func TestTeamsColours(t *testing.T) {
	for m, want := range map[*Message]string{
		message(): "Attention", message(of(Cleared)): "Good", message(of(Test)): "Accent",
		message(func(m *Message) { m.Severity = Warning }): "Warning",
	} {
		if got := teamsColor(m); got != want {
			t.Errorf("%s %s: %s, want %s", m.Kind, m.Severity, got, want)
		}
	}
}

// TestDiscord mentions nobody, and fits.
func TestDiscord(t *testing.T) {
	for _, text := range []string{"@everyone", strings.Repeat("😀", 5000)} {
		r := record(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"id":"1234567890123456789"}`)) })
		if ref := tell(t, &Discord{URL: NewSecret(r.URL + "/api/webhooks/1/x?thread_id=2"), Client: tries(t, 0)}, message(texted(text))); ref != "" {
			t.Errorf("ref %q", ref)
		}
		got, document := r.one(t)
		if got.Path != "/api/webhooks/1/x?thread_id=2&wait=true" {
			t.Errorf("path %s", got.Path)
		}
		content := document["content"].(string)
		if n := len(utf16.Encode([]rune(content))); n > 2000 || !strings.HasPrefix(content, "✖ Firing (critical): 3 failed backups\n") || !strings.Contains(content, "job canary") {
			t.Errorf("%d characters: %q", n, content)
		}
		delete(document, "content")
		if diff := cmp.Diff(map[string]any{"allowed_mentions": map[string]any{"parse": []any{}}, "flags": 4.}, document); diff != "" {
			t.Error(diff)
		}
	}
}

func TestNtfy(t *testing.T) {
	for _, tt := range []struct {
		change   func(*Message)
		title    string
		priority float64
		tag      string
	}{
		{func(*Message) {}, "Firing (critical): 3 failed backups", 5, "rotating_light"},
		{func(m *Message) { m.Severity = Error }, "Firing (error): 3 failed backups", 4, "x"},
		{func(m *Message) { m.Severity = Warning }, "Firing (warning): 3 failed backups", 3, "warning"},
		{func(m *Message) { m.Severity = Info }, "Firing (info): 3 failed backups", 3, "information_source"},
		{of(Cleared), "Cleared: 3 failed backups", 3, "white_check_mark"},
	} {
		r := record(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"id":"x"}`)) })
		tell(t, &Ntfy{URL: r.URL, Topic: NewSecret("ops_1"), Token: NewSecret("tk_x"), Client: tries(t, 0)}, message(tt.change))
		got, document := r.one(t)
		want := map[string]any{
			"topic": "ops_1", "title": tt.title, "priority": tt.priority, "tags": []any{tt.tag},
			"message": "db1\ndb2 & <db3>\n\njob canary · alert ops · tick 2026-01-02T03:04:00Z · since 2026-01-02T03:00:00Z · agent MAWDAHDOQH · fence 1767323040000 · attempt 1",
		}
		if diff := cmp.Diff(want, document); diff != "" || got.Header.Get("Authorization") != "Bearer tk_x" || got.Path != "/" {
			t.Errorf("%s %v %s", got.Path, got.Header, diff)
		}
	}
	r := record(t, nil)
	tell(t, &Ntfy{URL: r.URL, Topic: NewSecret("ops"), Client: tries(t, 0)}, message(texted(strings.Repeat("é", 10000))))
	if got, document := r.one(t); len(document["message"].(string)) > 4096 || got.Header["Authorization"] != nil {
		t.Errorf("%d octets, %v", len(document["message"].(string)), got.Header)
	}
}

// TestPagerDuty is the event, and what joins events.
func TestPagerDuty(t *testing.T) {
	r := record(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	n := &PagerDuty{RoutingKey: NewSecret("R0UT1NG"), URL: r.URL + "/v2/enqueue", Client: tries(t, 0)}
	tell(t, n, message(doubted))
	got, document := r.one(t)
	want := map[string]any{
		"routing_key": "R0UT1NG", "event_action": "trigger", "dedup_key": "solotick/canary/ops", "client": "solotick",
		"payload": map[string]any{
			"summary": "✖ Firing (critical): 3 failed backups", "source": "canary", "severity": "critical", "component": "ops", "class": "firing",
			"timestamp": "2026-01-02T03:04:00Z",
			"custom_details": map[string]any{
				"text": "db1\ndb2 & <db3>", "kind": "firing", "attempt": 1., "fence": 1767323040000., "agent": "MAWDAHDOQH",
				"key": "canary/ops/firing/2026-01-02T03:04:00Z", "since": "2026-01-02T03:00:00Z",
				"remarks": []any{"Sent before, and its answer was lost: this may be a double."},
			},
		},
	}
	if diff := cmp.Diff(want, document); diff != "" || got.Path != "/v2/enqueue" {
		t.Errorf("%s %s", got.Path, diff)
	}
}

func TestPagerDutyActions(t *testing.T) {
	for kind, want := range map[Kind][]string{
		Firing: {"trigger solotick/canary/ops"}, Reminder: {"trigger solotick/canary/ops"}, Cleared: {"resolve solotick/canary/ops"},
		Passed: {"trigger solotick/canary/ops", "resolve solotick/canary/ops"},
		Test:   {"trigger solotick/canary/ops/test", "resolve solotick/canary/ops/test"},
	} {
		r := record(t, nil)
		tell(t, &PagerDuty{RoutingKey: NewSecret("R"), URL: r.URL, Client: tries(t, 0)}, message(of(kind), func(m *Message) { m.Severity = "" }))
		var got []string
		for _, s := range r.all() {
			o := object(t, s.Body)
			got = append(got, o["event_action"].(string)+" "+o["dedup_key"].(string))
			if s := o["payload"].(map[string]any)["severity"]; s != "error" {
				t.Errorf("severity %v, and PagerDuty wants one of its four", s)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
	if key := dedupKey(message(func(m *Message) { m.Job = strings.Repeat("x", 300) })); len(key) > 255 {
		t.Errorf("key of %d characters", len(key))
	}
}

// TestCheck is what is wrong with fields, for the notifiers that have few.
func TestCheck(t *testing.T) {
	type checker interface {
		Notifier
		Check() error
	}
	for _, tt := range []struct {
		n    checker
		want string // empty: nothing is wrong
	}{
		{&Webhook{URL: NewSecret("https://h/")}, ""},
		{&Webhook{}, "url is missing"},
		{&Webhook{URL: NewSecret("ftp://h/")}, "want a URL"},
		{&Webhook{URL: NewSecret("https://h/"), Header: map[string]Secret{"a b": NewSecret("c")}}, "no name of a header"},
		{&Webhook{URL: NewSecret("https://h/"), Header: map[string]Secret{"A": NewSecret("c\r\nB: d")}}, "line feed"},
		{&Teams{URL: NewSecret("h")}, "want a URL"},
		{&Discord{}, "url is missing"},
		{&Ntfy{Topic: NewSecret("ops")}, ""},
		{&Ntfy{}, "topic is missing"},
		{&Ntfy{Topic: NewSecret("a/b")}, "at most 64 letters"},
		{&Ntfy{Topic: NewSecret("ops"), URL: "h"}, "want a URL"},
		{&Ntfy{Topic: NewSecret("ops"), Token: NewSecret("a\nb")}, "line feed"},
		{&PagerDuty{RoutingKey: NewSecret("r")}, ""},
		{&PagerDuty{}, "routing_key is missing"},
		{&PagerDuty{RoutingKey: NewSecret("r"), URL: "h"}, "want a URL"},
		{&Ping{URL: NewSecret("https://h/u")}, ""},
		{&Ping{}, "url is missing"},
		{&Ping{URL: NewSecret("https://h/u"), FailURL: NewSecret("u/fail")}, "fail_url: want a URL"},
		{&Ping{URL: NewSecret("https://h/u"), Method: "HEAD"}, `method is "HEAD": want POST, GET`},
	} {
		err := tt.n.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.n, err, tt.want)
		}
		if err == nil {
			continue
		}
		if _, notified := tt.n.Notify(t.Context(), message()); notified == nil || notified.Error() != err.Error() {
			t.Errorf("%+v: Notify says %v", tt.n, notified)
		}
	}
}
