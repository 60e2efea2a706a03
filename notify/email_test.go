package notify

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func implicitTLS(s *mailServer, e *Email) { s.implicit, e.TLS = true, MailTLS }
func withoutTLS(s *mailServer, e *Email) {
	s.bare, e.TLS, e.User, e.Password = true, MailNone, "", NewSecret("")
}

func answering(command, answer string) func(*mailServer, *Email) {
	return func(s *mailServer, _ *Email) { s.answers = map[string]string{command: answer} }
}

// TestEmail is the mail, over each kind of line.
func TestEmail(t *testing.T) {
	for name, change := range map[string]func(*mailServer, *Email){
		"starttls": func(*mailServer, *Email) {}, "tls": implicitTLS, "none": withoutTLS,
	} {
		t.Run(name, func(t *testing.T) {
			s, e := serveMail(t, change)
			if ref := tell(t, e, message(texted("größer\nals 5 €\n.\nQUIT"))); ref != "" {
				t.Errorf("ref %q", ref)
			}
			all := s.all()
			if len(all) != 1 {
				t.Fatalf("%d mails", len(all))
			}
			got := all[0]
			header, body := got.parts(t)
			text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
			if err != nil {
				t.Fatal(err)
			}
			want := "✖ Firing (critical): 3 failed backups\ngrößer\nals 5 €\n.\nQUIT\n\njob canary · alert ops · tick 2026-01-02T03:04:00Z · " +
				"since 2026-01-02T03:00:00Z · agent MAWDAHDOQH · fence 1767323040000 · attempt 1\n"
			if diff := cmp.Diff(want, string(text)); diff != "" {
				t.Error(diff)
			}
			got.Data = ""
			if diff := cmp.Diff(mailSeen{From: "alerts@example.com", To: []string{"ops@example.com", "boss@example.org"}, TLS: name != "none"}, got); diff != "" {
				t.Error(diff)
			}
			if date, err := time.Parse(time.RFC1123Z, header.Get("Date")); err != nil || time.Since(date) > time.Hour {
				t.Errorf("date %q: %v", header.Get("Date"), err)
			}
			for field, want := range map[string]string{
				"From": `"Solotick" <alerts@example.com>`, "To": `<ops@example.com>, "Boss" <boss@example.org>`, "Subject": "Firing (critical): 3 failed backups",
				"Content-Type": "text/plain; charset=UTF-8", "Auto-Submitted": "auto-generated", "In-Reply-To": "", "X-Mailer": "",
			} {
				if got := header.Get(field); got != want {
					t.Errorf("%s: %q, want %q", field, got, want)
				}
			}
		})
	}
}

// TestEmailIDs joins mails by since when the condition holds, and makes a double
// recognisable.
func TestEmailIDs(t *testing.T) {
	s, e := serveMail(t)
	later := func(m *Message) { m.Tick = m.Tick.Add(time.Hour) }
	for _, m := range []*Message{
		message(), message(second, later, doubted), // a double
		message(of(Reminder), later), message(of(Reminder), later, second), // another
		message(of(Cleared), later),
		message(of(Cleared), func(m *Message) { m.Since = time.Time{} }),
	} {
		tell(t, e, m)
	}
	var id, reply []string
	for _, m := range s.all() {
		header, _ := m.parts(t)
		id, reply = append(id, header.Get("Message-Id")), append(reply, header.Get("In-Reply-To"))
		if header.Get("References") != header.Get("In-Reply-To") || !strings.HasSuffix(header.Get("Message-Id"), "@example.com>") {
			t.Errorf("header %v", header)
		}
	}
	if id[0] != id[1] || id[2] != id[3] || id[0] == id[2] || id[2] == id[4] || id[4] == id[5] {
		t.Errorf("IDs %q", id)
	}
	if diff := cmp.Diff([]string{"", "", id[0], id[0], id[0], ""}, reply); diff != "" {
		t.Error(diff)
	}
}

// TestEmailInjection writes no header that a title tells it to.
func TestEmailInjection(t *testing.T) {
	s, e := serveMail(t)
	title := "a\r\nBcc: evil@example.net\n\nbody\x00 é"
	tell(t, e, message(func(m *Message) { m.Title, m.Job = title, "x\r\nBcc: evil@example.net" }))
	header, _ := s.all()[0].parts(t)
	subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
	if want := "Firing (critical): a Bcc: evil@example.net body é"; err != nil || subject != want || header.Get("Bcc") != "" {
		t.Errorf("subject %q, want %q; %v; %v", subject, want, header, err)
	}
	if got := s.all()[0].To; len(got) != 2 {
		t.Errorf("to %q", got)
	}
}

// TestEmailOutcome: only what was sent whole and not answered is uncertain.
func TestEmailOutcome(t *testing.T) {
	for name, tt := range map[string]struct {
		change    func(*mailServer, *Email)
		uncertain bool
		delivered bool
		want      string // in the error; empty: there is none
	}{
		"no answer":             {answering(".", ""), true, true, "EOF"},
		"another answer":        {answering(".", "354 what"), true, true, `354 "what"`},
		"refused at last":       {answering(".", "554 5.7.1 spam"), false, false, `554 "5.7.1 spam"`},
		"full":                  {answering(".", "452 4.3.1 later"), false, false, `452 "4.3.1 later"`},
		"hung up before data":   {answering("DATA", ""), false, false, "DATA"},
		"no data":               {answering("DATA", "451 4.3.0 no"), false, false, `451 "4.3.0 no"`},
		"sender refused":        {answering("MAIL", "550 5.7.1 you"), false, false, `550 "5.7.1 you"`},
		"address refused":       {answering("RCPT", "550 5.1.1 nobody"), false, false, `550 "5.1.1 nobody"`},
		"wrong password":        {func(_ *mailServer, e *Email) { e.Password = NewSecret("other") }, false, false, `535 "5.7.8 no"`},
		"password said again":   {answering("AUTH", "535 ECHO"), false, false, `535 "AUTH PLAIN ***"`},
		"no login offered":      {func(s *mailServer, e *Email) { s.bare, e.TLS = true, MailNone }, false, false, "AUTH"},
		"no STARTTLS":           {func(s *mailServer, _ *Email) { s.bare = true }, false, false, "does not support STARTTLS"},
		"STARTTLS refused":      {answering("STARTTLS", "454 not now"), false, false, `454 "not now"`},
		"unknown certificate":   {func(_ *mailServer, e *Email) { e.TLSConfig = nil }, false, false, "certificate"},
		"unknown, implicit":     {func(s *mailServer, e *Email) { s.implicit, e.TLS, e.TLSConfig = true, MailTLS, nil }, false, false, "certificate"},
		"failure after the end": {answering("RSET", ""), false, true, ""},
		"QUIT refused":          {answering("QUIT", "500 no"), false, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, e := serveMail(t, tt.change)
			_, err := e.Notify(t.Context(), message())
			if (err == nil) != (tt.want == "") || isUncertain(err) != tt.uncertain || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want %q, uncertain %t", err, tt.want, tt.uncertain)
			}
			if n := len(s.all()); n > 1 || (n == 1) != tt.delivered {
				t.Errorf("%d mails", n)
			}
			if err != nil {
				checkError(t, err)
			}
		})
	}
}

// TestEmailNoPlainPassword sends a password to nobody who could not be trusted
// with it.
func TestEmailNoPlainPassword(t *testing.T) {
	s, e := serveMail(t, func(s *mailServer, e *Email) {
		s.bare, e.TLS = true, MailNone
		s.answers = map[string]string{"EHLO": "250 AUTH PLAIN LOGIN"}
	})
	if _, err := e.Notify(t.Context(), message()); err == nil {
		t.Error("no error")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.said {
		if strings.HasPrefix(line, "AUTH") {
			t.Errorf("said: %s", line)
		}
	}
}

// TestEmailDeadline ends with the context, wherever the server is stuck.
func TestEmailDeadline(t *testing.T) {
	for command, uncertain := range map[string]bool{"EHLO": false, "AUTH": false, "MAIL": false, "DATA": false, ".": true} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s, e := serveMail(t, answering(command, "stuck"))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				<-s.stuck
				cancel()
			}()
			_, err := e.Notify(ctx, message())
			if !errors.Is(err, context.Canceled) || isUncertain(err) != uncertain {
				t.Errorf("error %v, want canceled; uncertain %t", err, uncertain)
			}
		})
	}
	t.Run("Timeout", func(t *testing.T) {
		t.Parallel()
		_, e := serveMail(t, answering("MAIL", "stuck"), func(_ *mailServer, e *Email) { e.Timeout = 100 * time.Millisecond })
		if _, err := e.Notify(t.Context(), message()); err == nil || isUncertain(err) {
			t.Errorf("error %v", err)
		}
	})
}

func TestEmailNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	e := &Email{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, From: "a@example.com", To: []string{"b@example.com"}}
	if _, err := e.Notify(t.Context(), message()); err == nil || isUncertain(err) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v", err)
	}
}

// TestEmailMillion sends little of much.
func TestEmailMillion(t *testing.T) {
	s, e := serveMail(t)
	tell(t, e, message(texted(strings.Repeat("a\x00é<.>\n.\n", 1<<20/10))))
	if n := len(s.all()[0].Data); n > 500000 {
		t.Errorf("%d octets", n)
	}
}

func TestEmailCheck(t *testing.T) {
	good := func(change func(*Email)) *Email {
		e := &Email{Host: "mail.example.com", From: "a@example.com", To: []string{"b@example.com"}}
		change(e)
		return e
	}
	for _, tt := range []struct {
		change func(*Email)
		want   string // empty: nothing is wrong
	}{
		{func(*Email) {}, ""},
		{func(e *Email) { e.Host = "" }, "host"},
		{func(e *Email) { e.Host = "smtp://mail" }, "host"},
		{func(e *Email) { e.Port = 70000 }, "70000 is none"},
		{func(e *Email) { e.TLS = "ssl" }, `tls is "ssl": want starttls, tls, none`},
		{func(e *Email) { e.Password = NewSecret("p") }, "no user"},
		{func(e *Email) { e.From = "nobody" }, `from: "nobody" is no mail address`},
		{func(e *Email) { e.To = nil }, "to is missing"},
		{func(e *Email) { e.To = append(e.To, "a@b>\r\nRCPT TO:<c@d") }, "no mail address"},
	} {
		err := good(tt.change).Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
}

// TestEmailPorts are those that a mail server is expected at.
func TestEmailPorts(t *testing.T) {
	for mode, want := range map[string]string{"": "h:587", MailSTARTTLS: "h:587", MailTLS: "h:465", MailNone: "h:25"} {
		c, err := (&Email{Host: "h", TLS: mode}).client(t.Context())
		if err != nil || c.ServerAddr() != want {
			t.Errorf("%q: %s, %v, want %s", mode, c.ServerAddr(), err, want)
		}
	}
}
