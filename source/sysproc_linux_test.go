package source_test

import "syscall"

// endWithParent makes the kernel end a server when the tests are killed.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
