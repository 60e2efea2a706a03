package doctest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// apart has a process begin with mounts, processes and a network of its own.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
}

// The addresses of a machine: of the name servers and resolvers that pages speak of,
// of the server that a page starts, and of the web.
var addresses = []string{"192.0.2.53", "1.1.1.1", "8.8.8.8", "192.0.2.1", "192.0.2.2", webAddress}

// enter makes this process live on a machine of its own: what it writes goes into
// memory, above the files of the real one, and there is no network but loopback.
func enter(s *scene) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	memory := filepath.Join(s.Dir, "machine")
	root := filepath.Join(memory, "root")
	err := os.Mkdir(memory, 0o755)
	if err == nil {
		err = unix.Mount("none", memory, "tmpfs", 0, "mode=755")
	}
	if err == nil {
		err = os.Mkdir(root, 0o755)
	}
	if err == nil {
		err = cover("/", root, filepath.Join(memory, "top"))
	}
	if err == nil {
		err = below(root, s.Top, memory)
	}
	if err == nil {
		err = unix.Chroot(root)
	}
	if err == nil {
		err = os.Chdir(s.Top)
	}
	for _, address := range addresses {
		if err == nil {
			err = ip("addr", "add", address+"/32", "dev", "lo")
		}
	}
	if err == nil {
		err = ip("link", "set", "lo", "up")
	}
	return err
}

// cover shows a folder at another place; what is written there stays in layers.
func cover(folder, at, layers string) error {
	up, work := filepath.Join(layers, "up"), filepath.Join(layers, "work")
	if err := errors.Join(os.MkdirAll(up, 0o755), os.MkdirAll(work, 0o755)); err != nil {
		return err
	}
	if err := unix.Mount("overlay", at, "overlay", 0, "lowerdir="+folder+",upperdir="+up+",workdir="+work); err != nil {
		return fmt.Errorf("an overlay of %s: %w", folder, err)
	}
	return nil
}

// below mounts what is no part of the file system at the top: devices, processes, and
// the module and what builds it, if they lie elsewhere.
func below(root, module, memory string) error {
	if err := unix.Mount("/dev", root+"/dev", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("/dev: %w", err)
	}
	if err := unix.Mount("proc", root+"/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	out, err := exec.Command("go", "env", "GOROOT", "GOMODCACHE", "GOCACHE").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	dirs := append(strings.Fields(string(out)), module, filepath.Dir(os.Getenv("DOCTEST_PROGRAM")))
	for i, dir := range dirs {
		var here, there unix.Stat_t
		if err := unix.Stat(dir, &here); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		if unix.Stat(root+dir, &there) == nil && here.Ino == there.Ino {
			continue
		}
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			return err
		}
		if err := cover(dir, root+dir, filepath.Join(memory, fmt.Sprint("part", i))); err != nil {
			return err
		}
	}
	return nil
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
