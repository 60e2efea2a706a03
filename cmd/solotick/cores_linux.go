package main

import "golang.org/x/sys/unix"

// coresEnv, if it is set to anything, leaves cores to the system, for who has to
// look into one.
const coresEnv = "SOLOTICK_CORES"

// keepMemory keeps what this process holds, keys and tokens among it, out of cores
// and from other processes of the same user that would read its memory. It holds
// for this process alone: what a command of a job leaves behind is that command's
// affair, and a limit (RLIMIT_CORE) would be handed down to it, and is not asked
// where cores are piped into a program.
func keepMemory(env func(string) string) {
	if env(coresEnv) == "" {
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // cannot fail for 0
	}
}
