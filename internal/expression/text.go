package expression

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Text is a text with expressions between {{ and }}. The zero Text is empty. It
// is safe for concurrent use, and prints as [Text.Show] has it.
type Text struct {
	// A function, since fmt shows what is behind a pointer, and the fields of what
	// is itself in an unexported field, without asking any method.
	parts func() []part
}

func textOf(parts []part) Text {
	if len(parts) == 0 {
		return Text{}
	}
	return Text{func() []part { return parts }}
}

func (t Text) all() []part {
	if t.parts == nil {
		return nil
	}
	return t.parts()
}

// Format prints the text without its secrets.
func (t Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.Show(nil))) }

// A part is an expression, or a piece of text that may be secret.
type part struct {
	text    string
	secret  bool
	program *Program
}

// A Literal turns a piece of text between expressions into what it stands for,
// some of which may be secret.
type Literal func(piece string) ([]Piece, error)

// A Piece is a part of a text without expressions.
type Piece struct {
	Text   string
	Secret bool
}

// Text compiles a text. Pieces between expressions go through literal, if there
// is one: what it returns is never taken for an expression. The error is an
// [*Error], or literal's.
func (c *Compiler) Text(source string, literal Literal) (Text, error) {
	var parts []part
	for at := 0; at < len(source); {
		piece, inner, next := cut(source[at:])
		if piece != "" {
			pieces := []Piece{{Text: piece}}
			if literal != nil {
				var err error
				if pieces, err = literal(piece); err != nil {
					return Text{}, err
				}
			}
			for _, p := range pieces {
				parts = append(parts, part{text: p.Text, secret: p.Secret})
			}
		}
		from := at + len(piece) + len("{{")
		switch {
		case next == 0:
			return textOf(parts), nil
		case next < 0:
			e := &Error{Message: "{{ without }}", Hint: `write {{ "{{" }} for the two characters themselves`}
			return Text{}, shifted(e, source[:from-len("{{")])
		}
		p, err := c.Value(inner)
		if err != nil {
			return Text{}, shifted(err, source[:from])
		}
		parts = append(parts, part{program: p})
		at += next
	}
	return textOf(parts), nil
}

// shifted moves the place of an error from an expression to the text around it.
func shifted(err error, before string) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	moved := *e
	line := strings.Count(before, "\n")
	if moved.Line <= 1 {
		moved.Column = max(moved.Column, 1) + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	}
	moved.Line = max(moved.Line, 1) + line
	return &moved
}

// cut returns what is before the first {{, what is between it and its }}, and
// where the rest begins; 0: there is none, negative: it does not end.
func cut(s string) (piece, inner string, next int) {
	piece, rest, ok := strings.Cut(s, "{{")
	if !ok {
		return piece, "", 0
	}
	depth, quote := 0, byte(0)
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case quote != 0 && c == '\\' && quote != '`':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"', c == '\'', c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == '}' && strings.HasPrefix(rest[i:], "}}"):
			return piece, rest[:i], len(piece) + len("{{") + i + len("}}")
		}
	}
	return piece, "", -1
}

// Static makes a text without expressions.
func Static(text string) Text { return textOf([]part{{text: text}}) }

// Hidden makes a text without expressions that is a secret.
func Hidden(text string) Text { return textOf([]part{{text: text, secret: true}}) }

// MarshalText returns the text without its secrets.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.Show(nil)), nil }

// IsZero says whether there is nothing in it at all.
func (t Text) IsZero() bool { return t.parts == nil }

// Secret says whether a part of the text is a secret.
func (t Text) Secret() bool { return t.Secrets() != nil }

// Secrets are the secrets in the text.
func (t Text) Secrets() (all []string) {
	for _, p := range t.all() {
		if p.secret {
			all = append(all, p.text)
		}
	}
	return all
}

// Expressions are the expressions in the text, as they are written.
func (t Text) Expressions() []string {
	var all []string
	for _, p := range t.all() {
		if p.program != nil {
			all = append(all, p.program.source)
		}
	}
	return all
}

// Constant returns the text if it has no expressions.
func (t Text) Constant() (string, bool) {
	var b strings.Builder
	for _, p := range t.all() {
		if p.program != nil {
			return "", false
		}
		b.WriteString(p.text)
	}
	return b.String(), true
}

// Render returns the text with the values of its expressions.
func (t Text) Render(vars map[string]any) (string, error) { return t.render(vars, false) }

// Show is Render for people's eyes: secrets are ***, and what cannot be evaluated
// stands as it is written; with nil for vars, all of it.
func (t Text) Show(vars map[string]any) string {
	s, _ := t.render(vars, true)
	return s
}

func (t Text) render(vars map[string]any, forEyes bool) (string, error) {
	var b strings.Builder
	a := newAccount()
	for _, p := range t.all() {
		switch {
		case p.program == nil && p.secret && forEyes:
			b.WriteString("***")
		case p.program == nil:
			b.WriteString(p.text)
		case vars == nil && forEyes:
			b.WriteString("{{" + p.program.source + "}}")
		default:
			v, err := p.program.eval(vars, a)
			text := ""
			if err == nil {
				text, err = a.string(v)
			}
			if err != nil && !forEyes {
				return "", err
			}
			if err != nil {
				text = "{{" + p.program.source + "}}"
			}
			b.WriteString(text)
		}
		if b.Len() > maxBytes {
			return "", errSize
		}
	}
	return b.String(), nil
}

// Value is the value of a text that is one expression and nothing else, with its
// type; of any other text what Render returns.
func (t Text) Value(vars map[string]any) (any, error) {
	if all := t.all(); len(all) == 1 && all[0].program != nil {
		v, err := all[0].program.Eval(vars)
		if err != nil {
			return nil, err
		}
		return newAccount().any(v) // parts that are shared are written as often
	}
	return t.Render(vars)
}

// show is a value as a text has it.
func show(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.Format(time.RFC3339)
	case fmt.Stringer:
		return v.String()
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
