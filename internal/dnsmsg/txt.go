package dnsmsg

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/miekg/dns"
)

const (
	maxString = 255       // of one character-string (RFC 1035 section 3.3)
	maxRdata  = 1<<16 - 1 // RDLENGTH has 16 bits
)

// Rdata returns the rdata of a record as it is on the wire.
func Rdata(rr dns.RR) ([]byte, error) {
	var raw dns.RFC3597
	if err := raw.ToRFC3597(rr); err != nil {
		return nil, fmt.Errorf("rdata of %s: %w", rr.Header().Name, err)
	}
	return hex.DecodeString(raw.Rdata)
}

// TXT returns a TXT record with exactly that rdata. The library's own TXT has
// its strings escaped, which this avoids.
func TXT(name string, class uint16, ttl uint32, rdata []byte) dns.RR {
	return &dns.RFC3597{
		Hdr:   dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: class, Ttl: ttl, Rdlength: uint16(len(rdata))},
		Rdata: hex.EncodeToString(rdata),
	}
}

// Text joins the strings of a TXT record's rdata.
func Text(rdata []byte) (string, error) {
	var text []byte
	for len(rdata) > 0 {
		n := 1 + int(rdata[0])
		if n > len(rdata) {
			return "", errors.New("TXT record: a string is longer than its record")
		}
		text = append(text, rdata[1:n]...)
		rdata = rdata[n:]
	}
	return string(text), nil
}

// TextRdata is the rdata of a TXT record for a text, split into strings of 255
// octets and a rest.
func TextRdata(text string) ([]byte, error) {
	var rdata []byte
	for first := true; first || len(text) > 0; first = false {
		n := min(len(text), maxString)
		rdata = append(append(rdata, byte(n)), text[:n]...)
		text = text[n:]
	}
	if len(rdata) > maxRdata {
		return nil, fmt.Errorf("a text of %d octets is too long for a TXT record", len(rdata))
	}
	return rdata, nil
}
