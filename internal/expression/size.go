package expression

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// A form is how the size of a value is counted.
type form int

const (
	plain    form = iota // in memory, about
	inJSON               // its text in JSON
	indented             // the same on many lines
)

// around is what stands around a part of a value at a depth, besides itself.
func (f form) around(depth int) int {
	if f == indented {
		return 8 + 2*(depth+1)
	}
	return 8
}

// text is the size of a string.
func (f form) text(s string) int {
	if f == plain {
		return len(s)
	}
	n := len(s)
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c < ' ' || c == '<' || c == '>' || c == '&':
			n += 5
		case c == '"' || c == '\\':
			n++
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			if i += size; r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
				n += 5
			}
			continue
		}
		i++
	}
	return n
}

// sizeOf is about how many bytes a value has. Parts that several values share
// count for each: they are written, or looked at, as often.
func (a *account) sizeOf(v any, f form, depth int) (int, error) {
	if depth > 100 {
		return 0, errSize
	}
	if err := a.tick(); err != nil {
		return 0, err
	}
	n := f.around(depth)
	if s, ok := v.(string); ok {
		return n + f.text(s), nil
	}
	for part := range parts(v) {
		m, err := a.sizeOf(part, f, depth+1)
		if err != nil {
			return 0, err
		}
		if n += m; n > maxBytes {
			return 0, errSize
		}
	}
	return n, nil
}

// parts are what a list or an object is made of.
func parts(v any) iter.Seq[any] {
	return func(yield func(any) bool) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				if !yield(one) {
					return
				}
			}
		case map[string]any:
			for k, one := range v {
				if !yield(k) || !yield(one) {
					return
				}
			}
		case nil, bool, int, float64:
		default:
			otherParts(reflect.ValueOf(v), yield)
		}
	}
}

func otherParts(v reflect.Value, yield func(any) bool) {
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if !yield(v.Index(i).Interface()) {
				return
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if !yield(k.Interface()) || !yield(v.MapIndex(k).Interface()) {
				return
			}
		}
	case reflect.String:
		if v.Type() != reflect.TypeFor[string]() {
			yield(v.String())
		}
	}
}

// maxPattern is how large a regular expression may be, with what is repeated
// counted as often, and maxWhole the longest text that is matched in one piece.
const (
	maxPattern = 10_000
	maxWhole   = 4096
)

var errPattern = errors.New("the pattern is too large")

// pattern compiles a regular expression, and measures it before that: x{1000} is
// a thousand parts.
func pattern(text string) (*regexp.Regexp, error) {
	if len(text) > maxSource {
		return nil, errPattern
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if weight(parsed) > maxPattern {
		return nil, errPattern
	}
	return regexp.Compile(text)
}

func weight(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		if n += weight(sub); n > maxPattern {
			return n
		}
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

// matches is the operator. re is a pattern, or compiled already.
func (a *account) matches(text, re any) (bool, error) {
	if text == nil || re == nil {
		return false, nil
	}
	s, ok := text.(string)
	if !ok {
		return false, fmt.Errorf("cannot match %T", text)
	}
	if err := a.before(len(s)); err != nil {
		return false, err
	}
	compiled, ok := re.(*regexp.Regexp)
	if !ok {
		p, ok := re.(string)
		if !ok {
			return false, fmt.Errorf("cannot match by %T", re)
		}
		var err error
		if compiled, err = pattern(p); err != nil {
			return false, err
		}
	}
	if _, whole := compiled.LiteralPrefix(); whole || len(s) <= maxWhole {
		return compiled.MatchString(s), nil
	}
	r := &slowReader{text: s, account: a}
	found := compiled.MatchReader(r)
	return found && r.err == nil, r.err
}

// A slowReader reads a text rune by rune until the time is over.
type slowReader struct {
	text    string
	at      int
	account *account
	err     error
}

func (r *slowReader) ReadRune() (rune, int, error) {
	if r.err = r.account.tick(); r.err != nil || r.at >= len(r.text) {
		return 0, 0, io.EOF
	}
	c, n := utf8.DecodeRuneInString(r.text[r.at:])
	r.at += n
	return c, n, nil
}
