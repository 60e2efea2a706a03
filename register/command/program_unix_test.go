//go:build unix

package command_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/solotick/solotick/register"
	"github.com/solotick/solotick/register/command"
)

// TestGroup: when its time is over, what a program has started ends with it, and
// also what still holds its output after it has ended.
func TestGroup(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"too late":    {`sleep 60 >"$1" & wait`, "script.sh: it was killed, since its time was over: context deadline exceeded"},
		"held output": {`exec 3>"$1"; sleep 60 & echo '{"outcome":"done"}'`, "something that it has started still holds its output"},
	} {
		t.Run(name, func(t *testing.T) {
			fifo := filepath.Join(t.TempDir(), "fifo")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { // to its end: nobody holds it any more
				f, err := os.Open(fifo)
				if err == nil {
					_, err = io.Copy(io.Discard, f)
					f.Close()
				}
				ended <- err
			}()
			cfg := command.Config{Program: []string{script(t, row.text), fifo}, Timeout: 3 * time.Second}
			_, err := open(t, cfg, canary).Swap(t.Context(), register.Snapshot{}, []string{"first"})
			wantOutcome(t, err, register.ErrUncertain)
			if !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %q", err, row.want)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
