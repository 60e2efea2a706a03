package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A file is read whole each time. Replace it by renaming another one to its name:
// a file that is being written reads as a part of itself.
type file struct {
	path string
	max  int64
}

func (f *file) String() string { return f.path }
func (f *file) close()         {}

func (f *file) read(_ context.Context, suffix string, _ validator) (reading, error) {
	text, err := f.load(f.path + suffix)
	var named *fs.PathError
	if errors.As(err, &named) {
		err = named.Err // the path is said already
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return reading{text: text}, err
}

func (f *file) load(path string) ([]byte, error) {
	// Before it is opened: to open a pipe is to wait for somebody who writes.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a file (%s)", info.Mode().Type())
	}
	opened, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	text, err := io.ReadAll(io.LimitReader(opened, f.max+1))
	if err == nil && int64(len(text)) > f.max {
		return nil, tooLarge(f.max)
	}
	return text, err
}

func tooLarge(limit int64) error {
	return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
}
