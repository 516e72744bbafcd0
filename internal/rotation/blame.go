package rotation

import (
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
)

// upstream is a sink, by its key, or an account, by its id. Where reading goes well,
// writing (for an account: minting) may still not: that is an upstream of its own.
type upstream struct {
	account bool
	name    string
	writes  bool
}

func (p upstream) forReads() upstream { return upstream{account: p.account, name: p.name} }

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

// Unwrap returns errors.Is and errors.As the cause.
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

// upstreamState is what the outcome of a call shows of the upstream.
type upstreamState uint8

const (
	unclear upstreamState = iota
	healthy               // it answers and takes our credentials, whatever it thinks of the call
	down
)

// upstreamStateOf returns what an outcome shows of the upstream: down is one that waiting may cure, so one that limits
// calls is, and one that forbids them is not. cf.accountState and sinks.isUp ask whether it works, slot.stateUnder
// whether a target is well. docs/metrics.md has the four side by side.
func upstreamStateOf(err error) upstreamState {
	if err == nil {
		return healthy
	}
	f := fault.Of(err)
	if f.Unsent {
		return unclear
	}
	switch f.Reason {
	case fault.Unreachable, fault.Timeout, fault.ServerError, fault.RateLimited, fault.Unauthorized, fault.BadAnswer,
		fault.Setup:
		return down
	case fault.NotFound, fault.Forbidden, fault.Conflict, fault.Full:
		return healthy
	case fault.Storage: // a disk in trouble
		if f.Class == fault.Retry {
			return down
		}
	}
	return unclear
}

// blamedFor is the upstream that an error of a call to p is of: a write that was not let in says
// more than that nothing can be written.
func (p upstream) blamedFor(err error) upstream {
	if r := fault.Of(err).Reason; r == fault.Unreachable || r == fault.Unauthorized {
		return p.forReads()
	}
	return p
}

// evidenceSince is since when an outcome says something: without an answer, since the call began.
func evidenceSince(err error, began, now time.Duration) time.Duration {
	if err == nil {
		return now
	}
	if r := fault.Of(err).Reason; r == fault.Timeout || r == fault.Unreachable {
		return began
	}
	return now
}

func (p upstream) logField() zap.Field {
	if p.account {
		return zap.String("account_id", p.name)
	}
	return zap.String("sink", p.name)
}
