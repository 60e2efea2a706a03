package main

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/record"
)

// This file has what the doctor finds out about the servers of the zone beside the
// primary: agents do not ask them, but whoever looks from outside does.

// followTime is how long a secondary may trail: BIND alone waits five seconds
// before it tells of a change (notify-delay).
const followTime = 7 * time.Second

// servers compares the primary with the other servers that show the zone.
func (d *doctor) servers(ctx context.Context) {
	dns := &d.svc.dns
	if dns.Provider != "rfc2136" {
		return // who swaps by an API has no primary to compare with
	}
	d.addresses(ctx)
	l, err := lookup.New(lookup.Config{})
	if err != nil {
		return // a Config without anything in it is always good
	}
	primary := lookup.Server{Name: dns.Server, Addr: dns.Server}
	list := []lookup.Server{primary}
	if named, err := l.NameServers(ctx, dns.Zone, primary); err == nil {
		list = append(list, named...)
	}
	list = distinct(ctx, list)
	zones := l.Zones(ctx, dns.Zone, list...)
	if zones[0].Err != nil {
		return // the check read says it
	}
	for end := time.Now().Add(followTime); behind(zones) && time.Now().Before(end) && ctx.Err() == nil; {
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
		}
		zones = l.Zones(ctx, dns.Zone, list...)
	}
	d.zone = zones[0]
	d.compare(zones)
}

// addresses tells that agents may come to write to different servers.
func (d *doctor) addresses(ctx context.Context) {
	host, _, err := net.SplitHostPort(d.svc.dns.Server)
	if err != nil || net.ParseIP(host) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookup.DefaultTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return // the check read says it
	}
	d.oneServer(host, found)
}

func (d *doctor) oneServer(host string, found []string) {
	families := map[bool]int{}
	for _, addr := range found {
		families[strings.Contains(addr, ":")]++
	}
	if families[false] > 1 || families[true] > 1 {
		d.tell("", "server", advice, "give dns.server a name, or an address, of one server alone",
			"%s has the addresses %s, and each agent keeps to the first that answers it: if they are different servers, two agents can both win a tick", host, strings.Join(found, ", "))
	}
}

// distinct leaves out servers at an address that is there already.
func distinct(ctx context.Context, list []lookup.Server) []lookup.Server {
	var out []lookup.Server
	seen := map[string]bool{}
	for i, s := range list {
		all := []string{s.Addr}
		if host, port, err := net.SplitHostPort(s.Addr); err == nil && net.ParseIP(host) == nil {
			found, _ := net.DefaultResolver.LookupHost(ctx, host) // none: s is asked under its name, which says why
			for _, addr := range found {
				all = append(all, net.JoinHostPort(addr, port))
			}
		}
		if i > 0 && slices.ContainsFunc(all, func(a string) bool { return seen[a] }) {
			continue
		}
		for _, a := range all {
			seen[a] = true
		}
		out = append(out, s)
	}
	return out
}

// later says whether serial a comes after b (RFC 1982).
func later(a, b uint32) bool { return int32(a-b) > 0 }

// behind says whether a server may only need time.
func behind(zones []lookup.Zone) bool {
	return slices.ContainsFunc(zones[1:], func(z lookup.Zone) bool {
		return z.Err == nil && z.Primary == zones[0].Primary && later(zones[0].Serial, z.Serial)
	})
}

// compare tells what is wrong with each server; the first is the primary. Those
// that are well are kept, to be asked for what is written.
func (d *doctor) compare(zones []lookup.Zone) {
	const outsiders = "agents ask the primary alone; status, a page and people may ask this one"
	primary := zones[0]
	_, port, _ := net.SplitHostPort(primary.Server.Addr)
	var powerDNS []string
	for _, z := range zones {
		if strings.HasPrefix(z.Software, "PowerDNS") {
			powerDNS = append(powerDNS, nameOf(z.Server.Name, z.Server.Addr))
		}
	}
	for _, z := range zones[1:] {
		who := nameOf(z.Server.Name, z.Server.Addr)
		switch {
		case z.Err != nil && port != "53":
			d.tell("", "servers", skipped, "ask it at the port that it has: dig @SERVER -p PORT SOA "+d.svc.dns.Zone,
				"%s, which the zone names, was asked at the port of dns.server, and gives no answer with authority: %v", who, z.Err)
		case z.Err != nil:
			d.tell("", "servers", advice, "make it a server of the zone, or take it out of the NS records", "%s shows nothing: %v; %s", who, z.Err, outsiders)
		case z.Primary != primary.Primary:
			d.tell("", "servers", advice, "have both show one zone, or look at the one that agents write: solotick status NAME @"+d.svc.dns.Server,
				"%s shows another zone (split horizon?): its SOA has the primary %s and serial %d, that of dns.server %s and %d; %s",
				who, z.Primary, z.Serial, primary.Primary, primary.Serial, outsiders)
		case later(z.Serial, primary.Serial):
			d.tell("", "servers", advice, "the zone's primary server, for dns.server, is the first word of: dig +short SOA "+d.svc.dns.Zone,
				"%s has serial %d, and dns.server only %d: dns.server is no primary, was restored from an older copy, or shows another zone (split horizon)", who, z.Serial, primary.Serial)
		case later(primary.Serial, z.Serial):
			d.tell("", "servers", advice, "check NOTIFY and the transfers to it",
				"%s is a secondary that is stuck: it has serial %d, the primary %d, and in %s it did not follow; %s", who, z.Serial, primary.Serial, seconds(followTime), outsiders)
		default:
			d.others = append(d.others, z.Server)
		}
	}
	if len(powerDNS) > 1 {
		d.tell("", "powerdns", advice, "have one of them take updates (dnsupdate=yes) and the others follow it, or isolate: docs/providers/powerdns.md",
			"%s are PowerDNS: if several write to one database at its default isolation, two agents can both win a tick, and no agent can see that from here", strings.Join(powerDNS, " and "))
	}
	if n := len(d.others); n > 0 && n == len(zones)-1 {
		d.tell("", "servers", passed, "", "all %d show the zone as the primary does, with serial %d", n+1, primary.Serial)
	}
}

// follow waits for the other servers to show what was written.
func (p *probe) follow(ctx context.Context) {
	var late []lookup.Server
	began, job := time.Now(), p.site.job
	left := slices.Clone(p.others)
	for len(left) > 0 {
		if time.Since(began) > followTime || ctx.Err() != nil {
			late = left
			break
		}
		left = unshown(ctx, left, p.name)
		if len(left) == 0 {
			break
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	for _, s := range late {
		p.tell(job, "secondaries", advice, "check NOTIFY and the transfers to it; a view of its own (split horizon) has to have the record too",
			"%s does not show the write within %s; agents ask the primary and do not care, people who look there see an old record", nameOf(s.Name, s.Addr), seconds(followTime))
	}
	if len(late) == 0 && len(p.others) > 0 {
		p.tell(job, "secondaries", passed, "", "all of them show the write after %s", millis(time.Since(began)))
	}
}

// unshown are the servers that do not show the doctor's second value at name.
func unshown(ctx context.Context, servers []lookup.Server, name string) []lookup.Server {
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.Addr)
	}
	l, err := lookup.New(lookup.Config{Servers: addrs, Timeout: 2 * time.Second})
	if err != nil {
		return servers
	}
	answers, err := l.All(ctx, name)
	if err != nil {
		return servers
	}
	var out []lookup.Server
	for i, a := range answers {
		if !slices.Contains(a.Texts, doctorMark+"2") {
			out = append(out, servers[i])
		}
	}
	return out
}

// kept tells how long others keep what they have seen at a name, where that is
// longer than agents look at it.
func (d *doctor) kept(s site, seen sight, set record.Set) {
	poll := s.filled().PollMax
	a := seen.Answer()
	switch {
	case a.Status == lookup.Found && !a.Authoritative && d.svc.dns.Provider == "rfc2136":
		d.tell(s.job, "ttl", advice, "the zone's primary server in dns.server, in the place of this one",
			"%s, where the file has looks go, is a cache: it shows a record for up to %s after it was replaced", seen.serverName(), seconds(a.TTL))
	case a.Status == lookup.Found && a.TTL > max(poll, d.svc.dns.TTL):
		d.tell(s.job, "ttl", advice, "", "others may keep this record for %s, longer than agents go without a look (poll: %s): whoever asks through a resolver sees a run up to that late; the next write of an agent makes it %s",
			seconds(a.TTL), seconds(poll), seconds(d.svc.dns.TTL))
	case a.Status == lookup.Found && a.TTL > poll:
		d.tell(s.job, "ttl", advice, "dns: { ttl: 60s } or less", "others may keep this record for %s, longer than agents go without a look (poll: %s): whoever asks through a resolver sees a run up to that late",
			seconds(a.TTL), seconds(poll))
	}
	if n := d.zone.Negative; set.State == record.Absent && n > 5*time.Minute {
		d.tell(s.job, "negative", advice, "set the last number of the zone's SOA record to 30 (a changed one counts as soon as it is there), or start the first agent before anybody asks",
			"there is no record yet, and a resolver that was told so may go on saying so for %d min", int(n.Minutes()))
	}
}
