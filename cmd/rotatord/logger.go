package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/logging"
)

// openLog has all that is said from now on go through a log that holds up nobody, and has a reader
// who goes away end nothing.
func (a *app) openLog() {
	if a.log != nil {
		return
	}
	// Not ignored: that a process which is started would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	if own, err := ownStderr(a.err); err == nil {
		a.err = own
	}
	a.log = logging.New(a.err)
	a.err = a.log
}

// closeLog waits until all that was said is out, a second at most.
func (a *app) closeLog() {
	if a.log != nil {
		a.log.Close()
	}
}

// newLogger writes one line an event, for machines or for people.
func newLogger(l *logging.Log, level zap.AtomicLevel, format string) *zap.Logger {
	ec := zap.NewProductionEncoderConfig()
	ec.TimeKey, ec.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	ec.EncodeDuration = zapcore.StringDurationEncoder
	ec.CallerKey = zapcore.OmitKey
	enc := zapcore.NewJSONEncoder(ec)
	if format == "console" {
		ec.EncodeTime = zapcore.TimeEncoderOfLayout(time.DateTime)
		ec.EncodeLevel = zapcore.CapitalLevelEncoder
		ec.ConsoleSeparator = "  "
		enc = zapcore.NewConsoleEncoder(ec)
	}
	return zap.New(logging.NewCore(enc, l, level), zap.ErrorOutput(zapcore.AddSync(l)))
}

// levelOf parses a level that the configuration has checked.
func levelOf(l config.Log) zapcore.Level {
	level, err := zapcore.ParseLevel(l.Level)
	if err != nil {
		return zapcore.InfoLevel
	}
	return level
}
