package containertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// await waits until ok, or fails the test.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// free is an address of loopback at which nobody listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

// serveZone starts a server for t.test outside of all boxes, and returns its address
// and the folder with its key.
func serveZone(t *testing.T) (addr, secrets string) {
	t.Helper()
	dir := t.TempDir()
	secrets = filepath.Join(dir, "secrets")
	check(t, os.MkdirAll(secrets, 0o755))
	key := filepath.Join(secrets, "solotick.key")
	if out, err := exec.Command(program, "keygen", "tsig", "canary.t.test", "-o", key).CombinedOutput(); err != nil {
		t.Fatalf("keygen: %v: %s", err, out)
	}
	check(t, os.Chmod(key, 0o644)) // as defaultMode and fsGroup do
	for at := dir; at != "/" && at != os.TempDir(); at = filepath.Dir(at) {
		check(t, os.Chmod(at, 0o755))
	}
	addr = free(t)
	var log strings.Builder
	cmd := exec.Command(program, "zone", "serve", "--listen", addr, "--zone", "t.test", "--key", key+"=canary.t.test", "--data", filepath.Join(dir, "data"))
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &log, &log, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // only fails if it has ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the zone's server:\n%s", log.String())
		}
	})
	await(t, "the zone's server listens", func() bool {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	return addr, secrets
}

// A configMap is a folder as kubelet makes it: files are links through ..data, which
// is swapped as a whole.
type configMap struct {
	dir string
	n   int
}

func (c *configMap) set(t *testing.T, text string) {
	t.Helper()
	c.n++
	data := fmt.Sprintf("..2026_11_26_%d", c.n)
	check(t, os.Mkdir(filepath.Join(c.dir, data), 0o755))
	check(t, os.WriteFile(filepath.Join(c.dir, data, "solotick.yaml"), []byte(text), 0o644))
	old, _ := os.Readlink(filepath.Join(c.dir, "..data"))
	check(t, os.Symlink(data, filepath.Join(c.dir, "..data_tmp")))
	check(t, os.Rename(filepath.Join(c.dir, "..data_tmp"), filepath.Join(c.dir, "..data")))
	if old == "" {
		check(t, os.Symlink("..data/solotick.yaml", filepath.Join(c.dir, "solotick.yaml")))
		return
	}
	check(t, os.RemoveAll(filepath.Join(c.dir, old)))
}
