package ballot

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// A version is one state of the register: what was decided in a slot, slot after
// slot. Slot 0 is what stood at the name before the first decision.
type version struct {
	slot  uint64
	id    string // who proposed it, and in which ballot
	texts []string
}

// zeroID is the id of version 0, which nobody proposed.
const zeroID = "0"

func (v version) absent() bool { return len(v.texts) == 0 }

// A slip is what the record of one incarnation says about the latest slot that it
// took part in. Only its owner writes it, and every write is newer than the one
// before.
type slip struct {
	slot uint64   // what is to be decided, or was
	mbal uint64   // the highest ballot begun
	bal  uint64   // the ballot in which a version was accepted, 0: none was
	prev string   // the id of what was decided in the slot before
	id   string   // of the version that was accepted; empty: none was
	text []string // of the version that was accepted, or else of prev
	// bare says that there are no texts: none was accepted, and the owner does not
	// know those of prev. It joined since others have accepted something.
	bare  bool
	ended bool // the owner writes nothing more
}

// newer says whether s was written after t, both by one owner.
func (s slip) newer(t slip) bool {
	switch {
	case s.slot != t.slot:
		return s.slot > t.slot
	case s.mbal != t.mbal:
		return s.mbal > t.mbal
	case s.bal != t.bal:
		return s.bal > t.bal
	}
	return s.ended && !t.ended
}

func (s slip) equal(t slip) bool {
	return s.slot == t.slot && s.mbal == t.mbal && s.bal == t.bal && s.prev == t.prev && s.id == t.id &&
		s.bare == t.bare && s.ended == t.ended && slices.Equal(s.text, t.text)
}

// The text of a slip is made of letters, digits, '.', '_' and '-' alone, which
// every provider stores as they are:
//
//	sb1.<slot>.<mbal>.<bal>.<prev>.<id or ->.<number of texts>.<text>...<sum>
//
// The number is "-" for a bare one; the texts are in base64url; the sum is that of
// all before it, since some providers cut what is too long. An ended slip begins
// with sb1e.
const (
	livePrefix  = "sb1"
	endedPrefix = "sb1e"
	none        = "-"
)

var encoding = base64.RawURLEncoding

func (s slip) String() string {
	fields := []string{livePrefix, number(s.slot), number(s.mbal), number(s.bal), s.prev, s.id, strconv.Itoa(len(s.text))}
	if s.ended {
		fields[0] = endedPrefix
	}
	if s.id == "" {
		fields[5] = none
	}
	if s.bare {
		fields[6] = none
	}
	for _, text := range s.text {
		fields = append(fields, encoding.EncodeToString([]byte(text)))
	}
	return sealed(fields)
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

// sealed joins fields and adds their sum.
func sealed(fields []string) string {
	body := strings.Join(fields, ".")
	return body + "." + sum(body)
}

func sum(body string) string {
	var b [4]byte
	n := crc32.ChecksumIEEE([]byte(body))
	b[0], b[1], b[2], b[3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return hex.EncodeToString(b[:])
}

var (
	errSum    = errors.New("its sum is wrong: it was cut or changed")
	errSlip   = errors.New("it is no ballot of a version that is known here")
	errFields = errors.New("its fields make no sense")
)

// parseSlip reads a slip. Quotes, space and backslashes, with which some providers
// return a text, are none of it.
func parseSlip(text string) (slip, error) {
	text = strings.Map(func(r rune) rune {
		if r == '"' || r == ' ' || r == '\\' {
			return -1
		}
		return r
	}, text)
	cut := strings.LastIndexByte(text, '.')
	if cut < 0 || !strings.HasPrefix(text, livePrefix) {
		return slip{}, errSlip
	}
	if sum(text[:cut]) != text[cut+1:] {
		return slip{}, errSum
	}
	f := strings.Split(text[:cut], ".")
	if len(f) < 7 || f[0] != livePrefix && f[0] != endedPrefix {
		return slip{}, errSlip
	}
	s := slip{prev: f[4], id: f[5], ended: f[0] == endedPrefix}
	if s.id == none {
		s.id = ""
	}
	for i, n := range []*uint64{&s.slot, &s.mbal, &s.bal} {
		var err error
		if *n, err = strconv.ParseUint(f[1+i], 10, 64); err != nil {
			return slip{}, fmt.Errorf("%w: %q is no number", errFields, f[1+i])
		}
	}
	var err error
	if f[6] == none {
		s.bare = len(f) == 7
	} else {
		s.text, err = decodeTexts(f[6], f[7:])
	}
	switch {
	case err != nil:
		return slip{}, err
	case s.slot == 0 || s.mbal == 0 || s.bal > s.mbal || s.prev == "" || (s.bal == 0) != (s.id == "") || s.bare && s.bal > 0:
		return slip{}, errFields
	}
	return s, nil
}

func decodeTexts(count string, fields []string) ([]string, error) {
	if strconv.Itoa(len(fields)) != count {
		return nil, fmt.Errorf("%w: %s texts, and there are %d", errFields, count, len(fields))
	}
	var texts []string
	for _, field := range fields {
		text, err := encoding.DecodeString(field)
		if err != nil {
			return nil, fmt.Errorf("%w: a text is not base64url", errFields)
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}

// tag is what a snapshot of a version carries: all that a swap has to know. That
// of an absent one is empty, as every other one's.
func (v version) tag() string {
	if v.absent() {
		return ""
	}
	fields := []string{number(v.slot), v.id}
	for _, text := range v.texts {
		fields = append(fields, encoding.EncodeToString([]byte(text)))
	}
	return strings.Join(fields, ".")
}

var errTag = errors.New("the old snapshot is none of this kind of register")

// parseTag is the version that a tag was made from.
func parseTag(tag string) (version, error) {
	f := strings.Split(tag, ".")
	if len(f) < 3 {
		return version{}, errTag
	}
	slot, err := strconv.ParseUint(f[0], 10, 64)
	if err != nil || f[1] == "" {
		return version{}, errTag
	}
	texts, err := decodeTexts(strconv.Itoa(len(f)-2), f[2:])
	if err != nil {
		return version{}, errTag
	}
	return version{slot: slot, id: f[1], texts: texts}, nil
}
