package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/adminapi"
	"github.com/rotatord/rotatord/internal/config"
)

const defaultConfig = "/etc/rotatord/config.yaml"

// What names the configuration and the daemon's socket where no flag does.
const (
	configVariable = "ROTATORD_CONFIG"
	socketVariable = "ROTATORD_SOCKET"
)

// usualConfig is the path of the configuration where no flag names one.
func (a *app) usualConfig() string { return cmp.Or(a.env.Get(configVariable), defaultConfig) }

// lookAtFlags refuses flags that would have no effect where somebody counts on one.
func (a *app) lookAtFlags(cmd *cobra.Command, _ []string) error {
	flags := cmd.Flags()
	a.named = flags.Changed("config") || a.env.Get(configVariable) != ""
	switch {
	case !flags.Changed("socket"):
		return nil
	case a.socket == "":
		return errUsage{errors.New("--socket takes the path of a daemon's admin socket")}
	case cmd.Name() == "run", cmd.Name() == "dev":
		return errUsage{fmt.Errorf("--socket names the socket of a daemon that runs; "+
			"where `rotatord %s` makes its own, server.admin_socket says", cmd.Name())}
	}
	return nil
}

// client returns a client of the running daemon. It takes nothing of the configuration but the socket's path.
func (a *app) client() *adminapi.Client { return adminapi.NewClientAt(a.address()) }

// address is where the daemon is looked for. A file that cannot be read tells nothing of a daemon that runs; but one
// that somebody named may be another's.
func (a *app) address() adminapi.Address {
	if a.socket != "" {
		return adminapi.Address{Path: a.socket, Origin: "named by --socket"}
	}
	if path := a.env.Get(socketVariable); path != "" {
		return adminapi.Address{Path: path, Origin: "named by " + socketVariable}
	}
	path, err := config.FindAdminSocket(a.config)
	switch {
	case path != "":
		return adminapi.Address{Path: path, Origin: "server.admin_socket of " + a.config}
	case err == nil:
		return adminapi.Address{Path: config.DefaultAdminSocket, Origin: "the default: " + a.config + " names none"}
	}
	byDefault := adminapi.Address{Path: config.DefaultAdminSocket, Origin: "the default: " + err.Error()}
	if a.named {
		// Where nobody answers, that error tells the same.
		byDefault.Met = sync.OnceFunc(func() {
			a.warn("%v: asking the daemon at %s, the default", err, config.DefaultAdminSocket)
		})
	}
	return byDefault
}

// within bounds a call: a daemon that is stopped or stuck takes connections, and answers nothing.
func within[T any](ctx context.Context, d time.Duration, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	out, err := call(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errNoAnswer{d}
	}
	return out, err
}

// errNoAnswer is of a daemon that took the connection. What it was asked for it may have taken down.
type errNoAnswer struct{ within time.Duration }

// Error says where to look.
func (e errNoAnswer) Error() string {
	return fmt.Sprintf("no answer within %s: the daemon may be at it yet; its log says what comes of it", e.within)
}
