package zone

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// TestNewZone: SOA and NS, negative answers of half a minute at most, and nothing else.
func TestNewZone(t *testing.T) {
	s := open(t, "", func(c *Config) {
		c.Zones = []Zone{{Name: "Example.COM"}, {Name: "two.test", NameServer: "ns1.example.net."}}
	})
	lines, serial := contents(t, s)
	if diff := cmp.Diff([]string{"@ 3600 NS ns"}, lines); diff != "" {
		t.Error(diff)
	}
	if d := uint32(time.Now().Unix()) - serial; d > 60 {
		t.Errorf("serial %d", serial)
	}
	soa := query(t, s, "q.example.com.", dns.TypeTXT).Ns[0].(*dns.SOA)
	if soa.Hdr.Ttl > 30 || soa.Minttl > 30 || soa.Ns != "ns.example.com." {
		t.Errorf("%v", soa)
	}
	if m := query(t, s, "two.test.", dns.TypeNS); m.Answer[0].(*dns.NS).Ns != "ns1.example.net." {
		t.Errorf("%v", m.Answer)
	}
}

func TestZoneFile(t *testing.T) {
	const apex = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n"
	tests := []struct{ name, text, want string }{
		{"origin and generate", apex + "$ORIGIN sub.example.com.\na TXT x\n$GENERATE 1-3 n$ TXT \"$\"\n", ""},
		{"relative without TTL", "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\na TXT x\n", ""},
		{"no SOA", "$TTL 60\n@ NS ns\n", "no SOA"},
		{"no NS", "$TTL 60\n@ SOA ns h 1 2 3 4 5\n", "no NS"},
		{"SOA again at the end, as dig AXFR has it", apex + "a TXT x\n@ SOA ns h 1 2 3 4 5\n", ""},
		{"two CNAMEs", apex + "a CNAME b\na CNAME c\n", "the second"},
		{"two DNAMEs", apex + "a DNAME b\na DNAME c\n", "the second"},
		{"a CNAME twice", apex + "a CNAME b\na CNAME b\n", ""},
		{"two SOA", apex + "@ SOA ns h 2 2 3 4 5\n", "one SOA"},
		{"SOA below", apex + "a SOA ns h 2 2 3 4 5\n", "one SOA"},
		{"out of zone", apex + "a.example.org. TXT x\n", "not in the zone"},
		{"CNAME and data", apex + "a TXT x\na CNAME b\n", "CNAME"},
		{"data and CNAME", apex + "a CNAME b\na TXT x\n", "CNAME"},
		{"another class", apex + "a CH TXT x\n", "class"},
		{"include", apex + "$INCLUDE /etc/passwd\n", "INCLUDE"},
		{"bad syntax", apex + "a A 1.2.3\n", "line: 4"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "zone")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			tree, err := readZoneFile("\x07example\x03com\x00", path)
			switch {
			case tc.want == "" && (err != nil || tree.size < 3):
				t.Errorf("%v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path)):
				t.Errorf("%v, want %q and the file's name", err, tc.want)
			}
		})
	}
}

// TestNotifyRetry: a secondary that is silent is told again; one that has answered, only of the next change.
func TestNotifyRetry(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := serve(t, updateZone, func(c *Config) { c.Notify = []string{conn.LocalAddr().String()} })
	next := func(wait time.Duration) (*dns.Msg, net.Addr) {
		buf := make([]byte, 512)
		if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			t.Fatal(err)
		}
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return nil, nil
		}
		return unpack(t, buf[:n]), from
	}
	answer := func(m *dns.Msg, to net.Addr) {
		if _, err := conn.WriteTo(pack(t, new(dns.Msg).SetReply(m)), to); err != nil {
			t.Fatal(err)
		}
	}
	check := func(m *dns.Msg, serial uint32) {
		t.Helper()
		if m == nil {
			t.Fatal("no NOTIFY")
		}
		if m.Opcode != dns.OpcodeNotify || m.Response || !m.Authoritative || m.Question[0] != (dns.Question{Name: testOrigin, Qtype: dns.TypeSOA, Qclass: dns.ClassINET}) ||
			len(m.Answer) != 1 || m.Answer[0].(*dns.SOA).Serial != serial {
			t.Fatalf("RFC 1996 section 3.6: %v", m)
		}
	}
	for i := range 2 { // at the start, and again since nobody answered
		m, from := next(5 * time.Second)
		check(m, 100)
		if i == 1 {
			answer(m, from)
		}
	}
	if m, _ := next(1500 * time.Millisecond); m != nil {
		t.Fatalf("told again though it has answered: %v", m)
	}
	if got := unpack(t, ask(t, s, pack(t, updateMessage(t, "add n 5 TXT x")), true)); got.Rcode != 0 {
		t.Fatal(got.Rcode)
	}
	m, from := next(5 * time.Second)
	check(m, 101)
	answer(m, from)
	if got := unpack(t, ask(t, s, pack(t, updateMessage(t, "add n 5 TXT x")), true)); got.Rcode != 0 {
		t.Fatal(got.Rcode)
	}
	if m, _ := next(500 * time.Millisecond); m != nil {
		t.Fatalf("told of an update that changed nothing: %v", m)
	}
}

// TestPanic: a mistake met by one request, here a zone made unfit on purpose, costs that request and is counted.
func TestPanic(t *testing.T) {
	log := new(testLog)
	s := open(t, updateZone, func(c *Config) {
		c.Log = logTo(log)
		c.Zones = append(c.Zones, Zone{Name: "unfit.test"})
	})
	s.zones["\x05unfit\x04test\x00"].put("\x05unfit\x04test\x00", nil)
	go s.Serve(t.Context())
	m := new(dns.Msg)
	m.SetQuestion("q.unfit.test.", dns.TypeTXT)
	update := new(dns.Msg)
	update.SetUpdate("unfit.test.")
	update.Insert([]dns.RR{rr(t, "q.unfit.test. TXT x")})
	for _, network := range []string{"udp", "tcp"} {
		c := dns.Client{Net: network, Timeout: 300 * time.Millisecond}
		if got, _, err := c.Exchange(m, s.Addr()); err == nil {
			t.Errorf("%s: answered by %v", network, got)
		}
		if got, _, err := c.Exchange(update, s.Addr()); err != nil || got.Rcode != dns.RcodeServerFailure {
			t.Errorf("%s: update answered by %v, %v", network, got, err)
		}
	}
	good := new(dns.Msg)
	good.SetQuestion("a.example.com.", dns.TypeTXT)
	for _, network := range []string{"udp", "tcp"} {
		c := dns.Client{Net: network}
		if got, _, err := c.Exchange(good, s.Addr()); err != nil || len(got.Answer) != 2 {
			t.Errorf("%s, another zone: %v, %v", network, got, err)
		}
		if got, _, err := c.Exchange(updateMessage(t, fmt.Sprintf("add %s 5 TXT x", network)), s.Addr()); err != nil || got.Rcode != 0 {
			t.Errorf("%s, an update of another zone: %v, %v", network, got, err)
		}
	}
	if n := s.Stats().Panics; n != 4 {
		t.Errorf("%d panics counted, want 4", n)
	}
	if !strings.Contains(log.String(), "panic") {
		t.Errorf("the log says nothing: %s", log)
	}
}

// TestPending: updates beyond the bound get SERVFAIL by UDP and wait by TCP.
func TestPending(t *testing.T) {
	s := open(t, updateZone, func(c *Config) { c.Limits.Pending = 1 })
	s.pending <- struct{}{}
	raw := pack(t, updateMessage(t, "add n 5 TXT x"))
	if got := unpack(t, ask(t, s, raw, false)); got.Rcode != dns.RcodeServerFailure {
		t.Errorf("by UDP: %s", dns.RcodeToString[got.Rcode])
	}
	done := make(chan int, 1)
	go func() { done <- int(askAll(s, raw, true)[0][3] & 15) }()
	select {
	case rcode := <-done:
		t.Errorf("by TCP: %s without waiting", dns.RcodeToString[rcode])
	case <-time.After(100 * time.Millisecond):
	}
	<-s.pending
	if rcode := <-done; rcode != 0 {
		t.Errorf("by TCP: %s", dns.RcodeToString[rcode])
	}
}

// TestComplaints: a flood of bad packets is a line a second in the log.
func TestComplaints(t *testing.T) {
	log := new(testLog)
	s := open(t, updateZone, testKeys, func(c *Config) { c.Log = logTo(log) })
	raw := pack(t, updateMessage(t, "add n 5 TXT x"))
	for range 1000 {
		ask(t, s, raw, false)
	}
	if n := strings.Count(log.String(), "update refused"); n < 1 || n > 20 {
		t.Errorf("%d lines for 1000 refusals", n)
	}
}

// TestLargeZone: a zone of many names is written in time that grows with them, not with their square.
func TestLargeZone(t *testing.T) {
	const names = 150_000
	var records strings.Builder
	for i := range names {
		fmt.Fprintf(&records, "n%d TXT \"%d\"\n", i, i)
	}
	begin := time.Now()
	s := open(t, records.String())
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %s to open", took)
	}
	if s = reopen(t, s); s.zones["\x07example\x03com\x00"].size != names+3 {
		t.Errorf("%d records, want %d", s.zones["\x07example\x03com\x00"].size, names+3)
	}
}
