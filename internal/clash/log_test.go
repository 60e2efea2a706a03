package clash

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
)

// A journal is what one process did. Each line is written before the next thing is
// done, so that one that is killed leaves what it had begun.
type journal struct {
	mu   sync.Mutex
	file *os.File
	n    atomic.Int64 // operations so far
}

func (j *journal) line(fields ...any) {
	text := fmt.Sprintln(fields...)
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.WriteString(text); err != nil {
		panic(err) // a history with holes would judge wrongly
	}
}

// The kinds of lines: an operation has two, a run has two.
const (
	loadSent = "load"  // n record at
	swapSent = "swap"  // n record at "old" "new"
	answered = "ended" // n record at outcome "text"
	runBegan = "began" // tick record at attempt fence agent
	runEnded = "done"  // tick record at attempt fence agent
)

// What an operation came to.
const (
	done      = "done"
	conflict  = "conflict"
	uncertain = "uncertain"
	nothing   = "nothing" // not applied, and nothing read
)

// A recorded register writes down what it is asked and what it answers.
type recorded struct {
	register.Register
	name string
	log  *journal
	gate chan struct{} // as many operations at a time
}

func (r *recorded) enter(ctx context.Context) error {
	select {
	case r.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err() // before anything was sent
	}
}

func (r *recorded) Load(ctx context.Context) (register.Snapshot, error) {
	if err := r.enter(ctx); err != nil {
		return register.Snapshot{}, err
	}
	defer func() { <-r.gate }()
	n := r.log.n.Add(1)
	r.log.line(loadSent, n, r.name, clock())
	s, err := r.Register.Load(ctx)
	r.log.line(answered, n, r.name, clock(), outcome(err), quoted(s.Texts))
	return s, err
}

func (r *recorded) Swap(ctx context.Context, old register.Snapshot, texts []string) (register.Snapshot, error) {
	if err := r.enter(ctx); err != nil {
		return register.Snapshot{}, err
	}
	defer func() { <-r.gate }()
	n := r.log.n.Add(1)
	r.log.line(swapSent, n, r.name, clock(), quoted(old.Texts), quoted(texts))
	s, err := r.Register.Swap(ctx, old, texts)
	r.log.line(answered, n, r.name, clock(), outcome(err), quoted(s.Texts))
	return s, err
}

func outcome(err error) string {
	switch {
	case err == nil:
		return done
	case errors.Is(err, register.ErrConflict):
		return conflict
	case errors.Is(err, register.ErrUncertain):
		return uncertain
	}
	return nothing
}

func quoted(texts []string) string { return strconv.Quote(joined(texts)) }

// joined is all that a register holds as one text.
func joined(texts []string) string {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	return strings.Join(texts, "\n")
}

// An op is one operation of a register, as its client knows it.
type op struct {
	client int
	load   bool
	call   time.Duration
	ret    time.Duration
	old    string
	text   string // that a Load read or a swap wrote
	out    string
}

const open = time.Duration(1 << 62) // the end of what has not ended

// A run is one execution.
type run struct {
	tick    int64
	attempt int
	fence   int64
	agent   string
	began   time.Duration
	ended   time.Duration // open: never
}

// A story is what became of one record.
type story struct {
	ops  []op
	runs []run
}

// read puts together what the processes wrote.
func read(t *testing.T, dir string) map[string]*story {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no journals: %v", err)
	}
	all := map[string]*story{}
	for client, path := range files {
		if err := readOne(path, client, all); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return all
}

// inRun is a process that lives, has begun a run and not ended it, or -1.
func inRun(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		began, ended := bytes.LastIndex(text, []byte("\n"+runBegan)), bytes.LastIndex(text, []byte("\n"+runEnded))
		process, pid := 0, 0
		if _, err := fmt.Sscanf(filepath.Base(path), "%d-%d.journal", &process, &pid); err != nil {
			t.Fatal(err)
		}
		if began > ended && syscall.Kill(pid, 0) == nil {
			return process
		}
	}
	return -1
}

// readOne is the journal of one process. Its last line may be cut.
func readOne(path string, client int, all map[string]*story) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	type place struct {
		record string
		index  int
	}
	ops, runs := map[int64]place{}, map[string]place{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var kind, name string
		var n int64
		var at time.Duration
		rest := strings.NewReader(lines.Text())
		if _, err := fmt.Fscan(rest, &kind, &n, &name, (*int64)(&at)); err != nil {
			return fmt.Errorf("%q: %w", lines.Text(), err)
		}
		s := all[name]
		if s == nil {
			s = new(story)
			all[name] = s
		}
		var a, b string
		switch kind {
		case loadSent:
			ops[n] = place{name, len(s.ops)}
			s.ops = append(s.ops, op{client: client, load: true, call: at, ret: open, out: nothing})
		case swapSent:
			if _, err := fmt.Fscanf(rest, " %q %q", &a, &b); err != nil {
				return fmt.Errorf("%q: %w", lines.Text(), err)
			}
			ops[n] = place{name, len(s.ops)}
			s.ops = append(s.ops, op{client: client, call: at, ret: open, old: a, text: b, out: uncertain})
		case answered:
			if _, err := fmt.Fscanf(rest, " %s %q", &a, &b); err != nil {
				return fmt.Errorf("%q: %w", lines.Text(), err)
			}
			o := &s.ops[ops[n].index]
			if o.out, o.ret = a, at; o.load {
				o.text = b
			} else if a == uncertain {
				o.ret = open
			}
		case runBegan, runEnded:
			r := run{tick: n, began: at, ended: open}
			if _, err := fmt.Fscan(rest, &r.attempt, &r.fence, &r.agent); err != nil {
				return fmt.Errorf("%q: %w", lines.Text(), err)
			}
			key := fmt.Sprint(name, r.tick, r.attempt, r.fence, r.agent)
			if p, ok := runs[key]; ok && kind == runEnded {
				s.runs[p.index].ended = at
				break
			}
			runs[key] = place{name, len(s.runs)}
			s.runs = append(s.runs, r)
		default:
			return fmt.Errorf("%q: no such kind", lines.Text())
		}
	}
	return lines.Err()
}
