package zone

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// FuzzHandle throws octets at the packet handler, as a client with every grant: it answers with something that reads as DNS or
// not at all, never panics, and the zone keeps its SOA and NS.
func FuzzHandle(f *testing.F) {
	s := open(f, updateZone, func(c *Config) {
		c.Keys = []Key{{Name: "all", Algorithm: "hmac-sha256", Secret: testSecret}}
		c.Zones = append(c.Zones, Zone{Name: "t.test"}) // of the captured messages
	})
	for _, m := range captured(f) {
		f.Add(m.Wire, !m.Reply)
	}
	for _, lines := range []string{
		"add n 5 TXT x", "yxrrset a TXT one\nyxrrset a TXT two\ndelset a TXT\nadd a 5 TXT z", "delname @", "add alias 5 CNAME q",
		"upd n IN 5 TYPE65400 00", "upd q NONE 0 CNAME", "upd mx NONE 0 TYPE15 000a0162076578616d706c6503636f6d00", "nxdomain q\nadd mx 5 MX 1 q\nadd s 5 SRV 1 2 3 q",
	} {
		f.Add(pack(f, updateMessage(f, lines)), true)
	}
	for _, name := range []string{"a.example.com.", "q.w.example.com.", "q.sub.example.com.", "alias.example.com.", "q.org."} {
		for _, typ := range []uint16{dns.TypeTXT, dns.TypeANY, dns.TypeAXFR, dns.TypeDS} {
			m := new(dns.Msg)
			m.SetQuestion(name, typ)
			m.SetEdns0(1232, true)
			f.Add(pack(f, m), false)
			raw, _ := signed(f, m, "all.", dns.HmacSHA256, time.Now(), 300)
			f.Add(raw, true)
		}
	}
	m := new(dns.Msg)
	m.SetIxfr(testOrigin, 1, "ns.", "h.")
	f.Add(pack(f, m), true)
	f.Fuzz(func(t *testing.T, raw []byte, tcp bool) {
		if len(raw) > maxMsg {
			return
		}
		for _, answer := range askAll(s, raw, tcp) {
			if len(answer) < headerLen || answer[2]&0x80 == 0 || !slices.Equal(answer[:2], raw[:2]) {
				t.Fatalf("%x answered by %x", raw, answer)
			}
			if !tcp && len(answer) > maxUDP {
				t.Fatalf("%d octets by UDP", len(answer))
			}
			var m message // what this server writes it must read, and nothing may be left over
			copied := slices.Clone(answer)
			copied[2] &^= 0x80
			if answer[2]>>3&15 == opQuery && binary.BigEndian.Uint16(copied[4:]) == 1 {
				if err := m.parse(copied); err != nil {
					t.Fatalf("%x answered by %x: %v", raw, answer, err)
				}
			}
			if err := new(dns.Msg).Unpack(answer); err != nil {
				t.Fatalf("%x answered by %x, which the library does not read: %v", raw, answer, err)
			}
		}
		if n := s.Stats().Panics; n != 0 { // which cost a request its answer, or an update a SERVFAIL
			t.Fatalf("%x made the server panic", raw)
		}
		tree := s.zones["\x07example\x03com\x00"]
		apex := tree.nodes[tree.origin]
		if len(apex.set(typeSOA).data) != 1 || len(apex.set(typeNS).data) == 0 || apex.set(typeCNAME) != nil {
			t.Fatalf("%x left the apex with %v", raw, apex)
		}
	})
}
