package notify

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
)

// mattermost is the URL of a service of the library that can speak to a server
// on this machine without TLS.
func mattermost(server string) *URL {
	u, _ := url.Parse(server)
	return &URL{URL: NewSecret("mattermost://bot@" + u.Host + "/TokenPlanted/channelPlanted?disabletls=yes")}
}

func TestURL(t *testing.T) {
	r := record(t, nil)
	if ref := tell(t, mattermost(r.URL), message(texted(strings.Repeat("é", 5000)))); ref != "" {
		t.Errorf("ref %q", ref)
	}
	got, document := r.one(t)
	text := document["text"].(string)
	if got.Path != "/hooks/TokenPlanted" || len([]rune(text)) > 2000 || !strings.HasPrefix(text, "✖ Firing (critical): 3 failed backups\né") || !strings.Contains(text, "job canary") {
		t.Errorf("%s %q", got.Path, text)
	}
}

// TestURLMentionsNobody has no text call a whole room.
func TestURLMentionsNobody(t *testing.T) {
	r := record(t, nil)
	tell(t, mattermost(r.URL), message(texted("@all (@channel) @**all** <!channel> <users/all> <@U1> <at user_id=\"all\"> a@b.example 3 < 4")))
	_, document := r.one(t)
	text := strings.ReplaceAll(document["text"].(string), "\u200b", "·")
	if !strings.Contains(text, "\n@·all (@·channel) @·**all** <·!channel> <·users/all> <·@·U1> <·at user_id=\"all\"> a@b.example 3 < 4\n") {
		t.Error(text)
	}
}

// TestURLOutcome: only without a connection it is sure that nothing was
// delivered.
func TestURLOutcome(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, tt := range map[string]struct {
		url       *URL
		uncertain bool
	}{
		"400":          {mattermost(record(t, echo(400)).URL), true},
		"500":          {mattermost(record(t, echo(500)).URL), true},
		"hung up":      {mattermost(record(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }).URL), true},
		"nobody there": {mattermost(gone.URL), false},
		"wrong URL":    {&URL{URL: NewSecret("mattermost://127.0.0.1:1/")}, false},
		"wrong token":  {&URL{URL: NewSecret("telegram://Planted1Planted@telegram?chats=Planted2")}, false},
	} {
		_, err := tt.url.Notify(t.Context(), message())
		if err == nil || isUncertain(err) != tt.uncertain {
			t.Errorf("%s: %v, want uncertain %t", name, err, tt.uncertain)
			continue
		}
		checkError(t, err)
		if text := err.Error(); strings.Contains(text, "127.0.0.1") || strings.ContainsAny(text, "\n\r") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// TestURLDeadline leaves a send that hangs alone, and no more than a few.
func TestURLDeadline(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{}, urlSending)
	r := record(t, func(_ http.ResponseWriter, req *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	n := mattermost(r.URL)
	for range urlSending {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		if _, err := n.Notify(ctx, message()); !isUncertain(err) {
			t.Errorf("hanging: %v", err)
		}
		cancel()
	}
	if _, err := n.Notify(t.Context(), message()); err == nil || isUncertain(err) || !strings.Contains(err.Error(), "still being sent") {
		t.Errorf("one more: %v", err)
	}
	close(release)
	for n.sending.Load() > 0 {
		runtime.Gosched()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Notify(ended, message()); err == nil || isUncertain(err) {
		t.Errorf("after the end: %v", err)
	}
}

func TestURLCheck(t *testing.T) {
	for u, want := range map[string]string{
		"":                        "want a URL such as",
		"nothing":                 "want a URL such as",
		"\x00":                    "want a URL such as",
		"nosuch://Planted":        "there is no service nosuch://",
		"logger://":               "there is no service logger://",
		"slack://Planted":         "use slack:",
		"Slack://Planted":         "use slack:",
		"discord://Planted":       "use discord:",
		"teams+https://Planted":   "use teams:",
		"pagerduty://Planted":     "use pagerduty:",
		"ntfy://Planted":          "use ntfy:",
		"smtp://Planted":          "use email:",
		"generic+https://Planted": "use webhook:",
	} {
		err := (&URL{URL: NewSecret(u)}).Check()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", u, err, want)
			continue
		}
		checkError(t, err)
	}
	// Every service of the library is taken, or is one of those above.
	for _, scheme := range (&router.ServiceRouter{}).ListServices() {
		err := (&URL{URL: NewSecret(scheme + "://x")}).Check()
		_, native := urlNative[scheme]
		if (err != nil) != (native || scheme == urlSilent) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
	if !slices.Contains((&router.ServiceRouter{}).ListServices(), "telegram") {
		t.Error("the library has no services")
	}
}
