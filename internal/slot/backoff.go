package slot

import (
	"time"

	"github.com/rotatord/rotatord/internal/fault"
)

// Backoff is capped exponential backoff; jitter is for who waits.
type Backoff struct{ First, Longest time.Duration }

// Ceiling is the most to wait after the nth failure in a row.
func (b Backoff) Ceiling(n int) time.Duration {
	return min(b.Longest, b.First<<min(max(n-1, 0), 16))
}

// RoutineBackoff spaces attempts while nobody is locked out.
func RoutineBackoff() Backoff { return Backoff{time.Second, 5 * time.Minute} }

// SaveBackoff spaces tries to make memory durable again.
func SaveBackoff() Backoff { return Backoff{time.Second, 30 * time.Second} }

// blackoutBackoff is short: consumers are locked out meanwhile.
func blackoutBackoff() Backoff { return Backoff{200 * time.Millisecond, 10 * time.Second} }

// Backoff is how attempts of the slot are spaced.
func (r *Record) Backoff() Backoff {
	if r.BlackoutSince().IsZero() {
		return RoutineBackoff()
	}
	return blackoutBackoff()
}

// retryAt tells until when the present run of failures forbids another try.
func (r *Record) retryAt(now time.Time) (until time.Time, waits bool) {
	f := r.Failure
	if f == nil || !now.Before(f.Next) {
		return time.Time{}, false
	}
	return f.Next, true
}

// longestRetry is as far ahead as a failure may put the next attempt.
func (r *Record) longestRetry() time.Duration {
	if f := r.Failure; f.Reason == string(fault.RateLimited) && f.Sink == "" {
		return fault.LongestBlock
	}
	return r.Backoff().Longest
}
