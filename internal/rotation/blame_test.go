package rotation

import (
	"testing"

	"github.com/rotatord/rotatord/internal/fault"
)

// Step, reason and sink stand side by side in a log line and on the page: they must be of one error.
func TestAFailureOfSeveralSinksIsToldByTheFirstThatIsDown(t *testing.T) {
	errorOf := func(sink string, class fault.Class, reason fault.Reason, down bool) error {
		return &upstreamError{fault.Newf(class, reason, "deliver to", sink, "no"), []blame{{upstream: upstream{name: sink}, down: down}}}
	}
	refuses := errorOf("refuses", fault.Permanent, fault.Forbidden, false)
	sealed := errorOf("sealed", fault.Retry, fault.Unreachable, true)
	silent := errorOf("silent", fault.Retry, fault.Timeout, true)
	for _, c := range []struct {
		errs  []error
		index int
	}{{[]error{refuses, sealed, silent}, 1}, {[]error{silent, refuses, sealed}, 0}, {[]error{refuses, refuses}, 0}} {
		if i := tellingError(c.errs); i != c.index {
			t.Errorf("of %q it is told by %d", c.errs, i)
		}
	}
}
