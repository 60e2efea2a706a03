package examples

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// bin is the folder of the programs that the tests start.
var bin string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // they wait most of the time; the flag exists
	dir, err := os.MkdirTemp("", "solotick-examples-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	out, err := exec.Command("go", "build", "-o", dir, "../cmd/solotick", "./fake").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A process is a program that runs until the test ends it, or is over.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// said is what it has printed so far.
func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(filepath.Join(bin, name), args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = "..", append(os.Environ(), env...), p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // tests look at its code
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // only fails if it has ended
		<-p.done
		if t.Failed() {
			t.Logf("%s:\n%s", name, p.said())
		}
	})
	return p
}

// end has a process end by itself.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s does not end", p.cmd.Path)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%s ended with code %d, want 0", p.cmd.Path, code)
	}
}

// await waits until the text that a process has printed after the first from bytes
// matches, and returns how much it has printed by then.
func (p *process) await(t *testing.T, from int, pattern string) int {
	t.Helper()
	match := regexp.MustCompile(pattern)
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		said := p.said()
		if match.MatchString(said[from:]) {
			return len(said)
		}
		if time.Now().After(end) {
			t.Fatalf("nothing matches %q in\n%s", pattern, said[from:])
		}
	}
}

// A trial is an example with what it talks to.
type trial struct {
	t    *testing.T
	file string
	fake *process
	api  string
	env  []string
}

// try starts the fake, and has the example's file validated.
func try(t *testing.T, name string) *trial {
	t.Helper()
	y := &trial{t: t, file: "examples/" + name + "/solotick.yaml"}
	y.fake = start(t, nil, "fake", "-listen", "127.0.0.1:0", "-tls", "127.0.0.1:0", "-dns", "127.0.0.1:0")
	y.fake.await(t, 0, "(?m)^# To have something go wrong")
	for line := range strings.Lines(y.fake.said()) {
		if strings.Contains(line, "=") && !strings.HasPrefix(line, "#") {
			y.env = append(y.env, strings.TrimSuffix(line, "\n"))
		}
		if api, ok := strings.CutPrefix(line, "API="); ok {
			y.api = strings.TrimSuffix(api, "\n")
		}
	}
	y.env = append(y.env, "EVERY=2s", "WORKERS_FILE="+filepath.Join(t.TempDir(), "workers"))
	if out, code := y.solotick("validate", "--explain", y.file); code != 0 || !strings.HasPrefix(out, y.file+": ok, 1 job") {
		t.Fatalf("solotick validate: code %d\n%s", code, out)
	}
	return y
}

// solotick runs a command of the program to its end.
func (y *trial) solotick(args ...string) (out string, code int) {
	y.t.Helper()
	ctx, cancel := context.WithTimeout(y.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "solotick"), args...)
	cmd.Dir, cmd.Env = "..", append(os.Environ(), y.env...)
	text, _ := cmd.CombinedOutput() // the code tells
	return string(text), cmd.ProcessState.ExitCode()
}

func (y *trial) run() *process {
	y.t.Helper()
	return start(y.t, y.env, "solotick", "run", "-c", y.file, "--log-format", "text")
}

// turn has everything be wrong or well from now on.
func (y *trial) turn(word string) int {
	y.t.Helper()
	from := len(y.fake.said())
	resp, err := http.Post(y.api+"/"+word, "text/plain", nil)
	if err != nil {
		y.t.Fatal(err)
	}
	resp.Body.Close()
	return y.fake.await(y.t, from, "from now on: "+word)
}

// once wants a pattern to match once in what the fake has shown.
func (y *trial) once(patterns ...string) {
	y.t.Helper()
	for _, p := range patterns {
		if n := len(regexp.MustCompile(p).FindAllString(y.fake.said(), -1)); n != 1 {
			y.t.Errorf("%q matches %d times, want once", p, n)
		}
	}
}

// TestCanary: each run is posted as the original's agents do it, and what cannot
// be posted is told once.
func TestCanary(t *testing.T) {
	t.Parallel()
	y := try(t, "canary")
	agent := y.run()
	y.fake.await(t, 0, `(?m)^api: [A-Z]{10} has run \d+, next \d+$`)
	y.fake.await(t, y.turn("wrong"), `(?s)(api: a run was refused.*){2}`)
	y.fake.await(t, y.turn("well"), `api: [A-Z]{10} has run(?s).*slack: ✔ Cleared`)
	agent.end(t)
	y.once(`slack: ✖ Firing \(error\): canary \| POST .*: status 503`, `slack: ✔ Cleared: canary`)
}

// TestBackups has the nightly check run by hand: an agent that starts finds the
// trigger at once.
func TestBackups(t *testing.T) {
	t.Parallel()
	y := try(t, "backups")
	agent := y.run()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		out, code := y.solotick("record", "get", "backups", "-c", y.file)
		if code == 0 {
			break
		} else if time.Now().After(end) {
			t.Fatalf("solotick record get: code %d\n%s", code, out)
		}
	}
	agent.end(t)
	for _, night := range []struct{ word, pattern string }{
		{"well", `api: the newest backup is of`},
		{"wrong", `slack: ✖ Firing \(error\): backups \| The newest backup is of 20\S*Z\.`},
		{"well", `slack: ✔ Cleared: backups`},
	} {
		from := y.turn(night.word)
		if out, code := y.solotick("trigger", "backups", "-c", y.file); code != 0 {
			t.Fatalf("solotick trigger: code %d\n%s", code, out)
		}
		agent := y.run()
		y.fake.await(t, from, night.pattern)
		agent.await(t, 0, `ran .*result=ok`)
		agent.end(t)
	}
	y.once(`slack: ✖`, `slack: ✔`)
}

// TestCertificates: a certificate that expires in five days is told twice, by
// severity.
func TestCertificates(t *testing.T) {
	t.Parallel()
	y := try(t, "certificates")
	agent := y.run()
	y.fake.await(t, 0, `tls: the certificate of mail.example.test is valid for 90 days`)
	y.fake.await(t, y.turn("wrong"), `slack: ✖ Firing(?s).*mail.example.test is valid for 5 days`)
	y.fake.await(t, y.turn("well"), `(?s)(slack: ✔.*){2}`)
	agent.end(t)
	y.once(`slack: ▲ Firing \(warning\): certificates \| These certificates expire soon: - mail.example.test in 5 days\n`,
		`slack: ✖ Firing \(critical\): certificates, now \| mail.example.test: less than a week is left\.`,
		`slack: ✔ Cleared: certificates \| All certificates are valid for a month\.`, `slack: ✔ Cleared: certificates, now`)
}

// TestQueue: workers are added in the first run that finds the queue long, people
// are told in the third, and somebody is paged.
func TestQueue(t *testing.T) {
	t.Parallel()
	y := try(t, "queue")
	agent := y.run()
	y.fake.await(t, 0, `api: the queue has 12 entries`)
	from := y.turn("wrong")
	y.fake.await(t, from, `slack: (?s).*pager: `)
	before, _, _ := strings.Cut(y.fake.said()[from:], "slack: ")
	if n := strings.Count(before, "has 7200 entries"); n != 3 {
		t.Errorf("people were told in run %d, want the third", n)
	}
	y.fake.await(t, y.turn("well"), `slack: (?s).*pager: resolve`)
	agent.end(t)
	y.once(`slack: ▲ Firing \(warning\): queue \| 7200 entries wait, three runs in a row\.`, `slack: ✔ Cleared: queue`, `pager: trigger critical`, `pager: resolve`)
	if n := strings.Count(agent.said(), "queue: 8 workers\n"); n < 3 {
		t.Errorf("workers were added %d times, want in each run with a long queue", n)
	}
}
