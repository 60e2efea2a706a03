package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// notifySystemd tells the service manager about this process (sd_notify(3)):
// READY=1, STOPPING=1, WATCHDOG=1, RELOADING=1. It does nothing where nobody
// listens, and an answer is never waited for.
func notifySystemd(state string) {
	addr := os.Getenv("NOTIFY_SOCKET")
	if addr == "" {
		return
	}
	if addr[0] == '@' { // an abstract socket
		addr = "\x00" + addr[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write([]byte(state)) // a manager that is gone is no concern of the jobs
}

// reloading tells the service manager that the definitions are read again, which ends
// with READY=1. Managers from systemd 253 on want the time as well, by the clock that
// they know it by (Type=notify-reload).
func reloading() {
	if now := monotonic(); now > 0 {
		notifySystemd(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Microseconds()))
	}
}

// watchdogEvery is how often systemd wants to hear WATCHDOG=1, halved as
// sd_watchdog_enabled(3) advises; 0: it does not.
func watchdogEvery() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	return time.Duration(usec) * time.Microsecond / 2
}
