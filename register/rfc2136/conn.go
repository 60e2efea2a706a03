package rfc2136

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/solotick/solotick/internal/dnsmsg"
	"github.com/solotick/solotick/register"
)

// splitServer reads host, host:port, an IPv6 address with or without brackets.
func splitServer(server string) (host, port string, err error) {
	if host, port, err = net.SplitHostPort(server); err != nil {
		host, port = strings.Trim(server, "[]"), "53"
	}
	if host == "" || port == "" {
		return "", "", fmt.Errorf("server %q: want a host name or address, and a port if it is not 53", server)
	}
	return host, port, nil
}

func (c *Client) address() string { return net.JoinHostPort(c.host, c.port) }

func (c *Client) keyName() string { return strings.TrimSuffix(c.key.Name, ".") }

// clock is the server's time as far as it is known: ours, until a BADTIME has
// told the difference.
func (c *Client) clock() time.Time { return c.now().Add(time.Duration(c.offset.Load()) * time.Second) }

func (c *Client) setClock(server time.Time) {
	c.offset.Store(int64(server.Sub(c.now()).Round(time.Second) / time.Second))
}

// A conn is one TCP connection, for one operation.
type conn struct {
	net.Conn
	client *Client
	ctx    context.Context // of the operation that it is for
	stop   func() bool
}

// dial connects to the server. Nothing has been sent when it fails.
func (c *Client) dial(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	tcp, err := c.dialPinned(ctx)
	if err != nil {
		if ctxErr := ctx.Err(); ctxErr != nil {
			return nil, fmt.Errorf("no connection: %w", ctxErr)
		}
		return nil, fmt.Errorf("no connection: %w", err)
	}
	// A context that ends also ends what is waited for, at once.
	stop := context.AfterFunc(ctx, func() { tcp.SetDeadline(time.Unix(1, 0)) })
	return &conn{Conn: tcp, client: c, ctx: ctx, stop: stop}, nil
}

// dialPinned connects to the address that was used last. Another address of the
// host may be another server, and is tried only when there is no such address
// any more: an outcome may be open at the one in use.
func (c *Client) dialPinned(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	c.mu.Lock()
	pinned := c.pinned
	c.mu.Unlock()
	var failed error
	if pinned != "" {
		tcp, err := dialer.DialContext(ctx, "tcp", pinned)
		if err == nil {
			return tcp, nil
		}
		failed = err
	}
	hosts, err := c.lookupHost(ctx, c.host)
	if err != nil {
		return nil, errors.Join(failed, err)
	}
	if host, _, err := net.SplitHostPort(pinned); err == nil && slices.Contains(hosts, host) {
		return nil, failed
	}
	for i, host := range hosts {
		address := net.JoinHostPort(host, c.port)
		tcp, err := dialShare(ctx, address, len(hosts)-i)
		if err == nil {
			c.mu.Lock()
			c.pinned = address
			c.mu.Unlock()
			return tcp, nil
		}
		failed = err
	}
	return nil, failed
}

// dialShare connects within one part of the time that is left, so that a silent
// address leaves the others theirs.
func dialShare(ctx context.Context, address string, parts int) (net.Conn, error) {
	dialer := net.Dialer{}
	if end, ok := ctx.Deadline(); ok {
		dialer.Timeout = max(time.Until(end)/time.Duration(parts), time.Nanosecond)
	}
	return dialer.DialContext(ctx, "tcp", address)
}

func (c *conn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// A request is a signed message, ready to be sent.
type request struct {
	msg  *dns.Msg
	wire []byte // framed
	mac  string
	at   time.Time // of the signature
}

func (c *conn) sign(m *dns.Msg) (request, error) {
	at := c.client.clock()
	wire, mac, err := dnsmsg.Sign(m, c.client.key, at)
	if err != nil {
		return request{}, err
	}
	if len(wire) > dns.MaxMsgSize {
		return request{}, fmt.Errorf("a message of %d octets is too long for DNS", len(wire))
	}
	return request{msg: m, wire: framed(wire), mac: mac, at: at}, nil
}

// pack is sign without a signature.
func (c *conn) pack(m *dns.Msg) (request, error) {
	wire, err := m.Pack()
	return request{msg: m, wire: framed(wire)}, err
}

// framed is a message as it goes over TCP (RFC 1035 section 4.2.2).
func framed(wire []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
}

// A reply is the answer to a request. Unless signed, it may be anybody's.
type reply struct {
	*dns.Msg
	signed bool
	tsig   *dns.TSIG // nil if there is none
	at     time.Time // of the request's signature
}

// exchange sends a request and waits for its reply. When the request was handed
// over to the kernel as a whole, the server may act on it whatever follows, and
// every error is ErrUncertain, a reply that cannot be trusted included. A write
// that fails has sent a part at most, which no server can act on.
func (c *conn) exchange(req request) (reply, error) {
	if _, err := c.Write(req.wire); err != nil {
		return reply{}, c.reason("not sent", err)
	}
	r, err := c.receive(req)
	if err != nil {
		return reply{}, fmt.Errorf("%w: %w", register.ErrUncertain, err)
	}
	return r, nil
}

func (c *conn) receive(req request) (reply, error) {
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return reply{}, c.reason("no reply", err)
	}
	wire := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, wire); err != nil {
		return reply{}, c.reason("half a reply", err)
	}
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		return reply{}, fmt.Errorf("a reply that is no DNS message: %w", err)
	}
	if m.Id != req.msg.Id || !m.Response || m.Opcode != req.msg.Opcode {
		return reply{}, errors.New("a reply to another request")
	}
	tsig, err := dnsmsg.Verify(wire, m, c.client.key, req.mac)
	if err != nil && !errors.Is(err, dnsmsg.ErrUnsigned) {
		return reply{}, err
	}
	return reply{Msg: m, signed: err == nil, tsig: tsig, at: req.at}, nil
}

// reason says why a connection failed, in the words of a user.
func (c *conn) reason(what string, err error) error {
	switch ended := c.ctx.Err(); {
	case errors.Is(ended, context.DeadlineExceeded):
		return fmt.Errorf("%s in time (at most %s): %w", what, c.client.timeout, ended)
	case ended != nil:
		return fmt.Errorf("%s: %w", what, ended)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: the server closed the connection", what)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// ask is exchange for a question, after which nothing is uncertain.
func (c *conn) ask(req request) (reply, error) {
	if _, err := c.Write(req.wire); err != nil {
		return reply{}, c.reason("not sent", err)
	}
	return c.receive(req)
}

// read asks for the TXT records at name. Its errors say nothing about any
// update.
func (c *conn) read(name string) (rrset, error) {
	m := new(dns.Msg).SetQuestion(name, dns.TypeTXT)
	m.RecursionDesired = false
	req, err := c.sign(m)
	if err != nil {
		return rrset{}, err
	}
	r, err := c.ask(req)
	if err != nil {
		return rrset{}, err
	}
	if err := answered(r, name); err != nil {
		return rrset{}, err
	}
	var rdata [][]byte
	for _, rr := range r.Answer {
		if rr.Header().Rrtype != dns.TypeTXT || !strings.EqualFold(rr.Header().Name, name) {
			continue
		}
		raw, err := dnsmsg.Rdata(rr)
		if err != nil {
			return rrset{}, err
		}
		rdata = append(rdata, raw)
	}
	return newRRset(rdata, dnsmsg.ServerTime(r.tsig))
}

func randomLabel() string { return "solotick-" + strings.ToLower(rand.Text()[:16]) }
