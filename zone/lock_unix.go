//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package zone

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lockFile takes the lock at path for the life of the returned file, or of the process. It waits a second for one that is
// just ending.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || try == 100 {
			_ = f.Close() // nothing was written
			if errors.Is(err, syscall.EWOULDBLOCK) {
				err = errInUse
			}
			return nil, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}
