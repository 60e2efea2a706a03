//go:build !windows

package main

import (
	"context"
	"io"
)

// asService is for Windows: elsewhere a service is a process like any other.
func asService(func(context.Context, []string, io.Reader, io.Writer, io.Writer) int) (code int, is bool) {
	return 0, false
}
