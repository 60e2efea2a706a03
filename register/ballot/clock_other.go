//go:build !linux

package ballot

import "time"

var started = time.Now()

// elapsed is the larger of what the monotonic clock and the wall clock say, as the
// first may stand still while the machine is suspended. A wall clock that is set
// ahead only ends an incarnation early.
func elapsed() time.Duration {
	now := time.Now()
	return max(now.Sub(started), now.Round(0).Sub(started.Round(0)))
}
