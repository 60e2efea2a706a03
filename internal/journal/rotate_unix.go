//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package journal

import (
	"os"
	"syscall"
)

// rotate puts the file that f is aside, unless another process has just done so: that
// would put a new file in the place of the one that was just filled. Who appends to a
// file holds it open, so that its lock is one for all of them; it goes with f.
func rotate(f *os.File, path string) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(mine, there) {
		return nil
	}
	return os.Rename(path, path+".1")
}
