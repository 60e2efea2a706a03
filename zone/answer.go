package zone

import (
	"encoding/binary"
	"slices"
	"strings"
)

// builder writes one answer. Its buffer is reused from message to message.
type builder struct {
	buf     []byte
	limit   int // octets that records may fill; OPT and TSIG have their own room behind it
	offs    [48]uint16
	known   int // of offs: where names are that others may point to
	section int // the header's count that grows: 1 answer, 2 authority, 3 additional
	counts  [4]uint16
	full    bool // a record did not fit
}

// begin starts an answer with the request's header and question.
func (b *builder) begin(m *message, limit int) {
	b.buf = append(b.buf[:0], make([]byte, headerLen)...)
	b.limit, b.known, b.section, b.counts, b.full = limit, 0, 1, [4]uint16{}, false
	if m.qend > headerLen {
		b.question(m.qname, m.qtype, m.qclass)
	}
}

// question is written uncompressed, in the case in which it came.
func (b *builder) question(name []byte, typ, class uint16) {
	b.note(headerLen, name)
	b.buf = append(b.buf, name...)
	b.buf = binary.BigEndian.AppendUint16(b.buf, typ)
	b.buf = binary.BigEndian.AppendUint16(b.buf, class)
	b.counts[0] = 1
}

// note remembers where the labels of name, just written at off, can be pointed to.
func (b *builder) note(off int, name []byte) {
	for len(name) > 1 && b.known < len(b.offs) && off < 1<<14 {
		b.offs[b.known] = uint16(off)
		b.known++
		n := 1 + int(name[0])
		off, name = off+n, name[n:]
	}
}

// name appends a name, its tail as a pointer where the same octets are in the message already. An owner's case gives way to
// the question's, which a resolver checks; any other name keeps its own.
func (b *builder) name(name string, owner bool) {
	start := len(b.buf)
	fold := owner && b.counts[0] == 1 // the first of offs is the question then
	for len(name) > 1 {
		for i := range b.known {
			if b.sameAt(int(b.offs[i]), name, fold && i == 0 && len(b.buf) == start) {
				b.noteNew(start)
				b.buf = binary.BigEndian.AppendUint16(b.buf, 0xC000|b.offs[i])
				return
			}
		}
		n := 1 + int(name[0])
		b.buf = append(b.buf, name[:n]...)
		name = name[n:]
	}
	b.noteNew(start)
	b.buf = append(b.buf, 0)
}

func (b *builder) noteNew(off int) {
	for off < len(b.buf) && b.known < len(b.offs) && off < 1<<14 {
		b.offs[b.known] = uint16(off)
		b.known++
		off += 1 + int(b.buf[off])
	}
}

// sameAt reports whether the name at off, which this builder wrote, is the given one.
func (b *builder) sameAt(off int, name string, fold bool) bool {
	for {
		c := int(b.buf[off])
		if c >= 0xC0 {
			off = int(binary.BigEndian.Uint16(b.buf[off:]) & 0x3FFF)
			continue
		}
		if len(name) <= c || int(name[0]) != c {
			return false
		}
		if c == 0 {
			return true
		}
		part := b.buf[off+1 : off+1+c]
		if string(part) != name[1:1+c] && !(fold && strings.EqualFold(string(part), name[1:1+c])) {
			return false
		}
		off, name = off+1+c, name[1+c:]
	}
}

// record appends one record and reports whether it fitted.
func (b *builder) record(owner string, typ uint16, ttl uint32, data string) bool {
	start, known := len(b.buf), b.known
	b.name(owner, true)
	b.buf = binary.BigEndian.AppendUint16(b.buf, typ)
	b.buf = binary.BigEndian.AppendUint16(b.buf, classIN)
	b.buf = binary.BigEndian.AppendUint32(b.buf, ttl)
	b.buf = append(b.buf, 0, 0)
	at := len(b.buf)
	if compressible(typ) {
		b.names(typ, data)
	} else {
		b.buf = append(b.buf, data...)
	}
	if len(b.buf) > b.limit {
		b.buf, b.known, b.full = b.buf[:start], known, true
		return false
	}
	binary.BigEndian.PutUint16(b.buf[at-2:], uint16(len(b.buf)-at))
	b.counts[b.section]++
	return true
}

func (b *builder) names(typ uint16, data string) {
	fixed := 0
	if typ == 15 { // MX: a preference before the name
		fixed = 2
	}
	b.buf = append(b.buf, data[:fixed]...)
	data = data[fixed:]
	count := 1
	if typ == typeSOA {
		count = 2
	}
	for range count {
		n := nameLen(data)
		b.name(data[:n], false)
		data = data[n:]
	}
	b.buf = append(b.buf, data...)
}

func nameLen(data string) int {
	n := 0
	for data[n] != 0 {
		n += 1 + int(data[n])
	}
	return n + 1
}

// set appends a whole RRset, or nothing of it.
func (b *builder) set(section int, owner string, s *rrset) bool {
	b.section = section
	start, known, counts := len(b.buf), b.known, b.counts
	for _, data := range s.data {
		if !b.record(owner, s.typ, s.ttl, data) {
			b.buf, b.known, b.counts = b.buf[:start], known, counts
			return false
		}
	}
	return true
}

// finish writes the header, OPT and TSIG.
func (b *builder) finish(m *message, s *signer, aa bool, rcode int, now uint64) []byte {
	flags := flagQR | m.flags&(0xF<<11) | uint16(rcode&0xF)
	if m.opcode() == opQuery {
		flags |= m.flags & flagRD
	}
	if aa {
		flags |= flagAA
	}
	if b.full {
		flags |= flagTC
		b.buf = b.buf[:m.qend]
		b.counts = [4]uint16{b.counts[0]}
	}
	if m.edns {
		b.buf = append(b.buf, 0)
		b.buf = binary.BigEndian.AppendUint16(b.buf, typeOPT)
		b.buf = binary.BigEndian.AppendUint16(b.buf, maxUDP)
		ttl := uint32(rcode>>4) << 24
		if m.do { // RFC 3225 section 3: copied
			ttl |= 1 << 15
		}
		b.buf = binary.BigEndian.AppendUint32(b.buf, ttl)
		b.buf = append(b.buf, 0, 0)
		b.counts[3]++
	}
	binary.BigEndian.PutUint16(b.buf, m.id)
	binary.BigEndian.PutUint16(b.buf[2:], flags)
	for i, n := range b.counts {
		binary.BigEndian.PutUint16(b.buf[4+2*i:], n)
	}
	if s != nil {
		b.buf = s.sign(b.buf, now)
	}
	return b.buf
}

// chase bounds a chain of CNAMEs and DNAMEs.
const chase = 16

// answer looks the question up (RFC 1034 section 4.3.2, RFC 4592, RFC 6672) and writes the sections.
func (t *tree) answer(b *builder, m *message, tcp bool) (aa bool, rcode int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	// owner and key are the name in question as written and in lower case.
	owner, key := string(m.qname), string(m.qkey)
	var passed []string // aliases; the next target must be a new name in the zone
	ends := func() bool { return len(passed) == chase || !under(key, t.origin) || slices.Contains(passed, key) }
	for {
		n, found := t.nodes[key], true
		if t.cuts > 0 {
			cut, cutNode := t.cut(key)
			if cutNode.set(typeDNAME) != nil && cut != key {
				var ok bool
				owner, ok = b.redirect(owner, cut, cutNode)
				if !ok {
					return true, rcodeYXDomain
				}
				passed = append(passed, key)
				if key = lowerString(owner); ends() {
					return true, rcodeNoError
				}
				continue
			}
			if ns := cutNode.set(typeNS); ns != nil && cut != t.origin && !(cut == key && m.qtype == typeDS) {
				t.refer(b, cutNode.name, ns)
				return len(passed) > 0, rcodeNoError
			}
		}
		if n == nil && t.below[key] == 0 {
			n, found = t.wildcard(key)
		}
		switch {
		case !found:
			t.negative(b)
			return true, rcodeNXDomain // also at the end of a chain (RFC 6604)
		case n == nil:
			t.negative(b)
			return true, rcodeNoError
		case m.qtype == typeANY:
			t.any(b, n, owner, tcp)
			return true, rcodeNoError
		}
		if s := n.set(m.qtype); s != nil {
			b.set(1, owner, s)
			return true, rcodeNoError
		}
		alias := n.set(typeCNAME)
		if alias == nil {
			t.negative(b)
			return true, rcodeNoError
		}
		b.set(1, owner, alias)
		passed = append(passed, key)
		owner = alias.data[0]
		if key = lowerString(owner); ends() {
			return true, rcodeNoError
		}
	}
}

// cut finds the delegation or DNAME nearest to the apex at or above key; nil without one.
func (t *tree) cut(key string) (string, *node) {
	var at string
	var top *node
	for name := key; ; name = parent(name) {
		if n := t.nodes[name]; n != nil && t.isCut(name, n) > 0 {
			at, top = name, n
		}
		if name == t.origin {
			return at, top
		}
	}
}

// redirect writes the DNAME and the CNAME made of it, and returns the new name; false if that would be too long.
func (b *builder) redirect(owner, cut string, n *node) (string, bool) {
	s := n.set(typeDNAME)
	b.set(1, n.name, s)
	target := owner[:len(owner)-len(cut)] + s.data[0]
	if len(target) > maxName {
		return "", false
	}
	b.record(owner, typeCNAME, s.ttl, target)
	return target, true
}

// wildcard finds the node that stands for a name that does not exist (RFC 4592 section 3.3.1). The node may be nil though
// the name counts as existing, if the wildcard is an empty non-terminal.
func (t *tree) wildcard(key string) (*node, bool) {
	encloser := parent(key)
	for !t.exists(encloser) {
		encloser = parent(encloser)
	}
	var buf [maxName + 2]byte
	source := append(append(buf[:0], 1, '*'), encloser...)
	n := t.nodes[string(source)]
	return n, n != nil || t.below[string(source)] > 0
}

// refer writes a referral with all the glue there is (RFC 9471).
func (t *tree) refer(b *builder, cut string, ns *rrset) {
	b.set(2, cut, ns)
	for _, host := range ns.data {
		n := t.nodes[lowerString(host)]
		for _, typ := range []uint16{typeA, typeAAAA} {
			if glue := n.set(typ); glue != nil {
				b.set(3, host, glue)
			}
		}
	}
}

// negative writes the SOA with the time for which "no" may be remembered (RFC 2308 section 3).
func (t *tree) negative(b *builder) {
	soa := t.soa()
	b.section = 2
	b.record(t.nodes[t.origin].name, typeSOA, min(soa.ttl, soaMinimum(soa.data[0])), soa.data[0])
}

// any answers ANY with one RRset, over TCP with all of them (RFC 8482 section 4.1 and 4.4).
func (t *tree) any(b *builder, n *node, owner string, tcp bool) {
	for i := range n.sets {
		b.set(1, owner, &n.sets[i])
		if !tcp {
			return
		}
	}
}
