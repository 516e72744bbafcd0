package slot

import "time"

// revocableAt is when a token may be revoked if no target serves it; zero: not known yet.
func (v *View) revocableAt(t *Token) (at time.Time, expired bool) {
	if t.expired(v.Now) || v.leftToExpire(t) {
		return t.Expires.Time(), true
	}
	switch unfinished := v.Record.Unfinished(); {
	case unfinished && v.Record.Rotation.Regrace && !t.Compromised, t.Retire.IsZero() && (unfinished || v.Record.PendingMint != nil):
		return time.Time{}, false
	case t.Retire.IsZero():
		return v.Now, false // adopted from a lost mint after the last rotation
	}
	if q := v.Record.Request; q != nil && q.Compromised && !t.Foreign && v.blockedByTokenLimit() {
		return v.Now, false // a compromised slot has no graces: make room
	}
	return laterOf(t.Retire.Time(), v.Now.Add(v.graceRemaining(t))), false
}

// graceRemaining is how much of a token's grace has still to pass on the elapsed-time
// clock. Readings of another boot say nothing; then a short wait gives the wall
// clock time to be set.
func (v *View) graceRemaining(t *Token) time.Duration {
	if t.Clock.Boot == v.Clock.Boot {
		return max(0, t.Grace-(v.Clock.Elapsed-t.Clock.Elapsed))
	}
	return max(0, min(t.Grace, otherBootWait)-(v.Clock.Elapsed-v.Boot.Elapsed))
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

// hasLeft reports whether a location is none that the slot delivers to; one without a plan has left those alone that
// another slot has now.
func (v *View) hasLeft(location string) bool {
	if v.Plan == nil {
		return v.Taken[location]
	}
	return !v.Plan.Delivers(location)
}

// grace is that of the configuration, or of the last rotation of a slot that left it.
func (v *View) grace() time.Duration {
	switch {
	case v.Plan != nil:
		return v.Plan.Grace
	case v.Record.Rotation != nil:
		return v.Record.Rotation.Grace
	}
	return 0
}
