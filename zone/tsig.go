package zone

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"
	"strings"
)

// tsigRecord is the TSIG of a message (RFC 8945 section 4.2).
type tsigRecord struct {
	start int    // where it begins in the message
	name  string // lower case
	alg   string // lower case
	time  uint64 // seconds since the epoch, 48 bits
	fudge uint16 // seconds
	mac   []byte
	id    uint16 // the message's when it was signed
	err   uint16
	other []byte
}

// parseTSIG reads the TSIG with the header h, its owner's name in m.scratch.
func parseTSIG(m *message, start int, h rrHeader) (*tsigRecord, error) {
	if h.class != classANY || h.ttl != 0 {
		return nil, errFormat
	}
	lower(m.scratch)
	t := &tsigRecord{start: start, name: string(m.scratch)}
	alg, off, err := appendName(nil, m.raw[:h.end], h.data)
	if err != nil || off+10 > h.end {
		return nil, errFormat
	}
	lower(alg)
	t.alg = string(alg)
	b := m.raw[off:h.end]
	t.time = uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
	t.fudge = binary.BigEndian.Uint16(b[6:])
	n := int(binary.BigEndian.Uint16(b[8:]))
	if b = b[10:]; len(b) < n+6 {
		return nil, errFormat
	}
	t.mac, b = b[:n], b[n:]
	t.id = binary.BigEndian.Uint16(b)
	t.err = binary.BigEndian.Uint16(b[2:])
	if t.other = b[6:]; len(t.other) != int(binary.BigEndian.Uint16(b[4:])) {
		return nil, errFormat
	}
	return t, nil
}

// key is a configured TSIG key, ready for use.
type key struct {
	name     string // lower case wire name
	alg      string // wire name
	newHash  func() hash.Hash
	size     int // of a full MAC
	minMAC   int // the shortest MAC accepted
	secret   []byte
	grants   []grant
	transfer bool
}

var algorithms = map[string]func() hash.Hash{
	"hmac-sha256": sha256.New, "hmac-sha384": sha512.New384, "hmac-sha512": sha512.New,
}

func newKey(k Key) (*key, error) {
	name, err := wireName(k.Name)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	alg := strings.ToLower(strings.TrimSuffix(k.Algorithm, "."))
	newHash := algorithms[alg]
	if newHash == nil {
		return nil, fmt.Errorf("key %s: algorithm %q is none of hmac-sha256, hmac-sha384, hmac-sha512", textName(name), k.Algorithm)
	}
	if len(k.Secret) < 16 {
		return nil, fmt.Errorf("key %s: the secret has %d octets, fewer than 16", textName(name), len(k.Secret))
	}
	wireAlg, err := wireName(alg)
	if err != nil {
		return nil, err
	}
	out := &key{name: name, alg: wireAlg, newHash: newHash, size: newHash().Size(), secret: k.Secret, transfer: k.Transfer}
	out.minMAC = out.size
	if k.MinMAC != 0 {
		out.minMAC = k.MinMAC
	}
	if out.minMAC < out.size/2 || out.minMAC > out.size {
		return nil, fmt.Errorf("key %s: the shortest MAC accepted must be %d to %d octets", textName(name), out.size/2, out.size)
	}
	for _, g := range k.Grants {
		gr, err := newGrant(g)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", textName(name), err)
		}
		out.grants = append(out.grants, gr)
	}
	return out, nil
}

// signer is what a request's TSIG came to: the answer's TSIG follows from it.
type signer struct {
	request *tsigRecord
	key     *key   // nil: the answer is not signed (RFC 8945 section 5.3.2)
	err     uint16 // TSIG error, 0 if the request is authentic
	prior   []byte // the MAC that the next one covers
	first   bool   // the next message is the first of the answer
}

// verify checks a request's TSIG at the time now, in the order of RFC 8945 section 5.2: key, MAC, time, truncation.
// The rcode is 0 if the request is authentic.
func verify(m *message, keys map[string]*key, now uint64) (s *signer, rcode int) {
	t := m.tsig
	s = &signer{request: t, first: true}
	k := keys[t.name]
	if k == nil || k.alg != t.alg {
		s.err = tsigBadKey
		return s, rcodeNotAuth
	}
	if len(t.mac) > k.size || len(t.mac) < max(10, k.size/2) { // section 5.2.2.1
		return nil, rcodeFormErr
	}
	h := hmac.New(k.newHash, k.secret)
	var head [headerLen]byte
	copy(head[:], m.raw)
	binary.BigEndian.PutUint16(head[0:], t.id)
	binary.BigEndian.PutUint16(head[10:], m.counts[3]-1)
	h.Write(head[:])
	h.Write(m.raw[headerLen:t.start])
	writeVariables(h, t)
	if !hmac.Equal(h.Sum(nil)[:len(t.mac)], t.mac) {
		s.err = tsigBadSig
		return s, rcodeNotAuth
	}
	s.key, s.prior = k, t.mac
	switch {
	case now > t.time+uint64(t.fudge) || now+uint64(t.fudge) < t.time:
		s.err = tsigBadTime
		return s, rcodeNotAuth
	case len(t.mac) < k.minMAC:
		s.err = tsigBadTrunc
		return s, rcodeNotAuth
	}
	return s, rcodeNoError
}

// writeVariables writes the "TSIG variables" of RFC 8945 section 4.3.3.
func writeVariables(h hash.Hash, t *tsigRecord) {
	b := make([]byte, 0, 512)
	b = append(b, t.name...)
	b = binary.BigEndian.AppendUint16(b, classANY)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = append(b, t.alg...)
	b = appendTimers(b, t)
	b = binary.BigEndian.AppendUint16(b, t.err)
	b = binary.BigEndian.AppendUint16(b, uint16(len(t.other)))
	h.Write(append(b, t.other...))
}

func appendTimers(b []byte, t *tsigRecord) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(t.time>>32))
	b = binary.BigEndian.AppendUint32(b, uint32(t.time))
	return binary.BigEndian.AppendUint16(b, t.fudge)
}

// size is how long the TSIG of an answer will be.
func (s *signer) size() int {
	n := len(s.request.name) + 10 + len(s.request.alg) + 16 + 6
	if s.key != nil {
		n += s.key.size
	}
	return n
}

// sign appends the TSIG to the answer msg and counts it in the header.
func (s *signer) sign(msg []byte, now uint64) []byte {
	t := tsigRecord{name: s.request.name, alg: s.request.alg, time: now, fudge: 300, id: binary.BigEndian.Uint16(msg), err: s.err}
	if s.err != 0 {
		t.fudge = s.request.fudge
	}
	if s.err == tsigBadTime { // section 5.2.3: the client's own time, so that it can verify, and the server's beside it
		t.time = s.request.time
		t.other = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, uint16(now>>32)), uint32(now))
	}
	if s.key != nil {
		h := hmac.New(s.key.newHash, s.key.secret)
		var n [2]byte
		binary.BigEndian.PutUint16(n[:], uint16(len(s.prior)))
		h.Write(n[:])
		h.Write(s.prior)
		h.Write(msg)
		if s.first {
			writeVariables(h, &t)
		} else { // section 5.3.1
			h.Write(appendTimers(nil, &t))
		}
		t.mac = h.Sum(nil)
		s.prior, s.first = t.mac, false
	}
	msg = append(msg, t.name...)
	msg = binary.BigEndian.AppendUint16(msg, typeTSIG)
	msg = binary.BigEndian.AppendUint16(msg, classANY)
	msg = binary.BigEndian.AppendUint32(msg, 0)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(t.alg)+16+len(t.mac)+len(t.other)))
	msg = append(msg, t.alg...)
	msg = appendTimers(msg, &t)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(t.mac)))
	msg = append(msg, t.mac...)
	msg = binary.BigEndian.AppendUint16(msg, t.id)
	msg = binary.BigEndian.AppendUint16(msg, t.err)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(t.other)))
	msg = append(msg, t.other...)
	binary.BigEndian.PutUint16(msg[10:], binary.BigEndian.Uint16(msg[10:])+1)
	return msg
}

// Grant lets a key, or an address, change records: which names, which types.
type Grant struct {
	Name  string   // the name granted
	Below bool     // all names below Name as well
	Types []string // mnemonics such as "TXT"; empty: all types, and deleting a whole name
}

type grant struct {
	name  string
	below bool
	types map[uint16]bool
}

func newGrant(g Grant) (grant, error) {
	name, err := wireName(g.Name)
	if err != nil {
		return grant{}, fmt.Errorf("grant: %w", err)
	}
	out := grant{name: name, below: g.Below}
	for _, s := range g.Types {
		t, ok := parseType(s)
		if !ok {
			return grant{}, fmt.Errorf("grant for %s: unknown type %q", textName(name), s)
		}
		if out.types == nil {
			out.types = map[uint16]bool{}
		}
		out.types[t] = true
	}
	return out, nil
}

func (k *key) mayUpdate(name string, typ uint16) bool {
	for _, g := range k.grants {
		if (g.name == name || g.below && under(name, g.name)) && (g.types == nil || g.types[typ]) {
			return true
		}
	}
	return false
}
