package zone

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// updateZone is what every case of TestUpdate begins with.
const updateZone = `
a     TXT "one"
a     TXT "two"
b     A 192.0.2.2
b     TXT "b"
alias CNAME b
*.w   TXT "wild"
x.ent TXT "below"
sub   NS ns.sub
ns.sub A 192.0.2.3
MiXed TXT "case"
mx    MX 10 b
srv   SRV 1 2 3 b
`

// An update in a test is a few lines: a verb, and a record whose owner is relative to example.com.
//
//	yxrrset NAME TYPE [DATA]   RFC 2136 section 2.4.1 or 2.4.2       add NAME TTL TYPE DATA   2.5.1
//	nxrrset NAME TYPE          2.4.3                                 delset NAME TYPE         2.5.2
//	yxdomain NAME              2.4.4                                 delname NAME             2.5.3
//	nxdomain NAME              2.4.5                                 del NAME TYPE DATA       2.5.4
//	pre, upd NAME CLASS TTL TYPE [DATA]                              a record as it is, in either section
func updateMessage(t testing.TB, lines string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetUpdate(testOrigin)
	for line := range strings.Lines(lines) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if verb == "" {
			continue
		}
		f := strings.SplitN(rest, " ", 3)
		empty := func(class uint16) dns.RR {
			typ := uint16(dns.TypeANY)
			if len(f) > 1 {
				typ = typeNumber(t, f[1])
			}
			return &dns.ANY{Hdr: dns.RR_Header{Name: rr(t, f[0]+" A 0.0.0.0").Header().Name, Rrtype: typ, Class: class}}
		}
		full := func(text string, class uint16, ttl uint32) dns.RR {
			r := rr(t, text)
			r.Header().Class, r.Header().Ttl = class, ttl
			return r
		}
		switch verb {
		case "yxrrset":
			if len(f) == 3 {
				m.Answer = append(m.Answer, full(rest, dns.ClassINET, 0))
			} else {
				m.Answer = append(m.Answer, empty(dns.ClassANY))
			}
		case "nxrrset", "nxdomain":
			m.Answer = append(m.Answer, empty(dns.ClassNONE))
		case "yxdomain":
			m.Answer = append(m.Answer, empty(dns.ClassANY))
		case "add":
			m.Ns = append(m.Ns, rr(t, rest))
		case "delset", "delname":
			m.Ns = append(m.Ns, empty(dns.ClassANY))
		case "del":
			m.Ns = append(m.Ns, full(rest, dns.ClassNONE, 0))
		case "pre", "upd":
			r := rawRecord(t, rest)
			if verb == "pre" {
				m.Answer = append(m.Answer, r)
			} else {
				m.Ns = append(m.Ns, r)
			}
		default:
			t.Fatalf("unknown verb %q", verb)
		}
	}
	return m
}

func typeNumber(t testing.TB, s string) uint16 {
	t.Helper()
	if n, ok := dns.StringToType[s]; ok {
		return n
	}
	var n uint16
	if _, err := fmt.Sscanf(s, "TYPE%d", &n); err != nil {
		t.Fatalf("type %q", s)
	}
	return n
}

// rawRecord reads "NAME CLASS TTL TYPE [HEX]".
func rawRecord(t testing.TB, text string) dns.RR {
	t.Helper()
	f := strings.Fields(text)
	var ttl uint32
	if _, err := fmt.Sscan(f[2], &ttl); err != nil {
		t.Fatal(err)
	}
	class := map[string]uint16{"IN": dns.ClassINET, "ANY": dns.ClassANY, "NONE": dns.ClassNONE, "CH": dns.ClassCHAOS}[f[1]]
	name := f[0]
	if !strings.HasSuffix(name, ".") {
		name = rr(t, name+" A 0.0.0.0").Header().Name
	}
	h := dns.RR_Header{Name: name, Rrtype: typeNumber(t, f[3]), Class: class, Ttl: ttl}
	data := ""
	if len(f) > 4 {
		data = f[4]
	}
	return &dns.RFC3597{Hdr: h, Rdata: data}
}

// TestUpdate is a table of what the dynamic update tests of BIND, Knot and PowerDNS cover. want are the changes of the zone:
// "+ line" and "- line". A case without changes must leave the serial alone.
func TestUpdate(t *testing.T) {
	tests := []struct {
		name, rfc, update string
		rcode             int
		want              string
	}{
		// Prerequisites, satisfied and not.
		{"rrset exists", "2.4.1", "yxrrset a TXT\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"rrset exists, other type", "2.4.1", "yxrrset a A\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"rrset exists, no name", "2.4.1", "yxrrset q TXT\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"rrset exists, empty non-terminal", "2.4.1", "yxrrset ent TXT\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"rrset exists, only by wildcard", "2.4.1", "yxrrset q.w TXT\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"rrset exists, the wildcard itself", "2.4.1", "yxrrset *.w TXT\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"rrset exists, name in another case", "2.4.1, RFC 4343", "yxrrset mIxED TXT\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"rrset exists, at the apex", "2.4.1", "yxrrset @ SOA\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"rrset exists, CNAME is not followed", "2.4.1", "yxrrset alias TXT\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"rrset exists, glue below a cut", "2.4.1", "yxrrset ns.sub A\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"value", "2.4.2", "yxrrset b TXT b\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"value, another", "2.4.2", "yxrrset b TXT c\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"value, case of text matters", "2.4.2", "yxrrset b TXT B\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"value, whole set", "2.4.2", "yxrrset a TXT one\nyxrrset a TXT two\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"value, whole set in another order", "2.4.2", "yxrrset a TXT two\nyxrrset a TXT one\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"value, whole set, one named twice", "2.4.2", "yxrrset a TXT two\nyxrrset a TXT one\nyxrrset a TXT one\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"value, part of the set", "2.4.2", "yxrrset a TXT one\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"value, one named twice for two", "2.4.2", "yxrrset a TXT one\nyxrrset a TXT one\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"value, more than the set", "2.4.2", "yxrrset a TXT one\nyxrrset a TXT two\nyxrrset a TXT three\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"value, no such set", "2.4.2", "yxrrset q TXT one\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"value, only by wildcard", "2.4.2", "yxrrset q.w TXT wild\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"value, strings split otherwise", "2.4.2", `yxrrset a TXT "o" "ne"` + "\nyxrrset a TXT two\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"value, name in data in another case", "2.4.2, 1.1", "yxrrset mx MX 10 B\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"value, SRV target in another case", "2.4.2, 1.1", "yxrrset srv SRV 1 2 3 B\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"value, two names", "2.4.2", "yxrrset b TXT b\nyxrrset mixed TXT case\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"value, two names, one wrong", "2.4.2", "yxrrset b TXT b\nyxrrset mixed TXT CASE\nadd n 5 TXT x", dns.RcodeNXRrset, ""},
		{"no rrset", "2.4.3", "nxrrset a A\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"no rrset, no name", "2.4.3", "nxrrset q A\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"no rrset, only by wildcard", "2.4.3", "nxrrset q.w TXT\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"no rrset, there is one", "2.4.3", "nxrrset a TXT\nadd n 5 TXT x", dns.RcodeYXRrset, ""},
		{"no rrset, apex SOA", "2.4.3", "nxrrset @ SOA\nadd n 5 TXT x", dns.RcodeYXRrset, ""},
		{"name in use", "2.4.4", "yxdomain a\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"name in use, another case", "2.4.4, RFC 4343", "yxdomain MIXED\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"name in use, it is not", "2.4.4", "yxdomain q\nadd n 5 TXT x", dns.RcodeNameError, ""},
		{"name in use, empty non-terminal", "2.4.4", "yxdomain ent\nadd n 5 TXT x", dns.RcodeNameError, ""},
		{"name in use, only by wildcard", "2.4.4", "yxdomain q.w\nadd n 5 TXT x", dns.RcodeNameError, ""},
		{"name not in use", "2.4.5", "nxdomain q\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"name not in use, empty non-terminal", "2.4.5", "nxdomain ent\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"name not in use, it is", "2.4.5", "nxdomain a\nadd n 5 TXT x", dns.RcodeYXDomain, ""},
		{"name not in use, apex", "2.4.5", "nxdomain @\nadd n 5 TXT x", dns.RcodeYXDomain, ""},
		{"all must hold, the last does not", "3.2.5", "yxdomain a\nnxdomain q\nyxrrset b TXT\nnxrrset a TXT\nadd n 5 TXT x", dns.RcodeYXRrset, ""},
		{"the update does not satisfy its own prerequisite", "3.2", "yxdomain n\nadd n 5 TXT x", dns.RcodeNameError, ""},
		{"prerequisites only", "3.2", "yxdomain a", 0, ""},
		{"prerequisites only, failing", "3.2", "nxdomain a", dns.RcodeYXDomain, ""},
		{"nothing at all", "3", "", 0, ""},

		// Malformed prerequisites.
		{"prerequisite TTL, ANY", "3.2.5", "pre a ANY 1 TXT\nadd n 5 TXT x", dns.RcodeFormatError, ""},
		{"prerequisite TTL, NONE", "3.2.5", "pre q NONE 1 TXT\nadd n 5 TXT x", dns.RcodeFormatError, ""},
		{"prerequisite TTL, value", "3.2.5", "pre b IN 1 TXT 0162\nadd n 5 TXT x", dns.RcodeFormatError, ""},
		{"prerequisite ANY with data", "3.2.1", "pre a ANY 0 TXT 0162\nadd n 5 TXT x", dns.RcodeFormatError, ""},
		{"prerequisite NONE with data", "3.2.2", "pre q NONE 0 TXT 0162\nadd n 5 TXT x", dns.RcodeFormatError, ""},
		{"prerequisite of another class", "3.2.3", "pre a CH 0 TXT 0162\nadd n 5 TXT x", dns.RcodeFormatError, ""},
		{"prerequisite with type ANY and a value", "3.2.3", "pre a IN 0 ANY\nadd n 5 TXT x", dns.RcodeFormatError, ""},
		{"prerequisite with a meta type", "3.2", "pre a ANY 0 AXFR\nadd n 5 TXT x", dns.RcodeFormatError, ""},
		{"prerequisite out of zone", "3.2.5", "pre a.example.org. ANY 0 TXT\nadd n 5 TXT x", dns.RcodeNotZone, ""},
		{"prerequisite in a name that only ends like the zone", "3.2.5", "pre aexample.com. ANY 0 TXT\nadd n 5 TXT x", dns.RcodeNotZone, ""},
		{"prerequisite at the parent", "3.2.5", "pre com. ANY 0 ANY\nadd n 5 TXT x", dns.RcodeNotZone, ""},
		{"prerequisite whose data does not read", "3.2.3", "pre b IN 0 TXT 0562\nadd n 5 TXT x", dns.RcodeFormatError, ""},

		// Adding.
		{"add to a new name", "2.5.1", "add n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"add a type", "2.5.1", "add a 5 A 192.0.2.9", 0, "+ a 5 A 192.0.2.9"},
		{"add to a set", "2.5.1", "add b 300 TXT c", 0, `+ b 300 TXT "c"`},
		{"add what is there", "2.5.1, 3.4.2.2", "add b 300 TXT b", 0, ""},
		{"add what is there, twice", "3.4.2.2", "add n 5 TXT x\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},
		{"add with another TTL changes the TTL", "3.4.2.2", "add b 60 TXT b", 0, "- b 300 TXT \"b\"\n+ b 60 TXT \"b\""},
		{"one TTL for the set", "RFC 2181 5.2", "add a 60 TXT three", 0, "- a 300 TXT \"one\"\n- a 300 TXT \"two\"\n+ a 60 TXT \"one\"\n+ a 60 TXT \"two\"\n+ a 60 TXT \"three\""},
		{"add with TTL 0", "3.4.2.2", "add n 0 TXT x", 0, `+ n 0 TXT "x"`},
		{"add with the top bit of the TTL", "RFC 2181 8", "upd n IN 2147483648 TXT 0178", 0, `+ n 0 TXT "x"`},
		{"add with a TTL over a week", "RFC 8767 4", "add n 604801 TXT x", 0, `+ n 604800 TXT "x"`},
		{"add in another case", "RFC 4343", "add mixed 300 TXT more", 0, `+ MiXed 300 TXT "more"`},
		{"add a record that differs in the case of its data's name", "1.1, 3.4.2.2", "add mx 300 MX 10 B", 0, "- mx 300 MX 10 b\n+ mx 300 MX 10 B"},
		{"add at a wildcard", "RFC 4592 2.1.1", "add *.v 5 TXT x", 0, `+ *.v 5 TXT "x"`},
		{"add below a wildcard makes no wildcard", "RFC 4592", "add q.w 5 TXT x", 0, `+ q.w 5 TXT "x"`},
		{"add at an empty non-terminal", "2.5.1", "add ent 5 TXT x", 0, `+ ent 5 TXT "x"`},
		{"add below a delegation", "7.16", "add q.sub 5 TXT x", 0, `+ q.sub 5 TXT "x"`},
		{"add at the apex", "2.5.1", "add @ 5 TXT x", 0, `+ @ 5 TXT "x"`},
		{"add a delegation", "2.5.1", "add del 5 NS ns.example.net.", 0, "+ del 5 NS ns.example.net."},
		{"add a second NS at the apex", "2.5.1", "add @ 300 NS ns2", 0, "+ @ 300 NS ns2"},
		{"add an unknown type", "RFC 3597", "upd n IN 5 TYPE65400 00ff", 0, "+ n 5 TYPE65400 \\# 2 00ff"},
		{"add an unknown type, case matters", "RFC 3597", "upd n IN 5 TYPE65400 41\nupd n IN 5 TYPE65400 61", 0, "+ n 5 TYPE65400 \\# 1 41\n+ n 5 TYPE65400 \\# 1 61"},
		{"add every octet", "RFC 1035 3.3", "upd n IN 5 TXT 0400017fff", 0, `+ n 5 TXT "\000\001\127\255"`},
		{"add an empty string", "RFC 1035 3.3.14", `add n 5 TXT ""`, 0, `+ n 5 TXT ""`},
		{"add WKS of the same address and protocol", "3.4.2.2", "upd k IN 5 TYPE11 c00002010600\nupd k IN 5 TYPE11 c00002010640", 0, "+ k 5 TYPE11 \\# 6 c00002010640"},

		// CNAME.
		{"CNAME beside data is ignored", "3.4.2.2", "add b 300 CNAME a", 0, ""},
		{"data beside a CNAME is ignored", "3.4.2.2", "add alias 300 TXT x", 0, ""},
		{"CNAME replaces a CNAME", "3.4.2.2", "add alias 300 CNAME a", 0, "- alias 300 CNAME b\n+ alias 300 CNAME a"},
		{"CNAME at the apex is ignored", "3.4.2.2", "add @ 300 CNAME a", 0, ""},
		{"CNAME at a new name", "3.4.2.2", "add n 5 CNAME a", 0, "+ n 5 CNAME a"},
		{"CNAME in place of data", "3.4.2.7", "delname b\nadd b 300 CNAME a", 0, "- b 300 A 192.0.2.2\n- b 300 TXT \"b\"\n+ b 300 CNAME a"},
		{"data in place of a CNAME", "3.4.2.7", "delset alias CNAME\nadd alias 300 TXT x", 0, "- alias 300 CNAME b\n+ alias 300 TXT \"x\""},
		{"two CNAMEs leave the last", "3.4.2.2", "add n 5 CNAME a\nadd n 5 CNAME b", 0, "+ n 5 CNAME b"},
		{"two DNAMEs leave the last", "RFC 6672 2.4", "add n 5 DNAME a\nadd n 5 DNAME b", 0, "+ n 5 DNAME b"},
		{"the rest of an update with an ignored CNAME", "3.4.2.2", "add b 300 CNAME a\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},

		// SOA and NS of the apex.
		{"SOA with a smaller serial is ignored", "3.4.2.2", "add @ 300 SOA ns other 99 1 1 1 1", 0, ""},
		{"SOA with the same serial is ignored", "3.4.2.2", "add @ 300 SOA ns other 100 1 1 1 1", 0, ""},
		{"SOA below the apex is ignored", "3.4.2.2", "add n 300 SOA ns other 200 1 1 1 1", 0, ""},
		{"SOA is not deleted", "3.4.2.4", "del @ SOA ns hostmaster 100 60 10 604800 30", 0, ""},
		{"SOA set is not deleted", "3.4.2.3", "delset @ SOA", 0, ""},
		{"NS set of the apex is not deleted", "3.4.2.3", "delset @ NS", 0, ""},
		{"last NS of the apex is not deleted", "3.4.2.4", "del @ NS ns", 0, ""},
		{"NS of the apex, one of two", "3.4.2.4", "add @ 300 NS ns2\ndel @ NS ns", 0, "- @ 300 NS ns\n+ @ 300 NS ns2"},
		{"NS of the apex, both of two leave the last", "3.4.2.4", "add @ 300 NS ns2\ndel @ NS ns\ndel @ NS ns2", 0, "- @ 300 NS ns\n+ @ 300 NS ns2"},
		{"NS elsewhere is deleted", "3.4.2.4", "del sub NS ns.sub", 0, "- sub 300 NS ns.sub"},
		{"all of the apex leaves SOA and NS", "3.4.2.3", "add @ 5 TXT x\ndelname @\nadd n 5 TXT x", 0, `+ n 5 TXT "x"`},

		// Deleting.
		{"delete a record", "2.5.4", "del a TXT one", 0, `- a 300 TXT "one"`},
		{"delete the last record of a type", "2.5.4", "del b TXT b", 0, `- b 300 TXT "b"`},
		{"delete a record that is not there", "2.5.4", "del a TXT three", 0, ""},
		{"delete a record, case of text matters", "2.5.4", "del a TXT ONE", 0, ""},
		{"delete a record, name in data in another case", "2.5.4, 1.1", "del mx MX 10 B", 0, "- mx 300 MX 10 b"},
		{"delete a record of no name", "2.5.4", "del q TXT one", 0, ""},
		{"delete a record whose wildcard exists", "2.5.4", "del q.w TXT wild", 0, ""},
		{"delete the wildcard", "2.5.4", "del *.w TXT wild", 0, `- *.w 300 TXT "wild"`},
		{"delete a set", "2.5.2", "delset a TXT", 0, "- a 300 TXT \"one\"\n- a 300 TXT \"two\""},
		{"delete a set, other types stay", "2.5.2", "delset b TXT", 0, `- b 300 TXT "b"`},
		{"delete a set that is not there", "2.5.2", "delset a A", 0, ""},
		{"delete a name", "2.5.3", "delname b", 0, "- b 300 A 192.0.2.2\n- b 300 TXT \"b\""},
		{"delete a name in another case", "2.5.3", "delname mixed", 0, `- MiXed 300 TXT "case"`},
		{"delete a name that is not there", "2.5.3", "delname q", 0, ""},
		{"delete an empty non-terminal", "2.5.3", "delname ent", 0, ""},
		{"delete a CNAME does not follow it", "2.5.3", "delname alias", 0, "- alias 300 CNAME b"},
		{"delete NSAP-like unknown type", "2.5.4", "upd q NONE 0 TYPE65400 00", 0, ""},

		// Order, atomicity, no change.
		{"swap", "3.4.2.7", "yxrrset b TXT b\ndelset b TXT\nadd b 5 TXT c", 0, "- b 300 TXT \"b\"\n+ b 5 TXT \"c\""},
		{"swap for the same", "3.6", "delset b TXT\nadd b 300 TXT b", 0, ""},
		{"add and delete again", "3.6", "add n 5 TXT x\ndelname n", 0, ""},
		{"delete and add again in another order", "3.6", "delset a TXT\nadd a 300 TXT two\nadd a 300 TXT one", 0, ""},
		{"delete then add, in order", "3.4.2.7", "delname a\nadd a 5 TXT x\ndel a TXT x\nadd a 5 TXT y", 0, "- a 300 TXT \"one\"\n- a 300 TXT \"two\"\n+ a 5 TXT \"y\""},
		{"a bad record at the end undoes what was before", "3.4.1", "add n 5 TXT x\nupd q.example.org. IN 5 TXT 0178", dns.RcodeNotZone, ""},
		{"a malformed record at the end undoes what was before", "3.4.1", "add n 5 TXT x\nupd q ANY 5 TXT", dns.RcodeFormatError, ""},
		{"several names at once", "3.4.2", "delname a\nadd n1 5 TXT x\nadd n2 5 TXT x", 0, "- a 300 TXT \"one\"\n- a 300 TXT \"two\"\n+ n1 5 TXT \"x\"\n+ n2 5 TXT \"x\""},

		// Malformed updates.
		{"out of zone", "3.4.1.3", "upd a.example.org. IN 5 TXT 0178", dns.RcodeNotZone, ""},
		{"out of zone, delete", "3.4.1.3", "upd a.example.org. ANY 0 ANY", dns.RcodeNotZone, ""},
		{"update of another class", "3.4.1.3", "upd n CH 5 TXT 0178", dns.RcodeFormatError, ""},
		{"add type ANY", "3.4.1.3", "upd n IN 5 ANY", dns.RcodeFormatError, ""},
		{"add type AXFR", "3.4.1.3", "upd n IN 5 AXFR 00", dns.RcodeFormatError, ""},
		{"add type MAILB", "3.4.1.3", "upd n IN 5 MAILB 00", dns.RcodeFormatError, ""},
		{"add type TYPE128, meta by number", "RFC 6895 3.1", "upd n IN 5 TYPE128 00", dns.RcodeFormatError, ""},
		{"add type 0", "RFC 6895 3.1", "upd n IN 5 TYPE0 00", dns.RcodeFormatError, ""},
		{"delete set with TTL", "3.4.1.3", "upd a ANY 1 TXT", dns.RcodeFormatError, ""},
		{"delete set with data", "3.4.1.3", "upd a ANY 0 TXT 0178", dns.RcodeFormatError, ""},
		{"delete set of type AXFR", "3.4.1.3", "upd a ANY 0 AXFR", dns.RcodeFormatError, ""},
		{"delete record with TTL", "3.4.1.3", "upd a NONE 1 TXT 036f6e65", dns.RcodeFormatError, ""},
		{"delete record of type ANY", "3.4.1.3", "upd a NONE 0 ANY", dns.RcodeFormatError, ""},
		{"delete record without data", "2.5.4", "upd a NONE 0 TXT", dns.RcodeFormatError, ""},
		{"delete record without data, that should be a name", "2.5.4", "upd alias NONE 0 CNAME", dns.RcodeFormatError, ""},
		{"delete record without data, of a name that is not there", "2.5.4", "upd q NONE 0 MX", dns.RcodeFormatError, ""},
		{"delete record of a type that may have no data", "2.5.4, RFC 3597", "upd n IN 5 TYPE65400\nupd n NONE 0 TYPE65400\nadd a 300 A 192.0.2.9", 0, "+ a 300 A 192.0.2.9"},
		{"add A of three octets", "RFC 1035 3.4.1", "upd n IN 5 TYPE1 c00002", dns.RcodeFormatError, ""},
		{"add A of five octets", "RFC 1035 3.4.1", "upd n IN 5 TYPE1 c000020101", dns.RcodeFormatError, ""},
		{"add TXT without a string", "RFC 1035 3.3.14", "upd n IN 5 TYPE16", dns.RcodeFormatError, ""},
		{"add TXT with a string cut short", "RFC 1035 3.3.14", "upd n IN 5 TYPE16 0561", dns.RcodeFormatError, ""},
		{"add MX without a name", "RFC 1035 3.3.9", "upd n IN 5 TYPE15 000a", dns.RcodeFormatError, ""},
		{"add APL with a prefix cut short", "RFC 3123 4", "upd n IN 5 TYPE42 00010803c0", dns.RcodeFormatError, ""},
		{"add KEY of one octet", "RFC 2535 3.1", "upd n IN 5 TYPE25 00", dns.RcodeFormatError, ""},
		{"add KEY without data", "RFC 2535 3.1", "upd n IN 5 TYPE25", dns.RcodeFormatError, ""},
		{"add HTTPS with a parameter cut short", "RFC 9460 2.2", "upd n IN 5 TYPE65 0001000001000501", dns.RcodeFormatError, ""},
		{"add HTTPS", "RFC 9460 2.2", "upd n IN 5 TYPE65 000100", 0, "+ n 5 HTTPS 1 ."},
		{"add CAA", "RFC 8659 4.1", `add n 5 CAA 0 issue "ca.example.net"`, 0, `+ n 5 CAA 0 issue "ca.example.net"`},
		{"add an unknown type without data", "RFC 3597", "upd n IN 5 TYPE65400", 0, "+ n 5 TYPE65400 \\# 0"},
		{"add RRSIG", "RFC 4034", "upd n IN 5 TYPE46 0010080200000005000000000000000000000000", dns.RcodeRefused, ""},
	}
	base, _ := contents(t, open(t, updateZone))
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t, updateZone)
			answer := unpack(t, ask(t, s, pack(t, updateMessage(t, tc.update)), true))
			if answer.Rcode != tc.rcode || answer.Opcode != dns.OpcodeUpdate || !answer.Response {
				t.Errorf("RFC 2136 section %s: answer %s, want %s", tc.rfc, dns.RcodeToString[answer.Rcode], dns.RcodeToString[tc.rcode])
			}
			want := slices.Clone(base)
			for line := range strings.Lines(tc.want) {
				line = strings.TrimSpace(line)
				if line[0] == '+' {
					want = append(want, line[2:])
				} else if at := slices.Index(want, line[2:]); at < 0 {
					t.Fatalf("the zone never had %q", line[2:])
				} else {
					want = slices.Delete(want, at, at+1)
				}
			}
			slices.Sort(want)
			if n := s.Stats().Panics; n != 0 {
				t.Errorf("the update made the server panic")
			}
			got, serial := contents(t, s)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("RFC 2136 section %s: the zone differs (-want +got):\n%s", tc.rfc, diff)
			}
			wantSerial := uint32(100)
			if tc.want != "" {
				wantSerial = 101
			}
			if serial != wantSerial {
				t.Errorf("serial %d, want %d", serial, wantSerial)
			}
			reopened := reopen(t, s)
			if again, _ := contents(t, reopened); !slices.Equal(got, again) {
				t.Errorf("the disk holds something else: %s", cmp.Diff(got, again))
			}
		})
	}
}

// reopen closes a server and opens another on its directory.
func reopen(t testing.TB, s *Server) *Server {
	t.Helper()
	s.Close()
	config := s.config
	config.Listen = []string{"127.0.0.1:0"}
	again, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close() })
	return again
}

func TestUpdateZoneSection(t *testing.T) {
	s := open(t, updateZone)
	tests := []struct {
		name, rfc string
		change    func(*dns.Msg)
		rcode     int
	}{
		{"zone not served", "3.1.1", func(m *dns.Msg) { m.Question[0].Name = "example.org." }, dns.RcodeNotAuth},
		{"a name in the zone is not the zone", "3.1.2", func(m *dns.Msg) { m.Question[0].Name = "a.example.com." }, dns.RcodeNotAuth},
		{"parent of the zone", "3.1.2", func(m *dns.Msg) { m.Question[0].Name = "com." }, dns.RcodeNotAuth},
		{"zone in another case", "RFC 4343", func(m *dns.Msg) { m.Question[0].Name = "eXample.COM." }, dns.RcodeSuccess},
		{"type is not SOA", "3.1.1", func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeA }, dns.RcodeFormatError},
		{"class of no zone", "3.1.2", func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeNotAuth},
		{"no zone", "3.1.1", func(m *dns.Msg) { m.Question = nil }, dns.RcodeFormatError},
		{"two zones", "3.1.1", func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }, dns.RcodeFormatError},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m := updateMessage(t, "add "+strings.ReplaceAll(tc.name, " ", "-")+" 5 TXT x")
			tc.change(m)
			if got := unpack(t, ask(t, s, pack(t, m), true)); got.Rcode != tc.rcode {
				t.Errorf("section %s: %s, want %s", tc.rfc, dns.RcodeToString[got.Rcode], dns.RcodeToString[tc.rcode])
			}
		})
	}
}

// TestSerial: RFC 2136 section 3.6 and RFC 1982.
func TestSerial(t *testing.T) {
	tests := []struct {
		name, update string
		want         uint32
	}{
		{"a change bumps it", "add n 5 TXT x", 101},
		{"once per update", "add n 5 TXT x\nadd n 5 TXT y\ndelname a", 101},
		{"set by the update", "add @ 300 SOA ns hostmaster 500 60 10 604800 30\nadd n 5 TXT x", 500},
		{"set by the update, over half the circle away", "add @ 300 SOA ns hostmaster 4000000000 60 10 604800 30\nadd n 5 TXT x", 101},
		{"set by the update, just under half the circle", "add @ 300 SOA ns hostmaster 2147483747 60 10 604800 30", 2147483747},
		{"exactly half the circle is not greater", "add @ 300 SOA ns hostmaster 2147483748 60 10 604800 30", 100},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t, updateZone)
			answer := unpack(t, ask(t, s, pack(t, updateMessage(t, tc.update)), true))
			if _, serial := contents(t, s); answer.Rcode != 0 || serial != tc.want {
				t.Errorf("%s, serial %d, want NOERROR and %d", dns.RcodeToString[answer.Rcode], serial, tc.want)
			}
		})
	}
	for _, tc := range []struct{ from, to uint32 }{{1, 2}, {1<<32 - 1, 1}, {1<<31 - 1, 1 << 31}} {
		if got := nextSerial(tc.from); got != tc.to || !serialLess(tc.from, got) {
			t.Errorf("after %d comes %d, want %d", tc.from, got, tc.to)
		}
	}
}

func TestUpdateLimits(t *testing.T) {
	s := open(t, updateZone, func(c *Config) { c.Limits.Records = 20 })
	var lines strings.Builder
	for i := range 30 {
		fmt.Fprintf(&lines, "add n%d 5 TXT x\n", i)
	}
	if got := unpack(t, ask(t, s, pack(t, updateMessage(t, lines.String())), true)); got.Rcode != dns.RcodeRefused {
		t.Errorf("more records than allowed: %s, want REFUSED", dns.RcodeToString[got.Rcode])
	}
	if got := unpack(t, ask(t, s, pack(t, updateMessage(t, "delname a\nadd a 5 TXT x")), true)); got.Rcode != 0 {
		t.Errorf("a swap below the limit: %s, want NOERROR", dns.RcodeToString[got.Rcode])
	}

	s = open(t, updateZone)
	rcode := 0
	for i := range 10 {
		lines.Reset()
		for j := range 40 {
			fmt.Fprintf(&lines, "add big 5 TXT \"%d-%d-%s\"\n", i, j, strings.Repeat("x", 200))
		}
		if rcode = unpack(t, ask(t, s, pack(t, updateMessage(t, lines.String())), true)).Rcode; rcode != 0 {
			break
		}
	}
	if rcode != dns.RcodeRefused {
		t.Errorf("an RRset that no message can carry: %s, want REFUSED", dns.RcodeToString[rcode])
	}
	m := new(dns.Msg)
	m.SetQuestion("big.example.com.", dns.TypeTXT)
	if got := unpack(t, ask(t, s, pack(t, m), true)); got.Rcode != 0 || len(got.Answer) < 200 {
		t.Errorf("the RRset below that limit: %s, %d records", dns.RcodeToString[got.Rcode], len(got.Answer))
	}
	if len(askAll(s, pack(t, func() *dns.Msg { m := new(dns.Msg); m.SetAxfr(testOrigin); return m }()), true)) < 2 {
		t.Error("the transfer of it came in one message")
	}
}
