package rotation

import (
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

func (p upstream) logField() zap.Field {
	if p.account {
		return zap.String("account_id", p.name)
	}
	return zap.String("sink", p.name)
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
	case fault.Storage: // a disk in trouble that may end by itself
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
