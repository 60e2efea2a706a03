package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestNotifySystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	notifySystemd("READY=1")
	buf := make([]byte, 100)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("systemd hears %q, %v", buf[:n], err)
	}
	t.Setenv("NOTIFY_SOCKET", path+"-gone")
	notifySystemd("STOPPING=1") // and goes on
}

func TestWatchdogEvery(t *testing.T) {
	for _, c := range []struct {
		pid, usec string
		want      time.Duration
	}{
		{"", "", 0},
		{"", "30000000", 15 * time.Second},
		{strconv.Itoa(os.Getpid()), "30000000", 15 * time.Second},
		{"1", "30000000", 0},
		{"", "nonsense", 0},
	} {
		t.Setenv("WATCHDOG_PID", c.pid)
		t.Setenv("WATCHDOG_USEC", c.usec)
		if got := watchdogEvery(); got != c.want {
			t.Errorf("WATCHDOG_PID=%s WATCHDOG_USEC=%s: %v, want %v", c.pid, c.usec, got, c.want)
		}
	}
}

// TestAlive: one agent of a fleet that has stopped is enough for the watchdog to starve.
func TestAlive(t *testing.T) {
	now := time.Now()
	f := newFleet("TESTAGENT", nil, nil, nil)
	for name, ago := range map[string]time.Duration{"a": time.Second, "b": 2 * time.Minute} {
		p := &post{member: member{Name: name}}
		p.heard.Store(now.Add(-ago).Unix())
		f.posts[name] = p
	}
	if !f.alive(now) {
		t.Error("agents that wait for their next look are taken for dead")
	}
	if f.alive(now.Add(90 * time.Second)) {
		t.Error("an agent that was not heard of for longer than two polls and a minute is taken to live")
	}
}
