package notify

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A Secret is what nobody else may know: a token, a password, or a URL that lets
// whoever has it post. However it is printed or logged, it shows ***, or nothing
// if it is empty.
type Secret struct {
	// A pointer, since fmt shows the fields of what it cannot print otherwise
	// without asking any method.
	text *string
}

// NewSecret hides a text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// IsZero says whether there is nothing to hide.
func (s Secret) IsZero() bool { return s.text == nil }

func (s Secret) reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

func (s Secret) shown() string {
	if s.text == nil {
		return ""
	}
	return "***"
}

// Format prints ***, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.shown()) }

// LogValue is *** in a log.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.shown()) }

// MarshalText is *** in JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

// scrub takes secrets out of a text that others wrote: a server may repeat what
// it was sent, and a library the URL that it was given.
func scrub(text string, secrets ...Secret) string {
	var parts []string
	for _, s := range secrets {
		parts = append(parts, pieces(s.reveal())...)
	}
	return without(text, parts)
}

// without replaces every part, in any case of letters, by ***.
func without(text string, parts []string) string {
	if len(parts) == 0 {
		return text
	}
	slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // what holds another comes first
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile("(?i)"+strings.Join(parts, "|")).ReplaceAllLiteralString(text, "***")
}

// pieces are a secret and, of a URL, what of it is secret: all but its scheme
// and host. What is shorter than four characters hides nothing, and would be
// found in any text.
func pieces(secret string) []string {
	parts := []string{secret}
	if u, err := url.Parse(secret); err == nil && u.Host != "" {
		_, rest, _ := strings.Cut(secret, "://")
		before, rest, hasUser := strings.Cut(rest, "@")
		if !hasUser {
			before, rest = "", before
		}
		parts = append(parts, split(before)...)
		if plain, err := url.PathUnescape(before); err == nil && hasUser {
			parts = append(parts, base64.StdEncoding.EncodeToString([]byte(plain))) // as it is sent
		}
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			parts = append(parts, rest[i:])
			parts = append(parts, split(rest[i:])...)
		}
	}
	return long(parts)
}

// split returns what stands between the delimiters of a URL, as it is written
// and as it is meant.
func split(s string) []string {
	var parts []string
	for _, p := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("/?&=:@#;,+", r) }) {
		parts = append(parts, p)
		if plain, err := url.QueryUnescape(p); err == nil && plain != p {
			parts = append(parts, plain)
		}
	}
	return parts
}

func long(parts []string) []string {
	return slices.DeleteFunc(parts, func(p string) bool { return len(p) < 4 })
}
