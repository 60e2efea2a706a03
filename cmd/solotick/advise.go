package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/solotick/solotick/register"
)

// An adviser adds to a log line what to do about its error, if that is known: whoever
// reads the log of an agent has not asked for it by a command that says so.
type adviser struct{ slog.Handler }

func (h adviser) WithAttrs(attrs []slog.Attr) slog.Handler {
	return adviser{h.Handler.WithAttrs(attrs)}
}

func (h adviser) WithGroup(name string) slog.Handler { return adviser{h.Handler.WithGroup(name)} }

func (h adviser) Handle(ctx context.Context, r slog.Record) error {
	var do string
	if r.Level >= slog.LevelWarn {
		r.Attrs(func(a slog.Attr) bool {
			if err, ok := a.Value.Any().(error); ok && a.Key == "err" {
				do = advised(err)
			}
			return do == ""
		})
	}
	if do != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("to_do", do))
	}
	return h.Handler.Handle(ctx, r)
}

// advised is what to do about err; empty: nobody knows.
func advised(err error) string {
	if do, ok := register.Remedy(err); ok {
		return do
	}
	if f := new(failure); errors.As(err, &f) {
		return f.do
	}
	return ""
}
