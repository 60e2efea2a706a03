package dnsmsg

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Fudge is the difference of clocks that a signature allows, in seconds (RFC
// 8945 section 10).
const Fudge = 300

// ErrUnsigned says that a reply carries no signature at all, or one without a
// MAC, as the replies to an unknown key and to a wrong signature do (RFC 8945
// section 5.2).
var ErrUnsigned = errors.New("the reply is not signed")

// Sign packs m with a TSIG record by k as the last one. It returns the MAC that
// [Verify] needs, and leaves m without the TSIG record.
func Sign(m *dns.Msg, k Key, at time.Time) (wire []byte, mac string, err error) {
	m.SetTsig(k.Name, k.Algorithm+".", Fudge, at.Unix())
	wire, mac, err = dns.TsigGenerate(m, string(k.Secret), "", false)
	if err != nil {
		return nil, "", fmt.Errorf("sign with key %s: %w", k.Name, err)
	}
	return wire, mac, nil
}

// Verify checks that wire, which m was unpacked from, is signed by k as the
// reply to the request with that MAC. It does not judge the time: the caller
// has the TSIG record for that. The record is returned with ErrUnsigned too, if
// there is one.
func Verify(wire []byte, m *dns.Msg, k Key, requestMAC string) (*dns.TSIG, error) {
	tsig := m.IsTsig()
	if tsig == nil || tsig.MACSize == 0 {
		return tsig, ErrUnsigned
	}
	if !strings.EqualFold(tsig.Hdr.Name, k.Name) || dns.CanonicalName(tsig.Algorithm) != k.Algorithm+"." {
		return nil, fmt.Errorf("the reply is signed by another key, %s", tsig.Hdr.Name)
	}
	// The library checks the time last, by this machine's clock.
	err := dns.TsigVerify(wire, string(k.Secret), requestMAC, false)
	if err != nil && !errors.Is(err, dns.ErrTime) {
		return nil, fmt.Errorf("the signature of the reply does not verify: %w", err)
	}
	return tsig, nil
}

// ServerTime is the server's clock in a verified TSIG record: when it signed,
// or, in a BADTIME error, what it put in the other data (RFC 8945 section 5.2.3).
// It is zero if a BADTIME error has no time.
func ServerTime(tsig *dns.TSIG) time.Time {
	if tsig.Error != dns.RcodeBadTime {
		return time.Unix(int64(tsig.TimeSigned), 0).UTC()
	}
	other, err := hex.DecodeString(tsig.OtherData)
	if err != nil || len(other) != 6 {
		return time.Time{}
	}
	var seconds int64
	for _, octet := range other {
		seconds = seconds<<8 | int64(octet)
	}
	return time.Unix(seconds, 0).UTC()
}
