package clash

import (
	"context"
	"math/rand/v2"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/registertest"
)

// An unlucky register has one in so many swaps go wrong: the request is lost, the
// reply is lost, or the request comes in front of a later operation.
type unlucky struct {
	*registertest.Faulty
	one int
}

func (u *unlucky) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	if rand.IntN(u.one) == 0 {
		u.Swaps([]registertest.Fault{registertest.Lose, registertest.Drop, registertest.Delay}[rand.IntN(3)])
	}
	if rand.IntN(2) == 0 {
		u.Land(ctx)
	}
	return u.Faulty.Swap(ctx, old, texts)
}
