package record

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what Parse accepts. They are chosen so that a record within them
// can gain every other key at its longest and still fit MaxText: an unknown key
// can never keep an agent from writing its claim.
const (
	MaxText = 1024 // bytes of a record's text

	maxNumber = 1<<53 - 1 // the largest integer that every JSON reader keeps exact
	maxTry    = 999_999
	maxID     = 32 // bytes as encoded JSON, without the quotes; so the next two
	maxLast   = 16
	maxEntry  = 64
	maxWhy    = 40  // bytes of the reason itself, as UTF-8
	maxState  = 96  // bytes as encoded JSON, quotes included
	maxExtra  = 360 // bytes of all unknown members, canonical
	maxDepth  = 16  // nesting within an unknown member
	maxSig    = 86  // bytes of a signature as text
	sigRoom   = len(`,"sig":""`) + maxSig
)

// A SyntaxError says why a text is no record.
type SyntaxError struct {
	Offset int // in bytes, from 0
	Msg    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("no record: byte %d: %s", e.Offset, e.Msg)
}

// Parse reads the text of a record; its error is a [*SyntaxError].
//
// It accepts one JSON object (RFC 8259) of at most [MaxText] bytes of UTF-8,
// its members in any order, each at most once. No member is required. Numbers
// may carry a fraction or an exponent, as other languages write them; the
// fraction is dropped. timerOld is read as timerold, and where both are present
// the greater counts. Members that Parse does not know, and an entryid that is
// no text, are kept in Extra. A signature, which may come on top of MaxText, is
// none of the record's content: Parse drops it without a look.
func Parse(text string) (Record, error) {
	r, _, err := parse(text)
	return r, err
}

// HasSignature tells whether the text of a record carries a signature, good or not,
// wherever in it that stands.
func HasSignature(text string) bool {
	_, signed, err := parse(text)
	return signed && err == nil
}

// parse is Parse that tells whether there is a signature.
func parse(text string) (r Record, signed bool, err error) {
	s := scanner{text: text}
	most := MaxText
	if strings.Contains(text, `"sig"`) {
		most += sigRoom
	}
	switch at := invalidUTF8(text); {
	case len(text) > most:
		s.fail(most, "longer than %d bytes", most)
	case at >= 0:
		s.fail(at, "not UTF-8")
	}
	r = s.record()
	if s.err != nil {
		return Record{}, s.signed, s.err
	}
	return r, s.signed, nil
}

// invalidUTF8 returns the offset of the first byte that is no UTF-8, or -1.
func invalidUTF8(text string) int {
	for i, c := range text {
		if c != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
			return i
		}
	}
	return -1
}

// A scanner reads one JSON text from front to back. The first error stays, and
// moves pos to the end, so that every loop ends.
type scanner struct {
	text   string
	pos    int
	err    *SyntaxError
	signed bool // a signature was found
}

func (s *scanner) fail(at int, format string, args ...any) {
	if s.err == nil {
		s.err = &SyntaxError{Offset: at, Msg: fmt.Sprintf(format, args...)}
	}
	s.pos = len(s.text)
}

// peek skips white space and returns the next byte; 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// accept skips white space and then c, if that is next.
func (s *scanner) accept(c byte) bool {
	if s.peek() != c || s.pos == len(s.text) {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) expect(c byte) {
	if !s.accept(c) {
		s.fail(s.pos, "expected %q", c)
	}
}

func (s *scanner) record() Record {
	var r Record
	var extra []byte
	var seen []string
	s.expect('{')
	for more := !s.accept('}'); more && s.err == nil; {
		s.peek()
		at := s.pos
		key := decode(s, s.quoted(), at)
		if slices.Contains(seen, key) {
			s.fail(at, "%q twice", key)
		}
		seen = append(seen, key)
		s.expect(':')
		extra = s.member(&r, key, extra)
		if more = s.accept(','); !more {
			s.expect('}')
		}
	}
	if s.peek(); s.pos < len(s.text) {
		s.fail(s.pos, "text after the object")
	}
	r.Extra = string(extra)
	return r
}

// member reads the value of key into r, or appends it to extra.
func (s *scanner) member(r *Record, key string, extra []byte) []byte {
	switch key {
	case "id":
		r.ID = s.string(key, maxID, encodedLen)
	case "timer":
		r.Timer = s.number(key, 0, maxNumber)
	case "timerold", "timerOld":
		r.TimerOld = max(r.TimerOld, s.number(key, 0, maxNumber))
	case "seq":
		r.Seq = s.number(key, 0, maxNumber)
	case "until":
		r.Claimed, r.Until = true, s.number(key, 0, maxNumber)
	case "lease":
		r.Claimed, r.Lease = true, s.number(key, 0, maxNumber)
	case "try":
		r.Try = int(s.number(key, 0, maxTry))
	case "last":
		r.Last = Result(s.string(key, maxLast, encodedLen))
	case "pause":
		r.Pause = s.number(key, -1, maxNumber)
	case "why":
		r.Why = s.string(key, maxWhy, func(v string) int { return len(v) })
	case "state":
		r.State = s.string(key, maxState-2, encodedLen)
	case "sig":
		s.signed = true
		s.string(key, maxSig, encodedLen)
	case "entryid":
		if s.peek() == '"' {
			r.EntryID = s.string(key, maxEntry, encodedLen)
			break
		}
		fallthrough
	default:
		at := s.pos
		if len(extra) > 0 {
			extra = append(extra, ',')
		}
		extra = append(appendQuoted(extra, key), ':')
		extra = s.value(extra, 1)
		if len(extra) > maxExtra {
			s.fail(at, "more than %d bytes of unknown keys", maxExtra)
		}
	}
	return extra
}

// string reads a text of at most limit bytes, as measure counts them.
func (s *scanner) string(key string, limit int, measure func(string) int) string {
	s.peek()
	at := s.pos
	v := decode(s, s.quoted(), at)
	if measure(v) > limit {
		s.fail(at, "%s: longer than %d bytes", key, limit)
	}
	return v
}

// number reads a number from lo to hi and drops its fraction.
func (s *scanner) number(key string, lo, hi int64) int64 {
	s.peek()
	at := s.pos
	token := s.numeral()
	if s.err != nil {
		return 0
	}
	v, err := strconv.ParseInt(token, 10, 64)
	if err != nil && strings.ContainsAny(token, ".eE") {
		var f float64
		f, err = strconv.ParseFloat(token, 64)
		// The bounds are exact as float64, and keep the conversion defined.
		f = min(max(math.Trunc(f), float64(lo)-1), float64(hi)+1)
		v = int64(f)
	}
	if err != nil || v < lo || v > hi {
		s.fail(at, "%s: not in %d..%d", key, lo, hi)
		return 0
	}
	return v
}

// numeral returns the next number as written.
func (s *scanner) numeral() string {
	start := s.pos
	digits := func() {
		from := s.pos
		for s.pos < len(s.text) && s.text[s.pos]-'0' <= 9 {
			s.pos++
		}
		if s.pos == from {
			s.fail(from, "not a number")
		}
	}
	skip := func(chars string) bool {
		if s.pos == len(s.text) || strings.IndexByte(chars, s.text[s.pos]) < 0 {
			return false
		}
		s.pos++
		return true
	}
	skip("-")
	if !skip("0") {
		digits()
	}
	if skip(".") {
		digits()
	}
	if skip("eE") {
		skip("+-")
		digits()
	}
	return s.text[start:s.pos]
}

// quoted returns the next string as written, quotes included.
func (s *scanner) quoted() string {
	s.peek()
	start := s.pos
	s.expect('"')
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return s.text[start:s.pos]
		case c < ' ':
			s.fail(s.pos, "a control character in a string")
		case c == '\\':
			s.escape()
		default:
			s.pos++
		}
	}
	s.fail(start, "a string without an end")
	return `""`
}

// escape skips one escape sequence (RFC 8259 section 7).
func (s *scanner) escape() {
	rest := s.text[s.pos+1:]
	switch {
	case rest == "":
		s.pos++
	case strings.IndexByte(`"\/bfnrt`, rest[0]) >= 0:
		s.pos += 2
	case rest[0] == 'u' && len(rest) >= 5 && strings.Trim(rest[1:5], "0123456789abcdefABCDEF") == "":
		s.pos += 6
	default:
		s.fail(s.pos, "an unknown escape")
	}
}

// decode gives the text of a quoted string that was found at the given offset.
// Half a surrogate pair is no text, and NUL could not be handed to a job.
func decode(s *scanner, quoted string, at int) string {
	raw := quoted[1 : len(quoted)-1]
	if strings.IndexByte(raw, '\\') < 0 {
		return raw
	}
	unit := func(i int) rune { // the \uXXXX at i; 0 if there is none
		if !strings.HasPrefix(raw[i:], `\u`) {
			return 0
		}
		v, _ := strconv.ParseUint(raw[i+2:i+6], 16, 16)
		return rune(v)
	}
	text := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			text = append(text, raw[i])
			continue
		}
		if raw[i+1] != 'u' {
			i++
			text = append(text, "\"\\/\b\f\n\r\t"[strings.IndexByte(`"\/bfnrt`, raw[i])])
			continue
		}
		c := unit(i)
		i += 5
		if utf16.IsSurrogate(c) {
			c = utf16.DecodeRune(c, unit(i+1))
			if c == utf8.RuneError {
				s.fail(at, "half a surrogate pair")
				return ""
			}
			i += 6
		}
		if c == 0 {
			s.fail(at, "a NUL in a string")
			return ""
		}
		text = utf8.AppendRune(text, c)
	}
	return string(text)
}

// value appends the next value of any kind, as written but without white space.
func (s *scanner) value(dst []byte, depth int) []byte {
	switch c := s.peek(); {
	case s.err != nil:
		return dst
	case depth > maxDepth:
		s.fail(s.pos, "nested more than %d deep", maxDepth)
		return dst
	case c == '{' || c == '[':
		return s.compound(dst, depth)
	case c == '"':
		return append(dst, s.quoted()...)
	case c == '-' || c-'0' <= 9:
		return append(dst, s.numeral()...)
	}
	for _, word := range []string{"true", "false", "null"} {
		if strings.HasPrefix(s.text[s.pos:], word) {
			s.pos += len(word)
			return append(dst, word...)
		}
	}
	s.fail(s.pos, "expected a value")
	return dst
}

// compound appends the object or array that begins here.
func (s *scanner) compound(dst []byte, depth int) []byte {
	open := s.text[s.pos]
	end := open + 2 // in ASCII, of { and of [
	s.pos++
	dst = append(dst, open)
	for more := !s.accept(end); more && s.err == nil; {
		if open == '{' {
			dst = append(dst, s.quoted()...)
			s.expect(':')
			dst = append(dst, ':')
		}
		dst = s.value(dst, depth+1)
		if more = s.accept(','); more {
			dst = append(dst, ',')
		} else {
			s.expect(end)
		}
	}
	return append(dst, end)
}
