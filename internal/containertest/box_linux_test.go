package containertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// user is the number that the image runs as.
const user = 65532

// boxEnv holds a box as JSON; with it this binary makes that, and becomes its program.
const boxEnv = "SOLOTICK_TEST_BOX"

// A box is what a container engine would make of an image.
type box struct {
	Root   string            // what is in the image; read-only
	Mounts map[string]string // from paths in the box to folders of the machine; read-only
	Tmp    bool              // there is a /tmp of 512 MiB
	Args   []string
	Env    []string
}

// newRoot makes the root of an image from scratch: the program, certificates, and
// where an engine mounts things.
func newRoot(t *testing.T, roots []byte) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"proc", "dev", "etc/ssl/certs", "etc/solotick", "run/secrets"} {
		check(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	for _, dev := range []string{"null", "urandom"} {
		check(t, os.WriteFile(filepath.Join(root, "dev", dev), nil, 0o644))
	}
	if roots != nil {
		check(t, os.WriteFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"), roots, 0o644))
	}
	for name, from := range map[string]string{"solotick": program, "job": job} {
		check(t, os.Link(from, filepath.Join(root, name)))
	}
	for dir := root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		check(t, os.Chmod(dir, 0o755)) // for the box's user
	}
	return root
}

// command is the box's program, as process 1 of its own.
func (b box) command(t *testing.T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(b)
	check(t, err)
	self, err := os.Executable()
	check(t, err)
	cmd := exec.Command(self)
	cmd.Env = []string{boxEnv + "=" + string(text)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

// run runs the box to its end and returns its code and what it printed.
func (b box) run(t *testing.T) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	cmd := b.command(t)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("no box can be made here; it takes root, or user namespaces: %v", err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// enter makes the box around this process, and never returns.
func enter(text string) {
	runtime.LockOSThread() // what follows is of one thread, and execve keeps that
	var b box
	err := json.Unmarshal([]byte(text), &b)
	if err == nil {
		err = b.mount()
	}
	if err == nil {
		err = b.drop()
	}
	if err == nil {
		err = syscall.Exec(b.Args[0], b.Args, b.Env)
	}
	fmt.Fprintln(os.Stderr, "make the box:", err)
	os.Exit(99)
}

func (b box) mount() error {
	in := func(path string) string { return filepath.Join(b.Root, path) }
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts of its own: %w", err)
	}
	if err := bind(b.Root, b.Root); err != nil {
		return err
	}
	if err := unix.Mount("proc", in("proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, dev := range []string{"/dev/null", "/dev/urandom"} {
		if err := unix.Mount(dev, in(dev), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", dev, err)
		}
	}
	for to, from := range b.Mounts {
		if err := bind(from, in(to)); err != nil {
			return err
		}
		if err := readOnly(in(to)); err != nil {
			return err
		}
	}
	if b.Tmp {
		if err := unix.Mount("tmpfs", in("tmp"), "tmpfs", 0, "size=512m,mode=1777"); err != nil {
			return fmt.Errorf("mount /tmp: %w", err)
		}
	}
	if err := readOnly(b.Root); err != nil {
		return err
	}
	if err := unix.Chroot(b.Root); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return unix.Chdir("/")
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", from, to, err)
	}
	return nil
}

// readOnly makes a mount read-only, and keeps what else it forbids.
func readOnly(at string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return err
	}
	const kept = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_RELATIME
	if err := unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|uintptr(st.Flags)&kept, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", at, err)
	}
	return nil
}

// drop gives up what an engine gives no image that asks for none.
func (b box) drop() error {
	if os.Getuid() != user {
		if err := syscall.Setgroups(nil); err != nil {
			return err
		}
		if err := syscall.Setresgid(user, user, user); err != nil {
			return err
		}
		if err := syscall.Setresuid(user, user, user); err != nil {
			return err
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
