package slot

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/moq"
)

const (
	// longestLife is the longest life of a token, and what Cloudflare gives when not asked.
	longestLife = 365 * 24 * time.Hour
	// clockAllowance is how much less is not asked for: by a clock that is fast it would be too much.
	clockAllowance = time.Hour
)

// NewRotation fixes everything that a new rotation of the slot needs to finish, but for
// its id. instance names the installation.
func (v *View) NewRotation(d Due, instance string) Rotation {
	p := v.Plan
	a := Rotation{
		Phase: Intended, Strategy: p.Strategy, Cause: d.Cause, MeetsThrough: TimestampOf(d.MeetsThrough),
		Started: TimestampOf(v.Now), Clock: v.Clock, Verify: p.Verify, Targets: p.Targets, Operations: p.Operations,
		Names: Names{Relay: p.Relay, Account: p.Account, Instance: instance},
	}
	if d.Cause == CauseSchedule {
		a.DueAt = TimestampOf(d.At)
	}
	if d.Cause == CauseDrift {
		a.Period = TimestampOf(v.driftPeriodStart())
	}
	if v.Record.Request != nil {
		a.By = v.Record.Request.By
	}
	if p.Strategy == moq.Overlap {
		v.fixOverlap(&a, instance)
	} else {
		v.fixInPlace(&a)
	}
	return a
}

// fixInPlace fixes what only in_place has: what the targets hold, and how many values were given up before.
func (v *View) fixInPlace(a *Rotation) {
	a.Found = v.foundAt(v.Plan.Targets)
	if v.Record.Unfinished() && v.Record.Rotation.GivenUp {
		a.GivenUpCount = v.Record.Rotation.GivenUpCount
	}
}

// fixOverlap fixes what only overlap has: graces, an expiry, tokens to take over.
func (v *View) fixOverlap(a *Rotation, instance string) {
	a.Settle = v.Plan.Settle
	a.Grace, a.Regrace = v.Plan.Grace, v.Seen.anyDrift() || v.hasNewTarget()
	if v.Plan.Matching && v.Seen.Listing != nil {
		a.Existing = v.matchingTokens(instance)
	}
	if v.isFourth() {
		a.Found = v.foundUnserved()
	}
	if v.Plan.Lifetime < longestLife-clockAllowance {
		a.Expires = TimestampOf(v.tokenTime().Add(v.Plan.Lifetime).Truncate(time.Second))
	}
}

// matchingTokens are the listed tokens that retire: matching has the slot revoke: exactly the
// slot's operations, no other installation's label (nor ours, where another that lives has our name, or may have), and
// no slot of ours that owns it.
func (v *View) matchingTokens(instance string) (out []Token) {
	l := v.Seen.Listing
	for _, t := range l.Tokens {
		owner, labelled := moq.LabelInstance(t.Label)
		matches := t.HasOperations(v.Plan.Operations) && (!labelled || owner == instance && !l.Undated)
		if matches && !v.Record.Owns(t) && l.Owners[t.ID] == "" && !slices.Contains(l.OfNamesake, t.ID) {
			out = append(out, Token{ID: t.ID, Created: TimestampOf(t.Created), Expires: TimestampOf(t.Expires), Matched: true})
		}
	}
	return out
}
