package dnsmsg

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
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
	// The library's own TsigVerify turns away every reply with NOTAUTH before it
	// looks at the MAC, so that a BADTIME could not be told from a forged one.
	signed, err := signedOctets(wire, tsig, requestMAC)
	if err != nil {
		return nil, fmt.Errorf("the signature of the reply: %w", err)
	}
	secret, err := base64.StdEncoding.DecodeString(string(k.Secret))
	if err != nil {
		return nil, fmt.Errorf("key %s: the secret is not base64", k.Name)
	}
	mac := hmac.New(hashes[k.Algorithm], secret)
	mac.Write(signed)
	if got, err := hex.DecodeString(tsig.MAC); err != nil || !hmac.Equal(mac.Sum(nil), got) {
		return nil, errors.New("the signature of the reply does not verify")
	}
	return tsig, nil
}

var hashes = map[string]func() hash.Hash{"hmac-sha256": sha256.New, "hmac-sha384": sha512.New384, "hmac-sha512": sha512.New}

// signedOctets is what the MAC of a reply is made of (RFC 8945 section 4.3): the
// request's MAC, the message without its TSIG record and with its original id,
// and the TSIG variables.
func signedOctets(wire []byte, tsig *dns.TSIG, requestMAC string) ([]byte, error) {
	end, err := lastRecord(wire)
	if err != nil {
		return nil, err
	}
	request, err := hex.DecodeString(requestMAC)
	if err != nil {
		return nil, err
	}
	out := binary.BigEndian.AppendUint16(nil, uint16(len(request)))
	out = append(out, request...)
	out = binary.BigEndian.AppendUint16(out, tsig.OrigId)
	out = append(out, wire[2:10]...)
	out = binary.BigEndian.AppendUint16(out, binary.BigEndian.Uint16(wire[10:])-1) // ARCOUNT
	out = append(out, wire[12:end]...)

	name, err := packName(tsig.Hdr.Name)
	if err != nil {
		return nil, err
	}
	algorithm, err := packName(tsig.Algorithm)
	if err != nil {
		return nil, err
	}
	out = append(out, name...)
	out = binary.BigEndian.AppendUint16(out, dns.ClassANY)
	out = binary.BigEndian.AppendUint32(out, 0) // TTL
	out = append(out, algorithm...)
	other, err := hex.DecodeString(tsig.OtherData)
	if err != nil {
		return nil, err
	}
	out = binary.BigEndian.AppendUint16(out, uint16(tsig.TimeSigned>>32)) // 48 bits
	out = binary.BigEndian.AppendUint32(out, uint32(tsig.TimeSigned))
	out = binary.BigEndian.AppendUint16(out, tsig.Fudge)
	out = binary.BigEndian.AppendUint16(out, tsig.Error)
	out = binary.BigEndian.AppendUint16(out, uint16(len(other)))
	return append(out, other...), nil
}

// packName is a name in canonical wire form, without compression.
func packName(name string) ([]byte, error) {
	packed := make([]byte, 256)
	n, err := dns.PackDomainName(dns.CanonicalName(name), packed, 0, nil, false)
	return packed[:n], err
}

// lastRecord is the offset of a message's last record, which a TSIG is.
func lastRecord(wire []byte) (int, error) {
	if len(wire) < 12 {
		return 0, errors.New("a message without a header")
	}
	count := func(at int) int { return int(binary.BigEndian.Uint16(wire[at:])) }
	off, last := 12, 0
	for range count(4) {
		_, end, err := dns.UnpackDomainName(wire, off)
		if err != nil {
			return 0, err
		}
		off = end + 4 // type and class
	}
	for range count(6) + count(8) + count(10) {
		_, end, err := dns.UnpackDomainName(wire, off)
		if err != nil {
			return 0, err
		}
		if end+10 > len(wire) { // type, class, TTL, RDLENGTH
			return 0, errors.New("half a record")
		}
		last, off = off, end+10+count(end+8)
	}
	if last == 0 || off != len(wire) {
		return 0, errors.New("a message that does not end with its last record")
	}
	return last, nil
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
