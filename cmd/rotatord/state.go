package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/daemon"
	"github.com/rotatord/rotatord/internal/timefmt"
)

// What names a store on the command line, but for a folder's path.
const (
	embeddedStore = "embedded"
	etcdStore     = "etcd"
)

func (a *app) stateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Move the journal between the embedded store and etcd",
		Args:  knownCommand,
		RunE:  help,
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "copy FROM TO",
		Short: "Move the journal from one store to the other, while rotatord is stopped",
		Long: `Move the journal from one store to the other, while rotatord is stopped.

FROM and TO are embedded (state.path of the configuration), the path of another folder, or etcd (state.etcd of the
configuration); one of the two is etcd.

All records, the history as far as the other store keeps it, and what the next leader has to know are copied and compared.
Then FROM is closed, so that rotatord refuses to start with it, and only then TO may be used. Whatever ends the command
half way, run it again: it comes to its end. To move the journal back, swap FROM and TO.

Nothing is overwritten but what such a copy left there, and nothing is done while a rotatord uses either store.`,
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, toEtcd, err := readStores(args[0], args[1])
			if err != nil {
				return err
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			return a.copyState(cmd.Context(), cfg, folder, toEtcd)
		},
	})
	return cmd
}

// readStores returns the folder, "" for that of the configuration, and in which direction to copy.
func readStores(from, to string) (folder string, toEtcd bool, err error) {
	for _, name := range []string{from, to} {
		if name != embeddedStore && name != etcdStore && !strings.Contains(name, "/") {
			return "", false, errUsage{fmt.Errorf("%q is no store: give %s, %s, or a folder's path with a / in it", name, embeddedStore, etcdStore)}
		}
	}
	if (from == etcdStore) == (to == etcdStore) {
		return "", false, errUsage{errors.New("one of FROM and TO has to be etcd; a folder is moved with mv, while rotatord is stopped")}
	}
	if folder = from; from == etcdStore {
		folder = to
	}
	if folder == embeddedStore {
		return "", to == etcdStore, nil
	}
	folder, err = filepath.Abs(folder)
	return folder, to == etcdStore, err
}

func (a *app) copyState(ctx context.Context, cfg *config.Config, folder string, toEtcd bool) error {
	if cfg.State.Etcd == nil {
		return errUsage{fmt.Errorf("etcd is what state.etcd names, and %s has none: add it, with state.identity_file", a.config)}
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	named := folder
	if folder == "" {
		folder, named = cfg.State.Path, embeddedStore
	}
	result, err := daemon.MoveState(ctx, cfg, daemon.MoveOptions{
		Folder: folder, ToEtcd: toEtcd, Env: a.env, Tell: func(line string) { a.say("%s", line) },
	})
	switch {
	case ctx.Err() != nil:
		return errors.Join(errors.New("told to stop before all was done: run it again, and it comes to its end"), err)
	case err != nil:
		return err
	case !result.Before.IsZero():
		a.say("nothing to do: this was done at %s", timefmt.Stamp(result.Before))
	}
	a.sayNext(named, toEtcd)
	return nil
}

// sayNext says what to do once the journal was moved.
func (a *app) sayNext(folder string, toEtcd bool) {
	if toEtcd {
		a.say("now start the replicas; the way back is: rotatord state copy etcd %s", folder)
		return
	}
	a.say("now take state.etcd out of the configuration, keep state.identity_file, and start rotatord; "+
		"the way back is: rotatord state copy %s etcd", folder)
}
