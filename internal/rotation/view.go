package rotation

import (
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// Slots calls yield with the status of every configured slot, sorted by relay, then
// type, until it returns false. The status is only valid during the call.
func (e *Engine) Slots(yield func(*Status) bool) {
	for _, n := range *e.roster.Load() {
		st := e.status(n.slot)
		if st.Slot != "" && !yield(&st) {
			return
		}
	}
}

// Slot gives one slot's status.
func (e *Engine) Slot(relay, typ string) (Status, bool) {
	s, err := e.named(relay, typ)
	if err != nil {
		return Status{}, false
	}
	return e.status(s), true
}

// status describes the slot; zero when it is not configured any more.
func (e *Engine) status(s *slot) Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := e.view(s)
	if v.p == nil {
		return Status{}
	}
	st := Status{
		Slot: v.p.Slot(), Relay: v.p.Relay, Type: s.rec.Key.Type, RelayID: s.rec.Key.RelayID,
		Account: v.p.Account, AccountID: s.rec.Key.AccountID, Strategy: v.p.Strategy, Labels: v.p.Labels,
		State: v.state(), Manual: v.p.Schedule == nil, Blackout: utc(s.rec.blackout()), Note: v.note(),
	}
	v.describeTimes(&st)
	v.describeWork(&st)
	st.Sinks, st.Old = v.targets(), v.oldTokens()
	return st
}

func (v *view) describeTimes(st *Status) {
	if t := v.r.Served; t != nil {
		st.TokenID, st.Created, st.Expires = t.ID, t.Created.Time(), t.Expires.Time()
	}
	st.Rotated = v.r.LastRotation.Time()
	next := v.scheduled()
	if first := v.first(); first.cause != "" && v.p.Schedule != nil {
		next = first
	}
	st.Next = utc(next.at)
	st.Overdue = !next.at.IsZero() && v.now.Sub(next.at) > overdueAfter ||
		!st.Expires.IsZero() && v.now.After(st.Expires)
}

func (v *view) describeWork(st *Status) {
	if f := v.r.Failure; f != nil {
		failure := *f
		st.Failures, st.Failure, st.Attempt = f.Count, &failure, utc(f.Next)
	}
	if q := v.r.Request; q != nil {
		st.Requested = utc(q.At)
	}
	switch {
	case v.r.Attempt != nil:
		st.Rotation, st.Phase, st.Cause = v.r.Attempt.ID, Intended, v.r.Attempt.Cause
	case v.r.unfinished():
		st.Rotation, st.Phase, st.Cause = v.r.Rotation.ID, Minted, v.r.Rotation.Cause
	}
}

func (v *view) state() State {
	switch {
	case v.r.Failure != nil:
		return StateFailing
	case v.r.Attempt != nil || v.o.reserved || v.o.reserving:
		return StateMinting
	case v.r.unfinished():
		return StateDelivering
	case slices.ContainsFunc(v.r.Old, func(t Token) bool { return !t.Retire.IsZero() && !v.left(&t) }):
		return StateGrace
	}
	return StateIdle
}

// note says what a person might wonder about.
func (v *view) note() string {
	switch {
	case v.p.Strategy == moq.InPlace && v.r.Rotation != nil && v.waiting():
		return "a new target waits for the next scheduled rotation: in_place cannot bring it the present token"
	case v.stopped:
		return "the journal cannot be written: nothing is minted until it can"
	case v.o.unfit:
		return "the journal refuses the slot's record, see the log: nothing is minted for it until it can be saved"
	case !v.crowded().IsZero():
		return fmt.Sprintf("the slot has three tokens, the most it may have: it rotates when the oldest grace ends, at %s",
			utc(v.crowded()).Format(time.DateTime+"Z"))
	case v.o.reserving:
		return "waiting for the account's request budget"
	case len(v.r.Lost) > 0:
		return fmt.Sprintf("%d mint(s) with a lost answer are being looked for", len(v.r.Lost))
	}
	return ""
}

// crowded is until when a rotation that is due waits for room; zero when none does.
func (v *view) crowded() (until time.Time) {
	if v.p.Strategy != moq.Overlap || v.held() < slotTokens {
		return time.Time{}
	}
	if !v.isDue() {
		return time.Time{}
	}
	for _, t := range v.r.Old {
		until = earliest(until, t.Retire.Time())
	}
	return until
}

func (v *view) targets() []TargetStatus {
	out := make([]TargetStatus, 0, len(v.p.Targets))
	for _, t := range v.p.Targets {
		rc := v.r.Receipts.At(t.Location)
		ts := TargetStatus{
			Sink: t.Sink, Target: t.Target, Required: t.Required, State: v.targetState(t, rc),
			RotationID: rc.RotationID, Delivered: rc.At.Time(), Checked: utc(v.sights.at(t.Location).checked.Time()),
		}
		if ts.State == "pending" {
			ts.Pending = v.r.Rotation.MintedAt.Time()
		}
		if err := v.o.errs.at(t.Location); err != nil {
			ts.Error = err.Error()
		}
		out = append(out, ts)
	}
	return out
}

func (v *view) targetState(t Target, rc Receipt) string {
	rot := v.r.Rotation
	switch {
	case rot != nil && len(rot.Sealed) > 0 && rot.delivers(t.Location) && rc.RotationID != rot.ID:
		return "pending"
	case v.o.drift.at(t.Location) != "":
		return string(v.o.drift.at(t.Location))
	case rc.RotationID == "":
		return "never"
	}
	return "ok"
}

func (v *view) oldTokens() []TokenStatus {
	var out []TokenStatus
	for i := range v.r.Old {
		t := &v.r.Old[i]
		ts := TokenStatus{
			TokenID: t.ID, RotationID: t.RotationID, Created: t.Created.Time(), Expires: t.Expires.Time(),
			Released: v.left(t),
		}
		if !ts.Released {
			ts.Retire = t.Retire.Time()
		}
		out = append(out, ts)
	}
	return out
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}
