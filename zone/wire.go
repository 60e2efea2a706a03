package zone

import (
	"encoding/binary"
	"errors"
)

// Messages are read and written here as bytes, names and rdata included: a label may hold any octet (RFC 2181 section 11),
// a type may be unknown (RFC 3597), and what was stored must come back byte for byte, which a presentation form in between
// does not give.

// Types, classes, opcodes and response codes that the server treats specially (IANA "Domain Name System (DNS) Parameters").
const (
	typeA     = 1
	typeNS    = 2
	typeCNAME = 5
	typeSOA   = 6
	typeWKS   = 11
	typeTXT   = 16
	typeAAAA  = 28
	typeDNAME = 39
	typeOPT   = 41
	typeDS    = 43
	typeRRSIG = 46
	typeNSEC  = 47
	typeNSEC3 = 50
	typeTKEY  = 249
	typeTSIG  = 250
	typeIXFR  = 251
	typeAXFR  = 252
	typeMAILB = 253
	typeMAILA = 254
	typeANY   = 255

	classIN   = 1
	classNONE = 254
	classANY  = 255

	opQuery  = 0
	opNotify = 4
	opUpdate = 5

	rcodeNoError  = 0
	rcodeFormErr  = 1
	rcodeServFail = 2
	rcodeNXDomain = 3
	rcodeNotImp   = 4
	rcodeRefused  = 5
	rcodeYXDomain = 6
	rcodeYXRRSet  = 7
	rcodeNXRRSet  = 8
	rcodeNotAuth  = 9
	rcodeNotZone  = 10
	rcodeBadVers  = 16 // extended, RFC 6891

	tsigBadSig   = 16
	tsigBadKey   = 17
	tsigBadTime  = 18
	tsigBadTrunc = 22

	flagQR = 1 << 15
	flagAA = 1 << 10
	flagTC = 1 << 9
	flagRD = 1 << 8

	headerLen = 12
	maxName   = 255
	maxUDP    = 1232  // DNS Flag Day 2020, RFC 9715
	maxMsg    = 65535 // what the length prefix of TCP can say
)

var errFormat = errors.New("malformed message")

// appendName appends the name at msg[off:] to dst, decompressed and in the case as written, and tells where the name ends
// in msg. A compression pointer must point before the name it occurs in (RFC 1035 section 4.1.4), which also ends loops.
func appendName(dst, msg []byte, off int) (name []byte, next int, err error) {
	start, limit := len(dst), off
	next = -1
	for {
		if off >= len(msg) {
			return dst, 0, errFormat
		}
		c := int(msg[off])
		switch {
		case c == 0:
			if next < 0 {
				next = off + 1
			}
			return append(dst, 0), next, nil
		case c < 64:
			if off+1+c > len(msg) || len(dst)-start+1+c >= maxName {
				return dst, 0, errFormat
			}
			dst = append(dst, msg[off:off+1+c]...)
			off += 1 + c
		case c >= 0xC0:
			if off+2 > len(msg) {
				return dst, 0, errFormat
			}
			ptr := int(binary.BigEndian.Uint16(msg[off:]) & 0x3FFF)
			if next < 0 {
				next = off + 2
			}
			if ptr >= limit || ptr < headerLen {
				return dst, 0, errFormat
			}
			off, limit = ptr, ptr
		default:
			return dst, 0, errFormat
		}
	}
}

// lower turns a wire name into its lower case in place (RFC 4343). A length octet is below 64 and so never a letter.
func lower(name []byte) {
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			name[i] = c + 'a' - 'A'
		}
	}
}

func lowerString(name string) string {
	for i := 0; i < len(name); i++ {
		if c := name[i]; 'A' <= c && c <= 'Z' {
			b := []byte(name)
			lower(b)
			return string(b)
		}
	}
	return name
}

// parent is the name without its first label; the root has none.
func parent(name string) string { return name[1+int(name[0]):] }

// under reports whether name is zone or below it. Both are lower case wire names.
func under(name, zone string) bool {
	for len(name) > len(zone) {
		name = parent(name)
	}
	return name == zone
}

// record is one resource record of a message. Class NONE and ANY records of an UPDATE may have no data.
type record struct {
	name  string // as written
	key   string // lower case
	typ   uint16
	class uint16
	ttl   uint32
	data  string // decompressed
}

// message is what the header, the question (zone) section and the OPT and TSIG records of a request say. Its slices are
// valid until the next parse with the same message.
type message struct {
	raw     []byte
	id      uint16
	flags   uint16
	counts  [4]uint16
	qname   []byte // as written
	qkey    []byte // lower case
	qtype   uint16
	qclass  uint16
	qend    int // where the question ends; headerLen without one
	edns    bool
	version uint8
	do      bool
	udpSize int
	tsig    *tsigRecord

	name, key []byte // the storage of qname and qkey
	scratch   []byte
}

func (m *message) opcode() int { return int(m.flags >> 11 & 0xF) }

// parse reads a request. On an error the fields read so far stand, so that an answer can say FORMERR with what is known.
func (m *message) parse(raw []byte) error {
	*m = message{raw: raw, qend: headerLen, udpSize: 512, name: m.name[:0], key: m.key[:0], scratch: m.scratch[:0]}
	m.id = binary.BigEndian.Uint16(raw)
	m.flags = binary.BigEndian.Uint16(raw[2:])
	for i := range m.counts {
		m.counts[i] = binary.BigEndian.Uint16(raw[4+2*i:])
	}
	if op := m.opcode(); op != opQuery && op != opUpdate && op != opNotify {
		return nil // the body of an unknown opcode cannot be understood (RFC 8906 section 8.1.4)
	}
	if m.counts[0] != 1 { // RFC 9619
		return errFormat
	}
	var err error
	var off int
	if m.name, off, err = appendName(m.name, raw, headerLen); err != nil {
		return err
	}
	if off+4 > len(raw) {
		return errFormat
	}
	m.key = append(m.key, m.name...)
	lower(m.key)
	m.qname, m.qkey = m.name, m.key
	m.qtype = binary.BigEndian.Uint16(raw[off:])
	m.qclass = binary.BigEndian.Uint16(raw[off+2:])
	m.qend = off + 4
	return m.parseAdditional(off + 4)
}

// parseAdditional walks all records behind the question, keeps OPT and TSIG, and insists on the end of the message.
func (m *message) parseAdditional(off int) error {
	before := int(m.counts[1]) + int(m.counts[2])
	total := before + int(m.counts[3])
	for i := range total {
		var h rrHeader
		start := off
		if err := h.parse(m, off); err != nil {
			return err
		}
		off = h.end
		switch {
		case h.typ == typeOPT:
			if i < before || m.edns || len(m.scratch) != 1 { // RFC 6891 section 6.1.1: one, owned by the root
				return errFormat
			}
			m.edns = true
			m.udpSize = max(512, int(h.class))
			m.version = uint8(h.ttl >> 16)
			m.do = h.ttl&(1<<15) != 0
			if !validOptions(m.raw[h.data:h.end]) {
				return errFormat
			}
		case h.typ == typeTSIG:
			if i != total-1 || i < before { // RFC 8945 section 5.2
				return errFormat
			}
			t, err := parseTSIG(m, start, h)
			if err != nil {
				return err
			}
			m.tsig = t
		}
	}
	if off != len(m.raw) {
		return errFormat
	}
	return nil
}

func validOptions(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 4 {
			return false
		}
		n := 4 + int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return true
}

// rrHeader is the fixed part of a record in a message; the owner's name is in the message's scratch.
type rrHeader struct {
	typ, class uint16
	ttl        uint32
	data, end  int // rdata is raw[data:end]
}

func (h *rrHeader) parse(m *message, off int) error {
	var err error
	if m.scratch, off, err = appendName(m.scratch[:0], m.raw, off); err != nil {
		return err
	}
	if off+10 > len(m.raw) {
		return errFormat
	}
	h.typ = binary.BigEndian.Uint16(m.raw[off:])
	h.class = binary.BigEndian.Uint16(m.raw[off+2:])
	h.ttl = binary.BigEndian.Uint32(m.raw[off+4:])
	h.data = off + 10
	h.end = h.data + int(binary.BigEndian.Uint16(m.raw[off+8:]))
	if h.end > len(m.raw) {
		return errFormat
	}
	return nil
}

// sections reads the records of the prerequisite and update sections of an UPDATE whose parse has succeeded.
func (m *message) sections() (prereq, update []record, err error) {
	off := m.qend
	read := func(n uint16) ([]record, error) {
		rrs := make([]record, 0, min(int(n), 64))
		for range n {
			var h rrHeader
			if err := h.parse(m, off); err != nil {
				return nil, err
			}
			r := record{name: string(m.scratch), typ: h.typ, class: h.class, ttl: h.ttl}
			r.key = lowerString(r.name)
			if h.end > h.data {
				data, err := expandData(m.raw, h.typ, h.data, h.end)
				if err != nil {
					return nil, err
				}
				r.data = data
			} else if h.class == classIN && !emptyDataAllowed(h.typ) {
				return nil, errFormat
			}
			off = h.end
			rrs = append(rrs, r)
		}
		return rrs, nil
	}
	if prereq, err = read(m.counts[1]); err != nil {
		return nil, nil, err
	}
	update, err = read(m.counts[2])
	return prereq, update, err
}
