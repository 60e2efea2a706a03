package zone

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var testSecret = []byte("0123456789abcdef0123456789abcdef")

var secretText = base64.StdEncoding.EncodeToString(testSecret)

// testKeys: a key for everything, one for the TXT of two names, one to transfer with, one that accepts half a MAC.
func testKeys(c *Config) {
	c.AllowUpdate, c.AllowTransfer = nil, nil
	c.Keys = []Key{
		{Name: "all", Algorithm: "hmac-sha256", Secret: testSecret, Grants: []Grant{{Name: testOrigin, Below: true}}},
		{Name: "all384", Algorithm: "HMAC-SHA384.", Secret: testSecret, Grants: []Grant{{Name: testOrigin, Below: true}}},
		{Name: "all512", Algorithm: "hmac-sha512", Secret: testSecret, Grants: []Grant{{Name: testOrigin, Below: true}}},
		{Name: "agent", Algorithm: "hmac-sha256", Secret: testSecret, Grants: []Grant{
			{Name: "lock.example.com", Types: []string{"TXT"}},
			{Name: "below.example.com", Below: true, Types: []string{"TXT", "TYPE65400"}},
		}},
		{Name: "xfr.key", Algorithm: "hmac-sha256", Secret: testSecret, Transfer: true},
		{Name: "half", Algorithm: "hmac-sha256", Secret: testSecret, MinMAC: 16, Grants: []Grant{{Name: testOrigin, Below: true}}},
	}
}

// signed packs and signs a message; algorithm and time are the caller's.
func signed(t testing.TB, m *dns.Msg, key, alg string, at time.Time, fudge uint16) (raw []byte, mac string) {
	t.Helper()
	m.SetTsig(key, alg, fudge, at.Unix())
	raw, mac, err := dns.TsigGenerate(m, secretText, "", false)
	if err != nil {
		t.Fatal(err)
	}
	return raw, mac
}

// cutMAC shortens the MAC of a signed message to n octets, or lengthens it.
func cutMAC(raw []byte, n int) []byte {
	var m message
	if err := m.parse(raw); err != nil {
		panic(err)
	}
	mac := slices.Clone(m.tsig.mac)
	for len(mac) < n {
		mac = append(mac, 0)
	}
	old := len(m.tsig.mac)
	at := len(raw) - 6 - len(m.tsig.other) - old // of the MAC
	out := slices.Clone(raw[:at])
	binary.BigEndian.PutUint16(out[at-2:], uint16(n))
	length := at - 10 - len(m.tsig.alg) - 2 // of RDLENGTH
	binary.BigEndian.PutUint16(out[length:], uint16(len(raw)-length-2-old+n))
	return append(append(out, mac[:n]...), raw[at+old:]...)
}

func TestTSIG(t *testing.T) {
	now := time.Now()
	update := func() *dns.Msg { return updateMessage(t, "add n 5 TXT x") }
	sign := func(key, alg string, at time.Time) func(*dns.Msg) []byte {
		return func(m *dns.Msg) []byte { raw, _ := signed(t, m, key, alg, at, 300); return raw }
	}
	tests := []struct {
		name, rfc string
		raw       func(*dns.Msg) []byte
		rcode     int
		tsigErr   uint16
		noTSIG    bool
		signed    bool
	}{
		{"hmac-sha256", "5.2", sign("all.", dns.HmacSHA256, now), 0, 0, false, true},
		{"hmac-sha384", "5.2", sign("all384.", dns.HmacSHA384, now), 0, 0, false, true},
		{"hmac-sha512", "5.2", sign("all512.", dns.HmacSHA512, now), 0, 0, false, true},
		{"key in another case", "4.2", sign("ALL.", dns.HmacSHA256, now), 0, 0, false, true},
		{"fudge used up, slow clock", "5.2.3", sign("all.", dns.HmacSHA256, now.Add(-295*time.Second)), 0, 0, false, true},
		{"fudge used up, fast clock", "5.2.3", sign("all.", dns.HmacSHA256, now.Add(295*time.Second)), 0, 0, false, true},
		{"unknown key", "5.2.1", sign("nobody.", dns.HmacSHA256, now), dns.RcodeNotAuth, dns.RcodeBadKey, false, false},
		{"known key, another algorithm", "5.2.1", sign("all.", dns.HmacSHA512, now), dns.RcodeNotAuth, dns.RcodeBadKey, false, false},
		{"algorithm not supported", "5.2.1", sign("all.", dns.HmacSHA1, now), dns.RcodeNotAuth, dns.RcodeBadKey, false, false},
		{"bad MAC", "5.2.2", func(m *dns.Msg) []byte {
			raw, _ := signed(t, m, "all.", dns.HmacSHA256, now, 300)
			raw[len(raw)-7] ^= 1
			return raw
		}, dns.RcodeNotAuth, dns.RcodeBadSig, false, false},
		{"message changed", "5.2.2", func(m *dns.Msg) []byte {
			raw, _ := signed(t, m, "all.", dns.HmacSHA256, now, 300)
			raw[bytes.LastIndexByte(raw[:60], 'x')] = 'y'
			return raw
		}, dns.RcodeNotAuth, dns.RcodeBadSig, false, false},
		{"bad MAC and bad time is a bad MAC", "5.2", func(m *dns.Msg) []byte {
			raw, _ := signed(t, m, "all.", dns.HmacSHA256, now.Add(-time.Hour), 300)
			raw[len(raw)-7] ^= 1
			return raw
		}, dns.RcodeNotAuth, dns.RcodeBadSig, false, false},
		{"id changed on the way", "5.1", func(m *dns.Msg) []byte {
			raw, _ := signed(t, m, "all.", dns.HmacSHA256, now, 300)
			raw[0] ^= 1
			return raw
		}, 0, 0, false, true},
		{"too old", "5.2.3", sign("all.", dns.HmacSHA256, now.Add(-400*time.Second)), dns.RcodeNotAuth, dns.RcodeBadTime, false, true},
		{"too new", "5.2.3", sign("all.", dns.HmacSHA256, now.Add(400*time.Second)), dns.RcodeNotAuth, dns.RcodeBadTime, false, true},
		{"long ago", "5.2.3", sign("all.", dns.HmacSHA256, time.Unix(5, 0)), dns.RcodeNotAuth, dns.RcodeBadTime, false, true},
		{"MAC longer than the hash", "5.2.2.1", func(m *dns.Msg) []byte {
			raw, _ := signed(t, m, "all.", dns.HmacSHA256, now, 300)
			return cutMAC(raw, 33)
		}, dns.RcodeFormatError, 0, true, false},
		{"MAC under half", "5.2.2.1", func(m *dns.Msg) []byte {
			raw, _ := signed(t, m, "half.", dns.HmacSHA256, now, 300)
			return cutMAC(raw, 15)
		}, dns.RcodeFormatError, 0, true, false},
		{"no MAC", "5.2.2.1", func(m *dns.Msg) []byte {
			raw, _ := signed(t, m, "all.", dns.HmacSHA256, now, 300)
			return cutMAC(raw, 0)
		}, dns.RcodeFormatError, 0, true, false},
		{"half a MAC, where that is enough", "5.2.2.1", func(m *dns.Msg) []byte {
			raw, _ := signed(t, m, "half.", dns.HmacSHA256, now, 300)
			return cutMAC(raw, 16)
		}, 0, 0, false, true},
		{"half a MAC, where that is not enough", "5.2.4", func(m *dns.Msg) []byte {
			raw, _ := signed(t, m, "all.", dns.HmacSHA256, now, 300)
			return cutMAC(raw, 16)
		}, dns.RcodeNotAuth, dns.RcodeBadTrunc, false, true},
		{"TSIG is not last", "5.2", func(m *dns.Msg) []byte {
			m.SetTsig("all.", dns.HmacSHA256, 300, now.Unix())
			m.Extra = append(m.Extra, rr(t, "q A 192.0.2.1"))
			return pack(t, m)
		}, dns.RcodeFormatError, 0, true, false},
		{"two TSIG", "5.2", func(m *dns.Msg) []byte {
			m.SetTsig("all.", dns.HmacSHA256, 300, now.Unix())
			m.SetTsig("all.", dns.HmacSHA256, 300, now.Unix())
			return pack(t, m)
		}, dns.RcodeFormatError, 0, true, false},
		{"TSIG in the update section", "5.2", func(m *dns.Msg) []byte {
			m.SetTsig("all.", dns.HmacSHA256, 300, now.Unix())
			m.Ns, m.Extra = append(m.Ns, m.Extra...), nil
			return pack(t, m)
		}, dns.RcodeFormatError, 0, true, false},
		{"TSIG of class IN", "4.2", func(m *dns.Msg) []byte {
			m.SetTsig("all.", dns.HmacSHA256, 300, now.Unix())
			m.Extra[0].Header().Class = dns.ClassINET
			return pack(t, m)
		}, dns.RcodeFormatError, 0, true, false},
		{"no TSIG", "RFC 2136 3.3", func(m *dns.Msg) []byte { return pack(t, m) }, dns.RcodeRefused, 0, true, false},
	}
	for _, kind := range []string{"update", "query"} {
		for _, tc := range tests {
			if kind == "query" && (tc.name == "no TSIG" || strings.Contains(tc.name, "changed") || strings.Contains(tc.name, "update section")) {
				continue
			}
			t.Run(kind+", "+tc.name, func(t *testing.T) {
				s := open(t, updateZone, testKeys)
				m := update()
				if kind == "query" {
					m = new(dns.Msg)
					m.SetQuestion("b.example.com.", dns.TypeTXT)
				}
				before, _ := contents(t, s)
				request := tc.raw(m)
				raw := ask(t, s, request, true)
				got := unpack(t, raw)
				sig := got.IsTsig()
				if got.Rcode != tc.rcode || (sig == nil) != tc.noTSIG {
					t.Fatalf("RFC 8945 section %s: %s, TSIG %v; want %s", tc.rfc, dns.RcodeToString[got.Rcode], sig, dns.RcodeToString[tc.rcode])
				}
				after, _ := contents(t, s)
				if changed := !slices.Equal(before, after); changed != (kind == "update" && tc.rcode == 0) {
					t.Errorf("the zone was changed: %v", changed)
				}
				if sig == nil {
					return
				}
				if sig.Error != tc.tsigErr || (sig.MACSize > 0) != tc.signed || sig.OrigId != got.Id {
					t.Errorf("RFC 8945 section %s: TSIG %v, want error %d, signed %v", tc.rfc, sig, tc.tsigErr, tc.signed)
				}
				if tc.tsigErr == dns.RcodeBadTime {
					checkBadTime(t, request, sig)
				} else if sig.OtherLen != 0 {
					t.Errorf("Other Data in a TSIG with error %d", sig.Error)
				}
				if tc.signed {
					var rm message
					if err := rm.parse(request); err != nil {
						t.Fatal(err)
					}
					if want := answerMAC(t, raw, sig, rm.tsig.mac); sig.MAC != want {
						t.Errorf("the answer's MAC is %s, want %s", sig.MAC, want)
					}
				}
			})
		}
	}
}

// answerMAC computes the MAC of an answer from the words of RFC 8945 sections 4.3 and 5.3; the library does not look at the MAC
// of a NOTAUTH.
func answerMAC(t *testing.T, raw []byte, sig *dns.TSIG, requestMAC []byte) string {
	t.Helper()
	newHash := map[string]func() hash.Hash{dns.HmacSHA256: sha256.New, dns.HmacSHA384: sha512.New384, dns.HmacSHA512: sha512.New}[sig.Algorithm]
	h := hmac.New(newHash, testSecret)
	be := binary.BigEndian
	h.Write(be.AppendUint16(nil, uint16(len(requestMAC))))
	h.Write(requestMAC)
	rdata := len(packName(t, sig.Algorithm)) + 16 + int(sig.MACSize) + int(sig.OtherLen)
	msg := slices.Clone(raw[:len(raw)-rdata-10-len(packName(t, sig.Hdr.Name))])
	be.PutUint16(msg[10:], be.Uint16(msg[10:])-1)
	h.Write(msg)
	h.Write(packName(t, sig.Hdr.Name))
	h.Write([]byte{0, 255, 0, 0, 0, 0}) // ANY, TTL 0
	h.Write(packName(t, sig.Algorithm))
	h.Write(be.AppendUint64(nil, sig.TimeSigned)[2:])
	h.Write(be.AppendUint16(nil, sig.Fudge))
	h.Write(be.AppendUint16(nil, sig.Error))
	h.Write(be.AppendUint16(nil, sig.OtherLen))
	other, err := hex.DecodeString(sig.OtherData)
	if err != nil {
		t.Fatal(err)
	}
	h.Write(other)
	return hex.EncodeToString(h.Sum(nil))
}

func packName(t *testing.T, name string) []byte {
	t.Helper()
	buf := make([]byte, 255)
	n, err := dns.PackDomainName(strings.ToLower(name), buf, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// checkBadTime: RFC 8945 section 5.2.3, the client's time in Time Signed, its fudge, and 6 octets of the server's time.
func checkBadTime(t *testing.T, request []byte, sig *dns.TSIG) {
	t.Helper()
	var m message
	if err := m.parse(request); err != nil {
		t.Fatal(err)
	}
	if sig.TimeSigned != m.tsig.time || sig.Fudge != m.tsig.fudge || sig.OtherLen != 6 {
		t.Fatalf("BADTIME with %v", sig)
	}
	other, err := hex.DecodeString(sig.OtherData)
	if err != nil {
		t.Fatal(err)
	}
	server := int64(binary.BigEndian.Uint64(append([]byte{0, 0}, other...)))
	if d := time.Now().Unix() - server; d < 0 || d > 10 {
		t.Errorf("the server's time is %d s off", d)
	}
}

// TestGrants: each key changes what it was granted, by name and type, and nothing else.
func TestGrants(t *testing.T) {
	tests := []struct {
		key, update string
		rcode       int
	}{
		{"agent.", "add lock 5 TXT x", 0},
		{"agent.", "add LOCK 5 TXT x", 0},
		{"agent.", "delset lock TXT\nadd lock 5 TXT y", 0},
		{"agent.", "del lock TXT x", 0},
		{"agent.", "add lock 5 A 192.0.2.1", dns.RcodeRefused},
		{"agent.", "add q.lock 5 TXT x", dns.RcodeRefused},
		{"agent.", "add notlock 5 TXT x", dns.RcodeRefused},
		{"agent.", "delname lock", dns.RcodeRefused},
		{"agent.", "add below 5 TXT x", 0},
		{"agent.", "add q.q.below 5 TXT x", 0},
		{"agent.", "upd q.below IN 5 TYPE65400 00", 0},
		{"agent.", "add *.below 5 TXT x", 0},
		{"agent.", "add notbelow 5 TXT x", dns.RcodeRefused},
		{"agent.", "add @ 5 TXT x", dns.RcodeRefused},
		{"agent.", "add lock 5 TXT x\nadd b 5 TXT x", dns.RcodeRefused},
		{"agent.", "yxrrset b TXT\nadd lock 5 TXT x", 0},
		{"all.", "delname b", 0},
		{"all.", "add @ 300 SOA ns hostmaster 5000 1 1 1 1", 0},
		{"xfr.key.", "add lock 5 TXT x", dns.RcodeRefused},
	}
	for _, tc := range tests {
		t.Run(tc.key+" "+tc.update, func(t *testing.T) {
			s := open(t, updateZone, testKeys)
			raw, _ := signed(t, updateMessage(t, tc.update), tc.key, dns.HmacSHA256, time.Now(), 300)
			got := unpack(t, ask(t, s, raw, true))
			if got.Rcode != tc.rcode {
				t.Errorf("%s, want %s", dns.RcodeToString[got.Rcode], dns.RcodeToString[tc.rcode])
			}
			if _, serial := contents(t, s); tc.rcode != 0 && serial != 100 {
				t.Error("a refused update changed the zone")
			}
		})
	}
}

// TestReplay: the same signed octets change nothing a second time, save a datagram from the same port.
func TestReplay(t *testing.T) {
	s := open(t, updateZone, testKeys)
	first, _ := signed(t, updateMessage(t, "delset a TXT\nadd a 300 TXT old"), "all.", dns.HmacSHA256, time.Now(), 300)
	second, _ := signed(t, updateMessage(t, "delset a TXT\nadd a 300 TXT new"), "all.", dns.HmacSHA256, time.Now(), 300)
	swap, _ := signed(t, updateMessage(t, "yxrrset b TXT b\ndelset b TXT\nadd b 300 TXT c"), "all.", dns.HmacSHA256, time.Now(), 300)
	for i, step := range []struct {
		raw   []byte
		tcp   bool
		rcode int
		want  string
	}{
		{first, true, 0, "old"},
		{second, true, 0, "new"},
		{first, true, dns.RcodeRefused, "new"},
		{first, false, dns.RcodeRefused, "new"},
		{swap, true, 0, "new"},
		{swap, true, dns.RcodeNXRrset, "new"}, // the prerequisite speaks first: the usual answer to a copy
	} {
		got := unpack(t, ask(t, s, step.raw, step.tcp))
		m := query(t, s, "a.example.com.", dns.TypeTXT)
		if text := m.Answer[0].(*dns.TXT).Txt[0]; got.Rcode != step.rcode || text != step.want {
			t.Errorf("step %d: %s and %q, want %s and %q", i, dns.RcodeToString[got.Rcode], text, dns.RcodeToString[step.rcode], step.want)
		}
	}
	again, _ := signed(t, updateMessage(t, "add n 5 TXT x"), "all.", dns.HmacSHA256, time.Now(), 300)
	for i := range 2 {
		if got := unpack(t, ask(t, s, again, false)); got.Rcode != 0 {
			t.Errorf("datagram %d from one port: %s", i+1, dns.RcodeToString[got.Rcode])
		}
	}

	r := newReplays()
	for i := range 3 * maxReplays {
		r.add(replay{mac: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}, ends: time.Now().Add(time.Hour)})
	}
	if n := len(r.now) + len(r.before); n > 2*maxReplays || n < maxReplays {
		t.Errorf("%d updates remembered", n)
	}
	old := replay{mac: [16]byte{1}, ends: time.Now().Add(-time.Second)}
	r.add(old)
	if r.refuses(old) {
		t.Error("an update past its fudge is refused as a replay: BADTIME is its answer")
	}
}

// TestAddressGrant: it is for the addresses named, and is announced.
func TestAddressGrant(t *testing.T) {
	log := new(testLog)
	s := open(t, updateZone, testKeys, func(c *Config) {
		c.AllowUpdate = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		c.Log = logTo(log)
	})
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "192.0.2.0/24") {
		t.Errorf("the log says nothing: %s", log)
	}
	raw := pack(t, updateMessage(t, "add n 5 TXT x"))
	for addr, rcode := range map[string]int{"127.0.0.1:1": dns.RcodeRefused, "192.0.2.7:1": 0, "[::ffff:192.0.2.7]:1": 0} {
		r := newRequest()
		r.in, r.client = slices.Clone(raw), client{addr: netip.MustParseAddrPort(addr), tcp: true}
		answer, job := s.handle(r)
		if job != nil {
			job(func(msg []byte) error { answer = slices.Clone(msg); return nil })
		}
		if got := unpack(t, answer); got.Rcode != rcode {
			t.Errorf("%s: %s, want %s", addr, dns.RcodeToString[got.Rcode], dns.RcodeToString[rcode])
		}
	}
}

func TestConfigErrors(t *testing.T) {
	zone := []Zone{{Name: testOrigin}}
	key := func(k Key) Config { return Config{Dir: t.TempDir(), Zones: zone, Keys: []Key{k}} }
	tests := []struct {
		config Config
		want   string
	}{
		{Config{Zones: zone}, "no data directory"},
		{Config{Dir: t.TempDir()}, "no zone to serve"},
		{Config{Dir: t.TempDir(), Zones: append(zone, zone...)}, "example.com. is there twice"},
		{Config{Dir: t.TempDir(), Zones: []Zone{{Name: "a..b"}}}, "empty label"},
		{Config{Dir: t.TempDir(), Zones: []Zone{{Name: testOrigin, File: "/nowhere"}}}, "/nowhere"},
		{key(Key{Name: "k", Algorithm: "hmac-md5", Secret: testSecret}), "hmac-md5"},
		{key(Key{Name: "k", Algorithm: "hmac-sha256", Secret: testSecret[:8]}), "8 octets"},
		{key(Key{Name: "k", Algorithm: "hmac-sha256", Secret: testSecret, MinMAC: 8}), "16 to 32"},
		{key(Key{Name: "k", Algorithm: "hmac-sha256", Secret: testSecret, Grants: []Grant{{Name: "a", Types: []string{"NOPE"}}}}), `"NOPE"`},
		{Config{Dir: t.TempDir(), Zones: zone, Listen: []string{"127.0.0.1:nope"}}, "nope"},
	}
	for _, tc := range tests {
		tc.config.Log = quiet()
		if tc.config.Listen == nil {
			tc.config.Listen = []string{"127.0.0.1:0"}
		}
		s, err := Open(tc.config)
		if err == nil {
			s.Close()
			t.Errorf("opened, want an error with %q", tc.want)
		} else if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), string(testSecret)[:8]) {
			t.Errorf("%v: want %q, and no secret", err, tc.want)
		}
	}
	for text, want := range map[string]string{
		"example.com": "\x07example\x03com\x00", "A.B.": "\x01a\x01b\x00", `a\.b`: "\x03a.b\x00", `\065b`: "\x02ab\x00", ".": "\x00",
	} {
		if got, err := wireName(text); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "..", "a..b", ".a", `a\`, `a\25`, `a\256`, "a b", strings.Repeat("x", 64), strings.Repeat("abc.", 64)} {
		if got, err := wireName(text); err == nil {
			t.Errorf("%q is taken for the name %q", text, got)
		}
	}
	for i := range 256 {
		name := string([]byte{1, byte(i), 0})
		if got, err := wireName(textName(name)); err != nil || got != lowerString(name) {
			t.Errorf("octet %d: %q becomes %q, %v", i, textName(name), got, err)
		}
	}
}
