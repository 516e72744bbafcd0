package slot

import "time"

// A term of one of several replicas goes on from what another one journalled. That one begins nothing more once its lease
// may have ended; but a call of its that had left by then may be carried out a while later.

// lateCallsFor is for how long after a take-over a call of the former leader may be carried out.
const lateCallsFor = time.Minute

// LateCalls returns for how much longer a call of the former leader may be carried out; zero without a take-over.
func (c *Times) LateCalls() time.Duration {
	if !c.TakenOver {
		return 0
	}
	return max(0, lateCallsFor-c.running())
}

// afterTakeOver has what would revoke a token, or begin the grace of one of a lost mint, wait until no call of the former
// leader can bring that to a target any more. Only a compromised one goes at once, where targets were seen since the
// take-over not to serve it.
func (v *View) afterTakeOver(a Action) Action {
	left := v.LateCalls()
	if left == 0 {
		return a
	}
	switch a := a.(type) {
	case Revoke:
		if a.Token.Compromised || v.makesRoomAtOnce(&a.Token) {
			return v.unlessSeen(a, v.Now.Add(left))
		}
	case RevokeOrphan:
	case BeginGrace: // of who was seen to be served nowhere: a delivery may yet come
		if a.Anew {
			return a
		}
	default:
		return a
	}
	return Wait{v.Now.Add(left)}
}

// unlessSeen has the targets looked at, whatever is read back as a rule, before a token is revoked. Where one may serve it
// or does not tell, it waits until a time.
func (v *View) unlessSeen(a Revoke, until time.Time) Action {
	targets := v.requiredTargets()
	if s, ok := v.inspectedFirst(targets, DepthRead); !ok {
		return s
	}
	for _, h := range targets {
		l, rc := v.Seen.Inspections.At(h.Location), v.Record.Receipts.At(h.Location)
		holdsLater := l.Err == nil && l.Known && rc.RotationID > a.Token.RotationID && driftOf(rc, l) == ""
		if !holdsLater && !v.showsSuccessor(&a.Token, l) && !v.notServing(h, &a.Token) {
			return Wait{until}
		}
	}
	return a
}

// isInDoubt reports whether a value was on its way to the slot's targets, or may have been, when its record was journalled.
func (r *Record) isInDoubt() bool {
	if r.DeliveryPending() {
		return true
	}
	for i := range r.Receipts {
		if r.Receipts[i].MayHold != "" {
			return true
		}
	}
	return false
}

// TakeOver is what a record goes through when a term goes on from it: a rotate call whose answer was lost may be carried
// out until a minute from now, since readings of another term tell nothing of when it was sent.
func (r *Record) TakeOver(at time.Time, clock Reading) {
	if rot := r.Rotation; rot != nil && !rot.LostAt.IsZero() {
		own := *rot
		own.LostAt, own.LostClock = TimestampOf(at), clock
		r.Rotation = &own
	}
}
