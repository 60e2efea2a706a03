package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// tmpfs mounts a file system of a bounded size, until the end of the test.
func (m *trial) tmpfs(size string) (dir string, err error) {
	dir = m.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=0700"); err != nil {
		return "", fmt.Errorf("a file system of its own: mount: %w", err)
	}
	m.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			m.Error(err)
		}
	})
	return dir, nil
}

// A cgroup bounds what processes may use.
type cgroup struct{ dir string }

// cgroup makes one, of version 1 or 2, whose file of that name has the value; file is
// that of version 1, file2 that of version 2.
func (m *trial) cgroup(controller, file, file2, value string) (*cgroup, error) {
	name := fmt.Sprintf("solotick-%s-%d", strings.ReplaceAll(m.Name(), "/", "-"), os.Getpid())
	dir := filepath.Join("/sys/fs/cgroup", controller, name)
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		dir, file = filepath.Join("/sys/fs/cgroup", name), file2
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("a control group of its own: %w", err)
	}
	m.Cleanup(func() { _ = os.Remove(dir) }) // a process that is left keeps it
	if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0); err != nil {
		return nil, fmt.Errorf("a control group of its own: %w", err)
	}
	return &cgroup{dir}, nil
}

func sqlite(file, statement string) error {
	if out, err := exec.Command("sqlite3", file, statement).CombinedOutput(); err != nil {
		return fmt.Errorf("sqlite3: %w: %s", err, out)
	}
	return nil
}
