package cf

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// dispatch lets every call through that may go now, and sets the alarm for the next.
func (b *Budget) dispatch() {
	now := time.Now()
	b.dropExpired(now)
	mayGo := func(w *waiter) bool {
		at, ok := b.readyAt(now, w)
		return ok && !at.After(now)
	}
	for w := b.queue.popNext(mayGo); w != nil; w = b.queue.popNext(mayGo) {
		b.grantTurn(now, w)
	}
	b.armTimer(now)
}

// dropExpired forgets what no longer counts.
func (b *Budget) dropExpired(now time.Time) {
	b.window.dropUntil(now.Add(-b.per))
	if !stillLasts(b.low.until, now) {
		b.low = scarce{}
	}
	if !stillLasts(b.policy.until, now) {
		b.policy = policy{}
	}
	if b.isNewTerm() && !stillLasts(b.firstWindow, now) {
		b.firstWindow = time.Time{}
	}
	if !b.blocked.IsZero() && !b.isBlocked(now) {
		b.blocked = time.Time{}
		b.notifyWatchers(b.blocked)
	}
}

func (b *Budget) grantTurn(now time.Time, w *waiter) {
	if b.conf > 0 && !w.prio.Reserved { // else it was charged with the reservation
		b.nextPaced = laterOf(b.nextPaced, now).Add(b.paceInterval())
	}
	if w.granted != nil {
		b.held++
		go w.granted() // it may take locks that a caller of ours holds
		return
	}
	b.inFlight++
	b.low.left--
	close(w.ready)
}

// readyAt says when w may go, as things stand; ok is false when only the end of
// another request can tell.
func (b *Budget) readyAt(now time.Time, w *waiter) (at time.Time, ok bool) {
	u := w.prio.Urgency
	switch {
	case b.isBlocked(now):
		return b.blocked, true
	case b.inFlight >= maxInFlight-10*int(u) && w.granted == nil:
		return now, false
	case b.conf <= 0:
		return now, true
	}
	limit := b.limitFor(u)
	if w.prio.Revoke {
		limit += b.keptBack(b.windowQuota(), u)
	}
	if w.prio.Reserved {
		limit = b.limitFor(moq.Blackout)
	}
	at, ok = b.window.nextRoom(now, b.turnsTaken(w, limit), b.per, limit)
	if u == moq.Routine && !w.prio.Reserved {
		at = laterOf(at, b.paceAllows(now))
	}
	for _, end := range []time.Time{b.low.until, b.policy.until, b.firstWindow} { // then there may be more room
		if !end.IsZero() && (!ok || at.After(end)) {
			at, ok = end, true
		}
	}
	return at, ok
}

// turnsTaken is how many turns w must see as taken, beside the requests of the window.
// A new reservation leaves a turn free for each that is held, because who holds one
// looks at the relay before using it, and one for its own look.
func (b *Budget) turnsTaken(w *waiter, limit int) int {
	switch {
	case w.prio.Reserved || w.prio.Urgency == moq.Blackout:
		return b.inFlight
	case w.granted != nil && b.held > 0:
		return b.inFlight + 2*b.held + 1
	}
	return b.inFlight + min(b.held, limit/2)
}

// windowQuota is how many requests any one window may hold, as far as is known.
func (b *Budget) windowQuota() int {
	if b.policy.limit > 0 {
		return min(b.conf, b.policy.limit)
	}
	return b.conf
}

// limitFor is the part of the quota that calls of urgency u may use: the last
// two-hundredth is for blackouts, the one before for them and for compromised tokens.
// When others use up the token's quota, all but blackouts stop at our share of the rest.
func (b *Budget) limitFor(u moq.Urgency) int {
	n := b.windowQuota()
	switch {
	case b.low.isActive() && b.low.left <= 0:
		return 0
	case b.low.isActive() && u != moq.Blackout:
		n = min(n, b.low.limit)
	}
	return n - max((n+100)/200*int(u), b.keptBack(n, u))
}

// OpensAt is when the next call that waits may go at the soonest; zero when none waits, or when only the end of another
// call can tell.
func (b *Budget) OpensAt() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.nextTurn(time.Now())
}

func (b *Budget) nextTurn(now time.Time) (at time.Time) {
	b.queue.eachHead(func(w *waiter) {
		if t, ok := b.readyAt(now, w); ok && (at.IsZero() || t.Before(at)) {
			at = t
		}
	})
	return at
}

// armTimer sets the alarm for the first call that may go later, or for the end of a block.
func (b *Budget) armTimer(now time.Time) {
	at := b.nextTurn(now)
	if at.IsZero() || !b.blocked.IsZero() && b.blocked.Before(at) {
		at = b.blocked
	}
	if limit := now.Add(wallCheck); at.After(limit) {
		at = limit
	}
	if at.Equal(b.wakeAt) {
		return
	}
	b.wakeAt = at
	if b.timer != nil {
		b.timer.Stop()
	}
	if !at.IsZero() {
		b.timer = time.AfterFunc(at.Sub(now), b.dispatchOnTimer)
	}
}

func (b *Budget) dispatchOnTimer() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wakeAt = time.Time{}
	b.dispatch()
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
