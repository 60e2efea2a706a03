package main

import "syscall"

// endWithParent has the kernel end a child when this process was killed before
// it could do so, and keeps the terminal's Ctrl-C from it.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
