// Package rfc2136 is the register in a DNS server that takes signed dynamic
// updates: BIND, Knot DNS, PowerDNS and Solotick's own.
//
// A [Client] stands for one server, zone and TSIG key, and any number of
// registers share it, one for each name:
//
//	client, err := rfc2136.New(rfc2136.Config{Server: "ns1.example.com", Zone: "example.com", Key: key})
//	r, err := client.Register("canary.example.com")
//
// A swap is one UPDATE over TCP (RFC 2136 section 7.8) whose prerequisite is the
// whole TXT RRset exactly as it was last read, or its absence (section 2.4). The
// server applies all of it or nothing (section 3.7). The answer is believed only
// if it is signed, and a success only after the record has been read back on the
// same connection, since servers answer NOERROR to updates that they ignore: at
// a name with a CNAME (section 3.4.2.2), or against PowerDNS's update policy.
//
// It makes no zones and no keys, asks no secondary, and never writes without a
// prerequisite.
package rfc2136

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/solotick/solotick/internal/dnsmsg"
	"github.com/solotick/solotick/register"
)

// A Key is a TSIG key. [ParseKey] and [ReadKeyFile] make one.
type Key = dnsmsg.Key

// A Secret is the secret of a Key, in base64. It is printed as ***.
type Secret = dnsmsg.Secret

// ParseKey reads a key from the text of BIND's key statement, nsupdate's
// [algorithm:]name:secret, or a KEY record.
func ParseKey(text string) (Key, error) { return dnsmsg.ParseKey(text) }

// ReadKeyFile reads a key from a file with one of those, or from the K*.private
// file of dnssec-keygen. The warning is a sentence for the user if others can
// read the file, and else empty.
func ReadKeyFile(path string) (key Key, warning string, err error) { return dnsmsg.ReadKeyFile(path) }

// Defaults of [Config].
const (
	DefaultTTL     = 60 * time.Second
	DefaultTimeout = 5 * time.Second
)

// maxTTL is 2^31 - 1 seconds (RFC 2181 section 8).
const maxTTL = (1<<31 - 1) * time.Second

// A Config says which records to hold where.
type Config struct {
	// Server is the primary server of the zone: a host name or address, and
	// after a colon the port if it is not 53. Where a name has several addresses,
	// the first one that answers is kept.
	Server string
	// Zone is the zone that the server is the primary of.
	Zone string
	Key  Key
	// TTL is that of the records, in whole seconds.
	TTL time.Duration
	// Timeout is for one operation, from connecting to the last answer; the
	// context may end it earlier.
	Timeout time.Duration
}

// A Client is one server, zone and key, shared by the registers of many names.
// It is safe for concurrent use, and has nothing to close: each operation has a
// TCP connection of its own, since one that the server has closed meanwhile
// would turn a sure swap into an uncertain one.
type Client struct {
	host, port string
	zone       string
	key        Key
	ttl        uint32
	timeout    time.Duration

	// What tests replace.
	now        func() time.Time
	lookupHost func(context.Context, string) ([]string, error)

	offset atomic.Int64 // the server's clock minus ours, in seconds, once a BADTIME told it

	mu     sync.Mutex
	pinned string // the address in use, of the host's several
}

// New returns a client. It asks the server nothing.
func New(cfg Config) (*Client, error) {
	host, port, err := splitServer(cfg.Server)
	if err != nil {
		return nil, fmt.Errorf("rfc2136: %w", err)
	}
	zone, err := dnsmsg.Absolute(cfg.Zone)
	if err != nil {
		return nil, fmt.Errorf("rfc2136: zone: %w", err)
	}
	key, err := cfg.Key.Normalize()
	if err != nil {
		return nil, fmt.Errorf("rfc2136: %w", err)
	}
	ttl, timeout := cfg.TTL, cfg.Timeout
	if ttl == 0 {
		ttl = DefaultTTL
	}
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	if ttl < time.Second || ttl > maxTTL || ttl%time.Second != 0 {
		return nil, fmt.Errorf("rfc2136: a TTL of %s: want whole seconds, from 1 to %d", ttl, maxTTL/time.Second)
	}
	if timeout < 0 {
		return nil, fmt.Errorf("rfc2136: a timeout of %s", timeout)
	}
	return &Client{
		host: host, port: port, zone: zone, key: key,
		ttl: uint32(ttl / time.Second), timeout: timeout,
		now: time.Now, lookupHost: net.DefaultResolver.LookupHost,
	}, nil
}

// Register returns the register of the TXT records at name, which is absolute
// with or without the final dot, and in the zone.
func (c *Client) Register(name string) (register.Register, error) {
	fqdn, err := dnsmsg.Absolute(name)
	if err != nil {
		return nil, fmt.Errorf("rfc2136: name: %w", err)
	}
	if !dns.IsSubDomain(c.zone, fqdn) {
		return nil, fmt.Errorf("rfc2136: %s is not in the zone %s", name, strings.TrimSuffix(c.zone, "."))
	}
	return &record{client: c, name: fqdn}, nil
}

// record is the register of one name.
type record struct {
	client *Client
	name   string

	// proved says that an update of this name was seen to take effect, so that
	// the server does not ignore them.
	proved atomic.Bool
}

func (r *record) fail(op string, err error) error {
	return fmt.Errorf("rfc2136: %s %s at %s: %w", op, strings.TrimSuffix(r.name, "."), r.client.address(), err)
}

// Load asks the server for the TXT records, signed, and wants a signed and
// authoritative answer.
func (r *record) Load(ctx context.Context) (register.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, r.client.timeout)
	defer cancel()
	for again := false; ; again = true {
		s, err := r.loadOnce(ctx)
		if err == nil {
			return s.Snapshot, nil
		}
		if bad := (*clockError)(nil); errors.As(err, &bad) && !again {
			r.client.setClock(bad.server)
			continue
		}
		return register.Snapshot{}, r.fail("load", r.explain(ctx, err))
	}
}

func (r *record) loadOnce(ctx context.Context) (rrset, error) {
	conn, err := r.client.dial(ctx)
	if err != nil {
		return rrset{}, err
	}
	defer conn.Close()
	return conn.read(r.name)
}

// Swap implements register.Register. It sends a second UPDATE in one case only:
// after a signed BADTIME, which says that the first one was not applied, and
// what the server's time is.
func (r *record) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	was, err := rdataOfTag(old)
	if err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	next, err := rdataOfTexts(texts, was)
	if err != nil {
		return register.Snapshot{}, r.fail("swap", err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.client.timeout)
	defer cancel()
	for again := false; ; again = true {
		s, err := r.swapOnce(ctx, was, next)
		if err == nil {
			return s.Snapshot, nil
		}
		if bad := (*clockError)(nil); errors.As(err, &bad) && !again {
			r.client.setClock(bad.server)
			continue
		}
		return register.Snapshot{}, r.fail("swap", r.explain(ctx, err))
	}
}

func (r *record) swapOnce(ctx context.Context, was, next [][]byte) (rrset, error) {
	conn, err := r.client.dial(ctx)
	if err != nil {
		return rrset{}, err
	}
	defer conn.Close()
	request, err := conn.sign(r.update(was, next))
	if err != nil {
		return rrset{}, err
	}
	reply, err := conn.exchange(request)
	if err == nil {
		err = outcome(reply)
	}
	var no noMatch
	switch {
	case errors.As(err, &no) && len(was) > 0:
		return rrset{}, r.conflict(conn, was, no)
	case errors.As(err, &no):
		return rrset{}, fmt.Errorf("%w (%s)", register.ErrConflict, no)
	case err != nil:
		return rrset{}, err
	}
	return r.readBack(ctx, conn, was, next, dnsmsg.ServerTime(reply.tsig))
}

// update is the message of a swap. RFC 2136: the prerequisite is "RRset exists
// (value dependent)" (2.4.2) with every record of it, or "RRset does not exist"
// (2.4.3); then "delete an RRset" (2.5.2) and "add to an RRset" (2.5.1).
func (r *record) update(was, next [][]byte) *dns.Msg {
	m := new(dns.Msg).SetUpdate(r.client.zone)
	if len(was) == 0 {
		m.Answer = append(m.Answer, emptyRRset(r.name, dns.ClassNONE))
	} else {
		m.Ns = append(m.Ns, emptyRRset(r.name, dns.ClassANY))
	}
	for _, rdata := range was {
		m.Answer = append(m.Answer, dnsmsg.TXT(r.name, dns.ClassINET, 0, rdata))
	}
	for _, rdata := range next {
		m.Ns = append(m.Ns, dnsmsg.TXT(r.name, dns.ClassINET, r.client.ttl, rdata))
	}
	return m
}

func emptyRRset(name string, class uint16) dns.RR {
	return &dns.ANY{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: class}}
}

// readBack makes sure that the server did what it said, and returns what is
// there now.
//
// A server that accepts an update and goes on showing the old records has
// ignored it, or has passed it on to another server, whose change is on its way
// back: that is uncertain, and would be a lie as a refusal.
func (r *record) readBack(ctx context.Context, conn *conn, was, next [][]byte, at time.Time) (rrset, error) {
	now, err := r.settled(ctx, conn, was, next)
	refusal := (*Refusal)(nil)
	switch {
	case errors.As(err, &refusal) && refusal.Code == codeAlias:
		return rrset{}, err
	case err != nil:
		return rrset{}, fmt.Errorf("%w: the server accepted the update, but reading it back failed: %v", register.ErrUncertain, err)
	case equalSets(now.rdata, next):
		r.proved.Store(true)
		return now, nil
	case equalSets(now.rdata, was):
		return rrset{}, fmt.Errorf("%w: %w: the server answered NOERROR and still shows the old records: "+
			"its update policy does not let key %s write TXT here (PowerDNS then ignores an update and says so only in its log), "+
			"or it forwards updates: grant the key this name, and use the primary server", register.ErrUncertain, ErrIgnored, r.client.keyName())
	}
	// Somebody else's swap followed within one round trip. Unless a server that
	// ignores ours and takes theirs can be ruled out, only a Load and the texts
	// themselves can tell.
	if r.proved.Load() {
		return newRRset(next, at)
	}
	return rrset{}, fmt.Errorf("%w: the server accepted the update, but holds something else already", register.ErrUncertain)
}

// settleTime is how long a server may go on showing the old records after it has
// acknowledged others: BIND with inline signing answers from the signed copy of the
// zone, to which an update gets a moment later, as a rule within 20 ms.
const settleTime = 500 * time.Millisecond

// settled reads until something else than the old records is there, or settleTime
// is over.
func (r *record) settled(ctx context.Context, conn *conn, was, next [][]byte) (rrset, error) {
	deadline := time.Now().Add(settleTime)
	for wait := 2 * time.Millisecond; ; wait *= 2 {
		now, err := conn.read(r.name)
		if err != nil || !equalSets(now.rdata, was) || equalSets(was, next) || time.Now().Add(wait).After(deadline) {
			return now, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done(): // the next read would fail, and what was seen says more
			return now, nil
		}
	}
}

// conflict is the error of a swap whose prerequisite did not hold. If the server
// still shows what was read, nobody else has won: it may be a wildcard's answer
// for a name that does not exist, which no prerequisite can match (RFC 4592
// section 4.1, RFC 2136 section 3.2).
func (r *record) conflict(conn *conn, was [][]byte, no noMatch) error {
	now, err := conn.read(r.name)
	if err != nil || !equalSets(now.rdata, was) {
		return fmt.Errorf("%w (%s)", register.ErrConflict, no)
	}
	parent := dnsmsg.Parent(r.name)
	if probe, err := conn.read(randomLabel() + "." + parent); err == nil && equalSets(probe.rdata, was) {
		return &Refusal{Code: codeWildcard, Fault: FaultName, Reason: "what is read there is the answer of the wildcard *." + strings.TrimSuffix(parent, ".") +
			", and the name itself has no record to compare with: " +
			"use a name that the wildcard does not cover, or add any TXT record at this name once, by hand"}
	}
	return fmt.Errorf("%w (%s, although the server still shows what was read: is its view stale?)", register.ErrConflict, no)
}

// rrset is what a read found: the snapshot, and the rdata of its records.
type rrset struct {
	register.Snapshot
	rdata [][]byte // sorted, without doubles
}

func newRRset(rdata [][]byte, at time.Time) (rrset, error) {
	set := rrset{rdata: sortedSet(rdata)}
	set.Time = at
	tag := make([]string, len(set.rdata))
	for i, raw := range set.rdata {
		text, err := dnsmsg.Text(raw)
		if err != nil {
			return rrset{}, err
		}
		set.Texts = append(set.Texts, text)
		tag[i] = hex.EncodeToString(raw)
	}
	set.Tag = strings.Join(tag, " ")
	return set, nil
}

// rdataOfTag is the RRset that a snapshot saw, octet by octet.
func rdataOfTag(old register.Snapshot) ([][]byte, error) {
	if len(old.Texts) == 0 {
		return nil, nil
	}
	var rdata [][]byte
	for part := range strings.SplitSeq(old.Tag, " ") {
		raw, err := hex.DecodeString(part)
		if err != nil || len(raw) == 0 {
			return nil, errors.New("the old snapshot is none of this kind of register")
		}
		rdata = append(rdata, raw)
	}
	return sortedSet(rdata), nil
}

// rdataOfTexts is the RRset to write. A text that is there already stays as it
// is: somebody else's value may be in several strings, and how they are split is
// theirs.
func rdataOfTexts(texts []string, was [][]byte) ([][]byte, error) {
	there := make(map[string][][]byte)
	for _, raw := range was {
		text, err := dnsmsg.Text(raw)
		if err != nil {
			return nil, err
		}
		there[text] = append(there[text], raw)
	}
	var rdata [][]byte
	for _, text := range texts {
		if same := there[text]; len(same) > 0 {
			rdata, there[text] = append(rdata, same[0]), same[1:]
			continue
		}
		raw, err := dnsmsg.TextRdata(text)
		if err != nil {
			return nil, err
		}
		rdata = append(rdata, raw)
	}
	return sortedSet(rdata), nil
}

func sortedSet(rdata [][]byte) [][]byte {
	slices.SortFunc(rdata, slices.Compare[[]byte])
	return slices.CompactFunc(rdata, slices.Equal[[]byte])
}

func equalSets(a, b [][]byte) bool { return slices.EqualFunc(a, b, slices.Equal[[]byte]) }
