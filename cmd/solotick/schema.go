package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
	"github.com/solotick/solotick/docs"
)

func (a *app) schemaCommand() *cobra.Command {
	var jobs bool
	var of string
	c := &cobra.Command{
		Use: "schema", Short: "Print a JSON Schema: of the file, for editors, or of what commands print",
		Long: `Print the JSON Schema (draft 2020-12) of the file. An editor that knows YAML then
completes keys, shows what they mean, and marks mistakes of form while you type: if
the file begins with

  # yaml-language-server: $schema=./solotick.schema.json

and that file is beside it. What needs more than the form is for solotick validate.

With --of, print that of a document: of what commands print with --json, and of what
solotick serve answers. A document says in its field schema which it is. Fields may be
added to a document without another number behind its name.`,
		Example: "  solotick schema > solotick.schema.json\n  solotick schema --jobs > solotick-jobs.schema.json\n  solotick schema --of status",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			text := config.Schema()
			switch {
			case jobs && of != "":
				return usage("--jobs and --of: want one or the other")
			case jobs:
				text = config.JobsSchema()
			case of != "":
				var ok bool
				if text, ok = docs.Schema(of); !ok {
					return usage("--of %q: want one of %s%s", of, strings.Join(docs.Schemas(), ", "), didYouMean("", of, docs.Schemas()))
				}
			}
			_, err := a.stdout.Write(text)
			return err
		},
	}
	c.Flags().StringVar(&of, "of", "", "of a `DOCUMENT`: "+strings.Join(docs.Schemas(), ", "))
	c.Flags().BoolVar(&jobs, "jobs", false, "of a list of jobs that lies elsewhere, as jobs_from: names one")
	return c
}
