package cf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// noAnswerInTime says that the time of a call was up before its answer began, in other words than net/http does.
type noAnswerInTime struct {
	from      string
	connected bool
	within    time.Duration
}

// Error implements error.
func (e *noAnswerInTime) Error() string {
	within := e.within.Round(time.Second)
	if e.within < time.Second {
		within = e.within.Round(time.Millisecond)
	}
	if !e.connected {
		return fmt.Sprintf("no connection to %s within %s", e.from, within)
	}
	return fmt.Sprintf("no answer from %s within %s", e.from, within)
}

// Is reports a deadline's end as what it is.
func (e *noAnswerInTime) Is(target error) bool { return target == context.DeadlineExceeded }

// ranOutOfTime reports whether the call's time was up, and not that of a step of the network's, which names an address.
func (x *exchange) ranOutOfTime() bool {
	var timeout net.Error
	var step *net.OpError
	return errors.As(x.err, &timeout) && timeout.Timeout() && !errors.As(x.err, &step)
}
