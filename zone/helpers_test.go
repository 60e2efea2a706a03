package zone

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const testOrigin = "example.com."

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// testLog collects what a server logs.
type testLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// zoneText is a master file around the given records.
func zoneText(records string) string {
	return "$TTL 300\n@ IN SOA ns hostmaster 100 60 10 604800 30\n@ NS ns\nns A 192.0.2.1\n" + records
}

// open opens a server for example.com with these records and does not serve its sockets: handle is called directly.
func open(t testing.TB, records string, change ...func(*Config)) *Server {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "example.com.zone")
	if err := os.WriteFile(file, []byte(zoneText(records)), 0o600); err != nil {
		t.Fatal(err)
	}
	config := Config{
		Listen: []string{"127.0.0.1:0"}, Dir: filepath.Join(dir, "data"),
		Zones: []Zone{{Name: testOrigin, File: file}}, AllowUpdate: loopback, AllowTransfer: loopback, Log: quiet(),
	}
	for _, f := range change {
		f(&config)
	}
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// serve opens a server and serves it until the test ends.
func serve(t testing.TB, records string, change ...func(*Config)) *Server {
	t.Helper()
	s := open(t, records, change...)
	run(t, s)
	return s
}

func run(t testing.TB, s *Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if n := s.Stats().Panics; n != 0 {
			t.Errorf("%d requests made the server panic", n)
		}
	})
}

// ask hands the server one message as if it had come from 127.0.0.1, and returns the answer; nil for none.
func ask(t testing.TB, s *Server, raw []byte, tcp bool) []byte {
	t.Helper()
	answers := askAll(s, raw, tcp)
	switch len(answers) {
	case 0:
		return nil
	case 1:
		return answers[0]
	}
	t.Fatalf("%d answers", len(answers))
	return nil
}

func askAll(s *Server, raw []byte, tcp bool) [][]byte {
	r := newRequest()
	r.in = slices.Clone(raw)
	r.client = client{addr: netip.MustParseAddrPort("127.0.0.1:4000"), tcp: tcp}
	answer, job := s.handle(r)
	if job == nil {
		if answer == nil {
			return nil
		}
		return [][]byte{slices.Clone(answer)}
	}
	var all [][]byte
	job(func(msg []byte) error {
		all = append(all, slices.Clone(msg))
		return nil
	})
	return all
}

func pack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func unpack(t testing.TB, raw []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(raw); err != nil {
		t.Fatalf("answer does not unpack: %v\n%x", err, raw)
	}
	return m
}

// query asks one question in process.
func query(t testing.TB, s *Server, name string, typ uint16, change ...func(*dns.Msg)) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name, typ)
	for _, f := range change {
		f(m)
	}
	return unpack(t, ask(t, s, pack(t, m), false))
}

// rr reads a record, its owner relative to example.com.
func rr(t testing.TB, text string) dns.RR {
	t.Helper()
	p := dns.NewZoneParser(strings.NewReader(text), testOrigin, "")
	p.SetDefaultTTL(300)
	r, ok := p.Next()
	if !ok {
		t.Fatalf("%q: %v", text, p.Err())
	}
	return r
}

// contents lists a zone's records, sorted, owners relative to the origin, without the SOA; and its serial.
func contents(t testing.TB, s *Server) (lines []string, serial uint32) {
	t.Helper()
	tree := s.zones["\x07example\x03com\x00"]
	tree.mu.RLock()
	defer tree.mu.RUnlock()
	size := 0
	for _, n := range tree.nodes {
		for i := range n.sets {
			size += len(n.sets[i].data)
			if n.sets[i].typ == typeSOA {
				serial = soaSerial(n.sets[i].data[0])
				continue
			}
			for _, data := range n.sets[i].data {
				lines = append(lines, recordText(t, n.name, &n.sets[i], data))
			}
		}
	}
	if size != tree.size {
		t.Errorf("the tree counts %d records and has %d", tree.size, size)
	}
	slices.Sort(lines)
	return lines, serial
}

func recordText(t testing.TB, name string, set *rrset, data string) string {
	t.Helper()
	var b builder
	b.begin(&message{raw: make([]byte, headerLen), qend: headerLen}, maxMsg)
	b.record(name, set.typ, set.ttl, data)
	r, _, err := dns.UnpackRR(b.buf, headerLen)
	if err != nil {
		t.Fatal(err)
	}
	owner := strings.TrimSuffix(strings.TrimSuffix(r.Header().Name, testOrigin), ".")
	if owner == "" {
		owner = "@"
	}
	value := strings.ReplaceAll(strings.TrimPrefix(r.String(), r.Header().String()), "."+testOrigin, "")
	if _, ok := r.(*dns.RFC3597); ok {
		value = fmt.Sprintf(`\# %d %x`, len(data), data)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d %s %s", owner, r.Header().Ttl, dns.Type(set.typ), value))
}

// eventually polls until f returns "", and fails with what it returned last.
func eventually(t testing.TB, within time.Duration, f func() string) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		why := f()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, why)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// dial connects by TCP.
func dial(t testing.TB, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
