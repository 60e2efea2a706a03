package route53

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// wireName is a name as Route 53 writes it: absolute, in lower case, and with a
// backslash and three octal digits for every octet that is no letter, digit,
// hyphen, underscore or dot between labels (its Developer Guide, "DNS domain name
// format"). The name has been through dnsmsg.Absolute, whose escapes are decimal.
func wireName(absolute string) string {
	var b strings.Builder
	for i := 0; i < len(absolute); i++ {
		c := absolute[i]
		if c != '\\' {
			writeOctet(&b, c, true)
			continue
		}
		if n, err := strconv.ParseUint(absolute[i+1:min(i+4, len(absolute))], 10, 8); err == nil && i+4 <= len(absolute) {
			writeOctet(&b, byte(n), false)
			i += 3
			continue
		}
		writeOctet(&b, absolute[i+1], false)
		i++
	}
	return b.String()
}

func writeOctet(b *strings.Builder, c byte, dot bool) {
	switch {
	case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && dot:
		b.WriteByte(c)
	default:
		fmt.Fprintf(b, `\%03o`, c)
	}
}

// sameName says whether the service means a name by its own spelling of it.
func sameName(name, theirs string) bool {
	return strings.EqualFold(strings.TrimSuffix(name, "."), strings.TrimSuffix(theirs, "."))
}

// sortKey is what Route 53 sorts a name by: its labels reversed, with the final dot,
// which some characters come before.
func sortKey(name string) string {
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(name), "."), ".")
	for i, label := range labels {
		labels[i] = octets(label)
	}
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "."
}

// octets is a label without escapes.
func octets(label string) string {
	if !strings.Contains(label, `\`) {
		return label
	}
	var b strings.Builder
	for i := 0; i < len(label); i++ {
		if i+4 <= len(label) && label[i] == '\\' {
			if n, err := strconv.ParseUint(label[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(label[i])
	}
	return b.String()
}

// before is what stands before the name that a message of the service is about.
// Other names in it are those of the zone.
var before = []string{"name='", "name ", "set "}

// mentions says whether a message of the service is about a name.
func mentions(message, name string) bool {
	message = strings.ToLower(message)
	return slices.ContainsFunc(before, func(words string) bool {
		for rest, found := message, true; ; {
			if _, rest, found = strings.Cut(rest, words+name); !found {
				return false
			}
			if rest == "" || !inName(rest[0]) {
				return true
			}
		}
	})
}

func inName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte(`-_.\*`, c) >= 0
}
