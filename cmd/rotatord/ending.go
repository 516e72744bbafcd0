package main

import (
	"errors"
	"fmt"
	"io"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/logging"
	"github.com/rotatord/rotatord/internal/redact"
	"github.com/rotatord/rotatord/internal/slot"
)

// errSlots are the slots that a single run left failing.
type errSlots struct {
	failed []slot.Status
	of     int // slots in all
}

// Error says how many they are.
func (e errSlots) Error() string {
	return fmt.Sprintf("%d of %d slots failed; run again to retry", len(e.failed), e.of)
}

// fail says why the command ends: to a person in plain text. What `run` says anywhere else than at a terminal is
// read by machines, and goes into its log.
func (a *app) fail(err error) {
	switch {
	case err == nil:
	case a.entries == nil:
		complain(a.err, err)
	default:
		logFailure(a.entries, err)
	}
}

// startEntries has a failure go into the log, in a format, unless somebody sees it at a terminal.
func (a *app) startEntries(format string) {
	if !a.watched {
		a.entries = logging.NewLogger(a.log, zap.NewAtomicLevelAt(zap.ErrorLevel), format)
	}
}

// complain says what went wrong; a configuration's diagnostics one a line, as editors
// and people read them.
func complain(w io.Writer, err error) {
	if diagnostics, ok := errors.AsType[config.Diagnostics](err); ok {
		_, _ = fmt.Fprintf(w, "%s\nrotatord: %s\n", redact.PrintableLines(diagnostics.Error()), countDiagnostics(diagnostics))
		return
	}
	if slots, ok := errors.AsType[errSlots](err); ok {
		for _, s := range slots.failed {
			_, _ = fmt.Fprintf(w, "%s: %s: %s\n", s.Slot, s.Failure.Stage, redact.Printable(s.Failure.Message))
		}
	}
	_, _ = fmt.Fprintf(w, "rotatord: %s\n", redact.PrintableLines(err.Error()))
}

// logFailure writes what went wrong into a log: an entry for each diagnostic of a configuration and each slot, and
// one that ends them.
func logFailure(log *zap.Logger, err error) {
	if diagnostics, ok := errors.AsType[config.Diagnostics](err); ok {
		for _, d := range diagnostics {
			log.Error(redact.Printable(d.String()), zap.String("file", d.File), zap.Int("line", d.Line), zap.Int("column", d.Column), zap.String("key", d.Path))
		}
		err = errors.New(countDiagnostics(diagnostics))
	}
	if slots, ok := errors.AsType[errSlots](err); ok {
		for _, s := range slots.failed {
			log.Error("the slot has failed in this run", zap.String("slot", s.Slot), zap.String("relay", s.Relay), zap.String("step", string(s.Failure.Stage)),
				zap.String("error", redact.Printable(s.Failure.Message)))
		}
	}
	log.Error("rotatord ends with a failure", zap.String("error", redact.PrintableLines(err.Error())))
}

func countDiagnostics(diagnostics config.Diagnostics) string {
	return count(len(diagnostics), "fault") + " in the configuration; nothing was done"
}
