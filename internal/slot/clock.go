package slot

import "time"

// Three clocks tell the time. Schedules go by ours, the wall clock, which anybody may set. Waits and graces go by
// the elapsed-time clock, as long as the machine is up. Tokens go by Cloudflare's, as far as its answers told it.

const (
	sampleFor     = time.Minute      // that a sample of Cloudflare's time is good enough to call a token expired
	samplesApart  = 10 * time.Second // two of them at least count
	withoutTheirs = 10 * time.Minute // without one, our clock has to do
	expiredByOurs = 24 * time.Hour   // then a token is expired so long after our clock says so
	askAgainIn    = time.Minute      // whether Cloudflare's time is known
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

// passedSince returns how much time has passed since a reading was taken. What only says that it was in another boot
// tells no more than that this process has run since: then it is not sure.
func (v *View) passedSince(since Reading) (d time.Duration, sure bool) {
	if d, ok := v.Clock.Since(since); ok {
		return d, true
	}
	if v.knowsCloudflare() && since.Cloudflare != 0 {
		return max(v.running(), v.Cloudflare.Now.Sub(since.Cloudflare.Time())), true
	}
	return v.running(), false
}

// running is for how long this process has run.
func (v *View) running() time.Duration {
	d, _ := v.Clock.Since(v.Boot)
	return d
}

func (v *View) knowsCloudflare() bool { return !v.Cloudflare.Now.IsZero() }

// isWithoutCloudflare reports whether none of Cloudflare's answers has told the time for so long that our clock has
// to do.
func (v *View) isWithoutCloudflare() bool {
	if v.knowsCloudflare() {
		return v.Cloudflare.SampleAge >= withoutTheirs
	}
	return v.running() >= withoutTheirs
}

// tokenTime is what time it is for tokens: Cloudflare's, else ours.
func (v *View) tokenTime() time.Time {
	if v.knowsCloudflare() {
		return v.Cloudflare.Now
	}
	return v.Now
}

// timeOf is what time it is for a token. Where Cloudflare's time is not known, one that was minted in this boot tells
// it, by when it was created.
func (v *View) timeOf(t *Token) time.Time {
	if age, ok := v.Clock.Since(t.Clock); ok && t.Retire.IsZero() && !v.knowsCloudflare() {
		return t.Created.Time().Add(age)
	}
	return v.tokenTime()
}

// byOurClock is when our clock will say that a token's time has come.
func (v *View) byOurClock(t *Token, at time.Time) time.Time { return v.Now.Add(at.Sub(v.timeOf(t))) }

// latestTime is the later of our clock and Cloudflare's.
func (v *View) latestTime() time.Time { return laterOf(v.Now, v.Cloudflare.Now) }

// waitsUntil reports whether something waits for a time that is at most longest away. One further ahead is not
// believed: our clock was wrong when it was set down.
func (v *View) waitsUntil(at time.Time, longest time.Duration) bool {
	return v.Now.Before(at) && at.Sub(v.Now) <= longest
}
