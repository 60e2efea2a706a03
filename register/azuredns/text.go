package azuredns

import (
	"fmt"
	"strings"
)

// maxString is how long a string of a TXT record may be (RFC 1035 section 3.3).
const maxString = 255

// encode returns a text as the strings of a TXT record that the API takes: without
// quotes, and with the escapes of RFC 1035 section 5.1 for a backslash and for what
// is no printable ASCII. None is longer than a string may be, escapes and all, and
// none ends within one.
func encode(text string) []string {
	var all []string
	var b strings.Builder
	for _, c := range []byte(text) {
		piece := string(rune(c))
		switch {
		case c == '\\':
			piece = `\\`
		case c < ' ' || c > '~':
			piece = fmt.Sprintf(`\%03d`, c)
		}
		if b.Len()+len(piece) > maxString {
			all = append(all, b.String())
			b.Reset()
		}
		b.WriteString(piece)
	}
	return append(all, b.String())
}

// decode is the text of a TXT record. A backslash that begins no escape is one.
func decode(values []string) string {
	var b strings.Builder
	for _, s := range values {
		for i := 0; i < len(s); i++ {
			octet, n := s[i], 0
			if octet == '\\' {
				octet, n = unescape(s[i+1:])
			}
			b.WriteByte(octet)
			i += n
		}
	}
	return b.String()
}

// unescape reads what follows a backslash: an octet, and how long it was.
func unescape(s string) (octet byte, n int) {
	switch {
	case s == "":
		return '\\', 0
	case s[0] < '0' || s[0] > '9':
		return s[0], 1
	case len(s) < 3 || s[:3] > "255":
		return '\\', 0
	}
	value := 0
	for _, c := range []byte(s[:3]) {
		if c < '0' || c > '9' {
			return '\\', 0
		}
		value = 10*value + int(c-'0')
	}
	return byte(value), 3
}
