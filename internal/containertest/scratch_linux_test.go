package containertest

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// told is what a run of package job tells.
type told struct {
	Args      []string
	State     string
	Out       string
	UID       int
	Home, Tmp bool
	Write     string
	Pid       int
	Child     int
	Tick      string
}

// An agent is "run" in a box.
type agent struct {
	t    *testing.T
	cmd  *exec.Cmd
	dir  string
	done chan struct{}
}

func (b box) start(t *testing.T) *agent {
	t.Helper()
	a := &agent{t: t, cmd: b.command(t), dir: t.TempDir(), done: make(chan struct{})}
	for name, to := range map[string]*os.File{"out": nil, "log": nil} {
		f, err := os.Create(filepath.Join(a.dir, name))
		check(t, err)
		defer f.Close()
		if to = f; name == "out" {
			a.cmd.Stdout = to
		} else {
			a.cmd.Stderr = to
		}
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatalf("no box can be made here; it takes root, or user namespaces: %v", err)
	}
	go func() {
		_ = a.cmd.Wait() // its state is looked at
		close(a.done)
	}()
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill() // only fails if it has ended
		<-a.done
		if t.Failed() {
			t.Logf("the agent:\n%s", a.read("log"))
		}
	})
	return a
}

func (a *agent) read(name string) string {
	data, err := os.ReadFile(filepath.Join(a.dir, name))
	check(a.t, err)
	return string(data)
}

// ran waits for a run with that argument and returns it.
func (a *agent) ran(what string, ok func(told) bool) (found told) {
	a.t.Helper()
	await(a.t, what, func() bool {
		select {
		case <-a.done:
			a.t.Fatalf("%s: the agent has ended", what)
		default:
		}
		for line := range strings.Lines(a.read("out")) {
			var one told
			if json.Unmarshal([]byte(line), &one) == nil && ok(one) {
				found = one
				return true
			}
		}
		return false
	})
	return found
}

func has(arg string) func(told) bool {
	return func(one told) bool { return slices.Contains(one.Args, arg) }
}

// children are the processes below the agent, by name, with * where one has ended and
// was not waited for.
func (a *agent) children() (all []string) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	check(a.t, err)
	for _, file := range stats {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		begin, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
		fields := strings.Fields(string(data[end+1:]))
		if fields[1] != strconv.Itoa(a.cmd.Process.Pid) {
			continue
		}
		name := string(data[begin+1 : end])
		if fields[0] == "Z" {
			name += "*"
		}
		all = append(all, name)
	}
	return all
}

// TestScratch lives through what a pod lives through, in an image from scratch.
func TestScratch(t *testing.T) {
	t.Parallel()
	addr, secrets := serveZone(t)
	listen := free(t)
	files := &configMap{dir: filepath.Join(filepath.Dir(secrets), "config")}
	check(t, os.Mkdir(files.dir, 0o755))
	file := func(args string) string {
		return fmt.Sprintf(`version: 1
agent: { listen: %q, grace: 1s }
dns: { provider: rfc2136, zone: t.test, server: %q, tsig: "${file:/run/secrets/solotick.key}" }
jobs:
  canary: { every: 1s, lease: 3s, kill_grace: 0s, skew: 100ms, output: raw, exec: [/job%s] }
`, listen, addr, args)
	}
	files.set(t, file(""))
	b := box{Root: newRoot(t, nil), Mounts: map[string]string{"/etc/solotick": files.dir, "/run/secrets": secrets}}
	health := func(want int, says string, args ...string) {
		t.Helper()
		h := b
		h.Args = append([]string{"/solotick", "health"}, args...)
		code, out, errs := h.run(t)
		if code != want || !strings.Contains(out+errs, says) {
			t.Errorf("health %q: code %d, %q; want %d, %q", args, code, out+errs, want, says)
		}
	}
	b.Args = []string{"/solotick", "run", "-c", "/etc/solotick/solotick.yaml"}
	a := b.start(t)

	third := a.ran("its state has gone through three runs", func(one told) bool { return one.State == "2" })
	if third.UID != user || third.Home || third.Tmp || !strings.Contains(third.Write, "read-only") || !strings.HasPrefix(third.Out, "/proc/") {
		t.Errorf("the job has %+v; want user %d, neither HOME nor /tmp, nothing to write to, and memory for its state", third, user)
	}
	health(0, "ok", listen)
	health(0, "ok", "http://"+listen+"/readyz")

	files.set(t, file(", changed"))
	a.ran("a changed ConfigMap is in force", has("changed"))
	files.set(t, file(", }"))
	await(t, "a mistake shows in readyz", func() bool {
		resp, err := http.Get("http://" + listen + "/readyz")
		check(t, err)
		resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	})
	health(1, "503", "http://"+listen+"/readyz")
	health(0, "ok", listen)

	files.set(t, file(", orphan"))
	if one := a.ran("a guard is killed", has("orphan")); one.Child == 0 {
		t.Error("the job has no child that outlives it")
	}
	await(t, "an orphan of a killed guard comes to process 1", func() bool { return slices.Contains(a.children(), "job") })
	files.set(t, file(", long"))
	a.ran("it goes on", has("long"))
	await(t, "all orphans were waited for", func() bool {
		return !slices.ContainsFunc(a.children(), func(name string) bool { return strings.HasPrefix(name, "job") })
	})

	check(t, a.cmd.Process.Signal(syscall.SIGTERM))
	<-a.done
	if code := a.cmd.ProcessState.ExitCode(); code != 0 || !strings.Contains(a.read("log"), "stopping: nothing more is claimed") {
		t.Errorf("TERM to process 1: code %d", code)
	}
	health(69, "does not answer", listen)
}

// TestRoots: certificates are looked for where the image has them, and there are none
// in the program.
func TestRoots(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the client that does not trust it
	s.StartTLS()
	t.Cleanup(s.Close)
	dir := t.TempDir()
	text := fmt.Sprintf(`version: 1
dns: { provider: rfc2136, zone: t.test, server: 127.0.0.1, tsig: "${env:KEY}" }
jobs:
  canary: { cron: "30 2 * * *", time_zone: Europe/Berlin, steps: [ { id: a, http: { url: %q } } ] }
`, s.URL)
	check(t, os.WriteFile(filepath.Join(dir, "solotick.yaml"), []byte(text), 0o644))
	for at := dir; at != "/" && at != os.TempDir(); at = filepath.Dir(at) {
		check(t, os.Chmod(at, 0o755))
	}
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for _, c := range []struct {
		roots []byte
		code  int
		says  string
	}{
		{own, 0, ""},
		{nil, 1, "x509: certificate signed by unknown authority"},
	} {
		b := box{
			Root: newRoot(t, c.roots), Mounts: map[string]string{"/etc/solotick": dir}, Env: []string{"KEY=solotick:c29sb3RpY2s="},
			Args: []string{"/solotick", "run", "-c", "/etc/solotick/solotick.yaml", "--job", "canary", "--now"},
		}
		if code, out, errs := b.run(t); code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%d bytes of roots: code %d, want %d and %q:\n%s", len(c.roots), code, c.code, c.says, out+errs)
		}
		b.Args = []string{"/solotick", "validate", "--explain", "/etc/solotick/solotick.yaml"}
		if code, out, errs := b.run(t); code != 0 || !strings.Contains(out, "Europe/Berlin") {
			t.Errorf("time zones: code %d:\n%s", code, out+errs)
		}
	}
}
