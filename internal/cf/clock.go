package cf

import (
	"net/http"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

const (
	sampleTolerance = 5 * time.Second  // how far a sample may be from the time reckoned from another
	samplesApart    = 10 * time.Second // two that agree over so long count
	longestTrip     = 5 * time.Second  // an answer that was under way for longer tells no time
	overruleAfter   = 10 * time.Minute // samples that agree for so long are right against the reckoned time
	reckonFor       = time.Hour        // from one sample; that often a slow drift is made up for
)

// sample is what one answer told: Cloudflare's time at a moment of the elapsed-time clock. A process
// does not outlive its boot, so the boot's id is left out.
type sample struct {
	at      time.Time // zero: none
	elapsed time.Duration
}

func (s sample) isZero() bool { return s.at.IsZero() }

// timeAt is Cloudflare's time at a moment, as reckoned from s.
func (s sample) timeAt(elapsed time.Duration) time.Time { return s.at.Add(elapsed - s.elapsed) }

func (s sample) agreesWith(other sample) bool {
	return !s.isZero() && s.timeAt(other.elapsed).Sub(other.at).Abs() <= sampleTolerance
}

// Clock tells Cloudflare's time as its answers do: never as a difference to this machine's clock, which
// anybody may set, but from a sample on by elapsed time. It is behind by what an answer takes, never ahead.
// It is safe for concurrent use.
type Clock struct {
	elapsed func() time.Duration

	mu      sync.Mutex
	base    sample        // what the time is reckoned from; zero: no two samples agreed so far
	agreed  time.Duration // when a sample agreed with it last
	doubt   sample        // the first of those that agree with each other, and not with base
	latest  sample        // whether it agrees or not
	unheard bool          // that a sample disagrees was not told, or has ended
}

// NewClock returns a clock that runs by elapsed: the time since boot, suspension included.
func NewClock(elapsed func() time.Duration) *Clock { return &Clock{elapsed: elapsed, unheard: true} }

// Time is Cloudflare's time, once two samples agreed.
func (c *Clock) Time() moq.CloudflareTime {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base.isZero() {
		return moq.CloudflareTime{}
	}
	now := c.elapsed()
	return moq.CloudflareTime{Now: c.base.timeAt(now), SampleAge: now - c.agreed}
}

// IsDoubted reports whether another sample is needed: none counts yet, or the latest disagrees.
func (c *Clock) IsDoubted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base.isZero() || !c.doubt.isZero()
}

// best is Cloudflare's time as far as anything tells it, an only sample too; zero when nothing does.
// counts reports whether it is what Time tells.
func (c *Clock) best() (now time.Time, counts bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch elapsed := c.elapsed(); {
	case !c.base.isZero():
		return c.base.timeAt(elapsed), true
	case !c.latest.isZero():
		return c.latest.timeAt(elapsed), false
	}
	return time.Time{}, false
}

// verdict is what becomes of a sample.
type verdict uint8

const (
	sampleTaken   verdict = iota
	sampleDropped         // it is the first of late that does not fit the reckoned time
	timeOverruled         // samples that did not fit it agreed for long enough
)

// learn takes in a sample; reckoned is the time that it was compared with.
func (c *Clock) learn(s sample) (v verdict, reckoned time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest, reckoned = s, c.base.timeAt(s.elapsed)
	switch {
	case c.base.agreesWith(s):
		c.confirm(s)
	case !c.doubt.agreesWith(s):
		return c.noteDissent(s)
	case c.base.isZero() && s.elapsed-c.doubt.elapsed >= samplesApart:
		c.begin(s)
	case !c.base.isZero() && s.elapsed-c.doubt.elapsed >= overruleAfter:
		c.begin(s)
		return timeOverruled, reckoned
	}
	return sampleTaken, reckoned
}

// confirm: the sample is as the time was reckoned. The base stays for a while: moved with each sample, it
// would follow a time that stands still. c.mu is held.
func (c *Clock) confirm(s sample) {
	c.agreed, c.doubt, c.unheard = max(c.agreed, s.elapsed), sample{}, true
	if s.elapsed-c.base.elapsed >= reckonFor {
		c.base = s
	}
}

// begin reckons from s on. c.mu is held.
func (c *Clock) begin(s sample) {
	c.base, c.agreed, c.doubt, c.unheard = s, s.elapsed, sample{}, true
}

// noteDissent has the first sample of an episode that does not fit be told. c.mu is held.
func (c *Clock) noteDissent(s sample) (v verdict, reckoned time.Time) {
	other := c.base
	if other.isZero() {
		other = c.doubt
	}
	c.doubt = s
	if other.isZero() || !c.unheard { // the first of all disagrees with none
		return sampleTaken, time.Time{}
	}
	c.unheard = false
	return sampleDropped, other.timeAt(s.elapsed)
}

// sampleOf is what an answer tells of the time: when a token was created just now, else its Date; ok is false
// when it tells none. What stands in between has a clock of its own, and what was kept tells when that was.
func sampleOf(x *exchange) (s sample, ok bool) {
	if x.Success == nil || len(x.header.Values("Age")) > 0 || x.heard-x.sent > longestTrip {
		return sample{}, false
	}
	if !x.created.IsZero() {
		return sample{x.created, x.heard}, true
	}
	date, err := http.ParseTime(x.header.Get("Date"))
	return sample{date, x.heard}, err == nil
}
