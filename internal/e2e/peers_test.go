package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// peers runs what docs/comparison.md says of other programs, in one folder.
type peers struct {
	t   *testing.T
	dir string
	env []string
}

func (p *peers) start(script string) *exec.Cmd {
	p.t.Helper()
	cmd := exec.Command("sh", "-e", "-c", script)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = p.dir, append(os.Environ(), p.env...), endWithParent()
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return cmd
}

func (p *peers) sh(script string) string {
	p.t.Helper()
	cmd := exec.Command("sh", "-e", "-c", script)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = p.dir, append(os.Environ(), p.env...), endWithParent()
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// lines are how many lines a file of the folder has.
func (p *peers) lines(name string) int {
	text, _ := os.ReadFile(filepath.Join(p.dir, name)) // none before the first
	return strings.Count(string(text), "\n")
}

func (p *peers) await(what string, ok func() bool) {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("not seen within a minute: %s", what)
		}
	}
}

// newEtcd starts Debian's etcd.
func newEtcd(t *testing.T) *peers {
	t.Helper()
	p := &peers{t: t, dir: t.TempDir()}
	var urls []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		urls = append(urls, "http://"+l.Addr().String())
		l.Close()
	}
	p.env = []string{"ETCDCTL_API=3", "ETCDCTL_ENDPOINTS=" + urls[0]}
	return p.run("exec etcd --data-dir data --listen-client-urls " + urls[0] + " --advertise-client-urls " + urls[0] + " --listen-peer-urls " + urls[1] +
		" --initial-advertise-peer-urls " + urls[1] + " --initial-cluster default=" + urls[1] + " >log 2>&1")
}

// run has a server go on until the end of the test.
func (p *peers) run(script string) *peers {
	var server *exec.Cmd
	p.await("etcd", func() bool {
		if server == nil {
			server = p.start(script)
			p.t.Cleanup(func() {
				_ = server.Process.Kill()
				_ = server.Wait() // killed
			})
		}
		cmd := exec.Command("etcdctl", "endpoint", "health")
		cmd.Env = append(os.Environ(), p.env...)
		return cmd.Run() == nil
	})
	return p
}

// TestPeers executes what docs/comparison.md says that was executed.
func TestPeers(t *testing.T) {
	t.Parallel()
	p := newEtcd(t)

	// Three that start one after another, as crontabs of three machines do: each runs a
	// job that is shorter than that.
	for range 3 {
		p.sh("etcdctl lock short -- sh -c 'echo ran >>short'")
		p.sh("flock -n lock sh -c 'echo ran >>flocked'")
	}
	if a, b := p.lines("short"), p.lines("flocked"); a != 3 || b != 3 {
		t.Errorf("etcdctl lock has run it %d times, flock %d times", a, b)
	}

	// The lease is lost: the command goes on, and another one begins.
	first := p.start("exec etcdctl lock --ttl 60 lost -- sh -c 'while test ! -e end; do echo alive >>alive; sleep 0.1; done'")
	p.await("the first command", func() bool { return p.lines("alive") > 0 })
	p.sh("for lease in $(etcdctl lease list | tail -n +2); do etcdctl lease revoke $lease; done")
	p.sh("etcdctl lock --ttl 60 lost -- sh -c 'echo began >>second'")
	before := p.lines("alive")
	p.await("that the first command goes on", func() bool { return p.lines("alive") > before+3 })
	if p.lines("second") != 1 {
		t.Error("the second command did not run")
	}

	// It is killed: its command lives on all the same.
	_ = first.Process.Kill()
	_ = first.Wait() // killed
	before = p.lines("alive")
	p.await("that the command outlives it", func() bool { return p.lines("alive") > before+3 })
	p.sh("touch end")

	// A holder that was killed is followed within the time to live of its lease.
	holder := p.start("exec etcdctl lock --ttl 5 killed -- sh -c 'echo >holds; sleep 1'")
	p.await("the holder", func() bool { return p.lines("holds") > 0 })
	_ = holder.Process.Kill()
	_ = holder.Wait() // killed
	began := time.Now()
	p.sh("etcdctl lock --ttl 5 killed -- true")
	if took := time.Since(began); took > 20*time.Second { // 5 s, and a loaded machine
		t.Errorf("the next one had it after %v", took)
	}
}
