package register

import (
	"fmt"
	"log/slog"
)

const hidden = "***"

// A Secret is a text that prints as "***", however it is printed, logged or
// marshalled. Only [Secret.Reveal] gives it away. The zero Secret is empty.
type Secret struct {
	// A pointer, since fmt shows the fields of a struct that is itself in an
	// unexported field without asking any method.
	text *string
}

// NewSecret hides a text.
func NewSecret(text string) Secret { return Secret{text: &text} }

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero says whether there is nothing to hide.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal says whether two secrets are the same text.
func (s Secret) Equal(t Secret) bool { return s.Reveal() == t.Reveal() }

// String returns "***".
func (Secret) String() string { return hidden }

// GoString returns "***".
func (Secret) GoString() string { return hidden }

// Format prints "***" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalJSON returns "***" as JSON.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// MarshalText returns "***".
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalYAML returns "***".
func (Secret) MarshalYAML() (any, error) { return hidden, nil }

// LogValue returns "***".
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
