package slot

import (
	"cmp"
	"time"
)

// settlesWithinBoot is how much longer the rotation's token may be refused by relays that do not know it yet, by elapsed
// time; of another boot nothing is known to have passed.
func (rot *Rotation) settlesWithinBoot(clock Reading) time.Duration {
	minted := rot.mintReading()
	if minted.Boot != clock.Boot {
		return rot.Settle
	}
	return max(0, rot.Settle-(clock.Elapsed-minted.Elapsed))
}

// mintReading is when the rotation's token was minted. The token keeps it when the value is dropped.
func (rot *Rotation) mintReading() Reading {
	if rot.Token == nil {
		return rot.MintedClock
	}
	return cmp.Or(rot.MintedClock, rot.Token.mintedAt())
}

// settlesFor is how much longer a rotation's token settles. Since it was minted in another boot, at least so much
// has passed as since this one began, and the wall clock may say more; but nobody is delayed for longer than settle
// by a process.
func (c *Times) settlesFor(rot *Rotation) time.Duration {
	if rot.mintReading().Boot == c.Clock.Boot {
		return rot.settlesWithinBoot(c.Clock)
	}
	since := c.Clock.Elapsed // the boot began
	if c.TakenOver {         // a term has a boot of its own, which began with it
		since = c.running()
	}
	left := max(rot.MintedAt.Add(rot.Settle).Time().Sub(c.Now), rot.Settle-since)
	return max(0, min(left, rot.Settle-c.running()))
}

// settlesServed is how much longer relays may refuse a token that targets may have been given already: one that was
// written before it had settled, or that of a mint that a crash cut off.
func (v *View) settlesServed() time.Duration {
	left := v.settlesLatest()
	for _, l := range v.Record.Orphans {
		if passed, _ := v.passedSince(l.Clock); l.Crashed {
			left = max(left, v.presentSettle()-passed)
		}
	}
	return left
}

// settlesLatest is how much longer the token of the latest rotation settles.
func (v *View) settlesLatest() time.Duration {
	if v.Record.Rotation == nil {
		return 0
	}
	return v.settlesFor(v.Record.Rotation)
}

// onceSettled has a revocation wait until the latest token has settled: it may be all that consumers have then.
func (v *View) onceSettled(a Action) Action {
	if left := v.settlesLatest(); left > 0 {
		return Wait{v.Now.Add(left)}
	}
	return a
}

// presentSettle is how long a token settles by the configuration, or by the last rotation of a slot that left it.
func (v *View) presentSettle() time.Duration {
	switch {
	case v.Plan != nil:
		return v.Plan.Settle
	case v.Record.Rotation != nil:
		return v.Record.Rotation.Settle
	}
	return 0
}

// settledFirst waits until the value at hand may be brought to the required targets that miss it: until relays know
// the token, unless the tokens known to others are to end, or none of the targets serves one that works.
func (v *View) settledFirst(missing []Target) (Action, bool) {
	until := v.settlesUntil(missing)
	if until.IsZero() {
		return nil, true
	}
	return Wait{until}, false
}

// settlesUntil is until when an unfinished rotation waits before it is delivered to targets; zero when it does not.
func (v *View) settlesUntil(missing []Target) time.Time {
	rot := v.Record.Rotation
	left := v.settlesFor(rot)
	if left == 0 || rot.Cause == CauseCompromised {
		return time.Time{}
	}
	until := v.Now.Add(left)
	if dead, known := v.lockedOutFrom(missing); known && dead.Before(until) {
		until = dead
	}
	if !until.After(v.Now) {
		return time.Time{}
	}
	return until
}

// isSettling reports whether an unfinished rotation waits for nothing but that its token settles.
func (v *View) isSettling() bool {
	r := v.Record
	return r.PendingMint == nil && r.Unfinished() && v.Seen.Gone != r.Rotation.ID &&
		!v.settlesUntil(v.TargetsLacking(r.Rotation, true)).IsZero()
}

// AwaitsSettling reports whether a delivery waits for nothing but that the token settles.
func (v *View) AwaitsSettling() bool {
	rot := v.Record.Rotation
	if rot == nil || v.settlesFor(rot) == 0 || rot.Cause == CauseCompromised {
		return false
	}
	return v.isSettling() || len(rot.Sealed) > 0 && len(v.TargetsLacking(rot, false)) > 0
}
