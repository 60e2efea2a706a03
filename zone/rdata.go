package zone

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// layouts says for each type with names or a fixed form in its rdata what the fields are: a digit, that many octets; n, a
// name that may arrive compressed and compares without regard to case (RFC 3597 section 4, RFC 4034 section 6.2); u, a name
// that is never compressed; s, a character-string; S, one or more of them; r, whatever is left. Types not listed are opaque.
var layouts = map[uint16]string{
	1: "4", 2: "n", 3: "n", 4: "n", 5: "n", 6: "nn44444", 7: "n", 8: "n", 9: "n", 11: "5r", 12: "n", 13: "ss", 14: "nn",
	15: "2n", 16: "S", 17: "nn", 18: "2n", 19: "s", 20: "sr", 21: "2n", 26: "2nn", 27: "sss", 28: "88",
	29: "88", 33: "222n", 35: "22sssn", 36: "2n", 37: "5r", 39: "n", 43: "4r", 44: "2r", 45: "3r",
	48: "4r", 51: "5r", 52: "3r", 53: "3r", 64: "2ur", 65: "2ur", 99: "S", 104: "28", 105: "24", 106: "28", 107: "2n",
	108: "6", 109: "8", 256: "4r", 257: "1sr",
}

// emptyDataAllowed reports whether a record of this type may have no rdata at all: NULL, APL, and what nobody knows.
func emptyDataAllowed(typ uint16) bool {
	return typ == 10 || typ == 42 || layouts[typ] == "" && dns.TypeToRR[typ] == nil
}

// wellFormed has the library read rdata whose layout leaves something open. A secondary refuses a whole zone for one record
// that it cannot read.
func wellFormed(typ uint16, data string) bool {
	rr := make([]byte, 11, 11+len(data)) // the root, type, class, TTL, length
	binary.BigEndian.PutUint16(rr[1:], typ)
	binary.BigEndian.PutUint16(rr[3:], classIN)
	binary.BigEndian.PutUint16(rr[9:], uint16(len(data)))
	_, end, err := dns.UnpackRR(append(rr, data...), 0)
	return err == nil && end == len(rr)+len(data)
}

// expandData checks the rdata msg[off:end] against its type's layout and returns it with its names decompressed.
func expandData(msg []byte, typ uint16, off, end int) (string, error) {
	layout := layouts[typ]
	if layout == "" {
		data := string(msg[off:end])
		if !wellFormed(typ, data) {
			return "", errFormat
		}
		return data, nil
	}
	buf := make([]byte, 0, end-off+64)
	for _, f := range []byte(layout) {
		switch f {
		case 'n', 'u':
			var next int
			var err error
			start := len(buf)
			if buf, next, err = appendName(buf, msg[:end], off); err != nil {
				return "", err
			}
			if f == 'u' && len(buf)-start != next-off {
				return "", errFormat
			}
			off = next
		case 's':
			n := stringEnd(msg, off, end)
			if n < 0 {
				return "", errFormat
			}
			buf = append(buf, msg[off:n]...)
			off = n
		case 'S':
			for first := true; first || off < end; first = false {
				n := stringEnd(msg, off, end)
				if n < 0 {
					return "", errFormat
				}
				buf = append(buf, msg[off:n]...)
				off = n
			}
		case 'r':
			buf = append(buf, msg[off:end]...)
			off = end
		default:
			n := off + int(f-'0')
			if n > end {
				return "", errFormat
			}
			buf = append(buf, msg[off:n]...)
			off = n
		}
	}
	data := string(buf)
	if off != end || strings.Contains(layout, "r") && !wellFormed(typ, data) {
		return "", errFormat
	}
	return data, nil
}

func stringEnd(msg []byte, off, end int) int {
	if off >= end || off+1+int(msg[off]) > end {
		return -1
	}
	return off + 1 + int(msg[off])
}

// canonical is the form in which two rdata of a type are equal or not: names in lower case (RFC 2136 section 1.1,
// RFC 4034 section 6.2), everything else as it is.
func canonical(typ uint16, data string) string {
	layout := layouts[typ]
	if !strings.Contains(layout, "n") {
		return data
	}
	b := []byte(data)
	off := 0
	for _, f := range []byte(layout) {
		switch f {
		case 'n':
			start := off
			for b[off] != 0 {
				off += 1 + int(b[off])
			}
			off++
			lower(b[start:off])
		case 's':
			off += 1 + int(b[off])
		case 'r', 'S', 'u':
			return string(b) // no layout has a name behind these
		default:
			off += int(f - '0')
		}
	}
	return string(b)
}

// compressible are the types whose rdata names a server may compress (RFC 3597 section 4); the rest of the well-known
// types would be allowed as well, but not all receivers know that.
func compressible(typ uint16) bool {
	switch typ {
	case typeNS, typeCNAME, typeSOA, 12, 15:
		return true
	}
	return false
}

// metaType reports whether typ names no data: a QTYPE or a record that exists only in messages (RFC 6895 section 3.1).
func metaType(typ uint16) bool {
	return typ == 0 || typ == typeOPT || typ >= 128 && typ <= 255
}

var typeNames = map[string]uint16{
	"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "RP": 17, "AFSDB": 18, "AAAA": 28,
	"LOC": 29, "SRV": 33, "NAPTR": 35, "CERT": 37, "DNAME": 39, "DS": 43, "SSHFP": 44, "DNSKEY": 48, "DHCID": 49, "TLSA": 52,
	"SMIMEA": 53, "OPENPGPKEY": 61, "SVCB": 64, "HTTPS": 65, "SPF": 99, "URI": 256, "CAA": 257,
}

// parseType reads a type's mnemonic or its TYPE12345 form (RFC 3597 section 5).
func parseType(s string) (uint16, bool) {
	s = strings.ToUpper(s)
	if t, ok := typeNames[s]; ok {
		return t, true
	}
	if digits, ok := strings.CutPrefix(s, "TYPE"); ok {
		n, err := strconv.ParseUint(digits, 10, 16)
		return uint16(n), err == nil && !metaType(uint16(n))
	}
	return 0, false
}
