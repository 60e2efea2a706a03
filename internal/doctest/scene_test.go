package doctest

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/solotick/solotick/internal/browsertest"
)

// sceneEnv has the file of the scene that this process is to play.
const sceneEnv = "DOCTEST_SCENE"

// program is the built solotick.
var program string

func TestMain(m *testing.M) {
	if path := os.Getenv(sceneEnv); path != "" {
		os.Exit(play(path))
	}
	_ = flag.Set("test.parallel", "8") // scenes wait most of the time; the flag exists
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "doctest")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		defer browsertest.End()
		program = filepath.Join(dir, "solotick")
		build := exec.Command("go", "build", "-o", program, "./cmd/solotick")
		build.Dir, build.Stdout, build.Stderr = top, os.Stderr, os.Stderr
		err = build.Run()
		if err == nil {
			err = makeKeys(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// A scene is what is typed on one page, on a machine of its own.
type scene struct {
	Page     string
	Top      string            // where the module is; commands begin there
	Dir      string            // where the machine is made
	Files    map[string]string // what lies there before, by path
	Records  map[string]string // of jobs, in the zone example.com, by name
	Values   []string          // other lines of the zone
	Env      []string          // more variables for its commands
	Apart    bool              // each block begins with the files as they were
	Database bool              // whether there is a PostgreSQL
	Standins []string          // programs that only say what they were called with
	Units    []unit
	Results  []result // of the units that were played
}

// A unit is one command with all its lines, or a file that the page shows.
type unit struct {
	Line    int
	Text    string
	Block   int     // where its block begins
	File    string  // it is a file, with this path
	Lasting bool    // it goes on until it is told to end
	Shown   *string // what it prints, according to the page
}

type result struct {
	Out  string // both its streams
	Code int
	Took time.Duration
	Err  string // the machine failed, and not the command
}

// perform plays a scene and returns what came of each of its units.
func (s scene) perform(t *testing.T) []result {
	t.Helper()
	s.Dir = t.TempDir()
	path := filepath.Join(s.Dir, "scene.json")
	data, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), sceneEnv+"="+path, "DOCTEST_PROGRAM="+program)
	cmd.SysProcAttr = apart()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: its machine, which takes Linux and root: %v\n%s", s.Page, err, out)
	}
	data, err = os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.Results
}

// lasting are the commands that go on until they are told to end, unless they are
// asked for one thing.
var (
	lasting  = regexp.MustCompile(`^(\w+=\S+ )*solotick (run|serve|watch|elect|zone serve|exec|demo|history \S+ --for)\b|^(\w+=\S+ )*go run \./(examples/fake|cmd/solotick (run|serve|demo))`)
	shortRun = regexp.MustCompile(` --(once|now|dry-run|help)\b`)
	silent   = regexp.MustCompile(`solotick (watch|elect|exec|history)\b`) // as long as nothing happens
)

// units cuts a block of commands into them.
func (b block) units() (all []unit, err error) {
	var text, until string
	first := 0
	for i, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
		if text == "" {
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			first = b.line + 1 + i
		}
		text += line + "\n"
		if until == "" {
			until = hereEnd(line)
		} else if strings.TrimSpace(line) == until {
			until = ""
		}
		if until != "" || !complete(text) {
			continue
		}
		u := unit{Line: first, Text: text}
		u.Lasting = lasting.MatchString(text) && !shortRun.MatchString(text)
		all, text = append(all, u), ""
	}
	if text != "" {
		return nil, fmt.Errorf("%v: no whole command: %s", b, text)
	}
	return all, nil
}

var hereDocument = regexp.MustCompile(`<<-?\s*['"]?(\w+)['"]?`)

// hereEnd is the line that ends the text which a line begins, if it does.
func hereEnd(line string) string {
	if m := hereDocument.FindStringSubmatch(line); m != nil {
		return m[1]
	}
	return ""
}

// complete says whether a shell would begin to do it.
func complete(text string) bool {
	if strings.HasSuffix(text, "\\\n") {
		return false
	}
	return syntax(text) == nil
}

// syntax has a shell read a text, and do nothing.
func syntax(text string) error {
	cmd := exec.Command("sh", "-n")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.New(strings.TrimSpace(string(out)))
	}
	return nil
}

// typed are the units of a console: what stands behind $, each with what it prints.
func (b block) typed() (all []unit, err error) {
	var shown *string
	for i, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			shown = new(string)
			u := unit{Line: b.line + 1 + i, Text: command + "\n", Shown: shown}
			u.Lasting = lasting.MatchString(command) && !shortRun.MatchString(command)
			all = append(all, u)
			continue
		}
		if shown == nil {
			return nil, fmt.Errorf("%v: a console begins with a command: $ ", b)
		}
		if more, ok := strings.CutPrefix(line, "> "); ok && *shown == "" && !complete(all[len(all)-1].Text) {
			all[len(all)-1].Text += more + "\n"
			continue
		}
		*shown += line + "\n"
	}
	return all, nil
}
