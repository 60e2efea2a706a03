package config

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/solotick/solotick/internal/web"
	"github.com/solotick/solotick/notify"
	"github.com/solotick/solotick/steps"
)

// A Notifier is one place where people are told.
type Notifier struct {
	Name string
	Kind string // slack, webhook, email, ...
	// Referenced says that it identifies its messages, which takes room in the
	// record.
	Referenced bool

	notify.Notifier
}

// Format prints the name and the kind, whatever the verb: the rest may be secret.
func (n Notifier) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%s (%s)", n.Name, n.Kind) }

// A channel is an item of notify: as the file says it: exactly one of its keys.
type channel struct {
	slack     *slackKeys
	webhook   *webhookKeys
	email     *emailKeys
	teams     *urlKeys
	discord   *urlKeys
	ntfy      *ntfyKeys
	pagerDuty *pagerDutyKeys
	ping      *pingKeys
	exec      *execKeys
	url       Secret
}

var channelKeys = []key[channel]{
	{name: "slack", doc: "Slack, by an incoming webhook or by a bot's token", to: func(c *channel) any { return &c.slack }},
	{name: "webhook", also: []string{"http"}, doc: "a JSON document by POST", to: func(c *channel) any { return &c.webhook }},
	{name: "email", also: []string{"mail", "smtp"}, doc: "e-mail", to: func(c *channel) any { return &c.email }},
	{name: "teams", also: []string{"msteams", "microsoft_teams"}, doc: "Microsoft Teams, by a workflow that takes webhook requests", to: func(c *channel) any { return &c.teams }},
	{name: "discord", doc: "Discord, by a webhook", to: func(c *channel) any { return &c.discord }},
	{name: "ntfy", doc: "ntfy", to: func(c *channel) any { return &c.ntfy }},
	{name: "pagerduty", also: []string{"pager_duty"}, doc: "PagerDuty, by its Events API", to: func(c *channel) any { return &c.pagerDuty }},
	{name: "ping", also: []string{"healthchecks"}, doc: "a URL that is asked for when all is well, and another when it is not", to: func(c *channel) any { return &c.ping }},
	{name: "exec", also: []string{"command", "cmd"}, doc: "a program, which finds the message in its environment", to: func(c *channel) any { return &c.exec }},
	{name: "url", also: []string{"shoutrrr"}, doc: "any other service, by a URL as shoutrrr has them, such as telegram://", to: func(c *channel) any { return &c.url }, rule: rule{secret: true}},
}

type slackKeys struct {
	webhook, token Secret
	channel        string
	followup       string
	dedupe         bool
	api            string
}

var slackTable = []key[slackKeys]{
	{name: "webhook", also: []string{"webhook_url", "url"}, doc: "the URL of an incoming webhook", to: func(s *slackKeys) any { return &s.webhook }, rule: rule{secret: true}},
	{name: "token", also: []string{"bot_token"}, doc: "or a bot's token, with chat:write", to: func(s *slackKeys) any { return &s.token }, rule: rule{secret: true}},
	{name: "channel", also: []string{"channel_id"}, doc: "with a token: the channel's ID", to: func(s *slackKeys) any { return &s.channel }},
	{name: "followup", doc: "with a token: what becomes of reminders and of the end: a reply, a change of the first message, or a message of its own", to: func(s *slackKeys) any { return &s.followup }, rule: rule{oneOf: []string{"thread", "update", "post"}}},
	{name: "dedupe", doc: "with a token that may read the channel's history: what may have been posted before is looked for first", to: func(s *slackKeys) any { return &s.dedupe }},
	{name: "api", doc: "the address of another server that speaks Slack's API", to: func(s *slackKeys) any { return &s.api }},
}

type webhookKeys struct {
	url     Secret
	headers map[string]Secret
	secret  Secret
	tls     *tlsKeys
}

var webhookTable = []key[webhookKeys]{
	{name: "url", doc: "where it goes", to: func(k *webhookKeys) any { return &k.url }, rule: rule{required: true, pattern: webURL}},
	{name: "headers", also: []string{"header"}, doc: "header fields", to: func(k *webhookKeys) any { return &k.headers }},
	{name: "secret", also: []string{"hmac", "signing_key"}, doc: "a key to sign the document with (HMAC-SHA256)", to: func(k *webhookKeys) any { return &k.secret }, rule: rule{secret: true}},
	{name: "tls", doc: "certificates", to: func(k *webhookKeys) any { return &k.tls }},
}

type emailKeys struct {
	host, tlsMode, user, from string
	port                      int
	password                  Secret
	to                        []string
	tls                       *tlsKeys
}

var emailTable = []key[emailKeys]{
	{name: "host", also: []string{"server", "smtp"}, doc: "the mail server", to: func(k *emailKeys) any { return &k.host }, rule: rule{required: true}},
	{name: "port", doc: "if absent 587, 465 with security: tls, 25 with security: none", to: func(k *emailKeys) any { return &k.port }, rule: rule{least: 1, most: 65535}},
	{name: "security", also: []string{"encryption", "starttls"}, doc: "how the connection is encrypted", to: func(k *emailKeys) any { return &k.tlsMode }, rule: rule{def: "starttls", oneOf: []string{"starttls", "tls", "none"}}},
	{name: "user", also: []string{"username", "login"}, doc: "for the login; if absent there is none", to: func(k *emailKeys) any { return &k.user }},
	{name: "password", also: []string{"pass"}, doc: "for the login", to: func(k *emailKeys) any { return &k.password }, rule: rule{secret: true}},
	{name: "from", also: []string{"sender"}, doc: "the sender's address", to: func(k *emailKeys) any { return &k.from }, rule: rule{required: true}},
	{name: "to", also: []string{"recipients", "recipient"}, doc: "the receivers' addresses", to: func(k *emailKeys) any { return &k.to }, rule: rule{required: true}},
	{name: "tls", doc: "certificates", to: func(k *emailKeys) any { return &k.tls }},
}

type urlKeys struct{ url Secret }

var urlTable = []key[urlKeys]{
	{name: "url", also: []string{"webhook", "webhook_url"}, doc: "the webhook's URL", to: func(k *urlKeys) any { return &k.url }, rule: rule{required: true, secret: true}},
}

type ntfyKeys struct {
	url          string
	topic, token Secret
}

var ntfyTable = []key[ntfyKeys]{
	{name: "url", also: []string{"server"}, doc: "the server, if it is not https://ntfy.sh", to: func(k *ntfyKeys) any { return &k.url }, rule: rule{pattern: optionalURL}},
	{name: "topic", doc: "the topic", to: func(k *ntfyKeys) any { return &k.topic }, rule: rule{required: true, pattern: ntfyTopic}},
	{name: "token", doc: "an access token, if the server wants one", to: func(k *ntfyKeys) any { return &k.token }, rule: rule{secret: true}},
}

type pagerDutyKeys struct {
	key Secret
	url string
}

var pagerDutyTable = []key[pagerDutyKeys]{
	{name: "routing_key", also: []string{"integration_key", "key", "token"}, doc: "the integration key of a service", to: func(k *pagerDutyKeys) any { return &k.key }, rule: rule{required: true, secret: true}},
	{name: "url", doc: "another address of the Events API, such as that of the EU", to: func(k *pagerDutyKeys) any { return &k.url }, rule: rule{pattern: optionalURL}},
}

type pingKeys struct {
	url, failURL Secret
	method       string
}

var pingTable = []key[pingKeys]{
	{name: "url", doc: "is asked for when it is over", to: func(k *pingKeys) any { return &k.url }, rule: rule{required: true, pattern: webURL}},
	{name: "fail_url", doc: "is asked for when it begins; if absent url with /fail added", to: func(k *pingKeys) any { return &k.failURL }, rule: rule{pattern: optionalURL}},
	{name: "method", doc: "POST has the message as its body", to: func(k *pingKeys) any { return &k.method }, rule: rule{def: http.MethodPost, oneOf: []string{http.MethodPost, http.MethodGet}}},
}

type execKeys struct {
	argv    argv
	shell   bool
	dir     string
	env     []Variable
	timeout time.Duration
}

var execTable = []key[execKeys]{
	{name: "command", also: []string{"argv", "cmd"}, doc: "a program and its arguments, or with shell: true one text", to: func(k *execKeys) any { return &k.argv }, rule: rule{required: true}},
	{name: "shell", doc: "command: is one text for /bin/sh -c", to: func(k *execKeys) any { return &k.shell }},
	{name: "dir", doc: "the working directory", to: func(k *execKeys) any { return &k.dir }},
	{name: "env", doc: "variables", to: func(k *execKeys) any { return &k.env }},
	{name: "timeout", doc: "how long it may take", to: func(k *execKeys) any { return &k.timeout }, rule: rule{def: "10s", least: second / 1000, most: minute}},
}

// service fills what only an item of notify: has.
func (w *walker) service(n *yaml.Node, path string, to any) bool {
	switch to := to.(type) {
	case **slackKeys:
		*to = nested(w, n, path, slackTable)
	case **webhookKeys:
		*to = nested(w, n, path, webhookTable)
	case **emailKeys:
		*to = nested(w, n, path, emailTable)
	case **urlKeys:
		*to = nested(w, n, path, urlTable)
	case **ntfyKeys:
		*to = nested(w, n, path, ntfyTable)
	case **pagerDutyKeys:
		*to = nested(w, n, path, pagerDutyTable)
	case **pingKeys:
		*to = nested(w, n, path, pingTable)
	case **execKeys:
		if n.Kind != yaml.MappingNode { // exec: [program, argument]
			*to = new(execKeys)
			preset(execTable, *to)
			return w.value(n, path, &(*to).argv, rule{})
		}
		*to = nested(w, n, path, execTable)
	default:
		panic(fmt.Sprintf("config: %T in the table", to))
	}
	return true
}

func nested[T any](w *walker, n *yaml.Node, path string, keys []key[T]) *T {
	to := new(T)
	preset(keys, to)
	object(w, n, path, keys, to)
	return to
}

// notifiers reads notify:.
func (w *walker) notifiers(n *yaml.Node) []Notifier {
	if n == nil {
		return nil
	}
	var all []Notifier
	w.pairs(n, "notify", func(k, v *yaml.Node) {
		path := join("notify", k.Value)
		if err := checkStepID(k.Value); err != nil {
			_, hint := problemOf(err)
			w.mistake(k, path, hint, "%q cannot be the name of a notifier", k.Value)
		}
		before := len(w.mistakes)
		var c channel
		at := object(w, v, path, channelKeys, &c)
		w.channels[k.Value] = &Notifier{Name: k.Value} // also if it is wrong: alerts may name it
		if len(at) > 1 {
			w.mistake(k, path, "make two of them", "says %s: one name is one place", strings.Join(sortedNames(at), " and "))
		}
		if len(at) == 0 && follow(v).Kind == yaml.MappingNode && len(w.mistakes) == before {
			w.mistake(k, path, "slack, webhook, email, teams, discord, ntfy, pagerduty, ping, exec or url", "says nothing")
		}
		if len(w.mistakes) > before {
			return
		}
		made := w.notifier(&c, at, path)
		made.Name = k.Value
		if err := check(made.Notifier); err != nil {
			p := at[made.Kind]
			w.mistake(p.key, p.path, "", "%s", w.words(err))
		}
		*w.channels[k.Value] = made
		all = append(all, made)
	})
	return all
}

// check asks a notifier what is wrong with its fields.
func check(n notify.Notifier) error {
	if c, ok := n.(interface{ Check() error }); ok {
		return c.Check()
	}
	return nil
}

// notifier makes the notifier of an item.
func (w *walker) notifier(c *channel, at places, path string) Notifier {
	switch {
	case c.slack != nil:
		s := c.slack
		n := &notify.Slack{
			Webhook: secretOf(s.webhook), Token: secretOf(s.token), Channel: s.channel, Followup: s.followup, Dedupe: s.dedupe, URL: s.api,
		}
		return Notifier{Kind: "slack", Notifier: n, Referenced: !n.Token.IsZero() && s.followup != notify.FollowupPost}
	case c.webhook != nil:
		n := &notify.Webhook{URL: secretOf(c.webhook.url), Secret: secretOf(c.webhook.secret), Header: make(map[string]notify.Secret), Client: w.notifyClient(c.webhook.tls, at["webhook"])}
		for name, v := range c.webhook.headers {
			n.Header[name] = secretOf(v)
		}
		return Notifier{Kind: "webhook", Notifier: n}
	case c.email != nil:
		e := c.email
		n := &notify.Email{Host: e.host, Port: e.port, TLS: e.tlsMode, User: e.user, Password: secretOf(e.password), From: e.from, To: slices.Clone(e.to)}
		if e.tls != nil {
			n.TLSConfig = w.tls(e.tls, at["email"])
		}
		return Notifier{Kind: "email", Notifier: n}
	case c.teams != nil:
		return Notifier{Kind: "teams", Notifier: &notify.Teams{URL: secretOf(c.teams.url)}}
	case c.discord != nil:
		return Notifier{Kind: "discord", Notifier: &notify.Discord{URL: secretOf(c.discord.url)}}
	case c.ntfy != nil:
		return Notifier{Kind: "ntfy", Notifier: &notify.Ntfy{URL: c.ntfy.url, Topic: secretOf(c.ntfy.topic), Token: secretOf(c.ntfy.token)}}
	case c.pagerDuty != nil:
		return Notifier{Kind: "pagerduty", Notifier: &notify.PagerDuty{RoutingKey: secretOf(c.pagerDuty.key), URL: c.pagerDuty.url}}
	case c.ping != nil:
		return Notifier{Kind: "ping", Notifier: &notify.Ping{URL: secretOf(c.ping.url), FailURL: secretOf(c.ping.failURL), Method: c.ping.method}}
	case c.exec != nil:
		e := c.exec
		w.shellText(at["exec"], e.argv, e.shell)
		j := Job{Output: "prefixed"}
		cmd := j.command(e.argv, e.shell, e.dir)
		cmd.Timeout = e.timeout
		return Notifier{Kind: "exec", Notifier: &steps.ExecNotifier{Command: *cmd, Env: variables(e.env)}}
	}
	return Notifier{Kind: "url", Notifier: &notify.URL{URL: secretOf(c.url)}}
}

func secretOf(s Secret) notify.Secret { return notify.NewSecret(s.Reveal()) }

// notifyClient is a client with certificates of its own; nil: there are none.
func (w *walker) notifyClient(t *tlsKeys, p place) *web.Client {
	if t == nil {
		return nil
	}
	return web.New(web.Options{TLS: w.tls(t, p), Redirects: web.Never, Retries: 2})
}
