package slot

import (
	"slices"
	"time"
)

// Status describes the slot; zero when it is not configured.
func (v *View) Status() Status {
	if v.Plan == nil {
		return Status{}
	}
	key := v.Record.Key
	st := Status{
		Slot: v.Plan.Slot(), Relay: v.Plan.Relay, Type: key.Type, Operations: v.Plan.Operations, RelayID: key.RelayID,
		Account: v.Plan.Account, AccountID: key.AccountID, Strategy: v.Plan.Strategy, Labels: v.Plan.Labels,
		State: v.state(), Manual: v.Plan.Schedule == nil, BlackoutSince: UTC(v.Record.BlackoutSince()), Note: v.statusNote(),
		ForeignInstanceTokens: v.ForeignInstance,
	}
	v.describeTimes(&st)
	v.describeWork(&st)
	st.Sinks, st.OldTokens = v.targetStatuses(), v.retiringStatuses()
	return st
}

func (v *View) describeTimes(st *Status) {
	if t := v.Record.Current; t != nil {
		st.TokenID, st.TokenCreated, st.TokenExpires = t.ShownID(), t.Created.Time(), t.Expires.Time()
	}
	st.LastRotation = v.Record.LastRotation.Time()
	st.NextRotation = UTC(v.firstUnmetRun().At)
	if from, since := v.overdueFrom(); !from.IsZero() && v.Now.After(from) {
		st.Overdue, st.OverdueSince = true, UTC(since)
	}
}

// overdueFrom is when the slot is overdue unless it rotates before: a run has then been late for a minute, or its token has
// expired; zero when neither can come. since is when the run came due, or the token's end.
func (v *View) overdueFrom() (from, since time.Time) {
	if next := v.firstUnmetRun(); !next.At.IsZero() {
		from, since = next.At.Add(overdueAfter), next.At
	}
	if t := v.Record.Current; t != nil && !t.Expires.IsZero() {
		if end := v.byOurClock(t, t.Expires.Time()); from.IsZero() || end.Before(from) {
			from, since = end, end
		}
	}
	return from, since
}

func (v *View) describeWork(st *Status) {
	st.WaitsFor, st.WaitsUntil = v.waitsFor()
	if f := v.Record.Failure; f != nil {
		failure := *f
		st.ConsecutiveFailures, st.Failure, st.NextAttempt = f.Count, &failure, UTC(laterOf(f.Next, st.WaitsUntil))
	}
	if q := v.Record.Request; q != nil {
		st.Requested = UTC(q.At)
	}
	switch {
	case v.Record.PendingMint != nil:
		st.Rotation, st.Phase, st.Cause = v.Record.PendingMint.ID, Intended, v.Record.PendingMint.Cause
	case v.Record.Unfinished():
		st.Rotation, st.Phase, st.Cause = v.Record.Rotation.ID, Minted, v.Record.Rotation.Cause
	}
}

func (v *View) state() State {
	switch {
	case !v.Record.BlackoutSince().IsZero():
		return StateBlackout // whether or not an attempt to end it has failed
	case v.Record.Failure != nil:
		return StateFailing
	case v.Record.PendingMint != nil || v.Seen.Reserved || v.Seen.Reserving:
		return StateMinting
	case v.isSettling():
		return StateSettling
	case v.Record.Unfinished():
		return StateDelivering
	case slices.ContainsFunc(v.Record.Retiring, func(t Token) bool { return !t.Retire.IsZero() && !v.leftToExpire(&t) }):
		return StateGrace
	}
	return StateIdle
}

func (v *View) targetStatuses() []TargetStatus {
	out := make([]TargetStatus, 0, len(v.Plan.Targets))
	for _, t := range v.Plan.Targets {
		rc := v.Record.Receipts.At(t.Location)
		state, since := v.targetState(t)
		ts := TargetStatus{
			Sink: t.Sink, Target: t.Target, Required: t.Required, State: state, Since: since.Time(), Repair: v.Repair(t, state),
			RotationID: rc.RotationID, Delivered: rc.At.Time(), Checked: UTC(v.Sightings.At(t.Location).Checked.Time()),
		}
		if v.isOnItsWay(t) {
			ts.PendingSince = v.Record.Rotation.MintedAt.Time()
		}
		if err := v.Seen.Errors.At(t.Location); err != nil {
			ts.Error = err.Error()
		}
		ts.Failed = v.Record.Failure != nil && slices.Contains(v.Record.Failure.Locations, t.Location)
		out = append(out, ts)
	}
	return out
}

func (v *View) retiringStatuses() []TokenStatus {
	var out []TokenStatus
	for i := range v.Record.Retiring {
		t := &v.Record.Retiring[i]
		ts := TokenStatus{
			TokenID: t.ID, RotationID: t.RotationID, Created: t.Created.Time(), Expires: t.Expires.Time(),
			Retire: v.RetiresAt(t), LeftToExpire: v.leftToExpire(t), TakenOver: t.Matched,
		}
		out = append(out, ts)
	}
	return out
}

// UTC is t in UTC; the zero time stays as it is.
func UTC(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
