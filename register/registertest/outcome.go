package registertest

import (
	"errors"
	"strings"

	"github.com/solotick/solotick/register"
)

// Outcome is what an error of a register means to whoever swaps: "done" for none,
// "conflict", "uncertain", "refused", or "not applied" if it is none of these. An error that is
// several of them at once is a mistake, and all are named.
func Outcome(err error) string {
	var all []string
	for _, one := range []struct {
		is   error
		name string
	}{{register.ErrConflict, "conflict"}, {register.ErrUncertain, "uncertain"}, {register.ErrRefused, "refused"}} {
		if errors.Is(err, one.is) {
			all = append(all, one.name)
		}
	}
	switch {
	case err == nil:
		return "done"
	case len(all) == 0:
		return "not applied"
	}
	return strings.Join(all, " and ")
}
