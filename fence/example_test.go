package fence_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/solotick/solotick/fence"
)

// A service that books keeps out a run that was halted, taken over, and woke up.
func ExampleGuard_Do() {
	var guard fence.Guard
	book := func(fence int64, what string) error {
		return guard.Do(context.Background(), "ledger", fence, func() error {
			fmt.Println("booked", what)
			return nil
		})
	}
	_ = book(1795413935000, "the first run's")
	_ = book(1795413939000, "that of the agent that took over")
	err := book(1795413935000, "what the first one still had in hand")
	fmt.Println("refused as stale?", errors.Is(err, fence.ErrStale))
	// Output:
	// booked the first run's
	// booked that of the agent that took over
	// refused as stale? true
}
