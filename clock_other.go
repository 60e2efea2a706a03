//go:build !linux

package solotick

import "time"

// systemClock has no clock that counts through suspend; held makes up for it.
func systemClock() clock {
	start := time.Now()
	return clock{elapsed: func() time.Duration { return time.Since(start) }, wall: time.Now, stops: true}
}
