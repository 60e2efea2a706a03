package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/dnstest"
)

// start starts a server of another maker with one key for all of its zone.
func start(t *testing.T, kind dnstest.Kind) *place {
	t.Helper()
	return startWith(t, dnstest.Config{Kind: kind})
}

func startWith(t *testing.T, cfg dnstest.Config) *place {
	t.Helper()
	cfg.Keys = []dnstest.Key{dnstest.NewKey("agents")}
	s := dnstest.Run(t, cfg)
	return &place{server: s, addr: s.Addr, zone: s.Zone, key: s.Keys[0]}
}

// own is "solotick zone serve" as a process of its own.
type own struct {
	args []string
	addr string
	key  string // path of its key file
	data string // its folder
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// startOwn starts our own server.
func startOwn(t *testing.T) *place {
	t.Helper()
	return startOwnIn(t, t.TempDir())
}

func startOwnIn(t *testing.T, dir string) *place {
	t.Helper()
	key := dnstest.NewKey("agents")
	file := filepath.Join(dir, "key")
	if err := os.WriteFile(file, []byte(keyText(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a restart needs the port that the start had
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	data := filepath.Join(dir, "data")
	s := &own{addr: addr, key: file, data: data, log: filepath.Join(dir, "log"), args: []string{
		"zone", "serve", "--listen", addr, "--zone", "t.test", "--key", file, "--data", data,
	}}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("solotick zone serve:\n%s", tail(s.log, 40))
		}
	})
	return &place{server: s, addr: addr, zone: "t.test.", key: key}
}

// Kill ends the server with SIGKILL.
func (s *own) Kill() {
	_ = s.cmd.Process.Kill() // only fails if it has ended
	<-s.done
}

// Pause stops it where it is, and Resume has it go on.
func (s *own) Pause() error  { return freeze(s.cmd.Process) }
func (s *own) Resume() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

// Restart starts it where it was and returns when it answers. Somebody's question may
// have its port for a moment.
func (s *own) Restart() error {
	err := s.restart()
	for end := time.Now().Add(10 * time.Second); err != nil && strings.Contains(err.Error(), "address already in use") && time.Now().Before(end); err = s.restart() {
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

func (s *own) restart() error {
	f, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.Command(program, s.args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = f, f, endWithParent()
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		cmd.Wait()
		close(done)
	}()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		select {
		case <-done:
			return fmt.Errorf("solotick zone serve ended instead of starting:\n%s", tail(s.log, 20))
		default:
		}
		if conn, err := net.DialTimeout("tcp", s.addr, time.Second); err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("solotick zone serve does not listen on %s:\n%s", s.addr, tail(s.log, 20))
}

// nsupdate changes the record by hand, without asking what it holds.
func (c *cluster) nsupdate(script ...string) {
	c.t.Helper()
	host, port, _ := strings.Cut(c.at.addr, ":")
	k := c.at.key
	cmd := exec.Command("nsupdate", "-v", "-t", "5", "-y", k.Algorithm+":"+k.Name+":"+k.Secret)
	cmd.Stdin = strings.NewReader("server " + host + " " + port + "\nzone " + c.at.zone + "\n" + strings.Join(script, "\n") + "\nsend\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("nsupdate: %v: %s", err, out)
	}
}

// put makes text the record, whatever was there.
func (c *cluster) put(text string) {
	c.t.Helper()
	c.nsupdate("update delete "+c.name+" TXT", "update add "+c.name+` 1 TXT "`+strings.ReplaceAll(text, `"`, `\"`)+`"`)
}

func (c *cluster) remove() {
	c.t.Helper()
	c.nsupdate("update delete " + c.name + " TXT")
}

// dig returns the record as anybody sees it.
func (c *cluster) dig() string {
	c.t.Helper()
	return strings.ReplaceAll(strings.Trim(c.query(c.name, "TXT"), `"`), `\"`, `"`)
}

// shown is the record as anybody sees it, or as the provider does where no DNS
// server stands for it.
func (c *cluster) shown() string {
	c.t.Helper()
	if c.at.texts == nil {
		return c.dig()
	}
	texts := c.at.texts(c.name)
	if len(texts) != 1 {
		c.t.Fatalf("%d texts are at %s, want one: %q", len(texts), c.name, texts)
	}
	return texts[0]
}

// query asks the server as anybody can.
func (c *cluster) query(name, kind string) string {
	c.t.Helper()
	host, port, _ := strings.Cut(c.at.addr, ":")
	out, err := exec.Command("dig", "+short", "+tries=3", "+time=5", "@"+host, "-p", port, name, kind).CombinedOutput()
	if err != nil {
		c.t.Fatalf("dig: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// original is what scripts written for the original design read and rely on:
// three keys, in this order, at the beginning.
var original = regexp.MustCompile(`^\{"id":"[A-Z]{10}","timer":[0-9]+,"timerold":[0-9]+[,}]`)

// checkDig wants a record that the original's readers understand.
func (c *cluster) checkDig() {
	c.t.Helper()
	text := c.shown()
	var r struct {
		ID              string
		Timer, Timerold int64
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil || !original.MatchString(text) {
		c.t.Errorf("dig shows %s (%v), want id, timer and timerold first", text, err)
	}
	if len(text) > 255 {
		c.t.Errorf("the record has %d bytes, more than one string holds", len(text))
	}
	if r.Timer <= r.Timerold || r.Timer%int64(interval/time.Second) != r.Timerold%int64(interval/time.Second) {
		c.t.Errorf("timer %d does not follow timerold %d on the grid of %v", r.Timer, r.Timerold, interval)
	}
}
