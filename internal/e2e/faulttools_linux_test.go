package e2e

import (
	"fmt"
	"os"
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

// cgroup makes a control group, of version 1 or 2, and returns its folder. Its file of
// that name has the value; file is that of version 1, file2 that of version 2.
func (m *trial) cgroup(controller, file, file2, value string) (dir string, err error) {
	name := fmt.Sprintf("solotick-%s-%d", strings.ReplaceAll(m.Name(), "/", "-"), os.Getpid())
	dir = filepath.Join("/sys/fs/cgroup", controller, name)
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		dir, file = filepath.Join("/sys/fs/cgroup", name), file2
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", fmt.Errorf("a control group of its own: %w", err)
	}
	m.Cleanup(func() { _ = os.Remove(dir) }) // a process that is left keeps it
	if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0); err != nil {
		return "", fmt.Errorf("a control group of its own: %w", err)
	}
	return dir, nil
}
