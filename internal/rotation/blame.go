package rotation

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/slot"
)

// blame says that an attempt failed on an upstream.
type blame struct {
	upstream
	down bool          // the upstream does not work at all: the next attempt waits for that to end
	at   time.Duration // of what shows it down, on the elapsed-time clock
}

// upstreamError is an error of calls, with those whom they were made to.
type upstreamError struct {
	error
	blames []blame
}

// Unwrap returns the cause, for errors.Is and errors.As.
func (p *upstreamError) Unwrap() error { return p.error }

func blamesOf(err error) []blame {
	if p, ok := errors.AsType[*upstreamError](err); ok {
		return p.blames
	}
	return nil
}

// tellingError is the index of the error by which a failure of several is told, its stage, reason and sink: the first
// of an upstream that is down, else the first.
func tellingError(errs []error) int {
	isDown := func(err error) bool { return slices.ContainsFunc(blamesOf(err), func(b blame) bool { return b.down }) }
	return max(0, slices.IndexFunc(errs, isDown))
}

// joinErrors makes one error of several, keeping the class and reason of the first, the
// longest wait that was asked for, and whose each is.
func joinErrors(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	texts := make([]string, len(errs))
	var after time.Duration
	var blames []blame
	for i, err := range errs {
		texts[i], after, blames = err.Error(), max(after, fault.Of(err).After), append(blames, blamesOf(err)...)
	}
	first := fault.Of(errs[0])
	all := fault.Newf(first.Class, first.Reason, "", "", "%s", strings.Join(texts, "; "))
	all.After = after
	return &upstreamError{all, blames}
}

// failedSink names the sink that a failure is of; "" when it is of none. A failure on targets is of the first of them.
func failedSink(of []slot.Target, blames []blame) string {
	if len(of) > 0 {
		return of[0].Sink
	}
	for _, b := range blames {
		if !b.account {
			return b.name
		}
	}
	return ""
}

// noteFailures records one failed attempt by the one error of several that tells it, and all their targets; each error has a stage.
func (w *worker) noteFailures(stages []slot.Stage, errs []error, of []slot.Target) {
	i := tellingError(errs)
	w.noteFailure(stages[i], joinErrors(toFront(errs, i)), toFront(of, i)...)
}

// toFront returns the list with its element i first, if it has so many.
func toFront[T any](list []T, i int) []T {
	if i >= len(list) {
		return list
	}
	return slices.Concat(list[i:i+1], list[:i], list[i+1:])
}
