package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/register"
)

// A window is how agents see records through DNS: by the file's server, signed,
// since it never lags; when that does not answer, by the authoritative servers
// that the zone names, so that an agent without its register still sees them.
type window struct {
	primary, public *lookup.Lookup
}

func (s *service) window() (window, error) {
	primary, err := lookup.New(lookup.Config{Servers: []string{s.dns.Server}, Key: s.key, Timeout: s.dns.Timeout})
	if err != nil {
		return window{}, configFailure(err)
	}
	public, err := lookup.New(lookup.Config{Timeout: s.dns.Timeout})
	if err != nil {
		return window{}, configFailure(err)
	}
	return window{primary, public}, nil
}

// at is the look at the record of that name. What is read through an alias is no
// record that anybody could write.
func (w window) at(name string) look {
	return func(ctx context.Context) (register.Snapshot, error) {
		answer, err := w.primary.One(ctx, name)
		if err != nil {
			var other error
			if answer, other = w.public.One(ctx, name); other != nil {
				return register.Snapshot{}, fmt.Errorf("%w; nor do others tell: %w", err, other)
			}
		}
		if answer.Alias != "" {
			return register.Snapshot{}, errors.New("lookup: " + name + " is an alias of " + answer.Alias)
		}
		return register.Snapshot{Texts: answer.Texts, Time: answer.Time}, nil
	}
}
