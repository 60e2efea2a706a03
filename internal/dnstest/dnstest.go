// Package dnstest starts real DNS servers on loopback, for tests and
// benchmarks: BIND, Knot DNS and PowerDNS, and Unbound as a resolver with a cache
// in front of one of them, as Debian packages them.
//
// In a test, use [Run]: it ends the server with the test and fails it, never
// skips it, where a program is missing. [Start] is the same for a program that
// is not a test. Each server has a directory, a free port and one zone, and
// grants each key no more than its names.
//
// It is no way to run a DNS server for any other purpose: nothing here is
// tuned, and a server ends with the process that started it.
package dnstest

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Kind is a DNS server program.
type Kind string

// The servers that the tests know.
const (
	BIND     Kind = "bind"
	Knot     Kind = "knot"
	PowerDNS Kind = "powerdns"

	// Unbound is a resolver with a cache: see Config.Upstream. It has neither keys
	// nor records of its own.
	Unbound Kind = "unbound"
)

// Kinds is every server that has a zone, in the order in which tests name them.
func Kinds() []Kind { return []Kind{BIND, Knot, PowerDNS} }

// Times within which a server on loopback has started or ended, with room for a
// loaded machine.
const (
	startTimeout = 20 * time.Second
	stopTimeout  = 10 * time.Second
)

// A Key is a TSIG key that the server knows.
type Key struct {
	Name      string // with or without the final dot
	Algorithm string // hmac-sha256, hmac-sha384 or hmac-sha512
	Secret    string // base64
	// Names are the names at which the key may change TXT records, relative to
	// the zone; none: at every name of the zone. What is not granted BIND answers
	// with REFUSED, Knot with NOTAUTH, and PowerDNS 4.7 with NOERROR: it ignores
	// the change and says so only in its log.
	Names []string
}

// NewKey returns a key with a fresh secret of 32 bytes, for hmac-sha256.
func NewKey(name string, names ...string) Key {
	secret := make([]byte, 32)
	rand.Read(secret) // crypto/rand never returns an error
	return Key{
		Name: name, Algorithm: "hmac-sha256", Names: names,
		Secret: base64.StdEncoding.EncodeToString(secret),
	}
}

// A Config says which server to start, and with what.
type Config struct {
	Kind Kind
	Dir  string // exists and is empty; the server keeps everything in it
	Zone string // default t.test
	Keys []Key
	// Records are more lines of the zone file, beside SOA, NS and the address
	// of the name server; one that is an SOA takes that one's place.
	Records []string
	// Upstream is the server that Unbound asks for the zone, as IP address and port, or
	// that a Knot is a secondary of.
	Upstream string
	// Database is a database of PostgreSQL in which PowerDNS keeps its zone, in the place
	// of one of SQLite's: more than one server may have the same. The first makes the
	// zone and the keys.
	Database Database
	// Settings are more lines of the zone's statement of BIND or Knot; one takes the
	// place of the line here that sets the same. PORT in it is the server's port.
	Settings []string
	// Addr is where to listen, as IP address and port; empty: a free port of 127.0.0.1.
	Addr string
	// Before is a program with its arguments that becomes the server's, and gets its
	// command as more arguments: env FAKETIME=+600s.
	Before []string
}

// A Database is where one of PostgreSQL is; everybody who comes is let in.
type Database struct {
	Host, Name, User string // Host may be the folder of its socket
}

// A Server is a running DNS server. Its methods are for one goroutine.
type Server struct {
	Kind Kind
	Addr string // UDP and TCP
	Zone string // absolute, with the final dot
	Keys []Key
	Dir  string

	argv []string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// TB is what [Run] needs of a testing.TB.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	Failed() bool
	Cleanup(func())
	TempDir() string
}

// Run starts a server that ends with the test. It fails the test if the server
// is missing or does not start, and shows the end of its log if the test fails.
func Run(t TB, cfg Config) *Server {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := Start(cfg)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("%s log:\n%s", s.Kind, s.logTail(40))
		}
	})
	return s
}

// Start starts a server and returns when it answers for its zone. The caller
// ends it with Stop or Kill.
func Start(cfg Config) (*Server, error) {
	if cfg.Zone == "" {
		cfg.Zone = "t.test"
	}
	cfg.Zone = strings.TrimSuffix(cfg.Zone, ".") + "."
	write, ok := map[Kind]func(Config, string, int) ([]string, error){
		BIND: writeBIND, Knot: writeKnot, PowerDNS: writePowerDNS, Unbound: writeUnbound,
	}[cfg.Kind]
	if !ok {
		return nil, fmt.Errorf("dnstest: no server %q", cfg.Kind)
	}

	// Between finding a free port and the server's own bind somebody else may
	// take it.
	var last error
	for range 3 {
		host, port, err := place(cfg.Addr)
		if err != nil {
			return nil, fmt.Errorf("dnstest: %w", err)
		}
		argv, err := write(cfg, host, port)
		if err != nil {
			return nil, fmt.Errorf("dnstest: %s: %w", cfg.Kind, err)
		}
		s := &Server{
			Kind: cfg.Kind, Zone: cfg.Zone, Keys: cfg.Keys, Dir: cfg.Dir,
			Addr: net.JoinHostPort(host, strconv.Itoa(port)), argv: append(slices.Clone(cfg.Before), argv...),
		}
		if last = s.Restart(); last == nil {
			return s, nil
		}
		s.Kill()
		if cfg.Addr != "" || !strings.Contains(s.logTail(40), "in use") {
			break
		}
	}
	return nil, last
}

// Restart starts the server again on its own port and directory, and returns
// when it answers for its zone.
func (s *Server) Restart() error {
	logFile, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("dnstest: %s: %w", s.Kind, err)
	}
	defer logFile.Close()
	cmd := exec.Command(s.argv[0], s.argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, logFile, logFile
	cmd.SysProcAttr = endWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("dnstest: %s: %w", s.Kind, err)
	}
	done := make(chan struct{})
	go func() {
		cmd.Wait()
		close(done)
	}()
	s.mu.Lock()
	s.cmd, s.done = cmd, done
	s.mu.Unlock()
	return s.waitReady(done)
}

// Stop ends the server in an orderly way.
func (s *Server) Stop() error {
	if err := s.signal(syscall.SIGCONT); err != nil {
		return err
	}
	if err := s.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(stopTimeout):
		s.Kill()
		return fmt.Errorf("dnstest: %s did not end within %s of SIGTERM:\n%s", s.Kind, stopTimeout, s.logTail(20))
	}
}

// Kill ends the server with SIGKILL and waits for its end. It is no error if
// the server has ended already.
func (s *Server) Kill() {
	s.mu.Lock()
	cmd, done := s.cmd, s.done
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	cmd.Process.Kill() // only fails if it has ended
	<-done
}

// Pause stops the server where it is with SIGSTOP, and returns when all its
// threads stand still: connections are still accepted by the kernel, and nothing
// is answered.
func (s *Server) Pause() error {
	if err := s.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for deadline := time.Now().Add(stopTimeout); !stopped(s.Pid()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("dnstest: %s goes on after SIGSTOP", s.Kind)
		}
	}
	return nil
}

// Resume continues a paused server.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

// Pid is the process id of the server.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// Log is everything that the server has written to its log.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (s *Server) signal(sig os.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("dnstest: %s: %v: %w", s.Kind, sig, err)
	}
	return nil
}

func (s *Server) path(name string) string { return filepath.Join(s.Dir, name) }

func (s *Server) logTail(lines int) string {
	all := strings.Split(strings.TrimRight(s.Log(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func (s *Server) waitReady(done <-chan struct{}) error {
	deadline := time.After(startTimeout)
	for {
		err := askSOA(s.Addr, s.Zone, s.Kind != Unbound)
		if err == nil {
			return nil
		}
		select {
		case <-done:
			return fmt.Errorf("dnstest: %s ended instead of starting:\n%s", s.Kind, s.logTail(20))
		case <-deadline:
			return fmt.Errorf("dnstest: %s does not answer within %s: %w:\n%s", s.Kind, startTimeout, err, s.logTail(20))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// askSOA asks for the SOA record of zone and wants an answer, from a server that is
// no cache an authoritative one. The message is written by hand so that this package
// trusts no DNS library.
func askSOA(addr, zone string, authority bool) error {
	conn, err := net.DialTimeout("udp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	query := []byte{0x53, 0x54, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0} // recursion desired
	for label := range strings.SplitSeq(strings.TrimSuffix(zone, "."), ".") {
		query = append(append(query, byte(len(label))), label...)
	}
	query = append(query, 0, 0, 6, 0, 1) // root, type SOA, class IN
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write(query); err != nil {
		return err
	}
	answer := make([]byte, 1500)
	n, err := conn.Read(answer)
	switch {
	case err != nil:
		return err
	case n < 12 || answer[0] != query[0] || answer[1] != query[1]:
		return errors.New("not an answer to the question for the SOA record")
	case answer[3]&0xf != 0 || authority && answer[2]&4 == 0 || answer[7] == 0:
		return fmt.Errorf("no SOA record yet, or none with authority: rcode %d", answer[3]&0xf)
	}
	return nil
}

// place is where to listen.
func place(addr string) (host string, port int, err error) {
	if addr == "" {
		port, err = freePort()
		return "127.0.0.1", port, err
	}
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}

// settings are the lines of a zone's statement, with those of the test in the place
// of those that set the same.
func settings(cfg Config, port int, lines ...string) string {
	key := func(line string) string { return strings.TrimRight(strings.Fields(line)[0], ":") }
	var b strings.Builder
	for _, line := range lines {
		if !slices.ContainsFunc(cfg.Settings, func(s string) bool { return key(s) == key(line) }) {
			b.WriteString(line + "\n")
		}
	}
	for _, line := range cfg.Settings {
		b.WriteString("    " + strings.ReplaceAll(line, "PORT", strconv.Itoa(port)) + "\n")
	}
	return b.String()
}

// freePort finds a port of 127.0.0.1 that is free for TCP and UDP.
func freePort() (int, error) {
	var last error
	for range 20 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		addr := tcp.Addr().(*net.TCPAddr)
		udp, err := net.ListenPacket("udp", addr.String())
		tcp.Close()
		if err != nil {
			last = err
			continue
		}
		udp.Close()
		return addr.Port, nil
	}
	return 0, last
}

// program finds a server's program, also where only root has the folder in PATH.
func program(name, debianPackage string) (string, error) {
	for _, candidate := range []string{name, filepath.Join("/usr/sbin", name)} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: apt-get install %s", name, debianPackage)
}

// zoneFile is the text of the zone as it is before any update.
func zoneFile(cfg Config) string {
	soa := "@ IN SOA ns hostmaster 1 3600 600 86400 5"
	if slices.ContainsFunc(cfg.Records, func(rr string) bool { return slices.Contains(strings.Fields(rr), "SOA") }) {
		soa = ""
	}
	lines := append([]string{
		"$ORIGIN " + cfg.Zone,
		"$TTL 60",
		soa,
		"@ IN NS ns",
		"ns IN A 127.0.0.1",
	}, cfg.Records...)
	return strings.Join(lines, "\n") + "\n"
}

func absolute(name, zone string) string {
	if name == "@" {
		return zone
	}
	return name + "." + zone
}

func keyName(k Key) string { return strings.TrimSuffix(k.Name, ".") }
