package main

import (
	"github.com/spf13/cobra"

	"github.com/solotick/solotick/config"
)

func (a *app) schemaCommand() *cobra.Command {
	var jobs bool
	c := &cobra.Command{
		Use: "schema", Short: "Print a JSON Schema of the file, for editors",
		Long: `Print the JSON Schema (draft 2020-12) of the file. An editor that knows YAML then
completes keys, shows what they mean, and marks mistakes of form while you type: if
the file begins with

  # yaml-language-server: $schema=./solotick.schema.json

and that file is beside it. What needs more than the form is for solotick validate.`,
		Example: "  solotick schema > solotick.schema.json\n  solotick schema --jobs > solotick-jobs.schema.json",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			text := config.Schema()
			if jobs {
				text = config.JobsSchema()
			}
			_, err := a.stdout.Write(text)
			return err
		},
	}
	c.Flags().BoolVar(&jobs, "jobs", false, "of a list of jobs that lies elsewhere, as jobs_from: names one")
	return c
}
