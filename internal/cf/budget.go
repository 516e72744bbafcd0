package cf

import (
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

const (
	defaultWindow = 5 * time.Minute // Cloudflare's, and how long a 429 without Retry-After lasts
	maxInFlight   = 120             // requests under way; hung routine ones leave room for urgent ones
	maxBurst      = 100             // routine calls at one instant: half of Cloudflare's 200 a second per IP
	usefulBurst   = 10              // a small budget lets one whole rotation through at once
	mostInWindow  = math.MaxInt32   // more than anybody grants, and far from where numbers overflow
	wallCheck     = 30 * time.Second
	outageLasts   = 10 * time.Second // to find the account down for so long is more than a hiccup
)

// Budget is the right to send requests with one API token, shared by all accounts
// that use it. In no stretch of time of the configured length does it let more
// requests through than its quota: a request counts from its grant until one such
// length after its answer, so the order in which requests reach Cloudflare does
// not matter. Routine requests are also spread out, so that a nearer expiry need
// not wait for a whole window, and leave the last part of the quota to urgent ones.
//
// A reservation that was granted keeps a turn for its holder, but cannot hold up calls
// for ever: at most half of the quota is kept so, and a call whose turn was taken
// nevertheless waits before all others, so nobody waits for each other.
//
// It is safe for concurrent use.
type Budget struct {
	per   time.Duration
	share float64
	conf  int // the quota as configured; 0: unlimited

	mu          sync.Mutex
	policy      policy // Cloudflare's own, as last seen
	low         scarce // set while others use up the same API token's quota
	queue       queue
	inFlight    int
	held        int // reservations granted and not yet used
	window      window
	nextPaced   time.Time // when the next routine request is due, were there no bursts (GCRA)
	blocked     time.Time // until when Cloudflare refuses everything; zero when it does not
	firstWindow time.Time // until when a term's first window lasts; zero when none does
	downSince   time.Time // since when no request found the account up; zero when the last did
	timer       *time.Timer
	wakeAt      time.Time
	watchers    map[int]func(until time.Time)
	watcher     int
}

// NewBudget allows share × requests in any stretch of time of length per. A
// requests of zero or less means unlimited: only a 429 holds calls back. A share
// outside (0, 1] counts as 1, a per of zero or less as five minutes.
func NewBudget(requests int, per time.Duration, share float64) *Budget {
	b := &Budget{per: per, share: share, watchers: map[int]func(time.Time){}}
	if per <= 0 {
		b.per = defaultWindow
	}
	if !(share > 0 && share <= 1) {
		b.share = 1
	}
	if requests > 0 {
		b.conf = b.shareOf(float64(requests))
	}
	return b
}

// shareOf is our share of n requests, one at least.
func (b *Budget) shareOf(n float64) int { return max(1, int(min(b.share*n, mostInWindow))) }

// Acquire blocks until one request may be sent, or until ctx ends, whose error it
// then returns. After nil the caller must call Release once. With p.Reserved it
// uses up a turn that Reserve granted, whatever the outcome.
func (b *Budget) Acquire(ctx context.Context, p moq.Priority) error {
	w := &waiter{prio: p, ready: make(chan struct{})}
	b.mu.Lock()
	w.prio.Reserved = p.Reserved && b.takeHeldTurn()
	b.queue.pushWaiter(w)
	if ctx.Err() == nil {
		b.dispatch()
	}
	b.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		b.abandonWait(w)
		return ctx.Err()
	}
}

// Reserve waits for a turn in the background and calls granted, from a goroutine
// of its own, when there is one; the next Acquire with Reserved set uses it up.
// cancel ends the wait or hands the unused turn back. It is not to be called after
// the turn was used: it would hand back another's.
func (b *Budget) Reserve(p moq.Priority, granted func()) (cancel func()) {
	w := &waiter{prio: p, granted: granted}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue.pushWaiter(w)
	b.dispatch()
	return sync.OnceFunc(func() { b.cancelReservation(w) })
}

func (b *Budget) cancelReservation(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.queue.removeWaiter(w) {
		b.handBack()
	}
	b.dispatch()
}

// releaseReservation gives up a turn held for a call that will not be made after all.
func (b *Budget) releaseReservation(p moq.Priority) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.Reserved {
		b.handBack()
		b.dispatch()
	}
}

func (b *Budget) handBack() {
	if b.takeHeldTurn() {
		b.refundPace()
	}
}

func (b *Budget) takeHeldTurn() bool {
	if b.held == 0 {
		return false
	}
	b.held--
	return true
}

// abandonWait takes back a call that no longer waits, or that was granted just now.
func (b *Budget) abandonWait(w *waiter) {
	b.mu.Lock()
	waiting := b.queue.removeWaiter(w)
	if waiting {
		b.dispatch()
	}
	b.mu.Unlock()
	if !waiting {
		b.Release(false)
	}
}

// Release ends a request that Acquire let through. sent is false when nothing
// was sent after all: then it does not count.
func (b *Budget) Release(sent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
	switch {
	case !sent:
		b.refundPace()
	case b.conf > 0:
		b.window.addEnd(time.Now())
	}
	b.dispatch()
}

// Observe follows what an answer's headers say of Cloudflare's own limits; call
// it before Release. Malformed headers are ignored.
func (b *Budget) Observe(h http.Header, status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if p, ok := parsePolicy(h); ok {
		b.policy = p.scaledTo(b)
		b.policy.until = now.Add(limitsCountFor)
	}
	if l, ok := parseLeft(h); ok {
		b.followRemaining(now, l)
	}
	if status == http.StatusTooManyRequests {
		b.blockUntil(now.Add(retryAfter(h, now, defaultWindow)))
	}
	b.dispatch()
}

// noteAccountUp notes whether a request found the account up (accountState). In an outage, requests in vain use the
// pace up; with its end they begin anew with a burst, so that whoever waited need not wait for the pace as well. What one
// window may hold stays as it is.
func (b *Budget) noteAccountUp(up bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	switch {
	case !up:
		if b.downSince.IsZero() {
			b.downSince = now
		}
		return
	case !b.downSince.IsZero() && now.Sub(b.downSince) >= outageLasts:
		b.nextPaced = time.Time{}
		b.dispatch()
	}
	b.downSince = time.Time{}
}

// followRemaining learns how much of the window's quota the others have left: ours is our
// share of that and of what we have used ourselves.
func (b *Budget) followRemaining(now time.Time, l left) {
	b.low = scarce{}
	used := b.inFlight + len(b.window)
	limit := int(b.share * float64(l.requests+used))
	if limit < b.windowQuota() || l.requests == 0 {
		b.low = scarce{limit: limit, left: l.requests, until: now.Add(l.untilReset(b.per))}
	}
}

func (b *Budget) blockUntil(until time.Time) {
	if until.After(b.blocked) {
		b.blocked = until
		b.notifyWatchers(until)
	}
}

func (b *Budget) isBlocked(now time.Time) bool { return stillLasts(b.blocked, now) }

// stillLasts reports whether a time is yet to end, and trusts whichever clock says that it is over: the monotonic one
// stands still while the machine is suspended, the wall clock may be set back.
func stillLasts(until, now time.Time) bool {
	return now.Before(until) && now.Round(0).Before(until.Round(0))
}

// addWatcher calls f, with the budget locked, when a block begins, grows or (zero) ends.
func (b *Budget) addWatcher(f func(until time.Time)) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watcher++
	id := b.watcher
	b.watchers[id] = f
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, id)
	}
}

func (b *Budget) notifyWatchers(until time.Time) {
	for _, f := range b.watchers {
		f(until)
	}
}
