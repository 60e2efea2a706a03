package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// A terminal is a pair of which the view has one end and the test the other.
type terminal struct {
	t     *testing.T
	near  *os.File // the test's end
	far   *os.File // the view's
	state *term.State

	mu   sync.Mutex
	text bytes.Buffer // what the view has written
	done chan struct{}
}

// newTerminal opens a terminal. It takes what is written to it only once read is
// called.
func newTerminal(t *testing.T) *terminal {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	control(t, near, func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0), unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	})
	far, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	state, err := term.GetState(int(far.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	p := &terminal{t: t, near: near, far: far, state: state, done: make(chan struct{})}
	t.Cleanup(func() {
		far.Close()
		near.Close()
	})
	return p
}

// control does something with a file that goes on waiting for its turn in Go, so
// that closing it ends who reads and writes.
func control(t *testing.T, f *os.File, do func(fd int) error) {
	t.Helper()
	c, err := f.SyscallConn()
	if err == nil {
		var failed error
		err = c.Control(func(fd uintptr) { failed = do(int(fd)) })
		err = errors.Join(err, failed)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// read takes what is written from now on.
func (p *terminal) read() {
	go func() {
		defer close(p.done)
		b := make([]byte, 4096)
		for {
			n, err := p.near.Read(b)
			p.mu.Lock()
			p.text.Write(b[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
}

func (p *terminal) written() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// await waits until the view has written something.
func (p *terminal) await(text string) {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(p.written(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("the view never writes %q: %q", text, p.written())
		}
	}
}

// checkRestored wants the terminal as it was.
func (p *terminal) checkRestored() {
	p.t.Helper()
	state, err := term.GetState(int(p.far.Fd()))
	if err != nil {
		p.t.Fatal(err)
	}
	if *state != *p.state {
		p.t.Errorf("the terminal's settings are %+v, and were %+v", state, p.state)
	}
	p.far.Close()
	<-p.done
	for _, pair := range [][2]string{{"\x1b[?1049h", "\x1b[?1049l"}, {"\x1b[?25l", "\x1b[?25h"}} {
		if on, off := strings.LastIndex(p.written(), pair[0]), strings.LastIndex(p.written(), pair[1]); on < 0 || off < on {
			p.t.Errorf("%q is not followed by %q: %q", pair[0], pair[1], p.written())
		}
	}
}

func (p *terminal) config() Config {
	return Config{History: shared().history, In: p.far, Out: p.far, Unicode: true}
}

func TestRunEnds(t *testing.T) {
	for _, how := range []string{"q", "\x03", "context", "panic in Update", "panic in a command", "panic in one of two"} {
		t.Run(how, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			p := newTerminal(t)
			p.read()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			switch text, panics := strings.CutPrefix(how, "panic in "); {
			case panics:
				m := newModel(p.config(), nil, ctx.Done(), begin)
				go func() {
					ended <- run(ctx, p.far, p.far, true, broken{m, text})
					cancel()
				}()
			default:
				go func() { ended <- Run(ctx, p.config()) }()
			}
			p.await("canary")
			switch how {
			case "q", "\x03":
				fmt.Fprint(p.near, how)
			case "context":
				cancel()
			default:
				fmt.Fprint(p.near, "x")
			}
			err := <-ended
			if panics := strings.HasPrefix(how, "panic"); panics != (err != nil) || panics && !strings.Contains(err.Error(), "a slip") {
				t.Errorf("it ends with %v", err)
			}
			p.checkRestored()
		})
	}
}

// broken is a view with a mistake in it.
type broken struct {
	*model
	where string
}

func (b broken) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if k, ok := msg.(tea.KeyPressMsg); ok && k.Text == "x" {
		slip := func() tea.Msg { panic("a slip") }
		switch b.where {
		case "a command":
			return b, slip
		case "one of two":
			return b, tea.Batch(func() tea.Msg { return nil }, slip)
		}
		slip()
	}
	_, cmd := b.model.Update(msg)
	return b, cmd
}

// TestRunUnread: the view ends although nobody takes what it writes, as where a
// connection hangs, and restores the settings.
func TestRunUnread(t *testing.T) {
	p := newTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, p.config()) }()
	typed := make(chan struct{})
	go func() { // more screens than there is room for
		defer close(typed)
		for range 20_000 {
			if _, err := p.near.WriteString("?e"); err != nil {
				return
			}
		}
	}()
	p.awaitFull()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	state, err := term.GetState(int(p.far.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if *state != *p.state {
		t.Errorf("the terminal's settings are %+v, and were %+v", state, p.state)
	}
	p.near.Close()
	<-typed
}

// awaitFull waits until what is written is no longer more, for long enough that a
// screen would have come.
func (p *terminal) awaitFull() {
	p.t.Helper()
	most, since := 0, time.Now()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		n := 0
		control(p.t, p.near, func(fd int) (err error) {
			n, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
			return err
		})
		if n > most {
			most, since = n, time.Now()
		}
		if most > 1000 && time.Since(since) > 3*time.Second {
			return
		}
	}
	p.t.Fatalf("the terminal takes all that is written: %d bytes", most)
}

func TestRunWithoutTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := Run(t.Context(), Config{History: shared().history, In: r, Out: w}); err == nil || !strings.Contains(err.Error(), "no terminal") {
		t.Errorf("a pipe as terminal ends with %v", err)
	}
}
