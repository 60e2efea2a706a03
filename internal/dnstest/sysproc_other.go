//go:build !linux

package dnstest

import "syscall"

func endWithParent() *syscall.SysProcAttr { return nil }
