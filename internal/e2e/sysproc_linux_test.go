package e2e

import "syscall"

// endWithParent has the kernel end a process when the test binary is killed.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
