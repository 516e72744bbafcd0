package rotation

import (
	"errors"
	"slices"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/moq"
)

// OfferedBefore is for an error of a call that the account has answered well before: if it is said not to be
// offered, then because the account or the API token is another one by now, which no change of the strategy mends.
func OfferedBefore(err error) error {
	f := fault.Of(err)
	if f == nil || f.Reason != fault.NotOffered {
		return err
	}
	told := *f
	told.Hint = "overlap has worked for this slot, so its account offers it: check account_id, and whose API token it is; leave the strategy as it is"
	if p, ok := errors.AsType[*partyError](err); ok {
		return &partyError{&told, p.sakes}
	}
	return &told
}

// overlapped tells whether tokens of the slot were made, or seen, as only overlap does.
func (r *Record) overlapped() bool {
	known := func(t *Token) bool { return t != nil && t.ID != "" }
	return known(r.Served) || r.Rotation != nil && known(r.Rotation.Token) ||
		slices.ContainsFunc(r.Old, func(t Token) bool { return known(&t) })
}

// explainAbsence gives err as it is meant for this slot. s.mu is held.
func (s *slot) explainAbsence(where Step, err error) error {
	if rotates := where == StepMint && s.strategy() == moq.InPlace; rotates || !s.rec.overlapped() {
		return err
	}
	return OfferedBefore(err)
}
