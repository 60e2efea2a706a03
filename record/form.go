package record

import (
	"errors"
	"fmt"
	"strings"
)

// A Form is how the values of one record are written and read, where that is
// more than JSON: sealed, signed or both. Package seal has the one that agents
// use; nil is plain JSON.
//
// A Form belongs to one name. Its methods are functions of their arguments
// alone: the same record gives the same value on every agent.
type Form interface {
	// Close gives the value to write for a record's canonical text.
	Close(text string) string
	// Open gives the JSON within a value that is meant as a record, and what
	// protects it. Its error wraps ErrUnopenable where the value is sealed and
	// does not open; any other one says that the value is damaged. Protection
	// is filled as far as it is known, beside an error too.
	Open(value string) (text string, by Protection, err error)
}

// ErrUnopenable says that a value is sealed and cannot be read: it is never
// written over, since it may be the reader that has the wrong key.
var ErrUnopenable = errors.New("the record is sealed, and no key of this agent opens it")

// A Protection is what guards a record's value. The zero Protection is none.
type Protection struct {
	Sealed string // the id of the key that it is sealed with, as the value tells it; "": it is not sealed
	Signed bool   // it carries a signature, good or not
	Signer string // the id of the public key by which the signature is good; "": none, or nobody looked
}

// SealedPrefix begins every sealed value.
const SealedPrefix = "st1."

// maxKeyID is how long the id in a sealed value may be, in bytes.
const maxKeyID = 16

// KeyID returns the id of the key that a value says it is sealed with, or "".
// Nobody vouches for it.
func KeyID(value string) string {
	rest, ok := strings.CutPrefix(value, SealedPrefix)
	id, _, found := strings.Cut(rest, ".")
	if !ok || !found || len(id) > maxKeyID || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return ""
	}
	return id
}

// meant tells whether a value is meant as a record.
func meant(value string) bool {
	return strings.HasPrefix(value, SealedPrefix) || strings.HasPrefix(strings.TrimLeft(value, " \t\r\n"), "{")
}

// open gives the record in a value that is meant as one.
func open(f Form, value string, now int64) (Record, Protection, error) {
	by := Protection{Sealed: KeyID(value)}
	text := value
	switch {
	case f != nil:
		var err error
		if text, by, err = f.Open(value); err != nil {
			return Record{}, by, err
		}
	case strings.HasPrefix(value, SealedPrefix):
		return Record{}, by, ErrUnopenable
	}
	r, signed, err := parse(text)
	by.Signed = by.Signed || signed
	if err == nil && now > 0 && r.Seq > (now+aYear)*1000 {
		err = fmt.Errorf("seq %d is over a year ahead of the register's time", r.Seq)
	}
	if err != nil {
		return Record{}, by, err
	}
	return r, by, nil
}
