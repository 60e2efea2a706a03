package main

import "github.com/spf13/cobra"

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a completion script for a shell",
		Long: `Print a script by which a shell completes commands, flags, and the names of jobs of the
file. That of bash needs the package bash-completion, and takes effect in the next shell.`,
		Example:   "  solotick completion bash | sudo tee /etc/bash_completion.d/solotick\n  solotick completion zsh > \"${fpath[1]}/_solotick\"",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      exactly("a shell (bash, zsh, fish or powershell)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
			return usage("no completion for %q%s; known: bash, zsh, fish, powershell", args[0],
				didYouMean("", args[0], cmd.ValidArgs))
		},
	}
}
