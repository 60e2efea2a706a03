package seal_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/solotick/solotick/seal"
)

// The encodings of points of small order, as the vectors of C2SP/CCTV (ed25519) list
// them: eight as RFC 8032 writes them, and six others that readers take for one of these.
var smallOrder = []string{
	"0100000000000000000000000000000000000000000000000000000000000000",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",

	"0100000000000000000000000000000000000000000000000000000000000080",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

// Every key for which anybody can sign is refused. That anybody can is shown: a
// signature of nothing but a point of small order verifies over one text of some.
func TestSmallOrder(t *testing.T) {
	for _, h := range smallOrder {
		t.Run(h, func(t *testing.T) {
			key := unhex(t, h)
			if !forged(t, key) {
				t.Error("no signature was forged: the vector is wrong")
			}
			text := byHand{}.text("solotick-verify-", key)
			if k, err := seal.ParseVerifyKey(text); err == nil || !strings.Contains(err.Error(), "small order") {
				t.Errorf("%v, %v", k, err)
			}
		})
	}
}

func unhex(t *testing.T, h string) []byte {
	t.Helper()
	b, err := hex.DecodeString(h)
	if err != nil || len(b) != ed25519.PublicKeySize {
		t.Fatalf("%s: %v", h, err)
	}
	return b
}

func forged(t *testing.T, key []byte) bool {
	for n := range 1000 {
		for _, r := range smallOrder[:8] {
			sig := append(unhex(t, r), make([]byte, 32)...)
			if ed25519.Verify(key, fmt.Appendf(nil, "record %d", n), sig) {
				return true
			}
		}
	}
	return false
}

// What lies beside those is taken: coordinates just below 2^255-19, and keys of signers.
func TestNotWeak(t *testing.T) {
	ebff := append([]byte{0xeb}, unhex(t, smallOrder[1])[1:]...)
	ones := append([]byte{0xed, 0xff, 0xfe}, unhex(t, smallOrder[1])[3:]...)
	for _, key := range [][]byte{ebff, ones, append([]byte{2}, make([]byte, 31)...)} {
		if _, err := seal.ParseVerifyKey(byHand{}.text("solotick-verify-", key)); err != nil {
			t.Errorf("%x: %v", key, err)
		}
	}
	for i := range 200 {
		public := signing(byte(i)).Public()
		if got, err := seal.ParseVerifyKey(public.String()); err != nil || got != public {
			t.Errorf("%v, %v", got, err)
		}
	}
	for low := 0xed; low <= 0xff; low++ { // all 19 that are written otherwise
		key := append([]byte{byte(low)}, unhex(t, smallOrder[1])[1:]...)
		if _, err := seal.ParseVerifyKey(byHand{}.text("solotick-verify-", key)); err == nil {
			t.Errorf("%x is taken", key)
		}
	}
}
