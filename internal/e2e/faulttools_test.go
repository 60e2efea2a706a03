package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/solotick/solotick/internal/dnstest"
)

// checkShown wants the tests that a fault names to exist.
func checkShown(t *testing.T, f *fault) {
	t.Helper()
	if f.shown == "" {
		return
	}
	for _, s := range strings.Split(f.shown, ", ") {
		pkg, name, _ := strings.Cut(s, " ")
		files, err := filepath.Glob(filepath.Join("..", "..", pkg, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		there := slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Contains(string(text), "\nfunc "+name+"(t *testing.T) {\n")
		})
		if !there || !strings.HasPrefix(name, "Test") {
			t.Errorf("%s is shown by %q, which is no test", f.id, s)
		}
	}
}

// cannot says that this machine does not allow what the fault takes. The trial is to
// end then.
func (m *trial) cannot(err error) {
	m.measured("could not be tried here: %v", err)
	m.Log(m.took)
}

// startIn starts a server of the trial's kind in a folder of its own.
func (m *trial) startIn(dir string) *place {
	m.Helper()
	if s, ok := m.at.server.(*dnstest.Server); ok {
		return startWith(m.T, dnstest.Config{Kind: s.Kind, Dir: dir})
	}
	return startOwnIn(m.T, dir)
}

// files is the folder in which the server keeps what it must not lose.
func (m *trial) files() string {
	if s, ok := m.at.server.(*dnstest.Server); ok {
		return s.Dir
	}
	return m.at.server.(*own).data
}

// copyFiles copies the regular files of one folder into another, which has no others
// afterwards.
func copyFiles(from, to string) error {
	old, err := regular(to)
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(filepath.Join(to, name)); err != nil {
			return err
		}
	}
	names, err := regular(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// regular are the paths of a folder's regular files.
func regular(dir string) (names []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, name)
		return err
	})
	return names, err
}

// rekey has the server know another secret under the key's name, and not the old one.
func (m *trial) rekey(key dnstest.Key) error {
	m.at.Kill()
	old := m.at.key.Secret
	var paths []string
	switch s := m.at.server.(type) {
	case *own:
		paths = []string{s.key}
	case *dnstest.Server:
		if s.Kind == dnstest.PowerDNS {
			if err := sqlite(filepath.Join(s.Dir, "zone.sqlite"), "UPDATE tsigkeys SET secret='"+key.Secret+"';"); err != nil {
				return err
			}
			return m.at.Restart()
		}
		paths = []string{filepath.Join(s.Dir, "named.conf"), filepath.Join(s.Dir, "knot.conf")}
	}
	changed := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if strings.Contains(string(text), old) {
			changed++
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, key.Secret)), 0o600); err != nil {
			return err
		}
	}
	if changed != 1 {
		return fmt.Errorf("the key is in %d files of the server, not one", changed)
	}
	return m.at.Restart()
}

// byHand does something to the record between two runs, and says what that may cost: on
// a loaded machine a run may come in between all the same.
func (c *cluster) byHand(do func()) []pardon {
	c.t.Helper()
	c.betweenRuns()
	from := c.last()
	do()
	return []pardon{again(from), again(c.last()), gap(from, lease+margin+spread+lease+skew+spread)}
}

// edit changes the record's text by hand, by a regular expression.
func (c *cluster) edit(pattern, by string) {
	c.t.Helper()
	text := c.dig()
	changed := regexp.MustCompile(pattern).ReplaceAllString(text, by)
	if changed == text {
		c.t.Fatalf("%s is not in %s", pattern, text)
	}
	c.put(changed)
}

// fenceOf is a run's fence.
func fenceOf(t *testing.T, r *run) int64 {
	t.Helper()
	n, err := strconv.ParseInt(r.fence, 10, 64)
	if err != nil {
		t.Fatalf("tick %d has the fence %q", r.tick, r.fence)
	}
	return n
}

// says waits until an agent has logged a line that matches.
func (c *cluster) says(pattern string) {
	c.t.Helper()
	re := regexp.MustCompile(pattern)
	c.await("a word of an agent like "+pattern, sayTime, func() bool {
		return c.logged(func(l logLine) bool { return re.MatchString(l.Msg + ": " + l.Err + " " + l.Why) }) > 0
	})
}

func sqlite(file, statement string) error {
	if out, err := exec.Command("sqlite3", file, statement).CombinedOutput(); err != nil {
		return fmt.Errorf("sqlite3: %w: %s", err, out)
	}
	return nil
}
