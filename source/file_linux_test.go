package source_test

import (
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/source"
)

// TestPipe wants no wait for somebody who writes.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, source.Options{URL: path})
	done := make(chan error, 1)
	go func() {
		_, err := s.Fetch(t.Context())
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "not a file (p") {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for somebody who writes")
	}
}

// TestForbidden reads on a thread that is not root's, since root may read
// everything.
func TestForbidden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.yaml")
	write(t, path, "text")
	s := open(t, source.Options{URL: path})
	want(t, s, "text", true)
	syscall.Chmod(path, 0)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		syscall.Setfsuid(65534)
		_, err := s.Fetch(t.Context())
		done <- err
	}()
	err := <-done
	if err == nil || err.Error() != "source: "+path+": access denied: permission denied" {
		t.Errorf("got %v", err)
	}
}
