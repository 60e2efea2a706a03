package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"aead.dev/minisign"
)

// minisig is what minisign appends to the name of a file for its signature.
const minisig = ".minisig"

// trust says why a text is not to be believed.
func (s *Source) trust(ctx context.Context, doc Document) error {
	if s.pin != "" && doc.SHA256 != s.pin {
		return fmt.Errorf("%w: its sha256 is %s and not %s", ErrUntrusted, doc.SHA256, s.pin)
	}
	if s.key == nil {
		return nil
	}
	r, err := s.place.read(ctx, minisig, validator{})
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("%w: it has no signature beside it (%s): %v", ErrUntrusted, minisig, err)
	case err != nil:
		return fmt.Errorf("its signature (%s): %w", minisig, err)
	}
	var signature minisign.Signature
	if err := signature.UnmarshalText(bytes.TrimSpace(r.text)); err != nil {
		return fmt.Errorf("%w: what lies at its name with %s is no signature of minisign", ErrUntrusted, minisig)
	}
	if signature.KeyID != s.key.ID() {
		return fmt.Errorf("%w: it is signed by key %016X and not by %016X", ErrUntrusted, signature.KeyID, s.key.ID())
	}
	// Both kinds of signature: prehashed, as minisign writes them since 0.10,
	// and the legacy one.
	if !minisign.Verify(*s.key, doc.Text, bytes.TrimSpace(r.text)) {
		return fmt.Errorf("%w: its signature is of another text, or text and signature were just being replaced", ErrUntrusted)
	}
	return nil
}
