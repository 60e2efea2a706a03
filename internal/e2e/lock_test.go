package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

// The locks of these stories: a lease that is long enough for an order to stop, TERM,
// before the end.
const (
	lockLease = 6 * time.Second
	lockGrace = time.Second
	// lockTaken is how long it takes others to have a lock whose holder has vanished,
	// after its last renewal: they watch it for a lease and a margin.
	lockTaken = lockLease/3 + lockLease + time.Second + lockLease/20
)

// holder is the command of every contender here: it writes down that it lives, with
// its fence, until it is ended, and has a helper in a session of its own that does the
// same and is deaf to TERM.
func holder(dir string) int {
	if os.Getenv("SOLOTICK_E2E_DEAF") != "" {
		signal.Ignore(syscall.SIGTERM)
	} else {
		helper := exec.Command(os.Args[0])
		helper.Env = append(os.Environ(), "SOLOTICK_E2E_DEAF=1")
		helper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := helper.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, "lives"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for {
		fmt.Fprintf(f, "%s %s %d\n", os.Getenv("SOLOTICK_FENCE"), os.Getenv("SOLOTICK_AGENT"), time.Now().UnixNano())
		time.Sleep(10 * time.Millisecond)
	}
}

// A reign is one hold of a lock, as its commands wrote it down.
type reign struct {
	fence       int64
	agent       string
	first, last time.Time // signs of life
}

func reigns(t *testing.T, dir string) []reign {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "lives"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	all := map[int64]*reign{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 3 || !strings.HasSuffix(line, "\n") {
			continue // being written
		}
		fence, err1 := strconv.ParseInt(f[0], 10, 64)
		nano, err2 := strconv.ParseInt(f[2], 10, 64)
		if err := cmp.Or(err1, err2); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(0, nano)
		r := all[fence]
		if r == nil {
			r = &reign{fence, f[1], at, at}
			all[fence] = r
		}
		if at.Before(r.first) {
			r.first = at
		}
		if at.After(r.last) {
			r.last = at
		}
	}
	var list []reign
	for _, r := range all {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b reign) int { return cmp.Compare(a.fence, b.fence) })
	return list
}

// checkReigns wants that no two holders, with all their processes, have lived at one
// time, and fences in the order of time.
func checkReigns(t *testing.T, list []reign) {
	t.Helper()
	for i := 1; i < len(list); i++ {
		if before, r := list[i-1], list[i]; !before.last.Before(r.first) {
			t.Errorf("%s with fence %d lived until %v after %s with fence %d had begun", before.agent, before.fence, before.last.Sub(r.first), r.agent, r.fence)
		}
	}
}

// A contender is one process of solotick lock or elect, behind a line of its own to
// the server.
type contender struct {
	cmd  *exec.Cmd
	line *line
	out  string // path of what it printed
	done chan struct{}
}

func (c *contender) said() string {
	text, err := os.ReadFile(c.out)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// contend starts "solotick WHAT NAME" with the lock's command.
func contend(t *testing.T, at *place, dir, what, name string) *contender {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(keyText(at.key)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &contender{line: newLine(t, at.addr), out: filepath.Join(t.TempDir(), "out"), done: make(chan struct{})}
	c.cmd = exec.Command(program, what, name, "--zone", strings.TrimSuffix(at.zone, "."), "--server", c.line.addr, "--tsig-file", key, "--ttl", "1s",
		"--lease", lockLease.String(), "--kill-grace", lockGrace.String(), "--spread", "300ms", "--log-format", "text", "--log-level", "info", "--", self)
	c.cmd.Env = append(os.Environ(), jobEnv+"="+dir)
	out, err := os.Create(c.out)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c.cmd.Stdout, c.cmd.Stderr = out, out
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = c.cmd.Wait() // how it ended is in its state
		close(c.done)
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Signal(syscall.SIGCONT)
		_ = c.cmd.Process.Kill()
		<-c.done
		if t.Failed() {
			t.Logf("%s:\n%s", what, tail(c.out, 40))
		}
	})
	return c
}

func (c *contender) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// ends waits for the end of the process and returns its exit code.
func (c *contender) ends(t *testing.T) int {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
	return c.cmd.ProcessState.ExitCode()
}

// until polls for the reigns so far, until there are n.
func until(t *testing.T, dir string, n int, within time.Duration) []reign {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		list := reigns(t, dir)
		if len(list) >= n {
			return list
		}
		if time.Now().After(end) {
			t.Fatalf("%d holders after %v, want %d: %+v", len(list), within, n, list)
		}
	}
}

// A line is the way from one process to the server, by TCP and UDP. Once it is cut
// nothing passes, and nobody is told.
type line struct {
	addr string

	mu    sync.Mutex
	isCut bool
	conns []net.Conn
}

func newLine(t *testing.T, server string) *line {
	t.Helper()
	l := &line{}
	var tcp net.Listener
	var udp net.PacketConn
	for range 20 { // a port that is free for both
		var err error
		if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			break
		}
		_ = tcp.Close()
	}
	if udp == nil {
		t.Fatal("no port is free for TCP and UDP")
	}
	l.addr = tcp.Addr().String()
	var pumps sync.WaitGroup
	pumps.Go(func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			pumps.Go(func() { l.pass(conn, server) })
		}
	})
	pumps.Go(func() { l.datagrams(udp, server) })
	t.Cleanup(func() {
		_, _ = tcp.Close(), udp.Close()
		l.mu.Lock()
		for _, c := range l.conns {
			_ = c.Close()
		}
		l.mu.Unlock()
		pumps.Wait()
	})
	return l
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = true
}

func (l *line) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.isCut
}

// keep has a connection closed at the end.
func (l *line) keep(c net.Conn) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, c)
	return c
}

func (l *line) pass(conn net.Conn, server string) {
	defer l.keep(conn).Close()
	there, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer l.keep(there).Close()
	var both sync.WaitGroup
	both.Go(func() { l.copy(there, conn) })
	both.Go(func() { l.copy(conn, there) })
	both.Wait()
}

// copy passes on what comes, for as long as the line is open, and then takes it.
func (l *line) copy(to, from net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && l.open() {
			_, _ = to.Write(buf[:n])
		}
		if err != nil {
			if l.open() {
				_ = to.(*net.TCPConn).CloseWrite()
			}
			return
		}
	}
}

func (l *line) datagrams(udp net.PacketConn, server string) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := udp.ReadFrom(buf)
		if err != nil {
			return
		}
		if !l.open() {
			continue
		}
		question := bytes.Clone(buf[:n])
		go func() {
			conn, err := net.Dial("udp", server)
			if err != nil {
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
			answer := make([]byte, 64<<10)
			if _, err := conn.Write(question); err != nil {
				return
			}
			if n, err := conn.Read(answer); err == nil && l.open() {
				_, _ = udp.WriteTo(answer[:n], from)
			}
		}()
	}
}

// TestLock is two contenders for one lock on BIND. Whatever becomes of the holder,
// all its processes are dead before the other's begin, which is in time.
func TestLock(t *testing.T) {
	t.Parallel()
	at := start(t, dnstest.BIND)
	for _, s := range []struct {
		name string
		hurt func(t *testing.T, c *contender)
		code int           // of the holder then; -1: it is not told
		soon time.Duration // the other has the lock by then
	}{
		{"halted", func(t *testing.T, c *contender) { c.signal(t, syscall.SIGSTOP) }, -1, lockTaken},
		{"cut-off", func(_ *testing.T, c *contender) { c.line.cut() }, 143, lockTaken},
		{"killed", func(t *testing.T, c *contender) { c.signal(t, syscall.SIGKILL) }, -1, lockTaken},
		{"ended", func(t *testing.T, c *contender) { c.signal(t, syscall.SIGTERM) }, 143, lockLease / 3},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			first := contend(t, at, dir, "lock", s.name)
			one := until(t, dir, 1, 30*time.Second)[0]
			second := contend(t, at, dir, "lock", s.name)
			time.Sleep(lockLease / 2) // a renewal passes, and the other watches
			if n := len(reigns(t, dir)); n != 1 {
				t.Fatalf("%d hold it", n)
			}
			s.hurt(t, first)
			hurt := time.Now()
			list := until(t, dir, 2, s.soon+time.Second+slack)
			checkReigns(t, list)
			if two := list[1]; two.agent == one.agent || two.fence <= one.fence || two.first.Sub(hurt) > s.soon+time.Second+slack {
				t.Errorf("%+v, then %+v, %v after it was hurt", one, two, two.first.Sub(hurt))
			}
			if s.code >= 0 {
				if code := first.ends(t); code != s.code {
					t.Errorf("exit code %d, want %d", code, s.code)
				}
			}
			if s.name == "halted" {
				first.signal(t, syscall.SIGCONT)
				if code := first.ends(t); code == 0 || !strings.Contains(first.said(), "was lost: it could not be renewed in time") {
					t.Errorf("exit code %d: %s", code, first.said())
				}
			}
			second.signal(t, syscall.SIGTERM)
			if code := second.ends(t); code != 143 {
				t.Errorf("exit code %d of the other", code)
			}
			checkReigns(t, reigns(t, dir))
		})
	}
}

// TestElect is three candidates on BIND: the leader is halted, then the next is cut
// off, then the server is away for longer than a lease. At no time do two lead.
func TestElect(t *testing.T) {
	t.Parallel()
	at := start(t, dnstest.BIND)
	dir := t.TempDir()
	var all []*contender
	for range 3 {
		all = append(all, contend(t, at, dir, "elect", "boss"))
	}
	leads := func(r reign) *contender {
		for _, c := range all {
			if strings.Contains(c.said(), "agent="+r.agent) {
				return c
			}
		}
		t.Fatalf("nobody is %s", r.agent)
		return nil
	}
	one := leads(until(t, dir, 1, 30*time.Second)[0])
	one.signal(t, syscall.SIGSTOP)
	two := leads(until(t, dir, 2, lockTaken+time.Second+slack)[1])
	one.signal(t, syscall.SIGCONT)
	two.line.cut()
	until(t, dir, 3, lockTaken+time.Second+slack)
	at.Kill()
	time.Sleep(lockLease + 2*time.Second) // the outage itself
	if err := at.Restart(); err != nil {
		t.Fatal(err)
	}
	until(t, dir, 4, 60*time.Second)
	for _, c := range all {
		c.signal(t, syscall.SIGTERM)
		if code := c.ends(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	checkReigns(t, reigns(t, dir))
}
