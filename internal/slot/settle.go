package slot

import (
	"bytes"
	"slices"
	"time"
)

// settlesFor is how much longer the rotation's token may be refused by relays that do not know it yet, by elapsed
// time; of another boot nothing is known to have passed.
func (rot *Rotation) settlesFor(clock Reading) time.Duration {
	if rot.MintedClock.Boot != clock.Boot {
		return rot.Settle
	}
	return max(0, rot.Settle-(clock.Elapsed-rot.MintedClock.Elapsed))
}

// settlesFor is how much longer a rotation's token settles. Since it was minted in another boot, at least so much
// has passed as since this one began, and the wall clock may say more; but nobody is delayed for longer than settle
// by a process.
func (v *View) settlesFor(rot *Rotation) time.Duration {
	if rot.MintedClock.Boot == v.Clock.Boot {
		return rot.settlesFor(v.Clock)
	}
	left := max(rot.MintedAt.Add(rot.Settle).Time().Sub(v.Now), rot.Settle-v.Clock.Elapsed)
	return max(0, min(left, rot.Settle-(v.Clock.Elapsed-v.Boot.Elapsed)))
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

// lockedOutFrom is from when on no target serves a token that works, as far as the targets were seen a moment ago.
// What is not ours may work for ever.
func (v *View) lockedOutFrom(targets []Target) (at time.Time, known bool) {
	for _, t := range targets {
		dead, ok := v.deadFrom(t)
		if !ok {
			return time.Time{}, false
		}
		at = laterOf(at, dead)
	}
	return at, true
}

// deadFrom is from when on a target serves no token that works: it holds nothing, or exactly one of ours that
// expires.
func (v *View) deadFrom(t Target) (at time.Time, known bool) {
	l, rc := v.Seen.Inspections.At(t.Location), v.Record.Receipts.At(t.Location)
	switch {
	case !l.fresh(v.Now) || l.Err != nil || !l.Known:
		return time.Time{}, false
	case l.MayBeStale && (rc.RotationID != "" || len(rc.MayAlsoHold) > 0) && !rc.Matches(l.Digest):
		return time.Time{}, false // one answer of a standby: what was delivered may be there
	case !l.Exists:
		return time.Time{}, true
	}
	for _, held := range v.knownTokens() {
		ours := rc.Matches(l.Digest) && rc.RotationID == held.RotationID ||
			slices.ContainsFunc(held.ServedDigests, func(d []byte) bool { return bytes.Equal(d, l.Digest) })
		if ours {
			return v.endOf(held)
		}
	}
	return time.Time{}, false
}

// endOf is from when on a token of ours is surely refused: zero when it is already.
func (v *View) endOf(t *Token) (at time.Time, known bool) {
	if v.expired(t) {
		return time.Time{}, true
	}
	return v.expiryAt(t), t.Expires != 0 && !v.seemsExpired(t)
}

// knownTokens are the slot's tokens that a target may have been given, but for the one on its way.
func (v *View) knownTokens() (out []*Token) {
	if v.Record.Current != nil {
		out = append(out, v.Record.Current)
	}
	for i := range v.Record.Retiring {
		out = append(out, &v.Record.Retiring[i])
	}
	return out
}
