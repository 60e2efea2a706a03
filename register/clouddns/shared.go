package clouddns

import (
	"context"

	"golang.org/x/sync/singleflight"
)

// shared is a thing that takes time to get, and that all who want it at the same
// time wait for together. Whoever waits no longer leaves it to the others: what
// gets it ends by its own time-out.
type shared[T any] struct{ group singleflight.Group }

func (s *shared[T]) get(ctx context.Context, fetch func() (T, error)) (T, error) {
	result := s.group.DoChan("", func() (any, error) { return fetch() })
	select {
	case r := <-result:
		return r.Val.(T), r.Err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
