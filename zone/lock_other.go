//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package zone

import "os"

// lockFile takes no lock here: bbolt's own, on the database file, is what keeps a second process out.
func lockFile(path string) (*os.File, error) { return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) }
