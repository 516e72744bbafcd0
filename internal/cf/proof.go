package cf

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

const (
	proofFor   = time.Minute     // how long an answer proves that calls reach Cloudflare
	proofSpare = 5 * time.Second // of it, kept for what lies between the proof and the call
)

// proof is when the account last answered a call as Cloudflare does. It is safe for
// concurrent use.
type proof struct {
	mu      sync.Mutex
	at      time.Time
	doubted bool          // the account has been found down since then
	asked   chan struct{} // closed when the question under way is answered; nil: none is
	urgency moq.Urgency   // of that question
}

// Prove asks for relay relayID, unless the account has just answered as Cloudflare does:
// so lately that a call with Priority.Proven set, which needs an answer of the last
// minute, can follow. Several who ask at once share one call; an error is that of a
// call of the caller's own.
func (c *Client) Prove(ctx context.Context, p moq.Priority, relayID string) error {
	if c.proof.isCurrent() {
		return nil
	}
	other, answered := c.proof.joinQuestion(p.Urgency)
	if other != nil {
		select {
		case <-other:
		case <-ctx.Done(): // the call below says so
		}
		if c.proof.isCurrent() {
			return nil
		}
	}
	defer answered()
	_, err := c.Relay(ctx, p, relayID)
	return err
}

// joinQuestion returns the question under way, if it is as urgent: its answer may do. Else the
// question is the caller's, who calls answered after it.
func (r *proof) joinQuestion(u moq.Urgency) (other <-chan struct{}, answered func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked != nil && r.urgency <= u {
		return r.asked, func() {}
	}
	own := make(chan struct{})
	r.asked, r.urgency = own, u
	return nil, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.asked == own {
			r.asked = nil
		}
		close(own)
	}
}

// noteOutcome learns from what came of a call: whether it went well, else whether the account is up.
func (r *proof) noteOutcome(well, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case well:
		r.at, r.doubted = time.Now(), false
	case !up:
		r.doubted = true
	}
}

// IsDoubted reports whether the account has been found down since a call last went well.
func (c *Client) IsDoubted() bool {
	c.proof.mu.Lock()
	defer c.proof.mu.Unlock()
	return c.proof.doubted
}

// isCurrent reports whether nothing needs to be asked before the next call.
func (r *proof) isCurrent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.doubted && r.isWithin(proofFor-proofSpare)
}

// stillHolds reports whether the last answer still proves something.
func (r *proof) stillHolds() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.isWithin(proofFor)
}

// isWithin reports whether the proof is at most d old, and trusts whichever clock says that more time has passed: the
// monotonic one stands still while the machine is suspended, the wall clock may be set back. mu is held.
func (r *proof) isWithin(d time.Duration) bool {
	now := time.Now()
	return !r.at.IsZero() && now.Sub(r.at) <= d && now.Round(0).Sub(r.at.Round(0)).Abs() <= d
}

// unprovenError is the error of a call that was not sent, because its turn came too late.
func (c *Client) unprovenError(k call) error {
	e := &fault.Error{
		Class: fault.Retry, Reason: fault.Timeout, Op: k.op.String(), Object: c.objectOf(k), Unsent: true,
		Err: errors.New("not sent: the account's last answer is too old by now to prove that calls reach it"),
	}
	return e.WithHint("if this goes on, see how long the journal takes, or raise the account's rate_limit: " +
		"two calls must fit into a minute")
}
