package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
)

func (a *app) installCommand() *cobra.Command {
	return group("install", "Print what a platform needs to keep agents running", a.installSystemdCommand(), a.installCFCommand(), a.installK8sCommand())
}

// An installation is what one of the commands below install prints.
type installation struct {
	file string // of the agents, as the user named it; empty: what is printed is not filled in
	dir  string // to make a file in, in place of printing
}

func (i *installation) flags(c *cobra.Command) {
	c.Flags().StringVarP(&i.file, "config", "c", "", "fill it in from this file; what that takes from elsewhere need not be here")
	c.Flags().StringVarP(&i.dir, "output", "o", "", "make a new file in this folder, in place of printing")
}

// outline is what the file wants of a platform; nil: none was named.
func (i *installation) outline() (*config.Outline, error) {
	if i.file == "" {
		return nil, nil
	}
	if !utf8.ValidString(i.file) || strings.ContainsFunc(i.file, unicode.IsControl) {
		return nil, usage("-c %q: no unit or manifest can name a file with these characters", i.file)
	}
	o, err := config.ReadOutline(i.file)
	if err != nil {
		return nil, configFailure(err)
	}
	return o, nil
}

// put prints a text, or makes a file of it, and says on stderr what to do next.
func (i *installation) put(a *app, name, text string, steps []string) error {
	if i.dir == "" {
		if err := a.sayf("%s", text); err != nil {
			return err
		}
	} else {
		if err := os.MkdirAll(i.dir, 0o755); err != nil {
			return &failure{code: exitFailed, err: fmt.Errorf("cannot make the folder: %w", err)}
		}
		s := starter{output: filepath.Join(i.dir, name)}
		if err := s.write(text); err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "%s is made.\n", plain(s.output))
	}
	fmt.Fprintf(a.stderr, "\nNext:\n  %s\n", strings.Join(steps, "\n  "))
	return nil
}

// filledIn has a template say that it is none any more.
func filledIn(text string) string {
	return strings.Replace(text, " prints this filled in.", " filled this in.", 1)
}

// setLines puts lines in the place of the first line of a text that begins with
// prefix. None: the line is left as it is.
func setLines(text, prefix string, lines ...string) string {
	if len(lines) == 0 {
		return text
	}
	all := strings.Split(text, "\n")
	for i, line := range all {
		if strings.HasPrefix(line, prefix) {
			all[i] = strings.Join(lines, "\n")
			return strings.Join(all, "\n")
		}
	}
	panic("a template has no line " + prefix) // which tests would see
}

// slowest is the job of a file whose runs may take longest; nil: all have to end
// within what the agent waits for.
func slowest(o *config.Outline) *config.Job {
	var found *config.Job
	for i := range o.Jobs {
		j := &o.Jobs[i]
		if j.Timeout == 0 {
			return j
		}
		if j.Timeout > o.Agent.Grace-j.KillGrace && (found == nil || j.Timeout > found.Timeout) {
			found = j
		}
	}
	return found
}

// graceStep says what becomes of long runs when the agent is told to end.
func graceStep(o *config.Outline) []string {
	j := slowest(o)
	if j == nil {
		return nil
	}
	long := "as long as it likes"
	if j.Timeout > 0 {
		long = seconds(j.Timeout)
	}
	return []string{
		fmt.Sprintf("# A run of %s may take %s. One that goes on %s after the agent is told to end (agent.grace", plain(j.Name), long, seconds(max(o.Agent.Grace-j.KillGrace, 0))),
		"# less kill_grace) is ended, and begun again by another agent: see that the job can be.",
	}
}
