package slot

import "time"

// revocableAt is when a token may be revoked if no target serves it; zero: not known yet.
func (v *View) revocableAt(t *Token) (at time.Time, expired bool) {
	switch {
	case v.expired(t):
		return v.Now, true
	case v.leftToExpire(t):
		return v.expiryAt(t), true
	}
	if at = v.graceOverAt(t); at.IsZero() {
		return at, false
	}
	return laterOf(at, v.Now.Add(v.settlesServed())), false
}

// graceOverAt is when a token's grace is over; zero: not known yet.
func (v *View) graceOverAt(t *Token) time.Time {
	switch inHand := v.Record.Unfinished() || v.Record.PendingMint != nil; {
	case t.Retire.IsZero() && inHand:
		return time.Time{}
	case t.Retire.IsZero():
		return v.Now // adopted from a lost mint after the last rotation
	case v.makesRoomAtOnce(t):
		return v.Now
	case v.awaitsRegrace(t):
		return time.Time{}
	}
	return v.Now.Add(v.graceWait(t))
}

// makesRoomAtOnce reports whether a token need not wait for its grace: a compromised slot has none.
func (v *View) makesRoomAtOnce(t *Token) bool {
	q := v.Record.Request
	return q != nil && q.Compromised && !t.Matched && (v.blockedByTokenLimit() || v.Seen.RelayFull && v.isDue())
}

// awaitsRegrace reports whether a token's grace begins anew once the rotation under way is verified.
func (v *View) awaitsRegrace(t *Token) bool {
	return v.Record.Unfinished() && v.Record.Rotation.Regrace && !t.Compromised && !v.makesRoomAtOnce(t)
}

// graceLeft is how much of a token's grace has still to pass: by elapsed time within a boot, by Cloudflare's time
// across boots. Where neither tells, it is not sure.
func (c *Times) graceLeft(t *Token) (left time.Duration, sure bool) {
	passed, sure := c.passedSince(t.Clock)
	left = max(0, t.Grace-passed)
	return left, sure || t.Grace == 0
}

// graceWait is for how long nothing is to be done about a token's grace.
func (c *Times) graceWait(t *Token) time.Duration {
	left, sure := c.graceLeft(t)
	if sure {
		return left
	}
	return min(askAgainIn, t.Grace) // Cloudflare's time may be known then
}

// cannotMeasureGrace reports whether nothing tells, or will tell, how much has passed of a grace that began in another
// boot: it has to begin anew.
func (c *Times) cannotMeasureGrace(t *Token) bool {
	if _, sure := c.graceLeft(t); sure || t.Retire.IsZero() {
		return false
	}
	return c.ourClockHasToDo() || c.knowsCloudflare()
}

// graceEnd is when a token's grace ends, for people: as it was set down, unless a clock was set since.
func (c *Times) graceEnd(t *Token) time.Time {
	left, sure := c.graceLeft(t)
	at, noted := c.Now.Add(left), t.Retire.Time()
	switch {
	case !sure, at.Sub(noted).Abs() < time.Second:
		return noted
	case left == 0:
		return earlierOf(noted, at)
	}
	return at
}

// RetiresAt is when the grace of an older token ends, for people; zero where none ends: it is left to expire, or has no
// grace yet.
func (v *View) RetiresAt(t *Token) time.Time {
	if t.Retire.IsZero() || v.leftToExpire(t) {
		return time.Time{}
	}
	return UTC(v.graceEnd(t))
}

// leftToExpire reports whether a target that is no longer configured may hold the token:
// it is left to expire.
func (v *View) leftToExpire(t *Token) bool {
	if t.Compromised || t.RotationID == "" {
		return false
	}
	for _, rc := range v.Record.Receipts {
		if rc.mayHoldValueOf(t.RotationID) && v.hasLeft(rc.Location) {
			return true
		}
	}
	return false
}

// hasLeft reports whether a location is none that the slot delivers to; one without a plan delivers to what its latest
// rotation still goes to.
func (v *View) hasLeft(location string) bool {
	switch {
	case v.Plan == nil && v.Record.Rotation != nil:
		return !v.Delivers(v.Record.Rotation, location)
	case v.Plan == nil:
		return v.Taken[location]
	}
	return !v.Plan.Delivers(location)
}

// presentGrace is the grace of the configuration, or of the last rotation of a slot that left it.
func (v *View) presentGrace() time.Duration {
	switch {
	case v.Plan != nil:
		return v.Plan.Grace
	case v.Record.Rotation != nil:
		return v.Record.Rotation.Grace
	}
	return 0
}

// startGrace starts a token's grace, if it does not run already (or anew, when a
// target may have served it until now); a compromised one has none but until its successor has settled.
func (t Token) startGrace(rot *Rotation, clock Reading) Token {
	if rot.Cause == CauseCompromised && !t.Matched {
		t.Compromised = true
		return t.withGrace(rot.settlesWithinBoot(clock), rot.Finished, clock)
	}
	if t.Retire.IsZero() || rot.Regrace && !t.Compromised {
		return t.withGrace(rot.Grace, rot.Finished, clock)
	}
	return t
}

// withGrace is the token with a grace that begins at a time.
func (t Token) withGrace(grace time.Duration, at Timestamp, clock Reading) Token {
	t.Retire, t.Grace, t.Clock = at.Add(grace), grace, clock
	return t
}
