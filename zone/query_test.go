package zone

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

const queryZone = `
a       TXT "one"
a       A 192.0.2.2
MiXed   TXT "case"
alias   CNAME a
chain   CNAME alias
away    CNAME www.example.org.
gone    CNAME nothing
loop    CNAME pool
pool    CNAME loop
x.ent   TXT "below"
*.w     TXT "wild"
*.w     MX 10 a
sub.w   A 192.0.2.4
deep.ent2.w A 192.0.2.5
*.wc    CNAME a
x.*.we  TXT "below a wildcard"
sub     NS ns.sub
sub     NS ns.example.org.
sub     DS 1 8 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF
ns.sub  A 192.0.2.3
ns.sub  AAAA 2001:db8::3
tosub   CNAME www.sub
d       DNAME elsewhere.example.org.
in      DNAME w
a\.b    TXT "one label with a dot"
\000\255 TXT "any octet"
unk     TYPE65400 \# 3 010203
`

// answerText is an answer in one line a fact, without the question and EDNS.
func answerText(m *dns.Msg) []string {
	out := []string{dns.RcodeToString[m.Rcode]}
	if m.Authoritative {
		out[0] += " aa"
	}
	if m.Truncated {
		out[0] += " tc"
	}
	for _, sec := range []struct {
		name string
		rrs  []dns.RR
	}{{"an", m.Answer}, {"ns", m.Ns}, {"ar", m.Extra}} {
		for _, r := range sec.rrs {
			if r.Header().Rrtype != dns.TypeOPT {
				value := strings.TrimPrefix(r.String(), r.Header().String())
				if r.Header().Rrtype == dns.TypeSOA {
					value = ""
				}
				out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %d %s %s", sec.name, r.Header().Name, r.Header().Ttl, dns.Type(r.Header().Rrtype), value)))
			}
		}
	}
	return out
}

func TestQuery(t *testing.T) {
	s := open(t, queryZone, func(c *Config) {
		c.Zones = append(c.Zones, Zone{Name: "child.example.com"})
	})
	const soa = "\nns example.com. 30 SOA"
	tests := []struct{ rfc, question, want string }{
		{"1034 4.3.2", "a.example.com. TXT", "NOERROR aa\nan a.example.com. 300 TXT \"one\""},
		{"1034 3.1", "A.EXAMPLE.com. TXT", "NOERROR aa\nan A.EXAMPLE.com. 300 TXT \"one\""},
		{"4343", "mixed.example.com. TXT", "NOERROR aa\nan mixed.example.com. 300 TXT \"case\""},
		{"2308 2.2", "a.example.com. AAAA", "NOERROR aa" + soa},
		{"2308 2.1", "nothing.example.com. TXT", "NXDOMAIN aa" + soa},
		{"2308 2.1", "deep.nothing.example.com. TXT", "NXDOMAIN aa" + soa},
		{"8020", "ent.example.com. TXT", "NOERROR aa" + soa},
		{"1034 4.3.2", "example.com. SOA", "NOERROR aa\nan example.com. 300 SOA"},
		{"1034 4.3.2", "example.com. NS", "NOERROR aa\nan example.com. 300 NS ns.example.com."},
		{"3597", "unk.example.com. TYPE65400", "NOERROR aa\nan unk.example.com. 300 TYPE65400 unk.example.com.\t300\tCLASS1\tTYPE65400\t\\# 3 010203"},
		{"8906 8.1.2", "a.example.com. TYPE1000", "NOERROR aa" + soa},
		{"2181 11", `a\.b.example.com. TXT`, "NOERROR aa\nan a\\.b.example.com. 300 TXT \"one label with a dot\""},
		{"2181 11", `a.b.example.com. TXT`, "NXDOMAIN aa" + soa},
		{"2181 11", `\000\255.example.com. TXT`, "NOERROR aa\nan \\000\\255.example.com. 300 TXT \"any octet\""},

		{"1034 3.6.2", "alias.example.com. TXT", "NOERROR aa\nan alias.example.com. 300 CNAME a.example.com.\nan a.example.com. 300 TXT \"one\""},
		{"1034 3.6.2", "chain.example.com. TXT", "NOERROR aa\nan chain.example.com. 300 CNAME alias.example.com.\nan alias.example.com. 300 CNAME a.example.com.\nan a.example.com. 300 TXT \"one\""},
		{"1034 3.6.2", "alias.example.com. CNAME", "NOERROR aa\nan alias.example.com. 300 CNAME a.example.com."},
		{"2308 2.2", "alias.example.com. AAAA", "NOERROR aa\nan alias.example.com. 300 CNAME a.example.com." + soa},
		{"6604 3", "gone.example.com. TXT", "NXDOMAIN aa\nan gone.example.com. 300 CNAME nothing.example.com." + soa},
		{"1034 3.6.2", "away.example.com. TXT", "NOERROR aa\nan away.example.com. 300 CNAME www.example.org."},
		{"1034 4.3.2", "tosub.example.com. TXT", "NOERROR aa\nan tosub.example.com. 300 CNAME www.sub.example.com.\nns sub.example.com. 300 NS ns.sub.example.com.\nns sub.example.com. 300 NS ns.example.org.\nar ns.sub.example.com. 300 A 192.0.2.3\nar ns.sub.example.com. 300 AAAA 2001:db8::3"},

		{"4592 2.2", "q.w.example.com. TXT", "NOERROR aa\nan q.w.example.com. 300 TXT \"wild\""},
		{"4592 2.2", "q.q.w.example.com. MX", "NOERROR aa\nan q.q.w.example.com. 300 MX 10 a.example.com."},
		{"4592 2.2.1", "q.w.example.com. AAAA", "NOERROR aa" + soa},
		{"4592 2.2.1", "w.example.com. TXT", "NOERROR aa" + soa},
		{"4592 2.2.1", "*.w.example.com. TXT", "NOERROR aa\nan *.w.example.com. 300 TXT \"wild\""},
		{"4592 2.2.1", "sub.w.example.com. TXT", "NOERROR aa" + soa},
		{"4592 2.2.1", "q.sub.w.example.com. TXT", "NXDOMAIN aa" + soa},
		{"4592 2.2.1", "q.ent2.w.example.com. TXT", "NXDOMAIN aa" + soa},
		{"4592 2.2.1", "ent2.w.example.com. TXT", "NOERROR aa" + soa},
		{"4592 3.3.3", "q.wc.example.com. TXT", "NOERROR aa\nan q.wc.example.com. 300 CNAME a.example.com.\nan a.example.com. 300 TXT \"one\""},
		{"4592 2.2.3", "q.we.example.com. TXT", "NOERROR aa" + soa},

		{"1034 4.3.2", "q.sub.example.com. TXT", "NOERROR\nns sub.example.com. 300 NS ns.sub.example.com.\nns sub.example.com. 300 NS ns.example.org.\nar ns.sub.example.com. 300 A 192.0.2.3\nar ns.sub.example.com. 300 AAAA 2001:db8::3"},
		{"1034 4.3.2", "sub.example.com. NS", "NOERROR\nns sub.example.com. 300 NS ns.sub.example.com.\nns sub.example.com. 300 NS ns.example.org.\nar ns.sub.example.com. 300 A 192.0.2.3\nar ns.sub.example.com. 300 AAAA 2001:db8::3"},
		{"1034 4.3.2", "ns.sub.example.com. A", "NOERROR\nns sub.example.com. 300 NS ns.sub.example.com.\nns sub.example.com. 300 NS ns.example.org.\nar ns.sub.example.com. 300 A 192.0.2.3\nar ns.sub.example.com. 300 AAAA 2001:db8::3"},
		{"4035 3.1.4.1", "sub.example.com. DS", "NOERROR aa\nan sub.example.com. 300 DS 1 8 2 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF"},
		{"4035 3.1.4.1", "child.example.com. DS", "NXDOMAIN aa" + soa},
		{"1034 4.3.2", "child.example.com. NS", "NOERROR aa\nan child.example.com. 3600 NS ns.child.example.com."},

		{"6672 3.2", "q.d.example.com. TXT", "NOERROR aa\nan d.example.com. 300 DNAME elsewhere.example.org.\nan q.d.example.com. 300 CNAME q.elsewhere.example.org."},
		{"6672 3.2", "q.in.example.com. TXT", "NOERROR aa\nan in.example.com. 300 DNAME w.example.com.\nan q.in.example.com. 300 CNAME q.w.example.com.\nan q.w.example.com. 300 TXT \"wild\""},
		{"6672 2.3", "d.example.com. DNAME", "NOERROR aa\nan d.example.com. 300 DNAME elsewhere.example.org."},

		{"8482 4.1", "a.example.com. ANY", "NOERROR aa\nan a.example.com. 300 TXT \"one\""},
		{"8482", "nothing.example.com. ANY", "NXDOMAIN aa" + soa},
		{"8482", "ent.example.com. ANY", "NOERROR aa" + soa},
		{"8482", "alias.example.com. ANY", "NOERROR aa\nan alias.example.com. 300 CNAME a.example.com."},
		{"8906 4", "www.example.org. TXT", "REFUSED"},
		{"8906 4", "com. NS", "REFUSED"},
		{"8906 4", ". NS", "REFUSED"},
		{"5936 4.2", "example.com. AXFR", "FORMERR"},
		{"6895 3.1", "example.com. OPT", "FORMERR"},
		{"6895 3.1", "example.com. MAILB", "NOTIMP"},
	}
	for _, tc := range tests {
		t.Run(tc.question, func(t *testing.T) {
			name, typ, _ := strings.Cut(tc.question, " ")
			m := query(t, s, name, typeNumber(t, typ))
			want := strings.Split(tc.want, "\n")
			if diff := cmp.Diff(want, answerText(m)); diff != "" {
				t.Errorf("RFC %s (-want +got):\n%s", tc.rfc, diff)
			}
			if len(m.Question) != 1 || m.Question[0].Name != name {
				t.Errorf("the question came back as %v", m.Question)
			}
		})
	}
	t.Run("loop", func(t *testing.T) {
		m := query(t, s, "loop.example.com.", dns.TypeTXT)
		if m.Rcode != 0 || len(m.Answer) != 2 {
			t.Errorf("a CNAME loop: %s, want each alias once", answerText(m))
		}
	})
	t.Run("case", func(t *testing.T) { // the question's for the owner asked for, its own for every other name
		m := query(t, s, "Q.W.Example.Com.", dns.TypeMX)
		if r := m.Answer[0].(*dns.MX); r.Hdr.Name != "Q.W.Example.Com." || r.Mx != "a.example.com." {
			t.Errorf("%v", r)
		}
		m = query(t, s, "Nothing.Example.Com.", dns.TypeMX)
		if r := m.Ns[0].(*dns.SOA); r.Hdr.Name != "example.com." || r.Ns != "ns.example.com." {
			t.Errorf("%v", r)
		}
	})
	t.Run("chain", func(t *testing.T) {
		var lines strings.Builder
		for i := range 40 {
			fmt.Fprintf(&lines, "c%d CNAME c%d\n", i, i+1)
		}
		long := open(t, lines.String())
		if m := query(t, long, "c0.example.com.", dns.TypeTXT, func(m *dns.Msg) { m.SetEdns0(1232, false) }); m.Rcode != 0 || len(m.Answer) != chase {
			t.Errorf("%d aliases, want %d", len(m.Answer), chase)
		}
	})
	t.Run("DNAME too long", func(t *testing.T) {
		long := strings.Repeat(strings.Repeat("x", 61)+".", 3) + strings.Repeat("y", 50) + "."
		if m := query(t, s, long+"d.example.com.", dns.TypeTXT); m.Rcode != dns.RcodeYXDomain {
			t.Errorf("RFC 6672 section 2.2: %s, want YXDOMAIN", answerText(m))
		}
	})
	t.Run("ANY by TCP", func(t *testing.T) {
		m := new(dns.Msg)
		m.SetQuestion("a.example.com.", dns.TypeANY)
		if got := unpack(t, ask(t, s, pack(t, m), true)); len(got.Answer) != 2 {
			t.Errorf("%s, want both RRsets", answerText(got))
		}
	})
}

// probe builds a message for the probes of RFC 8906 section 8.
func probe(change func(*dns.Msg)) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(testOrigin, dns.TypeSOA)
	m.RecursionDesired = false
	change(m)
	return m
}

func withOPT(m *dns.Msg, version uint8, flags uint16, options ...dns.EDNS0) {
	o := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT, Class: 4096, Ttl: uint32(version)<<16 | uint32(flags)}, Option: options}
	m.Extra = append(m.Extra, o)
}

func TestRFC8906(t *testing.T) {
	s := open(t, queryZone)
	tests := []struct {
		name   string
		m      *dns.Msg
		rcode  int
		answer bool // the SOA is in it
		edns   bool
	}{
		{"8.1.1 plain", probe(func(m *dns.Msg) {}), 0, true, false},
		{"8.1.3 CD", probe(func(m *dns.Msg) { m.CheckingDisabled = true }), 0, true, false},
		{"8.1.3 AD", probe(func(m *dns.Msg) { m.AuthenticatedData = true }), 0, true, false},
		{"8.1.3 reserved bit", probe(func(m *dns.Msg) { m.Zero = true }), 0, true, false},
		{"8.1.3 RD", probe(func(m *dns.Msg) { m.RecursionDesired = true }), 0, true, false},
		{"8.1.3 AA, TC, RA in a question", probe(func(m *dns.Msg) { m.Authoritative, m.Truncated, m.RecursionAvailable = true, true, true }), 0, true, false},
		{"8.1.4 unknown opcode", probe(func(m *dns.Msg) { m.Opcode = 15; m.Question = nil }), dns.RcodeNotImplemented, false, false},
		{"8.1.4 unknown opcode with a question", probe(func(m *dns.Msg) { m.Opcode = 15 }), dns.RcodeNotImplemented, false, false},
		{"8.1.4 IQUERY", probe(func(m *dns.Msg) { m.Opcode = dns.OpcodeIQuery }), dns.RcodeNotImplemented, false, false},
		{"8.1.4 STATUS", probe(func(m *dns.Msg) { m.Opcode = dns.OpcodeStatus }), dns.RcodeNotImplemented, false, false},
		{"8.1.4 DSO (RFC 8490)", probe(func(m *dns.Msg) { m.Opcode = 6; m.Question = nil }), dns.RcodeNotImplemented, false, false},
		{"NOTIFY to a primary (RFC 1996)", probe(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), dns.RcodeRefused, false, false},
		{"8.2.1 EDNS 0", probe(func(m *dns.Msg) { withOPT(m, 0, 0) }), 0, true, true},
		{"8.2.2 EDNS 1", probe(func(m *dns.Msg) { withOPT(m, 1, 0) }), dns.RcodeBadVers, false, true},
		{"8.2.2 EDNS 255", probe(func(m *dns.Msg) { withOPT(m, 255, 0) }), dns.RcodeBadVers, false, true},
		{"8.2.3 unknown option", probe(func(m *dns.Msg) { withOPT(m, 0, 0, &dns.EDNS0_LOCAL{Code: 100, Data: []byte("x")}) }), 0, true, true},
		{"8.2.4 unknown flags", probe(func(m *dns.Msg) { withOPT(m, 0, 0x40) }), 0, true, true},
		{"8.2.5 EDNS 1, unknown flags", probe(func(m *dns.Msg) { withOPT(m, 1, 0x40) }), dns.RcodeBadVers, false, true},
		{"8.2.6 EDNS 1, unknown option", probe(func(m *dns.Msg) { withOPT(m, 1, 0, &dns.EDNS0_LOCAL{Code: 100}) }), dns.RcodeBadVers, false, true},
		{"8.2.8 DO", probe(func(m *dns.Msg) { withOPT(m, 0, 0x8000) }), 0, true, true},
		{"8.2.9 several options", probe(func(m *dns.Msg) {
			withOPT(m, 0, 0, &dns.EDNS0_NSID{Code: dns.EDNS0NSID}, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"},
				&dns.EDNS0_EXPIRE{Code: dns.EDNS0EXPIRE, Empty: true}, &dns.EDNS0_LOCAL{Code: 100})
		}), 0, true, true},
		{"two OPT (RFC 6891 6.1.1)", probe(func(m *dns.Msg) { withOPT(m, 0, 0); withOPT(m, 0, 0) }), dns.RcodeFormatError, false, true},
		{"no question (RFC 9619)", probe(func(m *dns.Msg) { m.Question = nil }), dns.RcodeFormatError, false, false},
		{"two questions (RFC 9619)", probe(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), dns.RcodeFormatError, false, false},
		{"class CH", probe(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeRefused, false, false},
		{"class ANY", probe(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY }), 0, true, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			raw := ask(t, s, pack(t, tc.m), false)
			got := unpack(t, raw)
			if got.Rcode != tc.rcode || got.Id != tc.m.Id || got.Opcode != tc.m.Opcode {
				t.Errorf("%s, opcode %d, want %s, %d, and the same id", dns.RcodeToString[got.Rcode], got.Opcode, dns.RcodeToString[tc.rcode], tc.m.Opcode)
			}
			if (len(got.Answer) == 1) != tc.answer {
				t.Errorf("%d answers", len(got.Answer))
			}
			if got.AuthenticatedData || got.CheckingDisabled || got.Zero || got.RecursionAvailable || got.Truncated {
				t.Errorf("flags that an authoritative answer has not: %v", got.MsgHdr)
			}
			if got.Opcode == dns.OpcodeQuery && got.RecursionDesired != tc.m.RecursionDesired {
				t.Error("RD is not the question's (RFC 1035 section 4.1.1)")
			}
			o := got.IsEdns0()
			if (o != nil) != tc.edns {
				t.Fatalf("OPT %v, want %v", o, tc.edns)
			}
			if o != nil && (o.Version() != 0 || len(o.Option) != 0 || o.Hdr.Ttl&0x7FFF != 0 || o.Do() != tc.m.IsEdns0().Do()) {
				t.Errorf("OPT %v: RFC 6891 sections 6.1.2 to 6.1.4", o)
			}
		})
	}
}

// TestMalformed: every answer to nonsense is FORMERR or silence, and silence only where an answer could loop.
func TestMalformed(t *testing.T) {
	s := open(t, queryZone)
	good := pack(t, probe(func(m *dns.Msg) {}))
	edit := func(f func(b []byte) []byte) []byte { return f(slices.Clone(good)) }
	tests := []struct {
		name  string
		raw   []byte
		rcode int // -1: no answer
	}{
		{"empty", nil, -1},
		{"short header", good[:11], -1},
		{"an answer", edit(func(b []byte) []byte { b[2] |= 0x80; return b }), -1},
		{"header alone", edit(func(b []byte) []byte { return b[:12] }), dns.RcodeFormatError},
		{"name cut short", edit(func(b []byte) []byte { return b[:15] }), dns.RcodeFormatError},
		{"octets behind the end", edit(func(b []byte) []byte { return append(b, 0) }), dns.RcodeFormatError},
		{"a record that is not there", edit(func(b []byte) []byte { b[11] = 1; return b }), dns.RcodeFormatError},
		{"65,535 records that are not there", edit(func(b []byte) []byte { b[10], b[11] = 255, 255; return b }), dns.RcodeFormatError},
		{"pointer to itself", edit(func(b []byte) []byte { b[12], b[13] = 0xC0, 12; return b[:18] }), dns.RcodeFormatError},
		{"pointer forward", edit(func(b []byte) []byte { b[12], b[13] = 0xC0, 14; return b[:18] }), dns.RcodeFormatError},
		{"pointer into the header", edit(func(b []byte) []byte { b[12], b[13] = 0xC0, 0; return b[:18] }), dns.RcodeFormatError},
		{"reserved label type", edit(func(b []byte) []byte { b[12] = 0x41; return b }), dns.RcodeFormatError},
		{"name of 256 octets", func() []byte {
			b := slices.Clone(good[:12])
			for range 4 {
				b = append(append(b, 63), make([]byte, 63)...)
			}
			return append(b, 0, 0, 6, 0, 1)
		}(), dns.RcodeFormatError},
		{"option longer than OPT", func() []byte {
			b := pack(t, probe(func(m *dns.Msg) { withOPT(m, 0, 0, &dns.EDNS0_LOCAL{Code: 100, Data: []byte("xy")}) }))
			b[len(b)-3] = 9
			return b
		}(), dns.RcodeFormatError},
		{"OPT with an owner", func() []byte {
			b := slices.Clone(good)
			b[11] = 1
			return append(b, 1, 'x', 0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0)
		}(), dns.RcodeFormatError},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			raw := ask(t, s, tc.raw, false)
			if tc.rcode < 0 {
				if raw != nil {
					t.Errorf("answered %x", raw)
				}
				return
			}
			if len(raw) < 12 || int(raw[3]&15) != tc.rcode {
				t.Errorf("answered %x, want rcode %d", raw, tc.rcode)
			}
		})
	}
	t.Run("name of 255 octets", func(t *testing.T) {
		name := strings.Repeat(strings.Repeat("x", 63)+".", 3) + strings.Repeat("y", 49) + "." + testOrigin
		if m := query(t, s, name, dns.TypeTXT); m.Rcode != dns.RcodeNameError {
			t.Errorf("%s, want NXDOMAIN", answerText(m))
		}
	})
}

// TestTruncation: RFC 2181 section 9, RFC 6891 section 6.2.5, RFC 7766 section 5.
func TestTruncation(t *testing.T) {
	var big strings.Builder
	for i := range 20 {
		fmt.Fprintf(&big, "big TXT \"%d-%s\"\n", i, strings.Repeat("x", 100))
	}
	s := open(t, big.String()+"mid TXT \""+strings.Repeat("a", 250)+"\" \""+strings.Repeat("b", 250)+"\"\n")
	tests := []struct {
		name, question string
		size           uint16 // 0: no EDNS
		tcp, tc        bool
		answers        int
	}{
		{"over 512 without EDNS", "mid", 0, false, true, 0},
		{"over 512 with EDNS", "mid", 1232, false, false, 1},
		{"over 512 with EDNS 512", "mid", 512, false, true, 0},
		{"EDNS below 512 counts as 512", "a", 100, false, false, 0},
		{"over 1232 with EDNS 4096", "big", 4096, false, true, 0},
		{"over 1232 by TCP", "big", 0, true, false, 20},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m := new(dns.Msg)
			m.SetQuestion(tc.question+"."+testOrigin, dns.TypeTXT)
			if tc.size > 0 {
				m.SetEdns0(tc.size, false)
			}
			raw := ask(t, s, pack(t, m), tc.tcp)
			got := unpack(t, raw)
			if got.Truncated != tc.tc || len(got.Answer) != tc.answers {
				t.Errorf("tc %v with %d records, want %v with %d", got.Truncated, len(got.Answer), tc.tc, tc.answers)
			}
			if !tc.tcp && len(raw) > max(512, min(int(tc.size), maxUDP)) {
				t.Errorf("%d octets", len(raw))
			}
			if tc.size > 0 && got.IsEdns0() == nil {
				t.Error("no OPT in the answer")
			}
		})
	}
}

// TestSockets asks over real sockets: both protocols, pipelining, answers in one order for queries.
func TestSockets(t *testing.T) {
	s := serve(t, queryZone)
	m := new(dns.Msg)
	m.SetQuestion("a.example.com.", dns.TypeTXT)
	for _, network := range []string{"udp", "tcp"} {
		c := dns.Client{Net: network}
		got, _, err := c.Exchange(m, s.Addr())
		if err != nil || len(got.Answer) != 1 {
			t.Fatalf("%s: %v %v", network, got, err)
		}
	}
	conn := dial(t, s)
	const n = 500
	go func() { // RFC 7766 section 6.2.1.1
		var all []byte
		for i := range n {
			m.Id = uint16(i)
			raw, err := m.Pack()
			if err != nil {
				return
			}
			all = append(binary.BigEndian.AppendUint16(all, uint16(len(raw))), raw...)
		}
		for len(all) > 0 { // in pieces that cut messages apart
			k := min(len(all), 777)
			if _, err := conn.Write(all[:k]); err != nil {
				return
			}
			all = all[k:]
		}
	}()
	dc := dns.Conn{Conn: conn}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		got, err := dc.ReadMsg()
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		if int(got.Id) != i || len(got.Answer) != 1 {
			t.Fatalf("answer %d has id %d and %d records", i, got.Id, len(got.Answer))
		}
	}
}

// TestConnectionLimits: slow, idle and too many clients are cut, and others are served meanwhile.
func TestConnectionLimits(t *testing.T) {
	s := serve(t, queryZone, func(c *Config) {
		c.Limits = Limits{Conns: 4, ConnsPerAddr: 3, Idle: time.Second}
	})
	closed := func(conn net.Conn) string {
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(make([]byte, 1))
		if ne, ok := err.(net.Error); err == nil || ok && ne.Timeout() {
			return fmt.Sprintf("still open: %d octets, %v", n, err)
		}
		return ""
	}
	idle := dial(t, s)
	slow := dial(t, s)
	stop := make(chan struct{})
	defer close(stop)
	go func() { // an octet at a time, of a message that announces a thousand
		for i := 0; ; i++ {
			if _, err := slow.Write([]byte{[]byte{3, 232}[min(i, 1)]}); err != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	third := dial(t, s)
	dc := dns.Conn{Conn: third}
	m := new(dns.Msg)
	m.SetQuestion("a.example.com.", dns.TypeTXT)
	if err := dc.WriteMsg(m); err != nil {
		t.Fatal(err)
	}
	if _, err := dc.ReadMsg(); err != nil {
		t.Fatalf("the third connection: %v", err)
	}
	if why := closed(dial(t, s)); why != "" {
		t.Errorf("the fourth connection of one address: %s", why)
	}
	if why := closed(idle); why != "" {
		t.Errorf("the idle connection: %s", why)
	}
	if why := closed(slow); why != "" {
		t.Errorf("the slow connection: %s", why)
	}
	eventually(t, 5*time.Second, func() string {
		c := dns.Client{Net: "tcp"}
		if _, _, err := c.Exchange(m, s.Addr()); err != nil {
			return err.Error()
		}
		return ""
	})
	if s.Stats().Refused == 0 {
		t.Error("the refused connection was not counted")
	}
}

// TestConnectionsShared: addresses that hold all the connections there are keep no other one out.
func TestConnectionsShared(t *testing.T) {
	s := serve(t, queryZone, func(c *Config) { c.Limits = Limits{Conns: 6, ConnsPerAddr: 3, Idle: time.Minute} })
	from := func(ip string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		conn, err := d.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	m := new(dns.Msg)
	m.SetQuestion("a.example.com.", dns.TypeTXT)
	answers := func(conn net.Conn) error {
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		dc := dns.Conn{Conn: conn}
		if err := dc.WriteMsg(m); err != nil {
			return err
		}
		_, err := dc.ReadMsg()
		return err
	}
	var held []net.Conn
	for i := range 6 {
		conn := from([]string{"127.0.0.2", "127.0.0.3"}[i%2])
		if err := answers(conn); err != nil {
			t.Fatalf("connection %d of six: %v", i, err)
		}
		held = append(held, conn)
	}
	for _, ip := range []string{"127.0.0.4", "127.0.0.5"} {
		if err := answers(from(ip)); err != nil {
			t.Errorf("%s: %v", ip, err)
		}
	}
	if err := answers(from("127.0.0.4")); err == nil {
		t.Error("of four addresses with six connections one took a second one from those with two")
	}
	open := 0
	for _, conn := range held {
		if answers(conn) == nil {
			open++
		}
	}
	if open != 4 {
		t.Errorf("%d of the first six connections are open, want 4", open)
	}
}

func TestHost(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::", "::1": "::",
	} {
		if got := host(netip.MustParseAddr(addr)); got != netip.MustParseAddr(want) {
			t.Errorf("%s counts as %s, want %s", addr, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	var table rateTable
	table.init(100)
	now := time.Unix(1700000000, 0)
	count := func(addr string, n int) (ok, slip int) {
		for range n {
			a, b := table.take(netip.MustParseAddr(addr), now)
			if a {
				ok++
			}
			if b {
				slip++
			}
		}
		return ok, slip
	}
	if ok, slip := count("192.0.2.1", 1000); ok != 200 || slip != 400 {
		t.Errorf("burst: %d answered, %d truncated; want 200, 400", ok, slip)
	}
	if ok, _ := count("192.0.2.2", 10); ok != 10 {
		t.Errorf("another address: %d of 10 answered", ok)
	}
	now = now.Add(500 * time.Millisecond)
	if ok, _ := count("192.0.2.1", 1000); ok != 50 {
		t.Errorf("half a second later: %d answered, want 50", ok)
	}
	flooded := 0
	for range 200000 { // a second of it, 5 µs apart
		now = now.Add(5 * time.Microsecond)
		ok, _ := count("192.0.2.1", 1)
		flooded += ok
	}
	if flooded != 100 {
		t.Errorf("a second of flood: %d answered, want 100", flooded)
	}
	if ok, _ := count("127.0.0.1", 5000); ok != 5000 {
		t.Errorf("loopback: %d of 5000 answered", ok)
	}
	if ok, _ := count("2001:db8::1", 150); ok != 150 {
		t.Errorf("IPv6: %d of 150 answered", ok)
	}
	if ok, _ := count("2001:db8::2", 150); ok != 50 {
		t.Errorf("the same /64: %d answered, want 50", ok)
	}
	raw := pack(t, probe(func(m *dns.Msg) { withOPT(m, 0, 0) }))
	if got := unpack(t, truncated(raw)); !got.Truncated || !got.Response || got.Rcode != 0 {
		t.Errorf("truncated: %v", got)
	}
}
