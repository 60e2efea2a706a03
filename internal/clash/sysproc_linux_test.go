package clash

import "syscall"

// endWithParent has the kernel end a process whose parent is gone.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
