//go:build !unix

package command

import (
	"os"
	"syscall"
)

// ownGroup does nothing: only the program itself is killed here.
func ownGroup() *syscall.SysProcAttr { return nil }

func killGroup(p *os.Process) error { return p.Kill() }
