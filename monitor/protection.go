package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/solotick/solotick/elect"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/record"
	"github.com/solotick/solotick/seal"
)

// A Signature is what an observer can tell of a record's signature. Its text is
// what JSON and metrics show.
type Signature string

// The kinds of signatures.
const (
	SignatureVerified   Signature = "verified"     // good, by a key that is here
	SignatureUnverified Signature = "not_verified" // there is one, and no key here to judge it by
	SignatureNone       Signature = "none"
	SignatureBad        Signature = "bad"    // by none of the keys that are here
	SignatureHidden     Signature = "hidden" // within what is sealed and does not open here
)

// Signatures are all of them.
func Signatures() []Signature {
	return []Signature{SignatureVerified, SignatureUnverified, SignatureNone, SignatureBad, SignatureHidden}
}

// A Protection is what keeps a record from being read or forged (protocol section 9),
// as far as the observer's own keys tell.
type Protection struct {
	Sealed    string    `json:"sealed_with,omitempty"` // the id of the key, as the record tells it; empty: it is not sealed
	Opened    bool      `json:"opened"`                // with a key that is here
	Signature Signature `json:"signature"`
	Signer    string    `json:"signed_by,omitempty"` // the id of the key by which the signature is good
	Tampered  bool      `json:"tampered"`            // whoever wrote it had no key, or moved it here from elsewhere
}

// Words are the protection for people: "sealed with the key abcd2345, signed,
// verified by the key efgh6723".
func (p Protection) Words() string {
	var all []string
	switch {
	case p.Sealed == "" && p.Signature == SignatureHidden:
		all = append(all, "sealed, with a key that it does not tell")
	case p.Sealed != "" && !p.Opened && p.Tampered:
		all = append(all, fmt.Sprintf("sealed as if with the key %s, which does not open it", p.Sealed))
	case p.Sealed != "" && !p.Opened:
		all = append(all, fmt.Sprintf("sealed with the key %s, which is not here", p.Sealed))
	case p.Sealed != "":
		all = append(all, "sealed with the key "+p.Sealed)
	}
	switch p.Signature {
	case SignatureVerified:
		all = append(all, "signed, verified by the key "+p.Signer)
	case SignatureUnverified:
		all = append(all, "signed, not verified: no verify key is here")
	case SignatureNone:
		all = append(all, "without a signature")
	case SignatureBad:
		all = append(all, "signed by none of the keys here")
	case SignatureHidden:
	}
	return strings.Join(all, ", ")
}

// read judges texts by the keys of the target.
func (s Sight) read(texts []string) record.Set { return s.Target.read(texts, s.Time) }

func (t Target) read(texts []string, at time.Time) record.Set {
	var f record.Form
	if t.Ring != nil {
		f = t.Ring.Form(t.Name)
	}
	return record.ReadAs(f, texts, at.Unix())
}

// same says whether an answer shows what the newest one does. Of a record that
// cannot be read that is told by its text.
func (s Sight) same(a lookup.Answer, set record.Set) bool {
	if s.Set.State == record.Unopenable && set.State == record.Unopenable {
		return slices.Equal(slices.Sorted(slices.Values(a.Texts)), slices.Sorted(slices.Values(s.Answer().Texts)))
	}
	return set.State == s.Set.State && set.Record == s.Set.Record
}

// protection is that of the record; nil: it has none, and none is asked for.
func (s Sight) protection() *Protection {
	set, ring := s.Set, s.Target.Ring
	if set.State == record.Absent || ring == nil && set.State != record.Unopenable && set.Protection == (record.Protection{}) {
		return nil
	}
	p := Protection{Sealed: set.Protection.Sealed, Opened: set.Protection.Sealed != "" && set.State != record.Unopenable}
	switch by := set.Protection; {
	case set.State == record.Unopenable:
		p.Signature, p.Tampered = SignatureHidden, s.keyHere()
		return &p
	case by.Signer != "":
		p.Signature, p.Signer = SignatureVerified, by.Signer
	case !by.Signed:
		p.Signature = SignatureNone
	case set.State == record.Damaged && ring != nil:
		p.Signature, p.Tampered = SignatureBad, true
	default:
		p.Signature = SignatureUnverified
	}
	if set.State == record.Damaged && !p.Tampered {
		p.Tampered = s.unprotected()
	}
	return &p
}

// keyHere says whether the observer has the key that the record says it is sealed
// with.
func (s Sight) keyHere() bool {
	return s.Target.Ring != nil && slices.ContainsFunc(s.Target.Ring.Seal, func(k seal.Key) bool { return k.ID() == s.Set.Protection.Sealed })
}

// unprotected says whether a damaged record is one that only lacks what has to
// protect it: seal, signature or both.
func (s Sight) unprotected() bool {
	ring := s.Target.Ring
	if ring == nil {
		return false
	}
	lax := *ring
	lax.Plain, lax.Unsigned = seal.Read, seal.Read
	return record.ReadAs(lax.Form(s.Target.Name), s.Answer().Texts, s.Time.Unix()).State == record.Present
}

// Health is what the record amounts to, forgeries considered: what somebody without
// a key has written is damaged, whatever it says.
func (s Sight) Health(now time.Time) elect.Status {
	st := elect.Health(s.Target.Policy, now, elect.View{State: s.Set.State, Record: s.Set.Record})
	p := s.protection()
	switch {
	case p == nil:
	case p.Tampered && s.Set.State == record.Unopenable:
		st.Condition = elect.HealthDamaged
		st.Text = fmt.Sprintf("tampered with: the key %s is here and does not open the record, so that was altered, or moved here from another name; agents do not write over it, so that a person has to: solotick record reset --lost-key", p.Sealed)
	case p.Signature == SignatureBad:
		st.Text = "tampered with: the signature is by none of the keys here, so the record was altered, or moved here from another name; or its signer's verify key is missing here"
	case p.Tampered && p.Sealed == "" && (len(s.Target.Ring.Seal) > 0 || s.Target.Ring.Sealed):
		st.Text = "tampered with: the record is not sealed, where all are to be, so somebody without the key wrote it, or an agent that has none"
	case p.Tampered:
		st.Text = "tampered with: the record is not signed, where all are to be, so somebody without a key wrote it, or an agent that has none"
	case s.Set.State == record.Unopenable && p.Sealed == "":
		st.Text = "sealed, and it does not tell with which key: it was cut short or altered; nothing can be told but whether its text changes"
	case s.Set.State == record.Unopenable:
		st.Text = fmt.Sprintf("sealed with key %s, which is not here; nothing can be told but whether its text changes, and who shows another one", p.Sealed)
	}
	return st
}
