//go:build unix

// Package pgtest starts a PostgreSQL for a test, on a socket that nobody else sees.
// Debian's package postgresql has it.
package pgtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// User is who owns the server and may do everything; everybody who reaches its socket
// is taken for whom they say they are.
const User = "postgres"

// A Server is a running PostgreSQL.
type Server struct {
	// Dir has its socket: what clients call its host.
	Dir string

	ctx context.Context
	as  *syscall.Credential
}

// Run starts a server that ends with the test.
func Run(t testing.TB) *Server {
	t.Helper()
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(bins) == 0 {
		t.Fatal("PostgreSQL is missing: tools/needs installs it")
	}
	bin := filepath.Dir(bins[len(bins)-1])
	dir, err := os.MkdirTemp("", "solotick-pg-*") // short: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{ctx: t.Context(), Dir: dir}
	if os.Getuid() == 0 { // it refuses to run as root
		u, err := user.Lookup(User)
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	if out, err := s.command(filepath.Join(bin, "initdb"), "--no-sync", "-A", "trust", "-U", User, "-D", data).CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	server := s.command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-F", "-c", "listen_addresses=")
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGINT) }
	server.WaitDelay = 20 * time.Second
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT)
		_ = server.Wait()
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		out, err := s.Psql("SELECT 1;")
		if err == nil {
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("PostgreSQL does not answer: %v: %s", err, out)
		}
	}
}

// Psql runs a script, and returns what it prints. It ends at the first error.
func (s *Server) Psql(script string, args ...string) (string, error) {
	cmd := s.command("psql", append([]string{"-X", "-h", s.Dir, "-U", User, "-d", "postgres", "-v", "ON_ERROR_STOP=1"}, args...)...)
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("psql: %w", err)
	}
	return string(out), err
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.ctx, name, args...)
	cmd.Dir = s.Dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=" + s.Dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	return cmd
}
