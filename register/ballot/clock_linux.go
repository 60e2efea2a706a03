package ballot

import (
	"time"

	"golang.org/x/sys/unix"
)

// elapsed is a clock that counts on while the machine is suspended.
func elapsed() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(err) // the clock exists since Linux 2.6.39
	}
	return time.Duration(ts.Nano())
}
