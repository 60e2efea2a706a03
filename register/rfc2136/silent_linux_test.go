package rfc2136

import (
	"context"
	"errors"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
)

// TestSilentAddress: a host's address that drops packets leaves the next one its
// share of the time.
func TestSilentAddress(t *testing.T) {
	f := newFake(t)
	_, port, err := splitServer(f.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	silence(t, [4]byte{127, 0, 0, 2}, port)
	cfg := f.config()
	cfg.Server, cfg.Timeout = "ns1.t.test:"+port, 2*time.Second
	r := open(t, cfg, testName).(*record)
	r.client.lookupHost = func(context.Context, string) ([]string, error) { return []string{"127.0.0.2", "127.0.0.1"}, nil }
	if _, err := r.Swap(t.Context(), register.Snapshot{}, []string{"first"}); err != nil {
		t.Fatal(err)
	}
	if r.client.pinned != f.listener.Addr().String() {
		t.Errorf("%s is kept, want the address that answered", r.client.pinned)
	}
}

// silence makes an address drop what is sent to it: nobody accepts, and the
// queue of those who wait is full.
func silence(t *testing.T, ip [4]byte, port string) {
	t.Helper()
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	address := &syscall.SockaddrInet4{Addr: ip, Port: number}
	socket := func() int {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Close(fd) })
		return fd
	}
	listener := socket()
	if err := errors.Join(syscall.Bind(listener, address), syscall.Listen(listener, 0)); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := syscall.Connect(socket(), address); err != nil && err != syscall.EINPROGRESS {
			t.Fatal(err)
		}
	}
}
