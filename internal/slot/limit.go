package slot

import (
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// roomFirst keeps a slot at three tokens: a fourth waits for the oldest grace to end.
func (v *View) roomFirst() (Action, bool) {
	if v.Plan.Strategy != moq.Overlap {
		return nil, true
	}
	if v.currentExpired() {
		return Revoke{Token: *v.Record.Current, Expired: true}, false
	}
	held, waiting := v.liveTokens(), false
	for _, t := range v.Record.Retiring {
		waiting = waiting || !t.Retire.IsZero()
	}
	switch {
	case held < MaxTokens:
		return nil, true
	case waiting:
		return Wait{}, false // retire says until when
	}
	return Fail{Stage: StagePreflight, Errs: []error{errTokenLimit}}, false
}

var errTokenLimit = fault.Newf(fault.Retry, fault.Full, "start rotation", "",
	"the slot has three tokens, and none can be revoked while a required sink may still serve it").
	WithHint("bring the sink back, or take it out of the configuration")

// currentExpired reports whether the served token has expired and its place is needed.
func (v *View) currentExpired() bool {
	t := v.Record.Current
	return t != nil && t.ID != "" && t.expired(v.Now) && !v.Now.Before(v.Seen.NextRetirement.Time()) && (v.Plan == nil || v.Seen.RelayFull || v.liveTokens() >= MaxTokens)
}

// liveTokens counts the slot's tokens that Cloudflare may accept, without those that
// are left to expire.
func (v *View) liveTokens() int {
	n := 0
	if v.Record.Current != nil && v.Record.Current.ID != "" {
		n++
	}
	if v.Record.Unfinished() && v.Record.Rotation.Token.ID != "" {
		n++
	}
	for i := range v.Record.Retiring {
		if t := &v.Record.Retiring[i]; !t.Foreign && !v.leftToExpire(t) {
			n++
		}
	}
	return n
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
