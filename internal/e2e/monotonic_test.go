package e2e

import (
	"fmt"
	"os"
	"testing"
)

// monotonic reads the clock by which systemd tells times, in µs, as far as /proc tells
// it: to 10 ms, and it counts through suspend, which no test has.
func monotonic(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	var seconds, hundredths int64
	if _, err := fmt.Sscanf(string(text), "%d.%d", &seconds, &hundredths); err != nil {
		t.Fatal(err)
	}
	return seconds*1_000_000 + hundredths*10_000
}
