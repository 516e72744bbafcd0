package rotation

import (
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// ClockStepped tells that somebody set the wall clock: what was armed by it is armed anew, and targets are
// looked at again. Instants after the present were not missed.
func (e *Engine) ClockStepped() {
	now := e.now()
	present := int64(slot.TimestampOf(now))
	if since := e.since.Load(); since > present {
		e.since.CompareAndSwap(since, present)
	}
	e.lookAgain(now)
}

// cloudflareTime is what an account's answers tell of Cloudflare's time.
func (e *Engine) cloudflareTime(accountID string) moq.CloudflareTime {
	accounts := e.backends.Load().accounts
	if accounts == nil {
		return moq.CloudflareTime{}
	}
	if cf, ok := accounts.Account(accountID); ok {
		return cf.Time()
	}
	return moq.CloudflareTime{}
}

// isClockUnset reports whether the wall clock cannot be right, as after a start without a battery, and the account has not
// told the time yet.
func (e *Engine) isClockUnset(accountID string) bool {
	return e.now().Before(e.BuiltAt) && e.cloudflareTime(accountID).Now.IsZero()
}
