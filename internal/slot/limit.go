package slot

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// roomFirst keeps a slot at three tokens: a fourth waits for the oldest grace to end, unless nobody is served.
func (v *View) roomFirst() (Action, bool) {
	if v.Plan.Strategy != moq.Overlap {
		return nil, true
	}
	if t := v.expiredInTheWay(); t != nil {
		return Revoke{Token: *t, Expired: true}, false
	}
	if v.liveTokens() < MaxTokens {
		return nil, true
	}
	if a, ok := v.fourthToken(); ok || a != nil {
		return a, ok
	}
	if len(v.graceEnds()) > 0 {
		return Wait{}, false // retire says until when
	}
	return Fail{Stage: StagePreflight, Errs: []error{errTokenLimit}}, false
}

var errTokenLimit = fault.Newf(fault.Retry, fault.Full, "start rotation", "",
	"the slot has three tokens, and none can be revoked while a required sink may still serve it").
	WithHint("bring the sink back, or take it out of the configuration")

// expiredInTheWay is a token that has expired and whose place is needed; nil when none is. A served one stays otherwise,
// so that people see it.
func (v *View) expiredInTheWay() *Token {
	if v.Now.Before(v.Seen.NextRetirement.Time()) || !v.Seen.RelayFull && v.liveTokens() < MaxTokens {
		return nil
	}
	for _, t := range v.heldTokens() {
		if t.expired(v.Now) {
			return t
		}
	}
	return nil
}

// currentExpired reports whether the last token of a slot that left the configuration has expired.
func (v *View) currentExpired() bool {
	t := v.Record.Current
	return v.Plan == nil && t != nil && t.ID != "" && t.expired(v.Now) && !v.Now.Before(v.Seen.NextRetirement.Time())
}

// liveTokens counts the slot's tokens that take one of its places.
func (v *View) liveTokens() int { return len(v.heldTokens()) }

// heldTokens are the slot's tokens that Cloudflare may accept, without those that are left to expire.
func (v *View) heldTokens() (held []*Token) {
	if v.Record.Current != nil && v.Record.Current.ID != "" {
		held = append(held, v.Record.Current)
	}
	if v.Record.Unfinished() && v.Record.Rotation.Token.ID != "" {
		held = append(held, v.Record.Rotation.Token)
	}
	for i := range v.Record.Retiring {
		if t := &v.Record.Retiring[i]; !t.Foreign && !v.leftToExpire(t) {
			held = append(held, t)
		}
	}
	return held
}

// graceEnds are the ends of the graces of the slot's tokens, in their order.
func (v *View) graceEnds() (ends []time.Time) {
	for _, t := range v.heldTokens() {
		if !t.Retire.IsZero() {
			ends = append(ends, t.Retire.Time())
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	return ends
}

// blockedByTokenLimit reports whether a rotation that is due has no room: then a target that was
// wiped, overwritten or gained would stay so for ever, because no old token could go.
func (v *View) blockedByTokenLimit() bool {
	return v.isDue() && v.liveTokens() >= MaxTokens
}

// WaitsForRetirement reports whether a rotation that is due cannot begin before a token goes.
func (v *View) WaitsForRetirement() bool {
	return v.blockedByTokenLimit() || len(v.Record.Orphans) > 0 && v.isDue()
}
