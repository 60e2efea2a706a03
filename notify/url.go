package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// A URL sends by one of the many services of the library shoutrrr, each with a
// URL of a form of its own: telegram://, matrix://, gotify://, pushover://,
// googlechat://, mattermost://, rocketchat://, zulip://, opsgenie:// and others.
//
// It is for what has no notifier here. The library knows no context, and says of
// a failure only that it was one: so whatever goes wrong after a connection was
// made leaves a message uncertain. It judges no address as package web does.
type URL struct {
	URL Secret

	sending atomic.Int32 // sends that have not returned
}

const (
	urlLimit   = 1900 // characters: several services take 2,000
	urlTimeout = 30 * time.Second
	// urlSending is how many sends may hang at once: one cannot be ended, but only
	// left alone.
	urlSending = 4
)

// urlNative are the library's services that have a better notifier here, and
// urlSilent the one that tells nobody.
var urlNative = map[string]string{
	"slack": "slack", "discord": "discord", "teams": "teams", "pagerduty": "pagerduty", "ntfy": "ntfy", "smtp": "email", "generic": "webhook",
}

const urlSilent = "logger"

// Check says what is wrong with the URL, as far as that shows without sending.
func (u *URL) Check() error {
	_, _, err := u.service()
	return err
}

func (u *URL) service() (types.Service, *url.URL, error) {
	parsed, err := url.Parse(u.URL.reveal())
	if err != nil || parsed.Scheme == "" {
		return nil, nil, errors.New("url: want a URL such as telegram://token@telegram?chats=name")
	}
	scheme, _, _ := strings.Cut(parsed.Scheme, "+")
	if native, ok := urlNative[scheme]; ok {
		return nil, nil, fmt.Errorf("url: %s:// is not sent by URL: use %s:, which tells more and posts nothing twice", parsed.Scheme, native)
	}
	service, err := (&router.ServiceRouter{}).NewService(parsed.Scheme)
	if err != nil || scheme == urlSilent {
		return nil, nil, fmt.Errorf("url: there is no service %s://", parsed.Scheme)
	}
	return service, parsed, nil
}

// Notify implements [Notifier]. The ref is always empty.
func (u *URL) Notify(ctx context.Context, m *Message) (string, error) {
	if err := u.Check(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, urlTimeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("url: %w", err)
	}
	if u.sending.Add(1) > urlSending {
		u.sending.Add(-1)
		return "", fmt.Errorf("url: %d earlier messages are still being sent: this one was not", urlSending)
	}
	text := m.with(uncalled).plain(urlLimit, utf16s)
	done := make(chan error, 1)
	go func() {
		defer u.sending.Add(-1)
		done <- u.send(text)
	}()
	select {
	case err := <-done:
		return "", err
	case <-ctx.Done():
		return "", fmt.Errorf("url: %w", fail(ctx.Err(), true))
	}
}

// send sends a text and waits for as long as that takes.
func (u *URL) send(text string) (err error) {
	defer func() {
		if p := recover(); p != nil { // it is a library for all and everything
			err = fmt.Errorf("url: %w", u.failed(fmt.Errorf("%v", p), true))
		}
	}()
	service, parsed, err := u.service()
	if err != nil {
		return err
	}
	if err := service.Initialize(parsed, nil); err != nil { // some log in here
		return fmt.Errorf("url: %w", u.failed(err, false))
	}
	if err := service.Send(text, &types.Params{}); err != nil {
		return fmt.Errorf("url: %w", u.failed(err, !unsent(err)))
	}
	return nil
}

// unsent says that no connection was made.
func unsent(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

// failed is the library's error without anything of the URL but its scheme.
func (u *URL) failed(err error, uncertain bool) error {
	_, rest, _ := strings.Cut(u.URL.reveal(), "://")
	text := without(err.Error(), long(append(split(rest), rest)))
	return fail(errors.New(oneLine(text)), uncertain, u.URL)
}
