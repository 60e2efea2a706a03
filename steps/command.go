package steps

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An Output says what becomes of what a command prints, besides its tail.
type Output int

// The modes of output.
const (
	Raw      Output = iota // passed on as it comes
	Prefixed               // passed on line by line, each with the job's name in front
	Quiet                  // only kept, for a caller that shows it when the command failed
)

// A Command is a program with its arguments. It is safe to run one several times
// at once, if its writers are safe for concurrent use.
//
// Its standard input is empty, unless Stdio says otherwise. Its processes are one process group in a session
// of their own, without a terminal. When its main process has ended, what it left
// running in the background is ended too, TERM first: a run is over when all of
// it is over.
type Command struct {
	// Argv is the program and its arguments, given to it as they are. A program
	// without a slash is searched in the PATH that the command itself gets; a
	// relative one with a slash is relative to Dir. With Shell it is one text.
	Argv []string
	// Shell has the text interpreted by /bin/sh -c, by cmd.exe /c on Windows.
	Shell bool
	// Dir is the working directory; empty: this process's.
	Dir string
	// Env is added to this process's own environment, as "name=value". Both lose
	// against what Solotick sets itself (SOLOTICK_JOB and so on).
	Env []string
	// Timeout is how long it may run before TERM; 0: as long as its run may.
	Timeout time.Duration

	// Stdout and Stderr get what it prints, in one of the ways of Output; nil:
	// nobody. A writer that fails is not written to again; one that blocks makes
	// the command wait, but not the end of the run. A program whose own output may
	// be closed has to catch SIGPIPE, by os/signal.Notify, to survive the attempt.
	Stdout, Stderr io.Writer
	Output         Output
	// MaxTail bounds what of both streams together is kept for Result.Tail, in
	// bytes: a quarter from the beginning, the rest from the end. 0: 10,000;
	// negative: nothing.
	MaxTail int

	// Keep is how much of what is printed to the standard output is kept for
	// Result.Stdout, in bytes from the beginning. 0: nothing.
	Keep int

	// Stdio, if it has three files, is what the command gets as its standard input,
	// output and error, as they are, a terminal included: nothing of it is kept,
	// and Stdout, Stderr, Output, MaxTail and Keep mean nothing.
	Stdio []*os.File

	// Guards, shared by all commands of a process, starts their guards in
	// advance. Nil: each is started when it is needed.
	Guards *Guards
}

// Do runs the command until it has ended, its Timeout has passed, ctx is
// cancelled, or no more than run.Grace is left of the window of the run's claim.
// In the last three cases its processes get TERM, and KILL when the grace or the
// window is over, whichever is first. When Do returns, none of them is left,
// except for those that Linux did not allow to be killed: the error says so.
//
// Nil means that it ended with code 0. The error is [ErrTimeout], [ErrStopped]
// (with the context's cause), [ErrNotFound], [ErrNotExecutable], [ErrState] or
// an [*ExitError], wrapped with the program's name; anything else is a failure
// to start it at all.
func (c *Command) Do(ctx context.Context, run Run) (Result, error) {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return Result{Code: -1}, errors.New("a command without a program")
	}
	if ctx.Err() != nil {
		return Result{Code: -1}, fmt.Errorf("%s: not started: %w: %w", c.name(), ErrStopped, context.Cause(ctx))
	}
	if c.Dir != "" {
		if st, err := os.Stat(c.Dir); err != nil {
			return Result{Code: -1}, fmt.Errorf("%s: its directory: %w", c.name(), err)
		} else if !st.IsDir() {
			return Result{Code: -1}, fmt.Errorf("%s: its directory %s is none", c.name(), c.Dir)
		}
	}
	var state stateFile
	if run.Lock == "" {
		state = newStateFile(run.State)
		defer state.remove()
	}
	env := c.environment(run, state.path)
	argv := c.argv()
	path, err := find(argv[0], c.Dir, lookup(env, "PATH"))
	if err != nil {
		return Result{Code: codeOf(err)}, fmt.Errorf("%s: %w", c.name(), err)
	}

	out := c.newOutput(run.Job)
	begin := time.Now()
	result, err := c.supervise(ctx, run, process{Path: path, Argv: argv, Dir: c.Dir, Env: env, Scratch: state.temporary()}, out)
	result.Took = time.Since(begin)
	result.Tail = out.tail.String()
	result.Stdout = out.kept.String()
	var bad error
	result.State, result.StateSet, bad = state.read(run.State, run.room())
	if err == nil {
		err = bad
	}
	if err != nil {
		return result, fmt.Errorf("%s: %w", c.name(), err)
	}
	return result, nil
}

// Check says whether there is such a program as Do would start, without a run's
// environment. The error is [ErrNotFound] or [ErrNotExecutable], wrapped with its
// name.
func (c *Command) Check() error {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return errors.New("a command without a program")
	}
	if _, err := find(c.argv()[0], c.Dir, lookup(overlay(os.Environ(), c.Env, nil), "PATH")); err != nil {
		return fmt.Errorf("%s: %w", c.name(), err)
	}
	return nil
}

// A process is what there is to start.
type process struct {
	Path string // absolute, or relative to Dir
	Argv []string
	Dir  string
	Env  []string
	// Scratch is a file that must not outlive the run; empty: none.
	Scratch string
}

// name is the program's, for errors: a shell's text may be long.
func (c *Command) name() string {
	if c.Shell {
		return "shell command"
	}
	return c.Argv[0]
}

func (c *Command) argv() []string {
	switch {
	case !c.Shell:
		return c.Argv
	case runtime.GOOS == "windows":
		return append([]string{"cmd.exe", "/c"}, c.Argv...)
	}
	return append([]string{"/bin/sh", "-c"}, c.Argv...)
}

// environment is this process's, the command's, and ours, each above the one before.
func (c *Command) environment(run Run, statePath string) []string {
	fence, deadline, unarbitrated := strconv.FormatInt(run.Fence, 10), "", ""
	if run.Unarbitrated {
		fence, unarbitrated = "", "1"
	}
	end := run.Deadline
	if own := time.Now().Add(c.Timeout); c.Timeout > 0 && (end.IsZero() || own.Before(end)) {
		end = own
	}
	if !end.IsZero() {
		deadline = strconv.FormatInt(end.Unix(), 10)
	}
	if run.Lock != "" {
		return overlay(inherited(run.Withheld), c.Env, []string{
			"SOLOTICK_LOCK=" + run.Lock, "SOLOTICK_FENCE=" + fence, "SOLOTICK_AGENT=" + run.Agent, "SOLOTICK_DEADLINE=" + deadline,
		})
	}
	ours := []string{
		"SOLOTICK_JOB=" + run.Job,
		"SOLOTICK_TICK=" + strconv.FormatInt(run.Tick.Unix(), 10),
		"SOLOTICK_ATTEMPT=" + strconv.Itoa(run.Attempt),
		"SOLOTICK_FENCE=" + fence,
		"SOLOTICK_AGENT=" + run.Agent,
		"SOLOTICK_DEADLINE=" + deadline,
		"SOLOTICK_LAST=" + run.Last,
		"SOLOTICK_UNARBITRATED=" + unarbitrated,
		"SOLOTICK_STATE=" + run.State,
		"SOLOTICK_STATE_OUT=" + statePath,
	}
	if run.TraceParent != nil {
		ours = append(ours, "TRACEPARENT="+run.TraceParent(run.step), "TRACESTATE=") // what this process has belongs to another parent
	}
	return overlay(inherited(run.Withheld), c.Env, ours)
}

// inherited is this process's environment without what commands are not to have.
func inherited(withheld []string) []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(withheld, name)
	})
}

// overlay is an environment: inherited, the command's, and ours, each above the one
// before.
func overlay(inherited, own, ours []string) []string {
	at := make(map[string]int)
	var env []string
	for i, list := range [][]string{inherited, own, ours} {
		for _, kv := range list {
			name, _, ok := strings.Cut(kv, "=")
			if !ok || name == "" || i < 2 && isTold(name) {
				continue
			}
			if i, seen := at[name]; seen {
				env[i] = kv
				continue
			}
			at[name] = len(env)
			env = append(env, kv)
		}
	}
	return env
}

func lookup(env []string, name string) string {
	for _, kv := range env {
		if n, v, _ := strings.Cut(kv, "="); n == name {
			return v
		}
	}
	return ""
}

// find resolves a program as a shell would, but against the given PATH, and
// never in the directory that the command happens to run in.
func find(program, dir, path string) (string, error) {
	if runtime.GOOS == "windows" { // where a name means several files
		at, err := exec.LookPath(program)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		return at, nil
	}
	if filepath.Base(program) != program {
		at := program
		if !filepath.IsAbs(at) {
			at = filepath.Join(dir, program)
		}
		return program, executable(at)
	}
	found := fmt.Errorf("%w in PATH (%s)", ErrNotFound, path)
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			continue
		}
		at := filepath.Join(d, program)
		err := executable(at)
		if err == nil {
			return at, nil
		}
		if errors.Is(err, ErrNotExecutable) {
			found = fmt.Errorf("%s is %w", at, err)
		}
	}
	return "", found
}

func executable(at string) error {
	st, err := os.Stat(at)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrNotExecutable, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case st.IsDir():
		return fmt.Errorf("%w: it is a directory", ErrNotExecutable)
	case st.Mode()&0o111 == 0:
		return fmt.Errorf("%w: chmod +x %s", ErrNotExecutable, at)
	}
	return nil
}

func codeOf(err error) int {
	switch {
	case errors.Is(err, ErrNotFound):
		return 127
	case errors.Is(err, ErrNotExecutable):
		return 126
	}
	return -1
}

// An output passes on and keeps what a command prints.
type output struct {
	tail           *tail
	kept           beginning // of the standard output
	stdout, stderr io.Writer
}

// A beginning keeps the first bytes that are written to it.
type beginning struct {
	mu   sync.Mutex
	b    []byte
	size int
}

func (k *beginning) Write(p []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.b = append(k.b, p[:min(len(p), k.size-len(k.b))]...)
}

func (k *beginning) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.ToValidUTF8(string(k.b), "\uFFFD")
}

func (c *Command) newOutput(job string) *output {
	o := &output{tail: newTail(c.MaxTail), kept: beginning{size: c.Keep}, stdout: c.Stdout, stderr: c.Stderr}
	switch c.Output {
	case Quiet:
		o.stdout, o.stderr = nil, nil
	case Prefixed:
		o.stdout, o.stderr = prefixed(c.Stdout, job), prefixed(c.Stderr, job)
	case Raw:
	}
	return o
}

// out and err are where the two streams go.
func (o *output) out() *sink { return &sink{tail: o.tail, kept: &o.kept, w: o.stdout} }
func (o *output) err() *sink { return &sink{tail: o.tail, w: o.stderr} }

// A sink keeps the tail of what it passes on.
type sink struct {
	tail *tail
	kept *beginning // nil: none
	w    io.Writer  // nil: nobody wants it
}

// copy reads r to its end, whatever becomes of the writer.
func (s *sink) copy(r io.Reader) {
	_, _ = io.Copy(s, r)
	s.end()
}

// Write never fails: the job is not to suffer for a closed log.
func (s *sink) Write(p []byte) (int, error) {
	_, _ = s.tail.Write(p)
	if s.kept != nil {
		s.kept.Write(p)
	}
	if s.w != nil {
		if _, err := s.w.Write(p); err != nil {
			s.w = nil
		}
	}
	return len(p), nil
}

// end passes on a last line that did not end.
func (s *sink) end() {
	if f, ok := s.w.(*prefixer); ok {
		f.flush()
	}
}
