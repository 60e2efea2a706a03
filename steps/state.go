package steps

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unicode/utf16"
	"unicode/utf8"
)

// A stateFile is the file in which a command leaves the job's new state. It
// holds the present state at first, so that a job that does nothing keeps it and
// one that empties it clears it.
type stateFile struct {
	path string   // as the command sees it; empty: there is none
	file *os.File // holds a file without a name open; nil: the path is a real one
}

// newStateFile makes the file where temporary files go. Where none can be made,
// as on a read-only system, it is memory with a name, or nothing: an empty path
// makes a job that needs it fail when it writes, and no other.
func newStateFile(state string) stateFile {
	if f, err := os.CreateTemp("", "solotick-state-*"); err == nil {
		_, werr := f.WriteString(state)
		if cerr := f.Close(); werr == nil && cerr == nil {
			return stateFile{path: f.Name()}
		}
		_ = os.Remove(f.Name())
	}
	f, path := memoryFile()
	if f == nil {
		return stateFile{}
	}
	if _, err := f.WriteString(state); err != nil {
		_ = f.Close()
		return stateFile{}
	}
	return stateFile{path: path, file: f}
}

func (s stateFile) remove() {
	switch {
	case s.file != nil:
		_ = s.file.Close()
	case s.path != "":
		_ = os.Remove(s.path)
	}
}

// temporary is the path of the file that remove removes; empty: there is none.
func (s stateFile) temporary() string {
	if s.file != nil {
		return ""
	}
	return s.path
}

// read returns the state that the command left and whether it is another one.
// room is how long it may be, as MaxState counts.
func (s stateFile) read(before string, room int) (string, bool, error) {
	if s.path == "" {
		return "", false, nil
	}
	// Opening a pipe that the command has put there would wait for its writer.
	f, err := os.OpenFile(s.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", false, fmt.Errorf("%w: the file named in SOLOTICK_STATE_OUT: %w", ErrState, err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return "", false, fmt.Errorf("%w: what is named in SOLOTICK_STATE_OUT is no longer a file", ErrState)
	}
	// MaxState counts encoded bytes, so no good state is longer than this.
	data, err := io.ReadAll(io.LimitReader(f, 4*MaxState))
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", ErrState, err)
	}
	text := strings.TrimSuffix(string(data), "\n")
	if text == before {
		return "", false, nil
	}
	if len(data) == 4*MaxState {
		return "", false, fmt.Errorf("%w: it has over %d bytes, at most %d fit into the record; the state stays as it was", ErrState, len(data), room)
	}
	if err := checkState(text, room); err != nil {
		return "", false, err
	}
	return text, true, nil
}

// checkState says why a text cannot be a job's state.
func checkState(text string, room int) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return fmt.Errorf("%w: it is no text in UTF-8; the state stays as it was", ErrState)
	}
	if n := encodedLen(text); n > room {
		return fmt.Errorf("%w: %d bytes as JSON, at most %d fit into the record; the state stays as it was", ErrState, n, room)
	}
	return nil
}

// encodedLen is the length of the text as package record writes it: a JSON string
// of printable ASCII, with its quotes.
func encodedLen(text string) int {
	n := len(`""`)
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			n += len(`\"`)
		case ' ' <= c && c <= '~':
			n++
		default:
			n += len(`\u0000`) * len(utf16.AppendRune(nil, c))
		}
	}
	return n
}
