package rotation

import (
	"bytes"
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

// The changes that a record goes through, each as one pure function. What a
// record points to is never changed in place: a clone may still be on its way
// to the journal.

// clone copies r far enough that no transition of r shows in the copy.
func (r *Record) clone() *Record {
	c := *r
	c.Old = slices.Clone(r.Old)
	c.Lost = slices.Clone(r.Lost)
	c.Receipts = slices.Clone(r.Receipts)
	return &c
}

// intend records that a mint is about to be called.
func (r *Record) intend(a Rotation) { r.Attempt = &a }

// abandon forgets an attempt that was certainly not carried out.
func (r *Record) abandon() { r.Attempt = nil }

// lose records that an attempt may have been carried out, and its value is lost:
// overlap looks for it by its label; in_place rotates again.
func (r *Record) lose(instance string, at time.Time, clock Reading, crashed bool) {
	a := *r.Attempt
	if a.Strategy == moq.InPlace {
		a.LostAt = MomentOf(at)
		r.Attempt = &a
		return
	}
	r.Lost = append(r.Lost, LostMint{RotationID: a.ID, Label: moq.Label(instance, a.ID), At: at, Crashed: crashed})
	if crashed {
		r.doubt(a.Targets, a.ID)
		r.regrace(a, at, clock)
	}
	r.Attempt = nil
}

// regrace begins graces anew where an attempt was to do so: its value may have
// been delivered from memory, and the old tokens were served until then.
func (r *Record) regrace(a Rotation, at time.Time, clock Reading) {
	for i, t := range r.Old {
		if a.Regrace && !t.Forced && !t.Retire.IsZero() {
			r.Old[i] = t.withGrace(t.Grace, MomentOf(at), clock)
		}
	}
}

// doubt notes that targets may hold the value of rotation id.
func (r *Record) doubt(targets []Target, id string) {
	for _, t := range targets {
		rc := r.Receipts.At(t.Location)
		rc.Target, rc.Maybe = t, id
		r.Receipts.set(rc)
	}
}

// minted makes the attempt the slot's latest rotation. One that it leaves
// unfinished is superseded: its token waits with the old ones.
func (r *Record) minted(t Token, sealed []byte, at time.Time) (superseded *Rotation) {
	a := *r.Attempt
	a.Phase, a.MintedAt, a.Token, a.Sealed = Minted, MomentOf(at), &t, sealed
	if r.unfinished() {
		superseded = r.Rotation
		r.shelve(superseded.Token)
	}
	if rot := r.Rotation; rot != nil && a.Started < rot.LostAt.Add(quietMinute) {
		a.LostAt = max(a.LostAt, rot.LostAt) // that lost call may still commit, after this one
	}
	if a.Cause == ByDrift {
		r.DriftPeriod = a.Period
	}
	r.Rotation, r.Attempt, r.Failure = &a, nil, nil
	r.doubt(a.Targets, a.ID)
	return superseded
}

// shelve keeps a token that is no longer the one to serve until it is revoked.
func (r *Record) shelve(t *Token) {
	if t != nil && t.ID != "" {
		r.Old = append(r.Old, *t)
	}
}

// acknowledge records that a target holds the rotation's content.
func (r *Record) acknowledge(t Target, rotationID string, digest []byte, at time.Time) {
	rc := Receipt{Target: t, RotationID: rotationID, Digest: digest, At: MomentOf(at)}
	if old := r.Receipts.At(t.Location); old.Maybe > rotationID {
		rc.Maybe = old.Maybe
	}
	r.Receipts.set(rc)
}

// verified records that every required target holds the value: the token is
// served from now on, and the graces of those before it begin.
func (r *Record) verified(at time.Time, clock Reading) {
	rot := *r.Rotation
	rot.Phase, rot.Finished = Verified, MomentOf(at)
	r.shelve(r.Served)
	r.Old = append(r.Old, rot.Existing...)
	rot.Existing = nil
	for i := range r.Old {
		r.Old[i] = r.Old[i].graced(&rot, clock)
	}
	served := *rot.Token
	served.Held = r.contents(rot.ID)
	r.Served, r.Rotation, r.Failure, r.LastRotation = &served, &rot, nil, rot.Finished
	r.Met = max(r.Met, rot.Instant)
	if r.Request != nil && !rot.Started.Time().Before(r.Request.At) {
		r.Request = nil
	}
	r.prune()
}

// contents are the digests of what targets hold of a rotation, each once.
func (r *Record) contents(rotationID string) (out [][]byte) {
	for _, rc := range r.Receipts {
		same := func(d []byte) bool { return bytes.Equal(d, rc.Digest) }
		if rc.RotationID == rotationID && !slices.ContainsFunc(out, same) {
			out = append(out, rc.Digest)
		}
	}
	return out
}

// graced starts a token's grace, if it does not run already (or anew, when a
// target may have served it until now); a compromised one has none.
func (t Token) graced(rot *Rotation, clock Reading) Token {
	if rot.Cause == ByCompro && !t.NotOurs {
		t.Retire, t.Grace, t.Forced = rot.Finished, 0, true
		return t
	}
	if t.Retire.IsZero() || rot.Regrace {
		return t.withGrace(rot.Grace, rot.Finished, clock)
	}
	return t
}

// withGrace is the token with a grace that begins at a time.
func (t Token) withGrace(grace time.Duration, at Moment, clock Reading) Token {
	t.Retire, t.Grace, t.Clock = at.Add(grace), grace, clock
	return t
}

// prune drops receipts of places the rotation no longer delivers to once no
// token that they may hold is known any more.
func (r *Record) prune() {
	r.Receipts = slices.DeleteFunc(r.Receipts, func(rc Receipt) bool {
		return !r.Rotation.delivers(rc.Location) && !r.knows(rc.RotationID) && !r.knows(rc.Maybe)
	})
}

// drop forgets the sealed value: every target holds it.
func (r *Record) drop() {
	rot := *r.Rotation
	rot.Sealed = nil
	r.Rotation = &rot
}

// revoked forgets a token's id.
func (r *Record) revoked(id string) {
	if r.Served != nil && r.Served.ID == id {
		t := *r.Served
		t.ID = ""
		r.Served = &t
	}
	r.Old = slices.DeleteFunc(r.Old, func(t Token) bool { return t.ID == id })
}

// found forgets a lost mint whose token was revoked, or that can no longer turn up.
func (r *Record) found(label string) {
	r.Lost = slices.DeleteFunc(r.Lost, func(l LostMint) bool { return l.Label == label })
}

// adopt keeps a lost mint's token as an old one, because a target may serve it.
func (r *Record) adopt(l LostMint, t moq.Token) {
	r.Old = append(r.Old, Token{ID: t.ID, RotationID: l.RotationID, Created: MomentOf(t.Created), Expires: MomentOf(t.Expires)})
	r.found(l.Label)
}

// beginGrace puts an adopted token, with its grace, in the place of the one without.
func (r *Record) beginGrace(t Token) {
	r.Old[slices.IndexFunc(r.Old, func(o Token) bool { return o.ID == t.ID })] = t
}

// fail adds one failed attempt.
func (r *Record) fail(f Failure) {
	f.Since = f.At
	if r.Failure != nil {
		f.Count, f.Since = r.Failure.Count, r.Failure.Since
	}
	f.Count++
	r.Failure = &f
}

// ask records that somebody wants a rotation; the wish to end a compromise stays.
func (r *Record) ask(q Request) {
	if r.Request != nil && r.Request.Compromised {
		q.Compromised = true
	}
	r.Request = &q
	if r.Failure != nil {
		f := *r.Failure
		f.Next = q.At
		r.Failure = &f
	}
}

// latestID is the greatest rotation id the slot has used.
func (r *Record) latestID() (id string) {
	for _, rot := range []*Rotation{r.Attempt, r.Rotation} {
		if rot != nil {
			id = max(id, rot.ID)
		}
	}
	for _, l := range r.Lost {
		id = max(id, l.RotationID)
	}
	return id
}

func (r *Record) unfinished() bool { return r.Rotation != nil && r.Rotation.Phase == Minted }

// knows tells whether the token of a rotation may still be accepted.
func (r *Record) knows(rotationID string) bool {
	if rotationID == "" {
		return false
	}
	if r.Served != nil && r.Served.RotationID == rotationID || r.Rotation.ID == rotationID {
		return true
	}
	return slices.ContainsFunc(r.Old, func(t Token) bool { return t.RotationID == rotationID }) ||
		slices.ContainsFunc(r.Lost, func(l LostMint) bool { return l.RotationID == rotationID })
}

func (rot *Rotation) delivers(location string) bool {
	return indexOf(rot.Targets, location) >= 0
}
