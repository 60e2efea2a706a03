//go:build !unix

package main

import (
	"context"
	"os"
)

// gone waits until ctx ends. That nobody reads is told by the next write.
func gone(ctx context.Context, _ *os.File) { <-ctx.Done() }
