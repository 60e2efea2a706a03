package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/solotick/solotick/internal/spell"
)

// The exit codes. "exec" and "lock" give the child's own code instead.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 69 // EX_UNAVAILABLE of sysexits.h, as all from 64 on
	exitTryAgain    = 75 // EX_TEMPFAIL
	exitRefused     = 77 // EX_NOPERM
	exitConfig      = 78 // EX_CONFIG
)

// exitMeanings are these codes, for people: docs/reference/exit-codes.md is made of them.
var exitMeanings = []struct {
	code  int
	means string
}{
	{exitOK, "ok"},
	{exitFailed, "failed; `status`: something is bad"},
	{exitUsage, "the command line is wrong"},
	{exitUnreachable, "DNS, or the register, cannot be reached"},
	{exitTryAgain, "try again: `exec --once` found a claim whose holder is alive; `lock --try` and `--wait` that somebody holds the lock"},
	{exitRefused, "refused: by the server, or by the command itself, as `trigger` is while the job is paused"},
	{exitConfig, "the file is wrong, or names a zone that the server does not serve"},
}

// exitBesides is what ends in other ways.
const exitBesides = "`exec --once` gives the command's own code when it ran, and 128 + n when signal n ended it; 0 when nothing was due. `lock` and\n`elect` do likewise ([locks](../locks.md#exit-codes)). `check` ends with 0 to 3, as plugins of Nagios do, and with nothing else\n([nagios](../nagios.md)).\n"

// A failure ends a command: its code, and what a person has to know.
type failure struct {
	code  int
	err   error  // what happened; nil: everything is said already
	means string // what it means for the job: did it run?
	do    string // what to do, best as a command
	about string // what means is about; empty: the job
}

func (f *failure) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit code %d", f.code)
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// exit ends a command with a code and no further word.
func exit(code int) error {
	if code == exitOK {
		return nil
	}
	return &failure{code: code}
}

// usage is a mistake on the command line.
func usage(format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// end tells err on stderr and returns the exit code.
func (a *app) end(cmd *cobra.Command, err error) int {
	if err == nil && a.unsaid != nil {
		err = fmt.Errorf("not all of it could be printed: %w", a.unsaid)
	}
	if err == nil {
		return exitOK
	}
	var f *failure
	switch {
	case errors.As(err, &f):
	case errors.Is(err, context.Canceled):
		f = &failure{code: exitTryAgain, err: errors.New("interrupted")}
	default:
		f = &failure{code: exitFailed, err: err}
	}
	if f.err == nil {
		return f.code
	}
	if f.code == exitUsage && f.do == "" {
		f.do = cmd.CommandPath() + " --help"
	}
	fmt.Fprintf(a.stderr, "%s: %s\n", cmd.CommandPath(), indent(lines(f.err.Error()), "  "))
	if f.means != "" {
		fmt.Fprintf(a.stderr, "  %s %s\n", cmp.Or(f.about, "the job")+":", indent(lines(f.means), "           "))
	}
	if f.do != "" {
		fmt.Fprintf(a.stderr, "  to do:   %s\n", indent(lines(f.do), "           "))
	}
	return f.code
}

// indent puts prefix before every line but the first.
func indent(text, prefix string) string { return strings.ReplaceAll(text, "\n", "\n"+prefix) }

// flagError says which flag may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usage("%w", err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if unknown.GetSpecifiedShortnames() != "" {
		return usage("%w", err)
	}
	return usage("%w%s", err, didYouMean("--", unknown.GetSpecifiedName(), names))
}

// unknownCommand says which command may have been meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	hint := didYouMean(cmd.CommandPath()+" ", name, names)
	if hint == "" && cmd.HasParent() {
		hint = "; want one of: " + strings.Join(names, ", ")
	}
	return usage("unknown command %q%s", name, hint)
}

// didYouMean is a hint at the known name nearest to name, or nothing.
func didYouMean(prefix, name string, known []string) string {
	best, least := "", 3 // more than two slips are another word
	if len(name) < 6 {
		least = 2
	}
	for _, k := range known {
		d := spell.Distance(name, k)
		if len(name) > 2 && strings.HasPrefix(k, name) {
			d = 1
		}
		if d < least && d < len(k) {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s%s?", prefix, best)
}

// group is a command that only has others below it.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use + " COMMAND", Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			return usage("a command is missing: %s", strings.Join(names, ", "))
		},
	}
	c.AddCommand(below...)
	return c
}

// exactly is for commands with a fixed number of arguments; words name them.
func exactly(words ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(words):
			return usage("%s is missing", words[len(args)])
		case len(args) > len(words):
			return usage("unexpected argument %q", args[len(words)])
		}
		return nil
	}
}

// atMost is for commands with arguments that may be left out.
func atMost(n int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > n {
			return usage("unexpected argument %q", args[n])
		}
		return nil
	}
}

// exitCode is the code that err ends a command with.
func exitCode(err error) int {
	var f *failure
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &f):
		return f.code
	}
	return exitFailed
}
