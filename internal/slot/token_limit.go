package slot

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// MaxTokens is the most tokens a slot has at Cloudflare, but for a fourth while nobody is served (fourthToken).
const MaxTokens = 3

// tokenLimitFirst keeps a slot at three tokens: a fourth waits for the oldest grace to end, unless nobody is served.
func (v *View) tokenLimitFirst() (Action, bool) {
	if v.Plan.Strategy != moq.Overlap {
		return nil, true
	}
	if a, ok := v.expiredFirst(); !ok {
		return a, false
	}
	if v.countLiveTokens() < MaxTokens {
		return nil, true
	}
	if a, ok := v.fourthToken(); ok || a != nil {
		return a, ok
	}
	if len(v.graceEnds()) > 0 {
		return Wait{}, false // retireTokens says until when
	}
	return Fail{Stage: StagePreflight, Errs: []error{errTokenLimit}}, false
}

var errTokenLimit = fault.Newf(fault.Retry, fault.Full, "start rotation", "",
	"the slot has three tokens, and none can be revoked while a required sink may still serve it").
	WithHint("bring the sink back, or take it out of the configuration")

// expiredFirst revokes a token that has expired and whose room is needed. A served one stays otherwise, so that people
// see it.
func (v *View) expiredFirst() (Action, bool) {
	if v.isPutOff(true) || !v.Seen.RelayFull && v.countLiveTokens() < MaxTokens {
		return nil, true
	}
	for _, t := range v.liveTokens() {
		if v.expired(t) {
			return Revoke{Token: *t, Expired: true}, false
		}
		if a, ok := v.sampledFirst(t, StagePreflight); !ok {
			return a, false
		}
	}
	return nil, true
}

// countLiveTokens counts the slot's tokens that its limit is about.
func (v *View) countLiveTokens() int { return len(v.liveTokens()) }

// liveTokens are the slot's tokens that Cloudflare may accept, without those that are left to expire.
func (v *View) liveTokens() (held []*Token) {
	if v.Record.Current != nil && v.Record.Current.ID != "" {
		held = append(held, v.Record.Current)
	}
	if v.Record.Unfinished() && v.Record.Rotation.Token.ID != "" {
		held = append(held, v.Record.Rotation.Token)
	}
	for i := range v.Record.Retiring {
		if t := &v.Record.Retiring[i]; !t.Matched && !v.leftToExpire(t) {
			held = append(held, t)
		}
	}
	return held
}

// graceEnds are the ends of the graces of the slot's tokens, in their order; of those that begin anew with an unfinished
// rotation it is not known.
func (v *View) graceEnds() (ends []time.Time) {
	for _, t := range v.liveTokens() {
		if !t.Retire.IsZero() && !v.awaitsRegrace(t) {
			ends = append(ends, v.graceEnd(t))
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	return ends
}

// blockedByTokenLimit reports whether a rotation that is due has no room: then a target that was
// wiped, overwritten or gained would stay so for ever, because no old token could go.
func (v *View) blockedByTokenLimit() bool {
	return v.isDue() && v.countLiveTokens() >= MaxTokens
}

// WaitsForRetirement reports whether a rotation that is due cannot begin before a token goes.
func (v *View) WaitsForRetirement() bool {
	return v.blockedByTokenLimit() || len(v.Record.Orphans) > 0 && v.isDue()
}
