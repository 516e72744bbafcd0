package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/daemon"
	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/sinks/all"
)

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
	pause    func(context.Context, time.Duration) // between two lists of a relay
}

// app is what every verb works with.
type app struct {
	stdio
	env     daemon.Environment
	log     *logging.Log    // of the daemon, which then has standard error too
	watched bool            // standard error is a terminal
	entries *zap.Logger     // into log, for a failure; nil: it is said in plain text
	hangups *daemon.Hangups // for `run`
	config  string          // path of the configuration
	named   bool            // somebody named that path
	socket  string          // of the daemon, if it is named by a flag
	output  string          // table | json
}

// errUsage marks wrong use of the command line.
type errUsage struct{ error }

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, std stdio, env daemon.Environment, hangups *daemon.Hangups) int {
	a := &app{stdio: std, env: env, hangups: hangups, watched: isTerminal(std.err)}
	defer a.closeLog()
	root := newRoot(a)
	if cmd, _, err := root.Find(args); err == nil && cmd.Name() == "run" {
		a.openLog()
		a.startEntries("json") // until the configuration says another
	} else {
		hangups.Release()
	}
	root.SetArgs(args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	err := root.ExecuteContext(ctx)
	a.fail(err)
	return exitCode(err)
}

func exitCode(err error) int {
	var usage errUsage
	var diagnostics config.Diagnostics
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage), errors.As(err, &diagnostics):
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
		Args:          knownCommand,
	}
	asked := root.Flags().Bool("version", false, "say which rotatord this is, as the verb version does")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *asked {
			return a.printVersion()
		}
		return cmd.Help()
	}
	root.PersistentFlags().StringVarP(&a.config, "config", "c", a.usualConfig(), "configuration file (also ROTATORD_CONFIG)")
	root.PersistentFlags().StringVar(&a.socket, "socket", "", "the daemon's admin socket (also ROTATORD_SOCKET; else as the configuration says)")
	root.PersistentPreRunE = a.lookAtFlags
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return errUsage{fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
	})
	root.AddCommand(
		a.runCommand(), a.checkCommand(), a.rotateCommand(), a.reloadCommand(), a.statusCommand(), a.planCommand(),
		a.historyCommand(), a.tokensCommand(), a.stateCommand(), a.devCommand(), a.schemaCommand(), a.versionCommand(),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = knownTopic
	}
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		refuseArguments(completion)
	}
	return root
}

// refuseArguments makes what is left over behind a shell's name wrong use, as it is behind every other verb.
func refuseArguments(completion *cobra.Command) {
	completion.Args, completion.RunE = knownCommand, help
	for _, shell := range completion.Commands() {
		shell.Args = usage(cobra.NoArgs)
	}
}

// knownTopic refuses to help with commands that there are not.
func knownTopic(cmd *cobra.Command, args []string) error {
	topic, left, err := cmd.Root().Find(args)
	if err != nil || !topic.HasSubCommands() {
		return err
	}
	return knownCommand(topic, left)
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// usage makes a complaint about arguments one about wrong use.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check(cmd, args) == nil && !slices.ContainsFunc(args, isNoName) {
			return nil
		}
		return errUsage{fmt.Errorf("wrong arguments %q: it is `%s`; see `%s --help`", args, cmd.UseLine(), cmd.CommandPath())}
	}
}

// isNoName reports whether an argument, perhaps of a variable that nobody set, can name nothing: in an address it would
// lead elsewhere.
func isNoName(arg string) bool { return arg == "" || arg == "." || arg == ".." }

// knownCommand refuses what is left over after the commands that there are.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2 // letters that may be wrong
	meant := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		meant = fmt.Sprintf(" (did you mean %s?)", strings.Join(near, " or "))
	}
	return errUsage{fmt.Errorf("there is no command %q%s; see `%s --help`", args[0], meant, cmd.CommandPath())}
}

// load reads the configuration. That there is none to read is wrong use, too.
func (a *app) load() (*config.Config, error) {
	cfg, err := config.Load(a.config, all.Specs())
	if _, bad := errors.AsType[config.Diagnostics](err); err != nil && !bad {
		err = errUsage{err}
	}
	return cfg, err
}
