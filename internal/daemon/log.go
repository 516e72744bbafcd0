package daemon

import (
	"io"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap/zapcore"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/logging"
)

// OpenLog returns a log to w, standard error or what a test has for it, that holds up nobody, and has a
// reader of standard error or output who goes away end nothing. Where standard error is systemd's journal,
// lines become its entries.
func OpenLog(w io.Writer) *logging.Log {
	// Not ignored: that a process which is started would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	if own, err := logging.OpenStderr(w); err == nil {
		w = own
		if logging.IsJournal(2, os.Getenv("JOURNAL_STREAM")) {
			w = logging.NewJournal(logging.JournalSocket, own)
		}
	}
	return logging.New(w)
}

// levelOf parses a level that the configuration has checked.
func levelOf(l config.Log) zapcore.Level {
	level, err := zapcore.ParseLevel(l.Level)
	if err != nil {
		return zapcore.InfoLevel
	}
	return level
}
