package zone

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// readZoneFile reads a master file (RFC 1035 section 5; $ORIGIN, $TTL, $GENERATE, but no $INCLUDE) into a new tree.
func readZoneFile(origin, path string) (*tree, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := newTree(origin)
	p := dns.NewZoneParser(f, textName(origin), path)
	buf := make([]byte, maxMsg)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		end, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, rr.Header().String(), err)
		}
		if err := t.load(buf[:end]); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, rr.Header().String(), err)
		}
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	apex := t.nodes[origin]
	if soa := apex.set(typeSOA); soa == nil || len(soa.data) != 1 {
		return nil, fmt.Errorf("%s: zone %s has no SOA record", path, textName(origin))
	}
	if apex.set(typeNS) == nil {
		return nil, fmt.Errorf("%s: zone %s has no NS record", path, textName(origin))
	}
	return t, nil
}

// load adds one packed record.
func (t *tree) load(raw []byte) error {
	m := message{raw: raw}
	var h rrHeader
	if err := h.parse(&m, 0); err != nil {
		return err
	}
	r := record{name: string(m.scratch), typ: h.typ, class: h.class, ttl: h.ttl}
	r.key = lowerString(r.name)
	switch {
	case r.class != classIN:
		return fmt.Errorf("its class is not IN")
	case metaType(r.typ):
		return fmt.Errorf("its type is none of data")
	case !under(r.key, t.origin):
		return fmt.Errorf("it is not in the zone %s", textName(t.origin))
	}
	var err error
	if r.data, err = expandData(raw, r.typ, h.data, h.end); err != nil {
		return err
	}
	n := t.nodes[r.key]
	if r.typ == typeSOA {
		soa := n.set(typeSOA)
		if r.key == t.origin && soa != nil && soa.data[0] == r.data {
			return nil // a zone as dig AXFR prints it ends with its SOA as well
		}
		if r.key != t.origin || soa != nil {
			return fmt.Errorf("a zone has one SOA, at its apex")
		}
		if n == nil {
			n = &node{name: r.name}
		} else {
			n = n.clone()
		}
		n.sets = append([]rrset{{typ: typeSOA, ttl: min(r.ttl, maxTTL), data: []string{r.data}}}, n.sets...)
		t.put(r.key, n)
		return nil
	}
	if s := n.set(r.typ); s != nil && (r.typ == typeCNAME || r.typ == typeDNAME) && !slices.Contains(s.data, r.data) {
		return fmt.Errorf("a name has one such record, and this is the second") // an update would replace it
	}
	next := add(r, n, false)
	switch {
	case next == n:
		return fmt.Errorf("a CNAME stands beside nothing else")
	case tooLarge(next):
		return fmt.Errorf("its RRset is over %d octets", maxSetSize)
	}
	t.put(r.key, next)
	return nil
}

// newZone is a zone without a file: SOA and NS. Its negative answers live half a minute at most, so that a record that is
// created is seen soon.
func newZone(origin, nameServer string, now time.Time) (*tree, error) {
	mname, err := wireName(nameServer)
	if err != nil {
		return nil, fmt.Errorf("name server: %w", err)
	}
	rname, err := wireName("hostmaster." + strings.TrimPrefix(textName(origin), "."))
	if err != nil {
		return nil, err
	}
	data := []byte(mname + rname)
	// serial, refresh, retry, expire, minimum: a secondary that missed a NOTIFY asks after a minute.
	for _, n := range []uint32{uint32(now.Unix()), 60, 10, 604800, 30} {
		data = append(data, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	t := newTree(origin)
	t.put(origin, &node{name: origin, sets: []rrset{
		{typ: typeSOA, ttl: 3600, data: []string{string(data)}},
		{typ: typeNS, ttl: 3600, data: []string{mname}},
	}})
	return t, nil
}
