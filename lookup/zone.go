package lookup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// A Zone is what one server says of a zone as a whole.
type Zone struct {
	Server Server
	Err    error // no answer with authority: every other field below is empty

	Serial  uint32
	Primary string // as its SOA record names it, without the final dot
	// Negative is how long others may keep the answer that there is no such record
	// (RFC 2308 section 5).
	Negative time.Duration
	// Software is what the server calls itself, if it does.
	Software string
}

// Zones asks every server for its SOA record of zone, at once. There is one answer
// for each, in the order of servers.
func (l *Lookup) Zones(ctx context.Context, zone string, servers ...Server) []Zone {
	all := make([]Zone, len(servers))
	var wg sync.WaitGroup
	for i, server := range servers {
		wg.Go(func() { all[i] = l.zone(ctx, zone, server) })
	}
	wg.Wait()
	return all
}

func (l *Lookup) zone(ctx context.Context, zone string, server Server) Zone {
	out := Zone{Server: server}
	m, err := l.direct(ctx, server, zone, dns.TypeSOA, dns.ClassINET)
	if err == nil && !m.Authoritative {
		err = ErrLame
	}
	if err == nil {
		err = errors.New("no SOA record")
		for _, rr := range m.Answer {
			if soa, ok := rr.(*dns.SOA); ok {
				out.Serial, out.Primary, err = soa.Serial, trim(soa.Ns), nil
				out.Negative = time.Duration(min(soa.Hdr.Ttl, soa.Minttl)) * time.Second
			}
		}
	}
	if err != nil {
		return Zone{Server: server, Err: fmt.Errorf("lookup: zone %s at %s: %w", strings.TrimSuffix(zone, "."), server.label(), err)}
	}
	if m, err := l.direct(ctx, server, "version.bind.", dns.TypeTXT, dns.ClassCHAOS); err == nil {
		for _, rr := range m.Answer {
			if txt, ok := rr.(*dns.TXT); ok {
				out.Software = strings.Join(txt.Txt, "")
			}
		}
	}
	return out
}

// NameServers returns the servers that zone names, as one server tells them: at the
// addresses that it knows, else at those that this machine finds, and at that
// server's port. Of names without an address nothing is said.
func (l *Lookup) NameServers(ctx context.Context, zone string, at Server) ([]Server, error) {
	_, port, err := net.SplitHostPort(at.Addr)
	if err != nil {
		return nil, fmt.Errorf("lookup: %w", err)
	}
	m, err := l.direct(ctx, at, zone, dns.TypeNS, dns.ClassINET)
	if err != nil {
		return nil, fmt.Errorf("lookup: the name servers of %s: %w", trim(zone), err)
	}
	var list []Server
	for _, rr := range m.Answer {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		for _, addr := range l.hosts(ctx, zone, ns.Ns, at) {
			list = append(list, Server{Name: trim(ns.Ns), Addr: net.JoinHostPort(addr, port)})
		}
	}
	slices.SortFunc(list, func(a, b Server) int { return strings.Compare(a.Name+a.Addr, b.Name+b.Addr) })
	return list[:min(len(list), maxServers)], nil
}

func (l *Lookup) hosts(ctx context.Context, zone, host string, at Server) []string {
	if !dns.IsSubDomain(dns.Fqdn(zone), host) {
		ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
		defer cancel()
		found, err := net.DefaultResolver.LookupHost(ctx, trim(host))
		if err != nil {
			return nil
		}
		return found
	}
	var all []string
	for _, rrtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if m, err := l.direct(ctx, at, host, rrtype, dns.ClassINET); err == nil {
			all = append(all, addresses(m)...)
		}
	}
	return all
}

// direct asks one server what it knows itself.
func (l *Lookup) direct(ctx context.Context, server Server, name string, rrtype, class uint16) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), rrtype)
	m.Question[0].Qclass, m.RecursionDesired = class, false
	r, err := l.exchange(ctx, server, m, Key{})
	if err != nil {
		return nil, err
	}
	return r.Msg, judge(r.Msg)
}
