package source_test

import (
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/solotick/solotick/source"
)

// TestPipe wants no wait for somebody who writes.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	err := fails(t, open(t, source.Options{URL: path}), nil)
	if !strings.Contains(err.Error(), "not a file (p") {
		t.Errorf("got %v", err)
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
