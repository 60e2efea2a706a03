package doctest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How long commands of a page may take on a loaded machine: to end, to say their
// first word, to end when they are told to.
const (
	unitTime  = 90 * time.Second
	firstWord = 20 * time.Second
	silence   = time.Second // for those that may have none to say
	endTime   = 20 * time.Second
)

// play is what a process with a machine of its own does: it plays the scene in the
// file, writes what came of it there, and returns its exit code.
func play(path string) int {
	var s scene
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	var file *os.File
	if err == nil { // opened before the machine is another one
		file, err = os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	}
	if err == nil {
		err = s.play()
	}
	if err == nil {
		err = json.NewEncoder(file).Encode(s)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func (s *scene) play() error {
	if err := enter(s); err != nil {
		return err
	}
	w, err := newWorld(s)
	if err != nil {
		return err
	}
	defer w.end()
	sh, err := newShell(s)
	if err != nil {
		return err
	}
	for i, u := range s.Units {
		if s.Apart && i > 0 && u.Block != s.Units[i-1].Block {
			sh.endAll(func(*going) bool { return true })
			if err := w.again(s); err != nil {
				return err
			}
		}
		r, began := result{}, time.Now()
		switch {
		case u.File != "":
			err = write(u.File, u.Text, 0o644)
		case u.Lasting:
			r, err = sh.begin(u)
		default:
			r, err = sh.run(u)
		}
		if err == nil {
			err = w.grant()
		}
		if r.Took = time.Since(began); err != nil {
			r.Err = err.Error()
		}
		s.Results = append(s.Results, r)
		if err != nil {
			break // the next ones may need what this one has not done
		}
	}
	sh.endAll(func(*going) bool { return true })
	return nil
}

// write makes a file, and the folder that it is in.
func write(path, text string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// A shell is the one that all commands of a page are typed into: what one of them sets
// is there for the next.
type shell struct {
	scene *scene
	dir   string // of its files
	stdin io.Writer
	ended chan struct{}
	n     int
	going []*going
}

// A going command is one that has not been told to end.
type going struct {
	unit  int  // which of the scene's
	alone bool // and not behind a shell
	name  string
	cmd   *exec.Cmd
	out   string
	ended chan struct{}
}

func newShell(s *scene) (*shell, error) {
	dir := "/run/page"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	cmd := exec.Command("sh")
	cmd.Dir = s.Top
	cmd.Env = append(environment(), s.Env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	sh := &shell{scene: s, dir: dir, stdin: in, ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { cmd.Wait(); close(sh.ended) }()
	return sh, nil
}

// environment is that of commands: nothing of the real machine's ways to the network.
func environment() []string {
	kept := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasSuffix(strings.ToLower(name), "_proxy") || strings.HasPrefix(name, "SOLOTICK_") || name == sceneEnv
	})
	return append(kept, "PATH=/usr/local/bin:"+os.Getenv("PATH")+":/usr/sbin:/sbin",
		"LC_ALL=C.UTF-8", "NO_COLOR=1", "GOFLAGS=-buildvcs=false")
}

func (sh *shell) path(kind string) string { return filepath.Join(sh.dir, fmt.Sprint(kind, sh.n)) }

// run has a command done, and waits for its end.
func (sh *shell) run(u unit) (result, error) {
	defer func() { sh.n++ }()
	text, out, code := sh.path("text"), sh.path("out"), sh.path("code")
	if err := write(text, u.Text, 0o644); err != nil {
		return result{}, err
	}
	fmt.Fprintf(sh.stdin, ". %s </dev/null >%s 2>&1; echo $? >%s.new; mv %s.new %s\n", text, out, code, code, code)
	until(unitTime, func() bool { _, err := os.Stat(code); return err == nil || over(sh.ended) })
	printed, err := os.ReadFile(out)
	if err != nil {
		return result{}, err
	}
	number, err := os.ReadFile(code)
	switch {
	case err != nil && over(sh.ended):
		return result{Out: string(printed)}, errors.New("the shell has ended because of it")
	case err != nil:
		return result{Out: string(printed)}, fmt.Errorf("it has not ended within %s", unitTime)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(number)))
	return result{Out: string(printed), Code: n}, err
}

// begin starts a command that goes on, and waits for its first word, or for what the
// page shows. It ends one like it that goes on already: a page shows two ways to
// start a thing, and not two things.
func (sh *shell) begin(u unit) (result, error) {
	defer func() { sh.n++ }()
	here, err := sh.run(unit{Text: "pwd; export -p >" + sh.dir + "/exported\n"})
	if err != nil {
		return here, err
	}
	g := &going{unit: len(sh.scene.Results), alone: strings.HasPrefix(variables.ReplaceAllString(alone(u.Text), ""), "exec solotick"), name: kindOf(u.Text), out: sh.path("out"), ended: make(chan struct{})}
	sh.endAll(func(other *going) bool { return other.name == g.name })
	text := ". " + sh.dir + "/exported\n" + alone(u.Text)
	if err := write(sh.path("text"), text, 0o644); err != nil {
		return result{}, err
	}
	file, err := os.Create(g.out)
	if err != nil {
		return result{}, err
	}
	defer file.Close()
	g.cmd = exec.Command("sh", sh.path("text"))
	g.cmd.Dir, g.cmd.Env, g.cmd.Stdout, g.cmd.Stderr = strings.TrimSpace(here.Out), environment(), file, file
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := g.cmd.Start(); err != nil {
		return result{}, err
	}
	go func() { g.cmd.Wait(); close(g.ended) }()
	sh.going = append(sh.going, g)
	printed := func() string { text, _ := os.ReadFile(g.out); return string(text) }
	enough := func() bool { return printed() != "" }
	if u.Shown != nil {
		enough = func() bool { return alike(*u.Shown, printed()) }
	}
	limit := firstWord
	switch {
	case u.Shown != nil:
		limit = unitTime
	case silent.MatchString(u.Text):
		limit = silence
	}
	until(limit, func() bool { return over(g.ended) || enough() })
	return result{Out: printed()}, nil
}

// kindOf is the program and the command of it.
func kindOf(text string) string {
	m := lasting.FindString(text)
	return m[strings.LastIndex(m, "=")+1:]
}

var variables = regexp.MustCompile(`^(\w+=\S* )*`)

// alone has a command take the place of the shell, so that it gets the signals.
func alone(text string) string {
	if strings.Contains(text, "|") || strings.Contains(text, "&&") {
		return text
	}
	return variables.ReplaceAllString(text, "${0}exec ")
}

// endAll tells those that go on to end.
func (sh *shell) endAll(which func(*going) bool) {
	var left []*going
	for _, g := range sh.going {
		if !which(g) {
			left = append(left, g)
			continue
		}
		byItself := over(g.ended)
		syscall.Kill(-g.cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-g.ended:
		case <-time.After(endTime):
			syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL)
			<-g.ended
			sh.scene.Results[g.unit].Err = fmt.Sprintf("it did not end within %s of TERM", endTime)
		}
		if g.alone || byItself {
			r := &sh.scene.Results[g.unit]
			if status, ok := g.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
				r.Code = g.cmd.ProcessState.ExitCode() // TERM itself ends what has only just begun
			}
			text, _ := os.ReadFile(g.out)
			if sh.scene.Units[g.unit].Shown == nil {
				r.Out = string(text)
			}
		}
	}
	sh.going = left
}

func over(ended chan struct{}) bool {
	select {
	case <-ended:
		return true
	default:
		return false
	}
}

// until waits for a condition, and says whether it came.
func until(limit time.Duration, condition func() bool) bool {
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
