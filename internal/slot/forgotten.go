package slot

import "slices"

// ForgottenMints is what is still known of lost mints that were forgotten.
type ForgottenMints struct {
	// ForgottenIDs are the rotation ids of those that were forgotten last, in this order.
	ForgottenIDs []string `json:"forgotten,omitempty"`
	// ForgottenThrough is the greatest rotation id of all. Older versions kept nothing else.
	ForgottenThrough string `json:"forgotten_through,omitempty"`
}

// forgottenRemembered is of how many lost mints that were forgotten the ids are known.
const forgottenRemembered = 8

// forgotten is what is known of lost mints that were forgotten.
func (r *Record) forgotten() ForgottenMints { return r.exceptions().ForgottenMints }

// ForgetOrphan forgets a lost mint that can no longer turn up, but for its id: a list that lags may still show its token.
func (r *Record) ForgetOrphan(label string) {
	for _, l := range r.Orphans {
		if l.Label == label {
			x := r.exceptions()
			x.ForgottenMints = x.withID(l.RotationID)
			r.keepExceptions(x)
		}
	}
	r.Orphans = slices.DeleteFunc(r.Orphans, func(l Orphan) bool { return l.Label == label })
}

// withID has one more be remembered, and no more than the last few: of those before, lists have long agreed that no token
// is there.
func (f ForgottenMints) withID(id string) ForgottenMints {
	ids := append(slices.Clip(f.ForgottenIDs), id)
	return ForgottenMints{ids[max(0, len(ids)-forgottenRemembered):], max(f.ForgottenThrough, id)}
}

// hasForgotten reports whether a lost mint that was forgotten bore a rotation id. What sorts before one may be another
// installation's: a clock was ahead, and so are the ids that were made by it.
func (r *Record) hasForgotten(id string) bool {
	f := r.forgotten()
	return id == f.ForgottenThrough || slices.Contains(f.ForgottenIDs, id)
}
