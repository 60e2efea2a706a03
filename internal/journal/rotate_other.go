//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package journal

import "os"

// rotate puts the file that f is aside. An open file cannot be renamed everywhere.
func rotate(f *os.File, path string) error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(path, path+".1")
}
