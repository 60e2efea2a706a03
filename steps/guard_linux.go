package steps

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// boot reads the clock of deadlines, in nanoseconds: it counts through suspend
// and is one for all processes.
func boot() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // cannot fail for a valid clock
	return t.Nano()
}

// An alarm ticks at a reading of boot, at once after a suspend that went beyond it.
type alarm struct {
	C    <-chan struct{}
	file *os.File
	fd   int
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	c := make(chan struct{}, 1)
	a := &alarm{C: c, file: os.NewFile(uintptr(fd), "alarm"), fd: fd}
	go func() {
		buf := make([]byte, 8)
		for {
			if _, err := a.file.Read(buf); err != nil {
				return
			}
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}()
	return a, nil
}

func (a *alarm) set(at int64) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(at, 1))} // 0 would switch it off
	_ = unix.TimerfdSettime(a.fd, unix.TFD_TIMER_ABSTIME, &spec, nil)
}

// adoptOrphans makes descendants that lose their parent ours, wherever they went.
func adoptOrphans() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// hideDescriptors keeps whatever this process inherited from the command.
func hideDescriptors() {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) != nil {
		unix.CloseOnExec(3) // before Linux 5.11: at least ours
		unix.CloseOnExec(4)
	}
}

// heldOutput opens the reading ends of the pipes that are the command's output.
func heldOutput() []*os.File {
	var held []*os.File
	for _, fd := range []string{"1", "2"} {
		// Opened anew, since the agent's own ends are not ours to change.
		f, err := os.OpenFile("/proc/self/fd/"+fd, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			held = append(held, f)
		}
	}
	return held
}

// jobAttr has the kernel kill the command's main process if the guard dies.
func jobAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// groupAlive has nothing to add where every orphan comes back to the guard.
func groupAlive(int) bool { return false }

// A proc is one process as /proc shows it.
type proc struct {
	pid, parent, group, session int

	name  string
	ended bool // and was not waited for yet
}

// processes lists what is alive; nil if /proc cannot be read.
func processes() []proc {
	return slices.DeleteFunc(allProcesses(), func(p proc) bool { return p.ended })
}

// allProcesses lists those that have ended, too.
func allProcesses() []proc {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var all []proc
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it ended meanwhile
		}
		// pid (name) state ppid pgrp session ...; the name may hold anything.
		begin, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		if begin < 0 || end < begin {
			continue
		}
		p := proc{pid: pid, name: string(stat[begin+1 : end])}
		stat = stat[end+1:]
		var state string
		if _, err := fmt.Sscan(string(stat), &state, &p.parent, &p.group, &p.session); err != nil || state == "X" {
			continue
		}
		p.ended = state == "Z"
		all = append(all, p)
	}
	return all
}

// descendants lists the children of a process and theirs, as far as they are alive.
func descendants(root int) []proc {
	children := make(map[int][]proc)
	for _, p := range processes() {
		children[p.parent] = append(children[p.parent], p)
	}
	var found []proc
	for queue := children[root]; len(queue) > 0; queue = queue[1:] {
		found = append(found, queue[0])
		queue = append(queue, children[queue[0].pid]...)
	}
	return found
}

// killUnder kills everything under a guard that has not been waited for yet, so
// that its number is nobody else's: its descendants while it lives, and its
// session, which stays together when it is dead.
func killUnder(guard int) {
	for _, p := range descendants(guard) {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	for _, p := range processes() {
		if p.session == guard && p.pid != guard {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
}

// guardName is what the kernel calls a process that was started by selfPath.
const guardName = "exe"

// selfPath is the running binary, also after its file was replaced.
func selfPath() (string, error) {
	const self = "/proc/self/" + guardName
	if _, err := os.Stat(self); err == nil {
		return self, nil
	}
	return os.Executable()
}

// memoryFile is a file where there is no place for one, and a name for it.
func memoryFile() (*os.File, string) {
	fd, err := unix.MemfdCreate("solotick-state", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, ""
	}
	letOpen()
	return os.NewFile(uintptr(fd), "state"), fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)
}

// cores is what letOpen has changed: the soft limit that this process was started with;
// nil: it has it still.
var cores struct {
	sync.Mutex
	before *uint64
}

// letOpen lets other processes of this user open what this one has open, by its
// name in /proc. The kernel allows that for no process that leaves no core; one that
// was told to leave none gets a limit instead that comes to the same: 1, which is
// less than any core has, and of which core(5) says that it also ends those that are
// piped into a program. Commands are given back the limit that was there before.
func letOpen() {
	cores.Lock()
	defer cores.Unlock()
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || dumpable != 0 {
		return
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) != nil {
		return
	}
	before := limit.Cur
	limit.Cur = min(limit.Max, 1)
	if unix.Setrlimit(unix.RLIMIT_CORE, &limit) == nil {
		cores.before = &before
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}
}

// ownCores is the limit of cores that commands are to have; nil: that of this process.
func ownCores() *uint64 {
	cores.Lock()
	defer cores.Unlock()
	return cores.before
}

// limitCores sets the soft limit of cores of this process and what it starts.
func limitCores(soft uint64) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil {
		limit.Cur = min(limit.Max, soft)
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit) // within the hard limit, which anybody may
	}
}
