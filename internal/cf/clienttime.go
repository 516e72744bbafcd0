package cf

// What a Client makes of the Clock of clock.go: what its answers teach it, what errors and a new token's expiry take from it.

import (
	"fmt"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// sameTime is how far clocks differ that count as one: a Date has whole seconds, and an answer takes its time.
const sameTime = time.Minute

// Time is Cloudflare's time, as far as the account's answers told it.
func (c *Client) Time() moq.CloudflareTime { return c.clock.Time() }

// LatestTime is Cloudflare's time as far as anything tells it, an only answer too, which may be wrong: it is for a person. The
// zero time: nothing does.
func (c *Client) LatestTime() time.Time {
	now, _ := c.clock.best()
	return now
}

// Clock is what tells the account's Time; a client that takes this one's place goes on with it.
func (c *Client) Clock() *Clock { return c.clock }

// noteTime learns the time from an answer.
func (c *Client) noteTime(x *exchange) {
	s, ok := sampleOf(x)
	if !ok {
		return
	}
	const text = "account %s: an answer of Cloudflare tells the time as %s, where %s by its earlier answers; %s"
	switch v, reckoned := c.clock.learn(s); v {
	case sampleDropped:
		c.warn(fmt.Sprintf(text, c.account, stamp(s.at), stamp(reckoned), "it is not believed"))
	case timeOverruled:
		c.warn(fmt.Sprintf(text, c.account, stamp(s.at), stamp(reckoned), "so do all since ten minutes, and they are believed"))
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// clockDifference says how far this machine's clock is from Cloudflare's.
func (c *Client) clockDifference() string {
	theirs, _ := c.clock.best()
	if theirs.IsZero() {
		return "Cloudflare's answers carry no usable Date, so that its own time is not known"
	}
	now, which := time.Now(), "ahead of"
	off := now.Sub(theirs)
	switch {
	case off.Abs() < sameTime:
		return "it says " + stamp(now) + ", as Cloudflare's answers do"
	case off < 0:
		off, which = -off, "behind"
	}
	return fmt.Sprintf("it says %s, %s %s Cloudflare's, which says %s", stamp(now), off.Round(time.Second), which, stamp(theirs))
}

// lagBehind is how far this machine's clock is behind Cloudflare's, as far as anything tells it.
func (c *Client) lagBehind() time.Duration {
	theirs, _ := c.clock.best()
	if theirs.IsZero() {
		return 0
	}
	return time.Until(theirs)
}

// toTheirTime returns for an instant of this machine's clock that of Cloudflare's.
func (c *Client) toTheirTime(t time.Time) time.Time {
	if behind := c.lagBehind(); !t.IsZero() && behind.Abs() >= sameTime {
		return t.Add(behind)
	}
	return t
}

// knowsAge reports whether the time is known well enough to say when a token of such a life is to be replaced.
// Until Cloudflare's counts, this machine's clock says so: one that is behind makes the token live longer, by one that
// is far ahead the token would be near its end as soon as it is made, and be replaced for ever.
func (c *Client) knowsAge(life time.Duration) bool {
	_, counts := c.clock.best()
	return counts || -c.lagBehind() <= life/4
}
