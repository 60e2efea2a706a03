package zone

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// amplifyZone has what such a zone holds, and worse.
const amplifyZone = `
canary TXT "{\"id\":\"VDNDNQNWQY\",\"timer\":1641903970,\"timerold\":1641903910,\"seq\":1641903910000,\"until\":1641903925,\"lease\":15,\"last\":\"ok\"}"
large  TXT "` + "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" + `" "` + "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" + `"
large  TXT "` + "9876543210987654321098765432109876543210987654321098765432109876543210987654321098765432109876543210987654321098765432109876543210987654321098765432109876543210987654321098765432109876543210" + `"
*.w    TXT "` + "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" + `"
sub    NS a.nameserver.with.a.long.name.example.net.
sub    NS b.nameserver.with.a.long.name.example.net.
`

// TestAmplification has somebody forge an address of somebody else, and ask, from
// there, whatever has the largest answers: little more reaches that address than was
// sent for it, however fast and for however long.
func TestAmplification(t *testing.T) {
	s := open(t, amplifyZone)
	for _, question := range []string{
		"canary.example.com. TXT", "large.example.com. TXT", "large.example.com. ANY", "example.com. SOA", "example.com. ANY", "example.com. DNSKEY",
		"q.example.com. TXT", "q.w.example.com. TXT", "q.sub.example.com. TXT", "www.example.org. TXT", "example.com. AXFR",
	} {
		for _, perSecond := range []int{20, 200, 2000, 20_000} {
			for _, size := range []uint16{0, 4096} {
				name, typ, _ := strings.Cut(question, " ")
				m := new(dns.Msg)
				m.SetQuestion(name, typeNumber(t, typ))
				if size > 0 {
					m.SetEdns0(size, true)
				}
				s.rates.init(2000)
				const seconds = 2
				in, out := flood(s, pack(t, m), perSecond, seconds)
				if most := amplification*in + (seconds+2)*extraOctets + maxUDP; out > most {
					t.Errorf("%s with %d octets of EDNS, %d times a second: %d octets for %d, want %d at most", question, size, perSecond, out, in, most)
				}
				if perSecond >= 20_000 && out > amplification*in {
					t.Errorf("%s with %d octets of EDNS, %d times a second: %d octets for %d: more than three times as much", question, size, perSecond, out, in)
				}
			}
		}
	}
	m := new(dns.Msg)
	m.SetQuestion("large.example.com.", dns.TypeTXT)
	m.SetEdns0(4096, false)
	s.rates.init(2000)
	if in, out := flood(s, pack(t, m), 20, 1); out < 5*in {
		t.Errorf("20 honest questions of %d octets in all get %d: they are answered in full", in, out)
	}
	s.rates.spend(victim.Addr(), 1<<20)
	r := asked(pack(t, m))
	answer, _ := s.datagram(r, time.Now())
	if got := unpack(t, answer); !got.Truncated || len(got.Question) != 1 || got.Rcode != 0 || len(answer) > amplification*len(r.in) {
		t.Errorf("%v in %d octets: want one that sends a client to TCP", got, len(answer))
	}
}

// victim is whose address was forged.
var victim = netip.MustParseAddrPort("192.0.2.1:4000")

func asked(raw []byte) *request {
	r := newRequest()
	r.in, r.client = slices.Clone(raw), client{addr: victim}
	return r
}

// flood asks evenly for some seconds of a clock of its own, and counts octets.
func flood(s *Server, raw []byte, perSecond, seconds int) (in, out int) {
	now := time.Unix(1700000000, 0)
	for range perSecond * seconds {
		now = now.Add(time.Second / time.Duration(perSecond))
		in += len(raw)
		r := asked(raw)
		switch ok, slip := s.rates.take(victim.Addr(), now); {
		case slip:
			out += len(truncated(raw))
		case ok:
			answer, _ := s.datagram(r, now)
			out += len(answer)
		}
	}
	return in, out
}

// A clock that was far ahead and is set right keeps nobody from being answered by UDP.
func TestClockSetBack(t *testing.T) {
	var rates rateTable
	rates.init(10)
	ahead, now := time.Unix(1800000000, 0), time.Unix(1700000000, 0)
	for range 20 {
		rates.take(victim.Addr(), ahead)
	}
	rates.surplus(victim.Addr(), ahead)
	rates.spend(victim.Addr(), 2*extraOctets)
	rates.take(victim.Addr(), now)
	rates.surplus(victim.Addr(), now)
	later := now.Add(2 * time.Second)
	if ok, _ := rates.take(victim.Addr(), later); !ok {
		t.Error("a question is beyond the rate after two calm seconds")
	}
	if !rates.surplus(victim.Addr(), later) {
		t.Error("an answer is cut short after two calm seconds")
	}
}
