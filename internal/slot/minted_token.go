package slot

import (
	"cmp"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// CheckMinted says why a token that was minted just now is not to be delivered; nil when it is. One that lives
// shorter than was asked is still better than one that ends sooner, and good enough if it reaches the next.
func (v *View) CheckMinted(a *Rotation, t *Token) error {
	switch {
	case a.Strategy != moq.Overlap || t.Expires.IsZero():
		return nil
	case t.Life() <= 0 || v.expired(t):
		return errUnfit("has expired already")
	case a.Cause == CauseCompromised || v.hasNoWorkingToken():
		return nil
	case !t.BeforeRenewal(v.birthOf(t).Add(a.Settle)):
		return errUnfit("is to be renewed as soon as it is made")
	case a.livesShort(t) && t.Life() <= v.leastLife() && v.Record.Current.outlives(t):
		return errUnfit("lives less than half as long as was asked, and ends before the one that it is to replace")
	}
	return nil
}

// birthOf is what time it is for a token that was minted just now: where Cloudflare's time is not known, it tells it itself.
func (c *Times) birthOf(t *Token) time.Time {
	if c.knowsCloudflare() {
		return c.Cloudflare.Now
	}
	return t.Created.Time()
}

func errUnfit(why string) error {
	return fault.Newf(fault.Retry, fault.BadAnswer, "create token", "", "the new token %s; it is revoked", why).
		WithHint("is this machine's clock right? did Cloudflare lower the longest life of a token?")
}

// LivesShort reports whether the latest rotation's token lives less than half as long as was asked.
func (rot *Rotation) LivesShort() bool {
	return rot.Strategy == moq.Overlap && rot.Token != nil && !rot.Token.Expires.IsZero() && rot.livesShort(rot.Token)
}

func (rot *Rotation) livesShort(t *Token) bool { return 2*t.Life() < rot.AskedLife() }

// AskedLife is how long a token was asked to live: as long as any may, where a clock was set or became known between
// that and the call.
func (rot *Rotation) AskedLife() time.Duration {
	asked := time.Duration(rot.Expires - cmp.Or(rot.Clock.Cloudflare, rot.Started))
	if rot.Expires.IsZero() || asked <= 0 || asked > longestLife {
		return longestLife
	}
	return asked
}

// Life is how long the token lives, as Cloudflare says.
func (t *Token) Life() time.Duration { return time.Duration(t.Expires - t.Created) }

func (t *Token) outlives(o *Token) bool { return t.Expires.IsZero() || t.Expires > o.Expires }

// hasNoWorkingToken reports whether no token is served that may work.
func (v *View) hasNoWorkingToken() bool {
	t := v.Record.Current
	return t == nil || t.ID == "" || v.expired(t)
}

// leastLife is what a token must outlive to reach the next.
func (v *View) leastLife() time.Duration {
	if v.Plan == nil {
		return 0
	}
	return v.Plan.LeastLife
}

// believesOtherID reports whether a fresh value that claims another id than its answer told is to be believed: not the
// first time. When the next mint's does so as well, it is the form of claims that has changed.
func (r *Record) believesOtherID() bool {
	return r.Failure != nil && r.Failure.ClaimedOtherID || r.Rotation != nil && r.Rotation.ClaimedOtherID
}

// ReadClaims notes with a pending mint whether its value claims another id than its answer told, and reports whether the
// mint is ambiguous for it.
func (r *Record) ReadClaims(a *Rotation, contradicted []string) (ambiguous bool) {
	a.ClaimedOtherID = moq.ContradictsID(contradicted)
	return a.ClaimedOtherID && !r.believesOtherID()
}

// RefuseMint gives up the pending mint, whose token came and is not to be delivered: it is revoked.
func (r *Record) RefuseMint(t *Token, at time.Time) {
	a := r.PendingMint
	r.Orphans = append(r.Orphans, Orphan{RotationID: a.ID, Label: moq.Label(a.Names.Instance, a.ID), At: at, TokenID: t.ID})
	r.PendingMint = nil
}
