package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/docs"
)

// yamlFiles are how the names of files end that --config takes.
var yamlFiles = []string{"yaml", "yml"}

// flagWords are the words that flags take, by the flag's name: of a job's keys, what
// the file takes too.
var flagWords = map[string][]string{
	"color":      {"auto", "always", "never"},
	"log-format": {"auto", "text", "json"},
	"log-level":  {"debug", "info", "warn", "error"},
	"provider":   config.Providers(),
	"algorithm":  {"hmac-sha256", "hmac-sha384", "hmac-sha512"},
	"of":         docs.Schemas(),
	"tick":       {"latest"},

	"guarantee":        {"at-least-once", "at-most-once"},
	"catch-up":         {"once", "none", "all"},
	"overlap":          {"wait", "skip", "replace"},
	"without-register": {"dns", "always", "wait"},
	"affinity":         {"incumbent", "none"},

	"keygen tsig for": {"bind", "knot", "powerdns", "solotick", "all"},
	"exec output":     {"raw", "prefixed", "quiet"},
	"check paused":    {"ok", "warning", "critical"},

	"cost provider":     modelled(),
	"simulate provider": modelled(),
}

// flagFiles are flags that take the name of a file or folder. The shell completes it.
var flagFiles = []string{
	"admin-token-file", "data", "from", "key", "names-from", "output", "reports-key-file", "reports-passcode-file", "reports-token-file", "svg", "tsig",
	"tsig-file", "web-config",
}

// takeJobs are the commands whose arguments may be names of jobs in the file.
var takeJobs = []string{
	"check", "config show", "cost", "doctor", "explain", "history", "next", "pause", "record get", "record reset", "resume", "serve", "simulate", "status", "trigger",
	"watch",
}

// takeCommands are the commands whose arguments are a command, which the shell knows
// best.
var takeCommands = []string{"elect", "exec", "lock"}

// complete tells cobra what may stand where on the command line, for the scripts of
// solotick completion. What needs the file only reads names in it: nothing is asked
// of a network, and secrets that the user may not read stand in nobody's way.
func (a *app) complete(root *cobra.Command) {
	for _, c := range root.Commands() {
		a.complete(c)
	}
	path := strings.TrimPrefix(strings.TrimPrefix(root.CommandPath(), "solotick"), " ")
	switch {
	case root.ValidArgsFunction != nil || len(root.ValidArgs) > 0 || slices.Contains(takeCommands, path):
	case slices.Contains(takeJobs, path):
		root.ValidArgsFunction = a.completeJobs
	case path == "notify test":
		root.ValidArgsFunction = a.completeNotifiers
	case path == "manual":
		root.ValidArgsFunction = completeCommands
	case path == "validate":
		root.ValidArgsFunction = cobra.FixedCompletions(yamlFiles, cobra.ShellCompDirectiveFilterFileExt)
	default:
		root.ValidArgsFunction = cobra.NoFileCompletions
	}
	root.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if _, known := root.GetFlagCompletionFunc(f.Name); known || root.Flags().Lookup(f.Name) == nil && root.PersistentFlags().Lookup(f.Name) == nil {
			return
		}
		if err := root.RegisterFlagCompletionFunc(f.Name, a.completeFlag(path, f)); err != nil {
			panic("complete: " + err.Error()) // the flag is there, and nobody else has registered it
		}
	})
}

func (a *app) completeFlag(path string, f *pflag.Flag) cobra.CompletionFunc {
	words, ok := flagWords[path+" "+f.Name]
	if !ok {
		words, ok = flagWords[f.Name]
	}
	switch {
	case ok:
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	case f.Name == "job" && path == "run":
		return a.completeJobs
	case f.Name == "notify" && path != "zone serve":
		return a.completeNotifiers
	case f.Name == "config":
		return cobra.FixedCompletions(yamlFiles, cobra.ShellCompDirectiveFilterFileExt)
	case slices.Contains(flagFiles, f.Name):
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	}
	return cobra.NoFileCompletions
}

func (a *app) completeJobs(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	jobs, _ := a.namesInFile(cmd)
	return without(jobs, args), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeNotifiers(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	_, notifiers := a.namesInFile(cmd)
	return without(notifiers, args), cobra.ShellCompDirectiveNoFileComp
}

// completeCommands is for who is asked about a command.
func completeCommands(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	c, _, err := cmd.Root().Find(args)
	if err != nil || c == cmd.Root() && len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() || below.IsAdditionalHelpTopicCommand() {
			names = append(names, cobra.CompletionWithDesc(below.Name(), below.Short))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// without leaves out what stands on the command line already.
func without(names, given []string) []cobra.Completion {
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(given, name) })
}

// namesInFile are the jobs and notifiers of the file that the command would take.
// Without one there are none: nobody who presses a key wants to hear of it.
func (a *app) namesInFile(cmd *cobra.Command) (jobs, notifiers []string) {
	given := ""
	if f := cmd.Flag("config"); f != nil {
		given = f.Value.String()
	}
	path, err := a.configPath(given)
	if err != nil {
		return nil, nil
	}
	jobs, notifiers, err = config.Names(path)
	if err != nil {
		return nil, nil
	}
	return jobs, notifiers
}

// completed are the names in flagWords, for the test that they are flags.
func completed() []string { return slices.Sorted(maps.Keys(flagWords)) }
