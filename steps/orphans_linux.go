package steps

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ReapOrphans does, until ctx ends, what process 1 of a container owes: it waits for
// processes that lost their parent and have ended, which else stay in the table of
// processes for good. A job's own orphans go to its guard; here come those of a guard
// that was killed, and those of commands that people run in the container.
//
// It waits for nothing that this process has started itself, so that whoever has
// gets the end of it.
func ReapOrphans(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	self := os.Getpid()
	session, err := unix.Getsid(self)
	if err != nil {
		return
	}
	calm := time.NewTicker(time.Second) // at most a look a second, however many end
	defer calm.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
		}
		for _, p := range allProcesses() {
			if p.ended && p.parent == self && !p.ownChild(session) {
				_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-calm.C:
		}
	}
}

// ownChild says whether a child of this process, which is in that session, may have
// been started by it: what is no guard stays in its session, and a guard leads one of
// its own and has the name of the link by which it was started. An orphan is in the
// session of a guard, or of whoever came in from outside.
func (p proc) ownChild(session int) bool {
	return p.session == session || p.session == p.pid && p.name == guardName
}
