package lookup

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/solotick/solotick/internal/dnsmsg"
)

const (
	// udpSize is what fits into one packet everywhere (RFC 9715).
	udpSize = 1232
	// A question is sent again over UDP, where packets get lost, after this time,
	// then after twice that.
	resend = time.Second
	// maxAliases is how many CNAMEs in a row are followed within one answer.
	maxAliases = 8
)

// ask asks one server about one name.
func (l *Lookup) ask(ctx context.Context, server Server, name string) Answer {
	a := Answer{Name: strings.TrimSuffix(name, "."), Server: server}
	fail := func(err error) Answer {
		return Answer{Name: a.Name, Server: server, Err: fmt.Errorf("lookup: %s at %s: %w", a.Name, server.label(), err)}
	}
	fqdn, err := absolute(name)
	if err != nil {
		return fail(err)
	}
	r, err := l.question(ctx, server, fqdn)
	if err != nil {
		return fail(err)
	}
	a.Latency, a.TCP, a.Authoritative = r.latency, r.tcp, r.Authoritative
	if r.tsig != nil {
		a.Time = dnsmsg.ServerTime(r.tsig)
	}
	if err := a.read(r.Msg, fqdn); err != nil {
		return fail(err)
	}
	if l.cfg.Probe && a.Status == Found {
		a.Wildcard = l.wildcard(ctx, server, fqdn, a)
	}
	return a
}

func (s Server) label() string {
	if strings.HasPrefix(s.Addr, s.Name) {
		return s.Addr
	}
	return s.Name + " (" + s.Addr + ")"
}

// question asks for TXT records and judges the answer as a whole.
func (l *Lookup) question(ctx context.Context, server Server, fqdn string) (response, error) {
	m := new(dns.Msg).SetQuestion(fqdn, dns.TypeTXT)
	// Given servers may be resolvers; those that have authority do not mind.
	m.RecursionDesired = len(l.servers) > 0
	r, err := l.exchange(ctx, server, m, l.cfg.Key)
	if err != nil {
		return r, err
	}
	if err := judge(r.Msg); err != nil {
		return r, err
	}
	referral := len(r.Answer) == 0 && !slices.ContainsFunc(r.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA })
	if !r.Authoritative && (len(l.servers) == 0 || !r.RecursionAvailable && referral) {
		return r, ErrLame
	}
	return r, nil
}

// judge is the error of an answer that is none.
func judge(m *dns.Msg) error {
	switch m.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
		return nil
	case dns.RcodeRefused, dns.RcodeNotAuth:
		return fmt.Errorf("%w: %s", ErrRefused, rcodeName(m))
	}
	return fmt.Errorf("%w: %s", ErrFailed, rcodeName(m))
}

func rcodeName(m *dns.Msg) string {
	rcode := m.Rcode
	if tsig := m.IsTsig(); tsig != nil && tsig.Error == dns.RcodeBadSig {
		return "BADSIG" // as a response code this number is BADVERS
	} else if tsig != nil && tsig.Error != 0 {
		rcode = int(tsig.Error)
	}
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return fmt.Sprintf("RCODE%d", rcode)
}

// read takes the texts out of a message, along the CNAMEs in it.
func (a *Answer) read(m *dns.Msg, fqdn string) error {
	at := fqdn
	for range maxAliases {
		i := slices.IndexFunc(m.Answer, func(rr dns.RR) bool {
			return rr.Header().Rrtype == dns.TypeCNAME && strings.EqualFold(rr.Header().Name, at)
		})
		if i < 0 {
			break
		}
		at = m.Answer[i].(*dns.CNAME).Target
		a.Alias = trim(at)
	}
	first := true
	for _, rr := range m.Answer {
		if rr.Header().Rrtype != dns.TypeTXT || !strings.EqualFold(rr.Header().Name, at) {
			continue
		}
		rdata, err := dnsmsg.Rdata(rr)
		if err != nil {
			return err
		}
		text, err := dnsmsg.Text(rdata)
		if err != nil {
			return err
		}
		a.Texts = append(a.Texts, text)
		if ttl := time.Duration(rr.Header().Ttl) * time.Second; first || ttl < a.TTL {
			a.TTL, first = ttl, false
		}
	}
	switch {
	case len(a.Texts) > 0:
		a.Status = Found
	case m.Rcode == dns.RcodeNameError:
		a.Status = NoName
	default:
		a.Status = NoData
	}
	return nil
}

// wildcard asks for a name beside it that nobody can have made, and reports the
// wildcard that answers the same there.
func (l *Lookup) wildcard(ctx context.Context, server Server, fqdn string, a Answer) string {
	parent := dnsmsg.Parent(fqdn)
	r, err := l.question(ctx, server, "solotick-"+strings.ToLower(rand.Text()[:16])+"."+parent)
	if err != nil {
		return ""
	}
	var beside Answer
	if beside.read(r.Msg, r.Question[0].Name) != nil || beside.Status != Found {
		return ""
	}
	slices.Sort(beside.Texts)
	texts := slices.Sorted(slices.Values(a.Texts))
	if !slices.Equal(texts, beside.Texts) || a.Alias != beside.Alias {
		return ""
	}
	return "*." + trim(parent)
}

// A response is a message that answers a question.
type response struct {
	*dns.Msg
	tsig    *dns.TSIG // of a signed one
	tcp     bool
	latency time.Duration
}

// exchange sends a question and waits for its answer: over UDP, and over TCP if
// it does not fit. Whatever else arrives is ignored.
func (l *Lookup) exchange(ctx context.Context, server Server, m *dns.Msg, key Key) (response, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	m.SetEdns0(udpSize, false)
	start := time.Now()
	r, err := exchangeUDP(ctx, server.Addr, m, key)
	if err != nil || !r.Truncated {
		r.latency = time.Since(start)
		return r, reason(ctx, err)
	}
	r, err = exchangeTCP(ctx, server.Addr, m, key)
	r.tcp, r.latency = true, time.Since(start)
	switch {
	case err != nil:
		return r, fmt.Errorf("the answer is too long for UDP, and over TCP: %w", reason(ctx, err))
	case r.Truncated:
		return r, fmt.Errorf("%w: it has truncated the answer over TCP too", ErrFailed)
	}
	return r, nil
}

// reason sorts the errors of the network.
func reason(ctx context.Context, err error) error {
	var dnsError *net.DNSError
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.As(err, &dnsError) && dnsError.IsNotFound,
		errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	case errors.Is(err, os.ErrDeadlineExceeded), ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrTimeout, context.DeadlineExceeded)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// dial connects a socket whose reads and writes end with ctx.
func dial(ctx context.Context, network, addr string) (conn net.Conn, closeConn func(), err error) {
	var dialer net.Dialer
	if conn, err = dialer.DialContext(ctx, network, addr); err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() { stop(); conn.Close() }, nil
}

func exchangeUDP(ctx context.Context, addr string, m *dns.Msg, key Key) (response, error) {
	conn, closeConn, err := dial(ctx, "udp", addr)
	if err != nil {
		return response{}, err
	}
	defer closeConn()
	q, err := newQuestion(m, key)
	if err != nil {
		return response{}, err
	}
	buf := make([]byte, 1<<16)
	for wait := resend; ; wait *= 2 {
		if _, err := conn.Write(q.wire); err != nil {
			return response{}, err
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		if ctx.Err() != nil { // it may have ended before that deadline was set
			return response{}, os.ErrDeadlineExceeded
		}
		for {
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
				break // send it again
			}
			if err != nil {
				return response{}, err
			}
			if r, ok := q.answeredBy(buf[:n]); ok {
				return r, nil
			}
		}
	}
}

func exchangeTCP(ctx context.Context, addr string, m *dns.Msg, key Key) (response, error) {
	conn, closeConn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return response{}, err
	}
	defer closeConn()
	q, err := newQuestion(m, key)
	if err != nil {
		return response{}, err
	}
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(q.wire))), q.wire...)
	if _, err := conn.Write(framed); err != nil {
		return response{}, err
	}
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return response{}, err
		}
		wire := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, wire); err != nil {
			return response{}, err
		}
		if r, ok := q.answeredBy(wire); ok {
			return r, nil
		}
	}
}

// A question is a message on its way.
type question struct {
	msg  *dns.Msg
	key  Key
	wire []byte
	mac  string
}

func newQuestion(m *dns.Msg, key Key) (q question, err error) {
	m.Id = dns.Id()
	q = question{msg: m, key: key}
	if key.Name == "" {
		q.wire, err = m.Pack()
		return q, err
	}
	q.wire, q.mac, err = dnsmsg.Sign(m, key, time.Now())
	return q, err
}

// answeredBy reports whether wire is the answer: to this very question, and
// signed if the question was.
func (q question) answeredBy(wire []byte) (response, bool) {
	m := new(dns.Msg)
	if m.Unpack(wire) != nil || m.Id != q.msg.Id || !m.Response || m.Opcode != dns.OpcodeQuery {
		return response{}, false
	}
	// An error may come without the question, and without a signature, from a
	// server that did not get that far.
	failed := m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError
	if failed && len(m.Question) == 0 {
		return response{Msg: m}, true
	}
	asked := q.msg.Question[0]
	if len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, asked.Name) ||
		m.Question[0].Qtype != asked.Qtype || m.Question[0].Qclass != asked.Qclass {
		return response{}, false
	}
	if q.key.Name == "" {
		return response{Msg: m}, true
	}
	tsig, err := dnsmsg.Verify(wire, m, q.key, q.mac)
	if errors.Is(err, dnsmsg.ErrUnsigned) && failed {
		return response{Msg: m}, true
	}
	return response{Msg: m, tsig: tsig}, err == nil
}
