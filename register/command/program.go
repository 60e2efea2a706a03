package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/solotick/solotick/register"
)

// drain is how long the output of a program that has ended is waited for, where
// something that it has started still holds it.
const drain = time.Second

// A program is one with its arguments.
type program []string

// run starts the program, and waits for it to its end.
func (p program) run(ctx context.Context, request []byte) (reply, error) {
	cmd := exec.CommandContext(ctx, p[0], p[1:]...)
	out, last := &head{}, &tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(request), out, last
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = drain
	if err := cmd.Start(); err != nil {
		return reply{}, fmt.Errorf("not started: %w", err)
	}
	err := cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		_ = killGroup(cmd.Process) // what holds the output is in it, or beyond reach
	}
	switch {
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("it was killed, since its time was over: %w", ctx.Err())
	case err != nil && ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, exec.ErrWaitDelay):
		err = errors.New("it has ended, and something that it has started still holds its output, so nobody knows whether the answer is whole")
	case err == nil:
		return reply{body: out.data}, nil
	}
	if said := last.line(); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return reply{}, doubt{fmt.Errorf("%s: %w", filepath.Base(p[0]), err)}
}

// findProgram tells whether the program is there.
func (c *Client) findProgram() register.Finding {
	path, err := exec.LookPath(c.program)
	if err != nil {
		return register.Finding{Check: "program", Text: err.Error(), Do: "give its whole path, and make it executable: chmod +x " + c.program}
	}
	return register.Finding{Check: "program", OK: true, Text: path}
}

// A head keeps the beginning of what is written to it, and a byte more than an
// answer may have.
type head struct{ data []byte }

func (h *head) Write(p []byte) (int, error) {
	room := maxAnswer + 1 - len(h.data)
	h.data = append(h.data, p[:min(room, len(p))]...)
	return len(p), nil
}

// A tail keeps the end of what is written to it.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	const most = 4 << 10
	t.data = append(t.data, p[max(0, len(p)-most):]...)
	t.data = t.data[max(0, len(t.data)-most):]
	return len(p), nil
}

// line is the last one that is not empty.
func (t *tail) line() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.data), ""))
	return line(text[strings.LastIndexByte(text, '\n')+1:])
}
