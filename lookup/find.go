package lookup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// maxServers bounds what a zone can make us ask: 13 names, each with an IPv4 and
// an IPv6 address.
const maxServers = 26

// authorities finds the zone of a name and the addresses of its servers.
func (l *Lookup) authorities(ctx context.Context, fqdn string) ([]Server, error) {
	resolvers, err := l.resolvers()
	if err != nil {
		return nil, err
	}
	zone, err := l.zoneOf(ctx, resolvers, fqdn)
	if err != nil {
		return nil, err
	}
	m, err := l.resolve(ctx, resolvers, zone, dns.TypeNS)
	if err != nil {
		return nil, err
	}
	var list []Server
	var failed error
	for _, rr := range m.Answer {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		for _, rrtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
			m, err := l.resolve(ctx, resolvers, ns.Ns, rrtype)
			if err != nil {
				failed = fmt.Errorf("name server %s of zone %s: %w", trim(ns.Ns), trim(zone), err)
				continue
			}
			for _, addr := range addresses(m) {
				list = append(list, Server{Name: trim(ns.Ns), Addr: net.JoinHostPort(addr, l.port)})
			}
		}
	}
	if len(list) == 0 {
		if failed == nil {
			failed = fmt.Errorf("zone %s has no name server with an address", trim(zone))
		}
		return nil, failed
	}
	slices.SortFunc(list, func(a, b Server) int { return strings.Compare(a.Name+a.Addr, b.Name+b.Addr) })
	return list[:min(len(list), maxServers)], nil
}

func addresses(m *dns.Msg) []string {
	var out []string
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			out = append(out, rr.A.String())
		case *dns.AAAA:
			out = append(out, rr.AAAA.String())
		}
	}
	return out
}

func (l *Lookup) resolvers() ([]Server, error) {
	var list []Server
	for _, server := range l.cfg.Resolvers {
		list = append(list, Server{Name: server, Addr: address(server, "53")})
	}
	if len(list) > 0 {
		return list, nil
	}
	conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil, fmt.Errorf("the resolvers of this machine: %w", err)
	}
	for _, server := range conf.Servers {
		list = append(list, Server{Name: server, Addr: net.JoinHostPort(server, conf.Port)})
	}
	if len(list) == 0 {
		return nil, errors.New("/etc/resolv.conf names no resolver")
	}
	return list, nil
}

// zoneOf finds the zone that a name is in: it owns the SOA record in the answer,
// or in the authority section of an answer that says there is none (RFC 2308
// section 3). Where neither helps, as for an alias, the parent is asked about.
func (l *Lookup) zoneOf(ctx context.Context, resolvers []Server, fqdn string) (string, error) {
	for candidate := fqdn; ; {
		m, err := l.resolve(ctx, resolvers, candidate, dns.TypeSOA)
		if err != nil {
			return "", err
		}
		for _, rr := range append(slices.Clone(m.Answer), m.Ns...) {
			owner := dns.CanonicalName(rr.Header().Name)
			if rr.Header().Rrtype == dns.TypeSOA && dns.IsSubDomain(owner, candidate) {
				return owner, nil
			}
		}
		at, end := dns.NextLabel(candidate, 0)
		if end {
			return "", errors.New("no zone is above it, not even the root: do the resolvers answer at all?")
		}
		candidate = candidate[at:]
	}
}

// resolve asks the resolvers, first the one that answered last, until one answers.
func (l *Lookup) resolve(ctx context.Context, resolvers []Server, name string, rrtype uint16) (*dns.Msg, error) {
	l.mu.Lock()
	first := l.good % len(resolvers)
	l.mu.Unlock()
	m, by, err := race(ctx, resolvers, first, func(ctx context.Context, server Server) (*dns.Msg, error) {
		r, err := l.exchange(ctx, server, new(dns.Msg).SetQuestion(name, rrtype), Key{}) // recursion desired
		if err == nil {
			err = judge(r.Msg)
		}
		if err != nil {
			return nil, fmt.Errorf("resolver %s: %w", server.Name, err)
		}
		return r.Msg, nil
	})
	if err == nil {
		l.mu.Lock()
		l.good = by
		l.mu.Unlock()
	}
	return m, err
}
