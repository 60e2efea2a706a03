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
			if i+1 == len(text) {
				return bad("ends in a backslash")
			}
			if d := text[i+1:]; d[0] >= '0' && d[0] <= '9' {
				if len(d) < 3 || !digit(d[1]) || !digit(d[2]) {
					return bad("has a bad \\DDD escape")
				}
				n := int(d[0]-'0')*100 + int(d[1]-'0')*10 + int(d[2]-'0')
				if n > 255 {
					return bad("has a bad \\DDD escape")
				}
				label = append(label, byte(n))
				i += 3
				continue
			}
			label = append(label, text[i+1])
			i++
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
