package main

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// listens takes an agent.listen apart; host is empty where all addresses are meant.
func listens(at string) (host string, port int, ok bool) {
	host, text, err := net.SplitHostPort(at)
	if err != nil {
		return "", 0, false
	}
	if port, err = strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
		return "", 0, false
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		switch {
		case addr.IsUnspecified():
			host = ""
		case addr.Is6():
			host = "[" + host + "]"
		}
	}
	return host, port, true
}

// secretName makes a key of a Secret of the name of a file.
func secretName(file string) string {
	name := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-._", r)) {
			return r
		}
		return '-'
	}, file)
	if len(name) > 200 {
		name = name[:200]
	}
	if strings.Trim(name, ".") == "" || strings.HasPrefix(name, "..") {
		name = "file" + name
	}
	return name
}

// plainScalar is what means the same in YAML with quotes and without.
var (
	plainScalar = regexp.MustCompile(`^[A-Za-z_/][-A-Za-z0-9_./:@]*$`)
	keyword     = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null)$`)
)

// yamlScalar writes a text as YAML on one line.
func yamlScalar(text string) string {
	if plainScalar.MatchString(text) && !keyword.MatchString(text) && !strings.HasSuffix(text, ":") {
		return text
	}
	return strconv.Quote(text) // YAML knows every escape that Go writes of valid UTF-8
}

// blockScalar writes a text as YAML for people where that keeps every byte of it, at
// a key that is indented by so many spaces.
func blockScalar(text string, indent int) string {
	foreign := func(r rune) bool { return r != '\n' && r != '\t' && (!unicode.IsPrint(r) || r == '\uFEFF') }
	if strings.Trim(text, "\n") == "" || strings.ContainsFunc(text, foreign) {
		return yamlScalar(text)
	}
	head := "|"
	if text[0] == ' ' || text[0] == '\t' || text[0] == '\n' { // it would be taken for the indentation
		head = "|2"
	}
	switch body := strings.TrimRight(text, "\n"); len(text) - len(body) {
	case 0:
		head += "-"
	case 1:
	default:
		head += "+"
	}
	pad := "\n" + strings.Repeat(" ", indent+2)
	var b strings.Builder
	b.WriteString(head)
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if line == "" {
			b.WriteByte('\n')
			continue
		}
		b.WriteString(pad + line)
	}
	return b.String()
}
