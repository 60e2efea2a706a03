package zone

import (
	"fmt"
	"strings"
)

// wireName turns a name in presentation form (RFC 1035 section 5.1, with \. and \123) into its lower case wire form. The
// final dot may be missing.
func wireName(s string) (string, error) {
	bad := func(why string) (string, error) { return "", fmt.Errorf("name %q: %s", s, why) }
	if s == "." {
		return "\x00", nil
	}
	if s == "" {
		return bad("is empty")
	}
	var out, label []byte
	flush := func() string {
		switch {
		case len(label) == 0:
			return "has an empty label"
		case len(label) > 63:
			return "has a label over 63 octets"
		case len(out)+1+len(label) >= maxName:
			return "is over 255 octets"
		}
		out = append(append(out, byte(len(label))), label...)
		label = label[:0]
		return ""
	}
	text := s
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.':
			if why := flush(); why != "" {
				return bad(why)
			}
		case c == '\\':
			octet, n := unescape(text[i+1:])
			if n == 0 {
				return bad("has a bad escape")
			}
			label = append(label, octet)
			i += n
		case c <= ' ' || c >= 0x7F:
			return bad("has a character that must be written \\DDD")
		default:
			label = append(label, c)
		}
	}
	if len(label) > 0 {
		if why := flush(); why != "" {
			return bad(why)
		}
	}
	out = append(out, 0)
	lower(out)
	return string(out), nil
}

// unescape reads what follows a backslash: the octet meant, and how many characters that took; 0 if it is wrong.
func unescape(s string) (octet byte, n int) {
	if s == "" {
		return 0, 0
	}
	if !digit(s[0]) {
		return s[0], 1
	}
	if len(s) < 3 || !digit(s[1]) || !digit(s[2]) {
		return 0, 0
	}
	value := int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0')
	if value > 255 {
		return 0, 0
	}
	return byte(value), 3
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// textName is the presentation form of a wire name, for logs and errors.
func textName(name string) string {
	if len(name) <= 1 {
		return "."
	}
	var b strings.Builder
	for len(name) > 1 && len(name) > int(name[0]) {
		for _, c := range []byte(name[1 : 1+int(name[0])]) {
			switch {
			case c == '.' || c == '\\' || c == '"' || c == ';' || c == '(' || c == ')' || c == '@' || c == '$':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c <= ' ' || c >= 0x7F:
				fmt.Fprintf(&b, "\\%03d", c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('.')
		name = parent(name)
	}
	return b.String()
}
