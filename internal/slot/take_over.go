package slot

import "time"

// A term of one of several replicas goes on from what another one journalled. That one begins nothing more once its lease
// may have ended; but a call of its that had left by then may be carried out a while later.

const (
	lateCallsFor   = time.Minute     // so long after a take-over a call of the former leader may be carried out
	clocksDifferBy = 5 * time.Second // our clock and Cloudflare's, or two replicas' clocks, that are taken for the same
)

// LateCalls returns for how much longer a call of the former leader may be carried out; zero without a take-over.
func (c *Times) LateCalls() time.Duration {
	if !c.TakenOver {
		return 0
	}
	return max(0, lateCallsFor-c.running())
}

// afterTakeOver has what would revoke a token wait until no call of the former leader can bring that to a target any more.
// Only a compromised one goes at once, where targets were seen since the take-over not to serve it.
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

// FirstLook is in how much time the targets of a slot are looked at that a term takes over, as the nth of so many: at once
// where a value was on its way to them, else at the pace of probes.
func (r *Record) FirstLook(p *Plan, n, of int) time.Duration {
	if p == nil || r.isInDoubt() {
		return 0
	}
	return p.CheckInterval() / time.Duration(max(1, of)) * time.Duration(n)
}

// NextLook is in how much time targets that were looked at just now are to be looked at again. Where a value went to them
// around a take-over, once more as soon as no call of the former leader can change them any more.
func (v *View) NextLook() time.Duration {
	left, rot := v.LateCalls(), v.Record.Rotation
	began := TimestampOf(v.Now.Add(-v.running()))
	if left > 0 && (v.Record.isInDoubt() || rot != nil && rot.Finished >= began) {
		return min(left, v.Plan.CheckInterval())
	}
	return v.Plan.CheckInterval()
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

// ScheduleNow is what time it is for schedules: our clock's, but where replicas take turns Cloudflare's, unless the two
// are as good as the same. Else a wrong clock would meet instants that another replica is to meet.
func (c *Times) ScheduleNow() time.Time {
	if !c.TakenOver || !c.knowsCloudflare() || c.Now.Sub(c.Cloudflare.Now).Abs() <= clocksDifferBy {
		return c.Now
	}
	return c.Cloudflare.Now
}

// byScheduleClock is an instant as our clock will show it, and onSchedule what the clock of schedules shows when ours
// shows a time.
func (c *Times) byScheduleClock(instant time.Time) time.Time {
	return instant.Add(c.Now.Sub(c.ScheduleNow()))
}
func (c *Times) onSchedule(at time.Time) time.Time { return at.Add(c.ScheduleNow().Sub(c.Now)) }

// knowsScheduleTime reports whether ScheduleNow is sure: not our clock for want of Cloudflare's time.
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
