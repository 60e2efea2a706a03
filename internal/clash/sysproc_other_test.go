//go:build !linux

package clash

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
