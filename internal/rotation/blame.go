package rotation

import (
	"errors"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
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

// joinErrors makes one error of several, keeping the class and reason of the first, the
// longest wait that was asked for, and whose each is.
func joinErrors(errs []error) error {
	if len(errs) <= 1 {
		if len(errs) == 0 {
			return nil
		}
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

// blamedSink names the sink that a failure is of, rather one that is down; "" when it is of none.
func blamedSink(blames []blame) (name string) {
	for _, k := range blames {
		if !k.account && (name == "" || k.down) {
			name = k.name
		}
	}
	return name
}
