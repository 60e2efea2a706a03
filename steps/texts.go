package steps

import (
	"context"
	"errors"
	"fmt"

	"github.com/solotick/solotick/internal/expression"
)

// maxTexts is how large all texts of one step may be together: each of them may
// have as much as an expression may, and there can be thousands.
const maxTexts = 32 << 20

var errLarge = errors.New("its texts are larger than 32 MiB together")

// texts makes the texts of one step, until ctx ends.
type texts struct {
	ctx  context.Context
	vars map[string]any
	size int
	// eyes makes the texts for people: without secrets, and with what cannot be
	// worked out as it is written. Nil: they are made to be sent.
	eyes func(expression.Text) string
}

func (t *texts) words(text expression.Text) (s string, err error) {
	if err := t.grow(0); err != nil {
		return "", err
	}
	if t.eyes != nil {
		s = t.eyes(text)
	} else if s, err = text.Render(t.vars); err != nil {
		return "", err
	}
	return s, t.grow(len(s))
}

// value is what a text that is one expression is worth, with its type.
func (t *texts) value(text expression.Text) (any, error) {
	if err := t.grow(0); err != nil {
		return nil, err
	}
	if t.eyes == nil {
		return text.Value(t.vars)
	}
	shown := t.eyes(text)
	if v, err := text.Value(t.vars); err == nil && !text.Secret() && shown == text.Show(t.vars) {
		return v, nil
	}
	return shown, nil
}

// grow counts n bytes.
func (t *texts) grow(n int) error {
	if err := context.Cause(t.ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	if t.size += n; t.size > maxTexts {
		return errLarge
	}
	return nil
}
