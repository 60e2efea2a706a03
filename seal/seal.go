// Package seal keeps a record from being read, or from being forged, by those
// who can see or write the zone: docs/protocol.md, section 9.
//
// A [Ring] has the keys of a fleet. [Ring.Form] gives the form of the record at
// one name, which solotick.Agent and record.ReadAs take:
//
//	key, err := seal.ParseKey(text) // of the file that "solotick keygen seal" made
//	...
//	ring := seal.Ring{Seal: []seal.Key{key}}
//	agent.Form = ring.Form("canary.example.com")
//
// A sealed record says nothing to whoever has no key, beyond that it is there,
// when it changed and which key it is sealed with. A signed one is read by
// everybody, and whoever has the public key can tell that an agent wrote it.
// Both at once is signed first.
//
// The package reads no file, draws no random number and knows no time: who makes
// a key brings 32 random bytes. Sealing and signing are functions of key, name
// and record, so that the same record is the same text on every agent. It does
// not keep anybody who can write the zone from removing a record or from putting
// an older one back.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/solotick/solotick/record"
)

const (
	secretSize = 32
	nonceSize  = chacha20poly1305.NonceSizeX
	tagSize    = chacha20poly1305.Overhead
	idSize     = 8 // characters
	headSize   = len(record.SealedPrefix) + idSize + len(".")

	// mostStrings is how many TXT strings of 255 bytes the longest sealed record
	// takes: record.MaxText and a signature.
	mostStrings = 7
)

// base32ID has no sign that any shell, zone file or person mistakes.
var (
	base32ID = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	base64ID = base64.RawURLEncoding.Strict()
)

// A Key seals records. The zero Key is none. It never shows its secret, however
// it is printed.
type Key struct {
	hidden hidden[parts]
}

// A parts is what a key is made of.
type parts struct {
	secret, nonce [secretSize]byte
	aead          cipher.AEAD
	id            string
}

// NewKey derives a key from a secret of 32 random bytes.
func NewKey(secret [secretSize]byte) Key {
	k := &parts{secret: secret, nonce: [secretSize]byte(derive(secret, "nonce", secretSize))}
	k.aead, _ = chacha20poly1305.NewX(derive(secret, "encrypt", secretSize)) // fails for another size only
	k.id = base32ID.EncodeToString(derive(secret, "id", idSize*5/8))
	return Key{hide(*k)}
}

// derive is HKDF-SHA256 without a salt; its purpose keeps the parts of a key apart.
func derive(secret [secretSize]byte, purpose string, size int) []byte {
	b, err := hkdf.Key(sha256.New, secret[:], nil, "solotick seal v1 "+purpose, size)
	if err != nil {
		panic(err) // for lengths that are not asked for
	}
	return b
}

// ID names the key in records, logs and messages: 8 of a-z and 2-7, which follow
// from the secret and tell nothing of it.
func (k Key) ID() string {
	if k.Zero() {
		return ""
	}
	return k.hidden.get().id
}

// Zero tells whether k is no key.
func (k Key) Zero() bool { return k.hidden.at == nil }

func (k Key) String() string { return "seal key " + k.ID() }

// Format keeps every verb from the secret.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// Equal tells whether both are the same key.
func (k Key) Equal(o Key) bool {
	if k.Zero() || o.Zero() {
		return k.Zero() && o.Zero()
	}
	return k.hidden.get().secret == o.hidden.get().secret
}

// capacity is how many bytes of plain text fill n strings of 255 bytes.
func capacity(n int) int {
	return (n*255-headSize)*6/8 - nonceSize - tagSize
}

// fill appends the spaces with which text fills whole strings: the length of a
// sealed record shall not tell whether a run is in progress, or how one ended.
func fill(text string) []byte {
	n := 1
	for capacity(n) < len(text) {
		n++
	}
	b := make([]byte, capacity(n))
	for i := copy(b, text); i < len(b); i++ {
		b[i] = ' '
	}
	return b
}

// seal gives the sealed value of a text at a name.
func (k Key) seal(name, text string) string {
	p, plain := k.hidden.get(), fill(text)
	box := p.synthetic(name, plain)
	box = p.aead.Seal(box, box, plain, p.bound(name))
	return record.SealedPrefix + p.id + "." + base64ID.EncodeToString(box)
}

// open is the way back. ok is false for whatever this key did not seal for this
// very name.
func (k Key) open(name, value string) (text string, ok bool) {
	if len(value) > mostStrings*255 || len(value) < headSize {
		return "", false
	}
	box, err := base64ID.DecodeString(value[headSize:])
	if err != nil || len(box) < nonceSize+tagSize || strings.ContainsAny(value, "\r\n") { // which base64 skips
		return "", false
	}
	p := k.hidden.get()
	plain, err := p.aead.Open(nil, box[:nonceSize], box[nonceSize:], p.bound(name))
	if err != nil || !hmac.Equal(p.synthetic(name, plain), box[:nonceSize]) {
		return "", false
	}
	return strings.TrimRight(string(plain), " "), true
}

// synthetic is the nonce for a text: no clock and no chance is in it, and it
// repeats for the same text only.
func (p *parts) synthetic(name string, plain []byte) []byte {
	h := hmac.New(sha256.New, p.nonce[:])
	io.WriteString(h, name)
	h.Write([]byte{0}) // no name has one
	h.Write(plain)
	return h.Sum(nil)[:nonceSize:nonceSize]
}

// bound is the associated data: version, key and name.
func (p *parts) bound(name string) []byte { return []byte(record.SealedPrefix + p.id + "." + name) }
