package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/deploy"
)

func (a *app) installSystemdCommand() *cobra.Command {
	var i installation
	c := &cobra.Command{
		Use:   "systemd",
		Short: "Print a unit of systemd for the agent",
		Long: `Print a unit for systemd that runs the agent of a file: with watchdog, as a user of
its own, and in a sandbox. With -c it is filled in: the file's path, the credentials
that it takes, and how long its end may take. Nothing is written but with -o, and no
file is overwritten. What to do next is said on stderr.`,
		Example: "  solotick install systemd -c /etc/solotick/solotick.yaml\n" +
			"  solotick install systemd -c /etc/solotick/solotick.yaml -o /etc/systemd/system",
		Args: exactly(),
		RunE: func(*cobra.Command, []string) error { return a.installSystemd(&i) },
	}
	i.flags(c)
	return c
}

// parts of the unit's end beside the grace: what is still to be told, a process that
// cannot be killed, and a slow server.
const unitMargin = 12 * time.Second

func (a *app) installSystemd(i *installation) error {
	o, err := i.outline()
	if err != nil {
		return err
	}
	unit := deploy.Unit
	var steps []string
	if o != nil {
		if unit, steps, err = unitFor(i.file, o); err != nil {
			return err
		}
	}
	const name = "solotick.service"
	if filepath.Clean(i.dir) != "/etc/systemd/system" {
		steps = append(steps, "put it at /etc/systemd/system/"+name+" (or give -o /etc/systemd/system), then")
	}
	steps = append(steps,
		"systemd-analyze verify /etc/systemd/system/"+name,
		"systemctl daemon-reload",
		"systemctl enable --now solotick",
		"systemctl status solotick",
	)
	return i.put(a, name, unit, steps)
}

// unitFor fills the unit in.
func unitFor(file string, o *config.Outline) (unit string, steps []string, err error) {
	file, err = filepath.Abs(file)
	if err != nil {
		return "", nil, err
	}
	program, step := unitProgram()
	steps = append(steps, step...)
	if hiddenFromUnits(file) {
		steps = append(steps, fmt.Sprintf("# The sandbox shows nothing of %s: move the file to /etc/solotick, and do this again.", plain(filepath.Dir(file))))
	}
	unit = setLines(filledIn(deploy.Unit), "ExecStart=", "ExecStart="+quoteUnit(program, false)+" run -c "+quoteUnit(file, true))
	longest := o.Agent.Grace
	for _, j := range o.Jobs {
		longest = max(longest, j.KillGrace)
	}
	unit = setLines(unit, "TimeoutStopSec=", fmt.Sprintf("TimeoutStopSec=%ds", int((longest+unitMargin).Seconds())))
	loads, more, err := unitCredentials(file, o)
	if err != nil {
		return "", nil, err
	}
	steps = append(steps, more...)
	unit = setLines(unit, "#LoadCredential=", loads...)
	if names := variablesOf(o); len(names) > 0 {
		env := filepath.Join(filepath.Dir(file), "solotick.env")
		unit = setLines(unit, "#EnvironmentFile=", "EnvironmentFile="+quoteSpecifiers(quoteGlob.Replace(env)))
		steps = append(steps, fmt.Sprintf("# Into %s (mode 0600): %s", plain(env), strings.Join(names, "=... ")+"=..."))
	}
	if e := o.Agent.Events; e != "" && !strings.HasPrefix(e, "/var/lib/solotick/") {
		steps = append(steps, fmt.Sprintf("# agent.events: the unit writes below /var/lib/solotick only, and %s is not there.", plain(e)))
	}
	return unit, append(steps, graceStep(o)...), nil
}

// unitProgram is the program that the unit starts: this one, unless the sandbox hides
// it.
func unitProgram() (program string, steps []string) {
	const usual = "/usr/local/bin/solotick"
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	switch {
	case err != nil:
		return usual, nil
	case hiddenFromUnits(self):
		return usual, []string{"install -m 755 " + quoteShell(self) + " " + usual}
	}
	return self, nil
}

// hiddenFromUnits says whether the sandbox of the unit shows a path.
func hiddenFromUnits(file string) bool {
	for _, dir := range []string{"/home", "/root", "/run/user", "/tmp", "/var/tmp"} {
		if strings.HasPrefix(file, dir+"/") {
			return true
		}
	}
	return false
}

// unitCredentials are the lines that load what the file takes as credentials, and as
// files, which the unit's user could not read.
func unitCredentials(file string, o *config.Outline) (lines, steps []string, err error) {
	taken := map[string]string{} // to paths
	for _, n := range o.Needs {
		if n.Kind == "credential" {
			taken[n.Name] = filepath.Join(filepath.Dir(file), n.Name)
		}
	}
	for _, n := range o.Needs {
		if strings.ContainsFunc(n.Name, unicode.IsControl) || !utf8.ValidString(n.Name) || strings.HasSuffix(n.Name, `\`) {
			return nil, nil, &failure{code: exitConfig, err: fmt.Errorf("line %d: no unit can name %q", n.Line, n.Name), do: "another name"}
		}
		switch n.Kind {
		case "vcap":
			return nil, nil, &failure{code: exitConfig, err: fmt.Errorf("line %d: ${vcap:%s} is for Cloud Foundry", n.Line, n.Name), do: "${credential:NAME}, which systemd hands over"}
		case "credential":
			if credentialName(n.Name) != n.Name {
				return nil, nil, &failure{code: exitConfig, err: fmt.Errorf("line %d: systemd has no credential %q", n.Line, n.Name), do: fmt.Sprintf("${credential:%s}", credentialName(n.Name))}
			}
			lines = append(lines, "LoadCredential="+n.Name+":"+quoteSpecifiers(taken[n.Name]))
		case "file":
			name := credentialName(path.Base(n.Name))
			for k := 2; taken[name] != "" && taken[name] != n.Name; k++ {
				name = fmt.Sprintf("%s-%d", credentialName(path.Base(n.Name)), k)
			}
			if taken[name] == "" {
				taken[name] = n.Name
				lines = append(lines, "LoadCredential="+name+":"+quoteSpecifiers(n.Name))
			}
			steps = append(steps, fmt.Sprintf("# In line %d write ${credential:%s} for %s: the unit's user cannot read that file, and systemd hands it over.", n.Line, name, plain(n.Name)))
		}
	}
	return lines, steps, nil
}

// credentialName makes a name that systemd takes of a file's.
func credentialName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && !strings.ContainsRune(`:/%"'\`, r) {
			return r
		}
		return '_'
	}, name)
	if name == "." || name == ".." || name == "" {
		return "_"
	}
	return name
}

// variablesOf are the variables of the environment that the file cannot do without,
// and that no platform sets.
func variablesOf(o *config.Outline) []string {
	var names []string
	for _, n := range o.Needs {
		if n.Kind == "env" && n.Must && !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
		}
	}
	return names
}

// quoteSpecifiers has systemd take a text as it is where it replaces % only.
func quoteSpecifiers(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// quoteGlob has systemd take a path as it is where it takes a pattern.
var quoteGlob = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "{", `\{`)

// quoteUnit has systemd take a word of a command line as it is (systemd.syntax(7),
// "Quoting", and systemd.service(5), "Command lines"). Variables are replaced in
// arguments, and not in the program's path.
func quoteUnit(word string, argument bool) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,@+=") == "" && word != "" {
		return word
	}
	word = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(word)
	if argument {
		word = strings.ReplaceAll(word, "$", "$$")
	}
	return `"` + word + `"`
}
