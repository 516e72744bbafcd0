package main

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// lookAtTerminal is how often it is looked whether a command is told to end.
const lookAtTerminal = time.Second

// isTerminal reports whether what a command reads or writes is one.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// whileTerminalLasts returns a context that ends when a terminal among the streams is closed. Not everybody who uses
// one gets a hangup then: what runs in its background may get none.
func whileTerminalLasts(ctx context.Context, streams ...any) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	var terminals []unix.PollFd
	for _, s := range streams {
		if isTerminal(s) {
			terminals = append(terminals, unix.PollFd{Fd: int32(s.(*os.File).Fd())})
		}
	}
	if len(terminals) > 0 {
		go func() {
			defer cancel()
			waitForClose(ctx, terminals)
		}()
	}
	return ctx, cancel
}

// waitForClose waits until one of some terminals is closed, or ctx ends.
func waitForClose(ctx context.Context, terminals []unix.PollFd) {
	for ctx.Err() == nil {
		// Nothing is asked for: what is told all the same is that it is closed.
		if n, err := unix.Poll(terminals, int(lookAtTerminal.Milliseconds())); n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
