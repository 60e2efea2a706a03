//go:build unix

package main

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// gone waits until nobody reads what is written to f any more, or ctx ends: who
// writes seldom would learn of that late.
func gone(ctx context.Context, f *os.File) {
	c, err := f.SyscallConn()
	for over := false; err == nil && !over && ctx.Err() == nil; {
		err = c.Control(func(fd uintptr) {
			p := []unix.PollFd{{Fd: int32(fd)}}
			_, _ = unix.Poll(p, 500) // an error is one for now, or one that the next write meets
			over = p[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0
		})
	}
}
