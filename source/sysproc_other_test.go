//go:build !linux

package source_test

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
