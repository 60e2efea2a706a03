//go:build !unix

package main

import (
	"os"
	"syscall"
)

// A console's Ctrl-C reaches a command by itself.
func passedOn() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

func endsProcesses(syscall.Signal) bool { return true }

func asPassedOn(s os.Signal) os.Signal { return s }

func suspendWith(syscall.Signal) {}
