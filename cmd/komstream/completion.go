package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newCompletion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the script that completes commands in bash, zsh, fish or powershell",
		Long: "Print a script for a shell. For bash, with its package bash-completion, put it in\n" +
			"~/.local/share/bash-completion/completions/komstream; for zsh in a directory of $fpath as _komstream; for fish in\n" +
			"~/.config/fish/completions/komstream.fish. To try it, let the shell read it at once.",
		Example:   "  komstream completion bash > komstream.bash",
		ValidArgs: shells,
		Args:      arguments("SHELL"),
		RunE: func(c *cobra.Command, args []string) error {
			root, out := c.Root(), c.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return usage(fmt.Errorf("shell %q must be one of %s", args[0], strings.Join(shells, ", ")))
		},
	}
}
