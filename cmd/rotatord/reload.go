package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/adminapi"
)

func (a *app) reloadCommand() *cobra.Command {
	var timeout time.Duration
	cmd := a.listing(&cobra.Command{
		Use:   "reload",
		Short: "Have the daemon read its configuration again, and say what changed",
		Long: "Have the daemon read its configuration again, as SIGHUP does, and say what changed, what needs a restart,\n" +
			"or why it was refused: then the exit code is 1, and nothing has changed.\n\n" +
			"The daemon reads the file that it was started with, whatever -c says here.",
		Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			result, err := within(cmd.Context(), timeout, a.client().Reload)
			if err != nil {
				return err
			}
			return a.printReload(&result)
		},
	})
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for the answer")
	return cmd
}

func (a *app) printReload(r *adminapi.ReloadResult) error {
	if a.output == "json" {
		return a.print(r, "", nil)
	}
	lines := r.Lines()
	if len(lines) == 0 {
		a.say("nothing has changed: what the file says was in force")
	}
	for _, line := range lines {
		a.say("%s", line)
	}
	for _, w := range r.Warnings {
		a.say("warning: %s", w)
	}
	switch {
	case len(r.NeedsRestart) > 0:
		a.say("the new configuration is in force, but for what needs a restart")
	case len(lines) > 0:
		a.say("the new configuration is in force")
	}
	return nil
}
