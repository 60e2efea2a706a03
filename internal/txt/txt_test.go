package txt_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solotick/solotick/internal/txt"
)

// everyOctet is a text with each octet there is.
func everyOctet() string {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return string(all)
}

// escapes are the ways to write an octet, with a name for tests.
var escapes = map[string]txt.Escape{"decimal": txt.Decimal, "octal": txt.Octal}

func TestRoundTrip(t *testing.T) {
	texts := map[string]string{
		"empty":       "",
		"a record":    `{"id":"VDNDNQNWQY","timer":1641903970,"timerold":1641903910}`,
		"spaces":      "  before, between   and after  ",
		"specials":    `quotes " "" and backslash \ \\ \" \065 \`,
		"zone file":   "a;semicolon (parenthesis) $ @ # = , %\ttab\nline",
		"every octet": everyOctet(),
		"UTF-8":       "für Ünï, ✓",
		"254":         strings.Repeat("x", 254),
		"255":         strings.Repeat("x", 255),
		"256":         strings.Repeat("x", 256),
		"512":         strings.Repeat("0123456789abcdef", 32),
		"65535":       strings.Repeat("\xff", 65535),
	}
	for name, text := range texts {
		for by, e := range escapes {
			t.Run(name+" "+by, func(t *testing.T) {
				quoted := txt.Quote(text, e)
				for _, c := range []byte(quoted) {
					if c < ' ' || c > '~' {
						t.Fatalf("%q has the octet %#x, which is no printable ASCII", quoted, c)
					}
				}
				got, err := txt.Unquote(quoted, e)
				if err != nil || got != text {
					t.Errorf("%.60s: got %.60q, error %v; want %.60q", quoted, got, err, text)
				}
			})
		}
	}
	for i := range 256 {
		text := string([]byte{byte(i)})
		for by, e := range escapes {
			if got, err := txt.Unquote(txt.Quote(text, e), e); err != nil || got != text {
				t.Errorf("octet %#x, %s: got %q, error %v", i, by, got, err)
			}
		}
	}
}

func TestQuote(t *testing.T) {
	for _, c := range []struct{ text, decimal, octal string }{
		{"", `""`, `""`},
		{"plain", `"plain"`, `"plain"`},
		{`say "yes" \ no`, `"say \"yes\" \\ no"`, `"say \"yes\" \\ no"`},
		{"\x00\t\x7f\xff", `"\000\009\127\255"`, `"\000\011\177\377"`},
		{" ~", `" ~"`, `" ~"`},
		{strings.Repeat("a", 255), `"` + strings.Repeat("a", 255) + `"`, `"` + strings.Repeat("a", 255) + `"`},
		{strings.Repeat("a", 256), `"` + strings.Repeat("a", 255) + `" "a"`, `"` + strings.Repeat("a", 255) + `" "a"`},
	} {
		if got := txt.Quote(c.text, txt.Decimal); got != c.decimal {
			t.Errorf("%.30q: decimal %s, want %s", c.text, got, c.decimal)
		}
		if got := txt.Quote(c.text, txt.Octal); got != c.octal {
			t.Errorf("%.30q: octal %s, want %s", c.text, got, c.octal)
		}
	}
}

func TestUnquote(t *testing.T) {
	for _, c := range []struct {
		value, decimal, octal string
		// The error, with each kind of escapes; empty: none.
		decimalError, octalError string
	}{
		{value: `""`},
		{value: `"one"`, decimal: "one", octal: "one"},
		{value: `one`, decimal: "one", octal: "one"},
		{value: `"one""two"`, decimal: "onetwo", octal: "onetwo"},
		{value: "\t\"one\" \t two  \"three\" ", decimal: "onetwothree", octal: "onetwothree"},
		{value: `one\ two`, decimal: "one two", octal: "one two"},
		{value: `"a\"b\\c\;d"`, decimal: `a"b\c;d`, octal: `a"b\c;d`},
		{value: `"\065"`, decimal: "A", octal: "5"},
		{value: `"\101"`, decimal: "e", octal: "A"},
		{value: `"\377"`, decimalError: "an escape that means no octet", octal: "\xff"},
		{value: `"\255"`, decimal: "\xff", octal: "\xad"},
		{value: `"\256"`, decimalError: "an escape that means no octet", octal: "\xae"},
		{value: `"\089"`, decimal: "Y", octalError: "an escape that means no octet"},
		{value: `"\400"`, decimalError: "an escape that means no octet", octalError: "an escape that means no octet"},
		{value: `"\0x1"`, decimalError: "an escape that means no octet", octalError: "an escape that means no octet"},
		{value: `"\06"`, decimalError: "an escape that means no octet", octalError: "an escape that means no octet"},
		{value: `one\`, decimalError: "an escape that means no octet", octalError: "an escape that means no octet"},
		{value: `"one`, decimalError: "a quote that is not closed", octalError: "a quote that is not closed"},
		{value: `one" two`, decimalError: "a quote that is not closed", octalError: "a quote that is not closed"},
		{value: `"one\"`, decimalError: "a quote that is not closed", octalError: "a quote that is not closed"},
		{value: "", decimalError: "no character string", octalError: "no character string"},
		{value: " \t ", decimalError: "no character string", octalError: "no character string"},
	} {
		check := func(e txt.Escape, want, wantError string) {
			got, err := txt.Unquote(c.value, e)
			failed := ""
			if err != nil {
				failed = err.Error()
			}
			if got != want || failed != wantError {
				t.Errorf("%s, escape %d: got %q and error %q, want %q and %q", c.value, e, got, failed, want, wantError)
			}
		}
		check(txt.Decimal, c.decimal, c.decimalError)
		check(txt.Octal, c.octal, c.octalError)
	}
}

func TestStrings(t *testing.T) {
	for _, c := range []struct {
		octets int
		want   []int
	}{
		{0, []int{0}}, {1, []int{1}}, {255, []int{255}}, {256, []int{255, 1}}, {510, []int{255, 255}}, {512, []int{255, 255, 2}},
	} {
		text := strings.Repeat("y", c.octets)
		parts := txt.Strings(text)
		var got []int
		for _, part := range parts {
			got = append(got, len(part))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%d octets (-want +got):\n%s", c.octets, diff)
		}
		if strings.Join(parts, "") != text {
			t.Errorf("%d octets are not those that went in", c.octets)
		}
	}
}

// FuzzQuote holds that what is quoted comes back, and that no character string is
// too long.
func FuzzQuote(f *testing.F) {
	f.Add("", false)
	f.Add(`{"id":"A"}`, true)
	f.Add(everyOctet(), true)
	f.Add(strings.Repeat(`\"`, 300), false)
	f.Fuzz(func(t *testing.T, text string, octal bool) {
		e := txt.Decimal
		if octal {
			e = txt.Octal
		}
		got, err := txt.Unquote(txt.Quote(text, e), e)
		if err != nil || got != text {
			t.Errorf("%q came back as %q, error %v", text, got, err)
		}
		if slices.ContainsFunc(txt.Strings(text), func(s string) bool { return len(s) > 255 }) {
			t.Errorf("%q is split into strings that are too long", text)
		}
	})
}

// FuzzUnquote holds that whatever a service returns is refused, or a text that
// means the same when it is quoted anew.
func FuzzUnquote(f *testing.F) {
	for _, value := range []string{`"one" "two"`, `bare\032word`, `"\"`, `\`, `"\377\400"`, "\"a\nb\"", `""`, `"a"b"c"`} {
		f.Add(value, false)
		f.Add(value, true)
	}
	f.Fuzz(func(t *testing.T, value string, octal bool) {
		e := txt.Decimal
		if octal {
			e = txt.Octal
		}
		text, err := txt.Unquote(value, e)
		if err != nil {
			if text != "" {
				t.Errorf("%q: a text %q beside the error %v", value, text, err)
			}
			return
		}
		again, err := txt.Unquote(txt.Quote(text, e), e)
		if err != nil || again != text {
			t.Errorf("%q is %q, and then %q, error %v", value, text, again, err)
		}
	})
}
