package rotation

import (
	"errors"

	"github.com/rotatord/rotatord/internal/fault"
)

// WithOfferedHint is for an error of a call that the account has answered well before, and returns it with another hint
// if it says that the call is not offered: then because the account or the API token is another one by now, which no
// change of the strategy mends.
func WithOfferedHint(err error) error {
	f := fault.Of(err)
	if f == nil || f.Reason != fault.NotOffered {
		return err
	}
	told := *f
	told.Hint = "overlap has worked for this slot, so its account offers it: check account_id, and whose API token it is; leave the strategy as it is"
	if p, ok := errors.AsType[*upstreamError](err); ok {
		return &upstreamError{&told, p.blames}
	}
	return &told
}
