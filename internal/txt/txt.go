// Package txt turns the text of a TXT record into the form in which DNS providers'
// APIs take it, and back: character strings of at most 255 octets in quotes, as in
// a zone file (RFC 1035 section 5.1).
//
// What an API returns has to be handed back exactly as it came where it is
// compared: keep that, and not what this package makes of it.
package txt

import (
	"errors"
	"fmt"
	"strings"
)

// maxString is the length of a character string at most (RFC 1035 section 3.3).
const maxString = 255

// An Escape is how an octet that is no printable ASCII is written.
type Escape int

// The ways to write one.
const (
	Decimal Escape = iota // \DDD, as in zone files
	Octal                 // \OOO, as Amazon Route 53 does
)

// Strings splits a text into character strings. The empty text is one empty
// string.
func Strings(text string) []string {
	var all []string
	for len(text) > maxString {
		all, text = append(all, text[:maxString]), text[maxString:]
	}
	return append(all, text)
}

// Quote returns a text as quoted character strings with a space between them.
func Quote(text string, e Escape) string {
	var b strings.Builder
	for i, s := range Strings(text) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteByte('"')
		for _, c := range []byte(s) {
			switch {
			case c == '"', c == '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c >= ' ' && c <= '~':
				b.WriteByte(c)
			case e == Octal:
				fmt.Fprintf(&b, `\%03o`, c)
			default:
				fmt.Fprintf(&b, `\%03d`, c)
			}
		}
		b.WriteByte('"')
	}
	return b.String()
}

var (
	errOpen   = errors.New("a quote that is not closed")
	errEscape = errors.New("an escape that means no octet")
	errNone   = errors.New("no character string")
)

// Unquote returns the text of character strings, quoted or not, with space between
// them: they are joined.
func Unquote(value string, e Escape) (string, error) {
	var b strings.Builder
	quoted, some := false, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"':
			quoted, some = !quoted, true
		case !quoted && (c == ' ' || c == '\t'):
		case c == '\\':
			octet, n, err := unescape(value[i+1:], e)
			if err != nil {
				return "", err
			}
			b.WriteByte(octet)
			i, some = i+n, true
		default:
			b.WriteByte(c)
			some = true
		}
	}
	switch {
	case quoted:
		return "", errOpen
	case !some:
		return "", errNone
	}
	return b.String(), nil
}

// unescape reads what follows a backslash: an octet, and how long it was.
func unescape(s string, e Escape) (octet byte, n int, err error) {
	if s == "" {
		return 0, 0, errEscape
	}
	if s[0] < '0' || s[0] > '9' {
		return s[0], 1, nil
	}
	base := 10
	if e == Octal {
		base = 8
	}
	if len(s) < 3 {
		return 0, 0, errEscape
	}
	value := 0
	for _, c := range []byte(s[:3]) {
		digit := int(c) - '0'
		if digit < 0 || digit >= base {
			return 0, 0, errEscape
		}
		value = value*base + digit
	}
	if value > 255 {
		return 0, 0, errEscape
	}
	return byte(value), 3, nil
}
