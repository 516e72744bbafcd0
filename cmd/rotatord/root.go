package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

const defaultConfig = "/etc/rotatord/config.yaml"

// The exit codes.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNoDaemon = 3
)

type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// app is what every verb works with.
type app struct {
	stdio
	config string // path of the configuration
	output string // table | json
}

// errUsage marks wrong use of the command line.
type errUsage struct{ error }

// errSilent ends with a code when everything has been said already.
type errSilent struct{ code int }

func (errSilent) Error() string { return "failed" }

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, std stdio) int {
	root := newRoot(&app{stdio: std})
	root.SetArgs(args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	err := root.ExecuteContext(ctx)
	code := exitCode(err)
	var silent errSilent
	if err != nil && !errors.As(err, &silent) {
		_, _ = fmt.Fprintf(std.err, "rotatord: %v\n", err)
	}
	return code
}

func exitCode(err error) int {
	var usage errUsage
	var faults config.Faults
	var silent errSilent
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &silent):
		return silent.code
	case errors.As(err, &usage), errors.As(err, &faults):
		return exitUsage
	case errors.Is(err, adminapi.ErrNoDaemon):
		return exitNoDaemon
	}
	return exitFailed
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "rotatord",
		Short:         "Rotates Cloudflare MoQ relay tokens and delivers them to your secret stores",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usage(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVarP(&a.config, "config", "c", defaultConfig, "configuration file")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return errUsage{fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
	})
	root.AddCommand(
		a.runCommand(), a.checkCommand(), a.rotateCommand(), a.statusCommand(), a.planCommand(),
		a.historyCommand(), a.tokensCommand(), a.devCommand(), a.schemaCommand(), a.versionCommand(),
	)
	root.CompletionOptions.HiddenDefaultCmd = false
	return root
}

// usage makes a complaint about arguments one about wrong use.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return errUsage{fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
		}
		return nil
	}
}

// listing adds -o to a verb that lists something.
func (a *app) listing(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&a.output, "output", "o", "table", "table or json")
	inner := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if a.output != "table" && a.output != "json" {
			return errUsage{fmt.Errorf("-o takes table or json, not %q", a.output)}
		}
		return inner(cmd, args)
	}
	return cmd
}

// print writes v as JSON, or rows as a table under their heading.
func (a *app) print(v any, heading string, rows [][]string) error {
	if a.output == "json" {
		enc := json.NewEncoder(a.out)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, heading)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				_, _ = io.WriteString(t, "\t")
			}
			_, _ = io.WriteString(t, cell)
		}
		_, _ = io.WriteString(t, "\n")
	}
	return t.Flush()
}

func (a *app) say(format string, args ...any) { _, _ = fmt.Fprintf(a.out, format+"\n", args...) }

func (a *app) load() (*config.Config, error) { return config.Load(a.config, all.Specs()) }

// daemon gives a client of the running daemon.
func (a *app) daemon() (*adminapi.Client, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	if cfg.Server.AdminSocket == "" {
		return nil, errUsage{errors.New("server.admin_socket is empty: the command line has no way in to the daemon")}
	}
	return adminapi.NewClient(cfg.Server.AdminSocket), nil
}

// missing tells whether err is about a file that does not exist.
func missing(err error) bool { return errors.Is(err, os.ErrNotExist) }
