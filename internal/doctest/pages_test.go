package doctest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPages does with every block of every page what its language and its marks say.
func TestPages(t *testing.T) {
	t.Parallel()
	blocks := 0
	for _, page := range pages(t) {
		all := read(t, page)
		blocks += len(all)
		if len(all) > 0 {
			t.Run(page, func(t *testing.T) { t.Parallel(); try(t, page, all) })
		}
	}
	if blocks < 100 {
		t.Errorf("%d blocks: the test has lost its way", blocks)
	}
}

// A typed unit is one with the block that it comes from.
type typedUnit struct {
	unit
	of    block
	exact bool // what it prints does not change
}

// try checks the blocks of a page, and plays its commands.
func try(t *testing.T, page string, blocks []block) {
	var typed []typedUnit
	for i, b := range blocks {
		units, err := b.take(t, blocks[:i])
		if err != nil {
			t.Errorf("%v: %v\n%s", b, err, b.text)
		}
		for _, u := range units {
			typed = append(typed, typedUnit{unit: u, of: b})
		}
		if b.mark.output && err == nil {
			if len(typed) == 0 || typed[len(typed)-1].File != "" {
				t.Errorf("%v: no command before it prints this", b)
				continue
			}
			shown := b.text
			last := &typed[len(typed)-1]
			last.Shown, last.exact = &shown, b.mark.exact
		}
	}
	if !slices.ContainsFunc(typed, func(u typedUnit) bool { return u.File == "" }) {
		return
	}
	s := newScene(t, page, blocks)
	for _, u := range typed {
		u.unit.Block = u.of.line
		s.Units = append(s.Units, u.unit)
	}
	for i, r := range s.perform(t) {
		typed[i].judge(t, page, r)
	}
}

// take checks a block, and returns what is to be played of it.
func (b block) take(t *testing.T, before []block) ([]unit, error) {
	m := b.mark
	switch {
	case m.notRun != "":
		return nil, b.readOnly()
	case m.heldBy != "":
		return nil, held(m.heldBy)
	case m.output:
		if b.lang == "json" {
			return nil, checkJSON(t, b)
		}
		return nil, nil
	case b.lang == "sh":
		return b.units()
	case b.lang == "sql" && m.file == "":
		return []unit{{Line: b.line, Text: "psql -qv ON_ERROR_STOP=1 <<'END'\n" + strings.ReplaceAll(b.text, "$1", "1795413939000") + "END\n"}}, nil
	case b.lang == "console":
		return b.typed()
	case b.lang == "cron":
		if err := checkCron(t, b); err != nil {
			return nil, err
		}
		return b.lines(), nil
	}
	if m.file != "" {
		u := []unit{{Line: b.line, File: m.file, Text: b.text}}
		if kinds[b.lang] == nil || b.lang == "text" { // what is run with it says whether it is right
			return u, nil
		}
		return u, b.check(t)
	}
	return nil, b.check(t)
}

// lines are what the lines of a crontab do.
func (b block) lines() (all []unit) {
	i := 0
	for line := range strings.Lines(b.text) {
		i++
		if command, _ := b.cronCommand(line); command != "" {
			all = append(all, unit{Line: b.line + i, Text: command + "\n"})
		}
	}
	return all
}

// readOnly is for commands that are not run: they have to be commands all the same, and
// solotick's own its own.
func (b block) readOnly() error {
	switch b.lang {
	case "sh":
		if err := syntax(b.text); err != nil {
			return err
		}
	case "":
		return os.ErrInvalid
	}
	if b.lang == "sh" || b.lang == "console" || b.lang == "cron" {
		return words(b.text)
	}
	return nil
}

// held wants the test that a mark speaks of to be there.
func held(by string) error {
	dir, name, _ := strings.Cut(by, " ")
	out, err := exec.Command("grep", "-lE", `^func `+regexp.QuoteMeta(name)+`\(`, "-r", "--include=*_test.go", filepath.Join(top, dir)).Output()
	if err != nil || len(out) == 0 || !strings.HasPrefix(name, "Test") {
		return &os.PathError{Op: "find the test", Path: by, Err: os.ErrNotExist}
	}
	return nil
}

// judge compares what came of a command with what the page says.
func (u typedUnit) judge(t *testing.T, page string, r result) {
	where := page + ":" + strconv.Itoa(u.Line)
	codes := []string{"0"}
	if u.of.mark.exits != "" {
		codes = strings.Fields(u.of.mark.exits)
	}
	switch {
	case r.Err != "":
		t.Errorf("%s: %s%s\nit prints\n%s", where, u.Text, r.Err, r.Out)
	case !slices.Contains(codes, strconv.Itoa(r.Code)):
		t.Errorf("%s: %sends with %d, and prints\n%s", where, u.Text, r.Code, r.Out)
	case u.exact && sorted(*u.Shown) != sorted(r.Out), !u.exact && u.Shown != nil && !alike(*u.Shown, r.Out):
		t.Errorf("%s: %sprints\n%s\nand the page shows\n%s", where, u.Text, r.Out, *u.Shown)
	}
	if testing.Verbose() && r.Err == "" {
		t.Logf("%s: %s%s(%v)", where, u.Text, r.Out, r.Took.Round(time.Millisecond))
	}
}

// stand-ins are the programs of other people that pages call by these paths.
var standins = regexp.MustCompile(`(?:/usr/local/bin/|(?:^|[\s\[])\./)[a-z][a-z0-9.-]*[a-z0-9]`)

// newScene is a machine as most pages take it to be: one that agents of three jobs are
// set up on, and whose records are there.
func newScene(t *testing.T, page string, blocks []block) scene {
	t.Helper()
	dir, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	s := scene{Page: page, Top: dir, Files: map[string]string{}, Records: map[string]string{}}
	for _, b := range blocks {
		for _, name := range standins.FindAllString(b.text, -1) {
			name = strings.TrimLeft(name, " \t\n[")
			if !path.IsAbs(name) {
				name = filepath.Join(dir, name)
			}
			if name != "/usr/local/bin/solotick" {
				s.Standins = append(s.Standins, name)
			}
		}
	}
	for _, b := range blocks {
		for _, m := range taken.FindAllStringSubmatch(b.text, -1) {
			switch name, _, _ := strings.Cut(m[2], ":-"); {
			case b.mark.file == "":
			case m[1] == "env":
				s.Env = append(s.Env, name+"="+standInFor(name))
			case s.Files[name] == "":
				s.Files[name] = standInFor(name)
			}
		}
	}
	s.Database = slices.ContainsFunc(blocks, func(b block) bool { return b.lang == "sql" })
	set(&s)
	return s
}

var update = flag.Bool("update", false, "rewrite testdata")

// TestNotRun holds the list of all that is not run, each with its reason, so that
// nothing stops being run unnoticed.
func TestNotRun(t *testing.T) {
	t.Parallel()
	const file = "testdata/notrun.txt"
	var got strings.Builder
	for _, page := range pages(t) {
		for _, b := range read(t, page) {
			if b.mark.notRun != "" {
				first, _, _ := strings.Cut(strings.TrimSpace(b.text), "\n")
				fmt.Fprintf(&got, "%s: %s\n\t%s\n", page, b.mark.notRun, first)
			}
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, diff)
	}
}
