package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
	"github.com/solotick/solotick/lookup"
	"github.com/solotick/solotick/register/rfc2136"
)

const zoneName = "bench.test"

// A server is a DNS server as a process of its own.
type server struct {
	name    string
	addr    string
	key     rfc2136.Key
	keyFile string
	stop    func()
}

// client is a register client of the server.
func (s *server) client() (*rfc2136.Client, error) {
	return rfc2136.New(rfc2136.Config{Server: s.addr, Zone: zoneName, Key: s.key})
}

// lookup asks the server, as agents do.
func (s *server) lookup() (*lookup.Lookup, error) {
	return lookup.New(lookup.Config{Servers: []string{s.addr}, Key: s.key})
}

func (b *bench) writeKey(k dnstest.Key) (string, error) {
	f, err := os.CreateTemp(b.dir, "key-*")
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "key \"%s\" {\n\talgorithm %s;\n\tsecret \"%s\";\n};\n", k.Name, k.Algorithm, k.Secret)
	return f.Name(), err
}

// bind starts BIND.
func (b *bench) bind() (*server, error) {
	dir, err := os.MkdirTemp(b.dir, "bind-*")
	if err != nil {
		return nil, err
	}
	s, err := dnstest.Start(dnstest.Config{Kind: dnstest.BIND, Dir: dir, Zone: zoneName, Keys: []dnstest.Key{dnstest.NewKey("bench")}})
	if err != nil {
		return nil, err
	}
	return b.server("BIND", s.Addr, s.Keys[0], s.Kill)
}

// own starts our own server.
func (b *bench) own() (*server, error) { return b.ownOf(zoneName) }

// ownOf starts our own server for a zone, which may be NAME=FILE, with more flags.
func (b *bench) ownOf(zone string, more ...string) (*server, error) {
	key := dnstest.NewKey("bench")
	file, err := b.writeKey(key)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	_ = l.Close()
	dir, err := os.MkdirTemp(b.dir, "zone-*")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(b.solotick, append([]string{"zone", "serve", "--listen", addr, "--zone", zone, "--key", file, "--data", filepath.Join(dir, "data")}, more...)...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, endWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		_ = cmd.Process.Kill() // only fails if it has ended
		_ = cmd.Wait()
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			break
		} else if time.Now().After(end) {
			stop()
			return nil, fmt.Errorf("solotick zone serve: %w", err)
		}
	}
	return b.server("own server", addr, key, stop)
}

func (b *bench) server(name, addr string, k dnstest.Key, stop func()) (*server, error) {
	file, err := b.writeKey(k)
	if err != nil {
		stop()
		return nil, err
	}
	key, err := rfc2136.Key{Name: k.Name, Algorithm: k.Algorithm, Secret: rfc2136.Secret(k.Secret)}.Normalize()
	if err != nil {
		stop()
		return nil, err
	}
	return &server{name: name, addr: addr, key: key, keyFile: file, stop: stop}, nil
}
