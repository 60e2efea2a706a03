//go:build !linux

package main

import "time"

// monotonic reads nothing where there is no systemd.
func monotonic() time.Duration { return 0 }
