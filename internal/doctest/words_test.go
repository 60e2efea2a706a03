package doctest

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// A call is where a shell would begin the program: at a line's begin, or behind what
// begins a command.
var called = regexp.MustCompile(`(?:^|[;&|(` + "`" + `]|\b(?:exec|sudo|nohup)|\bsudo -u \w+|^\w+=|^cron )\s*(?:\w+=\S*\s+)*(?:/usr/(?:local/)?bin/)?solotick((?:\s+(?:'[^']*'|"[^"]*"|[^\s;&|()<>'"]+)+)+)`)

var comments = regexp.MustCompile(`(^|\s)#.*$`)

// words checks every call of solotick in a text against the program: whether it has
// that command, and those flags.
func words(text string) error {
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		line = strings.TrimPrefix(strings.TrimSpace(comments.ReplaceAllString(line, "")), "$ ")
		for _, m := range called.FindAllStringSubmatch(line, -1) {
			if err := call(fields(m[1])); err != nil {
				return fmt.Errorf("solotick%s: %w", m[1], err)
			}
		}
	}
	return nil
}

// fields are the words of a command line, as far as quotes go.
func fields(text string) (all []string) {
	for _, m := range regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"]+)+`).FindAllString(text, -1) {
		all = append(all, strings.NewReplacer(`'`, "", `"`, "").Replace(m))
	}
	return all
}

var usage = regexp.MustCompile(`(?m)^Usage:\n  solotick((?: [a-z]+)*)(?: |$)`)

// call has the program read a command line without doing it.
func call(args []string) error {
	var mine []string // and not those of the command that it runs
	for _, arg := range args {
		if arg == "--" {
			break
		}
		mine = append(mine, arg)
	}
	out, err := exec.Command(program, append(mine, "--help")...).CombinedOutput()
	m := usage.FindStringSubmatch(string(out))
	if m == nil { // check ends with 3 whatever it is asked
		return fmt.Errorf("%v: %s", err, out)
	}
	if mine[0] == "COMMAND" || strings.HasPrefix(mine[0], "-") {
		return nil
	}
	path := strings.Fields(m[1])
	if len(path) == 0 {
		return fmt.Errorf("there is no such command")
	}
	for i, word := range path {
		if i >= len(mine) || mine[i] != word {
			return fmt.Errorf("there is no such command; the nearest one is solotick %s", m[1])
		}
	}
	if strings.Contains(string(out), "solotick "+strings.Join(path, " ")+" COMMAND\n") && len(mine) > len(path) && !strings.HasPrefix(mine[len(path)], "-") {
		return fmt.Errorf("there is no such command in solotick %s", m[1])
	}
	return nil
}

// TestWords finds calls in texts, and what is wrong with them.
func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"solotick status canary -p 5300":                          "",
		"sudo -u x /usr/local/bin/solotick run -c f # --nonsense": "",
		"solotick zone serve \\\n  --zone example.com":            "",
		"x=$(solotick check a.example.com -w 90) || echo":         "",
		"solotick exec --name a --every 5s -- ./x --nonsense":     "",
		"solotick statsu canary":                                  "statsu",
		"a && solotick status --nonsense":                         "nonsense",
		"solotick completion zsh":                                 "",
		"solotick zone nonsense":                                  "nonsense",
		"solotick record nonsense --help":                         "nonsense",
		"my solotick is good":                                     "",
	} {
		err := words(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
