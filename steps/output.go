package steps

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

const (
	defaultTail = 10_000
	maxLine     = 8 << 10 // a longer line is passed on in parts of this size
)

// A tail keeps the beginning and the end of what is written to it, in memory
// that does not grow.
type tail struct {
	mu   sync.Mutex
	size int // of head and ring together
	head []byte
	ring []byte // the end, from ring[at:] on around
	at   int
	n    int64 // bytes seen
}

func newTail(size int) *tail {
	if size == 0 {
		size = defaultTail
	}
	return &tail{size: max(size, 0)}
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	t.n += int64(n)
	if room := t.size/4 - len(t.head); room > 0 {
		k := min(room, len(p))
		t.head = append(t.head, p[:k]...)
		p = p[k:]
	}
	limit := t.size - t.size/4
	p = p[max(0, len(p)-limit):]
	for len(p) > 0 {
		if len(t.ring) < limit {
			k := min(limit-len(t.ring), len(p))
			t.ring = append(t.ring, p[:k]...)
			p = p[k:]
			continue
		}
		k := copy(t.ring[t.at:], p)
		t.at = (t.at + k) % limit
		p = p[k:]
	}
	return n, nil
}

// leftOut is the note of what a tail has not kept.
var leftOut = regexp.MustCompile(`\n\[\.\.\. [0-9]+ bytes left out \.\.\.\]\n`)

// String returns what was kept, with a note of what was left out in between.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	b.Write(t.head)
	if out := t.n - int64(len(t.head)) - int64(len(t.ring)); out > 0 && t.size > 0 {
		fmt.Fprintf(&b, "\n[... %d bytes left out ...]\n", out)
	}
	b.Write(t.ring[t.at:])
	b.Write(t.ring[:t.at])
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// A prefixer passes whole lines on, each with a prefix and in one Write.
type prefixer struct {
	w      io.Writer
	prefix string
	line   []byte // not ended yet
}

// prefixed returns nil for a nil writer, not a prefixer of nothing.
func prefixed(w io.Writer, job string) io.Writer {
	if w == nil {
		return nil
	}
	return &prefixer{w: w, prefix: job + ": "}
}

// Write keeps an unfinished last line for later.
func (f *prefixer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		end := i + 1
		if i < 0 {
			end = len(p)
		}
		end = min(end, maxLine-len(f.line))
		f.line = append(f.line, p[:end]...)
		p = p[end:]
		if i >= 0 && f.line[len(f.line)-1] == '\n' || len(f.line) == maxLine {
			if err := f.emit(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (f *prefixer) emit() error {
	text := f.prefix + string(bytes.TrimSuffix(f.line, []byte("\n"))) + "\n"
	f.line = f.line[:0]
	_, err := io.WriteString(f.w, text)
	return err
}

func (f *prefixer) flush() {
	if len(f.line) > 0 {
		_ = f.emit()
	}
}
