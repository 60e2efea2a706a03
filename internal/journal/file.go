package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// MaxFile is how large a file grows before it is put aside, in bytes: there is one
// with .1 at the end of its name, which is replaced then.
const MaxFile = 8 << 20

// What a file does when the disk does not keep up.
const (
	mostWaiting = 4096
	tryAgain    = time.Minute
)

// A File appends entries to a file, each a line of JSON, in the background. What
// cannot be written is dropped, and the log says so once. Several processes may
// append to one file.
type File struct {
	path string
	max  int64
	log  *slog.Logger
	in   chan []byte
	done chan struct{}
	end  sync.Once

	mu      sync.Mutex
	failing bool
	dropped int

	f     *os.File
	retry time.Time // no attempt to open it before
}

// NewFile returns a file that is opened when there is something to write.
func NewFile(path string, log *slog.Logger) *File {
	f := &File{path: path, max: MaxFile, log: log, in: make(chan []byte, mostWaiting), done: make(chan struct{})}
	go f.loop(f.in)
	return f
}

// write has an entry written, and never blocks. After Close it does nothing.
func (f *File) write(e *Entry) {
	one := *e
	one.Schema = Schema
	line, err := json.Marshal(&one)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.in == nil {
		return
	}
	select {
	case f.in <- append(line, '\n'):
	default:
		f.lose(1, errors.New("the disk does not keep up"))
	}
}

// Close writes what waits, for as long as ctx allows.
func (f *File) Close(ctx context.Context) {
	f.end.Do(func() {
		f.mu.Lock()
		close(f.in)
		f.in = nil
		f.mu.Unlock()
	})
	select {
	case <-f.done:
	case <-ctx.Done():
	}
}

func (f *File) loop(in <-chan []byte) {
	defer close(f.done)
	for line := range in {
		var b bytes.Buffer
		b.Write(line)
		n := 1
	more:
		for b.Len() < 64<<10 {
			select {
			case line, ok := <-in:
				if !ok {
					break more
				}
				b.Write(line)
				n++
			default:
				break more
			}
		}
		err := f.append(b.Bytes())
		f.mu.Lock()
		if err != nil {
			f.lose(n, err)
		} else if f.failing {
			f.log.Info("agent.events is written again", "file", f.path, "dropped", f.dropped)
			f.failing, f.dropped = false, 0
		}
		f.mu.Unlock()
	}
	if f.f != nil {
		_ = f.f.Close()
	}
}

// lose notes that entries were dropped. The caller holds mu.
func (f *File) lose(n int, err error) {
	f.dropped += n
	if !f.failing {
		f.failing = true
		f.log.Warn("agent.events cannot be written; the jobs go on", "file", f.path, "err", err)
	}
}

var errLater = errors.New("it is tried again in a minute")

// append writes whole lines, to the file that has the name now.
func (f *File) append(lines []byte) error {
	if f.f == nil && time.Now().Before(f.retry) {
		return errLater
	}
	err := f.open()
	if err == nil {
		_, err = f.f.Write(lines)
	}
	if err != nil {
		f.retry = time.Now().Add(tryAgain)
		if f.f != nil {
			_ = f.f.Close()
			f.f = nil
		}
	}
	return err
}

// open opens the file, anew if it is too large or somebody has put it aside.
func (f *File) open() error {
	if f.f != nil {
		mine, err := f.f.Stat()
		if err != nil {
			return err
		}
		there, err := os.Stat(f.path)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		case err == nil && os.SameFile(mine, there) && mine.Size() < f.max:
			return nil
		case err == nil && os.SameFile(mine, there):
			if err := rotate(f.f, f.path); err != nil {
				return err
			}
		}
		_ = f.f.Close()
		f.f = nil
	}
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	f.f = file
	return nil
}
