package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// hangups are the SIGHUPs since main's first line: one that comes while the daemon starts is not to end it, nor to get lost.
type hangups struct {
	signals chan os.Signal // the latest that is not dealt with
	ignored bool           // as nohup has it
}

func catchHangups() *hangups {
	h := &hangups{signals: make(chan os.Signal, 1), ignored: signal.Ignored(syscall.SIGHUP)}
	signal.Notify(h.signals, syscall.SIGHUP)
	return h
}

// leaveTo has a hangup end any verb but `run`, as it would have without us; one that came already does so now.
func (h *hangups) leaveTo(root *cobra.Command, args []string) {
	if cmd, _, err := root.Find(args); err == nil && cmd.Name() == "run" {
		return
	}
	signal.Stop(h.signals)
	select {
	case s := <-h.signals:
		if !h.ignored {
			_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
		}
	default:
	}
}

// ends lists the signals that end a verb which has to clean up.
func (h *hangups) ends() []os.Signal {
	if h.ignored {
		return []os.Signal{syscall.SIGTERM, os.Interrupt}
	}
	return []os.Signal{syscall.SIGTERM, os.Interrupt, syscall.SIGHUP}
}

// endsAtHangup gives a context that a hangup ends.
func (h *hangups) endsAtHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if !h.ignored {
		go func() {
			select {
			case <-h.signals:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}
