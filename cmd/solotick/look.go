package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/register"
)

// look asks DNS for the record at name as agents do: the file's server, signed,
// since it never lags; when that does not answer, the authoritative servers that
// the zone names, so that an agent without its register still sees the record.
func (s *service) look(name string) look {
	return func(ctx context.Context) (register.Snapshot, error) {
		answer, err := s.primary.One(ctx, name)
		if err != nil {
			var other error
			if answer, other = s.public.One(ctx, name); other != nil {
				return register.Snapshot{}, fmt.Errorf("%w; nor do others: %w", err, other)
			}
		}
		if answer.Alias != "" {
			return register.Snapshot{}, errors.New(name + " is an alias of " + answer.Alias)
		}
		return register.Snapshot{Texts: answer.Texts, Time: answer.Time}, nil
	}
}

func (s *service) lookups() (err error) {
	s.primary, err = lookup.New(lookup.Config{Servers: []string{s.dns.Server}, Key: s.key, Timeout: s.dns.Timeout})
	if err == nil {
		s.public, err = lookup.New(lookup.Config{Timeout: s.dns.Timeout})
	}
	if err != nil {
		return configFailure(err)
	}
	return nil
}
