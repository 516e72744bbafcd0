package slot

import (
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Three clocks tell the time. Backoffs and checks go by ours, the wall clock, which anybody may set; so do schedules, but
// where replicas take turns by Cloudflare's (ScheduleNow). Graces, settling, the quiet minute and the search for lost mints go by the elapsed-time clock, as
// long as the machine is up. Tokens go by Cloudflare's, as far as its answers told it.

const (
	sampleFor     = time.Minute      // that a sample of Cloudflare's time is good enough to call a token expired
	samplesApart  = 10 * time.Second // two of them at least count
	withoutTheirs = 10 * time.Minute // without one, our clock has to do
	expiredByOurs = 24 * time.Hour   // then a token is expired so long after our clock says so
	askAgainIn    = time.Minute      // whether Cloudflare's time is known

	clocksDifferBy = 5 * time.Second // our clock and Cloudflare's, or two replicas' clocks, that are taken for the same
)

// Reading is a moment on the machine's elapsed-time clock, which no change of the wall clock moves. Readings of
// different boots cannot be compared; then Cloudflare's time may tell how much passed between them.
type Reading struct {
	Boot       string        `json:"boot,omitempty"`
	Elapsed    time.Duration `json:"elapsed,omitempty"`
	Cloudflare Timestamp     `json:"cloudflare,omitzero"` // Cloudflare's time then; zero: not known
}

// Since returns how much time has passed between two readings; false when they are not of one boot.
func (c Reading) Since(before Reading) (d time.Duration, ok bool) {
	return max(0, c.Elapsed-before.Elapsed), before.Boot != "" && before.Boot == c.Boot
}

// Times are what the three clocks tell at one moment.
type Times struct {
	Now        time.Time          // by ours
	Clock      Reading            // elapsed-time clock now
	Start      Reading            // elapsed-time clock when this process began
	Cloudflare moq.CloudflareTime // what the slot's account tells of Cloudflare's time

	// TakenOver: replicas take turns, and it goes on from the records of the term before, perhaps its own; Start is when
	// its term began.
	TakenOver   bool
	ClockAgrees bool // and our clock is as good as the same as the former leader's
}

// passedSince returns how much time has passed since a reading was taken. What only says that it was in another boot
// tells no more than that this process has run since: then it is not sure.
func (c *Times) passedSince(since Reading) (d time.Duration, sure bool) {
	if d, ok := c.Clock.Since(since); ok {
		return d, true
	}
	if c.knowsCloudflare() && since.Cloudflare != 0 {
		return max(c.running(), c.Cloudflare.Now.Sub(since.Cloudflare.Time())), true
	}
	return c.running(), false
}

// running is for how long this process has run.
func (c *Times) running() time.Duration {
	d, _ := c.Clock.Since(c.Start)
	return d
}

func (c *Times) knowsCloudflare() bool { return !c.Cloudflare.Now.IsZero() }

// ourClockHasToDo reports whether none of Cloudflare's answers has told the time for so long that our clock has
// to do.
func (c *Times) ourClockHasToDo() bool {
	if c.knowsCloudflare() {
		return c.Cloudflare.SampleAge >= withoutTheirs
	}
	return c.running() >= withoutTheirs
}

// tokenTime is what time it is for tokens: Cloudflare's, else ours.
func (c *Times) tokenTime() time.Time {
	if c.knowsCloudflare() {
		return c.Cloudflare.Now
	}
	return c.Now
}

// timeOf is what time it is for a token. Where Cloudflare's time is not known, one that was minted in this boot tells
// it, by when it was created.
func (c *Times) timeOf(t *Token) time.Time {
	if age, ok := c.Clock.Since(t.mintedAt()); ok && !c.knowsCloudflare() {
		return t.Created.Time().Add(age)
	}
	return c.tokenTime()
}

// byOurClock is when our clock will say that a token's time has come.
func (c *Times) byOurClock(t *Token, at time.Time) time.Time { return c.Now.Add(at.Sub(c.timeOf(t))) }

// latestTime is the later of our clock and Cloudflare's.
func (c *Times) latestTime() time.Time { return laterOf(c.Now, c.Cloudflare.Now) }

// waitsUntil reports whether something waits for a time that is at most longest away. One further ahead is not
// believed: our clock was wrong when it was set down.
func (c *Times) waitsUntil(at time.Time, longest time.Duration) bool {
	return c.Now.Before(at) && at.Sub(c.Now) <= longest
}

// ScheduleNow is what time it is for schedules: our clock's, but where replicas take turns Cloudflare's, unless the two
// are as good as the same. Else a wrong clock would meet instants that another replica is to meet.
func (c *Times) ScheduleNow() time.Time {
	if !c.TakenOver || !c.knowsCloudflare() || c.Now.Sub(c.Cloudflare.Now).Abs() <= clocksDifferBy {
		return c.Now
	}
	return c.Cloudflare.Now
}

// instantByOurClock is an instant of the schedule as our clock will show it, and byScheduleClock what the clock of schedules
// shows when ours shows a time.
func (c *Times) instantByOurClock(instant time.Time) time.Time {
	return instant.Add(c.Now.Sub(c.ScheduleNow()))
}
func (c *Times) byScheduleClock(at time.Time) time.Time { return at.Add(c.ScheduleNow().Sub(c.Now)) }

// knowsScheduleTime reports whether ScheduleNow is by the clock that it is to be: of who is alone ours, right or wrong
// (ClockUnset is told apart); where replicas take turns Cloudflare's, once that is known.
func (c *Times) knowsScheduleTime() bool { return !c.TakenOver || c.knowsCloudflare() }

// awaitsTime reports whether it is not known yet, after a take-over, what time it is for schedules: instants that the
// former leader met must not seem to be yet to come.
func (c *Times) awaitsTime() bool {
	return c.TakenOver && !c.ClockAgrees && !c.knowsCloudflare() && !c.ourClockHasToDo()
}

// clockSlack is how far ahead the time of another replica may be that nobody takes for wrong.
func (c *Times) clockSlack() time.Duration {
	if !c.TakenOver {
		return 0
	}
	return 2 * clocksDifferBy
}
