package notify

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"
)

// A mailServer speaks as much of RFC 5321 as a client of it needs: EHLO,
// STARTTLS, AUTH PLAIN, MAIL, RCPT, DATA, RSET, NOOP, QUIT. It takes one user,
// and demands what a real one does: TLS before AUTH, AUTH before MAIL.
type mailServer struct {
	roots    *x509.CertPool
	implicit bool              // TLS from the beginning
	bare     bool              // neither TLS nor AUTH
	answers  map[string]string // instead of the usual ones, by command; empty: hang up; "." is the end of the data
	stuck    chan struct{}     // closed when a command's answer is "stuck": it waits for the client to leave

	mu    sync.Mutex
	mails []mailSeen
	said  []string // commands
}

type mailSeen struct {
	From string
	To   []string
	Data string // with line feeds
	TLS  bool
}

const (
	mailUser     = "alerts@example.com"
	mailPassword = "P4ssw0rdPlanted"
)

// serveMail runs a server, and returns it with a notifier that sends to it.
func serveMail(t *testing.T, change ...func(*mailServer, *Email)) (*mailServer, *Email) {
	t.Helper()
	s := &mailServer{stuck: make(chan struct{})}
	cert, roots := certificate(t)
	s.roots = roots
	e := &Email{
		Host: "127.0.0.1", User: mailUser, Password: NewSecret(mailPassword), From: "Solotick <alerts@example.com>", To: []string{"ops@example.com", "Boss <boss@example.org>"},
		TLSConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	for _, c := range change {
		c(s, e)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.Port = l.Addr().(*net.TCPAddr).Port
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				s.serve(conn, config)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return s, e
}

// certificate makes one for 127.0.0.1, and the roots that know it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// all are the mails so far.
func (s *mailServer) all() []mailSeen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

func (s *mailServer) serve(conn net.Conn, config *tls.Config) {
	encrypted, known := s.implicit, false
	if s.implicit {
		conn = tls.Server(conn, config)
	}
	line := textproto.NewConn(conn)
	line.PrintfLine("220 mail.example.com ESMTP")
	var mail mailSeen
	for {
		text, err := line.ReadLine()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.said = append(s.said, text)
		s.mu.Unlock()
		command, rest, _ := strings.Cut(text, " ")
		command = strings.ToUpper(command)
		if answer, ok := s.answers[command]; ok {
			if !s.special(line, answer, text) {
				return
			}
			continue
		}
		switch command {
		case "EHLO":
			s.hello(line, encrypted)
		case "STARTTLS":
			line.PrintfLine("220 go on")
			conn = tls.Server(conn, config)
			line, encrypted = textproto.NewConn(conn), true
		case "AUTH":
			known = encrypted && rest == "PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+mailUser+"\x00"+mailPassword))
			say(line, known, "235 welcome", "535 5.7.8 no")
		case "MAIL":
			mail = mailSeen{From: address1(rest), TLS: encrypted}
			say(line, known || s.bare, "250 ok", "530 5.7.0 log in first")
		case "RCPT":
			mail.To = append(mail.To, address1(rest))
			line.PrintfLine("250 ok")
		case "DATA":
			if !s.data(line, mail) {
				return
			}
		case "QUIT":
			line.PrintfLine("221 bye")
			return
		default:
			line.PrintfLine("250 ok")
		}
	}
}

// data takes a mail, unless the answer after it refuses it; false: hang up.
func (s *mailServer) data(line *textproto.Conn, mail mailSeen) bool {
	line.PrintfLine("354 go on")
	data, err := line.ReadDotBytes()
	if err != nil {
		return false
	}
	mail.Data = string(data)
	answer, special := s.answers["."]
	if !special {
		answer = "250 2.0.0 queued"
	}
	if !strings.HasPrefix(answer, "4") && !strings.HasPrefix(answer, "5") {
		s.mu.Lock()
		s.mails = append(s.mails, mail)
		s.mu.Unlock()
	}
	return s.special(line, answer, "")
}

func (s *mailServer) hello(line *textproto.Conn, encrypted bool) {
	line.PrintfLine("250-mail.example.com")
	switch {
	case encrypted:
		line.PrintfLine("250-AUTH PLAIN")
	case !s.bare:
		line.PrintfLine("250-STARTTLS")
	}
	line.PrintfLine("250 8BITMIME")
}

// special gives an answer that is not the usual one; false: hang up. An echo
// says what was said.
func (s *mailServer) special(line *textproto.Conn, answer, said string) bool {
	switch answer {
	case "":
		return false
	case "stuck":
		close(s.stuck)
		line.ReadLine()
		return false
	}
	line.PrintfLine("%s", strings.ReplaceAll(answer, "ECHO", said))
	return true
}

func say(line *textproto.Conn, yes bool, good, bad string) {
	if yes {
		line.PrintfLine("%s", good)
	} else {
		line.PrintfLine("%s", bad)
	}
}

// address1 is what stands between < and >.
func address1(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

// parts are a mail's header, and its text.
func (m mailSeen) parts(t *testing.T) (textproto.MIMEHeader, string) {
	t.Helper()
	head, body, ok := strings.Cut(m.Data, "\n\n")
	if !ok {
		t.Fatalf("no mail: %q", m.Data)
	}
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(head + "\n\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("header %q: %v", head, err)
	}
	return header, body
}
