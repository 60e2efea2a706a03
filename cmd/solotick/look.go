package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/register"
)

// A window is how agents see records through DNS: by the servers that the file
// names, with rfc2136 signed, since that one never lags; when these do not answer
// or there are none, by the authoritative servers that the zone names, so that an
// agent without its register still sees them.
type window struct {
	primary, public *lookup.Lookup
}

func (s *service) window() (window, error) {
	timeout := min(s.dns.Timeout, lookup.DefaultTimeout)
	public, err := lookup.New(lookup.Config{Timeout: timeout})
	if err != nil {
		return window{}, configFailure(err)
	}
	servers := outside(&s.dns)
	if len(servers) == 0 {
		return window{public, public}, nil
	}
	primary, err := lookup.New(lookup.Config{Servers: servers, Key: s.key, Timeout: timeout})
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
		if err != nil && w.public != w.primary {
			var other error
			if answer, other = w.public.One(ctx, name); other != nil {
				return register.Snapshot{}, fmt.Errorf("%w; nor do others tell: %w", err, other)
			}
			err = nil
		}
		if err != nil {
			return register.Snapshot{}, err
		}
		if answer.Alias != "" {
			return register.Snapshot{}, errors.New("lookup: " + name + " is an alias of " + answer.Alias)
		}
		return register.Snapshot{Texts: answer.Texts, Time: answer.Time}, nil
	}
}
