//go:build !linux

package dnstest

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }

// stopped cannot tell here.
func stopped(int) bool { return true }
