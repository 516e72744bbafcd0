package slot

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// The changes that a record goes through in a rotation without a hitch, and when a mint is lost or an attempt fails,
// each as one pure function. Those of one part alone lie beside it, such as RefuseMint, GiveUpValue, DropLeftTargets,
// AdoptSchedule or TakeBack. What a record points to by a pointer is never changed in place: a clone may still be on its
// way to the journal.

// Clone copies r far enough that no transition of r shows in the copy.
func (r *Record) Clone() *Record {
	c := *r
	c.Retiring = slices.Clone(r.Retiring)
	c.Orphans = slices.Clone(r.Orphans)
	c.Receipts = slices.Clone(r.Receipts)
	return &c
}

// Intend records that a mint is about to be called.
func (r *Record) Intend(a Rotation) { r.PendingMint = &a }

// AbandonMint forgets a pending mint that was certainly not carried out.
func (r *Record) AbandonMint() { r.PendingMint = nil }

// LoseMint records that the pending mint may have been carried out, and its value is lost:
// overlap looks for it by its label; in_place rotates again.
func (r *Record) LoseMint(at time.Time, clock Reading, crashed bool) {
	a := *r.PendingMint
	if a.Strategy == moq.InPlace {
		a.LostAt, a.LostClock = TimestampOf(at), clock
		r.PendingMint = &a
		return
	}
	l := Orphan{RotationID: a.ID, Label: a.Label(), At: at, Clock: clock, Crashed: crashed}
	if crashed {
		l.Before = a.Found
		r.markMayHold(a.Targets, a.ID)
		r.restartGraces(a, at, clock)
	}
	r.Orphans = append(r.Orphans, l)
	r.PendingMint = nil
}

// restartGraces begins graces anew where a lost mint was to do so: its value may have
// been delivered from memory, and the old tokens were served until then.
func (r *Record) restartGraces(a Rotation, at time.Time, clock Reading) {
	for i, t := range r.Retiring {
		if a.Regrace && !t.Compromised && !t.Retire.IsZero() {
			r.Retiring[i] = t.withGrace(t.Grace, TimestampOf(at), clock)
		}
	}
}

// markMayHold notes that targets may hold the value of rotation id.
func (r *Record) markMayHold(targets []Target, id string) {
	for _, t := range targets {
		rc := r.Receipts.At(t.Location)
		if rc.MayHold != "" && rc.MayHold != id {
			rc.MayAlsoHold = append(slices.Clip(rc.MayAlsoHold), rc.MayHold)
		}
		rc.Target, rc.MayHold = t, id
		r.Receipts.set(rc)
	}
}

// CompleteMint makes the pending mint the slot's latest rotation. One that it leaves
// unfinished is superseded: its token waits with the old ones.
func (r *Record) CompleteMint(t Token, sealed []byte, at time.Time) (superseded *Rotation) {
	a := *r.PendingMint
	a.Phase, a.MintedAt, a.Token, a.Sealed = Minted, TimestampOf(at), &t, sealed
	if r.Unfinished() {
		superseded = r.Rotation
		r.keepForRetirement(superseded.Token)
	}
	if rot := r.Rotation; rot != nil && a.LostAt.IsZero() && a.beganWithinQuietMinute(rot) {
		a.LostAt, a.LostClock = rot.LostAt, rot.LostClock // that lost call may still commit, after this one
	}
	if a.Cause == CauseDrift {
		r.DriftPeriod = a.Period
	}
	r.Rotation, r.PendingMint, r.Failure, r.InitialSince = &a, nil, nil, 0
	r.markMayHold(a.Targets, a.ID)
	return superseded
}

// beganWithinQuietMinute reports whether a lost call of a former rotation may have been carried out after this one.
func (rot *Rotation) beganWithinQuietMinute(former *Rotation) bool {
	if d, ok := rot.Clock.Since(former.LostClock); ok && !former.LostAt.IsZero() {
		return d < quietMinute
	}
	return rot.Started < former.LostAt.Add(quietMinute)
}

// keepForRetirement keeps a token that is no longer the one to serve until it is revoked.
func (r *Record) keepForRetirement(t *Token) {
	if t != nil && t.ID != "" {
		r.Retiring = append(r.Retiring, *t)
	}
}

// Acknowledge records that a target holds the rotation's content.
func (r *Record) Acknowledge(t Target, rotationID string, digest []byte, at time.Time) {
	rc := Receipt{Target: t, RotationID: rotationID, Digest: digest, At: TimestampOf(at)}
	if old := r.Receipts.At(t.Location); old.MayHold > rotationID {
		rc.MayHold, rc.MayAlsoHold = old.MayHold, idsAfter(old.MayAlsoHold, rotationID)
	}
	r.Receipts.set(rc)
}

// idsAfter are the rotation ids after another, nil when there is none.
func idsAfter(ids []string, after string) (out []string) {
	for _, id := range ids {
		if id > after {
			out = append(out, id)
		}
	}
	return out
}

// Conclude records that every required target holds the value: the token is
// served from now on, and the graces of those before it begin.
func (r *Record) Conclude(at time.Time, clock Reading) {
	rot := *r.Rotation
	rot.Phase, rot.Finished, rot.GivenUpCount = Verified, TimestampOf(at), 0
	r.keepForRetirement(r.Current)
	r.Retiring = append(r.Retiring, rot.Existing...)
	rot.Existing = nil
	for i := range r.Retiring {
		r.Retiring[i] = r.Retiring[i].startGrace(&rot, clock)
	}
	served := *rot.Token
	served.ServedDigests = r.digestsOf(rot.ID)
	r.Current, r.Rotation, r.Failure, r.LastRotation = &served, &rot, nil, rot.Finished
	r.MetThrough = max(r.MetThrough, rot.MeetsThrough)
	if r.Request != nil && r.Request.metBy(&rot) {
		r.Request = nil
	}
	r.forgetReceipts()
}

// AddServedDigests notes what targets that left the slot may hold with the token that is served.
func (r *Record) AddServedDigests(digests [][]byte) {
	if len(digests) == 0 {
		return
	}
	served := *r.Current
	served.ServedDigests = slices.Concat(served.ServedDigests, digests)
	r.Current = &served
}

// digestsOf are the digests of what targets hold of a rotation, each once.
func (r *Record) digestsOf(rotationID string) (out [][]byte) {
	for _, rc := range r.Receipts {
		same := func(d []byte) bool { return bytes.Equal(d, rc.Digest) }
		if rc.RotationID == rotationID && !slices.ContainsFunc(out, same) {
			out = append(out, rc.Digest)
		}
	}
	return out
}

// DropValue forgets the sealed value: every target that the slot still has holds it, or it is of no use any more.
func (r *Record) DropValue(p *Plan) {
	r.DropLeftTargets(p)
	rot := *r.Rotation
	rot.Sealed, rot.Found, rot.MintedClock = nil, nil, Reading{}
	r.Rotation = &rot
}

// ForgetToken forgets a token's id. Of an unfinished rotation, the value can no longer be delivered then.
func (r *Record) ForgetToken(id string) {
	if r.Unfinished() && r.Rotation.Token.ID == id {
		rot, t := *r.Rotation, *r.Rotation.Token
		t.ID, rot.Token = "", &t
		r.Rotation = &rot
	}
	if r.Current != nil && r.Current.ID == id {
		t := *r.Current
		t.ID = ""
		r.Current = &t
	}
	r.Retiring = slices.DeleteFunc(r.Retiring, func(t Token) bool { return t.ID == id })
}

// AdoptOrphan keeps a lost mint's token as an old one, because a target may serve it.
func (r *Record) AdoptOrphan(l Orphan, t moq.Token, at time.Time, clock Reading) {
	r.Retiring = append(r.Retiring, Token{ID: t.ID, RotationID: l.RotationID, Created: TimestampOf(t.Created), Expires: TimestampOf(t.Expires)})
	r.NoteOrphanTurnedUp(l.Label, at, clock)
}

// BeginGrace puts a token whose grace begins now, an adopted one's or one that begins anew, in the place of what the
// record had of it.
func (r *Record) BeginGrace(t Token) {
	r.Retiring[slices.IndexFunc(r.Retiring, func(o Token) bool { return o.ID == t.ID })] = t
}

// AddFailedAttempt adds one attempt to the present run of failed ones, or begins it.
func (r *Record) AddFailedAttempt(a FailedAttempt) {
	f := Failure{
		Count: r.FailuresBefore() + 1, Since: a.At, At: a.At, Next: a.Next, Stage: a.Stage, Reason: a.Reason, Sink: a.Sink,
		Message: a.Message, Permanent: a.Permanent, Locations: a.Locations,
		ClaimedOtherID: a.Stage == StageMint && a.Reason == string(fault.Mismatch),
	}
	if r.Failure != nil {
		f.ClaimedOtherID = f.ClaimedOtherID || r.Failure.ClaimedOtherID
		f.Since = r.Failure.Since
	}
	r.Failure = &f
}

// ForgetRequest puts the request from before in the place of one that could not be made durable, if it is still there.
func (r *Record) ForgetRequest(asked, before *Request) {
	if r.Request == asked {
		r.Request = before
	}
}

// EndFailure forgets a run of failures whose cause is gone.
func (r *Record) EndFailure() { r.Failure = nil }

// AskForRotation records that somebody wants a rotation; the wish to end a compromise stays.
func (r *Record) AskForRotation(q Request) {
	if r.Request != nil && r.Request.Compromised {
		q.Compromised = true
	}
	q.After = cmp.Or(r.LatestID(), beforeAll)
	r.Request = &q
	if r.Failure != nil {
		f := *r.Failure
		f.Next = q.At
		r.Failure = &f
	}
}
