package dnstest

import "syscall"

// endWithParent makes the kernel end the server when this process is killed
// before it could clean up.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
