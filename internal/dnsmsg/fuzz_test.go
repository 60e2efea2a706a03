package dnsmsg

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/solotick/solotick/internal/dnstest"
)

// FuzzVerify changes replies that real servers have signed, and the requests' MACs:
// whatever is done to one, it is not taken for signed unless all that the signature
// covers is as it was.
func FuzzVerify(f *testing.F) {
	c := dnstest.Captured()
	k, err := Key{Name: c.Name, Algorithm: c.Algorithm, Secret: Secret(c.Secret)}.Normalize()
	if err != nil {
		f.Fatal(err)
	}
	verified := func(wire []byte, mac string) (covered []byte, ok bool) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil {
			return nil, false
		}
		tsig, err := Verify(wire, m, k, mac)
		if err != nil {
			return nil, false
		}
		ServerTime(tsig)
		end, err := lastRecord(wire)
		if err != nil {
			return nil, false
		}
		return append(slices.Clone(wire[2:end]), mac...), true
	}
	messages, err := dnstest.Messages("testdata/messages.txt")
	if err != nil {
		f.Fatal(err)
	}
	var good [][]byte
	mac := ""
	for _, m := range messages {
		p := new(dns.Msg)
		if err := p.Unpack(m.Wire); err != nil {
			f.Fatalf("%s %s: %v", m.Server, m.What, err)
		}
		if !m.Reply {
			mac = ""
			if tsig := p.IsTsig(); tsig != nil {
				mac = tsig.MAC
			}
			continue
		}
		raw, err := hex.DecodeString(mac)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Wire, raw)
		if covered, ok := verified(m.Wire, mac); ok {
			good = append(good, covered)
		}
	}
	if len(good) < 15 {
		f.Fatalf("%d of the captured replies verify, want those of three servers to all that was signed rightly", len(good))
	}
	f.Fuzz(func(t *testing.T, wire, requestMAC []byte) {
		covered, ok := verified(wire, hex.EncodeToString(requestMAC))
		if ok && !slices.ContainsFunc(good, func(g []byte) bool { return bytes.Equal(g, covered) }) {
			t.Errorf("%x is taken for signed, in reply to %x", wire, requestMAC)
		}
	})
}

// FuzzParseKey: what is read as a key is one, and stays the same.
func FuzzParseKey(f *testing.F) {
	for _, text := range []string{
		`key "agent" { algorithm hmac-sha256; secret "c2VjcmV0"; };`, "agent:c2VjcmV0", "hmac-sha512:agent.example.:c2VjcmV0",
		"agent. IN KEY 512 3 163 c2VjcmV0", "# no\nkey a { secret \"\"; };", "key x { algorithm HMAC-SHA384; /* } */ secret c2Vj cmV0; };", ":::", "{",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if err != nil {
			return
		}
		again, err := k.Normalize()
		if err != nil || again != k {
			t.Errorf("%q is the key %q %s, and then %q %s, error %v", text, k.Name, k.Algorithm, again.Name, again.Algorithm, err)
		}
		m := new(dns.Msg).SetQuestion("a.test.", dns.TypeTXT)
		if _, _, err := Sign(m, k, time.Unix(1795728025, 0)); err != nil {
			t.Errorf("%q signs nothing: %v", text, err)
		}
	})
}

// FuzzText: what is read out of a TXT record can be written, and is the same then.
func FuzzText(f *testing.F) {
	for _, rdata := range [][]byte{nil, {0}, {3, 'a', 'b', 'c', 0, 1, '"'}, {5, 'x'}, append([]byte{255}, bytes.Repeat([]byte{'y'}, 255)...)} {
		f.Add(rdata)
	}
	f.Fuzz(func(t *testing.T, rdata []byte) {
		text, err := Text(rdata)
		if err != nil {
			return
		}
		written, err := TextRdata(text)
		if err != nil {
			return // too long for one record
		}
		if again, err := Text(written); err != nil || again != text {
			t.Errorf("%x is %q, and then %q, error %v", rdata, text, again, err)
		}
		rr := TXT("a.test.", dns.ClassINET, 60, rdata)
		if back, err := Rdata(rr); err != nil || !bytes.Equal(back, rdata) {
			t.Errorf("%x came back as %x, error %v", rdata, back, err)
		}
	})
}
