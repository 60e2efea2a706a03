package seal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

// Keys as text: a prefix that says what it is, 32 bytes and a checksum of three,
// in base32. Reading takes capitals too.
const (
	sealPrefix   = "solotick-seal-"
	signPrefix   = "solotick-sign-"
	verifyPrefix = "solotick-verify-"

	checksumSize = 3
	keyChars     = (secretSize + checksumSize) * 8 / 5
)

// kinds says what a key with a prefix is, for messages.
var kinds = map[string]string{
	sealPrefix:   "a seal key (" + sealPrefix + "...)",
	signPrefix:   "a signing key (" + signPrefix + "...), which is secret",
	verifyPrefix: "a verify key (" + verifyPrefix + "...), the public half of a signing key",
}

// ParseKey reads a seal key: one line as [Key.Secret] gives it, beside which may
// be empty lines and lines that begin with #. Its error is what is to be said of
// the text, as in "FILE is ...", and never shows it.
func ParseKey(text string) (Key, error) {
	secret, err := parse(sealPrefix, text)
	if err != nil {
		return Key{}, err
	}
	return NewKey(secret), nil
}

// ParseSigningKey reads a signing key, as [ParseKey] does a seal key.
func ParseSigningKey(text string) (SigningKey, error) {
	secret, err := parse(signPrefix, text)
	if err != nil {
		return SigningKey{}, err
	}
	return NewSigningKey(secret), nil
}

// ParseVerifyKey reads a verify key, as [ParseKey] does a seal key. It refuses those
// for which signatures can be made without a signing key.
func ParseVerifyKey(text string) (VerifyKey, error) {
	public, err := parse(verifyPrefix, text)
	if err != nil {
		return VerifyKey{}, err
	}
	if weak(public) {
		return VerifyKey{}, errors.New("is no verify key: anybody could sign for it (a point of small order), or it is not written as such keys are; get the key from who made it, by solotick keygen")
	}
	return newVerifyKey(public), nil
}

// Secret is the key as text, for the file that it is kept in and nothing else.
func (k Key) Secret() string { return write(sealPrefix, k.hidden.get().secret) }

// Secret is the key as text, for the file that it is kept in and nothing else.
func (k SigningKey) Secret() string {
	return write(signPrefix, [secretSize]byte(k.private.get().Seed()))
}

func write(prefix string, key [secretSize]byte) string {
	sum := checksum(prefix, key[:])
	return prefix + base32ID.EncodeToString(append(key[:], sum[:]...))
}

func checksum(prefix string, key []byte) [checksumSize]byte {
	sum := sha256.Sum256(append([]byte(prefix), key...))
	return [checksumSize]byte(sum[:])
}

// parse reads the one key in a text, which must be of the kind of prefix.
func parse(prefix, text string) (key [secretSize]byte, err error) {
	line, err := only(text)
	if err != nil {
		return key, err
	}
	is, chars := split(line)
	want := kinds[prefix]
	switch {
	case is == "":
		return key, fmt.Errorf("is no key of Solotick; want %s", want)
	case is != prefix:
		return key, fmt.Errorf("is %s; want %s", kinds[is], want)
	case len(chars) != keyChars:
		return key, fmt.Errorf("has %d characters behind %s, where a key has %d: some are missing, or too many", len(chars), prefix, keyChars)
	}
	raw, err := base32ID.DecodeString(chars)
	if err != nil || len(raw) != secretSize+checksumSize { // it passes over \r in the middle
		return key, fmt.Errorf("has other characters behind %s than letters and the digits 2 to 7: it was mistyped", prefix)
	}
	copy(key[:], raw)
	if checksum(prefix, key[:]) != [checksumSize]byte(raw[secretSize:]) {
		return key, errors.New("has a checksum that does not fit: it was mistyped or altered")
	}
	return key, nil
}

// only is the one line of a text that is no comment.
func only(text string) (string, error) {
	found := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case found != "":
			return "", errors.New("has more than one line that is no comment, where there is to be one key")
		default:
			found = line
		}
	}
	if found == "" {
		return "", errors.New("is empty, or has nothing but comments")
	}
	return found, nil
}

// split parts a key's line into its prefix, "" for none, and the rest.
func split(line string) (prefix, rest string) {
	line = strings.ToLower(line)
	for p := range kinds {
		if rest, ok := strings.CutPrefix(line, p); ok {
			return p, rest
		}
	}
	return "", line
}
