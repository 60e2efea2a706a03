// Package platformtest judges, for tests, what platforms are to be given: units by
// systemd's own programs, which need no systemd that runs, and manifests by the rules
// that the platform has published. It knows nothing of what makes them.
package platformtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// MostExposed is the exposure that a unit may have by "systemd-analyze security", on
// its scale from 0 to 10.
const MostExposed = 2.0

var (
	exposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)
	missing  = regexp.MustCompile(`^\S+: Command (.+) is not executable: No such file or directory\n$`)
)

// A Unit is what systemd has read of one.
type Unit struct {
	Exposure float64
	Command  []string // of ExecStart, with variables as they are written
	Dump     string   // all of it, as systemd tells it
}

// ReadUnit wants systemd to find nothing wrong with a unit, but that its program is not
// there, and little that it could do to the machine.
func ReadUnit(t testing.TB, name, text string) Unit {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	said := analyze(t, false, "security", "--offline=yes", "--no-pager", file)
	m := exposure.FindStringSubmatch(said)
	if m == nil {
		t.Fatalf("%s: systemd-analyze security says\n%s", name, said)
	}
	u := Unit{}
	u.Exposure, _ = strconv.ParseFloat(m[1], 64) // a number, by the pattern
	if u.Exposure > MostExposed {
		t.Errorf("%s: its exposure is %v, more than %v:\n%s", name, u.Exposure, MostExposed, said)
	}
	u.Dump = analyze(t, true, "verify", file)
	for _, line := range strings.Split(u.Dump, "\n") {
		if words, ok := strings.CutPrefix(strings.TrimSpace(line), "Command Line: "); ok && u.Command == nil {
			u.Command = commandWords(words)
		}
	}
	complaint := analyze(t, false, "verify", file)
	if complaint == "" {
		return u
	}
	if m := missing.FindStringSubmatch(complaint); m == nil || len(u.Command) == 0 || m[1] != u.Command[0] {
		t.Errorf("%s: systemd-analyze verify says\n%s", name, complaint)
	}
	return u
}

// commandWords reads a command line as systemd tells it: words that need it stand in double
// quotes, with a backslash before what a shell would see in them.
func commandWords(line string) (words []string) {
	var word []byte
	quoted, has := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted && i+1 < len(line):
			i++
			word = append(word, line[i])
		case c == '"':
			quoted, has = !quoted, true
		case c == ' ' && !quoted:
			words, word, has = append(words, string(word)), nil, false
		default:
			word, has = append(word, c), true
		}
	}
	if has {
		words = append(words, string(word))
	}
	return words
}

// analyze returns what systemd-analyze says: what it thinks of its argument, or, with
// dump, what it has read of that.
func analyze(t testing.TB, dump bool, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatalf("%v: tools/needs installs it", err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0", "SYSTEMD_LOG_TARGET=console", "SYSTEMD_LOG_LEVEL=info", "SYSTEMD_LOG_COLOR=0", "SYSTEMD_LOG_LOCATION=0")
	var out strings.Builder
	cmd.Stdout = &out
	if dump {
		cmd.Env = append(cmd.Env, "SYSTEMD_LOG_LEVEL=debug")
	} else {
		cmd.Stderr = &out
	}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String()
}
