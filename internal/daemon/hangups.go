package daemon

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Hangups are the SIGHUPs since main's first line: one that comes while the daemon starts is not to end it,
// nor to get lost.
type Hangups struct {
	signals chan os.Signal // the latest that is not dealt with
	ignored bool           // as nohup has it
}

// CatchHangups keeps a hangup from ending the process.
func CatchHangups() *Hangups {
	h := &Hangups{signals: make(chan os.Signal, 1), ignored: signal.Ignored(syscall.SIGHUP)}
	signal.Notify(h.signals, syscall.SIGHUP)
	return h
}

// Release has a hangup end the process as it would have without us; one that came already does so now.
func (h *Hangups) Release() {
	signal.Stop(h.signals)
	select {
	case s := <-h.signals:
		if !h.ignored {
			_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
		}
	default:
	}
}

// EndingSignals lists the signals that end a verb which has to clean up.
func (h *Hangups) EndingSignals() []os.Signal {
	if h.ignored {
		return []os.Signal{syscall.SIGTERM, os.Interrupt}
	}
	return []os.Signal{syscall.SIGTERM, os.Interrupt, syscall.SIGHUP}
}

// reloads is where hangups come that have the configuration read again; nil, where none do, without any.
func (h *Hangups) reloads() <-chan os.Signal {
	if h == nil {
		return nil
	}
	return h.signals
}

// untilHangup returns a context that a hangup ends.
func (h *Hangups) untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if h != nil && !h.ignored {
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
