package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
)

// What a signature looks like in a record: the last member, always as long.
const (
	sigBegin = `,"sig":"`
	sigEnd   = `"}`
	sigChars = 86 // of base64url without padding, for 64 bytes
)

// A SigningKey signs records. The zero SigningKey is none. It never shows its
// secret, however it is printed.
type SigningKey struct {
	private hidden[ed25519.PrivateKey]
	public  VerifyKey
}

// NewSigningKey gives the key of a secret of 32 random bytes, the seed of RFC 8032.
func NewSigningKey(secret [secretSize]byte) SigningKey {
	private := ed25519.NewKeyFromSeed(secret[:])
	return SigningKey{hide(private), newVerifyKey([ed25519.PublicKeySize]byte(private[secretSize:]))}
}

// Public is what verifies signatures of k.
func (k SigningKey) Public() VerifyKey { return k.public }

// Zero tells whether k is no key.
func (k SigningKey) Zero() bool { return k.private.at == nil }

// Equal tells whether both are the same key.
func (k SigningKey) Equal(o SigningKey) bool { return k.public == o.public }

func (k SigningKey) String() string { return "signing key " + k.public.ID() }

// Format keeps every verb from the secret.
func (k SigningKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// A VerifyKey verifies signatures; it is public. Two are equal with == if they
// are the same key.
type VerifyKey struct {
	public [ed25519.PublicKeySize]byte
	id     string
}

func newVerifyKey(public [ed25519.PublicKeySize]byte) VerifyKey {
	h := sha256.New()
	io.WriteString(h, "solotick verify v1 id")
	h.Write(public[:])
	return VerifyKey{public, base32ID.EncodeToString(h.Sum(nil)[:idSize*5/8])}
}

// ID names the key in logs and messages: 8 of a-z and 2-7.
func (k VerifyKey) ID() string { return k.id }

// Equal tells whether both are the same key.
func (k VerifyKey) Equal(o VerifyKey) bool { return k == o }

// String is the key as [ParseVerifyKey] reads it.
func (k VerifyKey) String() string { return write(verifyPrefix, k.public) }

// signed is what a signature is over: a record's text at one name, and nothing
// that is signed elsewhere.
func signed(name, text string) []byte {
	return []byte("solotick record v1\n" + name + "\n" + text)
}

// sign appends a signature to the canonical text of a record.
func (k SigningKey) sign(name, text string) string {
	sig := ed25519.Sign(*k.private.get(), signed(name, text))
	return text[:len(text)-1] + sigBegin + base64ID.EncodeToString(sig) + sigEnd
}

// cut parts a signed text into what was signed and the signature. ok is false
// where the text does not end as sign leaves it.
func cut(text string) (body string, sig []byte, ok bool) {
	at := len(text) - len(sigEnd) - sigChars - len(sigBegin)
	if at < 1 || !strings.HasPrefix(text[at:], sigBegin) || !strings.HasSuffix(text, sigEnd) {
		return "", nil, false
	}
	encoded := text[at+len(sigBegin) : len(text)-len(sigEnd)]
	sig, err := base64ID.DecodeString(encoded)
	if err != nil {
		sig = nil // of the right place, and no signature
	}
	return text[:at] + "}", sig, true
}

// verifies tells whether sig is one of k over body at a name.
func (k VerifyKey) verifies(name, body string, sig []byte) bool {
	return len(sig) == ed25519.SignatureSize && ed25519.Verify(bytes.Clone(k.public[:]), signed(name, body), sig)
}
