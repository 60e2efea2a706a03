package zone

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/solotick/solotick/internal/dnstest"
)

// captured are messages that real clients and servers sent.
func captured(t testing.TB) []dnstest.Message {
	t.Helper()
	all, err := dnstest.Messages("../internal/dnsmsg/testdata/messages.txt")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// FuzzTSIG changes messages that real clients have signed: whatever is done to one,
// it is not taken for authentic unless all that its signature covers is as it was.
func FuzzTSIG(f *testing.F) {
	secret, err := base64.StdEncoding.DecodeString(dnstest.Captured().Secret)
	if err != nil {
		f.Fatal(err)
	}
	k, err := newKey(Key{Name: "agent", Algorithm: "hmac-sha256", Secret: secret})
	if err != nil {
		f.Fatal(err)
	}
	keys := map[string]*key{k.name: k}
	authentic := func(raw []byte) (covered []byte, ok bool) {
		var m message
		if len(raw) < headerLen || m.parse(raw) != nil || m.tsig == nil { // as handle does
			return nil, false
		}
		if _, rcode := verify(&m, keys, m.tsig.time); rcode != rcodeNoError {
			return nil, false
		}
		return raw[2:m.tsig.start], true
	}
	var good [][]byte
	for _, m := range captured(f) {
		if m.Reply {
			continue
		}
		f.Add(m.Wire)
		if covered, ok := authentic(m.Wire); ok {
			good = append(good, covered)
		}
	}
	if len(good) < 15 {
		f.Fatalf("%d of the captured requests are authentic, want at least those of nsupdate, knsupdate, dig and kdig to three servers", len(good))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		covered, ok := authentic(raw)
		if !ok {
			return
		}
		for _, g := range good {
			if bytes.Equal(g, covered) {
				return
			}
		}
		t.Errorf("%x is taken for authentic", raw)
	})
}
