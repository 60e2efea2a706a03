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
	eyes bool // for people: without secrets, and with what cannot be worked out as it is written
	size int
}

func (t *texts) words(text expression.Text) (s string, err error) {
	if err := t.grow(0); err != nil {
		return "", err
	}
	if t.eyes {
		s = text.Show(t.vars)
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
	v, err := text.Value(t.vars)
	if t.eyes && (err != nil || text.Secret()) {
		return text.Show(t.vars), nil
	}
	return v, err
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
