//go:build unix

package main

import (
	"os"
	"slices"
	"syscall"
)

// ending are the signals that end a process that does nothing about them.
var ending = []syscall.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
}

// passedOn are all signals that a user or another program sends to a process on
// purpose, and that can be caught.
func passedOn() []os.Signal {
	all := []os.Signal{syscall.SIGCONT, syscall.SIGWINCH, syscall.SIGTSTP}
	for _, s := range ending {
		all = append(all, s)
	}
	return all
}

func endsProcesses(s syscall.Signal) bool { return slices.Contains(ending, s) }

// asPassedOn is what a command gets for a signal. The kernel lets nobody stop by
// Ctrl-Z who has no shell above to continue it, as a command in a session of its
// own, and so it is stopped outright.
func asPassedOn(s os.Signal) os.Signal {
	if s == syscall.SIGTSTP {
		return syscall.SIGSTOP
	}
	return s
}

// suspendWith halts this process too when Ctrl-Z has halted its command: the shell
// waits for this one. What is not renewed meanwhile is lost in time.
func suspendWith(s syscall.Signal) {
	if s == syscall.SIGTSTP {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
}
