package seal

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/solotick/solotick/record"
)

// An Accept says what is done about records that have not the protection that
// keys are there for. It is how a fleet changes over without a stop.
type Accept uint8

// What to accept.
const (
	Refuse Accept = iota // such a record is damaged: reported, and replaced in time
	Read                 // it is read, and the next write protects it
	Write                // it is read, and the next one is written so as well
)

func (a Accept) String() string {
	switch a {
	case Refuse:
		return "refuse"
	case Read:
		return "read"
	case Write:
		return "write"
	}
	return fmt.Sprintf("Accept(%d)", uint8(a))
}

// A Ring has the keys for the records of one fleet. The zero Ring has none, and
// leaves records plain.
type Ring struct {
	Seal  []Key  // the first one seals, all of them open; none: records are not sealed
	Plain Accept // records that are not sealed, where Seal has keys

	Sign     SigningKey  // signs what is written; zero: nothing is signed
	Verify   []VerifyKey // by which a signature is good, beside that of Sign
	Unsigned Accept      // records that are not signed, where there is a key to verify

	// Sealed and Signed say that records are to be so although there is no key here: for
	// who looks at the records of a fleet without its keys, and sees a plain one. Nothing
	// may be written with such a ring.
	Sealed, Signed bool
}

// Empty tells whether the ring has no key at all, and none is anywhere else.
func (r *Ring) Empty() bool {
	return len(r.Seal) == 0 && r.Sign.Zero() && len(r.Verify) == 0 && !r.Sealed && !r.Signed
}

// Check reports keys that are there twice.
func (r *Ring) Check() error {
	for i, k := range r.Seal {
		if j := slices.IndexFunc(r.Seal[:i], k.Equal); j >= 0 {
			return fmt.Errorf("seal keys %d and %d are the same, %s", j+1, i+1, k.ID())
		}
	}
	for i, k := range r.Verify {
		if j := slices.Index(r.Verify[:i], k); j >= 0 {
			return fmt.Errorf("verify keys %d and %d are the same, %s", j+1, i+1, k.ID())
		}
	}
	return nil
}

// Add adds the key in a text, of a file that somebody who only reads was given:
// a seal key or a verify key. A signing key is refused, as it is not needed. The
// error is as that of [ParseKey].
func (r *Ring) Add(text string) error {
	was := *r
	line, err := only(text)
	if err != nil {
		return err
	}
	switch is, _ := split(line); is {
	case sealPrefix:
		k, err := ParseKey(line)
		if err != nil {
			return err
		}
		r.Seal = append(r.Seal, k)
	case signPrefix:
		k, err := ParseSigningKey(line)
		if err != nil {
			return err
		}
		return fmt.Errorf("is %s: who only reads needs the public half, %s", kinds[signPrefix], k.Public())
	case verifyPrefix:
		k, err := ParseVerifyKey(line)
		if err != nil {
			return err
		}
		r.Verify = append(r.Verify, k)
	default:
		return errors.New("is no key of Solotick")
	}
	if err := r.Check(); err != nil {
		*r = was
		return fmt.Errorf("is there twice: %w", err)
	}
	return nil
}

// Form is how the record at a name is written and read with these keys; nil if
// there are none. The ring must not change afterwards.
func (r *Ring) Form(name string) record.Form {
	if r.Empty() {
		return nil
	}
	f := &form{ring: *r, name: strings.TrimSuffix(strings.ToLower(name), "."), verify: r.Verify}
	if own := r.Sign.Public(); !r.Sign.Zero() && !slices.Contains(r.Verify, own) {
		f.verify = append([]VerifyKey{own}, r.Verify...)
	}
	return f
}

// A form is a ring at one name.
type form struct {
	ring   Ring
	name   string
	verify []VerifyKey
}

func (f *form) Close(text string) string {
	r := &f.ring
	if !r.Sign.Zero() && r.Unsigned != Write {
		text = r.Sign.sign(f.name, text)
	}
	if len(r.Seal) > 0 && r.Plain != Write {
		text = r.Seal[0].seal(f.name, text)
	}
	return text
}

func (f *form) Open(value string) (string, record.Protection, error) {
	var by record.Protection
	text := value
	if strings.HasPrefix(value, record.SealedPrefix) {
		by.Sealed = record.KeyID(value)
		var err error
		if text, err = f.unseal(value); err != nil {
			return "", by, err
		}
	}
	err := f.check(text, &by)
	if err == nil && by.Sealed == "" && f.ring.seals() && f.ring.Plain == Refuse {
		err = errors.New("the record is not sealed, where all are to be: somebody without the key wrote it, or an agent that has none configured")
	}
	if err != nil {
		return "", by, err
	}
	return text, by, nil
}

func (f *form) unseal(value string) (string, error) {
	if !f.ring.seals() {
		return "", record.ErrUnopenable
	}
	id, here := record.KeyID(value), false
	for _, k := range f.ring.Seal {
		if k.ID() != id {
			continue
		}
		here = true
		if text, ok := k.open(f.name, value); ok {
			return text, nil
		}
	}
	switch {
	case id == "":
		return "", fmt.Errorf("%w: it does not even tell its key, as it was cut short or altered", record.ErrUnopenable)
	case !here:
		return "", fmt.Errorf("%w: it is sealed with the key %s, which is not here", record.ErrUnopenable, id)
	}
	return "", fmt.Errorf("%w: the key %s is here, so the record was altered, or moved here from another name", record.ErrUnopenable, id)
}

func (r *Ring) seals() bool { return len(r.Seal) > 0 || r.Sealed }

// check judges the signature of a text, if there is a key to judge it by.
func (f *form) check(text string, by *record.Protection) error {
	if len(f.verify) == 0 && !f.ring.Signed {
		return nil
	}
	body, sig, ok := cut(text)
	if !ok {
		if record.HasSignature(text) { // not as an agent leaves it, so that none is
			by.Signed = true
			return errBad
		}
		if f.ring.Unsigned == Refuse {
			return errors.New("the record is not signed, where all are to be: somebody without a key wrote it, or an agent that has none configured")
		}
		return nil
	}
	by.Signed = true
	if len(f.verify) == 0 {
		return nil // by whom is not to be told here
	}
	for _, k := range f.verify {
		if k.verifies(f.name, body, sig) {
			by.Signer = k.id
			return nil
		}
	}
	return errBad
}

var errBad = errors.New("the record's signature is by none of the keys known here: it was altered, or moved here from another name, or its signer's verify key is missing here")
