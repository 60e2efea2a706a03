package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A terminal is one of tmux's, with a shell in it.
type terminal struct {
	t    *testing.T
	dir  string
	sock string
}

const columns, rows = 100, 30

func newTerminal(t *testing.T, env ...string) *terminal {
	t.Helper()
	dir, err := os.MkdirTemp("", "solotick-tty-*") // the name of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &terminal{t: t, dir: dir, sock: filepath.Join(dir, "s")}
	cmd := p.command("new-session", "-d", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows), "-c", dir, "exec sh -i")
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "ENV=", "NO_COLOR=", "TZ=Etc/GMT-9")
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the screen:\n%s", p.screen())
		}
		_ = p.command("kill-server").Run() // it may have ended
	})
	p.await("the shell", `(?m)^[#$]`)
	p.line("PS1='ready> '; clear")
	p.await("the shell", `^ready>`)
	return p
}

func (p *terminal) command(args ...string) *exec.Cmd {
	return exec.Command("tmux", append([]string{"-u", "-S", p.sock, "-f", "/dev/null"}, args...)...)
}

func (p *terminal) tmux(args ...string) string {
	p.t.Helper()
	out, err := p.command(args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// screen is what the terminal shows.
func (p *terminal) screen() string {
	out, _ := p.command("capture-pane", "-p").Output()
	return string(out)
}

// keys are pressed, each by its name in tmux.
func (p *terminal) keys(names ...string) {
	p.t.Helper()
	p.tmux(append([]string{"send-keys"}, names...)...)
}

// line types a line of the shell.
func (p *terminal) line(text string) {
	p.t.Helper()
	p.tmux("send-keys", "-l", text)
	p.keys("Enter")
}

// await waits until the screen matches.
func (p *terminal) await(what, pattern string) {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(60 * time.Second); !re.MatchString(p.screen()); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("%s: nothing on the screen matches %s", what, pattern)
		}
	}
}

// checkRestored wants the terminal as a shell leaves it: no second screen, and a
// cursor that can be seen; and the settings to be those of a file that stty wrote.
func (p *terminal) checkRestored(when, before, after string) {
	p.t.Helper()
	if got := strings.TrimSpace(p.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{keypad_flag}")); got != "0 1 0 0" {
		p.t.Errorf("%s: second screen, cursor, mouse, keypad are %s, want 0 1 0 0", when, got)
	}
	was, err := os.ReadFile(filepath.Join(p.dir, before))
	if err != nil {
		p.t.Fatal(err)
	}
	var is []byte
	for end := time.Now().Add(20 * time.Second); len(is) == 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		is, _ = os.ReadFile(filepath.Join(p.dir, after))
	}
	if string(is) != string(was) || len(was) == 0 {
		p.t.Errorf("%s the terminal's settings are\n%s, and were\n%s", when, is, was)
	}
}

// pid is that of a program started as p.start does.
func (p *terminal) pid() int {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text, _ := os.ReadFile(filepath.Join(p.dir, "pid"))
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return n
		}
	}
	p.t.Fatal("the program does not start")
	return 0
}

// start runs the program; how it ends is told, and the settings after it are in a
// file of that name.
func (p *terminal) start(args, after string) {
	p.t.Helper()
	_ = os.Remove(filepath.Join(p.dir, "pid"))
	p.line("clear; stty -a >before")
	p.line(fmt.Sprintf("sh -c 'echo $$ >pid; exec %s %s'; echo ended with $?; stty -a >%s", program, args, after))
}

// TestWatch goes through the live view as a person would, while agents are killed.
func TestWatch(t *testing.T) {
	t.Parallel()
	c := newCluster(t, startOwn(t), "watched")
	p := newTerminal(t)
	args := fmt.Sprintf("watch watched nope.%s -c %s --every 1s", strings.TrimSuffix(c.at.zone, "."), c.path("solotick.yaml"))
	p.start(args, "after.q")
	p.await("both records", `(?m)^▸ ○ ABSENT +nope\.t\.test.*\n.* ● (ON TIME|RUNNING) +watched `)
	p.await("the key line", `(?m)^ ↑↓ select   ⏎ details .* q quit`)

	p.keys("Down")
	p.await("the selection has moved", `(?m)^▸ ● [A-Z ]+ watched `)
	p.await("what happened to it", `(?m)^── watched \(watched\.t\.test\)[^·]*\n(.*\n)*.* record  id [A-Z]{10} · timer \d\d:\d\d:\d\d`)
	p.keys("r", "t")
	p.await("the record as it is, and local time", `(?m)UTC\+09:00 \d\d:\d\d:\d\d *\n(.*\n)* record  \{"id":"`)
	p.keys("r", "t", "/")
	p.keys("n", "o", "p", "e")
	p.await("the filter is typed", `(?m)^ / nope▏ .*⏎ keep  esc clear`)
	p.keys("Enter")
	p.await("the filter holds", `^ solotick watch .* / nope `)
	if s := p.screen(); strings.Contains(s, "watched ") {
		t.Errorf("the filter lets others pass:\n%s", s)
	}
	p.keys("Escape")
	p.await("no filter", `(?m)^ +● [A-Z ]+ watched `)
	p.keys("Down", "Enter")
	p.await("the details", `(?m)^── who sees what ─`)
	p.keys("e")
	p.await("its events", `(?m)^── what happened to watched\.t\.test ─`)
	p.keys("?")
	p.await("the help", `(?m)^── keys ─`)
	p.keys("Escape")
	p.await("its events again", `(?m)^── what happened to`)
	p.keys("Escape")
	p.await("the details again", `(?m)^── who sees what ─`)
	p.keys("Escape")
	p.await("the list again", `(?m)^▸ ● [A-Z ]+ watched `)

	for _, size := range []struct {
		x, y int
		want string
	}{
		{60, 12, `(?m)^↑↓ ⏎ open r raw t local / find s name e log \? help q quit`},
		{40, 8, `^too small: want 60x12, have 40x8`},
		{160, 45, `(?m)^ ↑↓ select   ⏎ details   r raw .*\n*$`},
		{columns, rows, `(?m)^ ↑↓ select   ⏎ details   r raw `},
	} {
		p.tmux("resize-window", "-x", strconv.Itoa(size.x), "-y", strconv.Itoa(size.y))
		p.await(fmt.Sprintf("%dx%d", size.x, size.y), size.want)
	}

	_, holder := c.hang()
	p.await("the run under way", `● RUNNING +watched .* runs \d+ s`)
	c.write("hang", "") // for whoever takes over: a short run may pass between two looks
	holder.kill()
	p.await("the takeover", `(?m)^ \d\d:\d\d:\d\d ▲ [A-Z]{10} took over the tick of `)
	p.await("the takeover's mark", `(?m)^ [A-Z]{10} .*↷`)
	for _, a := range c.agents {
		a.kill()
	}
	p.await("missed, and so the worst", `(?m)^▸ ✖ MISSED +watched +-\d\d:\d\d .*\n  ○ ABSENT`)
	p.keys("q")
	p.await("the end", `ended with 0\nready>`)
	p.checkRestored("after q", "before", "after.q")
}

// TestWatchEnds ends and suspends the live view in all ways, and looks at the
// terminal.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	at := startOwn(t)
	p := newTerminal(t)
	args := fmt.Sprintf("watch nope.t.test @%s --every 1s", at.addr)
	shown := `(?m)^▸ ○ ABSENT +nope\.t\.test`
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		after := fmt.Sprintf("after.%d", sig)
		p.start(args, after)
		p.await("the view", shown)
		if err := syscall.Kill(p.pid(), sig); err != nil {
			t.Fatal(err)
		}
		p.await("the end", `ended with 0\nready>`)
		p.checkRestored("after "+sig.String(), "before", after)
	}

	p.start(args, "after.z")
	p.await("the view", shown)
	for _, fg := range []string{"fg", "fg; echo it ended with $?; stty -a >after.fg"} {
		p.keys("C-z")
		p.await("the shell", `(?m)^ready>`)
		_ = os.Remove(filepath.Join(p.dir, "stopped"))
		p.line("stty -a >stopped")
		p.checkRestored("after Ctrl-Z", "before", "stopped")
		p.line("clear; " + fg)
		p.await("the view again", shown)
		if got := strings.TrimSpace(p.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}")); got != "1 0" {
			t.Errorf("after fg second screen and cursor are %s, want 1 0", got)
		}
	}
	p.keys("e")
	p.await("keys work again", `(?m)^── what happened ─`)
	p.keys("C-c")
	p.await("the end", `it ended with 0`)
	p.checkRestored("after Ctrl-C", "before", "after.fg")

	// Its terminal goes away.
	p.start(args, "none")
	p.await("the view", shown)
	pid := p.pid()
	p.tmux("kill-server")
	for end := time.Now().Add(20 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it goes on without a terminal")
		}
	}
}

// TestWatchPlain wants neither colours nor more than ASCII where these are not
// taken, and lines where nothing can be drawn.
func TestWatchPlain(t *testing.T) {
	t.Parallel()
	at := startOwn(t)
	p := newTerminal(t, "NO_COLOR=1", "LC_ALL=C")
	args := fmt.Sprintf("watch nope.t.test @%s --every 1s", at.addr)
	p.start(args, "after")
	p.await("the view", `(?m)^> - ABSENT +nope\.t\.test`)
	out := p.tmux("capture-pane", "-p", "-e")
	if colour := regexp.MustCompile(`\x1b\[([0-9;]*;)?[349][0-7]m`); colour.MatchString(out) {
		t.Errorf("it is in colour: %q", out)
	}
	for _, r := range out {
		if r > 0x7f {
			t.Errorf("%q is no ASCII", r)
		}
	}
	p.keys("q")
	p.await("the end", `ended with 0`)
	p.line("clear; TERM=dumb " + program + " " + args + " --for 2s")
	p.await("a line for each event", `(?m)^20\S+Z  - nope\.t\.test  absent: there is no record`)
	p.line("clear; " + program + " " + args + " --jsonl --for 2s")
	p.await("a document for each event", `(?m)^\{"schema":"solotick\.event/v1",`)
}
