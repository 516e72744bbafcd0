package cf

import (
	"net/http"
	"sync"
	"time"
)

// sameTime is how far clocks differ that count as one: a Date has whole seconds, and an answer takes its time.
const sameTime = time.Minute

// clock tells the time as Cloudflare's answers do. It is safe for concurrent use.
type clock struct {
	mu           sync.Mutex
	theirs, ours time.Time // at the latest answer; zero: none came
}

// learnFrom learns from an answer; what stands in between has a clock of its own.
func (c *clock) learnFrom(x *exchange) {
	if x.Success == nil {
		return
	}
	theirs, err := http.ParseTime(x.header.Get("Date"))
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.theirs, c.ours = theirs, time.Now()
}

// toTheirTime gives for an instant of this machine's clock that of Cloudflare's.
func (c *clock) toTheirTime(t time.Time) time.Time {
	if behind := c.lagBehind(); !t.IsZero() && behind.Abs() >= sameTime {
		return t.Add(behind)
	}
	return t
}

// mayJudge reports whether this machine's clock is right enough to say when a token of such a life is to
// be replaced: one that is behind makes it live longer, one that is ahead takes from its life.
func (c *clock) mayJudge(life time.Duration) bool { return -c.lagBehind() <= life/4 }

// lagBehind is how far this machine's clock is behind Cloudflare's; 0 when that is not known.
func (c *clock) lagBehind() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.theirs.IsZero() {
		return 0
	}
	// The monotonic clock stands still while the machine is suspended, the wall clock may be set back.
	now := time.Now()
	passed := max(now.Sub(c.ours), now.Round(0).Sub(c.ours.Round(0)))
	return c.theirs.Add(passed).Sub(now)
}
