package notify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// How a mail server is spoken to.
const (
	MailSTARTTLS = "starttls" // in plain text until it has agreed to encryption, and not at all if it does not
	MailTLS      = "tls"      // encrypted from the beginning
	MailNone     = "none"     // in plain text; a password is then sent to nobody
)

// An Email is sent by a mail server, as plain text.
//
// Its Message-ID is made of the message's key, so that mail systems which look
// for doubles find one. Where it is known since when the condition holds, the
// first mail's is made of that instead, and the later ones are replies to it.
//
// A mail is accepted if the server takes it for every address of To.
type Email struct {
	Host     string
	Port     int    // 0: 587 with MailSTARTTLS, 465 with MailTLS, 25 with MailNone
	TLS      string // MailSTARTTLS (also if empty), MailTLS or MailNone
	User     string // empty: no login
	Password Secret
	From     string // an address, with or without a name
	To       []string

	TLSConfig *tls.Config   // nil: the system's roots, TLS 1.2 and later
	Timeout   time.Duration // of one mail; 0: 30 s. The context may end it earlier
}

const (
	mailTextLimit    = 100000
	mailDefaultLimit = 30 * time.Second
)

// Check says what is wrong with the fields.
func (e *Email) Check() error {
	switch {
	case e.Host == "" || strings.ContainsAny(e.Host, " \r\n\t/@"):
		return errors.New("email: host: want a host name or address")
	case e.Port < 0 || e.Port > 65535:
		return fmt.Errorf("email: port: %d is none", e.Port)
	case e.User == "" && !e.Password.IsZero():
		return errors.New("email: there is a password, and no user")
	case len(e.To) == 0:
		return errors.New("email: to is missing")
	}
	if err := checkOneOf("tls", e.TLS, MailSTARTTLS, MailTLS, MailNone); err != nil {
		return fmt.Errorf("email: %w", err)
	}
	if _, err := address(e.From); err != nil {
		return fmt.Errorf("email: from: %w", err)
	}
	for _, to := range e.To {
		if _, err := address(to); err != nil {
			return fmt.Errorf("email: to: %w", err)
		}
	}
	return nil
}

func address(s string) (*netmail.Address, error) {
	a, err := netmail.ParseAddress(s)
	if err != nil || strings.ContainsAny(s, "\r\n\x00") || strings.ContainsAny(a.Address, " \"") {
		return nil, fmt.Errorf("%q is no mail address", s)
	}
	return a, nil
}

// Notify implements [Notifier]. The ref is always empty: what joins mails is
// since when the condition holds.
func (e *Email) Notify(ctx context.Context, m *Message) (string, error) {
	if err := e.Check(); err != nil {
		return "", err
	}
	msg, err := e.compose(m)
	if err != nil {
		return "", fmt.Errorf("email: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(e.Timeout, mailDefaultLimit))
	defer cancel()
	client, err := e.client(ctx)
	if err != nil {
		return "", fmt.Errorf("email: %w", fail(err, false, e.secrets()...))
	}
	err = client.DialAndSendWithContext(ctx, msg)
	if err == nil || msg.IsDelivered() {
		return "", nil // what goes wrong after the server has taken it does not matter
	}
	var at *mail.SendError
	lost := errors.As(err, &at) && at.Reason == mail.ErrSMTPDataClose && at.ErrorCode() == 0 // all was sent, and nothing came back
	said, _, _ := strings.Cut(err.Error(), ", affected message ID")
	err = errors.New(oneLine(said))
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return "", fmt.Errorf("email: %s: %w", e.Host, fail(err, lost, e.secrets()...))
}

// secrets are the password, and the forms in which it is sent.
func (e *Email) secrets() []Secret {
	encode := func(s string) Secret { return NewSecret(base64.StdEncoding.EncodeToString([]byte(s))) }
	if e.Password.IsZero() {
		return nil
	}
	return []Secret{e.Password, encode(e.Password.reveal()), encode("\x00" + e.User + "\x00" + e.Password.reveal())}
}

func (e *Email) tlsConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.TLSConfig != nil {
		c = e.TLSConfig.Clone()
	}
	c.ServerName = cmp.Or(c.ServerName, e.Host)
	return c
}

func (e *Email) client(ctx context.Context) (*mail.Client, error) {
	config := e.tlsConfig()
	port, policy := 587, mail.TLSMandatory
	switch e.TLS {
	case MailTLS:
		port, policy = 465, mail.TLSOpportunistic // by then, the line is encrypted already
	case MailNone:
		port, policy = 25, mail.NoTLS
	}
	options := []mail.Option{
		mail.WithPort(cmp.Or(e.Port, port)), mail.WithTLSPolicy(policy), mail.WithTLSConfig(config),
		mail.WithTimeout(cmp.Or(e.Timeout, mailDefaultLimit)), mail.WithDialContextFunc(e.dialer(ctx, config)),
	}
	if e.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.User), mail.WithPassword(e.Password.reveal()))
	}
	return mail.NewClient(e.Host, options...)
}

// dialer connects, and closes the connection when the context of the mail ends:
// the library minds a context only while it connects.
func (e *Email) dialer(mailCtx context.Context, config *tls.Config) mail.DialContextFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(mailCtx, func() { conn.Close() })
		if e.TLS != MailTLS {
			return conn, nil
		}
		encrypted := tls.Client(conn, config)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return encrypted, nil
	}
}

// compose writes the mail.
func (e *Email) compose(m *Message) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.From(e.From); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	if err := msg.To(e.To...); err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	from, err := address(e.From)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	id, first := mailIDs(m, from.Address)
	msg.SetMessageIDWithValue(id)
	if first != "" {
		msg.SetGenHeader(mail.HeaderInReplyTo, "<"+first+">")
		msg.SetGenHeader(mail.HeaderReferences, "<"+first+">")
	}
	msg.SetDate()
	msg.Subject(strings.TrimPrefix(m.headline(), m.sign()+" "))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody answers that he is away
	msg.SetBodyString(mail.TypeTextPlain, m.plain(mailTextLimit, runes)+"\n")
	return msg, nil
}

// mailIDs are the Message-ID of a mail, and that of the first one that it
// follows.
func mailIDs(m *Message, from string) (id, first string) {
	_, domain, _ := strings.Cut(from, "@")
	if strings.ContainsFunc(domain, func(r rune) bool { return r > '~' }) {
		domain = "mail.invalid" // an ID is ASCII, and need not lead anywhere
	}
	name := func(parts ...string) string {
		sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
		return hex.EncodeToString(sum[:16]) + "@" + domain
	}
	id = name("key", m.Key())
	if m.Since.IsZero() {
		return id, ""
	}
	root := name("since", m.Job, m.Alert, rfc3339(m.Since))
	switch m.Kind {
	case Firing:
		return root, ""
	case Reminder, Cleared:
		return id, root
	}
	return id, ""
}
