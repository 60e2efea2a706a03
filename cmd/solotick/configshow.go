package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
)

// A shownConfig is what "config show --json" prints.
type shownConfig struct {
	Schema   string           `json:"schema"`
	File     string           `json:"file"`
	Settings []config.Setting `json:"settings"`
}

func (a *app) configCommand() *cobra.Command {
	return group("config", "Look at what is in force", a.configShowCommand())
}

func (a *app) configShowCommand() *cobra.Command {
	var file string
	var asJSON bool
	c := &cobra.Command{
		Use: "show [JOB...]", Short: "Show every value in force, and where it came from",
		Long: `Show every value that is in force by the file: its path, the value, and where it came
from: a line, a line of defaults:, a variable, a file or a service, or nowhere, if it is
the default. Of secrets only the length is shown, and of addresses that came from
elsewhere only the host. With names of jobs, these alone. No server is asked anything,
and a list of jobs that lies elsewhere is not read.`,
		Example: "  solotick config show -c solotick.yaml\n  solotick config show canary\n  solotick config show --json | jq -r '.settings[] | select(.path | endswith(\".lease\"))'",
		RunE:    func(_ *cobra.Command, args []string) error { return a.configShow(file, args, asJSON) },
	}
	a.fileFlag(c, &file)
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) configShow(file string, jobs []string, asJSON bool) error {
	path, err := a.configPath(file)
	if err != nil {
		return err
	}
	all, err := config.Inspect(path)
	if err != nil {
		return configFailure(err)
	}
	if all, err = ofJobs(all, jobs); err != nil {
		return err
	}
	if asJSON {
		return a.json(shownConfig{Schema: "solotick.config/v1", File: path, Settings: all})
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Path, oneLine(s.Value), s.From)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return a.sayf("%s", b.String())
}

// ofJobs are the settings of some jobs; of all there is if none is named.
func ofJobs(all []config.Setting, jobs []string) ([]config.Setting, error) {
	if len(jobs) == 0 {
		return all, nil
	}
	var some []config.Setting
	var known []string
	seen := make(map[string]bool)
	for _, s := range all {
		rest, ok := strings.CutPrefix(s.Path, "jobs.")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(rest, ".")
		if !seen[name] {
			known = append(known, name)
		}
		seen[name] = true
		for _, job := range jobs {
			if job == name {
				some = append(some, s)
			}
		}
	}
	for _, job := range jobs {
		if !seen[job] {
			hint := didYouMean("", job, known)
			if hint == "" {
				hint = "; it has: " + strings.Join(known, ", ")
			}
			return nil, usage("no job %q in the file%s", job, hint)
		}
	}
	return some, nil
}

// widestValue is how much of a value is shown to people.
const widestValue = 80

// oneLine is a value as it fits into a line.
func oneLine(text string) string {
	if strings.ContainsFunc(text, unicode.IsControl) || text == "" || strings.TrimSpace(text) != text {
		text = strconv.Quote(text)
	}
	if utf8.RuneCountInString(text) > widestValue {
		text = string([]rune(text)[:widestValue-3]) + "..."
	}
	return text
}
