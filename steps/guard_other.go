//go:build unix && !linux

package steps

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// boot reads the monotonic clock that all processes share, in nanoseconds. It
// counts through sleep on macOS; where it does not, a sleep of the machine
// during a run lengthens the run.
func boot() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail for a valid clock
	return t.Nano()
}

// An alarm ticks at a reading of boot, and up to a second late after a sleep.
type alarm struct {
	C     <-chan time.Time
	timer *time.Timer
}

func newAlarm() (*alarm, error) {
	t := time.NewTimer(time.Second)
	return &alarm{C: t.C, timer: t}, nil
}

func (a *alarm) set(at int64) {
	a.timer.Reset(min(time.Duration(max(at-boot(), 0)), time.Second))
}

func adoptOrphans() {}

// hideDescriptors keeps the pipe of reports, and the number of its input, from the
// command.
func hideDescriptors() {
	unix.CloseOnExec(3)
	unix.CloseOnExec(4)
}

// heldOutput has no portable way to open the other end of a pipe: a command that
// prints after its agent has died gets SIGPIPE.
func heldOutput() []*os.File { return nil }

func jobAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// groupAlive says whether the process group has members.
func groupAlive(leader int) bool {
	return !errors.Is(syscall.Kill(-leader, 0), syscall.ESRCH)
}

// A proc is one process.
type proc struct{ pid, group int }

// descendants finds none: there is no portable way to ask.
func descendants(int) []proc { return nil }

func killUnder(int) {}

func selfPath() (string, error) { return os.Executable() }

func memoryFile() (*os.File, string) { return nil, "" }

// ownCores has nothing to give back: no limit was changed.
func ownCores() *uint64 { return nil }

func limitCores(uint64) {}
