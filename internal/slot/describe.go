package slot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
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
		State: v.state(), Manual: v.Plan.Schedule == nil, Blackout: UTC(v.Record.BlackoutSince()), Note: v.notes(),
		ForeignInstance: v.ForeignInstance,
	}
	v.describeTimes(&st)
	v.describeWork(&st)
	st.Sinks, st.Old = v.targetStatuses(), v.retiringStatuses()
	return st
}

func (v *View) describeTimes(st *Status) {
	if t := v.Record.Current; t != nil {
		st.TokenID, st.Created, st.Expires = t.ShownID(), t.Created.Time(), t.Expires.Time()
	}
	st.Rotated = v.Record.LastRotation.Time()
	next := v.dueOnSchedule()
	if first := v.dueInitially(); first.Cause != "" && v.Plan.Schedule != nil {
		next = first
	}
	st.Next = UTC(next.At)
	overdue := v.overdueFrom()
	st.Overdue = !overdue.IsZero() && v.Now.After(overdue)
}

// overdueFrom is when the slot is overdue unless it rotates before: an instant has then been unmet for a
// minute, or its token has expired; zero when neither can come.
func (v *View) overdueFrom() (at time.Time) {
	next := v.dueOnSchedule()
	if first := v.dueInitially(); first.Cause != "" {
		next = first
	}
	if !next.At.IsZero() {
		at = next.At.Add(overdueAfter)
	}
	if t := v.Record.Current; t != nil && !t.Expires.IsZero() {
		at = earlierOf(at, v.byOurClock(t, t.Expires.Time()))
	}
	return at
}

func (v *View) describeWork(st *Status) {
	if f := v.Record.Failure; f != nil {
		failure := *f
		st.Failures, st.Failure, st.Attempt = f.Count, &failure, UTC(laterOf(f.Next, v.blockedUntil()))
	}
	st.WaitsFor, st.WaitsUntil = v.waitsFor()
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

// notes are all that a person should know.
func (v *View) notes() string {
	said := slices.DeleteFunc([]string{v.note(), foreignInstanceNote(v.ForeignInstance)}, func(s string) bool { return s == "" })
	return strings.Join(said, "; ")
}

// note says what a person might wonder about.
func (v *View) note() string {
	switch {
	case v.Plan.Strategy == moq.InPlace && v.waitsWithNewTarget():
		return "a new target waits for the next scheduled rotation: in_place cannot bring it the present token"
	case v.JournalDown:
		return "the journal cannot be written: nothing is minted until it can"
	case v.Seen.Unsavable:
		return "the journal refuses the slot's record, see the log: nothing is minted for it until it can be saved"
	case !v.blockedUntil().IsZero():
		return v.blockedNote()
	case v.waitsForPlace():
		return v.placeNote()
	case len(v.leftOut()) > 0:
		return fmt.Sprintf("%s lacks the latest token, which the others have: they go on being given newer ones in time, "+
			"and no token that it may hold is revoked before it expires", sinksOf(v.leftOut()))
	case v.Seen.Reserving:
		return v.budgetNote()
	case v.Record.Rotation != nil && v.Record.Rotation.LivesShort():
		return fmt.Sprintf("Cloudflare gave the latest token less than half of the life that was asked: it is renewed before it ends, at %s",
			v.Record.Rotation.Token.Expires.Time().Format(time.DateTime+"Z"))
	case v.changesOperations():
		return "its operations have changed: the next rotation makes a token that has them"
	case v.Record.orphansAtLarge() > 0:
		return fmt.Sprintf("%d mint(s) with a lost answer are being looked for", v.Record.orphansAtLarge())
	}
	return ""
}

// changesOperations reports whether the next rotation makes a token with other rights than the last did.
func (v *View) changesOperations() bool {
	return v.Record.LatestRotation() != nil && !moq.SameOperations(v.Record.Operations(), v.Plan.Operations)
}

// leftOut are the required targets that could not be given the value which others have.
func (v *View) leftOut() []Target {
	rot := v.Record.Rotation
	if !v.Record.Unfinished() || rot.Strategy != moq.Overlap || v.Record.Failure == nil {
		return nil
	}
	lacking := v.TargetsLacking(rot, true)
	has := func(t Target) bool { return t.Required && v.Record.Receipts.At(t.Location).RotationID == rot.ID }
	if !slices.ContainsFunc(rot.Targets, has) {
		return nil
	}
	return lacking
}

func sinksOf(targets []Target) string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Sink
	}
	return strings.Join(names, ", ")
}

// waitsFor is what a rotation that is due waits for, and until when as far as that is known.
func (v *View) waitsFor() (what WaitsFor, until time.Time) {
	switch {
	case !v.blockedUntil().IsZero():
		return WaitsForGrace, UTC(v.blockedUntil())
	case v.waitsForPlace():
		return WaitsForPlace, UTC(v.Seen.NextPlace.Time())
	case v.Seen.Reserving:
		return WaitsForBudget, UTC(v.BudgetUntil)
	}
	return "", time.Time{}
}

func (v *View) budgetNote() string {
	if v.BudgetUntil.IsZero() {
		return "waiting for the account's request budget"
	}
	return "waiting for the account's request budget, which lets nothing through before " + UTC(v.BudgetUntil).Format(time.DateTime+"Z")
}

func (v *View) blockedNote() string {
	until := UTC(v.blockedUntil()).Format(time.DateTime + "Z")
	if v.liveTokens() > MaxTokens {
		return "the slot has four tokens, one more than it may have: it rotates when two graces have ended, at " + until
	}
	return "the slot has three tokens, the most it may have: it rotates when the oldest grace ends, at " + until
}

// blockedUntil is until when a rotation that is due waits for room; zero when no grace makes any. Who asked to end a
// compromise waits for none, and what has expired goes first.
func (v *View) blockedUntil() time.Time {
	over, q := v.liveTokens()-MaxTokens, v.Record.Request
	if v.Plan.Strategy != moq.Overlap || over < 0 || q != nil && q.Compromised || slices.ContainsFunc(v.heldTokens(), v.expired) || !v.isDue() {
		return time.Time{}
	}
	if ends := v.graceEnds(); over < len(ends) {
		return ends[over]
	}
	return time.Time{}
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
			ts.Pending = v.Record.Rotation.MintedAt.Time()
		}
		if err := v.Seen.Errors.At(t.Location); err != nil {
			ts.Error = err.Error()
		}
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
			Released: v.leftToExpire(t),
		}
		if !ts.Released && !t.Retire.IsZero() {
			ts.Retire = v.graceEnd(t)
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
