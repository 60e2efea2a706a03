// Command solotick runs a periodic job on exactly one of N machines that share
// nothing but one DNS TXT record.
//
// This package is flags, wiring and words for people. It holds the only switch
// over provider names (wire.go); everything that decides or talks to a server
// is in the packages it imports.
package main

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/steps"
)

func main() {
	if steps.IsGuard() {
		os.Exit(steps.GuardMain()) // holds nothing but what it gives to the command
	}
	keepMemory(os.Getenv)
	if os.Getpid() == 1 {
		go steps.ReapOrphans(context.Background())
	}
	if code, is := asService(run); is {
		os.Exit(code)
	}
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, env: os.Getenv, args: args}
	root := a.rootCommand()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if cmd == a.plugin {
		return a.endCheck(err)
	}
	return a.end(cmd, err)
}

// An app is what every command has in common. Data goes to stdout, everything
// else to stderr.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	env    func(string) string
	args   []string // of the command line

	color  string // --color
	unsaid error  // of the first write to stdout that failed

	plugin  *cobra.Command // check, which ends in its own way
	plugged bool           // it was run, and not only its help shown
}

const intro = `Solotick runs a periodic job once per tick on one of N machines, agreed over one DNS TXT record.`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "solotick",
		Short: "N agents, one run per tick, agreed over one DNS TXT record",
		Long:  intro + exitCodes,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			_, err := io.WriteString(a.stdout, intro+firstSteps)
			return err
		},
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.Version = buildInfo().String()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(usageTemplate)
	root.PersistentFlags().StringVar(&a.color, "color", "auto", "colour: auto, always or never")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.checkColor() }
	for _, g := range a.groups() {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.title
		}
		root.AddCommand(g.commands...)
	}
	root.AddCommand(a.demoJobCommand())
	root.AddCommand(topics()...)
	a.complete(root)
	return root
}

// A commandGroup is what --help lists together.
type commandGroup struct {
	title    string
	commands []*cobra.Command
}

func (a *app) groups() []commandGroup {
	return []commandGroup{
		{"To begin with", []*cobra.Command{
			a.demoCommand(), a.initCommand(), a.keygenCommand(), a.validateCommand(), a.doctorCommand(), a.conformanceCommand(),
			a.simulateCommand(), a.costCommand(), a.installCommand(),
		}},
		{"On the machines", []*cobra.Command{
			a.runCommand(), a.execCommand(), a.lockCommand(), a.electCommand(), a.healthCommand(), a.zoneCommand(),
		}},
		{"From anywhere, by DNS alone", []*cobra.Command{
			a.statusCommand(), a.nextCommand(), a.watchCommand(), a.serveCommand(), a.checkCommand(), a.historyCommand(), a.explainCommand(),
		}},
		{"The operator's hand", []*cobra.Command{
			a.triggerCommand(), a.pauseCommand(), a.resumeCommand(), a.recordCommand(), a.notifyCommand(),
		}},
		{"About the program", []*cobra.Command{
			a.configCommand(), a.schemaCommand(), a.manualCommand(), a.completionCommand(), a.versionCommand(),
		}},
	}
}

const exitCodes = `

Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 failed, 2 usage,
69 a server cannot be reached, 75 try again, 77 refused, 78 configuration. Commands
that run yours end with its code, or 128 and the number of the signal that ended it.`

// usageTemplate is cobra's, with the examples first.
const usageTemplate = `{{if .HasExample}}Examples:
{{.Example}}

{{end}}Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{if .HasAvailableSubCommands}}{{$all := .Commands}}{{if .Groups}}{{range $g := .Groups}}
{{.Title}}:{{range $all}}{{if and .IsAvailableCommand (eq .GroupID $g.ID)}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{else}}
Commands:{{range $all}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}
Of all commands:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableSubCommands}}
More about a command: {{.CommandPath}} COMMAND --help
{{end}}{{if .HasHelpSubCommands}}Also, by solotick help TOPIC:{{range .Commands}}{{if .IsAdditionalHelpTopicCommand}} {{.Name}}{{end}}{{end}}
{{end}}`

const firstSteps = `

  solotick exec --name hello --every 60s -- ./job.sh   one job, no file
  solotick init > solotick.yaml                        a first file, with comments
  solotick run -c solotick.yaml                        all jobs of a file
  solotick status hello.example.com                    is it fine? asks DNS, needs no credentials
  solotick doctor -c solotick.yaml                     can this machine take part?

See how it works in a minute:  solotick demo           All commands:  solotick --help
`
