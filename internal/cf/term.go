package cf

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// What a process takes over of a budget from the one before it, of which nobody tells what it has used.

// BeginTerm has routine calls go without a burst until one window has passed, and leave a tenth of the quota to what is
// urgent and to revocations: a former leader may have used the whole window's.
func (b *Budget) BeginTerm() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.firstWindow = time.Now().Add(b.per)
	b.dispatch()
}

// isNewTerm reports whether a term's first window is not over.
func (b *Budget) isNewTerm() bool { return !b.firstWindow.IsZero() }

// keptBack is what calls of urgency u leave of n in a term's first window.
func (b *Budget) keptBack(n int, u moq.Urgency) int {
	if b.isNewTerm() && u == moq.Routine {
		return n / 10
	}
	return 0
}

// Block holds all calls back until a time that Cloudflare told an earlier process. One further ahead than any answer
// counts for is not believed.
func (b *Budget) Block(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if left := until.Sub(now); left > 0 && left <= limitsCountFor {
		b.blockUntil(now.Add(left)) // by the monotonic clock, too
		b.dispatch()
	}
}

// Block holds all calls of the account's API token back until a time that an earlier process was told.
func (c *Client) Block(until time.Time) { c.budget.Block(until) }

// BeginTerm has the account's budget begin anew, without a burst: it is not known what was used of it.
func (c *Client) BeginTerm() { c.budget.BeginTerm() }

// WatchBlock calls f with until when Cloudflare refuses all calls of the account's API token, whenever that begins or is put
// off; the zero time when it ends. f does not block, and calls nothing of the account.
func (c *Client) WatchBlock(f func(until time.Time)) (stop func()) { return c.budget.addWatcher(f) }
