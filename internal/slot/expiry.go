package slot

import "time"

// expired reports whether a token has expired for certain: our clock says so, and a sample of Cloudflare's time of the
// last minute does. Where Cloudflare answers and no answer tells the time, our clock is believed a day later.
func (v *View) expired(t *Token) bool {
	switch {
	case !v.seemsExpired(t):
		return false
	case v.knowsCloudflare() && v.Cloudflare.SampleAge <= sampleFor:
		return true
	}
	return v.expiredLongAgo(t) && v.Seen.isListedTwice(v.Clock.Elapsed)
}

// seemsExpired reports whether our clock says that a token has expired, and whatever else tells the time for it, however
// long ago it was told.
func (c *Times) seemsExpired(t *Token) bool {
	return t.Expires != 0 && !c.Now.Before(t.Expires.Time()) && !c.timeOf(t).Before(t.Expires.Time())
}

// hasEndedAtCloudflare reports whether a token that is not expired for certain is so by Cloudflare's time.
func (v *View) hasEndedAtCloudflare(t *Token) bool {
	return t.Expires != 0 && v.knowsCloudflare() && !v.Cloudflare.Now.Before(t.Expires.Time()) && !v.expired(t)
}

// expiredLongAgo reports whether a token expired so long ago by our clock that it counts where nothing else does.
func (c *Times) expiredLongAgo(t *Token) bool {
	return c.ourClockHasToDo() && !c.Now.Before(t.Expires.Time().Add(expiredByOurs))
}

// isListedTwice reports whether lists went well of late that are far enough apart for Cloudflare's time to be known,
// if they told it.
func (o *Observation) isListedTwice(now time.Duration) bool {
	return now-o.LastListing <= sampleFor && o.LastListing-o.FirstListing >= samplesApart
}

// noteListedAt notes that a list went well just now, on the elapsed-time clock.
func (o *Observation) noteListedAt(now time.Duration) {
	if o.LastListing == 0 || now-o.LastListing > sampleFor {
		o.FirstListing = now
	}
	o.LastListing = now
}

// mayHaveExpired reports whether an answer of Cloudflare's would tell that a token has expired.
func (v *View) mayHaveExpired(t *Token) bool {
	return v.seemsExpired(t) && !v.expired(t) && (v.knowsCloudflare() || v.expiredLongAgo(t))
}

// sampledFirst lists the relay where the answer's time is to tell whether a token has expired, or, if it tells none,
// that it does not.
func (v *View) sampledFirst(t *Token, s Stage) (Action, bool) {
	if v.mayHaveExpired(t) && v.nextSample() <= 0 {
		return List{s}, false
	}
	return nil, true
}

// nextSample is in how much time the relay may be listed again for its time.
func (v *View) nextSample() time.Duration {
	gap := askAgainIn
	if v.ourClockHasToDo() {
		gap = samplesApart
	}
	if v.Seen.LastListing == 0 {
		return 0
	}
	return v.Seen.LastListing + gap - v.Clock.Elapsed
}

// expiryAt is when it is to be asked again whether a token has expired that has not by now; zero: never.
func (v *View) expiryAt(t *Token) time.Time {
	if t.Expires == 0 {
		return time.Time{}
	}
	at := t.Expires.Time()
	if v.knowsCloudflare() {
		at = laterOf(at, v.byOurClock(t, at))
	}
	switch {
	case at.After(v.Now):
		return at
	case v.mayHaveExpired(t) && v.nextSample() > 0:
		return v.Now.Add(v.nextSample())
	}
	return v.Now.Add(askAgainIn)
}
