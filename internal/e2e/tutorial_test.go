package e2e

import (
	"bytes"
	"net"
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

// A lesson is a block of docs/tutorial.md, with what a comment above it, which readers
// do not see, says of it:
//
//	<!-- tutorial: install -->         makes the programs; the tests have them already
//	<!-- tutorial: way=bind -->        for those who took this way to a zone
//	<!-- tutorial: terminal=NAME -->   goes on, in a terminal of its own
//	<!-- tutorial: port=8080 -->       listens there, unless it is told another port
//	<!-- tutorial: until=REGEXP -->    is typed again until it prints this
//	<!-- tutorial: again -->           is typed again until it prints what is shown
//	<!-- tutorial: in=NAME -->         is no command: that terminal shows it
type lesson struct {
	block
	line  int
	marks map[string]string
}

// lessons are all blocks of the page, with the ports of one reader.
func lessons(t *testing.T, ports *strings.Replacer) (all []lesson) {
	t.Helper()
	text, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	if blocks, held := strings.Count(page, "\n```")/2, strings.Count(page, "<!-- held by: internal/e2e TestTutorial -->"); blocks != held {
		t.Errorf("of %d blocks of the page %d are said to be held by this test", blocks, held)
	}
	for _, m := range regexp.MustCompile("(?ms)(?:^<!-- tutorial: ([^\n]*) -->\n)?^```([a-z]+)\n(.*?)^```$").FindAllStringSubmatchIndex(page, -1) {
		l := lesson{
			block: block{page[m[4]:m[5]], ports.Replace(page[m[6]:m[7]])},
			line:  1 + strings.Count(page[:m[4]], "\n"), marks: map[string]string{},
		}
		if m[2] >= 0 {
			for _, mark := range strings.Fields(page[m[2]:m[3]]) {
				key, value, _ := strings.Cut(mark, "=")
				l.marks[key] = value
			}
		}
		all = append(all, l)
	}
	return all
}

// A student does what the tutorial says, in a folder of its own.
type student struct {
	t         *testing.T
	home      string
	dir       string
	terminals map[string]*screen
}

// A screen has one program in it that goes on.
type screen struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan error

	mu  sync.Mutex
	out bytes.Buffer
}

func (w *screen) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

func (w *screen) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.String()
}

// TestTutorial does all that docs/tutorial.md says, in the order of the page, once with
// each of its two servers, and compares what is printed with what the page shows. Ports
// are other ones, and what a reader types until something has happened is typed again.
func TestTutorial(t *testing.T) {
	t.Parallel()
	fake := filepath.Join(filepath.Dir(program), "fake")
	if out, err := exec.Command("go", "build", "-o", fake, "github.com/solotick/solotick/examples/fake").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, way := range []string{"zone", "bind"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := &student{t: t, home: t.TempDir(), terminals: map[string]*screen{}}
			s.dir = s.home
			t.Cleanup(s.leave)
			ran, ports := 0, freePorts(t, "5300", "5301", "8080", "8090", "8443")
			for _, l := range lessons(t, ports) {
				if port := l.marks["port"]; port != "" {
					l.text = strings.TrimSpace(l.text) + ports.Replace(" --listen 127.0.0.1:"+port)
				}
				if want, ok := l.marks["way"]; ok && want != way {
					continue
				}
				if _, ok := l.marks["install"]; ok {
					continue
				}
				s.do(l)
				ran++
			}
			if ran < 30 {
				t.Errorf("%d blocks were done: the test has lost its way", ran)
			}
			s.end()
		})
	}
}

// freePorts replaces ports by free ones of this machine.
func freePorts(t *testing.T, ports ...string) *strings.Replacer {
	t.Helper()
	var pairs []string
	for _, port := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // after all are known, so that they differ
		_, free, _ := net.SplitHostPort(l.Addr().String())
		pairs = append(pairs, "127.0.0.1:"+port, "127.0.0.1:"+free, "port "+port, "port "+free, "-p "+port, "-p "+free)
	}
	return strings.NewReplacer(pairs...)
}

// do does what one block says.
func (s *student) do(l lesson) {
	s.t.Helper()
	name, runs := l.marks["terminal"]
	until, waits := l.marks["until"]
	in, shown := l.marks["in"]
	switch {
	case runs:
		s.open(name, l)
	case waits:
		want := regexp.MustCompile(until)
		s.await(l, func() (string, bool) {
			out, _ := s.sh(l.text) // it may be too early for it
			return out, want.MatchString(out)
		})
	case shown:
		s.await(l, func() (string, bool) {
			out := s.terminals[in].text()
			return out, strings.Contains(alike(out), alike(l.text))
		})
	case l.kind == "console":
		s.console(l)
	case l.kind == "sh":
		if out, err := s.sh(l.text); err != nil {
			s.t.Fatalf("line %d: %v\n%s\n%s", l.line, err, l.text, out)
		}
	case l.kind == "text": // shown before, by the block above it
	default:
		s.t.Errorf("line %d: what is to be done with a block of %s?", l.line, l.kind)
	}
}

// await tries something until it has worked, for as long as a loaded machine may take.
func (s *student) await(l lesson, try func() (string, bool)) {
	s.t.Helper()
	out, ok := "", false
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if out, ok = try(); ok {
			return
		}
	}
	s.t.Fatalf("line %d: within a minute this was not seen: %v\n%s\nbut\n%s", l.line, l.marks, l.text, out)
}

// console types each command of a block, and wants what is below it.
func (s *student) console(l lesson) {
	s.t.Helper()
	for _, part := range strings.Split("\n"+l.text, "\n$ ")[1:] {
		command, want, _ := strings.Cut(part, "\n")
		_, again := l.marks["again"]
		var got string
		var err error
		for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			got, err = s.sh(command)
			got = strings.ReplaceAll(got, s.dir, "/srv/tutorial")
			if alike(got) == alike(want) {
				break
			}
			if !again || time.Now().After(end) {
				s.t.Fatalf("line %d: %s (%v)\nprints\n%s\nand the page shows\n%s", l.line, command, err, got, want)
			}
		}
		if err != nil {
			s.t.Errorf("line %d: %s: %v", l.line, command, err)
		}
	}
}

// varying is what differs from one time to the next, and what stands for it.
var varying = []struct {
	of   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]`), ""},
	{regexp.MustCompile(`\b[A-Z]{12,15}\b`), "AGENT"},
	{regexp.MustCompile(`hash [0-9a-f]{12}`), "hash"},
	{regexp.MustCompile(`\d+(\.\d+)?`), "0"},
	{regexp.MustCompile(`\b0 ?(µs|ms|s)\b`), "0 s"},
}

// alike is a text without what differs from one time to the next.
func alike(text string) string {
	for _, v := range varying {
		text = v.of.ReplaceAllString(text, v.with)
	}
	return strings.Join(strings.Fields(text), " ")
}

// command is a script in the folder that the student is in.
func (s *student) command(script string) *exec.Cmd {
	cmd := exec.Command("sh", "-e", "-c", script)
	cmd.Dir, cmd.SysProcAttr = s.dir, endWithParent()
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH")+":/usr/sbin", "LC_ALL=C.UTF-8", "NO_COLOR=1",
		"HOME="+s.home, "XDG_STATE_HOME="+s.home, "SOLOTICK_CONFIG=")
	return cmd
}

// sh runs a script, stays in the folder in which it ends, and returns all that it printed.
func (s *student) sh(script string) (string, error) {
	at := filepath.Join(s.home, "at")
	out, err := s.command(script + "\npwd >'" + at + "'").CombinedOutput()
	if dir, lost := os.ReadFile(at); err == nil && lost == nil {
		s.dir = strings.TrimSpace(string(dir))
	}
	return string(out), err
}

// open has a program go on in a terminal.
func (s *student) open(name string, l lesson) {
	s.t.Helper()
	w := &screen{t: s.t, cmd: s.command("exec " + l.text), done: make(chan error, 1)}
	w.cmd.Stdout, w.cmd.Stderr = w, w
	if err := w.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { w.done <- w.cmd.Wait() }()
	s.terminals[name] = w
	if name == "server" || name == "fake" { // a person takes longer for the next line than they for their start
		address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(l.text)
		s.await(l, func() (string, bool) {
			if address == "" { // it is in the server's own file
				return w.text(), strings.Contains(w.text(), " running\n")
			}
			conn, err := net.DialTimeout("tcp", address, time.Second)
			if err == nil {
				conn.Close()
			}
			return w.text(), err == nil
		})
	}
}

// end is Ctrl-C in each terminal: all that was not killed by the lesson ends well.
func (s *student) end() {
	killed := 0
	for name, w := range s.terminals {
		_ = w.cmd.Process.Signal(syscall.SIGINT) // fails for the one that is gone
		select {
		case err := <-w.done:
			if err != nil && strings.Contains(err.Error(), "killed") {
				killed++
			} else if err != nil {
				s.t.Errorf("%s: %v\n%s", name, err, w.text())
			}
		case <-time.After(20 * time.Second):
			s.t.Errorf("%s does not end at Ctrl-C\n%s", name, w.text())
		}
	}
	if killed != 1 {
		s.t.Errorf("%d programs were killed, want the one agent", killed)
	}
}

// leave ends what a test that failed has left.
func (s *student) leave() {
	for name, w := range s.terminals {
		_ = w.cmd.Process.Kill() // fails for what has ended
		if s.t.Failed() {
			s.t.Logf("%s:\n%s", name, w.text())
		}
	}
}
