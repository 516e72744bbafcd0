package main

import (
	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/deploy"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Args:  usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(deploy.Schema)
			return err
		},
	}
}
